//! What must hold of a charge, of the charges of a plan together, and of a charge that has been billed.

use super::fault::{Faults, Place};
use super::fields::Fields;
use super::pricing::is_tiered;
use crate::catalogue::{
    Aggregation, Alignment, BillingPeriod, Charge, ChargeType, Plan, PricingModel, ProductChargeType,
};
use crate::money::Currency;
use chrono::NaiveDate;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// Checks of one charge by itself.
pub(super) fn check(fields: &mut Fields<'_, '_>, charge: &Charge) {
    check_billing_day(fields, charge);
    check_usage(fields, charge);
    check_aggregation(fields, charge);
    check_price_fields(fields, charge);
    let is_dependent = charge.product_charge_type == ProductChargeType::Dependency;
    if is_dependent != charge.depends_on.is_some() {
        fields.hinted(
            "addonproductcharge|dependson|addonproductchargeid",
            "goes with `productchargetype` dependency, and that one needs it",
            "name the SKU of the charge whose quantity it follows",
        );
    }
    if charge.taxable && charge.exempt_reason.is_some() {
        fields.hinted("exemptreason", "is for charges that are not taxable", "set `taxable` to false");
    }
}

fn check_billing_day(fields: &mut Fields<'_, '_>, charge: &Charge) {
    use BillingPeriod::{Annually, DayOfMonth, DayOfWeek, Quarterly};
    let (last, is_required) = match charge.billing_period {
        DayOfWeek => (7, true),
        DayOfMonth => (31, true),
        Quarterly | Annually => (31, false),
        _ => (0, false),
    };
    match charge.billing_day {
        Some(_) if last == 0 => {
            fields.fault(
                "billingday",
                "is only for the periods day_of_week, day_of_month, quarterly and annually",
            );
        }
        Some(day) if day > last => fields.fault("billingday", format!("{day} is not within 1 and {last}")),
        None if is_required && !fields.has("billingday") => fields.fault("billingday", "is missing"),
        _ => {}
    }
    match charge.billing_month {
        Some(_) if !matches!(charge.billing_period, Quarterly | Annually) => {
            fields.fault("billingmonth", "is only for the periods quarterly and annually");
        }
        Some(month) if month > 12 => fields.fault("billingmonth", format!("{month} is not within 1 and 12")),
        _ => {}
    }
}

/// Usage has its own fields, and is billed in arrears.
fn check_usage(fields: &mut Fields<'_, '_>, charge: &Charge) {
    if charge.charge_type == ChargeType::Usage && charge.alignment == Alignment::CustomerDate {
        let hint = "leave out `billingperiodalignment`, or set period_end";
        fields.hinted(
            "billingperiodalignment",
            "usage is billed in arrears, not on a date that is set",
            hint,
        );
    }
    if charge.is_metered() {
        return;
    }
    if charge.charge_type != ChargeType::Usage && charge.aggregation != Aggregation::None {
        let message = format!("a {} charge does not count usage", charge.charge_type.name());
        fields.hinted("usagedatacalculationtype", message, "set `chargetype` to usage");
        return;
    }
    for name in ["meter", "groupby", "filter", "usagedataperiod", "lateusage", "lateusagedays"] {
        if fields.has(name) {
            let hint =
                "set `chargetype` to usage and `usagedatacalculationtype` to the way events are counted";
            fields.hinted(name, "is only for charges that count usage events", hint);
        }
    }
    if charge.pricing_model == PricingModel::Dynamic {
        fields.fault("pricingmodel", "dynamic prices events: the charge must count usage");
    }
}

/// Each aggregation has its own argument, and no other takes it.
fn check_aggregation(fields: &mut Fields<'_, '_>, charge: &Charge) {
    let arguments = [
        ("uniqueproperty", Aggregation::UniqueCount, charge.unique_property.is_some()),
        ("percentile", Aggregation::Percentile, charge.percentile.is_some()),
        ("sumaveragefactor", Aggregation::SumAverage, charge.sum_average_factor.is_some()),
    ];
    for (name, aggregation, is_given) in arguments {
        if charge.aggregation == aggregation && !fields.has(name) {
            fields.fault(name, format!("is missing: {} needs it", aggregation.name()));
        }
        if charge.aggregation != aggregation && is_given {
            fields.fault(name, format!("is only for usagedatacalculationtype {}", aggregation.name()));
        }
    }
    if charge.percentile.is_some_and(|p| p > Decimal::ONE_HUNDRED) {
        fields.fault("percentile", "is above 100");
    }
    if charge.filter.values().any(Vec::is_empty) {
        fields.fault("filter", "has a property without values: no event would ever count");
    }
}

fn check_price_fields(fields: &mut Fields<'_, '_>, charge: &Charge) {
    let is_package = charge.pricing_model == PricingModel::Package;
    if is_package && !fields.has("packagesize") {
        fields.fault("packagesize", "is missing: the model package needs it");
    }
    if !is_package && charge.package_size.is_some() {
        fields.fault("packagesize", "is only for the model package");
    }
    for (currency, maximum) in &charge.maximum_amount {
        if charge.minimum_amount.get(currency).is_some_and(|minimum| maximum < minimum) {
            fields.fault("maximumamount", format!("{maximum} {currency} is below the minimum"));
        }
    }
}

/// Checks of the charges of one plan against one another.
pub(super) fn check_together(fields: &mut Fields<'_, '_>, charges: &[Charge]) {
    const LIST: &str = "charges|productplancharges";
    let mut anchors: BTreeMap<&str, &str> = BTreeMap::new();
    let mut skus: BTreeMap<&str, usize> = BTreeMap::new();
    for charge in charges {
        *skus.entry(&charge.sku).or_default() += 1;
        if let Some(other) = anchors.insert(charge.anchor(), &charge.sku)
            && other != charge.sku
        {
            let message =
                format!("the charges {other} and {} have the same anchor `{}`", charge.sku, charge.anchor());
            fields.fault(LIST, message);
        }
    }
    for (sku, _) in skus.iter().filter(|(_, times)| **times > 1) {
        fields.fault(LIST, format!("the charge {sku} occurs twice"));
    }
    for charge in charges {
        let Some(parent) = &charge.depends_on else { continue };
        if parent == &charge.sku || !skus.contains_key(parent.as_str()) {
            fields.fault(
                LIST,
                format!(
                    "the charge {} depends on `{parent}`, which is no other charge of the plan",
                    charge.sku
                ),
            );
        } else if is_in_ring(charge, charges) {
            fields.fault(LIST, format!("the charge {} depends on itself, by way of `{parent}`", charge.sku));
        }
    }
}

/// Whether a charge follows, over some others, its own quantity.
fn is_in_ring(charge: &Charge, charges: &[Charge]) -> bool {
    let mut sku = charge.depends_on.as_deref();
    for _ in charges {
        let Some(parent) = sku else { return false };
        if parent == charge.sku {
            return true;
        }
        sku = charges.iter().find(|other| other.sku == parent).and_then(|other| other.depends_on.as_deref());
    }
    false
}

/// Every charge has a price in a currency of the plan, and its bounds are in currencies of the plan (rules P8).
pub(super) fn check_priced(fields: &mut Fields<'_, '_>, plan: &Plan) {
    const LIST: &str = "charges|productplancharges";
    for charge in &plan.charges {
        if !plan.currencies.iter().any(|currency| charge.priced_in(*currency)) {
            let message = format!("the charge {} has no price in any currency of the plan", charge.sku);
            fields.fault(LIST, message);
        }
        let bounds = charge.minimum_amount.keys().chain(charge.maximum_amount.keys());
        for currency in bounds.filter(|currency| !plan.currencies.contains(currency)) {
            let message = format!(
                "the charge {} has a minimum or maximum in {currency}, but the plan is not sold in it",
                charge.sku
            );
            fields.fault(LIST, message);
        }
    }
}

/// Whether a price that a subscription sets by itself can take the place of the plan's.
pub(super) fn takes_unit_price(model: PricingModel) -> bool {
    !is_tiered(model) && !matches!(model, PricingModel::Percentage | PricingModel::Dynamic)
}

/// A charge that has been billed keeps its nature and its price versions; new versions come after the last one
/// (rules P9).
pub(super) fn check_billed(was: &Charge, is: &Charge, place: &Place, faults: &mut Faults) {
    let fixed = [
        ("chargetype", was.charge_type == is.charge_type),
        ("pricingmodel", was.pricing_model == is.pricing_model),
        ("billingperiod", was.billing_period == is.billing_period),
        ("billingday", was.billing_day == is.billing_day),
        ("billingmonth", was.billing_month == is.billing_month),
        ("billingperiodinterval", was.billing_interval == is.billing_interval),
        ("billingperiodalignment", was.alignment == is.alignment),
        ("anchorcode", was.anchor() == is.anchor()),
        ("meter", !was.is_metered() || was.meter == is.meter),
        ("usagedatacalculationtype", was.aggregation == is.aggregation),
        ("usagedataperiod", was.usage_period == is.usage_period),
        ("sumaveragefactor", was.sum_average_factor == is.sum_average_factor),
        ("uniqueproperty", was.unique_property == is.unique_property),
        ("percentile", was.percentile == is.percentile),
        ("groupby", was.group_by == is.group_by),
        ("filter", was.filter == is.filter),
        ("packagesize", was.package_size == is.package_size),
        ("includedamount", was.included_amount == is.included_amount),
        ("minimumamount", was.minimum_amount == is.minimum_amount),
        ("maximumamount", was.maximum_amount == is.maximum_amount),
    ];
    for (name, is_kept) in fixed {
        if !is_kept {
            let message = format!("`{name}` of the charge {} cannot change: it has been billed", is.sku);
            faults.hinted(place, message, "add a new charge, or a new plan, and switch to it");
        }
    }
    check_versions(was, is, place, faults);
}

fn check_versions(was: &Charge, is: &Charge, place: &Place, faults: &mut Faults) {
    let (before, after) = (versions(was), versions(is));
    let mut newest: BTreeMap<Currency, Option<NaiveDate>> = BTreeMap::new();
    for ((currency, valid_from), rows) in &before {
        let day = newest.entry(*currency).or_default();
        *day = (*day).max(*valid_from);
        if after.get(&(*currency, *valid_from)) != Some(rows) {
            let since = valid_from.map(|day| format!(" from {day}")).unwrap_or_default();
            let message = format!(
                "the {currency} price{since} of the charge {} cannot change: it has been billed",
                is.sku
            );
            faults.hinted(place, message, "keep its rows and add rows with a later `validfrom`");
        }
    }
    for (currency, valid_from) in after.keys() {
        let is_new = !before.contains_key(&(*currency, *valid_from));
        if let Some(last) = newest.get(currency).filter(|last| is_new && valid_from < *last) {
            let last = last.map(|day| day.to_string()).unwrap_or_default();
            let message = format!("a new {currency} price of the charge {} must begin after {last}", is.sku);
            faults.hinted(place, message, "what has been billed keeps its price");
        }
    }
}

type Version = (Currency, Option<NaiveDate>);

fn versions(charge: &Charge) -> BTreeMap<Version, Vec<&crate::catalogue::Pricing>> {
    let mut versions: BTreeMap<Version, Vec<_>> = BTreeMap::new();
    for pricing in &charge.pricings {
        versions.entry((pricing.currency, pricing.valid_from)).or_default().push(pricing);
    }
    versions
}
