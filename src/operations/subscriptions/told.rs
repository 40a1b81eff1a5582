//! What endpoints are told of a verb, of one subscription or of many. A charge that comes is told by the store, where it gets
//! its number.

use domain::ids::ChargeReference;
use domain::subscription::{Subscription, Verb, VerbName};
use domain::webhook::Event;
use std::collections::BTreeSet;

/// The subscription, and the charges that the verb is about.
pub(super) fn events(verb: VerbName, before: &Subscription, after: &Subscription) -> Vec<Event> {
    let of_it = Event { kind: "Subscription", action: verb.name(), object: after.id.0 };
    let new = after.acts.iter().skip(before.acts.len());
    let charges: BTreeSet<(ChargeReference, &str)> = new.filter_map(|act| of_charge(&act.verb)).collect();
    let of_charges = charges.into_iter().map(|(charge, action)| Event {
        kind: "SubscriptionCharge",
        action,
        object: charge.0,
    });
    std::iter::once(of_it).chain(of_charges).collect()
}

fn of_charge(verb: &Verb) -> Option<(ChargeReference, &'static str)> {
    match verb {
        Verb::RemoveCharge { charge, .. } => Some((*charge, "delete")),
        Verb::SetAmount { charge, .. }
        | Verb::SetPrice { charge, .. }
        | Verb::ToggleCharge { charge, .. }
        | Verb::HoldCharge { charge, .. }
        | Verb::ResumeCharge { charge, .. }
        | Verb::SetNextChargeDate { charge, .. }
        | Verb::SkipNextCharge { charge }
        | Verb::ApplyDiscount { charge: Some(charge), .. }
        | Verb::ClearDiscount { charge: Some(charge) } => Some((*charge, "update")),
        _ => None,
    }
}
