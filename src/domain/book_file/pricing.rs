//! Price rows of a charge: what each model needs, and tiers that leave no gap (rules P1, P2, P9).

use super::fault::Place;
use super::fields::Fields;
use crate::catalogue::{Pricing, PricingModel, TierPriceFormat};
use crate::decimal::{PRICE, QUANTITY, RATE};
use crate::money::Currency;
use chrono::NaiveDate;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// What the rows of a charge have in common.
pub(super) struct RowContext<'c> {
    pub model: PricingModel,
    /// The plan's default currency, if it is known.
    pub default_currency: Option<Currency>,
    /// Currencies that the plan lists; none = those that its rows have.
    pub allowed: Option<&'c [Currency]>,
}

/// A row with what only its check needs.
struct Row {
    pricing: Pricing,
    place: Place,
    tier_from: Option<Decimal>,
    has_segment: bool,
}

/// Reads and checks the rows; they come back in (currency, valid from, segment) order.
pub(super) fn read(fields: &mut Fields<'_, '_>, context: &RowContext<'_>) -> Vec<Pricing> {
    const NAME: &str = "pricings|productplanchargepricings";
    let rows = fields.each(NAME, |row, _| read_row(row, context));
    let mut versions: BTreeMap<(Currency, Option<NaiveDate>), Vec<Row>> = BTreeMap::new();
    for row in rows.into_iter().flatten() {
        versions.entry((row.pricing.currency, row.pricing.valid_from)).or_default().push(row);
    }
    let mut pricings = Vec::new();
    for ((currency, valid_from), mut rows) in versions {
        number_tiers(&mut rows);
        rows.sort_by_key(|row| row.pricing.segment);
        let version = match valid_from {
            Some(day) => format!("{currency} from {day}"),
            None => currency.to_string(),
        };
        check_version(fields, context.model, &version, &rows);
        pricings.extend(rows.into_iter().map(|row| row.pricing));
    }
    pricings
}

/// Whether a model prices by tiers.
pub(super) fn is_tiered(model: PricingModel) -> bool {
    matches!(
        model,
        PricingModel::Tiered
            | PricingModel::Volume
            | PricingModel::Stairstep
            | PricingModel::GraduatedPercentage
    )
}

fn is_percentage(model: PricingModel) -> bool {
    matches!(model, PricingModel::Percentage | PricingModel::GraduatedPercentage)
}

fn read_row(row: &mut Fields<'_, '_>, context: &RowContext<'_>) -> Option<Row> {
    row.ignore(&["id", "description"]);
    let currency =
        if row.has("currencycode") { row.currency("currencycode") } else { context.default_currency };
    if let (Some(currency), Some(allowed)) = (currency, context.allowed)
        && !allowed.contains(&currency)
    {
        row.hinted(
            "currencycode",
            format!("the plan is not sold in {currency}"),
            "add it to the plan's `currencies`",
        );
    }
    let segment = row.count("segment", 0);
    let has_segment = segment.is_some();
    let tier_from = row.non_negative("tierfrom", QUANTITY);
    // Upodi writes an open last tier as 0.
    let tier_to = row.non_negative("tierto", QUANTITY).filter(|to| !to.is_zero());
    let price = price(row, context.model);
    let format = row.choice("tierpriceformat", TierPriceFormat::parse, TierPriceFormat::NAMES);
    let flat_price = row.non_negative("flatprice", PRICE);
    let percentage = percentage(row, context.model);
    let fixed_fee = event_fee(row, "fixedfee", context.model);
    let event_minimum = event_fee(row, "eventminimum|minimum", context.model);
    let event_maximum = event_fee(row, "eventmaximum|maximum", context.model);
    if event_minimum.zip(event_maximum).is_some_and(|(least, most)| most < least) {
        row.fault("eventmaximum|maximum", "is below the minimum");
    }
    let multiplier = row.non_negative("multiplier", RATE);
    if multiplier.is_some() && context.model != PricingModel::Dynamic {
        row.fault("multiplier", "is only for the model dynamic");
    }
    let valid_from = row.date("validfrom");
    let pricing = Pricing {
        currency: currency?,
        segment: segment.unwrap_or(0),
        tier_to,
        price,
        format: format.unwrap_or(TierPriceFormat::PerUnit),
        flat_price,
        percentage,
        fixed_fee,
        event_minimum,
        event_maximum,
        multiplier,
        valid_from,
    };
    Some(Row { pricing, place: row.place.clone(), tier_from, has_segment })
}

/// The price; it may be left out where another field prices.
fn price(row: &mut Fields<'_, '_>, model: PricingModel) -> Decimal {
    let is_priced_otherwise = is_percentage(model)
        || matches!(model, PricingModel::Dynamic | PricingModel::Custom)
        || (is_tiered(model) && row.has("flatprice"));
    let price = row.non_negative("price", PRICE);
    let price = if is_priced_otherwise { price } else { row.require("price", price) };
    price.unwrap_or_default()
}

fn percentage(row: &mut Fields<'_, '_>, model: PricingModel) -> Option<Decimal> {
    let percentage = row.non_negative("percentage", RATE);
    if !is_percentage(model) {
        if percentage.is_some() {
            row.fault("percentage", "is only for the models percentage and graduated_percentage");
        }
        return None;
    }
    if percentage.is_some_and(|percent| percent > Decimal::ONE_HUNDRED) {
        row.hinted("percentage", "is more than 100 %", "percentage is in percent: 2.5 is 2.5 %");
    }
    row.require("percentage", percentage)
}

/// A fee or bound per event.
fn event_fee(row: &mut Fields<'_, '_>, name: &'static str, model: PricingModel) -> Option<Decimal> {
    let fee = row.non_negative(name, PRICE);
    if fee.is_some() && model != PricingModel::Percentage {
        row.fault(name, "is only for the model percentage");
    }
    fee
}

/// Rows without a segment are numbered as they stand.
fn number_tiers(rows: &mut [Row]) {
    if rows.iter().any(|row| row.has_segment) {
        return;
    }
    for (row, segment) in rows.iter_mut().zip(1..) {
        row.pricing.segment = segment;
    }
}

fn check_version(fields: &mut Fields<'_, '_>, model: PricingModel, version: &str, rows: &[Row]) {
    if is_tiered(model) {
        check_tiers(fields, version, rows);
        return;
    }
    for extra in &rows[1..] {
        let hint =
            "a later price needs a `validfrom` of its own; tiers need the model tiered, volume or stairstep";
        fields.faults.hinted(
            &extra.place,
            format!("{version} is priced twice in the model {}", model.name()),
            hint,
        );
    }
    for row in rows {
        if row.pricing.tier_to.is_some() || row.tier_from.is_some_and(|from| from > Decimal::ONE) {
            let message = format!("the model {} has no tiers", model.name());
            fields.faults.hinted(
                &row.place,
                message,
                "leave out `tierfrom` and `tierto`, or use tiered, volume or stairstep",
            );
        }
    }
}

/// Upper bounds ascend, the last tier is open, and each tier begins where the one before ends (rules P2).
fn check_tiers(fields: &mut Fields<'_, '_>, version: &str, rows: &[Row]) {
    let mut previous: Option<&Row> = None;
    for (index, row) in rows.iter().enumerate() {
        let is_last = index + 1 == rows.len();
        if let Some(before) = previous
            && before.pricing.segment == row.pricing.segment
        {
            let message = format!("{version} has segment {} twice", row.pricing.segment);
            fields.faults.add(&row.place.member("segment"), message);
        }
        let lower = previous.and_then(|before| before.pricing.tier_to).unwrap_or_default();
        check_tier_from(fields, version, row, lower);
        match row.pricing.tier_to {
            None if !is_last => {
                let message = format!("{version} has an open tier before its last one");
                fields.faults.add(&row.place.member("tierto"), message);
            }
            Some(to) if to <= lower => {
                let message = format!("{version} has tiers that do not ascend: {to} after {lower}");
                fields.faults.add(&row.place.member("tierto"), message);
            }
            Some(to) if is_last => {
                let message = format!("{version} has no price above {to}: the last tier must be open");
                fields.faults.hinted(
                    &row.place.member("tierto"),
                    message,
                    "leave out `tierto` of the last tier",
                );
            }
            _ => {}
        }
        previous = Some(row);
    }
}

/// A lower bound may be the upper bound before it, or one more (0/1/101-style, rules P2).
fn check_tier_from(fields: &mut Fields<'_, '_>, version: &str, row: &Row, lower: Decimal) {
    let Some(from) = row.tier_from else { return };
    if from == lower || from == lower + Decimal::ONE {
        return;
    }
    let what = if from > lower { "a gap" } else { "an overlap" };
    let message = format!("{version} has {what} between tiers: {from} after {lower}");
    let hint = format!("begin the tier at {lower}, where the one before ends, or leave out `tierfrom`");
    fields.faults.hinted(&row.place.member("tierfrom"), message, hint);
}
