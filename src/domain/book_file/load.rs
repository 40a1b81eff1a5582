//! A load, step by step: first what is sold and how, then customers and subscriptions, some at a time, so that a large book
//! need not be in memory converted. Each step is given what the store knows of what it names.

use super::codes::Codes;
use super::collect::{Collector, Item, Raw, Written, forgive, is_changed};
use super::content::ObjectKind;
use super::customer::{self, WrittenCustomer};
use super::directory::{Directory, Names};
use super::fault::{Fault, Faults, Place};
use super::merge::{self, MergeContext, Merged, PartialCatalogue};
use super::owners::{self, Parents};
use super::subscription::{self, WrittenSubscription};
use super::{Change, LoadReport, LoadSet, Parsed, Pointers, Reach, StoredBook, agreements};
use crate::catalogue::Catalogue;
use crate::customer::Customer;
use crate::ids::PlanId;
use crate::subscription::Subscription;
use std::collections::{BTreeMap, VecDeque};

/// A load whose catalogue is merged.
pub struct Load {
    pub(super) names: Names,
    faults: Faults,
    report: LoadReport,
    customers: VecDeque<Raw>,
    subscriptions: VecDeque<Raw>,
    pub(super) catalogue: PartialCatalogue,
    changes: Vec<Change>,
    reach: Reach,
    parents: Parents,
    /// Stored subscriptions that a changed plan no longer serves, by number: the files may change them too.
    unserved: BTreeMap<String, (PlanId, Vec<String>)>,
    changed_plans: BTreeMap<PlanId, Place>,
}

/// Customers and subscriptions that are looked at together, as they were written.
pub struct Batch {
    customers: Vec<Raw>,
    subscriptions: Vec<Raw>,
}

impl Batch {
    /// Natural keys of what is in it.
    pub fn keys(&self) -> BTreeMap<ObjectKind, Vec<&str>> {
        BTreeMap::from([
            (ObjectKind::Customer, keys_of(&self.customers)),
            (ObjectKind::Subscription, keys_of(&self.subscriptions)),
        ])
    }
}

fn keys_of(list: &[Raw]) -> Vec<&str> {
    list.iter().map(|raw| &*raw.key).collect()
}

/// What of a batch is new or changed, converted.
pub struct ConvertedBatch {
    pub(super) customers: Vec<Item<WrittenCustomer>>,
    pub(super) subscriptions: Vec<Item<WrittenSubscription>>,
}

impl ConvertedBatch {
    /// Nothing is new or changed.
    pub fn is_empty(&self) -> bool {
        self.customers.is_empty() && self.subscriptions.is_empty()
    }
}

/// What a batch changes.
#[derive(Debug, Default)]
pub struct Changes {
    pub customers: Vec<Customer>,
    pub subscriptions: Vec<Subscription>,
    pub objects: Vec<Change>,
}

impl Parsed {
    /// Natural keys of what is sold and how.
    pub fn catalogue_keys(&self) -> BTreeMap<ObjectKind, Vec<&str>> {
        let mut keys: BTreeMap<ObjectKind, Vec<&str>> = BTreeMap::new();
        for (kind, key) in self.0.seen.keys().filter(|(kind, _)| kind.is_of_catalogue()) {
            keys.entry(*kind).or_default().push(key);
        }
        keys
    }

    /// How many customers and subscriptions there are.
    pub fn owned(&self) -> usize {
        self.0.written.customers.len() + self.0.written.subscriptions.len()
    }

    /// Merges what is sold and how; `known` holds the catalogue, and the subscriptions on plans that lose something.
    pub fn begin(self, known: &StoredBook) -> Load {
        let Collector { mut written, mut faults, faulty, seen, aliases, is_cut_off, .. } = self.0;
        let mut report = LoadReport::default();
        forgive(&faulty, known, &mut faults, &mut report);
        let customers = std::mem::take(&mut written.customers);
        let subscriptions = std::mem::take(&mut written.subscriptions);
        let written: Written = merge::new_or_changed(written, known, &mut report);
        let names = Names::new(seen, aliases);
        let mut catalogue = known
            .catalogue
            .as_ref()
            .map(|stored| PartialCatalogue::of((**stored).clone()))
            .unwrap_or_default();
        let directory = Directory::new(known, &names);
        let mut context = MergeContext { known, directory, faults: &mut faults, changes: Vec::new() };
        let changed_plans = merge::catalogue(&mut context, &mut catalogue, written, is_cut_off);
        let changes = context.changes;
        refuse_deleted(&changes, known, &names, &mut faults);
        let reach = merge::reach(known, &changes);
        let mut load = Load {
            names,
            faults,
            report,
            customers,
            subscriptions,
            catalogue,
            changes,
            reach,
            parents: Parents::default(),
            unserved: BTreeMap::new(),
            changed_plans,
        };
        load.look_at_served(known);
        load
    }
}

impl Load {
    /// The catalogue as it will be, with what is new or changed of it; none if nothing is, or if there are faults.
    pub fn catalogue(&self) -> Option<(Catalogue, &[Change])> {
        if self.changes.is_empty() || self.has_faults() {
            return None;
        }
        Some((self.catalogue.clone().into_catalogue()?, &self.changes))
    }

    /// Whose bills the change of the catalogue may move.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Whether anything is refused so far.
    pub fn has_faults(&self) -> bool {
        self.faults.met() > 0
    }

    /// The next customers, and subscriptions when there are no customers left.
    pub fn next(&mut self, at_most: usize) -> Option<Batch> {
        let customers: Vec<Raw> = drained(&mut self.customers, at_most);
        let subscriptions = drained(&mut self.subscriptions, at_most - customers.len());
        (customers.len() + subscriptions.len() > 0).then_some(Batch { customers, subscriptions })
    }

    /// What of a batch is new or changed against what is kept of its objects.
    pub fn convert(&mut self, batch: Batch, known: &StoredBook) -> ConvertedBatch {
        let customers = batch.customers.into_iter();
        let subscriptions = batch.subscriptions.into_iter();
        ConvertedBatch {
            customers: customers
                .filter_map(|raw| self.one(ObjectKind::Customer, raw, customer::customer, known))
                .collect(),
            subscriptions: subscriptions
                .filter_map(|raw| self.one(ObjectKind::Subscription, raw, subscription::subscription, known))
                .collect(),
        }
    }

    fn one<T>(
        &mut self,
        kind: ObjectKind,
        raw: Raw,
        reader: fn(&mut super::fields::Fields<'_, '_>) -> Option<T>,
        known: &StoredBook,
    ) -> Option<Item<T>> {
        if !is_changed(kind, &raw.key, raw.hash, known, &mut self.report) {
            return None;
        }
        let place = self.names.seen.get(&(kind, raw.key.to_string()))?.clone();
        raw.convert(kind, place, reader, &mut self.faults)
    }

    /// What a part of the files changes.
    pub fn merge(&mut self, part: ConvertedBatch, known: &StoredBook) -> Changes {
        let ConvertedBatch { customers, subscriptions } = part;
        let directory = Directory::new(known, &self.names);
        let mut context = MergeContext { known, directory, faults: &mut self.faults, changes: Vec::new() };
        let codes = Codes::new(&self.catalogue.discounts);
        let customers = owners::merge(&mut context, &self.catalogue, &codes, customers);
        let subscriptions =
            agreements::merge(&mut context, &self.catalogue, &codes, &customers, subscriptions);
        merge::check_redemptions(&mut context, &codes, &customers, &subscriptions);
        let objects = context.changes;
        refuse_deleted(&objects, known, &self.names, &mut self.faults);
        owners::check_inactive(known, &customers, &subscriptions, &mut self.faults);
        self.parents.add(known, &customers);
        for Merged { value, .. } in &subscriptions {
            if self.changed_plans.contains_key(&value.plan) || self.unserved.contains_key(&value.number) {
                self.look_at(value);
            }
        }
        Changes {
            customers: customers.into_iter().map(|merged| merged.value).collect(),
            subscriptions: subscriptions.into_iter().map(|merged| merged.value).collect(),
            objects,
        }
    }

    /// The last checks, of how everything goes together.
    ///
    /// # Errors
    /// Every fault of every file; nothing is to be changed then.
    pub fn finish(mut self) -> Result<(LoadReport, Pointers), Vec<Fault>> {
        self.parents.check(&mut self.faults);
        let mut said = std::collections::BTreeSet::new();
        for (number, (plan, missing)) in &self.unserved {
            let Some(place) = self.changed_plans.get(plan) else { continue };
            for fault in missing.iter().filter(|fault| said.insert((*plan, (*fault).clone()))) {
                let message = format!("{fault}, but the subscription {number} has it");
                self.faults.add(&place.member("charges"), message);
            }
        }
        if self.catalogue.tenant.is_none() && !self.has_faults() {
            self.faults.add(&Place::new(0, "/tenant"), "is missing: the first book needs a tenant");
        }
        if self.has_faults() {
            return Err(self.faults.into_list());
        }
        let pointers = self.names.into_pointers(&self.faults);
        Ok((self.report, pointers))
    }

    /// A changed plan still serves the subscriptions that are on it.
    fn look_at_served(&mut self, known: &StoredBook) {
        if self.changed_plans.is_empty() {
            return;
        }
        for subscription in known.subscriptions.values() {
            self.look_at(subscription);
        }
    }

    fn look_at(&mut self, subscription: &Subscription) {
        let plan = self.catalogue.plans.get(&subscription.plan);
        let plan = plan.filter(|_| self.changed_plans.contains_key(&subscription.plan));
        match plan
            .map(|plan| merge::missing_in_plan(plan, subscription))
            .filter(|missing| !missing.is_empty())
        {
            Some(missing) => {
                self.unserved.insert(subscription.number.clone(), (subscription.plan, missing));
            }
            None => drop(self.unserved.remove(&subscription.number)),
        }
    }
}

fn drained(list: &mut VecDeque<Raw>, at_most: usize) -> Vec<Raw> {
    let drained = list.drain(..at_most.min(list.len())).collect();
    if list.is_empty() {
        list.shrink_to_fit();
    }
    drained
}

/// A name that was used for what is deleted stays taken.
fn refuse_deleted(changes: &[Change], known: &StoredBook, names: &Names, faults: &mut Faults) {
    for change in changes {
        if !known.object(change.kind, &change.key).is_some_and(|stored| stored.is_deleted) {
            continue;
        }
        if let Some(place) = names.seen.get(&(change.kind, change.key.clone())) {
            let message = format!(
                "the {} `{}` was deleted, and its name stays taken",
                change.kind.singular(),
                change.key
            );
            faults.hinted(place, message, "give it another name, or leave it out");
        }
    }
}

/// All at once, against a store that is in memory.
pub(super) fn whole(parsed: Parsed, known: &StoredBook) -> Result<LoadSet, Vec<Fault>> {
    let mut load = parsed.begin(known);
    let batch = load.next(usize::MAX).unwrap_or(Batch { customers: Vec::new(), subscriptions: Vec::new() });
    let part = load.convert(batch, known);
    let Changes { customers, subscriptions, objects } = load.merge(part, known);
    let mut all = std::mem::take(&mut load.changes);
    let catalogue_changed = !all.is_empty();
    all.extend(objects);
    let (reach, catalogue) = (load.reach.clone(), load.catalogue.clone().into_catalogue());
    let (report, pointers) = load.finish()?;
    let catalogue = catalogue.ok_or_else(Vec::new)?;
    Ok(LoadSet {
        catalogue,
        catalogue_changed,
        reach,
        customers,
        subscriptions,
        objects: all,
        pointers,
        report,
    })
}
