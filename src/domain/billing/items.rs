//! What is due: every period, one-time charge and change of a payer's subscriptions with a charge date on or before a
//! day, that nobody has billed yet (rules.md T5, T6).
//!
//! A subscription is looked at as it was known on each day: its acts part time into stretches of equal knowledge, and
//! in each stretch the charge dates that fall into it are taken. So a late run sees on 1 January what the run of
//! 1 January saw, whatever was done later. What an act makes due for days before it has the act's day as charge date.

use super::changes;
use super::rebill::Reopened;
use super::{BilledLine, PayerBook};
use crate::catalogue::AppliedDiscount;
use crate::customer::Customer;
use crate::ids::ChargeReference;
use crate::invoice::{LineKey, LineKind};
use crate::period::Period;
use crate::subscription::{ChargeLife, ChargeTerms, NotInCatalogue, Slot, Subscription, Timeline};
use chrono::NaiveDate;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// New periods of one charge that are listed at once; what is beyond waits for the next run (rules.md T6 parks sooner).
const PERIODS_MAX: usize = 10_000;

/// One thing to be billed.
#[derive(Debug, Clone)]
pub(super) struct Item<'a> {
    pub subscription: &'a Subscription,
    pub owner: &'a Customer,
    pub reference: ChargeReference,
    /// How often what it bills has been billed and credited before (rules.md I4).
    pub revision: u32,
    pub terms: ChargeTerms<'a>,
    pub kind: ItemKind,
    /// Charge date.
    pub date: NaiveDate,
    pub piece: Period,
    pub full: Period,
    pub charged_from: NaiveDate,
    /// Quantity; of metered charges it is measured.
    pub amount: Decimal,
    pub unit_price: Option<Decimal>,
    /// The period is taken but nothing is billed: switched off or skipped by hand.
    pub as_nothing: bool,
    pub subscription_discount: Option<AppliedDiscount>,
    pub charge_discount: Option<AppliedDiscount>,
    /// The subscription's own payment method.
    pub payment_method: Option<String>,
    /// Days served, for windows longer than a billing period.
    pub served: Vec<Period>,
}

/// What kind of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ItemKind {
    /// A service period or a part of one.
    Period,
    OneTime,
    /// What a change gives back of a period that was billed at the old level (rules.md R3, R4).
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

/// When a change is billed (rules.md R3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangeTiming {
    /// With the day of the change as charge date: an adjustment.
    AtOnce,
    /// With the next charge date: an amendment.
    NextCharge,
}

impl Item<'_> {
    /// Key of its first line (rules.md S5).
    pub fn key(&self) -> LineKey {
        let (kind, ordinal) = match self.kind {
            ItemKind::Period | ItemKind::OneTime => (LineKind::Regular, 0),
            ItemKind::ChangeCredit { ordinal, .. } => (LineKind::ProrationCredit, ordinal),
            ItemKind::ChangeCharge { ordinal, .. } => (LineKind::ProrationCharge, ordinal),
        };
        let (charge, period_start, revision) = (self.reference, self.piece.start, self.revision);
        LineKey { charge, period_start, revision, kind, ordinal }
    }

    /// Day whose tax rule, discount and price version hold (rules.md I2, D2).
    pub fn tax_date(&self) -> NaiveDate {
        if self.is_arrears() { self.piece.last_day() } else { self.piece.start }
    }

    /// Whether it is billed after its service (rules.md T4).
    pub fn is_arrears(&self) -> bool {
        self.kind != ItemKind::OneTime && self.terms.charge.is_arrears()
    }

    /// Whether only a part of its full period is served.
    pub fn is_part(&self) -> bool {
        self.kind != ItemKind::OneTime && self.piece != self.full
    }
}

/// A period that is taken, by this run or an earlier one.
#[derive(Debug, Clone)]
pub(super) struct Taken<'a> {
    pub slot: Slot,
    /// The day whose quantity and price it has: the charge date under which it was taken first.
    pub date: NaiveDate,
    /// Last day whose acts it was billed with: its charge date.
    pub known: NaiveDate,
    /// The day on which it became due again, if it does in this run.
    pub reopened: Option<NaiveDate>,
    pub terms: ChargeTerms<'a>,
    pub amount: Decimal,
    pub unit_price: Option<Decimal>,
    pub as_nothing: bool,
    /// What an earlier run billed; none if this run takes it.
    pub billed: Option<&'a BilledLine>,
}

/// Everything that is due on or before `as_of`, oldest charge date first.
pub(super) fn due_items(book: &PayerBook, as_of: NaiveDate) -> Result<Vec<Item<'_>>, NotInCatalogue> {
    let mut items = Vec::new();
    for subscription in book.subscriptions.values() {
        let Some(owner) = book.customers.get(&subscription.customer) else {
            let missing = "owner".to_owned();
            return Err(NotInCatalogue { subscription: subscription.number.clone(), missing });
        };
        Walk::new(book, subscription, owner).until(as_of, &mut items)?;
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
    taken: BTreeMap<(ChargeReference, NaiveDate), Taken<'a>>,
    /// Keys of one-time charges and changes taken by this run.
    keys: BTreeSet<LineKey>,
}

/// Days `[from, until]` on which the same acts were known.
#[derive(Debug, Clone, Copy)]
struct Epoch {
    /// Day on which its last act was done; the calendar's first day before any act.
    from: NaiveDate,
    until: NaiveDate,
}

impl<'a> Walk<'a> {
    fn new(book: &'a PayerBook, subscription: &'a Subscription, owner: &'a Customer) -> Self {
        Self { book, subscription, owner, taken: BTreeMap::new(), keys: BTreeSet::new() }
    }

    fn until(mut self, as_of: NaiveDate, items: &mut Vec<Item<'a>>) -> Result<(), NotInCatalogue> {
        for epoch in epochs(self.subscription, as_of) {
            let timeline = Timeline::known(self.subscription, &self.book.catalogue, epoch.from, epoch.until)?;
            for charge in &timeline.charges {
                self.take_one_time(&timeline, charge, epoch, items);
                self.take_slots(&timeline, charge, epoch, items);
            }
            self.take_changes(&timeline, epoch, items);
        }
        Ok(())
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
            let mut item = self.item(timeline, charge, ItemKind::OneTime, date, piece, piece);
            let level_day = reopened.first_date.unwrap_or(date);
            item.terms = charge.terms_on(day);
            item.amount = timeline.amount_on(charge, level_day);
            item.as_nothing = charge.is_toggled_off(level_day);
            let once = !repeats(item.terms);
            let is_taken = self.is_billed(charge.reference, |line| once || line.period.start == day)
                || self.keys.iter().any(|k| k.charge == charge.reference && (once || k.period_start == day));
            if !is_taken {
                self.keys.insert(item.key());
                items.push(item);
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
            if self.taken.contains_key(&at) {
                continue;
            }
            let billed = self.billed_regular(charge.reference, slot.piece.start);
            let reopened = self.reopened(charge.reference, slot.piece.start, LineKind::Regular, 0);
            if billed.is_none() && reopened.on.is_some_and(|on| on > epoch.until) {
                continue;
            }
            let own_date = billed.map_or(slot.date.max(epoch.from), |line| line.charge_date);
            let date = reopened.first_date.unwrap_or(own_date);
            let known = if billed.is_some() { own_date } else { reopened.due(own_date) };
            let mut item = self.item(timeline, charge, ItemKind::Period, known, slot.piece, slot.full);
            item.charged_from = slot.charged_from;
            item.terms = charge.terms_of(slot.piece);
            item.amount = changes::amount_of_slot(timeline, charge, &slot, date, known);
            item.unit_price = charge.unit_price_on(date);
            item.as_nothing = slot.skipped || charge.is_toggled_off(date);
            if item.terms.charge.usage_period.is_some() {
                item.served = charge.served_within(&timeline.life, usage_window(&item));
            }
            let amount = billed.map_or(item.amount, |line| line.quantity.to_decimal(9));
            let taken = Taken {
                slot,
                date,
                known,
                reopened: reopened.on.filter(|_| billed.is_none()),
                terms: item.terms,
                amount,
                unit_price: item.unit_price,
                as_nothing: item.as_nothing,
                billed,
            };
            self.taken.insert(at, taken);
            if billed.is_none() {
                items.push(item);
                listed += 1;
            }
            if listed >= PERIODS_MAX {
                return;
            }
        }
    }

    fn take_changes(&mut self, timeline: &Timeline<'a>, epoch: Epoch, items: &mut Vec<Item<'a>>) {
        for charge in &timeline.charges {
            let periods =
                self.taken.range((charge.reference, NaiveDate::MIN)..=(charge.reference, NaiveDate::MAX));
            let mut found = Vec::new();
            for (_, taken) in periods {
                for change in changes::of_period(timeline, charge, taken) {
                    let date = taken.reopened.map_or(change.date, |on| on.max(change.date));
                    let mut item =
                        self.item(timeline, charge, change.kind, date, change.part, taken.slot.full);
                    item.charged_from = taken.slot.charged_from;
                    item.terms = change.terms;
                    item.amount = change.amount;
                    item.unit_price = change.unit_price;
                    found.push(item);
                }
            }
            for mut item in found {
                let key = item.key();
                item.date = self.reopened(key.charge, key.period_start, key.kind, key.ordinal).due(item.date);
                if item.date > epoch.until {
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
            amount: Decimal::ZERO,
            unit_price: charge.unit_price_on(date),
            as_nothing: false,
            subscription_discount: None,
            charge_discount: None,
            payment_method: timeline.payment_method_on(date).map(str::to_owned),
            served: Vec::new(),
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

    fn billed_regular(&self, reference: ChargeReference, start: NaiveDate) -> Option<&'a BilledLine> {
        self.billed(reference).find(|l| l.key.kind == LineKind::Regular && l.key.period_start == start)
    }
}

/// One-time charges that come again: with every renewal, and with an end that was taken back and comes anew.
fn repeats(terms: ChargeTerms<'_>) -> bool {
    use crate::catalogue::Alignment::{SubscriptionCancellation, SubscriptionEnd, SubscriptionRenewal};
    matches!(terms.charge.alignment, SubscriptionRenewal | SubscriptionEnd | SubscriptionCancellation)
}

/// A second application on one level replaces the first, also before the first one is over (rules.md D1).
pub(super) fn last_begun(discounts: &[AppliedDiscount], day: NaiveDate) -> Option<AppliedDiscount> {
    discounts.iter().rev().find(|applied| applied.from <= day).cloned()
}

/// Days whose events make the quantity: the piece, or the charge's own window that ends with it (Upodi
/// `usagedataperiod`).
pub(super) fn usage_window(item: &Item<'_>) -> Period {
    let Some((unit, count)) = item.terms.charge.usage_period else { return item.piece };
    let interval = crate::period::Interval { unit, count, day: None };
    Period::new(interval.bound(item.piece.end, -1), item.piece.end)
}

fn epochs(subscription: &Subscription, as_of: NaiveDate) -> Vec<Epoch> {
    let mut days: BTreeSet<NaiveDate> =
        subscription.acts.iter().map(|act| act.done).filter(|done| *done <= as_of).collect();
    days.insert(NaiveDate::MIN);
    let days: Vec<NaiveDate> = days.into_iter().collect();
    let ends = days[1..].iter().map(|next| next.pred_opt().unwrap_or(*next)).chain([as_of]);
    days.iter().zip(ends).map(|(from, until)| Epoch { from: *from, until }).collect()
}
