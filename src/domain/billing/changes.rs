//! Changes within a period that is billed: what they give back and charge (rules.md R2–R4).
//!
//! A period has a level: plan charge, quantity and price. Each change of the level on a day of the period is either
//! prorated, as two lines for the days that are left, or takes effect with the next period.

use super::items::{ChangeTiming, ItemKind, Taken};
use crate::catalogue::{ChargeType, PricingModel};
use crate::exact::Exact;
use crate::measure::Measure;
use crate::money::Currency;
use crate::period::Period;
use crate::pricing::{self, Stretch};
use crate::proration::part_after_discount;
use crate::subscription::{ChangeMark, ChargeLife, ChargeTerms, Slot, Timeline, Verb, interval_of};
use chrono::NaiveDate;
use rust_decimal::Decimal;

/// One line that a change makes.
#[derive(Debug, Clone)]
pub(super) struct Change<'a> {
    pub kind: ItemKind,
    pub date: NaiveDate,
    /// The days of the period from the change on.
    pub part: Period,
    pub terms: ChargeTerms<'a>,
    pub amount: Decimal,
    pub unit_price: Option<Decimal>,
}

/// What a period is charged at.
#[derive(Debug, Clone, Copy)]
struct Level<'a> {
    terms: ChargeTerms<'a>,
    amount: Decimal,
    unit_price: Option<Decimal>,
}

/// A change of the level.
#[derive(Debug, Clone, Copy)]
struct Step<'a> {
    on: NaiveDate,
    mark: ChangeMark,
    what: StepKind<'a>,
}

#[derive(Debug, Clone, Copy)]
enum StepKind<'a> {
    /// A quantity of the charge, or of the one that it depends on.
    Amount,
    Terms(ChargeTerms<'a>),
    /// The charge ends, and what was paid for the rest is given back.
    Refund,
}

/// Quantity that a slot is billed at (rules.md R3, Q6): of usage set by hand what was set in its days, otherwise what
/// is in force on its charge date. A period in arrears that a prorated change cuts starts from what was in force at
/// its start.
pub(super) fn amount_of_slot(
    timeline: &Timeline<'_>,
    charge: &ChargeLife<'_>,
    slot: &Slot,
    date: NaiveDate,
    known: NaiveDate,
) -> Decimal {
    let plan_charge = charge.terms_on(slot.piece.start).charge;
    if plan_charge.charge_type == ChargeType::Usage {
        let from = (!slot.is_first).then_some(slot.piece.start);
        return charge.amount_by_hand(from, slot.piece.end);
    }
    if plan_charge.is_arrears() && is_cut_by_a_change(timeline, charge, slot.piece, known) {
        return timeline.amount_on(charge, slot.piece.start);
    }
    timeline.amount_on(charge, date)
}

/// The lines that changes make of a period that is taken.
pub(super) fn of_period<'a>(
    timeline: &Timeline<'a>,
    charge: &ChargeLife<'a>,
    taken: &Taken<'a>,
) -> Vec<Change<'a>> {
    let is_recurring = taken.terms.charge.charge_type == ChargeType::Recurring;
    if !is_recurring || taken.as_nothing || taken.terms.charge.pricing_model == PricingModel::Custom {
        return Vec::new();
    }
    let arrears = taken.terms.charge.is_arrears();
    if arrears
        && (taken.billed.is_some() || !is_cut_by_a_change(timeline, charge, taken.slot.piece, taken.known))
    {
        return Vec::new();
    }
    let currency = timeline.subscription.currency;
    let mut level = Level { terms: taken.terms, amount: taken.amount, unit_price: taken.unit_price };
    let mut lines = Vec::new();
    for step in steps(timeline, charge) {
        let is_past = step.on >= taken.slot.piece.end;
        let is_early = arrears && (step.on <= taken.slot.piece.start || step.mark.done > taken.known);
        let is_other = arrears && !matches!(step.what, StepKind::Amount);
        if is_past
            || is_early
            || is_other
            || (!arrears && is_included(timeline, charge, taken, &step, currency))
        {
            continue;
        }
        let next = level_after(timeline, charge, level, &step);
        let Some(timing) = proration(level, next, &step, taken, currency) else { continue };
        let part = Period::new(step.on.max(taken.slot.piece.start), taken.slot.piece.end);
        let date = match timing {
            _ if arrears => taken.known,
            ChangeTiming::AtOnce => step.on.max(step.mark.done),
            ChangeTiming::NextCharge => taken.slot.piece.end,
        };
        let ordinal = step.mark.ordinal;
        let line = |kind, level: Level<'a>| Change {
            kind,
            date,
            part,
            terms: level.terms,
            amount: level.amount,
            unit_price: level.unit_price,
        };
        lines.push(line(ItemKind::ChangeCredit { ordinal, timing }, level));
        if let Some(next) = next.filter(|next| keeps_rhythm(level.terms, next.terms)) {
            lines.push(line(ItemKind::ChangeCharge { ordinal, timing }, next));
            level = next;
        } else {
            break; // nothing of the old level is left
        }
    }
    lines
}

/// Whether and when a change is prorated (rules.md R3).
fn proration(
    level: Level<'_>,
    next: Option<Level<'_>>,
    step: &Step<'_>,
    taken: &Taken<'_>,
    currency: Currency,
) -> Option<ChangeTiming> {
    let Some(next) = next else { return Some(ChangeTiming::AtOnce) };
    if next.terms.charge.pricing_model == PricingModel::Custom {
        return None;
    }
    let change_handle = level.terms.plan.change_handle;
    let start = taken.slot.piece.start;
    let full = |level: Level<'_>| full_amount(level, currency, version_day(start, level.terms));
    let (old, new) = (full(level), full(next));
    let asked = step.mark.prorate;
    let is_prorated = match asked {
        Some(false) => false,
        Some(true) => new != old,
        None => new > old && change_handle > 0,
    };
    let timing = if change_handle == 2 { ChangeTiming::NextCharge } else { ChangeTiming::AtOnce };
    is_prorated.then_some(timing)
}

/// Day whose price version a level of a period is charged by: the period's start (rules.md P9), or the day of the
/// switch that brought the plan charge.
pub(super) fn version_day(period_start: NaiveDate, terms: ChargeTerms<'_>) -> NaiveDate {
    period_start.max(terms.from)
}

/// Price of a whole period at a level, by the price version of a day; major units.
fn full_amount(level: Level<'_>, currency: Currency, on: NaiveDate) -> Exact {
    let measure = Measure { quantity: Exact::of(level.amount), events: 0, each: Vec::new() };
    pricing::price(level.terms.charge, currency, level.unit_price, &[Stretch { on, measure: &measure }])
        .amount
}

fn keeps_rhythm(old: ChargeTerms<'_>, new: ChargeTerms<'_>) -> bool {
    interval_of(old.charge) == interval_of(new.charge)
}

fn level_after<'a>(
    timeline: &Timeline<'a>,
    charge: &ChargeLife<'a>,
    level: Level<'a>,
    step: &Step<'a>,
) -> Option<Level<'a>> {
    match step.what {
        StepKind::Refund => None,
        StepKind::Amount => Some(Level { amount: timeline.amount_on(charge, step.on), ..level }),
        StepKind::Terms(terms) => {
            let unit_price = charge.unit_price_on(step.on);
            Some(Level { terms, amount: timeline.amount_on(charge, step.on), unit_price })
        }
    }
}

/// Whether the period was billed at a level that holds the change already: it took effect and was done by the charge
/// date. What was done later on the very day of a run shows in what that run billed.
fn is_included(
    timeline: &Timeline<'_>,
    charge: &ChargeLife<'_>,
    taken: &Taken<'_>,
    step: &Step<'_>,
    currency: Currency,
) -> bool {
    if matches!(step.what, StepKind::Refund) {
        return false;
    }
    let effective_by = match step.what {
        StepKind::Terms(_) => taken.slot.piece.start,
        _ => taken.date,
    };
    let is_known = step.mark.done <= taken.known && step.on <= effective_by;
    let Some(billed) = taken.billed.filter(|_| is_known && step.mark.done == taken.known) else {
        return is_known;
    };
    let level = Level {
        terms: charge.terms_on(taken.slot.piece.start),
        amount: timeline.amount_on(charge, taken.date),
        unit_price: charge.unit_price_on(taken.date),
    };
    let full = full_amount(level, currency, taken.slot.piece.start);
    let slot = taken.slot;
    let part = part_after_discount(full, billed.discount, currency, slot.charged_from, slot.piece, slot.full);
    part.subtotal_minor == billed.net_minor
}

/// Whether a change within a period in arrears, done by its charge date, is prorated, so that it is billed in parts.
fn is_cut_by_a_change(
    timeline: &Timeline<'_>,
    charge: &ChargeLife<'_>,
    piece: Period,
    known: NaiveDate,
) -> bool {
    let change_handle = charge.terms_on(piece.start).plan.change_handle;
    steps(timeline, charge).iter().any(|step| {
        let is_inside = piece.start < step.on && step.on < piece.end;
        let is_prorated = step.mark.prorate.unwrap_or(change_handle > 0);
        is_inside && is_prorated && step.mark.done <= known && matches!(step.what, StepKind::Amount)
    })
}

/// Every change of a charge's level, in the order in which they take effect.
fn steps<'a>(timeline: &Timeline<'a>, charge: &ChargeLife<'a>) -> Vec<Step<'a>> {
    let amounts = |life: &ChargeLife<'a>| {
        let marked = life.amounts.iter().filter_map(|step| step.mark.map(|mark| (step.on, mark)));
        marked.map(|(on, mark)| Step { on, mark, what: StepKind::Amount }).collect::<Vec<_>>()
    };
    let mut steps = amounts(charge);
    for parent in timeline.followed_on(charge, NaiveDate::MAX) {
        steps.extend(amounts(parent));
    }
    for terms in &charge.terms {
        if let Some(mark) = terms.switch.filter(|_| !std::ptr::eq(terms, &charge.terms[0])) {
            steps.push(Step { on: terms.from, mark, what: StepKind::Terms(*terms) });
        }
    }
    if let Some((on, mark)) = charge.removed.and_then(|r| Some((r.on, r.switch?)))
        && mark.prorate == Some(true)
    {
        steps.push(Step { on, mark, what: StepKind::Refund });
    }
    steps.extend(refund(timeline));
    steps.sort_by_key(|step| (step.on, step.mark.ordinal));
    steps
}

/// rules.md R4: a cancellation gives back the rest of what was paid in advance, if asked.
fn refund<'a>(timeline: &Timeline<'a>) -> Option<Step<'a>> {
    let ending = timeline.life.end?;
    let act = timeline.subscription.acts.iter().find(|act| Some(act.ordinal) == ending.act)?;
    let Verb::Cancel { refund_prorated: true, .. } = act.verb else { return None };
    let mark = ChangeMark { ordinal: act.ordinal, done: act.done, prorate: Some(true) };
    Some(Step { on: ending.on, mark, what: StepKind::Refund })
}
