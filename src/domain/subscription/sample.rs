//! Small subscriptions for the tests of this module and of billing.

use super::{Act, Subscription, Verb};
use crate::ids::{CustomerId, PlanId, SubscriptionId};
use chrono::NaiveDate;

pub fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// Active since its start, without charges.
pub fn subscription(start: &str) -> Subscription {
    Subscription {
        id: SubscriptionId::of("SUB-0001"),
        number: "SUB-0001".into(),
        customer: CustomerId::of("CU-0001"),
        plan: PlanId::of("PRO"),
        currency: "DKK".parse().unwrap(),
        start: day(start),
        end: None,
        activated: Some(day(start)),
        auto_renew: false,
        initial_term: None,
        renewal_term: None,
        trial_end: None,
        billed_through: None,
        reference: None,
        refkey: None,
        business_unit: None,
        payment_method: None,
        discount: None,
        charges: Vec::new(),
        acts: Vec::new(),
    }
}

/// An act that takes effect on the day it is done.
pub fn act(ordinal: u32, on: &str, verb: Verb) -> Act {
    Act { on: day(on), done: day(on), ordinal, verb }
}
