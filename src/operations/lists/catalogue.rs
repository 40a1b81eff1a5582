//! What is sold and by which rules, as records: few, and read together.

use super::documented::{document_of, with_document, with_object};
use domain::NaiveDate;
use domain::book_file::{Node, ObjectKind, tax_rule_key};
use domain::catalogue::{
    BusinessUnit, Catalogue, Charge, Discount, DiscountCode, Plan, Pricing, TaxRule, Uom,
};
use domain::ids::{DiscountId, PlanId, book_id, book_part, made_beside};
use domain::query::{Entity, Kind, Record, Value, property};
use std::collections::BTreeMap;
use store::book_object::BookObject;
use uuid::Uuid;

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
        property("ProductFamilyID", Kind::Guid),
        property("RefKey", Kind::Text),
        property("Description", Kind::Text),
        property("Note", Kind::Text),
        property("Status", Kind::Int),
        property("CreatedDate", Kind::Instant),
        property("CreatedBy", Kind::Text),
        property("ModifiedDate", Kind::Instant),
        property("ModifiedBy", Kind::Text),
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
        property("UoMID", Kind::Guid),
        property("BillingMonth", Kind::Int),
        property("UsageDataPeriod", Kind::Int),
        property("UsageDataPeriodInterval", Kind::Int),
        property("SumAverageFactor", Kind::Exact),
        property("AddOnProductChargeID", Kind::Guid),
        property("Description", Kind::Text),
    ],
    objects: &[],
    lists: &[("ProductPlanChargePricings", &PRICING)],
};

pub static PRICING: Entity = Entity {
    name: "ProductPlanChargePricing",
    properties: &[
        property("ID", Kind::Guid),
        property("ProductPlanChargeID", Kind::Guid),
        property("Segment", Kind::Int),
        property("CurrencyCode", Kind::Text),
        property("Price", Kind::Exact),
        property("TierFrom", Kind::Exact),
        property("TierTo", Kind::Exact),
        property("TierPriceFormat", Kind::Int),
        property("FlatPrice", Kind::Exact),
        property("ValidFrom", Kind::Day),
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
        property("Status", Kind::Int),
        property("CreatedDate", Kind::Instant),
        property("CreatedBy", Kind::Text),
        property("ModifiedDate", Kind::Instant),
        property("ModifiedBy", Kind::Text),
    ],
    objects: &[],
    lists: &[("DiscountCodes", &CODE)],
};

pub static CODE: Entity = Entity {
    name: "DiscountCode",
    properties: &[
        property("ID", Kind::Guid),
        property("CompleteCode", Kind::Text),
        property("CodePrefix", Kind::Text),
        property("Code", Kind::Text),
        property("Redemption", Kind::Int),
        property("ExpireDate", Kind::Day),
        property("IsRestricted", Kind::Flag),
        property("DiscountID", Kind::Guid),
        property("State", Kind::Int),
        property("UseCount", Kind::Int),
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
        property("PluralName", Kind::Text),
        property("Status", Kind::Int),
        property("CreatedDate", Kind::Instant),
        property("CreatedBy", Kind::Text),
        property("ModifiedDate", Kind::Instant),
        property("ModifiedBy", Kind::Text),
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
        property("Status", Kind::Int),
        property("CreatedDate", Kind::Instant),
        property("CreatedBy", Kind::Text),
        property("ModifiedDate", Kind::Instant),
        property("ModifiedBy", Kind::Text),
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
        property("Status", Kind::Int),
        property("CreatedDate", Kind::Instant),
        property("CreatedBy", Kind::Text),
        property("ModifiedDate", Kind::Instant),
        property("ModifiedBy", Kind::Text),
    ],
    objects: &[],
    lists: &[],
};

/// What is told of the catalogue beside the catalogue itself.
pub struct Beside {
    /// Objects of the kind by key.
    pub objects: BTreeMap<String, BookObject>,
    /// How often each code was applied.
    pub redeemed: BTreeMap<String, u32>,
    pub today: NaiveDate,
}

impl Beside {
    fn complete(&self, entity: &Entity, key: &str, record: Record) -> Record {
        let object = self.objects.get(key);
        let document = object.and_then(document_of).unwrap_or(Node::Null);
        with_object(entity, with_document(entity, record, &document), object)
    }

    /// The parts of the same name in a document.
    fn parts(&self, key: &str, name: &str) -> Vec<Node> {
        let document = self.objects.get(key).and_then(document_of);
        match document.as_ref().and_then(|document| document.member(name)) {
            Some(Node::List(list)) => list.clone(),
            _ => Vec::new(),
        }
    }
}

/// The id of a charge of a plan.
pub fn plan_charge_id(plan: &str, charge: &str) -> Uuid {
    book_part("charge", &format!("{plan}\u{1f}{charge}"))
}

pub fn plans(catalogue: &Catalogue, beside: &Beside) -> Vec<Record> {
    catalogue.plans.iter().map(|(id, plan)| plan_record(*id, plan, beside)).collect()
}

fn plan_record(id: PlanId, plan: &Plan, beside: &Beside) -> Record {
    let currencies: Vec<&str> = plan.currencies.iter().map(|currency| currency.code()).collect();
    let family = plan.family.as_deref();
    let values = vec![
        Value::Guid(id.0),
        plan.sku.as_str().into(),
        plan.fullname.as_str().into(),
        plan.currency.code().into(),
        currencies.join(", ").as_str().into(),
        Value::Int(plan.change_handle.into()),
        Value::Flag(plan.tax_inclusive),
        family.map_or(Value::Null, |key| Value::Guid(book_id(ObjectKind::ProductFamily, key))),
    ];
    let written = beside.parts(&plan.sku, "charges");
    let charges = plan.charges.iter().enumerate().map(|(at, charge)| {
        with_document(&CHARGE, charge_record(id, plan, charge), written.get(at).unwrap_or(&Node::Null))
    });
    let record = Record { values, objects: Vec::new(), lists: vec![charges.collect()] };
    beside.complete(&PLAN, &plan.sku, record)
}

fn charge_record(plan_id: PlanId, plan: &Plan, charge: &Charge) -> Record {
    let id = plan_charge_id(&plan.sku, &charge.sku);
    let count = |count: Option<u32>| count.map_or(Value::Null, |count| Value::Int(count.into()));
    let values = vec![
        Value::Guid(id),
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
        count(charge.billing_day),
        Value::Exact(charge.default_amount.normalize()),
        Value::Flag(charge.taxable),
        Value::Int(charge.setup as i64),
        Value::Int(charge.product_charge_type as i64),
        charge.meter.as_str().into(),
        Value::Int(charge.aggregation as i64),
        charge.uom.as_deref().map_or(Value::Null, |key| Value::Guid(book_id(ObjectKind::Uom, key))),
        count(charge.billing_month),
        charge.usage_period.map_or(Value::Null, |(period, _)| Value::Int(period as i64)),
        count(charge.usage_period.map(|(_, interval)| interval)),
        charge.sum_average_factor.map_or(Value::Null, |factor| Value::Exact(factor.normalize())),
        charge.depends_on.as_deref().map_or(Value::Null, |sku| Value::Guid(plan_charge_id(&plan.sku, sku))),
    ];
    let pricings = charge.pricings.iter().map(|pricing| pricing_record(id, pricing)).collect();
    Record { values, objects: Vec::new(), lists: vec![pricings] }
}

fn pricing_record(charge: Uuid, pricing: &Pricing) -> Record {
    let from = pricing.valid_from.map(|day| day.to_string()).unwrap_or_default();
    let key = format!("{}\u{1f}{from}\u{1f}{}", pricing.currency, pricing.segment);
    let values = vec![
        Value::Guid(made_beside(charge, "pricing", &key)),
        Value::Guid(charge),
        Value::Int(pricing.segment.into()),
        pricing.currency.code().into(),
        Value::Exact(pricing.price.normalize()),
        Value::Null,
        pricing.tier_to.map_or(Value::Null, |to| Value::Exact(to.normalize())),
        Value::Int(pricing.format as i64),
        pricing.flat_price.map_or(Value::Null, |price| Value::Exact(price.normalize())),
        pricing.valid_from.map_or(Value::Null, Value::Day),
    ];
    Record { values, ..Record::default() }
}

pub fn discounts(catalogue: &Catalogue, beside: &Beside) -> Vec<Record> {
    catalogue.discounts.iter().map(|(id, discount)| discount_record(*id, discount, beside)).collect()
}

fn discount_record(id: DiscountId, discount: &Discount, beside: &Beside) -> Record {
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
    let codes = discount.codes.iter().map(|code| code_record(id, code, beside)).collect();
    beside.complete(&DISCOUNT, &discount.refkey, Record { values, objects: Vec::new(), lists: vec![codes] })
}

/// Upodi's numbers of a code's state.
const ACTIVE: i64 = 0;
const EXPIRED: i64 = 1;
const CONSUMED: i64 = 2;

fn code_record(discount: DiscountId, code: &DiscountCode, beside: &Beside) -> Record {
    let complete = code.complete();
    let used = beside.redeemed.get(&complete).copied().unwrap_or_default();
    let state = match code.expire_date {
        Some(day) if day <= beside.today => EXPIRED,
        _ if code.redemption > 0 && used >= code.redemption => CONSUMED,
        _ => ACTIVE,
    };
    let values = vec![
        Value::Guid(made_beside(discount.0, "code", &complete)),
        complete.as_str().into(),
        code.prefix.as_str().into(),
        code.code.as_str().into(),
        Value::Int(code.redemption.into()),
        code.expire_date.map_or(Value::Null, Value::Day),
        Value::Flag(!code.plans.is_empty()),
        Value::Guid(discount.0),
        Value::Int(state),
        Value::Int(used.into()),
    ];
    Record { values, ..Record::default() }
}

pub fn uoms(catalogue: &Catalogue, beside: &Beside) -> Vec<Record> {
    let record = |uom: &Uom| {
        let id = Value::Guid(book_id(ObjectKind::Uom, &uom.refkey));
        let values = vec![id, uom.refkey.as_str().into(), uom.fullname.as_str().into()];
        beside.complete(&UOM, &uom.refkey, Record { values, ..Record::default() })
    };
    catalogue.uoms.values().map(record).collect()
}

pub fn business_units(catalogue: &Catalogue, beside: &Beside) -> Vec<Record> {
    let record = |unit: &BusinessUnit| {
        let values = vec![
            Value::Guid(book_id(ObjectKind::BusinessUnit, &unit.refkey)),
            unit.refkey.as_str().into(),
            unit.fullname.as_str().into(),
            unit.accounting_code.as_deref().into(),
            unit.timezone.map(|zone| zone.name()).into(),
            unit.invoice_number_pattern.as_deref().into(),
        ];
        beside.complete(&BUSINESS_UNIT, &unit.refkey, Record { values, ..Record::default() })
    };
    catalogue.business_units.values().map(record).collect()
}

pub fn tax_rules(catalogue: &Catalogue, beside: &Beside) -> Vec<Record> {
    catalogue.tax_rules.iter().map(|rule| tax_rule_record(rule, beside)).collect()
}

fn tax_rule_record(rule: &TaxRule, beside: &Beside) -> Record {
    let key = tax_rule_key(rule);
    let kind = format!("{:?}", rule.rule_type).to_lowercase();
    let values = vec![
        Value::Guid(book_id(ObjectKind::TaxRule, &key)),
        rule.fullname.as_str().into(),
        rule.country.as_str().into(),
        rule.state.as_str().into(),
        if kind == "any" { "*".into() } else { kind.as_str().into() },
        Value::Int(rule.priority),
        Value::Exact(rule.tax_pct.normalize()),
        rule.category.code().into(),
        rule.valid_from.map_or(Value::Null, Value::Day),
        rule.valid_to.map_or(Value::Null, Value::Day),
    ];
    beside.complete(&TAX_RULE, &key, Record { values, ..Record::default() })
}
