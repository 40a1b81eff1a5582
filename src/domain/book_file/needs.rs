//! What of the store a load is checked against: only what its files name, so that a small load of a large book is small.

use super::collect::{Item, is_same, is_stored};
use super::content::ObjectKind;
use super::discount::WrittenMark;
use super::fields::Ref;
use super::load::{ConvertedBatch, Load};
use super::{Parsed, StoredBook, codes};
use crate::catalogue::{Catalogue, Discount, Plan};
use crate::ids::{CustomerId, PlanId, SubscriptionId};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// What is looked up by name; what else is needed depends on what is found.
#[derive(Debug, Default)]
pub struct Needs<'p> {
    /// How customers are named that are new or changed, or that own, or are the parent of, what is: by account number, refkey
    /// or id.
    pub customers: BTreeSet<&'p str>,
    /// Numbers of subscriptions that are new or changed.
    pub subscriptions: BTreeSet<&'p str>,
}

impl Parsed {
    /// Whether an object of the catalogue is new or changed.
    pub fn changes_catalogue(&self, known: &StoredBook) -> bool {
        let w = &self.0.written;
        is_changed(&w.tenant, ObjectKind::Tenant, known)
            || is_changed(&w.dunning_policies, ObjectKind::DunningPolicy, known)
            || is_changed(&w.business_units, ObjectKind::BusinessUnit, known)
            || is_changed(&w.tax_rules, ObjectKind::TaxRule, known)
            || is_changed(&w.rates, ObjectKind::Rate, known)
            || is_changed(&w.uoms, ObjectKind::Uom, known)
            || is_changed(&w.families, ObjectKind::ProductFamily, known)
            || is_changed(&w.plans, ObjectKind::ProductPlan, known)
            || is_changed(&w.discounts, ObjectKind::Discount, known)
    }

    /// Stored plans that lose a charge or a price: the subscriptions on them must be looked at.
    pub fn narrowed_plans(&self, stored: &Catalogue) -> BTreeSet<PlanId> {
        let written = &self.0.written.plans;
        let of_stored = written.iter().filter_map(|item| {
            let id = PlanId::of(&item.key);
            Some((id, stored.plans.get(&id)?, &item.value.plan))
        });
        of_stored.filter(|(_, before, after)| is_narrowed(before, after)).map(|(id, ..)| id).collect()
    }
}

impl Load {
    /// What is named by what is new or changed.
    pub fn needs<'p>(&'p self, part: &'p ConvertedBatch) -> Needs<'p> {
        let mut needs = Needs::default();
        let mut named: Vec<&Ref> = Vec::new();
        for item in &part.customers {
            needs.customers.insert(&item.key);
            named.extend(&item.value.parent);
        }
        for item in &part.subscriptions {
            needs.subscriptions.insert(&item.key);
            named.push(&item.value.customer);
        }
        for reference in named {
            let other_name = self.names.aliases.get(&(ObjectKind::Customer, reference.name.clone()));
            needs.customers.insert(other_name.unwrap_or(&reference.name));
        }
        needs
    }

    /// Names of needed customers that mean nobody so far: neither in the files nor in what is known.
    pub fn unknown_customers(&self, part: &ConvertedBatch, known: &StoredBook) -> Vec<String> {
        let is_named =
            |name: &str| known.customers.contains_key(name) || self.names.has(ObjectKind::Customer, name);
        let names = self.needs(part).customers;
        let mut unknown: Vec<&str> = names.into_iter().filter(|name| !is_named(name)).collect();
        if unknown.is_empty() {
            return Vec::new();
        }
        let ids: HashSet<CustomerId> = known.customers.values().map(|c| c.id).collect();
        let refkeys: HashSet<&str> = known.customers.values().filter_map(|c| c.refkey.as_deref()).collect();
        let by_id = |name: &str| {
            let id = name.parse().ok();
            id.is_some_and(|id| {
                ids.contains(&CustomerId(id)) || self.names.by_id(ObjectKind::Customer, id).is_some()
            })
        };
        unknown.retain(|name| !refkeys.contains(name) && !by_id(name));
        unknown.into_iter().map(str::to_owned).collect()
    }

    /// Customers that are changed, or own, or will own, what is changed, with their parents: their payers' bills move.
    pub fn touched(&self, part: &ConvertedBatch, known: &StoredBook) -> BTreeSet<CustomerId> {
        let by_refkey: BTreeMap<&str, CustomerId> =
            known.customers.values().filter_map(|c| Some((c.refkey.as_deref()?, c.id))).collect();
        let means = |name: &str| {
            let alias = self.names.aliases.get(&(ObjectKind::Customer, name.to_owned()));
            let alias = alias.map(|key| CustomerId::of(key));
            let stored = by_refkey.get(name).copied().filter(|_| !known.customers.contains_key(name));
            let by_id = name.parse().ok().map(CustomerId);
            alias.or(stored).or(by_id).unwrap_or_else(|| CustomerId::of(name))
        };
        let mut touched = BTreeSet::new();
        for item in &part.customers {
            touched.insert(CustomerId::of(&item.key));
            touched.extend(item.value.parent.as_ref().map(|parent| means(&parent.name)));
        }
        for item in &part.subscriptions {
            touched.insert(means(&item.value.customer.name));
            touched.extend(known.subscriptions.get(&item.key).map(|stored| stored.customer));
        }
        touched
    }

    /// Subscriptions of which the files say something else about what another system has billed: that is open until
    /// the first period is drafted here (rules S7).
    pub fn moved_takeovers(&self, part: &ConvertedBatch, known: &StoredBook) -> Vec<SubscriptionId> {
        let moved = part.subscriptions.iter().filter_map(|item| {
            let stored = known.subscriptions.get(&item.key)?;
            item.value.moves_takeover(stored).then_some(stored.id)
        });
        moved.collect()
    }

    /// Customers that are to be used by nothing new from now on.
    pub fn inactive(&self, part: &ConvertedBatch) -> Vec<CustomerId> {
        let customers = part.customers.iter().map(|item| &item.value.customer);
        customers.filter(|customer| !customer.active).map(|customer| customer.id).collect()
    }

    /// Codes that may be applied so many times and no more, and that what is new or changed applies: whoever else applies
    /// them must be counted.
    pub fn limited_codes(&self, part: &ConvertedBatch, known: &StoredBook) -> BTreeSet<String> {
        let limited: BTreeSet<String> = self.catalogue.discounts.values().flat_map(limited_of).collect();
        if limited.is_empty() {
            return limited;
        }
        let of_customers = part.customers.iter().filter_map(|item| item.value.discount.as_ref());
        let of_subscriptions = part.subscriptions.iter().flat_map(|item| {
            let charges = item.value.charges.iter().filter_map(|charge| charge.discount.as_ref());
            item.value.discount.iter().chain(charges)
        });
        let marked = of_customers.chain(of_subscriptions).map(|mark: &WrittenMark| &mark.code.name);
        let kept = codes::applied(known.customers.values(), known.subscriptions.values());
        let asked: BTreeSet<&String> = marked.chain(kept.map(|applied| &applied.code)).collect();
        limited.into_iter().filter(|code| asked.contains(code)).collect()
    }
}

fn is_changed<T>(items: &[Item<T>], kind: ObjectKind, known: &StoredBook) -> bool {
    let is_kept = |item: &Item<T>| {
        is_stored(known, kind, &item.key) && is_same(known, kind, &item.key, item.content.hash)
    };
    !items.iter().all(is_kept)
}

fn limited_of(discount: &Discount) -> impl Iterator<Item = String> {
    discount.codes.iter().filter(|code| code.redemption > 0).map(|code| code.complete())
}

fn is_narrowed(before: &Plan, after: &Plan) -> bool {
    before.charges.iter().any(|was| match after.charge(&was.sku) {
        None => true,
        Some(is) => before.currencies.iter().any(|c| was.priced_in(*c) && !is.priced_in(*c)),
    })
}
