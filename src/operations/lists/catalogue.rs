//! What is sold and by which rules, as records: few, and read together.

use domain::catalogue::{
    BusinessUnit, Catalogue, Charge, Discount, DiscountCode, Plan, Pricing, TaxRule, Uom,
};
use domain::ids::{DiscountId, PlanId};
use domain::query::{Entity, Kind, Property, Record, Value};

const fn property(name: &'static str, kind: Kind) -> Property {
    Property { name, kind }
}

pub static PLAN: Entity = Entity {
    name: "ProductPlan",
    properties: &[
        property("ID", Kind::Guid),
        property("SKU", Kind::Text),
        property("FullName", Kind::Text),
        property("CurrencyCode", Kind::Text),
        property("ActiveCurrencies", Kind::Text),
        property("ChangeHandle", Kind::Int),
        property("TaxInclusive", Kind::Flag),
        property("ProductFamily", Kind::Text),
        property("Status", Kind::Int),
    ],
    objects: &[],
    lists: &[("ProductPlanCharges", &CHARGE)],
};

pub static CHARGE: Entity = Entity {
    name: "ProductPlanCharge",
    properties: &[
        property("ID", Kind::Guid),
        property("ProductPlanID", Kind::Guid),
        property("SKU", Kind::Text),
        property("FullName", Kind::Text),
        property("InvoiceText", Kind::Text),
        property("AnchorCode", Kind::Text),
        property("ChargeType", Kind::Int),
        property("PricingModel", Kind::Int),
        property("BillingPeriod", Kind::Int),
        property("BillingPeriodInterval", Kind::Int),
        property("BillingPeriodAlignment", Kind::Int),
        property("BillingDay", Kind::Int),
        property("DefaultAmount", Kind::Exact),
        property("Taxable", Kind::Flag),
        property("ChargeSetup", Kind::Int),
        property("ProductChargeType", Kind::Int),
        property("Meter", Kind::Text),
        property("UsageDataCalculationType", Kind::Int),
        property("UoM", Kind::Text),
    ],
    objects: &[],
    lists: &[("ProductPlanChargePricings", &PRICING)],
};

pub static PRICING: Entity = Entity {
    name: "ProductPlanChargePricing",
    properties: &[
        property("Segment", Kind::Int),
        property("CurrencyCode", Kind::Text),
        property("Price", Kind::Exact),
        property("TierTo", Kind::Exact),
        property("TierPriceFormat", Kind::Int),
        property("FlatPrice", Kind::Exact),
    ],
    objects: &[],
    lists: &[],
};

pub static DISCOUNT: Entity = Entity {
    name: "Discount",
    properties: &[
        property("ID", Kind::Guid),
        property("RefKey", Kind::Text),
        property("FullName", Kind::Text),
        property("InvoiceText", Kind::Text),
        property("Type", Kind::Int),
        property("Amount", Kind::Exact),
        property("CurrencyCode", Kind::Text),
        property("ExpiryPeriod", Kind::Int),
        property("ExpiryPeriodInterval", Kind::Int),
    ],
    objects: &[],
    lists: &[("DiscountCodes", &CODE)],
};

pub static CODE: Entity = Entity {
    name: "DiscountCode",
    properties: &[
        property("CompleteCode", Kind::Text),
        property("CodePrefix", Kind::Text),
        property("Code", Kind::Text),
        property("Redemption", Kind::Int),
        property("ExpireDate", Kind::Day),
        property("IsRestricted", Kind::Flag),
        property("DiscountID", Kind::Guid),
    ],
    objects: &[],
    lists: &[],
};

pub static UOM: Entity = Entity {
    name: "UoM",
    properties: &[
        property("ID", Kind::Guid),
        property("RefKey", Kind::Text),
        property("FullName", Kind::Text),
    ],
    objects: &[],
    lists: &[],
};

pub static BUSINESS_UNIT: Entity = Entity {
    name: "BusinessUnit",
    properties: &[
        property("ID", Kind::Guid),
        property("RefKey", Kind::Text),
        property("FullName", Kind::Text),
        property("AccountingCode", Kind::Text),
        property("TimeZone", Kind::Text),
        property("InvoiceNumberPattern", Kind::Text),
    ],
    objects: &[],
    lists: &[],
};

pub static TAX_RULE: Entity = Entity {
    name: "TaxRule",
    properties: &[
        property("ID", Kind::Guid),
        property("FullName", Kind::Text),
        property("Country", Kind::Text),
        property("State", Kind::Text),
        property("RuleType", Kind::Text),
        property("Priority", Kind::Int),
        property("TaxPct", Kind::Exact),
        property("Category", Kind::Text),
        property("ValidFrom", Kind::Day),
        property("ValidTo", Kind::Day),
    ],
    objects: &[],
    lists: &[],
};

/// An id that follows from what names an object.
fn id(kind: &str, key: &str) -> Value {
    Value::Guid(domain::ids::book_part(kind, key))
}

pub fn plans(catalogue: &Catalogue) -> Vec<Record> {
    catalogue.plans.iter().map(|(id, plan)| plan_record(*id, plan)).collect()
}

fn plan_record(id: PlanId, plan: &Plan) -> Record {
    let currencies: Vec<&str> = plan.currencies.iter().map(|currency| currency.code()).collect();
    let values = vec![
        Value::Guid(id.0),
        plan.sku.as_str().into(),
        plan.fullname.as_str().into(),
        plan.currency.code().into(),
        currencies.join(", ").as_str().into(),
        Value::Int(plan.change_handle.into()),
        Value::Flag(plan.tax_inclusive),
        plan.family.as_deref().into(),
        Value::Int(i64::from(plan.active)),
    ];
    let charges = plan.charges.iter().map(|charge| charge_record(id, plan, charge)).collect();
    Record { values, objects: Vec::new(), lists: vec![charges] }
}

fn charge_record(plan_id: PlanId, plan: &Plan, charge: &Charge) -> Record {
    let values = vec![
        id("charge", &format!("{}\u{1f}{}", plan.sku, charge.sku)),
        Value::Guid(plan_id.0),
        charge.sku.as_str().into(),
        charge.fullname.as_str().into(),
        charge.invoice_text.as_str().into(),
        charge.anchor_code.as_deref().into(),
        Value::Int(charge.charge_type as i64),
        Value::Int(charge.pricing_model as i64),
        Value::Int(charge.billing_period as i64),
        Value::Int(charge.billing_interval.into()),
        Value::Int(charge.alignment as i64),
        charge.billing_day.map_or(Value::Null, |day| Value::Int(day.into())),
        Value::Exact(charge.default_amount.normalize()),
        Value::Flag(charge.taxable),
        Value::Int(charge.setup as i64),
        Value::Int(charge.product_charge_type as i64),
        charge.meter.as_str().into(),
        Value::Int(charge.aggregation as i64),
        charge.uom.as_deref().into(),
    ];
    let pricings = charge.pricings.iter().map(pricing_record).collect();
    Record { values, objects: Vec::new(), lists: vec![pricings] }
}

fn pricing_record(pricing: &Pricing) -> Record {
    let values = vec![
        Value::Int(pricing.segment.into()),
        pricing.currency.code().into(),
        Value::Exact(pricing.price.normalize()),
        pricing.tier_to.map_or(Value::Null, |to| Value::Exact(to.normalize())),
        Value::Int(pricing.format as i64),
        pricing.flat_price.map_or(Value::Null, |price| Value::Exact(price.normalize())),
    ];
    Record { values, ..Record::default() }
}

pub fn discounts(catalogue: &Catalogue) -> Vec<Record> {
    catalogue.discounts.iter().map(|(id, discount)| discount_record(*id, discount)).collect()
}

fn discount_record(id: DiscountId, discount: &Discount) -> Record {
    let (period, interval) = match discount.expiry {
        Some((period, interval)) => (Value::Int(period as i64), Value::Int(interval.into())),
        None => (Value::Null, Value::Null),
    };
    let values = vec![
        Value::Guid(id.0),
        discount.refkey.as_str().into(),
        discount.fullname.as_str().into(),
        discount.invoice_text.as_str().into(),
        Value::Int(discount.kind as i64),
        Value::Exact(discount.amount.normalize()),
        discount.currency.map_or(Value::Null, |currency| currency.code().into()),
        period,
        interval,
    ];
    let codes = discount.codes.iter().map(|code| code_record(id, code)).collect();
    Record { values, objects: Vec::new(), lists: vec![codes] }
}

fn code_record(discount: DiscountId, code: &DiscountCode) -> Record {
    let values = vec![
        code.complete().as_str().into(),
        code.prefix.as_str().into(),
        code.code.as_str().into(),
        Value::Int(code.redemption.into()),
        code.expire_date.map_or(Value::Null, Value::Day),
        Value::Flag(!code.plans.is_empty()),
        Value::Guid(discount.0),
    ];
    Record { values, ..Record::default() }
}

pub fn uoms(catalogue: &Catalogue) -> Vec<Record> {
    let record = |uom: &Uom| Record {
        values: vec![id("uom", &uom.refkey), uom.refkey.as_str().into(), uom.fullname.as_str().into()],
        ..Record::default()
    };
    catalogue.uoms.values().map(record).collect()
}

pub fn business_units(catalogue: &Catalogue) -> Vec<Record> {
    let record = |unit: &BusinessUnit| Record {
        values: vec![
            id("businessunit", &unit.refkey),
            unit.refkey.as_str().into(),
            unit.fullname.as_str().into(),
            unit.accounting_code.as_deref().into(),
            unit.timezone.map(|zone| zone.name()).into(),
            unit.invoice_number_pattern.as_deref().into(),
        ],
        ..Record::default()
    };
    catalogue.business_units.values().map(record).collect()
}

pub fn tax_rules(catalogue: &Catalogue) -> Vec<Record> {
    catalogue.tax_rules.iter().map(tax_rule_record).collect()
}

fn tax_rule_record(rule: &TaxRule) -> Record {
    let from = rule.valid_from.map(|day| day.to_string()).unwrap_or_default();
    let kind = format!("{:?}", rule.rule_type).to_lowercase();
    let key = [&rule.fullname, &rule.country, &rule.state, &kind, &from].map(String::as_str).join("\u{1f}");
    let values = vec![
        id("taxrule", &key),
        rule.fullname.as_str().into(),
        rule.country.as_str().into(),
        rule.state.as_str().into(),
        kind.as_str().into(),
        Value::Int(rule.priority),
        Value::Exact(rule.tax_pct.normalize()),
        rule.category.code().into(),
        rule.valid_from.map_or(Value::Null, Value::Day),
        rule.valid_to.map_or(Value::Null, Value::Day),
    ];
    Record { values, ..Record::default() }
}
