//! What is due: every period, one-time charge and change of a payer's subscriptions with a charge date on or before a
//! day, that nobody has billed yet (rules T5, T6).
//!
//! A subscription is looked at as it was known on each day: its acts part time into stretches of equal knowledge, and
//! in each stretch the charge dates that fall into it are taken. So a late run sees on 1 January what the run of
//! 1 January saw, whatever was done later. What an act makes due for days before it has the act's day as charge date.

use super::changes;
use super::rebill::Reopened;
use super::steps;
use super::{BilledLine, PayerBook};
use crate::catalogue::{AppliedDiscount, ChargeType};
use crate::customer::Customer;
use crate::exact::Exact;
use crate::ids::{ChargeReference, SubscriptionId};
use crate::invoice::{LineKey, LineKind};
use crate::period::Period;
use crate::subscription::{
    ChargeLife, ChargeTerms, NotInCatalogue, Slot, Subscription, Timeline, acts_known,
};
use chrono::NaiveDate;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// New periods of one charge that are listed at once; what is beyond waits for the next run (rules T6 parks sooner).
const PERIODS_MAX: usize = 10_000;

/// One thing to be billed.
#[derive(Debug, Clone)]
pub(super) struct Item<'a> {
    pub subscription: &'a Subscription,
    pub owner: &'a Customer,
    pub reference: ChargeReference,
    /// How often what it bills has been billed and credited before (rules I4).
    pub revision: u32,
    pub terms: ChargeTerms<'a>,
    pub kind: ItemKind,
    /// Charge date.
    pub date: NaiveDate,
    pub piece: Period,
    pub full: Period,
    pub charged_from: NaiveDate,
    /// The period that a change gives back or charges days of.
    pub of: Period,
    /// Whether a change takes its share of the period's minimum along.
    pub with_minimum: bool,
    /// Quantity; of metered charges it is measured.
    pub amount: Decimal,
    pub unit_price: Option<Decimal>,
    /// The period is taken but nothing is billed: switched off or skipped.
    pub as_nothing: bool,
    pub subscription_discount: Option<AppliedDiscount>,
    pub charge_discount: Option<AppliedDiscount>,
    /// The subscription's own payment method.
    pub payment_method: Option<String>,
    /// Days served, for windows longer than a billing period.
    pub served: Vec<Period>,
    /// Acts of the subscription that it is billed with.
    pub acts_seen: u32,
}

/// What kind of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ItemKind {
    /// A service period or a part of one.
    Period,
    OneTime,
    /// What a change gives back of a period that was billed at the old level (rules R3, R4).
    ChangeCredit {
        ordinal: u32,
        timing: ChangeTiming,
    },
    /// What it charges at the new level.
    ChangeCharge {
        ordinal: u32,
        timing: ChangeTiming,
    },
}

impl ItemKind {
    /// Whether it amends a period: what is amended is rated first.
    pub fn is_change(self) -> bool {
        matches!(self, Self::ChangeCredit { .. } | Self::ChangeCharge { .. })
    }
}

/// When a change is billed (rules R3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangeTiming {
    /// With the day of the change as charge date: an adjustment.
    AtOnce,
    /// With the next charge date: an amendment.
    NextCharge,
}

impl Item<'_> {
    /// Key of its first line (rules S5).
    pub fn key(&self) -> LineKey {
        let (kind, ordinal) = match self.kind {
            ItemKind::Period | ItemKind::OneTime => (LineKind::Regular, 0),
            ItemKind::ChangeCredit { ordinal, .. } => (LineKind::ProrationCredit, ordinal),
            ItemKind::ChangeCharge { ordinal, .. } => (LineKind::ProrationCharge, ordinal),
        };
        let (charge, period_start, revision) = (self.reference, self.piece.start, self.revision);
        LineKey { charge, period_start, revision, kind, ordinal }
    }

    /// Day whose tax rule, discount and price version hold (rules I2, D2).
    pub fn tax_date(&self) -> NaiveDate {
        if self.is_arrears() { self.piece.last_day() } else { self.piece.start }
    }

    /// Whether it is billed after its service (rules T4).
    pub fn is_arrears(&self) -> bool {
        self.terms.charge.charge_type != ChargeType::OneTime && self.terms.charge.is_arrears()
    }

    /// Whether only a part of its full period is served.
    pub fn is_part(&self) -> bool {
        self.kind != ItemKind::OneTime && self.piece != self.full
    }
}

/// A period that is taken, by this run or an earlier one.
#[derive(Debug, Clone)]
pub(super) struct BilledPeriod<'a> {
    pub slot: Slot,
    /// The day whose quantity and switch it has.
    pub level_day: NaiveDate,
    /// The day whose price of its own it has.
    pub price_day: NaiveDate,
    /// Last day whose acts it was billed with: its charge date.
    pub known: NaiveDate,
    /// The acts that it was billed with. A run that came before an act of its own day has not seen it.
    pub seen: u32,
    /// The day on which it became due again, if it does in this run.
    pub reopened: Option<NaiveDate>,
    pub terms: ChargeTerms<'a>,
    pub amount: Decimal,
    pub unit_price: Option<Decimal>,
    pub toggled_off: bool,
    /// Skipped or waived: nothing is paid for it.
    pub as_nothing: bool,
    /// What an earlier run billed; none if this run takes it, or another system has billed it (rules S7).
    pub billed: Option<&'a BilledLine>,
}

impl BilledPeriod<'_> {
    /// Whether it was billed when its days were over.
    pub fn is_served(&self) -> bool {
        let charge = self.terms.charge;
        charge.charge_type != ChargeType::OneTime && charge.is_arrears() && self.slot.piece.end <= self.known
    }
}

/// Everything that is due on or before `as_of`, oldest charge date first.
pub(super) fn due_items(book: &PayerBook, as_of: NaiveDate) -> Result<Vec<Item<'_>>, NotInCatalogue> {
    let mut items = Vec::new();
    let mut billed = billed_periods(book);
    for subscription in book.subscriptions.values() {
        let Some(owner) = book.customers.get(&subscription.customer) else {
            let missing = "owner".to_owned();
            return Err(NotInCatalogue { subscription: subscription.number.clone(), missing });
        };
        let mut walk = Walk::new(book, subscription, owner);
        walk.take_billed(billed.remove(&subscription.id).unwrap_or_default())?;
        walk.until(as_of, &mut items)?;
    }
    items.sort_by(|a, b| place(a).cmp(&place(b)));
    Ok(items)
}

/// The first line of every billed period of the subscriptions that have acts: only acts can change what is billed.
fn billed_periods(book: &PayerBook) -> BTreeMap<SubscriptionId, Vec<&BilledLine>> {
    let mut periods: BTreeMap<SubscriptionId, Vec<&BilledLine>> = BTreeMap::new();
    for line in book.billed.values().flatten() {
        let is_first = line.key.kind == LineKind::Regular && line.key.ordinal == 0;
        let has_acts = || book.subscriptions.get(&line.subscription).is_some_and(|s| !s.acts.is_empty());
        if is_first && has_acts() {
            periods.entry(line.subscription).or_default().push(line);
        }
    }
    periods
}

/// Place among the items of a payer: charge date, then line order.
fn place<'i>(item: &'i Item<'_>) -> (NaiveDate, &'i str, usize, NaiveDate, u8, ChargeReference, u32) {
    let (kind, ordinal) = match item.kind {
        ItemKind::Period | ItemKind::OneTime => (0, 0),
        ItemKind::ChangeCredit { ordinal, .. } => (1, ordinal),
        ItemKind::ChangeCharge { ordinal, .. } => (2, ordinal),
    };
    let start = item.piece.start;
    (item.date, &item.subscription.number, item.terms.order, start, kind, item.reference, ordinal)
}

/// Walks through the days on which something new was known of one subscription.
struct Walk<'a> {
    book: &'a PayerBook,
    subscription: &'a Subscription,
    owner: &'a Customer,
    /// Periods taken so far, by charge and first day.
    taken: BTreeMap<(ChargeReference, NaiveDate), BilledPeriod<'a>>,
    /// Keys of one-time charges and changes taken by this run.
    keys: BTreeSet<LineKey>,
}

/// Days `[from, until]` on which the same acts were known.
#[derive(Debug, Clone, Copy)]
struct Epoch {
    /// Day on which its last act was done; the calendar's first day before any act.
    from: NaiveDate,
    until: NaiveDate,
    /// The last act that is known.
    acts: u32,
}

impl<'a> Walk<'a> {
    fn new(book: &'a PayerBook, subscription: &'a Subscription, owner: &'a Customer) -> Self {
        Self { book, subscription, owner, taken: BTreeMap::new(), keys: BTreeSet::new() }
    }

    fn until(mut self, as_of: NaiveDate, items: &mut Vec<Item<'a>>) -> Result<(), NotInCatalogue> {
        for epoch in epochs(self.subscription, as_of) {
            let timeline = self.seen(epoch.acts, epoch.until)?;
            for charge in &timeline.charges {
                self.take_one_time(&timeline, charge, epoch, items);
                self.take_slots(&timeline, charge, epoch, items);
            }
            self.take_changes(&timeline, epoch, items);
        }
        Ok(())
    }

    fn seen(&self, acts: u32, horizon: NaiveDate) -> Result<Timeline<'a>, NotInCatalogue> {
        Timeline::seen(self.subscription, &self.book.catalogue, acts, horizon)
    }

    /// What earlier runs have billed, as it was known to them: only acts since can change it.
    fn take_billed(&mut self, lines: Vec<&'a BilledLine>) -> Result<(), NotInCatalogue> {
        let mut by_acts: BTreeMap<(u32, u32), Vec<&'a BilledLine>> = BTreeMap::new();
        for line in lines {
            by_acts.entry(self.acts_seen(line)).or_default().push(line);
        }
        for ((evening, morning), lines) in by_acts {
            let horizon =
                lines.iter().map(|l| l.charge_date.max(l.period.end)).max().unwrap_or(NaiveDate::MIN);
            let mut taken = self.taken_lines(&lines, evening, horizon)?;
            if morning != evening {
                let fits = |taken: &Option<BilledPeriod<'_>>| {
                    taken
                        .as_ref()
                        .is_some_and(|t| t.billed.is_some_and(|line| line.quantity == Exact::of(t.amount)))
                };
                for (late, early) in taken.iter_mut().zip(self.taken_lines(&lines, morning, horizon)?) {
                    if !fits(late) && fits(&early) {
                        *late = early;
                    }
                }
            }
            for (line, taken) in lines.into_iter().zip(taken) {
                self.taken.extend(taken.map(|taken| ((line.key.charge, line.key.period_start), taken)));
            }
        }
        Ok(())
    }

    /// The last act that a line was billed with. A version that did not note it billed in the evening of the charge date,
    /// or in its morning: then the first one, if the quantity fits it, else the second one.
    fn acts_seen(&self, line: &BilledLine) -> (u32, u32) {
        if let Some(seen) = line.acts_seen {
            return (seen, seen);
        }
        let up_to = |day: NaiveDate| {
            acts_known(self.subscription, day).iter().map(|act| act.ordinal).max().unwrap_or(0)
        };
        let day = line.charge_date;
        (up_to(day), up_to(day.pred_opt().unwrap_or(day)))
    }

    /// Billed lines as periods, seen with the acts up to an ordinal; none for a line that has no place there.
    fn taken_lines(
        &self,
        lines: &[&'a BilledLine],
        acts: u32,
        horizon: NaiveDate,
    ) -> Result<Vec<Option<BilledPeriod<'a>>>, NotInCatalogue> {
        let timeline = self.seen(acts, horizon)?;
        let mut slots: BTreeMap<usize, BTreeMap<NaiveDate, Slot>> = BTreeMap::new();
        let mut taken = Vec::with_capacity(lines.len());
        for line in lines {
            let Some(at) = timeline.life_at(line.key.charge, line.key.period_start) else {
                taken.push(None);
                continue;
            };
            let charge = &timeline.charges[at];
            let listed = slots.entry(at).or_insert_with(|| {
                charge
                    .slots(&timeline.life, horizon)
                    .into_iter()
                    .map(|slot| (slot.piece.start, slot))
                    .collect()
            });
            let day = line.charge_date;
            let slot = match listed.get(&line.key.period_start) {
                Some(slot) if slot.piece == line.period => self.counted(&timeline, charge, *slot),
                _ => Slot::of_days(line.period, day),
            };
            let reopened = self.reopened(line.key.charge, slot.piece.start, LineKind::Regular, 0);
            let date = reopened.first_date.unwrap_or(day);
            let mut found = taken_at(&timeline, charge, slot, date, day);
            found.seen = acts;
            found.as_nothing |= line.line.is_none() && !line.quantity.is_zero(); // waived (rules I4)
            found.billed = Some(line);
            taken.push(Some(found));
        }
        Ok(taken)
    }

    fn take_one_time(
        &mut self,
        timeline: &Timeline<'a>,
        charge: &ChargeLife<'a>,
        epoch: Epoch,
        items: &mut Vec<Item<'a>>,
    ) {
        for day in charge.triggers(&timeline.life, epoch.until) {
            let piece = Period::single(day);
            let reopened = self.reopened(charge.reference, piece.start, LineKind::Regular, 0);
            if reopened.on.is_some_and(|on| on > epoch.until) {
                continue;
            }
            let date = reopened.due(day.max(epoch.from));
            let slot = Slot::of_days(piece, day);
            let mut taken = taken_at(timeline, charge, slot, reopened.first_date.unwrap_or(date), date);
            let once = !repeats(taken.terms);
            let is_it = |start: NaiveDate| {
                start == day || (once && !steps::is_given_back(timeline, charge.reference, start))
            };
            let is_taken = self.is_billed(charge.reference, |line| is_it(line.period.start))
                || self.keys.iter().any(|k| k.charge == charge.reference && is_it(k.period_start));
            if !is_taken {
                (taken.seen, taken.reopened) = (epoch.acts, reopened.on);
                let item = self.period(timeline, charge, ItemKind::OneTime, &taken);
                self.keys.insert(item.key());
                self.taken.insert((charge.reference, day), taken);
                if !charge.is_taken_over(date) {
                    items.push(item);
                }
            }
        }
    }

    fn take_slots(
        &mut self,
        timeline: &Timeline<'a>,
        charge: &ChargeLife<'a>,
        epoch: Epoch,
        items: &mut Vec<Item<'a>>,
    ) {
        let mut listed = 0;
        for slot in charge.slots(&timeline.life, epoch.until) {
            let at = (charge.reference, slot.piece.start);
            if self.taken.contains_key(&at) || self.is_billed(at.0, |line| line.key.period_start == at.1) {
                continue;
            }
            let reopened = self.reopened(charge.reference, slot.piece.start, LineKind::Regular, 0);
            if reopened.on.is_some_and(|on| on > epoch.until) {
                continue;
            }
            let slot = self.counted(timeline, charge, slot);
            let own_date = slot.date.max(epoch.from);
            let known = reopened.due(own_date);
            let mut taken = taken_at(timeline, charge, slot, reopened.first_date.unwrap_or(own_date), known);
            (taken.seen, taken.reopened) = (epoch.acts, reopened.on);
            if charge.is_taken_over(slot.nominal.max(epoch.from)) {
                self.taken.insert(at, taken); // acts may still change it
                continue;
            }
            let mut item = self.period(timeline, charge, ItemKind::Period, &taken);
            if item.terms.charge.usage_period.is_some() {
                item.served = charge.served_within(&timeline.life, usage_window(&item));
            }
            self.taken.insert(at, taken);
            items.push(item);
            listed += 1;
            if listed >= PERIODS_MAX {
                return;
            }
        }
    }

    /// rules R2: the rest of a period whose first days are paid is counted from the first of them, also where a hold of that
    /// day has left no slot of them.
    fn counted(&self, timeline: &Timeline<'a>, charge: &ChargeLife<'a>, slot: Slot) -> Slot {
        let reference = charge.reference;
        let earlier = self.taken.range((reference, slot.full.start)..(reference, slot.piece.start));
        let mut of_it = earlier.filter(|(_, taken)| taken.slot.full == slot.full && !taken.slot.skipped);
        let is_paid = |taken: &BilledPeriod<'_>| {
            let (start, seen) = (taken.slot.piece.start, taken.seen);
            !steps::is_given_back_whole(timeline, charge, (start, seen), taken.terms)
        };
        match of_it.find(|(_, taken)| is_paid(taken)) {
            Some((_, first)) => Slot { charged_from: first.slot.charged_from, ..slot },
            None => slot,
        }
    }

    /// The item that bills a period.
    fn period(
        &self,
        timeline: &Timeline<'a>,
        charge: &ChargeLife<'a>,
        kind: ItemKind,
        taken: &BilledPeriod<'a>,
    ) -> Item<'a> {
        let slot = &taken.slot;
        let mut item = self.item(timeline, charge, kind, taken.known, slot.piece, slot.full);
        item.charged_from = slot.charged_from;
        item.terms = taken.terms;
        item.amount = taken.amount;
        item.unit_price = taken.unit_price;
        item.as_nothing = taken.as_nothing || taken.toggled_off;
        item
    }

    fn take_changes(&mut self, timeline: &Timeline<'a>, epoch: Epoch, items: &mut Vec<Item<'a>>) {
        if timeline.acts == 0 {
            return;
        }
        for (at, charge) in timeline.charges.iter().enumerate() {
            for mut item in self.changes_of(timeline, at, charge) {
                let key = item.key();
                item.date = self.reopened(key.charge, key.period_start, key.kind, key.ordinal).due(item.date);
                if item.date > epoch.until || charge.is_taken_over(item.date) {
                    continue;
                }
                let is_taken = self.keys.contains(&key)
                    || self.billed(key.charge).any(|line| line.key.is_same_in_any_revision(&key));
                if !is_taken {
                    item.date = item.date.max(epoch.from);
                    self.keys.insert(key);
                    items.push(item);
                }
            }
        }
    }

    /// What the acts that are known change of the periods of a charge.
    fn changes_of(&self, timeline: &Timeline<'a>, at: usize, charge: &ChargeLife<'a>) -> Vec<Item<'a>> {
        let mut known = steps::steps(timeline, charge);
        known.extend(steps::steps_of_earlier_lives(timeline, at));
        let replay = changes::Replay { catalogue: &self.book.catalogue, timeline, charge, steps: &known };
        let range = (charge.reference, NaiveDate::MIN)..=(charge.reference, NaiveDate::MAX);
        let periods: Vec<&BilledPeriod<'a>> = self.taken.range(range).map(|(_, taken)| taken).collect();
        let mut found: Vec<Vec<Item<'a>>> = Vec::new();
        // Days that an end which was taken back adds to a period: they too are taken of an earlier one (rules S4).
        let mut extended: Vec<(Period, NaiveDate, u32)> = Vec::new();
        for (place, taken) in periods.iter().enumerate().rev() {
            if timeline.life_at(charge.reference, taken.slot.piece.start) != Some(at) {
                continue;
            }
            let reach = steps::reach(&known, taken.slot.full.end);
            let later: Vec<(Period, NaiveDate, u32)> = periods[place + 1..]
                .iter()
                .take_while(|other| other.slot.piece.start < reach)
                .filter(|other| takes_days(other))
                .map(|other| (other.slot.piece, other.known, self.seen_by(charge.reference, other)))
                .chain(extended.iter().copied())
                .collect();
            let mut of_it = Vec::new();
            for change in replay.of_period(taken, &later) {
                if let ItemKind::ChangeCharge { ordinal, .. } = change.kind
                    && change.part.start >= taken.slot.piece.end
                {
                    extended.push((change.part, change.date, ordinal));
                }
                let date = taken.reopened.map_or(change.date, |on| on.max(change.date));
                let mut item = self.item(timeline, charge, change.kind, date, change.part, change.full);
                item.charged_from = change.charged_from;
                item.of = change.of;
                item.with_minimum = change.with_minimum;
                item.terms = change.terms;
                item.amount = change.amount;
                item.unit_price = change.unit_price;
                of_it.push(item);
            }
            found.push(of_it);
        }
        found.into_iter().rev().flatten().collect()
    }

    /// The acts that a period has seen which takes days of another. An earlier version took them before all acts of the day:
    /// what it has booked stays as it is.
    fn seen_by(&self, reference: ChargeReference, taken: &BilledPeriod<'_>) -> u32 {
        let credit = (LineKind::ProrationCredit, 0, taken.slot.piece.start);
        let is_booked = self
            .billed(reference)
            .any(|line| (line.key.kind, line.key.ordinal, line.key.period_start) == credit);
        if is_booked { 0 } else { taken.seen }
    }

    fn item(
        &self,
        timeline: &Timeline<'a>,
        charge: &ChargeLife<'a>,
        kind: ItemKind,
        date: NaiveDate,
        piece: Period,
        full: Period,
    ) -> Item<'a> {
        let mut item = Item {
            subscription: self.subscription,
            owner: self.owner,
            reference: charge.reference,
            revision: self.book.next_revision(charge.reference, piece.start),
            terms: charge.terms_of(piece),
            kind,
            date,
            piece,
            full,
            charged_from: piece.start,
            of: piece,
            with_minimum: false,
            amount: Decimal::ZERO,
            unit_price: None,
            as_nothing: false,
            subscription_discount: None,
            charge_discount: None,
            payment_method: timeline.payment_method_on(date).map(str::to_owned),
            served: Vec::new(),
            acts_seen: timeline.acts,
        };
        let tax_date = item.tax_date();
        item.subscription_discount = last_begun(&timeline.discounts, tax_date);
        item.charge_discount = last_begun(&charge.discounts, tax_date);
        item
    }

    fn reopened(
        &self,
        reference: ChargeReference,
        start: NaiveDate,
        kind: LineKind,
        ordinal: u32,
    ) -> Reopened {
        self.book.reopened_as(&LineKey { charge: reference, period_start: start, revision: 0, kind, ordinal })
    }

    fn billed(&self, reference: ChargeReference) -> impl Iterator<Item = &'a BilledLine> {
        let book = self.book;
        book.billed.get(&reference).into_iter().flatten()
    }

    fn is_billed(&self, reference: ChargeReference, is_it: impl Fn(&BilledLine) -> bool) -> bool {
        self.billed(reference).any(|line| line.key.kind == LineKind::Regular && is_it(line))
    }
}

/// A period as it is charged on `date`, with the acts that are known on `known`.
fn taken_at<'a>(
    timeline: &Timeline<'a>,
    charge: &ChargeLife<'a>,
    slot: Slot,
    date: NaiveDate,
    known: NaiveDate,
) -> BilledPeriod<'a> {
    let terms = charge.terms_of(slot.piece);
    let level_day = changes::level_day(terms.charge, &slot, date, known);
    let price_day = changes::price_day(terms.charge, &slot, level_day, timeline.life.activated);
    BilledPeriod {
        slot,
        level_day,
        price_day,
        known,
        seen: timeline.acts,
        reopened: None,
        terms,
        amount: changes::amount_of_slot(timeline, charge, &slot, level_day, known),
        unit_price: charge.unit_price_on(price_day),
        toggled_off: charge.is_toggled_off(level_day),
        as_nothing: slot.skipped,
        billed: None,
    }
}

/// Whether what a period has of another's days is credited. What a version billed that did not note the acts it saw is
/// left alone.
fn takes_days(taken: &BilledPeriod<'_>) -> bool {
    taken.billed.is_none_or(|line| line.acts_seen.is_some())
}

/// One-time charges that come again: with every renewal, and with an end that was taken back and comes anew.
fn repeats(terms: ChargeTerms<'_>) -> bool {
    use crate::catalogue::Alignment::{SubscriptionCancellation, SubscriptionEnd, SubscriptionRenewal};
    matches!(terms.charge.alignment, SubscriptionRenewal | SubscriptionEnd | SubscriptionCancellation)
}

/// A second application on one level replaces the first, also before the first one is over (rules D1).
pub(super) fn last_begun(discounts: &[AppliedDiscount], day: NaiveDate) -> Option<AppliedDiscount> {
    discounts.iter().rev().find(|applied| applied.from <= day).cloned()
}

/// Days whose events make the quantity: the piece, or the charge's own window that ends with it (Upodi
/// `usagedataperiod`).
pub(super) fn usage_window(item: &Item<'_>) -> Period {
    let Some((unit, count)) = item.terms.charge.usage_period else { return item.piece };
    let interval = crate::period::Interval { unit, count, day: None, month: None };
    Period::new(interval.bound(item.piece.end, -1), item.piece.end)
}

fn epochs(subscription: &Subscription, as_of: NaiveDate) -> Vec<Epoch> {
    let mut last: BTreeMap<NaiveDate, u32> = BTreeMap::from([(NaiveDate::MIN, 0)]);
    for act in subscription.acts.iter().filter(|act| act.done <= as_of) {
        let known = last.entry(act.done).or_default();
        *known = act.ordinal.max(*known);
    }
    let days: Vec<NaiveDate> = last.keys().copied().collect();
    let ends = days[1..].iter().map(|next| next.pred_opt().unwrap_or(*next)).chain([as_of]);
    last.into_iter().zip(ends).map(|((from, acts), until)| Epoch { from, until, acts }).collect()
}
