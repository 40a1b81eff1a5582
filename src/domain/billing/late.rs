//! Usage that came after its period was billed (rules Q5, M5): which periods are measured again, and the
//! difference that is billed.

use super::items::{Item, ItemKind, last_begun, usage_window};
use super::windows::{instants, zone};
use super::{BilledLine, LateHint, PayerBook};
use crate::catalogue::LateUsage;
use crate::invoice::LineKind;
use crate::period::{Period, plus_days};
use crate::subscription::{ChargeLife, Slot, Timeline, interval_of};
use chrono::NaiveDate;
use rust_decimal::Decimal;

/// A billed period that late usage may have changed.
#[derive(Debug, Clone)]
pub(super) struct LatePeriod<'a> {
    /// The period as it would be billed today; its charge date is that of the late line.
    pub item: Item<'a>,
    /// Every line of the charge reference and period, oldest first.
    pub billed: Vec<&'a BilledLine>,
}

impl LatePeriod<'_> {
    /// Highest import that what is billed has seen.
    pub fn usage_mark(&self) -> i64 {
        self.billed.iter().map(|line| line.usage_mark).max().unwrap_or(0)
    }
}

/// Billed periods that a hint touches and whose late line is due on or before `as_of`. `items` is what else is due.
pub(super) fn periods<'a>(book: &'a PayerBook, items: &[Item<'a>], as_of: NaiveDate) -> Vec<LatePeriod<'a>> {
    let mut found = Vec::new();
    let mut hints: Vec<&LateHint> = book.late.iter().collect();
    hints.sort_by_key(|hint| (hint.subscription, hint.meter.clone(), hint.range));
    for (id, subscription) in &book.subscriptions {
        let of_subscription: Vec<&&LateHint> = hints.iter().filter(|hint| hint.subscription == *id).collect();
        let Some(owner) = book.customers.get(&subscription.customer).filter(|_| !of_subscription.is_empty())
        else {
            continue;
        };
        let Ok(timeline) = Timeline::known(subscription, &book.catalogue, as_of, as_of) else { continue };
        let zone = zone(book, subscription, owner);
        for charge in &timeline.charges {
            let is_last_life =
                timeline.charge(charge.reference).is_some_and(|last| std::ptr::eq(last, charge));
            let lines = book.billed.get(&charge.reference).map_or(&[][..], Vec::as_slice);
            let Some(date) = charge_date(&timeline, charge, items, as_of).filter(|_| is_last_life) else {
                continue;
            };
            for first in lines.iter().filter(|l| l.key.kind == LineKind::Regular && l.key.ordinal == 0) {
                let terms = charge.terms_on(first.period.start);
                if !terms.charge.is_metered() || terms.charge.late_usage == LateUsage::Reject {
                    continue;
                }
                let revision =
                    first.key.revision.max(book.next_revision(charge.reference, first.key.period_start));
                let item = again(&timeline, charge, first, owner, date, revision);
                if item.as_nothing {
                    continue;
                }
                let days = usage_window(&item);
                let range = instants(days, zone);
                let is_touched = of_subscription.iter().any(|hint| {
                    hint.meter == terms.charge.meter
                        && hint.range.from_us < range.to_us
                        && range.from_us < hint.range.to_us.max(hint.range.from_us.saturating_add(1))
                });
                if is_touched {
                    let billed =
                        lines.iter().filter(|l| l.key.period_start == first.key.period_start).collect();
                    found.push(LatePeriod { item, billed });
                }
            }
        }
    }
    found.sort_by_key(|period| (period.item.date, period.item.reference, period.item.piece.start));
    found
}

/// The charge's next charge date, if a run as of `as_of` reaches it; `as_of` if the charge has none any more.
fn charge_date(
    timeline: &Timeline<'_>,
    charge: &ChargeLife<'_>,
    items: &[Item<'_>],
    as_of: NaiveDate,
) -> Option<NaiveDate> {
    let due = items.iter().filter(|item| item.reference == charge.reference && item.kind == ItemKind::Period);
    if let Some(date) = due.map(|item| item.date).min() {
        return Some(date);
    }
    let ahead = interval_of(charge.last_terms().charge).bound(as_of, 2);
    let has_next = charge.slots(&timeline.life, plus_days(ahead, 1)).iter().any(|slot| slot.date > as_of);
    (!has_next).then_some(as_of)
}

/// Whether a billed period was not to be paid: switched off, skipped, or waived with its draft (rules I4). Late
/// usage of it is not billed either.
fn is_given_away(charge: &ChargeLife<'_>, slot: Option<&Slot>, first: &BilledLine) -> bool {
    let is_waived = first.line.is_none() && !first.quantity.is_zero();
    is_waived || slot.is_some_and(|slot| slot.skipped) || charge.is_toggled_off(first.period.last_day())
}

/// A billed period as an item, with the terms it was billed under.
fn again<'a>(
    timeline: &Timeline<'a>,
    charge: &ChargeLife<'a>,
    first: &BilledLine,
    owner: &'a crate::customer::Customer,
    date: NaiveDate,
    revision: u32,
) -> Item<'a> {
    let piece = first.period;
    let slots = charge.slots(&timeline.life, plus_days(piece.end, 1).max(first.charge_date));
    let slot = slots.iter().find(|slot| slot.piece.start == piece.start);
    let mut item = Item {
        subscription: timeline.subscription,
        owner,
        reference: charge.reference,
        revision,
        terms: charge.terms_on(piece.start),
        kind: ItemKind::Period,
        date,
        piece,
        full: slot.map_or(piece, |slot| slot.full),
        charged_from: slot.map_or(piece.start, |slot| slot.charged_from),
        of: piece,
        with_minimum: false,
        amount: Decimal::ZERO,
        unit_price: charge.unit_price_on(piece.last_day()),
        as_nothing: is_given_away(charge, slot, first),
        subscription_discount: None,
        charge_discount: None,
        payment_method: timeline.payment_method_on(date).map(str::to_owned),
        served: charge.served_within(&timeline.life, Period::new(NaiveDate::MIN, piece.end)),
        acts_seen: timeline.acts,
    };
    // For a period that had nothing to discount; otherwise the original's discount is kept (rules M5).
    let tax_date = item.tax_date();
    item.subscription_discount = last_begun(&timeline.discounts, tax_date);
    item.charge_discount = last_begun(&charge.discounts, tax_date);
    item
}
