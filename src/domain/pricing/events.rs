//! Percentage of single events, with a fee and bounds for each (rules P5).

use super::tiers::{entries, percent_of_one, running};
use super::{Cut, Run, TierRate, TierUse, chargeable};
use crate::catalogue::{Charge, PricingModel};
use crate::exact::Exact;
use crate::measure::Measure;
use crate::money::Currency;
use chrono::NaiveDate;

/// What every event costs beside its percentage; major units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct EventTerms {
    fee: Exact,
    minimum: Option<Exact>,
    maximum: Option<Exact>,
}

impl EventTerms {
    /// The terms of the version in force on a day; `None` if single events do not matter.
    pub fn of_version(charge: &Charge, currency: Currency, on: NaiveDate) -> Option<Self> {
        let row = *charge.version_on(currency, on).first()?;
        let matters = row.fixed_fee.is_some() || row.event_minimum.is_some() || row.event_maximum.is_some();
        matters.then(|| Self {
            fee: row.fixed_fee.map_or(Exact::ZERO, Exact::of),
            minimum: row.event_minimum.map(Exact::of),
            maximum: row.event_maximum.map(Exact::of),
        })
    }

    /// Cost of `count` events with `share` major units of percentage between them.
    fn cost(&self, share: Exact, count: u64) -> Exact {
        let count = Exact::int(i128::from(count));
        let cost = share.plus(self.fee.times(count));
        let cost = self.minimum.map_or(cost, |m| cost.max(m.times(count)));
        self.maximum.map_or(cost, |m| cost.min(m.times(count)))
    }
}

/// Percent of the running total; where the version has terms per event, event by event.
pub(super) fn percentage(run: &Run<'_>) -> Vec<TierUse> {
    if run.cuts.iter().all(|cut| cut.terms.is_none()) {
        return running(run);
    }
    run.cuts.iter().enumerate().filter_map(|(number, cut)| percentage_of_cut(run, cut, number)).collect()
}

fn percentage_of_cut(run: &Run<'_>, cut: &Cut<'_>, number: usize) -> Option<TierUse> {
    let tier = cut.tiers.first()?;
    let TierRate::Percent(percent) = tier.rate else { return None };
    let fraction = percent_of_one(percent);
    let quantity = cut.to.minus(cut.from);
    let (cost, events) = match &cut.terms {
        Some(terms) => cost_of_events(run, cut, terms, fraction),
        None => (quantity.times(fraction), 0),
    };
    let amount = cost.plus(Exact::of(tier.flat).times(entries(tier, cut, number, run.charge.charge_at_zero)));
    let flat = amount.minus(quantity.times(fraction));
    let rate = TierRate::PercentOfEvents { percent, events };
    (!quantity.is_zero() || !amount.is_zero()).then_some(TierUse { quantity, rate, flat, amount })
}

/// Sum over the events of a stretch, and how many were charged. An event that lies within the included amount is
/// free, fee and minimum too. Where the single events are not known (a quantity that was set), they count as one sum;
/// where nothing was used there is no event, also with `chargeatzero`.
fn cost_of_events(run: &Run<'_>, cut: &Cut<'_>, terms: &EventTerms, fraction: Exact) -> (Exact, u64) {
    let Measure { quantity, events, each } = cut.measure;
    let known: Vec<(Exact, u64)> = match (each.is_empty(), *events, quantity.is_zero()) {
        (true, 0, true) => Vec::new(),
        (true, events, _) => vec![(*quantity, events.max(1))],
        (false, ..) => each.iter().map(|&amount| (Exact::of(amount), 1)).collect(),
    };
    let (mut cost, mut charged, mut before) = (Exact::ZERO, 0, cut.before);
    for (amount, count) in known {
        let after = before.plus(amount);
        let is_free = !run.included.is_zero() && before.max(after) <= run.included;
        if !is_free {
            let part = chargeable(PricingModel::Percentage, after, run.included).minus(chargeable(
                PricingModel::Percentage,
                before,
                run.included,
            ));
            cost = cost.plus(terms.cost(part.times(fraction), count));
            charged += count;
        }
        before = after;
    }
    (cost, charged)
}
