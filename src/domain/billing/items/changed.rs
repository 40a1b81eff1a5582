//! What acts change of periods that are billed, as items.

use super::super::{changes, steps};
use super::{BilledPeriod, Epoch, Item, ItemKind, Walk};
use crate::ids::ChargeReference;
use crate::invoice::LineKind;
use crate::period::Period;
use crate::subscription::{ChargeLife, Timeline};
use chrono::NaiveDate;

impl<'a> Walk<'a> {
    /// The changes of billed periods that are due in an epoch.
    pub(super) fn take_changes(&mut self, timeline: &Timeline<'a>, epoch: Epoch, items: &mut Vec<Item<'a>>) {
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
}

/// Whether what a period has of another's days is credited. What a version billed that did not note the acts it saw is
/// left alone.
fn takes_days(taken: &BilledPeriod<'_>) -> bool {
    taken.billed.is_none_or(|line| line.acts_seen.is_some())
}
