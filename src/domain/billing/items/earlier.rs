//! What earlier runs have billed, as periods: a walk goes on from there.

use super::super::{BilledLine, PayerBook};
use super::{BilledPeriod, Walk, taken_at};
use crate::exact::Exact;
use crate::ids::SubscriptionId;
use crate::invoice::LineKind;
use crate::subscription::{NotInCatalogue, Slot, acts_known};
use chrono::NaiveDate;
use std::collections::BTreeMap;

/// The first line of every billed period of the subscriptions that have acts: only acts can change what is billed.
pub(super) fn billed_periods(book: &PayerBook) -> BTreeMap<SubscriptionId, Vec<&BilledLine>> {
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

impl<'a> Walk<'a> {
    /// What earlier runs have billed, as it was known to them: only acts since can change it.
    pub(super) fn take_billed(&mut self, lines: Vec<&'a BilledLine>) -> Result<(), NotInCatalogue> {
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
}
