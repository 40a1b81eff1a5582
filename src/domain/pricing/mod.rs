//! From a quantity to an amount (rules P1–P7, P9): included units, then the model's price, then the maximum.
//!
//! Read [`price`] first. A model is either *running* (the total goes on through tiers and packages, each stretch pays
//! for what it adds) or *whole* (one tier prices the whole quantity, each stretch pays its share of that).

mod events;
mod text;
mod tiers;

pub use text::tier_text;

use crate::catalogue::{Aggregation, Charge, PricingModel};
use crate::exact::Exact;
use crate::measure::Measure;
use crate::money::Currency;
use chrono::NaiveDate;
use events::EventTerms;
use rust_decimal::Decimal;
use tiers::Tier;

/// What was used while one version of the price was in force (rules P9).
#[derive(Debug, Clone, Copy)]
pub struct Stretch<'a> {
    /// Decides the price version: the first day of the stretch.
    pub on: NaiveDate,
    pub measure: &'a Measure,
}

/// What a charge costs for one period and group.
#[derive(Debug, Clone, PartialEq)]
pub struct Priced {
    /// Major units, after the maximum, before minimum, discount and rounding.
    pub amount: Exact,
    /// The rated quantity of all stretches; never below 0 but for `dynamic`.
    pub quantity: Exact,
    /// `false`: quantity 0 prints no line (rules P4).
    pub charged: bool,
    /// Set where the line may show quantity × unit price (rules P7); otherwise it shows 1 × its amount.
    pub unit_price: Option<Decimal>,
    /// How the amount came about; the parts sum to it. Empty where nothing is charged; of a flat fee, only what the
    /// maximum took off.
    pub tiers: Vec<TierUse>,
}

/// One part of an amount.
#[derive(Debug, Clone, PartialEq)]
pub struct TierUse {
    /// Units, packages or major units of money that this part prices (see `rate`).
    pub quantity: Exact,
    pub rate: TierRate,
    /// Flat amount added because the tier was entered, or the fees per event; major units.
    pub flat: Exact,
    /// Major units, flat amount included.
    pub amount: Exact,
}

/// What one unit of a [`TierUse`] costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TierRate {
    /// Free units taken off before pricing.
    Included,
    /// Major units for each unit.
    PerUnit(Decimal),
    /// Major units for each started package of `size` units.
    PerPackage { size: Decimal, price: Decimal },
    /// Only the flat amount, whatever the quantity.
    Flat,
    /// Percent of the quantity, which is an amount: 2.5 = 2.5 %.
    Percent(Decimal),
    /// Percent of single events with a fee or bounds each; `events` were charged.
    PercentOfEvents { percent: Decimal, events: u64 },
    /// What the maximum took off (rules P6); the quantity is the maximum, the amount is below 0.
    Maximum,
}

/// Prices the measured stretches of one charge, period and group in `currency`.
///
/// `override_unit_price` (Upodi `unitprice` on the subscription charge) replaces the price of `flat`, `per_unit` and
/// `custom`. Stretches are in time order; the running total goes on from one to the next, each stretch priced by the
/// version in force on its `on` (rules P9). A charge without a price row in force costs 0; a total below 0 is
/// priced as 0, except under `dynamic` (rules Q2). A charge with `chargeatzero` and no usage needs one stretch with
/// [`Measure::empty`]: no stretches have no version, and cost nothing.
///
/// The amount may be more than a line can carry: ask [`Exact::checked_round_half_away`] before it is rounded.
///
/// 1 300 calls over 1 000 free ones, then 0.05 each, cost 15.00.
pub fn price(
    charge: &Charge,
    currency: Currency,
    override_unit_price: Option<Decimal>,
    stretches: &[Stretch<'_>],
) -> Priced {
    let run = Run::of(charge, currency, override_unit_price, stretches);
    let charged = !run.quantity.is_zero() || charge.charge_at_zero;
    if !charged {
        let nothing = Exact::ZERO;
        return Priced { amount: nothing, quantity: nothing, charged, unit_price: None, tiers: Vec::new() };
    }
    let mut tiers = included_use(&run);
    tiers.extend(match run.model {
        PricingModel::Flat | PricingModel::Volume | PricingModel::Stairstep => tiers::whole(&run),
        PricingModel::Percentage => events::percentage(&run),
        PricingModel::PerUnit
        | PricingModel::Custom
        | PricingModel::Tiered
        | PricingModel::Package
        | PricingModel::GraduatedPercentage
        | PricingModel::Dynamic => tiers::running(&run),
    });
    tiers.extend(maximum_use(charge, currency, total(&tiers)));
    let amount = total(&tiers);
    if run.model == PricingModel::Flat {
        tiers.retain(|t| t.rate == TierRate::Maximum);
    }
    Priced {
        amount,
        quantity: run.quantity,
        charged,
        unit_price: shown_unit_price(charge, currency, &run),
        tiers,
    }
}

/// The least that a charge costs for a whole period, over all its lines and before discount; major units. It is owed
/// at quantity 0 too (rules P4, P6); a stub owes its share ([`crate::proration::part_minor`]).
pub fn minimum(charge: &Charge, currency: Currency) -> Option<Exact> {
    charge.minimum_amount.get(&currency).map(|m| Exact::of(*m))
}

/// Minor units of the `true_up` line (rules P6): what `minimum` (major units, rounded once here) exceeds the lines
/// of the charge and period by, which come to `billed_minor` before discount. Never below 0.
pub fn shortfall(minimum: Exact, currency: Currency, billed_minor: i64) -> i64 {
    minimum.round_half_away(currency.decimals()).saturating_sub(billed_minor).max(0)
}

/// Whether the price looks at single events: a percentage of a sum, with a fee or bounds per event. Such a window must
/// ask for them ([`crate::measure::Window::wants_events`]). Of any other aggregate (a peak, a count) the percentage is
/// taken of the aggregate, and fee and bounds count once per event.
pub fn wants_events(charge: &Charge) -> bool {
    charge.pricing_model == PricingModel::Percentage
        && charge.aggregation == Aggregation::Sum
        && charge
            .pricings
            .iter()
            .any(|p| p.fixed_fee.is_some() || p.event_minimum.is_some() || p.event_maximum.is_some())
}

/// A charge's quantities laid out on one running total.
struct Run<'a> {
    charge: &'a Charge,
    /// The charge's model; a percentage with tiers is a graduated one.
    model: PricingModel,
    /// Rated quantity of all stretches.
    quantity: Exact,
    included: Exact,
    cuts: Vec<Cut<'a>>,
}

/// One stretch on the running total.
struct Cut<'a> {
    measure: &'a Measure,
    /// Total quantity before the stretch, included units not yet taken off; may be below 0.
    before: Exact,
    /// Chargeable running total at the start and end of the stretch; the end may be lower (corrections below 0).
    from: Exact,
    to: Exact,
    /// Tiers of the version in force.
    tiers: Vec<Tier>,
    /// Fee and bounds per event of the version in force.
    terms: Option<EventTerms>,
}

impl<'a> Run<'a> {
    fn of(
        charge: &'a Charge,
        currency: Currency,
        override_unit_price: Option<Decimal>,
        stretches: &[Stretch<'a>],
    ) -> Self {
        let model = effective_model(charge, currency, stretches);
        let included = charge.included_amount.map_or(Exact::ZERO, Exact::of);
        let mut cuts = Vec::with_capacity(stretches.len());
        let mut before = Exact::ZERO;
        for stretch in stretches {
            let after = before.plus(stretch.measure.quantity);
            cuts.push(Cut {
                measure: stretch.measure,
                before,
                from: chargeable(model, before, included),
                to: chargeable(model, after, included),
                tiers: tiers::of_version(model, charge, currency, stretch.on, override_unit_price),
                terms: EventTerms::of_version(charge, currency, stretch.on),
            });
            before = after;
        }
        let quantity = rated(model, before);
        if quantity.is_zero() && cuts.iter().all(|cut| cut.terms.is_none()) {
            at_zero(&mut cuts);
        }
        Self { charge, model, quantity, included, cuts }
    }

    /// Chargeable quantity of all stretches.
    fn chargeable(&self) -> Exact {
        self.cuts.last().map_or(Exact::ZERO, |cut| cut.to)
    }
}

/// Usage that was taken back within the period leaves a period without usage, at the price of its start: it does not
/// earn the difference between two versions.
fn at_zero(cuts: &mut Vec<Cut<'_>>) {
    cuts.truncate(1);
    for cut in cuts {
        (cut.from, cut.to) = (Exact::ZERO, Exact::ZERO);
    }
}

/// A percentage whose price list has tiers is a graduated one.
fn effective_model(charge: &Charge, currency: Currency, stretches: &[Stretch<'_>]) -> PricingModel {
    let tiered = || stretches.iter().any(|s| charge.version_on(currency, s.on).len() > 1);
    match charge.pricing_model {
        PricingModel::Percentage if tiered() => PricingModel::GraduatedPercentage,
        model => model,
    }
}

/// A total below 0 is priced as 0, except under `dynamic`, whose events bring amounts (rules Q2).
fn rated(model: PricingModel, total: Exact) -> Exact {
    if model == PricingModel::Dynamic { total } else { total.max(Exact::ZERO) }
}

/// What is left of a running total after the included units (rules P6).
fn chargeable(model: PricingModel, total: Exact, included: Exact) -> Exact {
    let rated = rated(model, total);
    if rated.is_negative() { rated } else { rated.minus(included).max(Exact::ZERO) }
}

fn included_use(run: &Run<'_>) -> Vec<TierUse> {
    let quantity = run.quantity.min(run.included);
    if quantity <= Exact::ZERO {
        return Vec::new();
    }
    vec![TierUse { quantity, rate: TierRate::Included, flat: Exact::ZERO, amount: Exact::ZERO }]
}

fn maximum_use(charge: &Charge, currency: Currency, amount: Exact) -> Option<TierUse> {
    let maximum = Exact::of(*charge.maximum_amount.get(&currency)?);
    (amount > maximum).then(|| TierUse {
        quantity: maximum,
        rate: TierRate::Maximum,
        flat: Exact::ZERO,
        amount: maximum.minus(amount),
    })
}

fn total(tiers: &[TierUse]) -> Exact {
    tiers.iter().fold(Exact::ZERO, |acc, t| acc.plus(t.amount))
}

/// rules P7: flat and per-unit lines without included units, minimum or maximum, where quantity × unit price is
/// the amount and the quantity can be printed.
fn shown_unit_price(charge: &Charge, currency: Currency, run: &Run<'_>) -> Option<Decimal> {
    let bounded =
        charge.minimum_amount.contains_key(&currency) || charge.maximum_amount.contains_key(&currency);
    let first = run.cuts.first()?.tiers.first()?;
    let one_price = run.cuts.iter().all(|cut| cut.tiers.first() == Some(first));
    let printable = Exact::of(run.quantity.to_decimal(9)) == run.quantity;
    if bounded || !run.included.is_zero() || !one_price || !printable {
        return None;
    }
    match (run.model, first.rate) {
        (PricingModel::Flat, _) if run.quantity == Exact::ONE => Some(first.flat),
        (PricingModel::PerUnit, TierRate::PerUnit(price)) if first.flat.is_zero() => Some(price),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
