//! Finds the object that a reference means: by natural key, refkey or id, in the files or in the store.

use super::content::ObjectKind;
use super::fault::{Faults, Place};
use super::fields::Ref;
use super::nearest::did_you_mean;
use super::{Pointers, StoredBook};
use crate::ids::{CustomerId, DiscountId, PlanId, SubscriptionId};
use crate::usage::shown;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::OnceLock;
use uuid::Uuid;

/// Names of what the files hold.
#[derive(Default)]
pub(super) struct Names {
    pub seen: HashMap<(ObjectKind, String), Place>,
    pub aliases: HashMap<(ObjectKind, String), String>,
    /// Made when the first reference by id is met.
    ids: OnceLock<HashMap<(ObjectKind, Uuid), String>>,
}

impl Names {
    pub fn new(
        seen: HashMap<(ObjectKind, String), Place>,
        aliases: HashMap<(ObjectKind, String), String>,
    ) -> Self {
        Self { seen, aliases, ids: OnceLock::new() }
    }

    /// Whether the files hold the object.
    pub fn has(&self, kind: ObjectKind, key: &str) -> bool {
        self.seen.contains_key(&(kind, key.to_owned()))
    }

    /// Where each object of the files stands.
    pub fn into_pointers(self, faults: &Faults) -> Pointers {
        self.seen.into_iter().map(|(object, place)| (object, faults.told(&place))).collect()
    }

    pub fn by_id(&self, kind: ObjectKind, id: Uuid) -> Option<&String> {
        let all = || {
            let keys = self.seen.keys().filter(|(kind, _)| WITH_IDS.contains(kind));
            keys.map(|(kind, key)| ((*kind, id_of(*kind, key)), key.clone())).collect()
        };
        self.ids.get_or_init(all).get(&(kind, id))
    }
}

/// Kinds that are referred to by id.
const WITH_IDS: [ObjectKind; 4] =
    [ObjectKind::Customer, ObjectKind::Subscription, ObjectKind::ProductPlan, ObjectKind::Discount];

/// Finds what is in the files or in the store by its names.
pub(super) struct Directory<'k> {
    known: &'k StoredBook,
    names: &'k Names,
    /// Refkeys of what is stored; made when the first one is asked for, as is the next.
    stored_refkeys: OnceCell<HashMap<(ObjectKind, &'k str), &'k str>>,
    stored_ids: OnceCell<HashMap<(ObjectKind, Uuid), String>>,
}

impl<'k> Directory<'k> {
    pub fn new(known: &'k StoredBook, names: &'k Names) -> Self {
        Self { known, names, stored_refkeys: OnceCell::new(), stored_ids: OnceCell::new() }
    }

    /// Whether the files hold the object.
    pub fn is_in_files(&self, kind: ObjectKind, key: &str) -> bool {
        self.names.has(kind, key)
    }

    /// The natural key of what the reference means; an unknown one is a fault.
    pub fn resolve(&self, kind: ObjectKind, reference: &Ref, faults: &mut Faults) -> Option<String> {
        let found = self.find(kind, &reference.name);
        let deleted = |key: &str| self.known.object(kind, key).is_some_and(|stored| stored.is_deleted);
        if deleted(found.as_deref().unwrap_or(&reference.name)) {
            let message = format!("the {} {} was deleted", kind.singular(), shown(&reference.name));
            faults.add(&reference.place, message);
            return None;
        }
        if found.is_none() {
            let message = format!("there is no {} {}", kind.singular(), shown(&reference.name));
            let names = self.names(kind);
            let hint = did_you_mean(&reference.name, names.iter().map(String::as_str));
            faults.note(&reference.place, message, hint);
        }
        found
    }

    fn find(&self, kind: ObjectKind, name: &str) -> Option<String> {
        if self.is_in_files(kind, name) || self.is_stored(kind, name) {
            return Some(name.to_owned());
        }
        if let Some(key) = self.names.aliases.get(&(kind, name.to_owned())) {
            return Some(key.clone());
        }
        if let Some(key) = self.stored_refkeys.get_or_init(|| refkeys(self.known)).get(&(kind, name)) {
            return Some((*key).to_owned());
        }
        let id = name.parse::<Uuid>().ok()?;
        let in_files = self.names.by_id(kind, id);
        in_files.or_else(|| self.stored_ids.get_or_init(|| self.all_ids()).get(&(kind, id))).cloned()
    }

    fn is_stored(&self, kind: ObjectKind, key: &str) -> bool {
        match kind {
            ObjectKind::Customer => self.known.customers.contains_key(key),
            ObjectKind::Subscription => self.known.subscriptions.contains_key(key),
            _ => self.known.catalogue.as_ref().is_some_and(|catalogue| match kind {
                ObjectKind::DunningPolicy => catalogue.dunning_policies.contains_key(key),
                ObjectKind::BusinessUnit => catalogue.business_units.contains_key(key),
                ObjectKind::Uom => catalogue.uoms.contains_key(key),
                ObjectKind::ProductFamily => catalogue.families.contains_key(key),
                ObjectKind::ProductPlan => catalogue.plans.contains_key(&PlanId::of(key)),
                ObjectKind::Discount => catalogue.discounts.contains_key(&DiscountId::of(key)),
                _ => false,
            }),
        }
    }

    /// Names of a kind, for hints; no more than a few thousand.
    fn names(&self, kind: ObjectKind) -> Vec<String> {
        const NAMES_MAX: usize = 2_000;
        let in_files = self.names.seen.keys().filter(|(other, _)| *other == kind).map(|(_, key)| key.clone());
        let mut names: Vec<String> = in_files.take(NAMES_MAX).collect();
        names.extend(self.stored_names(kind).into_iter().take(NAMES_MAX - names.len()));
        names.sort_unstable();
        names
    }

    fn stored_names(&self, kind: ObjectKind) -> Vec<String> {
        let Some(catalogue) = &self.known.catalogue else { return Vec::new() };
        match kind {
            ObjectKind::Customer => {
                self.known.customers.keys().chain(&self.known.other_customers).take(2_000).cloned().collect()
            }
            ObjectKind::Subscription => self.known.subscriptions.keys().take(2_000).cloned().collect(),
            ObjectKind::DunningPolicy => catalogue.dunning_policies.keys().cloned().collect(),
            ObjectKind::BusinessUnit => catalogue.business_units.keys().cloned().collect(),
            ObjectKind::Uom => catalogue.uoms.keys().cloned().collect(),
            ObjectKind::ProductFamily => catalogue.families.keys().cloned().collect(),
            ObjectKind::ProductPlan => catalogue.plans.values().map(|plan| plan.sku.clone()).collect(),
            ObjectKind::Discount => {
                catalogue.discounts.values().map(|discount| discount.refkey.clone()).collect()
            }
            ObjectKind::Tenant | ObjectKind::TaxRule | ObjectKind::Rate => Vec::new(),
        }
    }

    fn all_ids(&self) -> HashMap<(ObjectKind, Uuid), String> {
        let mut keys: Vec<(ObjectKind, String)> = Vec::new();
        keys.extend(self.known.customers.keys().map(|key| (ObjectKind::Customer, key.clone())));
        keys.extend(self.known.subscriptions.keys().map(|key| (ObjectKind::Subscription, key.clone())));
        for kind in [ObjectKind::ProductPlan, ObjectKind::Discount] {
            keys.extend(self.stored_names(kind).into_iter().map(|key| (kind, key)));
        }
        keys.into_iter().map(|(kind, key)| ((kind, id_of(kind, &key)), key)).collect()
    }
}

fn id_of(kind: ObjectKind, key: &str) -> Uuid {
    match kind {
        ObjectKind::Customer => CustomerId::of(key).0,
        ObjectKind::Subscription => SubscriptionId::of(key).0,
        ObjectKind::Discount => DiscountId::of(key).0,
        _ => PlanId::of(key).0,
    }
}

fn refkeys(known: &StoredBook) -> HashMap<(ObjectKind, &str), &str> {
    let customers = known.customers.iter().filter_map(|(key, customer)| {
        Some(((ObjectKind::Customer, customer.refkey.as_deref()?), key.as_str()))
    });
    let subscriptions = known.subscriptions.iter().filter_map(|(key, subscription)| {
        Some(((ObjectKind::Subscription, subscription.refkey.as_deref()?), key.as_str()))
    });
    customers.chain(subscriptions).collect()
}
