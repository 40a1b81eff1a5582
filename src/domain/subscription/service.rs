//! Service periods of a charge, counted from its anchor (rules T2–T5, S4).

use super::ResumeOption;
use super::life::{Hold, Life};
use super::timeline::{ChargeLife, ChargeTerms};
use crate::catalogue::{Alignment, Charge, ChargeType, PricingModel};
use crate::period::{Interval, Period};
use chrono::NaiveDate;
use std::collections::BTreeMap;

/// Slots of one span that are listed: daily ones of 270 years. Nobody catches up more (rules T6).
const SLOTS_MAX: usize = 100_000;

/// A stretch of service that is billed at once: a whole period, a stub, or what a hold or switch leaves of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// The days served.
    pub piece: Period,
    /// The whole period that they are part of (rules R1).
    pub full: Period,
    /// First charged day of the whole period (rules R2).
    pub charged_from: NaiveDate,
    /// Charge date before any act moved it: the first day on which it may be billed (rules T5).
    pub nominal: NaiveDate,
    /// Charge date.
    pub date: NaiveDate,
    /// Billed as nothing, as it was asked.
    pub skipped: bool,
    /// First slot of the charge.
    pub is_first: bool,
}

impl Slot {
    /// These days, whole, charged on a day.
    pub fn of_days(days: Period, date: NaiveDate) -> Self {
        let charged_from = days.start;
        Self { piece: days, full: days, charged_from, nominal: date, date, skipped: false, is_first: false }
    }
}

/// Uninterrupted service on one anchor.
#[derive(Debug, Clone)]
struct ServiceSpan {
    from: NaiveDate,
    until: Option<NaiveDate>,
    anchor: NaiveDate,
    interval: Interval,
    /// Ordinal of the act that set the anchor; 0 for what was agreed.
    since: u32,
    arrears: bool,
    /// Days on which a period in arrears is closed early, although service goes on.
    cuts: Vec<NaiveDate>,
}

/// How a plan charge repeats.
pub fn interval_of(charge: &Charge) -> Interval {
    Interval {
        unit: charge.billing_period,
        count: charge.billing_interval,
        day: charge.billing_day,
        month: charge.billing_month,
    }
}

impl ChargeLife<'_> {
    /// Slots of a recurring or usage charge with a charge date on or before `horizon`, by piece. A subscription that
    /// is not activated has none.
    pub fn slots(&self, life: &Life, horizon: NaiveDate) -> Vec<Slot> {
        if self.terms[0].charge.charge_type == ChargeType::OneTime || life.activated.is_none() {
            return Vec::new();
        }
        let reach = self.moved.iter().map(|moved| moved.from).chain([horizon]).max().unwrap_or(horizon);
        let mut slots: Vec<Slot> = Vec::new();
        for span in self.spans(life) {
            let known = slots.len();
            slots.extend(span.slots(reach));
            for slot in &mut slots[known..] {
                self.take_asked(&span, slot);
            }
        }
        count_from_the_first_charged_day(&mut slots);
        // What is agreed at a takeover counts for the first period that is ours.
        if let Some(first) = slots.iter_mut().find(|slot| !self.is_taken_over(slot.nominal)) {
            first.is_first = true;
        }
        slots.retain(|slot| slot.date <= horizon);
        slots
    }

    /// Whether another system has billed what was charged on a day (rules S7).
    pub fn is_taken_over(&self, charge_date: NaiveDate) -> bool {
        self.billed_through.is_some_and(|through| charge_date < through)
    }

    /// The periods that another system has billed, by piece.
    pub fn taken_over(&self, life: &Life) -> Vec<Slot> {
        let Some(last) = self.billed_through.and_then(|through| through.pred_opt()) else {
            return Vec::new();
        };
        let mut slots = self.slots(life, last);
        slots.retain(|slot| self.is_taken_over(slot.nominal));
        slots
    }

    /// What a person has set for a charge date, in the rhythm that it is of.
    fn take_asked(&self, span: &ServiceSpan, slot: &mut Slot) {
        let is_of_it = |date: NaiveDate, act: u32| date == slot.nominal && act > span.since;
        let moved = self.moved.iter().rev().find(|moved| is_of_it(moved.from, moved.act));
        let skipped = self.skipped.iter().any(|skipped| is_of_it(skipped.date, skipped.act));
        slot.date = moved.map_or(slot.nominal, |moved| moved.to);
        slot.skipped = skipped;
    }

    /// Days on which nothing of this charge is served although the subscription has begun, up to `until`: before its
    /// start and after its end, and holds in between.
    pub fn gaps(&self, life: &Life, from: NaiveDate, until: NaiveDate) -> Vec<Period> {
        let mut gaps = Vec::new();
        let mut at = from;
        for span in self.spans(life) {
            let gap = Period::new(at, span.from.min(until));
            if !gap.is_empty() {
                gaps.push(gap);
            }
            at = at.max(span.until.unwrap_or(until));
        }
        if at < until {
            gaps.push(Period::new(at, until));
        }
        gaps
    }

    /// Days served within a range, for usage windows longer than a billing period.
    pub fn served_within(&self, life: &Life, range: Period) -> Vec<Period> {
        let served = self.spans(life);
        served
            .iter()
            .filter_map(|span| range.intersect(Period::new(span.from, span.until.unwrap_or(NaiveDate::MAX))))
            .collect()
    }

    /// First day without the charge: the subscription's end, or its own. An end by `immediately` happens within its day,
    /// so that the usage of that day still belongs to the service (rules T1).
    pub fn gone_on(&self, life: &Life) -> Option<NaiveDate> {
        let counts_usage = self.last_terms().charge.charge_type == ChargeType::Usage;
        let end =
            life.end.map(|end| if counts_usage && end.is_within_its_day() { next(end.on) } else { end.on });
        end.into_iter().chain(self.removed.map(|removed| removed.on)).min()
    }

    fn spans(&self, life: &Life) -> Vec<ServiceSpan> {
        let life = &*self.rests_in(life);
        let mut spans = Vec::new();
        let mut segment = self.first_segment(life);
        for terms in &self.terms[1..] {
            let Some(current) = &mut segment else { break };
            if interval_of(terms.charge) == current.interval {
                if current.arrears && !self.bills_its_whole_period(terms) {
                    current.cuts.push(terms.from);
                }
                continue;
            }
            let from = self.new_rhythm_from(current, terms.from, terms.switch.and_then(|mark| mark.prorate));
            let interval = interval_of(terms.charge);
            let anchor = interval.anchor_on_or_after(from);
            let since = terms.switch.map_or(0, |mark| mark.ordinal);
            let arrears = current.arrears;
            let next = ServiceSpan { from, until: None, anchor, interval, since, arrears, cuts: Vec::new() };
            current.until = Some(from);
            spans.extend(segment.replace(next));
        }
        spans.extend(segment);
        let gone = self.gone_on(life);
        for span in &mut spans {
            span.until = [span.until, gone].into_iter().flatten().min();
        }
        let on_hold: Vec<ServiceSpan> =
            spans.into_iter().flat_map(|span| span.without_holds(&life.holds)).collect();
        on_hold.into_iter().filter(|span| span.until.is_none_or(|until| span.from < until)).collect()
    }

    /// Whether a switch of a recurring charge in arrears is not prorated: what is in force on the charge date then bills
    /// the whole period (rules R3). Usage is always rated by the plan of its day.
    fn bills_its_whole_period(&self, terms: &ChargeTerms<'_>) -> bool {
        let before = self.terms_on(terms.from.pred_opt().unwrap_or(terms.from));
        let prorated = terms.switch.and_then(|mark| mark.prorate).unwrap_or(before.plan.change_handle > 0);
        terms.charge.charge_type == ChargeType::Recurring && !prorated
    }

    /// Another interval begins with the switch (rules S2); if a person says that nothing is prorated, and with a price that
    /// never is, with the end of what has been charged in advance.
    fn new_rhythm_from(
        &self,
        current: &ServiceSpan,
        switched: NaiveDate,
        prorate: Option<bool>,
    ) -> NaiveDate {
        let before = self.terms_on(switched.pred_opt().unwrap_or(switched)).charge;
        let waits = prorate == Some(false) || before.pricing_model == PricingModel::Custom;
        let at_once = current.arrears || !waits || switched <= current.from;
        if at_once {
            return switched.max(current.from);
        }
        let n = current.interval.index_containing(current.anchor, switched);
        let period = current.interval.period(current.anchor, n);
        if period.start == switched { switched } else { period.end }
    }

    /// Service from the charge's first day on, by its alignment (rules T4); none if that day is not known yet.
    fn first_segment(&self, life: &Life) -> Option<ServiceSpan> {
        let charge = self.terms[0].charge;
        let activated = life.activated?;
        let after_trial = |day: NaiveDate| day.max(life.trial.map_or(day, |trial| trial.end));
        let base = match charge.alignment {
            Alignment::SubscriptionStart | Alignment::PeriodEnd | Alignment::SubscriptionEnd => {
                life.service_start
            }
            Alignment::SubscriptionActivation => after_trial(activated),
            Alignment::SubscriptionRenewal => *life.renewals.first()?,
            Alignment::CustomerDate => after_trial(self.own_start?),
            Alignment::SubscriptionCancellation => return None,
        };
        let from = self.own_start.map_or(base, |own| own.max(base));
        let counted_from = match charge.alignment {
            Alignment::SubscriptionStart | Alignment::PeriodEnd => life.anchor_on(from).min(from),
            Alignment::SubscriptionEnd => life.ends_on().unwrap_or(base),
            _ => base,
        };
        let interval = interval_of(charge);
        let anchor = interval.anchor_on_or_after(counted_from);
        let arrears = charge.is_arrears();
        Some(ServiceSpan { from, until: None, anchor, interval, since: 0, arrears, cuts: Vec::new() })
    }
}

/// rules R2: the parts of a period are counted from its first charged day, also where a hold parts them.
fn count_from_the_first_charged_day(slots: &mut [Slot]) {
    let mut first: BTreeMap<(NaiveDate, NaiveDate), NaiveDate> = BTreeMap::new();
    // What is skipped is billed as nothing: it is no charged day.
    for slot in slots.iter_mut().filter(|slot| !slot.skipped) {
        let full = (slot.full.start, slot.full.end);
        slot.charged_from = *first.entry(full).or_insert(slot.charged_from);
    }
}

fn next(day: NaiveDate) -> NaiveDate {
    day.succ_opt().unwrap_or(day)
}

impl ServiceSpan {
    /// What holds leave of the span (rules S4).
    fn without_holds(self, holds: &[Hold]) -> Vec<ServiceSpan> {
        let mut left = Vec::new();
        let mut current = self;
        // The day of the resume from which on service waits for its next period.
        let mut waits_since: Option<NaiveDate> = None;
        for hold in holds {
            let is_over = current.until.is_some_and(|until| until <= hold.from);
            let is_before = hold.resumed.is_some_and(|(until, _)| until <= current.from);
            if let Some((resumed, ResumeOption::Today)) = hold.resumed
                && !is_over
                && waits_since.is_some_and(|since| since <= hold.from && resumed < current.from)
            {
                current.begin_anew(resumed, hold.act);
                waits_since = None;
                continue;
            }
            if is_over || is_before {
                continue;
            }
            let Some((resumed, option)) = hold.resumed else {
                current.until = Some(hold.from.max(current.from));
                left.push(current);
                return left;
            };
            if option == ResumeOption::FromHoldDate {
                if current.arrears {
                    current.cuts.push(hold.from);
                }
                continue;
            }
            let after = current.after_hold(hold, resumed, option);
            waits_since = (after.from > resumed).then_some(resumed);
            current.until = Some(hold.from.max(current.from));
            left.push(current);
            current = after;
        }
        left.push(current);
        left
    }

    /// Starts on a new anchor.
    fn begin_anew(&mut self, from: NaiveDate, act: u32) {
        self.from = from;
        self.anchor = self.interval.anchor_on_or_after(from);
        self.since = act;
    }

    fn after_hold(&self, hold: &Hold, resumed: NaiveDate, option: ResumeOption) -> ServiceSpan {
        let mut after = self.clone();
        after.from = resumed.max(self.from);
        if option == ResumeOption::Today {
            after.begin_anew(after.from, hold.act);
        } else if !self.arrears {
            let n = self.interval.index_containing(self.anchor, after.from);
            let period = self.interval.period(self.anchor, n);
            after.from = if period.start == after.from { after.from } else { period.end };
        }
        after
    }

    fn slots(&self, horizon: NaiveDate) -> Vec<Slot> {
        let mut slots = Vec::new();
        let mut n = self.interval.index_containing(self.anchor, self.from);
        loop {
            let full = self.interval.period(self.anchor, n);
            let end = self.until.map_or(full.end, |until| until.min(full.end));
            let served = Period::new(full.start.max(self.from), end);
            if served.is_empty() || slots.len() >= SLOTS_MAX {
                return slots;
            }
            for piece in self.pieces(served) {
                let nominal = if self.arrears { piece.end } else { piece.start };
                if nominal > horizon {
                    return slots;
                }
                let charged_from = served.start;
                slots.push(Slot {
                    piece,
                    full,
                    charged_from,
                    nominal,
                    date: nominal,
                    skipped: false,
                    is_first: false,
                });
            }
            n += 1;
        }
    }

    fn pieces(&self, served: Period) -> Vec<Period> {
        let mut bounds: Vec<NaiveDate> =
            self.cuts.iter().copied().filter(|cut| served.start < *cut && *cut < served.end).collect();
        bounds.push(served.end);
        bounds.sort_unstable();
        bounds.dedup();
        let mut from = served.start;
        let mut pieces = Vec::with_capacity(bounds.len());
        for until in bounds {
            pieces.push(Period::new(from, until));
            from = until;
        }
        pieces
    }
}
