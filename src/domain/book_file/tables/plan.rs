//! Plans with their charges and prices, and discounts.

use super::Shape::*;
use super::{Table, assumed, not_used, optional, required};
use crate::book_file::content::ObjectKind;
use crate::catalogue::{
    Aggregation, Alignment, BillingPeriod, ChargeSetup, ChargeType, DiscountType, ExpiryPeriod, LateUsage,
    PricingModel, ProductChargeType, TierPriceFormat,
};

const STATUS: &[&str] = &["active", "inactive"];
const PLAN_STATUS: &[&str] = &["active", "inactive", "draft"];
const MANY: i64 = 1_000_000;

pub(super) static PLAN: Table = Table {
    name: "productplan",
    meaning: "What is sold: charges that belong together, with their prices.",
    fields: &[
        required("sku", Text, "Name by which subscriptions refer to it."),
        assumed("fullname", Text, "sku", "Name for people."),
        optional(
            "productfamily|productfamilyid",
            Reference(ObjectKind::ProductFamily),
            "Group that it belongs to.",
        ),
        required("currencycode", Currency, "Default currency."),
        assumed(
            "currencies|activecurrencies",
            Texts,
            "those of the prices",
            "Currencies in which it is sold.",
        ),
        assumed(
            "changehandle",
            Integer(0, 2),
            "0",
            "Changes within a period: 0 with the next period, 1 at once, 2 with the next charge.",
        ),
        assumed("taxinclusive", Boolean, "false", "Prices contain VAT."),
        optional(
            "dunningpolicy|dunningscheme",
            Reference(ObjectKind::DunningPolicy),
            "Policy for its invoices.",
        ),
        assumed(
            "status",
            Choice(PLAN_STATUS),
            "active",
            "Only an active plan takes new subscriptions; running ones go on.",
        ),
        required("charges|productplancharges", List(&CHARGE), "What is charged."),
        not_used("refkey"),
        not_used("description"),
        not_used("note"),
    ],
};

static CHARGE: Table = Table {
    name: "charge",
    meaning: "One charge of a plan.",
    fields: &[
        required("sku", Text, "Name of the charge, once in a plan."),
        assumed("fullname", Text, "sku", "Name for people."),
        assumed("invoicetext", Text, "fullname", "Title of the invoice line."),
        optional(
            "anchorcode",
            Text,
            "Pairs the charge with one of another plan when a subscription switches.",
        ),
        required("chargetype", Choice(ChargeType::NAMES), "When it arises."),
        required("pricingmodel", Choice(PricingModel::NAMES), "How a quantity becomes an amount."),
        assumed(
            "billingperiod",
            Choice(BillingPeriod::NAMES),
            "required, but for one_time",
            "Unit of its periods.",
        ),
        assumed("billingperiodinterval", Integer(1, 1_200), "1", "So many units are one period."),
        assumed(
            "billingperiodalignment",
            Choice(Alignment::NAMES),
            "period_end for usage, else subscription_start",
            "Where the first period begins; `period_end` is in arrears, all others in advance.",
        ),
        optional(
            "billingday",
            Integer(1, MANY),
            "Day for `day_of_week` (1 = Monday … 7), `day_of_month`, `quarterly` and `annually` (1 … 31).",
        ),
        optional("billingmonth", Integer(1, MANY), "Month for `quarterly` and `annually` (1 … 12)."),
        assumed("defaultamount", Decimal, "1; 0 for usage", "Quantity of a new subscription."),
        assumed("taxable", Boolean, "true", "Whether VAT is charged."),
        optional("exemptreason", Text, "Printed if it is not taxable."),
        optional("uom|uomid", Reference(ObjectKind::Uom), "Unit printed beside quantities."),
        assumed(
            "chargesetup",
            Choice(ChargeSetup::NAMES),
            "standard",
            "`optional` charges are only on subscriptions that list them.",
        ),
        assumed(
            "productchargetype",
            Choice(ProductChargeType::NAMES),
            "charge",
            "A `dependency` takes its quantity from another charge.",
        ),
        optional(
            "addonproductcharge|dependson|addonproductchargeid",
            Text,
            "SKU of the charge that a dependency follows.",
        ),
        assumed("meter", Text, "sku", "Events of this meter are counted."),
        assumed(
            "usagedatacalculationtype",
            Choice(Aggregation::NAMES),
            "none",
            "How the events of a period become one quantity; with `none` a command sets it.",
        ),
        assumed(
            "usagedataperiod",
            Choice(BillingPeriod::NAMES),
            "billingperiod",
            "Window of usage, if it is another one.",
        ),
        assumed("usagedataperiodinterval", Integer(1, 1_200), "1", "So many units are one window."),
        optional("sumaveragefactor", Decimal, "Divisor of `sum_average`."),
        optional("uniqueproperty", Text, "Property that `unique_count` counts."),
        optional("percentile", Decimal, "Above 0, at most 100, for `percentile`."),
        optional("groupby", Text, "A property of events: one line per value."),
        optional("filter", TextsByName, "Only events whose property has one of these values."),
        assumed(
            "lateusage",
            Choice(LateUsage::NAMES),
            "bill",
            "What happens to events of a period that is billed.",
        ),
        optional(
            "lateusagedays",
            Integer(0, MANY),
            "Days after a period within which late events are billed.",
        ),
        optional("packagesize", Decimal, "Units of one package."),
        optional("includedamount", Decimal, "Units of each period that cost nothing."),
        optional("minimumamount", Amounts, "Least that a period costs."),
        optional("maximumamount", Amounts, "Most that a period costs."),
        assumed("chargeatzero", Boolean, "false", "Prints and charges a line at quantity 0."),
        optional(
            "pricings|productplanchargepricings",
            List(&PRICING),
            "Price rows: one per currency, first day and tier.",
        ),
        not_used("id"),
        not_used("description"),
    ],
};

static PRICING: Table = Table {
    name: "pricing",
    meaning: "One price row of a charge.",
    fields: &[
        assumed("currencycode", Currency, "the plan's", "Currency of the row."),
        assumed("segment", Integer(0, MANY), "as the rows stand", "Order of the tier."),
        optional("tierfrom", Decimal, "Lower bound, only checked: the upper bound before it, or one more."),
        optional("tierto", Decimal, "Upper bound, which belongs to the tier; the last tier has none."),
        assumed(
            "price",
            Decimal,
            "required, but for models that price otherwise",
            "Price of a unit, or of the step, in major units.",
        ),
        assumed(
            "tierpriceformat",
            Choice(TierPriceFormat::NAMES),
            "per_unit",
            "Whether a tier's price is per unit, or once.",
        ),
        optional("flatprice", Decimal, "Added when the tier is entered."),
        optional("percentage", Decimal, "Percent of the amount, for the percentage models: 2.5 is 2.5 %."),
        optional("fixedfee", Decimal, "Fee for each event, for `percentage`."),
        optional("eventminimum|minimum", Decimal, "Least that an event costs, for `percentage`."),
        optional("eventmaximum|maximum", Decimal, "Most that an event costs, for `percentage`."),
        assumed("multiplier", Decimal, "1", "For `dynamic`."),
        optional("validfrom", Date, "First day of this price version."),
        not_used("id"),
        not_used("description"),
    ],
};

pub(super) static DISCOUNT: Table = Table {
    name: "discount",
    meaning: "Less to pay, for whoever a code is applied to.",
    fields: &[
        required("refkey", Text, "Name of the discount."),
        assumed("fullname", Text, "refkey", "Name for people."),
        assumed("type", Choice(DiscountType::NAMES), "percentage", "A fraction of the price, or an amount."),
        required("amount", Decimal, "A fraction (0.10 is 10 %), or an amount of `currencycode`."),
        optional("currencycode", Currency, "Currency of a fixed amount; needed for it."),
        assumed("invoicetext", Text, "fullname", "Printed on lines that it lowers."),
        assumed("expiryperiod", Choice(ExpiryPeriod::NAMES), "for ever", "Unit of its life."),
        optional("expiryperiodinterval", Integer(1, 10_000), "So many units it runs from its application."),
        optional("codes|discountcodes", List(&CODE), "What is applied is a code, written PREFIX-CODE."),
        assumed("status", Choice(STATUS), "active", "`inactive`: what uses it goes on, and nothing new may."),
    ],
};

static CODE: Table = Table {
    name: "code",
    meaning: "A code that grants a discount.",
    fields: &[
        required("codeprefix", Text, "The part before the hyphen."),
        required("code", Text, "The part behind the hyphen."),
        assumed("redemption", Integer(0, MANY), "0", "How often it may be applied; 0 is without limit."),
        optional("expiredate", Date, "First day on which it can no longer be applied."),
        assumed("productplans|plans", Texts, "any plan", "SKUs of the plans that it is for."),
        not_used("id"),
        not_used("completecode"),
        not_used("isrestricted"),
        not_used("state"),
        not_used("usecount"),
    ],
};

pub(super) static MARK: Table = Table {
    name: "discount",
    meaning: "A discount code on a customer, subscription or charge.",
    fields: &[
        required("code", Text, "PREFIX-CODE."),
        assumed("from", Date, "the first day; needed on a customer", "First day on which it counts."),
    ],
};
