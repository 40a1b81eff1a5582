//! Dunning policies as written, and who names them (rules Y3).

use super::collect::Item;
use super::content::ObjectKind;
use super::fault::Place;
use super::fields::{Fields, Ref};
use super::merge::MergeContext;
use super::{checks, codes};
use crate::decimal::RATE;
use crate::dunning::{DAYS_MAX, DunningAction, DunningPolicy, DunningStep, LateCharge, STEPS_MAX};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// Reads a policy.
pub(super) fn dunning_policy(fields: &mut Fields<'_, '_>) -> Option<DunningPolicy> {
    fields.ignore(&["description", "note"]);
    let refkey = fields.key("refkey");
    let fullname = fields.text("fullname");
    let is_default = fields.boolean("default").unwrap_or(false);
    let is_for_manual = fields.boolean("manual").unwrap_or(false);
    let written = fields.has("steps");
    let steps = fields.each("steps", |step, _| read_step(step));
    let steps: Vec<DunningStep> = steps.into_iter().flatten().collect();
    if !written {
        fields.fault("steps", "is missing");
    }
    if steps.len() > STEPS_MAX {
        fields.fault("steps", format!("has more than {STEPS_MAX} steps"));
    }
    check_order(fields, &steps);
    let active = checks::is_active(fields);
    if is_default && !active {
        fields.hinted(
            "status",
            "the default policy cannot be inactive",
            "make another one the default first",
        );
    }
    let refkey = refkey?;
    let fullname = fullname.unwrap_or_else(|| refkey.clone());
    Some(DunningPolicy { refkey, fullname, is_default, is_for_manual, steps, active })
}

fn read_step(fields: &mut Fields<'_, '_>) -> Option<DunningStep> {
    let days = fields.integer("days", 0..=i64::from(DAYS_MAX)).and_then(|n| u32::try_from(n).ok());
    let days = fields.require("days", days);
    let action = fields.choice("action", DunningAction::parse, DunningAction::NAMES);
    let action = fields.require("action", action);
    let late_charge = read_late_charge(fields);
    if !late_charge.is_nothing() && action.is_some_and(|action| action != DunningAction::Mail) {
        let hint = "say it of a step with `\"action\": \"mail\"`";
        fields.hinted("action", "only a reminder has a fee or interest", hint);
    }
    Some(DunningStep { days: days?, action: action?, late_charge })
}

/// What a reminder costs the payer (rules Y9).
fn read_late_charge(fields: &mut Fields<'_, '_>) -> LateCharge {
    let is_written = fields.has("fee");
    let before = fields.faults.met();
    let fees = fields.amounts("fee", None);
    if is_written && fees.is_empty() && fields.faults.met() == before {
        fields.hinted("fee", "says no currency", "write it by currency: {\"DKK\": \"100.00\"}");
    }
    for (currency, amount) in &fees {
        if amount.normalize().scale() > currency.decimals() {
            let message = format!("{} is no amount of {currency}", amount.normalize());
            fields.hinted("fee", message, "a fee is a whole number of the currency's smallest unit");
        }
    }
    let interest_pct = fields.non_negative("interest", RATE).filter(|pct| !pct.is_zero());
    if interest_pct.is_some_and(|pct| pct > Decimal::ONE_HUNDRED) {
        fields.hinted("interest", "is more than 100 % a year", "8.15 is 8.15 %");
    }
    LateCharge {
        fees,
        fee_text: fields.text("feetext"),
        interest_pct,
        interest_text: fields.text("interesttext"),
    }
}

/// One step a day, and none after the invoice is written off.
fn check_order(fields: &mut Fields<'_, '_>, steps: &[DunningStep]) {
    for (index, pair) in steps.windows(2).enumerate() {
        let place = fields.at("steps").element(index + 1);
        if pair[1].days <= pair[0].days {
            let message = format!("comes after {} days, no later than the step before it", pair[1].days);
            let hint = "steps are in the order of their days, and one is taken a day";
            fields.faults.hinted(&place.member("days"), message, hint);
        }
        if pair[0].action == DunningAction::WriteOff {
            fields.faults.add(&place, "cannot follow a step that writes the invoice off");
        }
    }
}

/// Merges the policies of the files into those of the store: at most one is the default.
pub(super) fn merge(
    context: &mut MergeContext<'_>,
    stored: &mut BTreeMap<String, DunningPolicy>,
    items: Vec<Item<DunningPolicy>>,
) {
    let mut last = None;
    for item in items {
        last = item.value.is_default.then(|| item.place.member("default")).or(last);
        context.remember(ObjectKind::DunningPolicy, &item.key, item.content);
        stored.insert(item.key, item.value);
    }
    let defaults: Vec<&str> =
        stored.values().filter(|policy| policy.is_default).map(|policy| policy.refkey.as_str()).collect();
    if let ([first, second, ..], Some(place)) = (defaults.as_slice(), last) {
        context.faults.add(&place, format!("{first} and {second} cannot both be the default"));
    }
}

/// The policy that a plan or a unit names must be there.
pub(super) fn resolve(
    context: &mut MergeContext<'_>,
    policies: &BTreeMap<String, DunningPolicy>,
    place: &Place,
    named: Option<&str>,
    was: Option<&str>,
) {
    let Some(named) = named else { return };
    let reference = Ref { name: named.to_owned(), place: place.member("dunningpolicy") };
    context.directory.resolve(ObjectKind::DunningPolicy, &reference, context.faults);
    if was != Some(named) && policies.get(named).is_some_and(|policy| !policy.active) {
        codes::refuse(&reference.place, "dunningpolicy", named, context.faults);
    }
}
