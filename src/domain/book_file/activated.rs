//! What a book may still change of a subscription that is activated: the rest has its verb (rules S6).

use super::codes::keep_until;
use super::fault::Place;
use super::merge::MergeContext;
use super::subscription::WrittenSubscription;
use crate::catalogue::Plan;
use crate::ids::ChargeReference;
use crate::refusal::{self, Command, WayOut};
use crate::subscription::{Subscription, SubscriptionCharge, Verb, VerbName};
use rust_decimal::Decimal;

/// Whether the subscription was loaded as active, or has been activated since.
pub(super) fn is_activated(stored: &Subscription) -> bool {
    stored.activated.is_some() || stored.acts.iter().any(|act| matches!(act.verb, Verb::Activate))
}

/// The stored subscription with what a book may change; everything else that differs is a fault.
/// `plan` is the plan that the book names, `built` what the book alone would make.
pub(super) fn update(
    context: &mut MergeContext<'_>,
    plan: &Plan,
    place: &Place,
    stored: &Subscription,
    built: Subscription,
    written: &WrittenSubscription,
) -> Subscription {
    check_terms(context, place, stored, &built, written);
    check_takeover(context, place, stored, &built);
    let mut charges = stored.charges.clone();
    if stored.plan == built.plan {
        check_charges(context, plan, place, stored, &built, written);
        for charge in &mut charges {
            let loaded = built.charges.iter().find(|other| other.reference == charge.reference);
            let discount = loaded.and_then(|other| other.discount.clone());
            charge.discount = keep_until(discount, charge.discount.as_ref());
            charge.billed_through = loaded.and_then(|other| other.billed_through);
        }
    }
    Subscription {
        billed_through: built.billed_through,
        auto_renew: built.auto_renew,
        renewal_term: built.renewal_term,
        reference: built.reference,
        refkey: built.refkey,
        business_unit: built.business_unit,
        payment_method: built.payment_method,
        discount: built.discount,
        charges,
        ..stored.clone()
    }
}

/// Owner, plan, currency, dates and status stay as they were loaded.
fn check_terms(
    context: &mut MergeContext<'_>,
    place: &Place,
    stored: &Subscription,
    built: &Subscription,
    written: &WrittenSubscription,
) {
    let anew = || WayOut::from("cancel it and load a new subscription");
    let cancel = || run(VerbName::Cancel, stored);
    let is_draft = !written.is_active;
    let terms: [(&str, bool, WayOut); 8] = [
        ("customer", stored.customer == built.customer, anew()),
        ("productplan", stored.plan == built.plan, run(VerbName::SwitchPlan, stored)),
        ("currencycode", stored.currency == built.currency, anew()),
        ("startdate", stored.start == built.start, anew()),
        ("enddate", stored.end == built.end, cancel()),
        ("trialend", stored.trial_end == built.trial_end, anew()),
        ("initialtermperiod", stored.initial_term == built.initial_term, cancel()),
        ("status", !is_draft || stored.activated.is_none(), cancel()),
    ];
    for (name, is_kept, hint) in terms {
        if !is_kept {
            let message = "cannot change: the subscription is activated";
            context.faults.hinted(&place.member(name), message, hint);
        }
    }
}

/// What another system has billed may be corrected until the first period is drafted here (rules S7).
fn check_takeover(
    context: &mut MergeContext<'_>,
    place: &Place,
    stored: &Subscription,
    built: &Subscription,
) {
    let is_kept = built.charges.iter().all(|new| {
        let old = stored.charges.iter().find(|old| old.reference == new.reference);
        old.is_none_or(|old| old.billed_through == new.billed_through)
    });
    let is_kept = is_kept && stored.billed_through == built.billed_through;
    if is_kept || !context.known.begun.contains(&stored.id) {
        return;
    }
    let message = "cannot change: something has been billed here";
    let hint = WayOut::from("give the day that was loaded; what was billed twice is credited, ")
        .ask(refusal::Verb::CreditInvoice.on("NUMBER"));
    context.faults.hinted(&place.member("billedthrough"), message, hint);
}

/// Charges, quantities and prices stay as they were loaded, or say what the verbs have made of them.
fn check_charges(
    context: &mut MergeContext<'_>,
    plan: &Plan,
    place: &Place,
    stored: &Subscription,
    built: &Subscription,
    written: &WrittenSubscription,
) {
    for new in &built.charges {
        let own = written.charges.iter().find(|listed| listed.charge.name == new.charge);
        let place = own.map_or_else(|| place.member("charges"), |own| own.charge.place.clone());
        let Some(old) = stored.charges.iter().find(|old| old.reference == new.reference) else {
            // A standard charge that the plan has got since is for new subscriptions.
            if own.is_some() {
                let message =
                    format!("the charge {} cannot be added: the subscription is activated", new.charge);
                let hint = run(VerbName::AddOptionalCharge, stored);
                context.faults.hinted(&place, message, hint);
            }
            continue;
        };
        check_charge(context, plan, &place, stored, old, new);
    }
    for old in &stored.charges {
        if !built.charges.iter().any(|new| new.reference == old.reference) {
            let message =
                format!("the charge {} cannot be left out: the subscription is activated", old.charge);
            let hint = run(VerbName::RemoveCharge, stored);
            context.faults.hinted(&place.member("charges"), message, hint);
        }
    }
}

fn check_charge(
    context: &mut MergeContext<'_>,
    plan: &Plan,
    place: &Place,
    stored: &Subscription,
    old: &SubscriptionCharge,
    new: &SubscriptionCharge,
) {
    // A charge that is not listed has the plan's default amount, and that may have changed for new subscriptions.
    let is_default = plan.charge(&new.charge).is_some_and(|charge| charge.default_amount == new.amount);
    let stored_default = context
        .known
        .catalogue
        .as_ref()
        .and_then(|catalogue| catalogue.plans.get(&stored.plan)?.charge(&new.charge))
        .is_some_and(|charge| charge.default_amount == old.amount);
    let now = amount_now(stored, old.reference).unwrap_or(old.amount);
    if new.amount != old.amount && new.amount != now && !(is_default && stored_default) {
        let message = format!(
            "the quantity of {} cannot change from {} to {}: the subscription is activated",
            new.charge, old.amount, new.amount
        );
        let hint =
            command(VerbName::SetAmount, stored).with("charge", &new.charge).with("amount", new.amount);
        context.faults.hinted(place, message, WayOut::from("run ").ask(hint));
    }
    let price_now = price_now(stored, old.reference).unwrap_or(old.unit_price);
    if new.unit_price != old.unit_price && new.unit_price != price_now {
        let message = format!("the price of {} cannot change: the subscription is activated", new.charge);
        let hint = command(VerbName::SetPrice, stored).with("charge", &new.charge);
        context.faults.hinted(place, message, WayOut::from("run ").ask(hint));
    }
    if new.start != old.start {
        let message = format!("the start of {} cannot change: the subscription is activated", new.charge);
        let hint = run(VerbName::SetNextChargeDate, stored);
        context.faults.hinted(place, message, hint);
    }
}

fn command(verb: VerbName, of: &Subscription) -> Command {
    refusal::Verb::ChangeSubscription(verb).on(&of.number)
}

fn run(verb: VerbName, of: &Subscription) -> WayOut {
    WayOut::from("run ").ask(command(verb, of))
}

fn amount_now(stored: &Subscription, reference: ChargeReference) -> Option<Decimal> {
    stored.acts.iter().rev().find_map(|act| match &act.verb {
        Verb::SetAmount { charge, amount, .. } if *charge == reference => Some(*amount),
        _ => None,
    })
}

fn price_now(stored: &Subscription, reference: ChargeReference) -> Option<Option<Decimal>> {
    stored.acts.iter().rev().find_map(|act| match &act.verb {
        Verb::SetPrice { charge, unit_price } if *charge == reference => Some(*unit_price),
        _ => None,
    })
}
