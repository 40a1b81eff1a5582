//! Changes of a period that is billed: what they give back and charge (rules R2–R4, S4).
//!
//! A period that is taken is paid at a level: plan charge, quantity, price, switched on or off. The acts that it was not
//! billed with are replayed in the order in which they are billed. An act dated the first day of the period decides the
//! whole of it; a later one is prorated for the days that are left, or waits for the next period. What each day is paid
//! at is kept throughout, so that nothing is given back that was not paid, and no day is paid twice.

use super::items::{BilledPeriod, ChangeTiming, ItemKind};
use super::paid::{Billed, Paid, PriceLevel};
use super::steps::{Step, StepKind, Terms, is_cut_by_a_change, steps};
use crate::catalogue::{Catalogue, Charge, ChargeType, PricingModel};
use crate::exact::Exact;
use crate::measure::Measure;
use crate::period::Period;
use crate::pricing::{self, Stretch};
use crate::subscription::{ChargeLife, ChargeTerms, Slot, Timeline, View, interval_of};
use chrono::NaiveDate;
use rust_decimal::Decimal;

/// One line that a change makes.
#[derive(Debug, Clone)]
pub(super) struct Change<'a> {
    pub kind: ItemKind,
    pub date: NaiveDate,
    /// The days that it gives back or charges.
    pub part: Period,
    /// The period that they are part of, the whole one, and the first charged day of it (rules R2).
    pub of: Period,
    pub full: Period,
    pub charged_from: NaiveDate,
    /// Whether it takes its share of the period's minimum along: what decides the whole period does, and what ends it or
    /// moves its end (rules P6).
    pub with_minimum: bool,
    pub terms: ChargeTerms<'a>,
    pub amount: Decimal,
    pub unit_price: Option<Decimal>,
}

/// The day whose quantity, price and switch a slot has that is charged on `date`, and whose acts are known up to `known`
/// (rules R3): in arrears the last day of the period; in advance the charge date, or the first day if that is later.
pub(super) fn level_day(charge: &Charge, slot: &Slot, date: NaiveDate, known: NaiveDate) -> NaiveDate {
    if charge.charge_type != ChargeType::OneTime && charge.is_arrears() {
        slot.piece.last_day().min(known.max(slot.piece.start))
    } else {
        date.max(slot.piece.start)
    }
}

/// The day whose price of its own a slot has (rules P9): in advance the first day of the period, however late it is
/// charged; but what was agreed on a draft holds from its activation.
pub(super) fn price_day(
    charge: &Charge,
    slot: &Slot,
    level_day: NaiveDate,
    activated: Option<NaiveDate>,
) -> NaiveDate {
    if charge.charge_type != ChargeType::OneTime && charge.is_arrears() {
        return level_day;
    }
    let start = slot.piece.start;
    level_day.min(activated.map_or(start, |activated| activated.max(start)))
}

/// Quantity that a slot is billed at (rules R3, Q6): of usage that is set what was set in its days, otherwise what
/// is in force on a day. A period in arrears that a prorated change cuts starts from what was in force at its start.
pub(super) fn amount_of_slot(
    timeline: &Timeline<'_>,
    charge: &ChargeLife<'_>,
    slot: &Slot,
    day: NaiveDate,
    known: NaiveDate,
) -> Decimal {
    let plan_charge = charge.terms_on(slot.piece.start).charge;
    if plan_charge.charge_type == ChargeType::Usage {
        let from = (!slot.is_first).then_some(slot.piece.start);
        return charge.amount_set(from, slot.piece.end);
    }
    let is_served = plan_charge.is_arrears() && slot.piece.end <= known;
    if is_served && is_cut_by_a_change(&steps(timeline, charge), charge, slot.piece, u32::MAX) {
        return timeline.amount_on(charge, slot.piece.start);
    }
    timeline.amount_on(charge, day)
}

/// What a charge's periods are looked at with: the acts that are known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Replay<'r, 'a> {
    pub catalogue: &'a Catalogue,
    pub timeline: &'r Timeline<'a>,
    pub charge: &'r ChargeLife<'a>,
    pub steps: &'r [Step<'a>],
}

impl<'a> Replay<'_, 'a> {
    /// The lines that changes make of a period that is taken; `later` are the periods of the charge that begin within it
    /// or after it, with their charge dates and the acts that they have seen.
    pub fn of_period(&self, taken: &BilledPeriod<'a>, later: &[(Period, NaiveDate, u32)]) -> Vec<Change<'a>> {
        if taken.as_nothing || taken.terms.charge.charge_type == ChargeType::Usage {
            return Vec::new();
        }
        let mut book = Changes { replay: *self, taken, paid: Paid::of(taken), lines: Vec::new() };
        if taken.is_served() {
            book.in_arrears();
            return book.lines;
        }
        let retaken = later.iter().map(|(days, date, seen)| Step::retaken(*days, *date, *seen, self.steps));
        let mut steps: Vec<Step<'a>> = self.steps.iter().copied().chain(retaken).collect();
        steps.sort_by_key(Step::moment);
        for step in &steps {
            book.take(step);
        }
        bring_forward(&mut book.lines);
        book.lines
    }

    fn level_in(&self, view: View, switched_by: NaiveDate, priced_by: NaiveDate) -> PriceLevel<'a> {
        PriceLevel {
            terms: self.charge.terms_in(View { day: switched_by, ..view }),
            amount: self.timeline.amount_in(self.charge, view),
            unit_price: self.charge.unit_price_in(View { day: priced_by, ..view }),
            off: self.charge.is_off_in(view),
            billed: None,
        }
    }

    /// The slot that begins on a day as it was known with an act.
    fn slot_with(&self, start: NaiveDate, ordinal: u32, horizon: NaiveDate) -> Option<Slot> {
        let timeline = Timeline::seen(self.timeline.subscription, self.catalogue, ordinal, horizon).ok()?;
        let life = timeline.life_at(self.charge.reference, start)?;
        let (charge, life) = (&timeline.charges[life], &timeline.life);
        if charge.triggers(life, horizon).contains(&start) {
            return Some(Slot::of_days(Period::single(start), start));
        }
        charge.slots(life, horizon).into_iter().find(|slot| slot.piece.start == start)
    }
}

/// The replay of one period.
struct Changes<'r, 't, 'a> {
    replay: Replay<'r, 'a>,
    taken: &'t BilledPeriod<'a>,
    paid: Paid<'a>,
    lines: Vec<Change<'a>>,
}

impl<'a> Changes<'_, '_, 'a> {
    fn take(&mut self, step: &Step<'a>) {
        let is_first_day = step.on <= self.paid.piece.start;
        let is_seen = step.mark.ordinal <= self.taken.seen;
        match step.what {
            StepKind::Retaken { days, .. } => self.retaken(step, days),
            StepKind::Amount | StepKind::Price | StepKind::Toggle | StepKind::Terms(_) => self.change(step),
            _ if is_seen => {} // what was billed ended with it, or began with it
            StepKind::Refund => self.end(step),
            StepKind::Dropped if is_first_day || step.mark.prorate == Some(true) => self.end(step),
            StepKind::Begins if is_first_day => self.decides_the_whole(step),
            StepKind::Extended => self.extended(step),
            StepKind::Resumed if is_first_day => self.resumed(step),
            StepKind::Dropped | StepKind::Begins | StepKind::Resumed => {}
        }
    }

    fn change(&mut self, step: &Step<'a>) {
        let start = self.paid.piece.start;
        let is_switch = matches!(step.what, StepKind::Terms(_));
        let in_force_by = match step.what {
            StepKind::Terms(_) => start,
            StepKind::Price => self.taken.price_day,
            _ => self.taken.level_day,
        };
        let is_base = step.on <= in_force_by;
        if is_base && step.mark.ordinal <= self.taken.seen {
            return; // billed with it
        }
        let is_known = step.mark.done <= self.taken.known;
        if step.on <= start || (is_base && is_known) {
            self.decides_the_whole(step);
        } else if step.on < self.paid.piece.end && (is_switch || step.what == StepKind::Amount) {
            self.changes_the_rest(step);
        }
    }

    /// rules R4: an act dated the first day, of a period that a run has billed: D of D days are credited and charged.
    fn decides_the_whole(&mut self, step: &Step<'a>) {
        let is_known = step.mark.done <= self.taken.known;
        let date =
            if is_known { self.taken.known } else { step.on.max(step.mark.done).max(self.taken.known) };
        let new = self.whole_level(step);
        let Some(old) = self.paid.levels[0].1 else {
            if step.what == StepKind::Begins {
                self.takes_another_rhythm(step, new, date);
            }
            return;
        };
        if !keeps_rhythm(old.terms, new.terms) {
            self.takes_another_rhythm(step, new, date);
            return;
        }
        let is_same_money = self.is_same_money(old, new);
        if !is_same_money {
            let days = self.paid.days_of(0);
            self.line(step, date, days, old, Sign::Credit, ChangeTiming::AtOnce);
            self.line(step, date, days, new, Sign::Charge, ChangeTiming::AtOnce);
        }
        let billed = is_same_money.then(|| old.billed());
        self.paid.levels[0].1 = Some(PriceLevel { billed, ..new });
    }

    /// What the whole period is charged at with a step.
    fn whole_level(&self, step: &Step<'a>) -> PriceLevel<'a> {
        let (day, acts, until) = (self.taken.level_day, self.taken.seen, Some(step.moment()));
        let view = View { day, acts, until, last_of_day: None };
        self.replay.level_in(view, self.paid.piece.start, self.taken.price_day)
    }

    /// A switch on the first day to a charge with another length of period, or one that brings the charge back: what is
    /// paid is given back, and the period that begins on that day is charged in its place.
    fn takes_another_rhythm(&mut self, step: &Step<'a>, new: PriceLevel<'a>, date: NaiveDate) {
        for (days, level) in self.paid.give_back(self.paid.piece) {
            self.line(step, date, days, level, Sign::Credit, ChangeTiming::AtOnce);
        }
        let Some(slot) = self.slot_with(step.mark.ordinal) else { return };
        self.paid = Paid {
            piece: slot.piece,
            full: slot.full,
            charged_from: slot.charged_from,
            levels: vec![(slot.piece.start, Some(new))],
        };
        self.line(step, date, slot.piece, new, Sign::Charge, ChangeTiming::AtOnce);
    }

    /// rules R3: a change within the period.
    fn changes_the_rest(&mut self, step: &Step<'a>) {
        let Some(old) = self.paid.levels[self.paid.place(step.on)].1 else { return };
        let (acts, until) = (self.taken.seen, Some(step.moment()));
        let view = View { day: step.on, acts, until, last_of_day: None };
        let amount = self.replay.timeline.amount_in(self.replay.charge, view);
        let old_rest = PriceLevel { billed: None, ..old };
        let new = match step.what {
            StepKind::Terms(Terms(terms)) => {
                PriceLevel { terms, amount, unit_price: self.replay.charge.unit_price_in(view), ..old_rest }
            }
            _ => PriceLevel { amount, ..old_rest },
        };
        let is_custom = |level: PriceLevel<'_>| level.terms.charge.pricing_model == PricingModel::Custom;
        if is_custom(old) || is_custom(new) {
            return; // rules R1: never prorated
        }
        let billed_at_once = step.on.max(step.mark.done).max(self.taken.known);
        if !keeps_rhythm(old.terms, new.terms) {
            if step.mark.prorate != Some(false) {
                self.end(step); // rules S2
            }
            return;
        }
        let Some(timing) = self.proration(old, new, step) else {
            // Nothing is charged for what comes to the same money; what follows starts from it.
            if step.mark.prorate != Some(false) && self.is_same_money(old, new) {
                let place = self.paid.part_at(step.on);
                self.paid.levels[place].1 = Some(PriceLevel { billed: Some(old.billed()), ..new });
            }
            return;
        };
        let date = match timing {
            ChangeTiming::AtOnce => billed_at_once,
            ChangeTiming::NextCharge => self.next_charge_date().max(billed_at_once),
        };
        let place = self.paid.part_at(step.on);
        let days = self.paid.days_of(place);
        self.line(step, date, days, old, Sign::Credit, timing);
        self.line(step, date, days, new, Sign::Charge, timing);
        self.paid.levels[place].1 = Some(new);
    }

    /// rules R3: an amendment waits for the next charge date, but not beyond the end of the charge.
    fn next_charge_date(&self) -> NaiveDate {
        let gone = self.replay.charge.gone_on(&self.replay.timeline.life);
        gone.map_or(self.paid.piece.end, |gone| gone.min(self.paid.piece.end))
    }

    /// Nothing is charged from a day on: what is paid for the rest is given back.
    fn end(&mut self, step: &Step<'a>) {
        let from = step.on.max(self.paid.piece.start);
        let date = step.on.max(step.mark.done).max(self.taken.known);
        let is_custom = self.taken.terms.charge.pricing_model == PricingModel::Custom;
        if is_custom && from > self.paid.piece.start {
            return; // rules R1: never prorated
        }
        for (days, level) in self.paid.give_back(Period::new(from, self.paid.piece.end)) {
            self.line(step, date, days, level, Sign::Credit, ChangeTiming::AtOnce);
        }
    }

    /// rules S4: no day is paid twice. Days that another period charges are credited with it, also at a price that is
    /// never prorated.
    fn retaken(&mut self, step: &Step<'a>, days: Period) {
        for (days, level) in self.paid.give_back(days) {
            self.line(step, step.mark.done, days, level, Sign::Credit, ChangeTiming::AtOnce);
        }
    }

    /// A period that was billed up to an end that has moved: the days that it holds now are charged.
    fn extended(&mut self, step: &Step<'a>) {
        let Some(slot) = self.slot_with(step.mark.ordinal) else { return };
        let is_longer = slot.full == self.paid.full && slot.piece.end > self.paid.piece.end;
        let Some(level) = self.paid.levels[self.paid.levels.len() - 1].1.filter(|_| is_longer) else {
            return;
        };
        if level.terms.charge.pricing_model == PricingModel::Custom {
            return;
        }
        let days = Period::new(self.paid.piece.end, slot.piece.end);
        self.paid.piece.end = slot.piece.end;
        self.line(
            step,
            step.mark.done.max(self.taken.known),
            days,
            level,
            Sign::Charge,
            ChangeTiming::AtOnce,
        );
    }

    /// rules S4: what a hold gave back of a whole period is charged again if service goes on with that period.
    fn resumed(&mut self, step: &Step<'a>) {
        let is_given_back = self.paid.levels.iter().all(|(_, level)| level.is_none());
        let Some(slot) = self.slot_with(step.mark.ordinal).filter(|_| is_given_back) else { return };
        let level = self.whole_level(step);
        let start = slot.piece.start;
        self.paid = Paid {
            piece: slot.piece,
            full: slot.full,
            charged_from: slot.charged_from,
            levels: vec![(start, Some(level))],
        };
        let date = start.max(step.mark.done).max(self.taken.known);
        self.line(step, date, slot.piece, level, Sign::Charge, ChangeTiming::AtOnce);
    }

    /// A period that is billed when it is over: prorated changes of the quantity cut it into parts.
    fn in_arrears(&mut self) {
        let cuts =
            is_cut_by_a_change(self.replay.steps, self.replay.charge, self.paid.piece, self.taken.seen);
        if self.taken.billed.is_some() || self.taken.toggled_off || !cuts {
            return;
        }
        let piece = self.paid.piece;
        let is_inside = |step: &&Step<'_>| {
            step.what == StepKind::Amount
                && step.mark.ordinal <= self.taken.seen
                && piece.start < step.on
                && step.on < piece.end
        };
        let mut steps: Vec<Step<'a>> = self.replay.steps.iter().filter(is_inside).copied().collect();
        steps.sort_by_key(|step| (step.on, step.mark.ordinal));
        for step in steps {
            let Some(old) = self.paid.levels[self.paid.levels.len() - 1].1 else { return };
            let last_of_day = Some(step.mark.ordinal);
            let view = View { day: step.on, acts: self.taken.seen, until: None, last_of_day };
            let amount = self.replay.timeline.amount_in(self.replay.charge, view);
            let new = PriceLevel { amount, billed: None, ..old };
            if new.terms.charge.pricing_model == PricingModel::Custom {
                return;
            }
            if let Some(timing) = self.proration(old, new, &step) {
                let place = self.paid.part_at(step.on);
                let days = self.paid.days_of(place);
                self.line(&step, self.taken.known, days, old, Sign::Credit, timing);
                self.line(&step, self.taken.known, days, new, Sign::Charge, timing);
                self.paid.levels[place].1 = Some(new);
            }
        }
    }

    /// The slot that begins with the period, as it was known with an act.
    fn slot_with(&self, ordinal: u32) -> Option<Slot> {
        let start = self.paid.piece.start;
        self.replay.slot_with(start, ordinal, start.max(self.taken.known))
    }

    /// Whether and when a change within a period is prorated (rules R3).
    fn proration(&self, old: PriceLevel<'a>, new: PriceLevel<'a>, step: &Step<'a>) -> Option<ChangeTiming> {
        let change_handle = old.terms.plan.change_handle;
        let (before, after) = (self.whole_amount(old), self.whole_amount(new));
        let is_prorated = match step.mark.prorate {
            Some(false) => false,
            Some(true) => after != before,
            None => after > before && change_handle > 0,
        };
        let timing = if change_handle == 2 { ChangeTiming::NextCharge } else { ChangeTiming::AtOnce };
        is_prorated.then_some(timing)
    }

    /// Price of a whole period at a level, by the price version at its start (rules P9); major units.
    fn whole_amount(&self, level: PriceLevel<'a>) -> Exact {
        if level.off {
            return Exact::ZERO;
        }
        let measure = Measure { quantity: Exact::of(level.amount), events: 0, each: Vec::new() };
        let on = version_day(self.paid.piece.start, level.terms);
        let currency = self.replay.timeline.subscription.currency;
        pricing::price(level.terms.charge, currency, level.unit_price, &[Stretch { on, measure: &measure }])
            .amount
    }

    fn is_same_money(&self, old: PriceLevel<'a>, new: PriceLevel<'a>) -> bool {
        let tax = |level: PriceLevel<'a>| (level.terms.charge.taxable, level.terms.plan.tax_inclusive);
        let minimum = |level: PriceLevel<'a>| level.terms.charge.minimum_amount.clone();
        self.whole_amount(old) == self.whole_amount(new)
            && old.off == new.off
            && tax(old) == tax(new)
            && minimum(old) == minimum(new)
    }

    /// The period whose share a part is, and its first charged day (rules R2). A price that is never prorated is whole for
    /// whatever it is for (rules R1); of days that another period charges it is the share of the days that it paid.
    fn counted_in(&self, step: &Step<'a>, part: Period, level: PriceLevel<'a>) -> (Period, NaiveDate) {
        let is_retaken = matches!(step.what, StepKind::Retaken { .. });
        match level.terms.charge.pricing_model {
            PricingModel::Custom if is_retaken => (self.paid.piece, self.paid.piece.start),
            PricingModel::Custom => (part, self.paid.charged_from),
            _ => (self.paid.full, self.paid.charged_from),
        }
    }

    fn line(
        &mut self,
        step: &Step<'a>,
        date: NaiveDate,
        part: Period,
        level: PriceLevel<'a>,
        sign: Sign,
        timing: ChangeTiming,
    ) {
        if level.off {
            return;
        }
        let ordinal = step.mark.ordinal;
        let kind = match sign {
            Sign::Credit => ItemKind::ChangeCredit { ordinal, timing },
            Sign::Charge => ItemKind::ChangeCharge { ordinal, timing },
        };
        let charged = match sign {
            Sign::Credit => level.billed(),
            Sign::Charge => Billed { terms: level.terms, amount: level.amount, unit_price: level.unit_price },
        };
        let (full, charged_from) = self.counted_in(step, part, level);
        let changes_level = match step.what {
            StepKind::Amount => true,
            StepKind::Terms(Terms(terms)) => keeps_rhythm(level.terms, terms),
            _ => false,
        };
        self.lines.push(Change {
            kind,
            date,
            part,
            of: self.paid.piece,
            full,
            charged_from,
            with_minimum: !changes_level || part == self.paid.piece,
            terms: charged.terms,
            amount: charged.amount,
            unit_price: charged.unit_price,
        });
    }
}

/// An amendment that waits is due with what gives it back: nothing is given back that was never charged (rules R3, M3).
fn bring_forward(lines: &mut [Change<'_>]) {
    for at in (0..lines.len()).rev() {
        let ItemKind::ChangeCredit { .. } = lines[at].kind else { continue };
        let (date, part) = (lines[at].date, lines[at].part);
        let early: Vec<u32> =
            lines[..at].iter().filter(|l| l.date > date).filter_map(|l| l.waits_for(part)).collect();
        for line in &mut lines[..at] {
            if line.amendment().is_some_and(|ordinal| early.contains(&ordinal)) {
                line.date = line.date.min(date);
            }
        }
    }
}

impl Change<'_> {
    /// The act of an amendment.
    fn amendment(&self) -> Option<u32> {
        match self.kind {
            ItemKind::ChangeCredit { ordinal, timing: ChangeTiming::NextCharge }
            | ItemKind::ChangeCharge { ordinal, timing: ChangeTiming::NextCharge } => Some(ordinal),
            _ => None,
        }
    }

    /// The act of an amendment that charges some of these days.
    fn waits_for(&self, days: Period) -> Option<u32> {
        let charges = matches!(self.kind, ItemKind::ChangeCharge { .. });
        self.amendment().filter(|_| charges && self.part.intersect(days).is_some())
    }
}

#[derive(Debug, Clone, Copy)]
enum Sign {
    Credit,
    Charge,
}

/// Day whose price version a level of a period is charged by: the period's start (rules P9), or the day of the
/// switch that brought the plan charge.
pub(super) fn version_day(period_start: NaiveDate, terms: ChargeTerms<'_>) -> NaiveDate {
    period_start.max(terms.from)
}

/// Whether two charges have periods of one length.
pub(super) fn keeps_rhythm(old: ChargeTerms<'_>, new: ChargeTerms<'_>) -> bool {
    interval_of(old.charge) == interval_of(new.charge)
}
