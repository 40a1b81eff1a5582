//! The catalogue: who sells (tenant, business units), what is sold (plans, charges, pricings), and the rules that
//! hold for everybody (tax rules, discounts, exchange rates). Field names are Upodi's.

mod charge;
mod enums;
mod paper;
mod seller;

pub use charge::{Charge, Plan, Pricing, TierBound};
pub use enums::*;
pub use paper::Paper;
pub use seller::{BusinessUnit, ProductFamily, Rate, TaxRule, Tenant, Uom};

use crate::dunning::DunningPolicy;
use crate::ids::{DiscountId, PlanId};
use crate::money::Currency;
use crate::payment_reference::ReferenceRule;
use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Everything of the book that is not per payer. Small: it is loaded once per run and shared.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Catalogue {
    pub tenant: Tenant,
    /// By refkey.
    pub business_units: BTreeMap<String, BusinessUnit>,
    pub tax_rules: Vec<TaxRule>,
    pub rates: Vec<Rate>,
    /// By refkey.
    pub uoms: BTreeMap<String, Uom>,
    /// By refkey.
    pub families: BTreeMap<String, ProductFamily>,
    /// By id (the id follows from the SKU).
    pub plans: BTreeMap<PlanId, Plan>,
    /// By id (the id follows from the refkey).
    pub discounts: BTreeMap<DiscountId, Discount>,
    /// By refkey.
    #[serde(default)]
    pub dunning_policies: BTreeMap<String, DunningPolicy>,
}

impl Catalogue {
    /// The policy by that name, else the one that is the default, else the one of a book that says nothing (rules Y3).
    pub fn dunning_policy(&self, refkey: Option<&str>) -> Cow<'_, DunningPolicy> {
        let named = refkey.and_then(|refkey| self.dunning_policies.get(refkey));
        let found = named.or_else(|| self.dunning_policies.values().find(|policy| policy.is_default));
        found.map_or_else(|| Cow::Owned(DunningPolicy::default()), Cow::Borrowed)
    }

    /// What the payment references of a business unit's invoices are made of; none = their numbers are stated.
    pub fn reference_rule(&self, business_unit: Option<&str>) -> Option<&ReferenceRule> {
        let unit = business_unit.and_then(|refkey| self.business_units.get(refkey));
        unit.and_then(|unit| unit.payment_reference.as_ref()).or(self.tenant.payment_reference.as_ref())
    }

    /// Whether every charge of this meter counts events, so that an event without a quantity is one event (rules Q3).
    pub fn is_only_counted(&self, meter: &str) -> bool {
        let charges = self.plans.values().flat_map(|plan| &plan.charges);
        let mut counting = charges.filter(|charge| charge.is_metered() && charge.meter == meter).peekable();
        counting.peek().is_some()
            && counting.all(|c| matches!(c.aggregation, Aggregation::Count | Aggregation::UniqueCount))
    }
}

/// Objects of earlier versions had no status.
pub(crate) fn is_active_unless_said() -> bool {
    true
}

/// A discount as defined in the book; who enjoys it is an [`AppliedDiscount`] (rules D1, D2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Discount {
    pub refkey: String,
    pub fullname: String,
    /// Percentage as a fraction (0.10 = 10 %), or a fixed amount in major units of `currency`.
    pub amount: Decimal,
    pub kind: DiscountType,
    /// Only for fixed amounts.
    pub currency: Option<Currency>,
    /// Printed on discounted lines.
    pub invoice_text: String,
    /// How long it runs from its application; none = for ever.
    pub expiry: Option<(ExpiryPeriod, u32)>,
    pub codes: Vec<DiscountCode>,
    /// Its codes may be applied; who has one keeps it.
    #[serde(default = "is_active_unless_said")]
    pub active: bool,
}

/// A code that grants a discount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscountCode {
    pub prefix: String,
    pub code: String,
    /// How often it may be applied; 0 = without limit.
    pub redemption: u32,
    /// First day on which it can no longer be applied.
    pub expire_date: Option<NaiveDate>,
    /// SKUs of the plans it is restricted to; empty = any.
    pub plans: Vec<String>,
}

impl DiscountCode {
    /// `PREFIX-CODE`.
    pub fn complete(&self) -> String {
        format!("{}-{}", self.prefix, self.code)
    }
}

/// A discount in force on a customer, subscription or charge since `from`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedDiscount {
    pub discount: DiscountId,
    /// `PREFIX-CODE` that was applied.
    pub code: String,
    /// First day on which it counts.
    pub from: NaiveDate,
    /// First day on which it no longer counts, if a command cleared it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<NaiveDate>,
}
