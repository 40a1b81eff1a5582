//! Gathers the objects of all files, each converted on its own, without a look at the store; who refers to whom, and what
//! is new, is settled afterwards.

use super::content::{ContentHash, ObjectKind, content_hash};
use super::customer::{self, WrittenCustomer};
use super::discount::{self, WrittenDiscount};
use super::dunning::dunning_policy;
use super::fault::{Faults, Place};
use super::fields::Fields;
use super::json::Node;
use super::nearest::did_you_mean;
use super::plan::{self, WrittenPlan};
use super::seller;
use super::subscription::{self, WrittenSubscription};
use super::{Known, LoadReport};
use crate::catalogue::{BusinessUnit, ProductFamily, Rate, TaxRule, Tenant, Uom};
use crate::dunning::DunningPolicy;
use crate::ids::{DiscountId, PlanId};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

/// One object of the files.
pub(super) struct Item<T> {
    pub key: String,
    pub place: Place,
    pub hash: ContentHash,
    pub value: T,
    /// No fault was found in the object itself.
    pub is_sound: bool,
}

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
    pub customers: Vec<Item<WrittenCustomer>>,
    pub subscriptions: Vec<Item<WrittenSubscription>>,
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
    /// A document or an NDJSON line: lists under their plural names, single objects under their singular ones.
    pub fn document(&mut self, node: &Node, place: &Place) {
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
                (Some(kind), _, value) => self.object(*kind, value, place),
                (None, Some(kind), Node::List(list)) => {
                    for (index, part) in list.iter().enumerate() {
                        self.object(*kind, part, place.element(index));
                    }
                }
                (None, Some(_), other) => {
                    self.faults.add(&place, format!("is {}, a list was expected", other.noun()))
                }
                (None, None, _) => {
                    let names = ObjectKind::ALL.iter().flat_map(|kind| [kind.name(), kind.singular()]);
                    self.faults.note(&place, format!("unknown field `{key}`"), did_you_mean(key, names));
                }
            }
        }
    }

    fn object(&mut self, kind: ObjectKind, node: &Node, place: Place) {
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
            ObjectKind::Customer => {
                let key = |v: &WrittenCustomer| v.customer.account_number.clone();
                self.convert(kind, node, place, customer::customer, key, |w| &mut w.customers)
            }
            ObjectKind::Subscription => {
                let key = |v: &WrittenSubscription| v.number.clone();
                self.convert(kind, node, place, subscription::subscription, key, |w| &mut w.subscriptions)
            }
        }
    }

    /// Converts one object and keeps it.
    fn convert<T>(
        &mut self,
        kind: ObjectKind,
        node: &Node,
        place: Place,
        reader: impl FnOnce(&mut Fields<'_, '_>) -> Option<T>,
        key_of: impl FnOnce(&T) -> String,
        list: impl FnOnce(&mut Written) -> &mut Vec<Item<T>>,
    ) {
        let hash = content_hash(node);
        let faults_before = self.faults.met();
        self.objects += 1;
        self.faults.of_object(Some(self.objects));
        let value = Fields::read(node, place.clone(), &mut self.faults, |fields| {
            let value = reader(fields);
            // Upodi's server-set fields, and names that are read below.
            fields.ignore(&["id", "createdby", "createddate", "modifiedby", "modifieddate"]);
            if kind == ObjectKind::ProductPlan {
                fields.ignore(&["refkey"]);
            }
            value
        })
        .flatten();
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
            list(&mut self.written).push(Item { key, place, hash, value, is_sound: met == 0 });
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

/// The natural key of an object that could not be converted, so that references to it are no faults.
fn key_in(kind: ObjectKind, node: &Node) -> Option<String> {
    if kind == ObjectKind::Tenant {
        return Some("tenant".to_owned());
    }
    match node.member(key_field(kind)?) {
        Some(Node::Text(key)) => Some(key.clone()),
        _ => None,
    }
}

/// The field that is the natural key; none if there is but one object or the key is made of several fields.
fn key_field(kind: ObjectKind) -> Option<&'static str> {
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

/// What is new or changed of the objects of a kind, against what was loaded last (rules S6); the report counts all.
pub(super) fn changed<T>(
    mut items: Vec<Item<T>>,
    kind: ObjectKind,
    known: &Known,
    report: &mut LoadReport,
) -> Vec<Item<T>> {
    items.retain(|item| {
        let is_stored = is_stored(known, kind, &item.key);
        let is_kept = is_stored && is_same(known, kind, &item.key, item.hash);
        match (is_kept, is_stored) {
            (true, _) => report.unchanged(kind),
            (false, true) => report.updated(kind),
            (false, false) => report.created(kind),
        }
        !is_kept
    });
    items
}

/// An object that was loaded with the same content is not judged again: an earlier version may have taken what this one
/// refuses.
pub(super) fn forgive(faulty: &[Faulty], known: &Known, faults: &mut Faults, report: &mut LoadReport) {
    let was_loaded = |f: &&Faulty| is_stored(known, f.kind, &f.key) && is_same(known, f.kind, &f.key, f.hash);
    let forgiven: Vec<&Faulty> = faulty.iter().filter(was_loaded).collect();
    for lost in forgiven.iter().filter(|f| f.is_lost) {
        report.unchanged(lost.kind);
    }
    let objects: HashSet<usize> = forgiven.iter().map(|f| f.object).collect();
    faults.forgive(&objects, forgiven.iter().map(|f| f.met).sum());
}

pub(super) fn is_same(known: &Known, kind: ObjectKind, key: &str, hash: ContentHash) -> bool {
    known.hashes.get(&(kind, key.to_owned())) == Some(&hash)
}

/// Whether the store has the object.
pub(super) fn is_stored(known: &Known, kind: ObjectKind, key: &str) -> bool {
    let Some(catalogue) = &known.catalogue else { return false };
    match kind {
        ObjectKind::Tenant => true,
        ObjectKind::DunningPolicy => catalogue.dunning_policies.contains_key(key),
        ObjectKind::BusinessUnit => catalogue.business_units.contains_key(key),
        // Lists without an index: what was loaded has a hash.
        ObjectKind::TaxRule | ObjectKind::Rate => known.hashes.contains_key(&(kind, key.to_owned())),
        ObjectKind::Uom => catalogue.uoms.contains_key(key),
        ObjectKind::ProductFamily => catalogue.families.contains_key(key),
        ObjectKind::ProductPlan => catalogue.plans.contains_key(&PlanId::of(key)),
        ObjectKind::Discount => catalogue.discounts.contains_key(&DiscountId::of(key)),
        // Those that did not change need not be known themselves.
        ObjectKind::Customer | ObjectKind::Subscription => known.hashes.contains_key(&(kind, key.to_owned())),
    }
}
