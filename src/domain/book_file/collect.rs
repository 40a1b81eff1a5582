//! Gathers the objects of all files without a look at the store; who refers to whom, and what is new, is settled
//! afterwards. What is sold and how is converted at once; customers and subscriptions, of which there are many, are kept as
//! their text, and converted some at a time when it is known which of them are new or changed.

use super::content::{ContentHash, ObjectKind, content_hash};
use super::customer;
use super::discount::{self, WrittenDiscount};
use super::dunning::dunning_policy;
use super::fault::{Faults, Place};
use super::fields::Fields;
use super::json::Node;
use super::nearest::did_you_mean;
use super::plan::{self, WrittenPlan};
use super::tables::{SET_BY_SERVERS, our_word};
use super::{LoadReport, StoredBook, json, seller, settle, subscription};
use crate::catalogue::{BusinessUnit, ProductFamily, Rate, TaxRule, Tenant, Uom};
use crate::dunning::DunningPolicy;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};

/// One object of the files, converted.
pub(super) struct Item<T> {
    pub key: String,
    pub place: Place,
    pub content: Content,
    pub value: T,
    /// No fault was found in the object itself.
    pub is_sound: bool,
}

/// What was written of an object.
#[derive(Debug, Clone)]
pub(super) struct Content {
    /// As it was written.
    pub hash: ContentHash,
    /// As it is kept.
    pub document: String,
    /// Of the document.
    pub document_hash: ContentHash,
    /// Something new may use the object.
    pub is_active: bool,
}

impl Content {
    fn of(node: &Node, kind: ObjectKind, hash: ContentHash) -> Self {
        let (settled, is_renamed) = settle::document(node, kind);
        let document_hash = if is_renamed { content_hash(&settled) } else { hash };
        let is_active = kind == ObjectKind::Subscription || !says_inactive(&settled);
        Self { hash, document: settle::text(&settled), document_hash, is_active }
    }
}

fn says_inactive(document: &Node) -> bool {
    let Some(Node::Text(status) | Node::Number(status)) = document.member("status") else { return false };
    matches!(status.to_ascii_lowercase().as_str(), "inactive" | "7" | "draft" | "0")
}

/// A customer or subscription that is not converted yet.
pub(super) struct Raw {
    pub key: Box<str>,
    pub hash: ContentHash,
    text: Box<str>,
}

/// What is kept of a customer or subscription that is not converted yet, made of it alone.
pub(super) struct Digest {
    hash: ContentHash,
    text: Box<str>,
}

impl Digest {
    fn of(node: &Node) -> Self {
        Self { hash: content_hash(node), text: settle::text(node).into() }
    }

    /// Of the one customer or subscription of an NDJSON line.
    pub fn of_line(line: &Node) -> Option<Self> {
        let Node::Object(members) = line else { return None };
        let [(key, object)] = members.as_slice() else { return None };
        let kept = [ObjectKind::Customer, ObjectKind::Subscription];
        let is_kept = kept.iter().any(|kind| kind.singular().eq_ignore_ascii_case(key));
        (is_kept && *object != Node::Null).then(|| Self::of(object))
    }
}

/// Reads one object; `None` if it could not be.
type Reader<T> = fn(&mut Fields<'_, '_>) -> Option<T>;

/// All that the files hold, by kind.
#[derive(Default)]
pub(super) struct Written {
    pub tenant: Vec<Item<Tenant>>,
    pub dunning_policies: Vec<Item<DunningPolicy>>,
    pub business_units: Vec<Item<BusinessUnit>>,
    pub tax_rules: Vec<Item<TaxRule>>,
    pub rates: Vec<Item<Rate>>,
    pub uoms: Vec<Item<Uom>>,
    pub families: Vec<Item<ProductFamily>>,
    pub plans: Vec<Item<WrittenPlan>>,
    pub discounts: Vec<Item<WrittenDiscount>>,
    pub customers: VecDeque<Raw>,
    pub subscriptions: VecDeque<Raw>,
}

/// Gathers objects.
#[derive(Default)]
pub(super) struct Collector {
    pub written: Written,
    pub faults: Faults,
    /// Objects that have a fault themselves.
    pub faulty: Vec<Faulty>,
    objects: usize,
    /// Where each object was first seen; objects with faults are there too.
    pub seen: HashMap<(ObjectKind, String), Place>,
    /// Other names of objects: refkey and id → natural key.
    pub aliases: HashMap<(ObjectKind, String), String>,
    /// A file was cut off or unreadable: what is missing may be there.
    pub is_cut_off: bool,
}

/// An object with faults of its own.
pub(super) struct Faulty {
    kind: ObjectKind,
    key: String,
    hash: ContentHash,
    object: usize,
    /// How many faults it has.
    met: usize,
    /// It could not be converted, so that no list of what is written has it.
    is_lost: bool,
}

impl Collector {
    /// A document or an NDJSON line: lists under their plural names, single objects under their singular ones. `digest` is of the
    /// single object, if it is made already.
    pub fn document(&mut self, node: &Node, place: &Place, mut digest: Option<Digest>) {
        let Node::Object(members) = node else {
            let hint = "a book is {\"tenant\": {…}, \"productplans\": […], \"customers\": […], …}";
            self.faults.hinted(place, format!("is {}, an object was expected", node.noun()), hint);
            self.is_cut_off = true;
            return;
        };
        for (key, value) in members {
            let place = place.member(key);
            let of_name = |name: &str| name.eq_ignore_ascii_case(key);
            let single = ObjectKind::ALL.iter().find(|kind| of_name(kind.singular()));
            let list = ObjectKind::ALL.iter().find(|kind| of_name(kind.name()));
            match (single, list, value) {
                (_, _, Node::Null) => {}
                (Some(kind), _, value) => self.object(*kind, value, place, digest.take()),
                (None, Some(kind), Node::List(list)) => {
                    for (index, part) in list.iter().enumerate() {
                        self.object(*kind, part, place.element(index), None);
                    }
                }
                (None, Some(_), other) => {
                    self.faults.add(&place, format!("is {}, a list was expected", other.noun()))
                }
                (None, None, _) => {
                    let names = ObjectKind::ALL.iter().flat_map(|kind| [kind.name(), kind.singular()]);
                    let hint = match our_word(key, names.clone(), "book") {
                        Some(ours) => Some(format!("it is called `{ours}` here")),
                        None => did_you_mean(key, names),
                    };
                    self.faults.note(&place, format!("unknown field `{key}`"), hint);
                }
            }
        }
    }

    pub fn object(&mut self, kind: ObjectKind, node: &Node, place: Place, digest: Option<Digest>) {
        match kind {
            ObjectKind::Tenant => {
                self.convert(kind, node, place, seller::tenant, |_| "tenant".to_owned(), |w| &mut w.tenant)
            }
            ObjectKind::DunningPolicy => self.convert(
                kind,
                node,
                place,
                dunning_policy,
                |v| v.refkey.clone(),
                |w| &mut w.dunning_policies,
            ),
            ObjectKind::BusinessUnit => self.convert(
                kind,
                node,
                place,
                seller::business_unit,
                |v| v.refkey.clone(),
                |w| &mut w.business_units,
            ),
            ObjectKind::TaxRule => {
                self.convert(kind, node, place, seller::tax_rule, seller::tax_rule_key, |w| &mut w.tax_rules)
            }
            ObjectKind::Rate => {
                self.convert(kind, node, place, seller::rate, seller::rate_key, |w| &mut w.rates)
            }
            ObjectKind::Uom => {
                self.convert(kind, node, place, seller::uom, |v| v.refkey.clone(), |w| &mut w.uoms)
            }
            ObjectKind::ProductFamily => self.convert(
                kind,
                node,
                place,
                seller::product_family,
                |v| v.refkey.clone(),
                |w| &mut w.families,
            ),
            ObjectKind::ProductPlan => {
                self.convert(kind, node, place, plan::plan, |v| v.plan.sku.clone(), |w| &mut w.plans)
            }
            ObjectKind::Discount => self.convert(
                kind,
                node,
                place,
                discount::discount,
                |v| v.discount.refkey.clone(),
                |w| &mut w.discounts,
            ),
            ObjectKind::Customer | ObjectKind::Subscription => self.keep(kind, node, place, digest),
        }
    }

    /// Keeps the text of a customer or subscription. One without a key, or that was seen before, is converted for its faults alone.
    fn keep(&mut self, kind: ObjectKind, node: &Node, place: Place, digest: Option<Digest>) {
        let key = key_in(kind, node);
        if let Some(key) = key.clone().filter(|key| self.register(kind, key, node, &place)) {
            let Digest { hash, text } = digest.unwrap_or_else(|| Digest::of(node));
            let list = match kind {
                ObjectKind::Customer => &mut self.written.customers,
                _ => &mut self.written.subscriptions,
            };
            list.push_back(Raw { key: key.into(), hash, text });
            return;
        }
        let met = self.faults.met();
        let mut reading = Reading { kind, node, place: &place, faults: &mut self.faults };
        match kind {
            ObjectKind::Customer => drop(reading.read(customer::customer)),
            _ => drop(reading.read(subscription::subscription)),
        }
        if self.faults.met() == met && key.is_none() {
            self.faults.add(&place, "cannot be read");
        }
    }

    /// Converts one object and keeps it.
    fn convert<T>(
        &mut self,
        kind: ObjectKind,
        node: &Node,
        place: Place,
        reader: Reader<T>,
        key_of: impl FnOnce(&T) -> String,
        list: impl FnOnce(&mut Written) -> &mut Vec<Item<T>>,
    ) {
        let hash = content_hash(node);
        let faults_before = self.faults.met();
        self.objects += 1;
        self.faults.of_object(Some(self.objects));
        let value = Reading { kind, node, place: &place, faults: &mut self.faults }.read(reader);
        if value.is_none() && self.faults.met() == faults_before {
            self.faults.add(&place, "cannot be read");
        }
        self.faults.of_object(None);
        let met = self.faults.met() - faults_before;
        let key = value.as_ref().map(key_of).or_else(|| key_in(kind, node));
        if let Some(key) = key.clone().filter(|_| met > 0) {
            self.faulty.push(Faulty { kind, key, hash, object: self.objects, met, is_lost: value.is_none() });
        }
        let Some(key) = key else { return };
        if !self.register(kind, &key, node, &place) {
            return;
        }
        if let Some(value) = value {
            let content = Content::of(node, kind, hash);
            list(&mut self.written).push(Item { key, place, content, value, is_sound: met == 0 });
        }
    }

    /// Notes an object's names; `false` if the object was seen before, which is a fault.
    fn register(&mut self, kind: ObjectKind, key: &str, node: &Node, place: &Place) -> bool {
        let key = key.to_owned();
        match self.seen.entry((kind, key.clone())) {
            Entry::Occupied(first) => {
                let message = if kind == ObjectKind::Tenant {
                    format!("there is a tenant already, at {}", first.get().pointer)
                } else {
                    format!("the {} `{key}` occurs twice, first at {}", kind.singular(), first.get().pointer)
                };
                self.faults.add(place, message);
                return false;
            }
            Entry::Vacant(slot) => drop(slot.insert(place.clone())),
        }
        for name in ["refkey", "id"] {
            let Some(Node::Text(alias)) = node.member(name) else { continue };
            if *alias == key {
                continue;
            }
            if let Some(other) = self.aliases.insert((kind, alias.clone()), key.clone()) {
                let message = format!("`{alias}` names {} `{other}` too", kind.singular());
                self.faults.add(&place.member(name), message);
            }
        }
        true
    }
}

/// One object being read.
struct Reading<'r> {
    kind: ObjectKind,
    node: &'r Node,
    place: &'r Place,
    faults: &'r mut Faults,
}

impl Reading<'_> {
    fn read<T>(&mut self, reader: Reader<T>) -> Option<T> {
        let kind = self.kind;
        let read = |fields: &mut Fields<'_, '_>| {
            let value = reader(fields);
            // Upodi's server-set fields, and names that are read otherwise.
            fields.ignore(&SET_BY_SERVERS);
            if kind == ObjectKind::ProductPlan {
                fields.ignore(&["refkey"]);
            }
            value
        };
        Fields::of(Some(kind.table()), self.node, self.place.clone(), self.faults, read).flatten()
    }
}

impl Raw {
    /// Converts the object; `None` if it cannot be, which is a fault then.
    pub fn convert<T>(
        self,
        kind: ObjectKind,
        place: Place,
        reader: Reader<T>,
        faults: &mut Faults,
    ) -> Option<Item<T>> {
        let met = faults.met();
        let node = json::parse(&self.text, 1, &place, faults)?;
        let value = Reading { kind, node: &node, place: &place, faults }.read(reader);
        if value.is_none() && faults.met() == met {
            faults.add(&place, "cannot be read");
        }
        let is_sound = faults.met() == met;
        let content = Content::of(&node, kind, self.hash);
        Some(Item { key: self.key.into(), place, content, value: value?, is_sound })
    }
}

/// The natural key of an object that could not be converted, so that references to it are no faults.
fn key_in(kind: ObjectKind, node: &Node) -> Option<String> {
    if kind == ObjectKind::Tenant {
        return Some("tenant".to_owned());
    }
    match node.member(key_field(kind)?) {
        Some(Node::Text(key)) if !key.trim().is_empty() => Some(key.clone()),
        _ => None,
    }
}

/// The field that is the natural key; none if there is but one object or the key is made of several fields.
pub fn key_field(kind: ObjectKind) -> Option<&'static str> {
    match kind {
        ObjectKind::Tenant | ObjectKind::TaxRule | ObjectKind::Rate => None,
        ObjectKind::DunningPolicy
        | ObjectKind::BusinessUnit
        | ObjectKind::Uom
        | ObjectKind::ProductFamily
        | ObjectKind::Discount => Some("refkey"),
        ObjectKind::ProductPlan => Some("sku"),
        ObjectKind::Customer => Some("accountnumber"),
        ObjectKind::Subscription => Some("subscriptionnumber"),
    }
}

/// What is new or changed of the objects of a kind, against what is stored (rules S6); the report counts all.
pub(super) fn changed<T>(
    mut items: Vec<Item<T>>,
    kind: ObjectKind,
    known: &StoredBook,
    report: &mut LoadReport,
) -> Vec<Item<T>> {
    items.retain(|item| is_changed(kind, &item.key, item.content.hash, known, report));
    items
}

/// Whether an object is new or changed; the report counts it.
pub(super) fn is_changed(
    kind: ObjectKind,
    key: &str,
    hash: ContentHash,
    known: &StoredBook,
    report: &mut LoadReport,
) -> bool {
    let is_stored = is_stored(known, kind, key);
    let is_kept = is_same(known, kind, key, hash);
    match (is_kept, is_stored) {
        (true, _) => report.unchanged(kind),
        (false, true) => report.updated(kind),
        (false, false) => report.created(kind),
    }
    !is_kept
}

/// An object that was loaded with the same content is not judged again: an earlier version may have taken what this one
/// refuses.
pub(super) fn forgive(faulty: &[Faulty], known: &StoredBook, faults: &mut Faults, report: &mut LoadReport) {
    let forgiven: Vec<&Faulty> = faulty.iter().filter(|f| is_same(known, f.kind, &f.key, f.hash)).collect();
    for lost in forgiven.iter().filter(|f| f.is_lost) {
        report.unchanged(lost.kind);
    }
    let objects: HashSet<usize> = forgiven.iter().map(|f| f.object).collect();
    faults.forgive(&objects, forgiven.iter().map(|f| f.met).sum());
}

/// Whether this is what was loaded last, or what is kept.
pub(super) fn is_same(known: &StoredBook, kind: ObjectKind, key: &str, hash: ContentHash) -> bool {
    known.object(kind, key).is_some_and(|stored| stored.loaded == Some(hash) || stored.content == hash)
}

/// Whether the store has the object, and it is not deleted.
pub(super) fn is_stored(known: &StoredBook, kind: ObjectKind, key: &str) -> bool {
    known.object(kind, key).is_some_and(|stored| !stored.is_deleted)
}
