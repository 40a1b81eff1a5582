//! Price lists as tiers, and the two ways in which they price a running total (rules P2, P3, P5, P9).

use super::{Cut, Run, TierRate, TierUse};
use crate::catalogue::{Charge, Pricing, PricingModel, TierPriceFormat};
use crate::exact::Exact;
use crate::money::Currency;
use chrono::NaiveDate;
use rust_decimal::Decimal;

/// A tier covers `(lower, upper]` of the chargeable quantity; the last is open (rules P2).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tier {
    pub lower: Exact,
    pub upper: Option<Exact>,
    pub rate: TierRate,
    /// Added when the tier is entered; major units.
    pub flat: Decimal,
    pub first: bool,
}

/// The tiers of the version in force on a day; a model of one price has one open tier. Nothing in force: none.
pub(super) fn of_version(
    model: PricingModel,
    charge: &Charge,
    currency: Currency,
    on: NaiveDate,
    override_unit_price: Option<Decimal>,
) -> Vec<Tier> {
    let rows = charge.version_on(currency, on);
    if is_tiered(model) {
        return ladder(&rows, |row| tier_price(model, row));
    }
    let row = rows.first().copied();
    let listed = row.map(|r| r.price);
    let flat = row.and_then(|r| r.flat_price).unwrap_or_default();
    let agreed = || override_unit_price.or(listed);
    let one = match model {
        PricingModel::Flat => agreed().map(|price| (TierRate::Flat, price + flat)),
        PricingModel::Package => listed.map(|price| (package_rate(charge, price), flat)),
        PricingModel::Percentage => row.map(|r| (TierRate::Percent(percent(r)), flat)),
        PricingModel::Dynamic => {
            let multiplier = row.and_then(|r| r.multiplier).unwrap_or(Decimal::ONE);
            Some((TierRate::PerUnit(multiplier), Decimal::ZERO))
        }
        _ => agreed().map(|price| (TierRate::PerUnit(price), flat)),
    };
    one.map(|(rate, flat)| Tier { lower: Exact::ZERO, upper: None, rate, flat, first: true })
        .into_iter()
        .collect()
}

fn is_tiered(model: PricingModel) -> bool {
    matches!(
        model,
        PricingModel::Tiered
            | PricingModel::Volume
            | PricingModel::Stairstep
            | PricingModel::GraduatedPercentage
    )
}

/// A package without a size is a package of 1.
fn package_rate(charge: &Charge, price: Decimal) -> TierRate {
    let size = charge.package_size.filter(|s| s.is_sign_positive() && !s.is_zero()).unwrap_or(Decimal::ONE);
    TierRate::PerPackage { size, price }
}

/// The row's percentage; a row that only carries `price` means that.
fn percent(row: &Pricing) -> Decimal {
    row.percentage.unwrap_or(row.price)
}

/// Rate and flat amount of a row (rules P3): the price of a stairstep is the step's, a flat format adds the price
/// when the tier is entered.
fn tier_price(model: PricingModel, row: &Pricing) -> (TierRate, Decimal) {
    let flat = row.flat_price.unwrap_or_default();
    match (model, row.format) {
        (PricingModel::Stairstep, _) => (TierRate::Flat, row.price + flat),
        (PricingModel::GraduatedPercentage, _) => (TierRate::Percent(percent(row)), flat),
        (_, TierPriceFormat::Flat) => (TierRate::Flat, row.price + flat),
        (_, TierPriceFormat::PerUnit) => (TierRate::PerUnit(row.price), flat),
    }
}

/// Rows in segment order as contiguous tiers; the last is open whatever its bound says (rules P2).
fn ladder(rows: &[&Pricing], price: impl Fn(&Pricing) -> (TierRate, Decimal)) -> Vec<Tier> {
    let mut lower = Exact::ZERO;
    let last = rows.len().saturating_sub(1);
    rows.iter()
        .enumerate()
        .map(|(at, row)| {
            let (rate, flat) = price(row);
            let upper = row.tier_to.filter(|_| at < last).map(Exact::of);
            let tier = Tier { lower, upper, rate, flat, first: at == 0 };
            lower = upper.unwrap_or(lower);
            tier
        })
        .collect()
}

impl Tier {
    /// Units (or packages) of a running total that fall into the tier.
    fn units_in(&self, total: Exact) -> Exact {
        if let TierRate::PerPackage { size, .. } = self.rate {
            return total.over(Exact::of(size)).ceil();
        }
        if self.first && self.upper.is_none() {
            return total;
        }
        let end = self.upper.map_or(total, |upper| total.min(upper));
        end.minus(self.lower).max(Exact::ZERO)
    }

    /// Whether a running total has entered the tier, so that its flat amount is owed (rules P4).
    fn is_entered(&self, total: Exact, charge_at_zero: bool) -> bool {
        total > self.lower || (self.first && charge_at_zero)
    }

    /// `units` and `flats` (how often the flat amount counts, or the share of it) as a part of the amount.
    fn used(&self, units: Exact, flats: Exact) -> Option<TierUse> {
        let flat = Exact::of(self.flat).times(flats);
        let per_unit = match self.rate {
            TierRate::PerUnit(price) | TierRate::PerPackage { price, .. } => Exact::of(price),
            TierRate::Percent(percent) | TierRate::PercentOfEvents { percent, .. } => percent_of_one(percent),
            TierRate::Flat | TierRate::Included | TierRate::Maximum => Exact::ZERO,
        };
        let amount = units.times(per_unit).plus(flat);
        (!units.is_zero() || !flat.is_zero()).then_some(TierUse {
            quantity: units,
            rate: self.rate,
            flat,
            amount,
        })
    }
}

/// A percentage as a fraction: 2.5 is 0.025.
pub(super) fn percent_of_one(percent: Decimal) -> Exact {
    Exact::of(percent).times(Exact::ratio(1, 100))
}

/// Each stretch pays for what it adds to the running total, by its own version (rules P9).
pub(super) fn running(run: &Run<'_>) -> Vec<TierUse> {
    let at_zero = run.charge.charge_at_zero;
    let mut uses = Vec::new();
    for (number, cut) in run.cuts.iter().enumerate() {
        for tier in &cut.tiers {
            let units = tier.units_in(cut.to).minus(tier.units_in(cut.from));
            uses.extend(tier.used(units, entries(tier, cut, number, at_zero)));
        }
    }
    uses
}

/// How often a stretch owes a tier's flat amount: once where it is entered, −1 where it is left again.
pub(super) fn entries(tier: &Tier, cut: &Cut<'_>, number: usize, at_zero: bool) -> Exact {
    let was_entered = number > 0 && tier.is_entered(cut.from, at_zero);
    match (was_entered, tier.is_entered(cut.to, at_zero)) {
        (false, true) => Exact::ONE,
        (true, false) => Exact::ONE.negated(),
        _ => Exact::ZERO,
    }
}

/// In each version the one tier that holds the whole quantity prices it; each stretch pays its share of that
/// (rules P5, P9). A flat amount is thus spread over the quantity and owed once in all.
pub(super) fn whole(run: &Run<'_>) -> Vec<TierUse> {
    let quantity = run.chargeable();
    if quantity.is_zero() {
        return whole_at_zero(run);
    }
    run.cuts
        .iter()
        .filter_map(|cut| {
            let units = cut.to.minus(cut.from);
            tier_of(cut, quantity)?.used(units, units.over(quantity))
        })
        .collect()
}

/// Nothing chargeable: at most the first tier's flat amount, of the version at the period's start (rules P4).
fn whole_at_zero(run: &Run<'_>) -> Vec<TierUse> {
    let first = run.cuts.first().and_then(|cut| cut.tiers.first());
    first
        .filter(|_| run.charge.charge_at_zero)
        .and_then(|tier| tier.used(Exact::ZERO, Exact::ONE))
        .into_iter()
        .collect()
}

fn tier_of<'c>(cut: &'c Cut<'_>, quantity: Exact) -> Option<&'c Tier> {
    cut.tiers.iter().find(|tier| tier.upper.is_none_or(|upper| quantity <= upper))
}
