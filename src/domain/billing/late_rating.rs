//! What late usage changes of a billed period, as lines (rules M5, Q5).

use super::BilledLine;
use super::late::LatePeriod;
use super::rating::{Parked, Rated, Rating, RatingInput, Value, keep_tax, rounded};
use super::windows::window_key;
use crate::catalogue::PricingModel;
use crate::discount;
use crate::exact::Exact;
use crate::invoice::{Credit, LineKey, LineKind};
use crate::measure::MeasuredWindow;
use crate::pricing;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

impl RatingInput<'_> {
    /// Lines of late usage: what the period is worth now, less what has been billed of it (rules M5, Q5). Nothing
    /// came in since: nothing.
    pub fn rate_late(&self, period: &LatePeriod<'_>) -> Result<Rating, Parked> {
        let item = &period.item;
        let Some(window) = self.measured.get(&window_key(item)) else { return Ok(Rating::default()) };
        if window.newest_import <= period.usage_mark() {
            return Ok(Rating::default());
        }
        let mut differences = self.differences(period, window)?;
        let next = next_ordinal(self.billed_of(item), LineKind::Late);
        let mut rating = Rating::default();
        let is_alone = differences.len() == 1;
        for difference in differences.iter_mut().filter(|difference| difference.net_minor < 0) {
            self.count_back(period, difference, is_alone);
        }
        differences.retain(|d| d.net_minor != 0);
        if differences.is_empty() {
            rating.silent.push(self.nothing(item, LineKind::Late, next));
        }
        for (ordinal, difference) in (next..).zip(differences) {
            rating.rated.push(self.late_line(period, difference, ordinal)?);
        }
        Ok(rating)
    }

    /// Per group what a period is worth now less what was billed of it; a minimum's true-up is one more difference,
    /// or part of the only one.
    fn differences(
        &self,
        period: &LatePeriod<'_>,
        window: &MeasuredWindow,
    ) -> Result<Vec<Difference>, Parked> {
        let item = &period.item;
        let currency = item.subscription.currency;
        let original =
            period.billed.iter().find(|line| line.line.is_some() && line.key.kind == LineKind::Regular);
        let fraction = match original {
            Some(original) => original.discount,
            None => self.discount(item).and_then(|w| w.fraction()).unwrap_or_default(),
        };
        let mut values: BTreeMap<Option<String>, Value> = BTreeMap::new();
        for value in self.values_of(item, &window.groups)? {
            values.insert(value.group.clone(), value);
        }
        let is_true_up = |line: &BilledLine| line.key.kind == LineKind::TrueUp;
        let mut groups: Vec<Option<String>> = values.keys().cloned().collect();
        groups.extend(period.billed.iter().filter(|l| !is_true_up(l)).map(|l| l.group.clone()));
        groups.sort_unstable();
        groups.dedup();
        let mut before_discount_minor = 0;
        let mut differences = Vec::new();
        for group in groups {
            let value = values.remove(&group).filter(|value| value.priced.charged);
            let worth = value.as_ref().map_or(Exact::ZERO, |value| value.amount);
            before_discount_minor += rounded(item, worth)?;
            let now = discount::take_off(worth, fraction, currency).subtotal_minor;
            let own = || period.billed.iter().filter(|l| l.group == group && !is_true_up(l));
            // A fixed discount stays taken off, at most the value that is left.
            let granted: i64 = own().map(|l| l.granted_minor).sum();
            let now = if granted == 0 { now } else { (now - granted).max(0) };
            let before: i64 = own().map(|l| l.net_minor).sum();
            let (net_minor, worth_minor, credits) = (now - before, now, Vec::new());
            differences.push(Difference { group, net_minor, worth_minor, value, is_true_up: false, credits });
        }
        let missing =
            self.minimum(item).map_or(0, |min| pricing::shortfall(min, currency, before_discount_minor));
        let now = discount::take_off(Exact::of_minor(missing, currency), fraction, currency).subtotal_minor;
        let before: i64 = period.billed.iter().filter(|l| is_true_up(l)).map(|l| l.net_minor).sum();
        match differences.as_mut_slice() {
            [only] => {
                only.net_minor += now - before;
                only.worth_minor += now;
            }
            _ => {
                let (net_minor, worth_minor) = (now - before, now);
                let (group, value, credits) = (None, None, Vec::new());
                differences.push(Difference {
                    group,
                    net_minor,
                    worth_minor,
                    value,
                    is_true_up: true,
                    credits,
                });
            }
        }
        Ok(differences)
    }

    /// Counts a difference below zero against the lines that billed the period, oldest first, and cuts it to what is
    /// left of them (rules M3).
    fn count_back(&self, period: &LatePeriod<'_>, difference: &mut Difference, is_alone: bool) {
        let (group, is_true_up) = (difference.group.clone(), difference.is_true_up);
        let concerns = |line: &BilledLine| {
            is_alone || (line.group == group && (line.key.kind == LineKind::TrueUp) == is_true_up)
        };
        // Of what is worth less than nothing by its own events, only what was charged is given back (rules Q2).
        let is_dynamic = period.item.terms.charge.pricing_model == PricingModel::Dynamic;
        let below_zero =
            if is_dynamic { -difference.worth_minor.min(0).max(difference.net_minor) } else { 0 };
        let mut wanted = -difference.net_minor - below_zero;
        for line in period.billed.iter().filter(|line| concerns(line)) {
            let Some(id) = line.line else { continue };
            let amount_minor = wanted.min(line.priced_minor - self.credited.amount_of(id));
            if amount_minor > 0 {
                difference.credits.push(Credit { line: id, amount_minor, vat_minor: 0 });
                wanted -= amount_minor;
            }
        }
        difference.net_minor += wanted;
    }

    fn late_line(&self, period: &LatePeriod<'_>, late: Difference, ordinal: u32) -> Result<Rated, Parked> {
        let item = &period.item;
        let currency = item.subscription.currency;
        let key = LineKey { kind: LineKind::Late, ordinal, ..item.key() };
        let value = late.value.unwrap_or_else(|| Value::of_minor(late.net_minor, currency));
        let amount = Exact::of_minor(late.net_minor, currency);
        let value = Value { amount, whole: None, whole_less: None, ..value };
        let mut rated = self.line(item, key, &value, Decimal::ZERO)?;
        let original =
            period.billed.iter().find(|line| line.line.is_some() && line.key.kind == LineKind::Regular);
        if let Some(original) = original {
            keep_tax(&mut rated, original);
        }
        rated.taken.discount = original.map_or(Decimal::ZERO, |line| line.discount);
        rated.taken.group.clone_from(&late.group);
        rated.line.is_amendment = true;
        rated.line.credits = late.credits;
        let days = format!("late usage of {} – {}", item.piece.start, item.piece.last_day());
        rated.line.description = match &late.group {
            Some(group) => {
                format!("{}: {group}; {days}", item.terms.charge.group_by.as_deref().unwrap_or("group"))
            }
            None => days,
        };
        Ok(rated)
    }
}

/// What late usage changes of one group.
#[derive(Debug, Clone)]
struct Difference {
    group: Option<String>,
    net_minor: i64,
    /// What it is worth now.
    worth_minor: i64,
    value: Option<Value>,
    /// Of the minimum, apart from any group.
    is_true_up: bool,
    /// What it gives back, if it is below zero.
    credits: Vec<Credit>,
}

fn next_ordinal<'b>(lines: impl Iterator<Item = &'b BilledLine>, kind: LineKind) -> u32 {
    lines.filter(|line| line.key.kind == kind).map(|line| line.key.ordinal + 1).max().unwrap_or(0)
}
