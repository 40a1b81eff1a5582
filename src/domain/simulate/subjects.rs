//! Whose usage a record is (rules.md Q3): subscription number, then charge reference, then account number.

use super::book::Book;
use crate::catalogue::{Catalogue, LateUsage};
use crate::ids::{ChargeReference, SubscriptionId};
use crate::invoice::LineKind;
use crate::subscription::{Subscription, Verb};
use crate::usage::{Reject, RejectCode, shown};
use crate::zone::start_of_day;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Every name that a record may carry as its subject, and every meter that some plan counts.
#[derive(Debug, Default)]
pub(super) struct Subjects {
    meters: BTreeSet<String>,
    subscriptions: BTreeMap<String, SubscriptionId>,
    charges: BTreeMap<Uuid, (SubscriptionId, String)>,
    accounts: BTreeMap<String, Vec<SubscriptionId>>,
    counted: BTreeSet<(SubscriptionId, String)>,
    /// Events of a meter before this instant are refused as too late.
    refused_before_us: BTreeMap<(SubscriptionId, String), i64>,
}

/// Where a record belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Resolved {
    pub subscription: SubscriptionId,
    /// Set if the subject named one charge.
    pub charge: Option<ChargeReference>,
}

impl Subjects {
    pub fn of(book: &Book, catalogue: &Catalogue) -> Self {
        let mut subjects = Self::default();
        let charges = catalogue.plans.values().flat_map(|plan| &plan.charges).filter(|charge| charge.is_metered());
        subjects.meters.extend(charges.map(|charge| charge.meter.clone()));
        let accounts: BTreeMap<_, _> = book.known.customers.values().map(|c| (c.id, &c.account_number)).collect();
        for subscription in book.known.subscriptions.values() {
            subjects.subscriptions.insert(subscription.number.clone(), subscription.id);
            if let Some(account) = accounts.get(&subscription.customer) {
                subjects.accounts.entry((*account).clone()).or_default().push(subscription.id);
            }
            for (reference, sku) in references(subscription, catalogue) {
                subjects.add_charge(book, catalogue, subscription, reference, sku);
            }
        }
        subjects
    }

    fn add_charge(
        &mut self,
        book: &Book,
        catalogue: &Catalogue,
        subscription: &Subscription,
        reference: ChargeReference,
        sku: &str,
    ) {
        let mut plans = plans(subscription).filter_map(|id| catalogue.plans.get(&id));
        let Some(charge) = plans.find_map(|plan| plan.charge(sku)).filter(|charge| charge.is_metered()) else {
            return;
        };
        self.charges.insert(reference.0, (subscription.id, charge.meter.clone()));
        self.counted.insert((subscription.id, charge.meter.clone()));
        let lines = book.billed.get(&subscription.id).and_then(|billed| billed.get(&reference));
        let regular = lines.into_iter().flatten().filter(|line| line.key.kind == LineKind::Regular);
        let billed_until = regular.map(|line| line.period.end).max();
        if let Some(end) = billed_until.filter(|_| charge.late_usage == LateUsage::Reject) {
            let before_us = start_of_day(end, catalogue.tenant.timezone).timestamp_micros();
            self.refused_before_us.insert((subscription.id, charge.meter.clone()), before_us);
        }
    }

    /// The meter of the charge that `subject` names.
    pub fn meter_of_charge(&self, subject: &str) -> Option<&str> {
        let charge = self.charges.get(&Uuid::try_parse(subject).ok()?)?;
        Some(charge.1.as_str())
    }

    pub fn resolve(&self, subject: &str, meter: &str) -> Result<Resolved, Reject> {
        if !self.meters.contains(meter) {
            let text = format!("no charge of any plan counts meter {}", shown(meter));
            return Err(Reject::new(RejectCode::UnknownMeter, text));
        }
        if let Some(subscription) = self.subscriptions.get(subject) {
            return Ok(Resolved { subscription: *subscription, charge: None });
        }
        if let Some((id, (subscription, counts))) =
            Uuid::try_parse(subject).ok().and_then(|id| self.charges.get_key_value(&id))
        {
            if counts == meter {
                return Ok(Resolved { subscription: *subscription, charge: Some(ChargeReference(*id)) });
            }
            let text = format!("charge {} counts {}, not {}", shown(subject), shown(counts), shown(meter));
            return Err(Reject::new(RejectCode::UnknownMeter, text));
        }
        self.of_account(subject, meter)
    }

    fn of_account(&self, subject: &str, meter: &str) -> Result<Resolved, Reject> {
        let Some(subscriptions) = self.accounts.get(subject) else {
            let text = format!("no subscription, charge or account is called {}", shown(subject));
            return Err(Reject::new(RejectCode::UnknownSubject, text));
        };
        let counting: Vec<&SubscriptionId> =
            subscriptions.iter().filter(|id| self.counted.contains(&(**id, meter.to_owned()))).collect();
        let (account, meter) = (shown(subject), shown(meter));
        match counting.as_slice() {
            [only] => Ok(Resolved { subscription: **only, charge: None }),
            [] => {
                let text = format!("account {account} has no subscription that counts {meter}");
                Err(Reject::new(RejectCode::UnknownSubject, text))
            }
            several => {
                let count = several.len();
                let text =
                    format!("account {account} has {count} subscriptions that count {meter}: name the subscription");
                Err(Reject::new(RejectCode::AmbiguousSubject, text))
            }
        }
    }

    /// Whether the event's period is billed and its charge refuses late usage (rules.md Q5).
    pub fn is_too_late(&self, subscription: SubscriptionId, meter: &str, time_us: i64) -> bool {
        !self.refused_before_us.is_empty()
            && self
                .refused_before_us
                .get(&(subscription, meter.to_owned()))
                .is_some_and(|before_us| time_us < *before_us)
    }
}

/// Every plan that a subscription has had or will have.
fn plans(subscription: &Subscription) -> impl Iterator<Item = crate::ids::PlanId> + '_ {
    let switched = subscription.acts.iter().filter_map(|act| match &act.verb {
        Verb::SwitchPlan { plan, .. } => Some(*plan),
        _ => None,
    });
    std::iter::once(subscription.plan).chain(switched)
}

/// Every charge that was agreed, added, or brought by a switch, with its SKU.
fn references<'s>(subscription: &'s Subscription, catalogue: &'s Catalogue) -> BTreeMap<ChargeReference, &'s str> {
    let mut references: BTreeMap<ChargeReference, &str> = BTreeMap::new();
    for plan in plans(subscription).filter_map(|id| catalogue.plans.get(&id)) {
        for charge in plan.charges.iter().filter(|charge| charge.is_metered()) {
            let reference = ChargeReference::for_charge(subscription.id, charge.anchor(), 0);
            references.entry(reference).or_insert(&charge.sku);
        }
    }
    references.extend(subscription.charges.iter().map(|charge| (charge.reference, charge.charge.as_str())));
    for act in &subscription.acts {
        if let Verb::AddOptionalCharge { charge, reference, .. } = &act.verb {
            references.insert(*reference, charge);
        }
    }
    references
}
