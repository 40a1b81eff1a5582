//! What is due: every period, one-time charge and change of a payer's subscriptions with a charge date on or before a
//! day, that nobody has billed yet (rules T5, T6).
//!
//! A subscription is looked at as it was known on each day: its acts part time into stretches of equal knowledge, and
//! in each stretch the charge dates that fall into it are taken. So a late run sees on 1 January what the run of
//! 1 January saw, whatever was done later. What an act makes due for days before it has the act's day as charge date.

mod changed;
mod earlier;

use super::changes;
use super::rebill::Reopened;
use super::steps;
use super::{BilledLine, PayerBook};
use crate::catalogue::{AppliedDiscount, ChargeType};
use crate::customer::Customer;
use crate::ids::ChargeReference;
use crate::invoice::{LineKey, LineKind};
use crate::period::Period;
use crate::subscription::{ChargeLife, ChargeTerms, NotInCatalogue, Slot, Subscription, Timeline};
use chrono::NaiveDate;
use earlier::billed_periods;
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

/// One-time charges that come again: with every renewal, and with an end that was taken back and comes again.
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
