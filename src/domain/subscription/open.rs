//! What may still be changed of a subscription, and what is charged next (rules R3, S4, T6).

use super::service::{Slot, interval_of};
use super::timeline::ChargeLife;
use super::verbs::VerbPlanner;
use crate::billing::BilledLine;
use crate::catalogue::{Alignment, ChargeType};
use crate::invoice::LineKind;
use crate::period::{Period, plus_days};
use crate::refusal::{Code, Refusal};
use chrono::NaiveDate;

/// What an act does to a period that it lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acts {
    Change,
    /// It ends the service.
    End,
}

/// Periods that are looked through for the next charge date, a few first: skipped ones may stand before it.
const PERIODS_AHEAD: [i64; 3] = [2, 12, 36];

impl<'a> VerbPlanner<'a> {
    /// The next charge date of any charge that repeats.
    pub(super) fn next_charge_date(&self) -> Option<NaiveDate> {
        self.first_charge_date_from(self.today)
    }

    /// The first charge date after today: whether the run of today has come already makes no difference (rules R4, T6).
    pub(super) fn charge_date_after_today(&self) -> Option<NaiveDate> {
        self.first_charge_date_from(plus_days(self.today, 1))
    }

    fn first_charge_date_from(&self, day: NaiveDate) -> Option<NaiveDate> {
        let there = self.timeline.charges.iter().filter(|life| life.removed.is_none());
        there.filter_map(|life| self.next_from(life, day)).map(|slot| slot.date).min()
    }

    /// The next slot of a charge: not before today, and not billed yet today. What is overdue is as good as billed: the
    /// next run bills it as an on-time run would have (rules T6).
    pub(super) fn next_of(&self, life: &ChargeLife<'_>) -> Option<Slot> {
        self.next_from(life, self.today)
    }

    fn next_from(&self, life: &ChargeLife<'_>, earliest: NaiveDate) -> Option<Slot> {
        let charge = life.last_terms().charge;
        let billed = self.context.billed.get(&life.reference).map_or(&[][..], Vec::as_slice);
        if charge.charge_type == ChargeType::OneTime {
            let far = plus_days(self.today, 36_600);
            let mut days = life.triggers(&self.timeline.life, far).into_iter();
            let is_ours = |day: &NaiveDate| *day >= earliest && !life.is_taken_over(*day);
            let day = days.find(is_ours).filter(|_| billed.is_empty())?;
            return Some(Slot { is_first: true, ..Slot::of_days(Period::single(day), day) });
        }
        let starts = [
            Some(self.today),
            self.timeline.life.activated,
            life.billed_through,
            Some(self.subscription.start),
            life.own_start,
        ];
        // What was billed early lies behind the next one, however far ahead.
        let billed_ahead = billed.iter().map(|l| l.key.period_start);
        let from = starts.into_iter().flatten().chain(billed_ahead).max().unwrap_or(self.today);
        let is_billed = |slot: &Slot| {
            billed.iter().any(|l| l.key.kind == LineKind::Regular && l.key.period_start == slot.piece.start)
        };
        let is_taken = |slot: &Slot| is_billed(slot) || life.is_taken_over(slot.nominal);
        let is_next = |slot: &Slot| slot.date >= earliest && !slot.skipped && !is_taken(slot);
        PERIODS_AHEAD.into_iter().find_map(|periods| {
            let horizon = plus_days(interval_of(charge).bound(from, periods), 1);
            let slots = life.slots(&self.timeline.life, horizon);
            slots.into_iter().filter(is_next).min_by_key(|slot| slot.date)
        })
    }

    /// An act on a charge that could not be billed is refused when it is asked for (rules R3).
    pub(super) fn check_open(&self, life: &ChargeLife<'_>, on: NaiveDate) -> Result<(), Refusal> {
        let charge = life.terms_on(on).charge;
        self.check_served(&charge.sku, on)?;
        if let Some(gone) = life.removed.filter(|gone| gone.on <= on) {
            let message = format!("the charge {} ends on {}", charge.sku, gone.on);
            return Err(Refusal::new(Code::Conflict, message).hint(format!("do it before {}", gone.on)));
        }
        match charge.charge_type {
            ChargeType::OneTime => self.check_trigger(life, on),
            _ => self.check_unbilled(life, on, Acts::Change),
        }
    }

    /// rules S4: what is booked stays. A change may start with the last billed period of a charge in advance, and
    /// after the last one of a charge in arrears; what is billed ahead of its time is still changed from today on. But
    /// usage that a period billed ahead has not counted comes as late usage: only an end may lie within it.
    fn check_unbilled(&self, life: &ChargeLife<'_>, on: NaiveDate, acts: Acts) -> Result<(), Refusal> {
        let charge = life.terms_on(on).charge;
        let from_today = |open_from: NaiveDate| open_from.min(self.today.max(on));
        let open_from = if charge.charge_type == ChargeType::Usage && acts == Acts::Change {
            self.billed_or_overdue(life, |period| period.end)
        } else if charge.is_arrears() {
            self.billed_or_overdue(life, |period| period.end).map(from_today)
        } else {
            // What is billed today may have been billed before the act or after it.
            let before_today = self.regular(life).filter(|line| line.charge_date < self.today);
            let starts = before_today.map(|line| line.period.start);
            let taken_over = life.taken_over(&self.timeline.life);
            let taken_over = taken_over.iter().filter(|slot| slot.nominal < self.today);
            starts.chain(taken_over.map(|slot| slot.piece.start)).max().map(from_today)
        };
        let Some(open_from) = open_from.filter(|open_from| on < *open_from) else { return Ok(()) };
        let message = format!("{on} lies before what is billed of {}", charge.sku);
        Err(Refusal::new(Code::BeforeBooked, message).hint(format!("it may start on {open_from}")))
    }

    pub(super) fn check_all(&self, on: NaiveDate, acts: Acts) -> Result<(), Refusal> {
        let repeats = |life: &&ChargeLife<'_>| life.last_terms().charge.charge_type != ChargeType::OneTime;
        let mut there = self.timeline.charges.iter().filter(|life| life.removed.is_none()).filter(repeats);
        there.try_for_each(|life| self.check_unbilled(life, on, acts))
    }

    /// Nothing is billed from the subscription's end on, but for one-time charges of that day.
    pub(super) fn check_served(&self, sku: &str, on: NaiveDate) -> Result<(), Refusal> {
        let Some(end) = self.timeline.life.ends_on().filter(|end| *end < on) else { return Ok(()) };
        let message = format!("{} ends on {end}: {sku} is not billed on {on}", self.subscription.number);
        Err(Refusal::new(Code::Conflict, message)
            .hint(format!("do it before {end}, or take the end back first")))
    }

    /// A one-time charge is changed until its day is over. One that comes again, or whose day is not known yet, always.
    fn check_trigger(&self, life: &ChargeLife<'_>, on: NaiveDate) -> Result<(), Refusal> {
        let charge = life.last_terms().charge;
        let comes_again = matches!(
            charge.alignment,
            Alignment::SubscriptionRenewal | Alignment::SubscriptionEnd | Alignment::SubscriptionCancellation
        );
        let waits = charge.alignment == Alignment::CustomerDate && life.own_start.is_none();
        if comes_again || waits || self.timeline.life.activated.is_none() {
            return Ok(());
        }
        let far = plus_days(self.today.max(on), 36_600);
        let is_ahead = |day: NaiveDate| on <= day && self.today <= day;
        if life.triggers(&self.timeline.life, far).into_iter().any(is_ahead) {
            return Ok(());
        }
        let message = format!("the charge {} is billed once, and its day is over", charge.sku);
        Err(Refusal::new(Code::BeforeBooked, message).hint("credit its line instead"))
    }

    fn regular(&self, life: &ChargeLife<'_>) -> impl Iterator<Item = &'a BilledLine> {
        let billed = self.context.billed.get(&life.reference).map_or(&[][..], Vec::as_slice);
        billed.iter().filter(|line| line.key.kind == LineKind::Regular)
    }

    /// The latest day of a period that is billed, or as good as billed since its charge date has passed (rules T6).
    fn billed_or_overdue(&self, life: &ChargeLife<'_>, day: fn(Period) -> NaiveDate) -> Option<NaiveDate> {
        let overdue = life.slots(&self.timeline.life, plus_days(self.today, -1));
        let billed = self.regular(life).map(|line| day(line.period));
        billed.chain(overdue.into_iter().map(|slot| day(slot.piece))).max()
    }
}
