//! Product plans, their charges and price rows.

use super::*;

/// A product plan: charges that are sold together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub sku: String,
    pub fullname: String,
    pub family: Option<String>,
    /// Default currency.
    pub currency: Currency,
    pub currencies: Vec<Currency>,
    /// 0 no proration, 1 prorate upgrades at once, 2 with the next charge (rules R3).
    pub change_handle: u8,
    /// Prices contain tax (rules M4).
    pub tax_inclusive: bool,
    /// `true` for plans that may be sold; drafts are refused on active subscriptions.
    pub active: bool,
    /// Refkey of the policy for its invoices (rules Y3); before that of the payer's unit.
    #[serde(default)]
    pub dunning_policy: Option<String>,
    pub charges: Vec<Charge>,
}

/// One charge of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Charge {
    pub sku: String,
    /// Pairs charges of two plans in a switch; unique in a plan.
    pub anchor_code: Option<String>,
    pub fullname: String,
    /// Title of the invoice line; the full name if absent.
    pub invoice_text: String,
    pub charge_type: ChargeType,
    pub pricing_model: PricingModel,
    pub billing_period: BillingPeriod,
    /// Multiplier of the period, 1 or more.
    pub billing_interval: u32,
    pub alignment: Alignment,
    /// Day for `day_of_week` (1 = Monday … 7), `day_of_month`, `quarterly` and `annually` (1 … 31).
    pub billing_day: Option<u32>,
    /// Month of the year from which `quarterly` and `annually` are counted (1 … 12).
    pub billing_month: Option<u32>,
    /// Quantity of a new subscription charge, and what a usage charge returns to whose quantity is set.
    pub default_amount: Decimal,
    pub taxable: bool,
    pub exempt_reason: Option<String>,
    /// Refkey of the unit of measure.
    pub uom: Option<String>,
    pub setup: ChargeSetup,
    pub product_charge_type: ProductChargeType,
    /// Of a dependent charge: SKU of the charge in the same plan whose quantity it multiplies.
    pub depends_on: Option<String>,

    // Usage
    /// Events of this meter are counted; the charge's SKU unless set.
    pub meter: String,
    pub aggregation: Aggregation,
    /// Window of usage if it is not the billing period (Upodi `usagedataperiod` × interval).
    pub usage_period: Option<(BillingPeriod, u32)>,
    /// Divisor of `sum_average`.
    pub sum_average_factor: Option<Decimal>,
    /// Property counted by `unique_count`.
    pub unique_property: Option<String>,
    /// 0 < p ≤ 100 of `percentile`.
    pub percentile: Option<Decimal>,
    /// A property: one line per value.
    pub group_by: Option<String>,
    /// Only events whose property has one of the values.
    pub filter: BTreeMap<String, Vec<String>>,
    pub late_usage: LateUsage,
    /// Days after a period's end within which late events are billed; none = no bound.
    pub late_cut_off_days: Option<u32>,

    // Price
    pub package_size: Option<Decimal>,
    pub included_amount: Option<Decimal>,
    pub minimum_amount: BTreeMap<Currency, Decimal>,
    pub maximum_amount: BTreeMap<Currency, Decimal>,
    pub charge_at_zero: bool,
    /// Every price row, in (currency, validfrom, segment) order.
    pub pricings: Vec<Pricing>,
}

/// One row of a price list: one tier of one currency from one date.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pricing {
    pub currency: Currency,
    /// Order of the tier.
    pub segment: u32,
    /// Upper bound of the tier, included; none = open.
    pub tier_to: TierBound,
    /// Price per unit, or of the step, or flat (see `format`), in major units.
    pub price: Decimal,
    pub format: TierPriceFormat,
    /// Added when the tier is entered.
    pub flat_price: Option<Decimal>,
    /// Percent of the amount for percentage models: 2.5 = 2.5 %.
    pub percentage: Option<Decimal>,
    /// Fee per event for `percentage`.
    pub fixed_fee: Option<Decimal>,
    /// Least and most that one event costs under `percentage`.
    pub event_minimum: Option<Decimal>,
    pub event_maximum: Option<Decimal>,
    /// Multiplier of `dynamic`; 1 if absent.
    pub multiplier: Option<Decimal>,
    /// Dated price version (rules P9); none = always.
    pub valid_from: Option<NaiveDate>,
}

/// Upper bound of a tier, included; none = open.
pub type TierBound = Option<Decimal>;

impl Charge {
    /// Whether quantities come from usage events (Upodi: metered).
    pub fn is_metered(&self) -> bool {
        self.charge_type == ChargeType::Usage && self.aggregation != Aggregation::None
    }

    /// Whether the charge is billed at the end of its period (rules T5).
    pub fn is_arrears(&self) -> bool {
        self.charge_type == ChargeType::Usage || self.alignment == Alignment::PeriodEnd
    }

    /// The key that pairs this charge in a plan switch: anchor code, else SKU (rules S5).
    pub fn anchor(&self) -> &str {
        self.anchor_code.as_deref().unwrap_or(&self.sku)
    }

    /// The price rows of `currency` in force on `date`: all rows of the latest version that has begun (rules P9).
    pub fn version_on(&self, currency: Currency, date: NaiveDate) -> Vec<&Pricing> {
        let rows = || self.pricings.iter().filter(move |p| p.currency == currency);
        let Some(begun) =
            rows().filter(|p| p.valid_from.is_none_or(|d| d <= date)).map(|p| p.valid_from).max()
        else {
            return Vec::new();
        };
        let mut version: Vec<&Pricing> = rows().filter(|p| p.valid_from == begun).collect();
        version.sort_by_key(|p| p.segment);
        version
    }

    /// Days inside `(start, end)` on which another version of the price begins (rules P9).
    pub fn version_starts(&self, currency: Currency, start: NaiveDate, end: NaiveDate) -> Vec<NaiveDate> {
        let mut days: Vec<NaiveDate> = self
            .pricings
            .iter()
            .filter(|p| p.currency == currency)
            .filter_map(|p| p.valid_from)
            .filter(|d| *d > start && *d < end)
            .collect();
        days.sort_unstable();
        days.dedup();
        days
    }

    /// Whether any price row is of this currency.
    pub fn priced_in(&self, currency: Currency) -> bool {
        self.pricing_model == PricingModel::Custom || self.pricings.iter().any(|p| p.currency == currency)
    }
}

impl Plan {
    /// Currency of a subscription of a customer who prefers `wanted` (rules P8).
    pub fn currency_for(&self, wanted: Currency) -> Currency {
        if self.currencies.contains(&wanted) { wanted } else { self.currency }
    }

    /// The charge with this SKU.
    pub fn charge(&self, sku: &str) -> Option<&Charge> {
        self.charges.iter().find(|c| c.sku == sku)
    }
}
