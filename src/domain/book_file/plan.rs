//! Product plans and their charges as written.

use super::charge_checks;
use super::fields::{Fields, Ref};
use super::pricing::{self, RowContext};
use crate::catalogue::{
    Aggregation, Alignment, BillingPeriod, Charge, ChargeSetup, ChargeType, LateUsage, Plan, PricingModel,
    ProductChargeType,
};
use crate::decimal::{QUANTITY, RATE};
use crate::money::Currency;
use rust_decimal::Decimal;

/// Longest multiple of a billing period.
const INTERVAL_MAX: i64 = 1_200;
/// Charges of one plan (Upodi).
const CHARGES_MAX: usize = 1_000;

/// A plan with the references that are resolved when all files are read.
pub(super) struct WrittenPlan {
    pub plan: Plan,
    pub family: Option<Ref>,
    /// Units of measure by index of the charge.
    pub uoms: Vec<(usize, Ref)>,
}

/// Reads a plan.
pub(super) fn plan(fields: &mut Fields<'_, '_>) -> Option<WrittenPlan> {
    fields.ignore(&["description", "note"]);
    let sku = fields.key("sku");
    let fullname = fields.text("fullname");
    let family = fields.reference("productfamily|productfamilyid");
    let currency = fields.required_currency("currencycode");
    let listed = currencies(fields, currency);
    let change_handle = fields.integer("changehandle", 0..=2).and_then(|n| u8::try_from(n).ok()).unwrap_or(0);
    let tax_inclusive = fields.boolean("taxinclusive").unwrap_or(false);
    let dunning_policy = fields.text("dunningpolicy|dunningscheme");
    let active = fields.choice("status", plan_status, &["draft", "active", "inactive"]).unwrap_or(true);
    let charges = fields
        .each("charges|productplancharges", |charge, _| read_charge(charge, currency, listed.as_deref()));
    let charges: Vec<(Charge, Option<Ref>)> = charges.into_iter().flatten().collect();
    if charges.len() > CHARGES_MAX {
        fields.fault("charges|productplancharges", format!("has more than {CHARGES_MAX} charges"));
    }
    let mut uoms = Vec::new();
    let mut list = Vec::with_capacity(charges.len());
    for (index, (charge, uom)) in charges.into_iter().enumerate() {
        uoms.extend(uom.map(|uom| (index, uom)));
        list.push(charge);
    }
    charge_checks::check_together(fields, &list);
    let (sku, currency) = (sku?, currency?);
    let currencies = listed.unwrap_or_else(|| priced_currencies(currency, &list));
    let plan = Plan {
        fullname: fullname.unwrap_or_else(|| sku.clone()),
        sku,
        family: None,
        currency,
        currencies,
        change_handle,
        tax_inclusive,
        active,
        dunning_policy,
        charges: list,
    };
    charge_checks::check_priced(fields, &plan);
    Some(WrittenPlan { plan, family, uoms })
}

fn plan_status(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "active" | "1" => Some(true),
        "draft" | "0" | "inactive" | "7" => Some(false),
        _ => None,
    }
}

/// The currencies that the plan lists, its default first; none if it has no list.
fn currencies(fields: &mut Fields<'_, '_>, default: Option<Currency>) -> Option<Vec<Currency>> {
    const NAME: &str = "currencies|activecurrencies";
    if !fields.has(NAME) {
        return None;
    }
    let mut list: Vec<Currency> = default.into_iter().collect();
    for code in fields.texts(NAME) {
        match code.name.parse() {
            Ok(currency) if list.contains(&currency) => {}
            Ok(currency) => list.push(currency),
            Err(fault) => fields.faults.add(&code.place, format!("{fault}")),
        }
    }
    Some(list)
}

/// The default currency and all that some row has.
fn priced_currencies(default: Currency, charges: &[Charge]) -> Vec<Currency> {
    let mut list = vec![default];
    for pricing in charges.iter().flat_map(|charge| &charge.pricings) {
        if !list.contains(&pricing.currency) {
            list.push(pricing.currency);
        }
    }
    list
}

/// What decides how the rest of a charge is read.
struct ChargeShape {
    charge_type: ChargeType,
    model: PricingModel,
    aggregation: Aggregation,
}

fn read_charge(
    fields: &mut Fields<'_, '_>,
    currency: Option<Currency>,
    allowed: Option<&[Currency]>,
) -> Option<(Charge, Option<Ref>)> {
    fields.ignore(&["id", "description"]);
    let sku = fields.key("sku");
    let charge_type = fields.choice("chargetype", ChargeType::parse, ChargeType::NAMES);
    let charge_type = fields.require("chargetype", charge_type);
    let model = fields.choice("pricingmodel", PricingModel::parse, PricingModel::NAMES);
    let model = fields.require("pricingmodel", model);
    let aggregation = fields.choice("usagedatacalculationtype", Aggregation::parse, Aggregation::NAMES);
    // A guess lets the other fields be read, so that their faults show at once too.
    let nature = ChargeShape {
        charge_type: charge_type.unwrap_or(ChargeType::Recurring),
        model: model.unwrap_or(PricingModel::Flat),
        aggregation: aggregation.unwrap_or(Aggregation::None),
    };
    let uom = fields.reference("uom|uomid");
    let charge = rest_of_charge(fields, &nature, sku.clone().unwrap_or_default(), currency, allowed);
    if charge_type.is_some() && model.is_some() {
        charge_checks::check(fields, &charge);
    }
    (sku.is_some() && charge_type.is_some() && model.is_some()).then_some((charge, uom))
}

fn rest_of_charge(
    fields: &mut Fields<'_, '_>,
    nature: &ChargeShape,
    sku: String,
    currency: Option<Currency>,
    allowed: Option<&[Currency]>,
) -> Charge {
    let fullname = fields.text("fullname").unwrap_or_else(|| sku.clone());
    let invoice_text = fields.text("invoicetext").unwrap_or_else(|| fullname.clone());
    let interval =
        fields.integer("billingperiodinterval", 1..=INTERVAL_MAX).and_then(|n| u32::try_from(n).ok());
    let alignment = fields.choice("billingperiodalignment", Alignment::parse, Alignment::NAMES);
    let is_usage = nature.charge_type == ChargeType::Usage;
    let default_alignment = if is_usage { Alignment::PeriodEnd } else { Alignment::SubscriptionStart };
    let default_amount = fields.non_negative("defaultamount", QUANTITY);
    let minimum = fields.amounts("minimumamount", currency);
    let maximum = fields.amounts("maximumamount", currency);
    let context = RowContext { model: nature.model, default_currency: currency, allowed };
    Charge {
        anchor_code: fields.text("anchorcode"),
        fullname,
        invoice_text,
        charge_type: nature.charge_type,
        pricing_model: nature.model,
        billing_period: billing_period(fields, nature.charge_type),
        billing_interval: interval.unwrap_or(1),
        alignment: alignment.unwrap_or(default_alignment),
        billing_day: fields.count("billingday", 1),
        billing_month: fields.count("billingmonth", 1),
        default_amount: default_amount.unwrap_or(if is_usage { Decimal::ZERO } else { Decimal::ONE }),
        taxable: fields.boolean("taxable").unwrap_or(true),
        exempt_reason: fields.text("exemptreason"),
        uom: None,
        setup: fields
            .choice("chargesetup", ChargeSetup::parse, ChargeSetup::NAMES)
            .unwrap_or(ChargeSetup::Standard),
        product_charge_type: fields
            .choice("productchargetype", ProductChargeType::parse, ProductChargeType::NAMES)
            .unwrap_or(ProductChargeType::Charge),
        depends_on: fields.text("addonproductcharge|dependson|addonproductchargeid"),
        meter: fields.text("meter").unwrap_or_else(|| sku.clone()),
        aggregation: nature.aggregation,
        usage_period: usage_period(fields),
        sum_average_factor: fields.positive("sumaveragefactor", RATE),
        unique_property: fields.text("uniqueproperty"),
        percentile: fields.positive("percentile", RATE),
        group_by: fields.text("groupby"),
        filter: fields.texts_by_name("filter").into_iter().collect(),
        late_usage: fields.choice("lateusage", LateUsage::parse, LateUsage::NAMES).unwrap_or(LateUsage::Bill),
        late_cut_off_days: fields.count("lateusagedays", 0),
        package_size: fields.positive("packagesize", QUANTITY),
        included_amount: fields.non_negative("includedamount", QUANTITY),
        minimum_amount: minimum.into_iter().collect(),
        maximum_amount: maximum.into_iter().collect(),
        charge_at_zero: fields.boolean("chargeatzero").unwrap_or(false),
        pricings: pricing::read(fields, &context),
        sku,
    }
}

/// A one-time charge needs no period; all others do.
fn billing_period(fields: &mut Fields<'_, '_>, charge_type: ChargeType) -> BillingPeriod {
    let period = fields.choice("billingperiod", BillingPeriod::parse, BillingPeriod::NAMES);
    let period =
        if charge_type == ChargeType::OneTime { period } else { fields.require("billingperiod", period) };
    period.unwrap_or(BillingPeriod::Monthly)
}

fn usage_period(fields: &mut Fields<'_, '_>) -> Option<(BillingPeriod, u32)> {
    let period = fields.choice("usagedataperiod", BillingPeriod::parse, BillingPeriod::NAMES);
    let interval =
        fields.integer("usagedataperiodinterval", 1..=INTERVAL_MAX).and_then(|n| u32::try_from(n).ok());
    if period.is_none() && interval.is_some() && !fields.has("usagedataperiod") {
        fields.fault("usagedataperiodinterval", "needs a `usagedataperiod`");
    }
    period.map(|period| (period, interval.unwrap_or(1)))
}
