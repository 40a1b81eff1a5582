//! Discount codes of the merged book: what a code means, who may still apply it (rules D1).

use super::StoredBook;
use super::discount::WrittenMark;
use super::fault::{Faults, Place};
use super::nearest::did_you_mean;
use crate::catalogue::{AppliedDiscount, Discount, DiscountCode};
use crate::customer::Customer;
use crate::ids::DiscountId;
use crate::subscription::{Subscription, Verb};
use chrono::NaiveDate;
use std::collections::{BTreeMap, HashMap};

/// Codes of all discounts by `PREFIX-CODE`.
pub(super) struct Codes<'d> {
    by_code: BTreeMap<String, (DiscountId, &'d Discount, &'d DiscountCode)>,
}

impl<'d> Codes<'d> {
    pub fn new(discounts: &'d BTreeMap<DiscountId, Discount>) -> Self {
        let mut by_code = BTreeMap::new();
        for (id, discount) in discounts {
            for code in &discount.codes {
                by_code.insert(code.complete(), (*id, discount, code));
            }
        }
        Self { by_code }
    }

    /// The discount that a mark grants from its day, else from `default_from`; `plan` is the SKU of the plan that
    /// it is put on. Unknown, expired and restricted codes are faults.
    pub fn apply(
        &self,
        mark: &WrittenMark,
        default_from: Option<NaiveDate>,
        plan: Option<&str>,
        faults: &mut Faults,
    ) -> Option<AppliedDiscount> {
        let name = &mark.code.name;
        let Some((id, _, code)) = self.by_code.get(name) else {
            let hint = did_you_mean(name, self.by_code.keys().map(String::as_str));
            let hint = hint.or_else(|| Some("a code is written PREFIX-CODE".to_owned()));
            faults.note(&mark.code.place, format!("there is no discount code `{name}`"), hint);
            return None;
        };
        let from = mark.from.or(default_from)?;
        if let Some(last) = code.expire_date.filter(|expired| from >= *expired) {
            faults.add(&mark.code.place, format!("the code `{name}` cannot be applied from {last} on"));
        }
        if let Some(plan) =
            plan.filter(|plan| !code.plans.is_empty() && !code.plans.iter().any(|p| p == plan))
        {
            let message =
                format!("the code `{name}` is only for the plans {}, not for {plan}", code.plans.join(", "));
            faults.add(&mark.code.place, message);
        }
        Some(AppliedDiscount { discount: *id, code: name.clone(), from, until: None })
    }

    /// What is inactive is kept by who has it, and applied to nobody else.
    pub fn refuse_inactive(
        &self,
        mark: &WrittenMark,
        applied: Option<&AppliedDiscount>,
        stored: Option<&AppliedDiscount>,
        faults: &mut Faults,
    ) {
        let Some(applied) = applied else { return };
        let is_kept = stored.is_some_and(|stored| stored.code == applied.code && stored.from == applied.from);
        let inactive = self.by_code.get(&applied.code).filter(|(_, discount, _)| !discount.active);
        if let Some((_, discount, _)) = inactive.filter(|_| !is_kept) {
            refuse(&mark.code.place, "discount", &discount.refkey, faults);
        }
    }

    /// How often a code may be applied; none = without limit.
    pub fn limit(&self, code: &str) -> Option<u32> {
        self.by_code.get(code).map(|(_, _, code)| code.redemption).filter(|limit| *limit > 0)
    }
}

/// Nothing new may use what is inactive.
pub(super) fn refuse(place: &Place, kind: &str, key: &str, faults: &mut Faults) {
    let message = format!("the {kind} `{key}` is inactive: nothing new may use it");
    faults.hinted(place, message, "set its `status` to active, or name another one");
}

/// Keeps the end of a discount that a command cleared, when the same one is loaded again.
pub(super) fn keep_until(
    new: Option<AppliedDiscount>,
    stored: Option<&AppliedDiscount>,
) -> Option<AppliedDiscount> {
    let new = new?;
    match stored {
        Some(stored) if stored.code == new.code && stored.from == new.from => Some(stored.clone()),
        _ => Some(new),
    }
}

/// Applications of each code: what is in the store and not replaced, and what is new.
pub(super) fn applications<'b>(
    known: &'b StoredBook,
    customers: impl Iterator<Item = &'b Customer> + Clone,
    subscriptions: impl Iterator<Item = &'b Subscription> + Clone,
) -> HashMap<&'b str, u32> {
    let replaced_customers: std::collections::HashSet<&str> =
        customers.clone().map(|customer| customer.account_number.as_str()).collect();
    let replaced_subscriptions: std::collections::HashSet<&str> =
        subscriptions.clone().map(|subscription| subscription.number.as_str()).collect();
    let kept_customers =
        known.customers.values().filter(|c| !replaced_customers.contains(c.account_number.as_str()));
    let kept_subscriptions =
        known.subscriptions.values().filter(|s| !replaced_subscriptions.contains(s.number.as_str()));
    let mut counts: HashMap<&str, u32> = HashMap::new();
    for applied in applied(customers.chain(kept_customers), subscriptions.chain(kept_subscriptions)) {
        *counts.entry(applied.code.as_str()).or_default() += 1;
    }
    counts
}

/// Every application of a code to these customers and subscriptions.
pub(super) fn applied<'b>(
    customers: impl Iterator<Item = &'b Customer>,
    subscriptions: impl Iterator<Item = &'b Subscription>,
) -> impl Iterator<Item = &'b AppliedDiscount> {
    let on_customers = customers.flat_map(Customer::discounts);
    on_customers.chain(subscriptions.flat_map(on_subscription))
}

fn on_subscription(subscription: &Subscription) -> impl Iterator<Item = &AppliedDiscount> {
    let charges = subscription.charges.iter().filter_map(|charge| charge.discount.as_ref());
    let acts = subscription.acts.iter().filter_map(|act| match &act.verb {
        Verb::ApplyDiscount { discount, .. } => Some(discount),
        _ => None,
    });
    subscription.discount.iter().chain(charges).chain(acts)
}
