//! Enumerations of the catalogue: our names and Upodi's numbers for the same thing.

use serde::{Deserialize, Serialize};

/// Declares an enumeration that reads from its name in any case or Upodi's number, and writes its name.
macro_rules! named_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal / $number:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant,)*
        }
        impl $name {
            /// Every name, in order, for error hints.
            pub const NAMES: &'static [&'static str] = &[$($text),*];

            /// Reads a name in any case, or Upodi's number as text.
            pub fn parse(text: &str) -> Option<Self> {
                let lower = text.trim().to_ascii_lowercase();
                match lower.as_str() {
                    $($text => Some(Self::$variant),)*
                    number => match number.parse::<i64>().ok()? {
                        $($number => Some(Self::$variant),)*
                        _ => None,
                    },
                }
            }
            /// The name used in book files.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

named_enum! {
    /// When a charge arises (Upodi `chargetype`).
    ChargeType { OneTime = "one_time" / 8, Recurring = "recurring" / 16, Usage = "usage" / 32, }
}
named_enum! {
    /// How a quantity becomes an amount (rules P1). Numbers from 2001 are ours.
    PricingModel {
        Flat = "flat" / 8,
        PerUnit = "per_unit" / 16,
        Tiered = "tiered" / 32,
        Volume = "volume" / 64,
        Percentage = "percentage" / 1024,
        Custom = "custom" / 12,
        Package = "package" / 2001,
        Stairstep = "stairstep" / 2002,
        GraduatedPercentage = "graduated_percentage" / 2003,
        Dynamic = "dynamic" / 2004,
    }
}
named_enum! {
    /// Unit of a billing interval (rules T3).
    BillingPeriod {
        Daily = "daily" / 100,
        Weekly = "weekly" / 200,
        Monthly = "monthly" / 300,
        Quarterly = "quarterly" / 400,
        Annually = "annually" / 500,
        DayOfWeek = "day_of_week" / 1000,
        DayOfMonth = "day_of_month" / 1100,
        LastDayOfMonth = "last_day_of_month" / 1200,
    }
}
named_enum! {
    /// Where the first period starts, or arrears (rules T4).
    Alignment {
        SubscriptionStart = "subscription_start" / 8,
        SubscriptionEnd = "subscription_end" / 16,
        SubscriptionCancellation = "subscription_cancellation" / 32,
        SubscriptionActivation = "subscription_activation" / 64,
        PeriodEnd = "period_end" / 128,
        SubscriptionRenewal = "subscription_renewal" / 256,
        CustomerDate = "customer_date" / 1024,
    }
}
named_enum! {
    /// How events of a window become one quantity (rules Q2). `None` = a command sets the quantity.
    Aggregation {
        None = "none" / 0,
        Average = "average" / 2,
        Sum = "sum" / 4,
        Lowest = "lowest" / 8,
        Highest = "highest" / 16,
        Last = "last" / 32,
        Range = "range" / 64,
        SumAverage = "sum_average" / 128,
        Count = "count" / 2001,
        UniqueCount = "unique_count" / 2002,
        WeightedSum = "weighted_sum" / 2003,
        Percentile = "percentile" / 2004,
    }
}
named_enum! {
    /// What a tier's `price` means (rules P3).
    TierPriceFormat { Flat = "flat" / 0, PerUnit = "per_unit" / 1, }
}
named_enum! {
    /// What happens to events that arrive after their period was billed (rules Q5).
    LateUsage { Bill = "bill" / 0, Reject = "reject" / 1, }
}
named_enum! {
    /// Percentage (Upodi) or fixed amount (ours).
    DiscountType { Percentage = "percentage" / 0, Fixed = "fixed" / 1, }
}
named_enum! {
    /// Unit of a discount's life. Note that 400 is years here, quarters elsewhere (Upodi).
    ExpiryPeriod { Days = "days" / 100, Weeks = "weeks" / 200, Months = "months" / 300, Years = "years" / 400, }
}
named_enum! {
    /// Unit of a subscription term.
    TermPeriod { Days = "days" / 100, Months = "months" / 300, Quarters = "quarters" / 400, Years = "years" / 500, }
}
named_enum! {
    /// VAT category code of EN 16931 (UNCL 5305).
    TaxCategory {
        /// Standard rate.
        S = "s" / 1,
        /// Zero rated.
        Z = "z" / 2,
        /// Exempt.
        E = "e" / 3,
        /// Reverse charge.
        AE = "ae" / 4,
        /// Intra-community supply.
        K = "k" / 5,
        /// Export.
        G = "g" / 6,
        /// Outside scope.
        O = "o" / 7,
    }
}
named_enum! {
    /// Whom a tax rule concerns: presence of a VAT number makes a business (Upodi `ruletype`).
    RuleType { Any = "*" / -1, Business = "business" / 1, Consumer = "consumer" / 2, }
}
named_enum! {
    /// Whether a charge is on every subscription or added to single ones (Upodi `chargesetup`).
    ChargeSetup { Standard = "standard" / 0, Optional = "optional" / 1, }
}
named_enum! {
    /// Whether a charge's quantity follows another charge (Upodi `productchargetype`).
    ProductChargeType { Charge = "charge" / 0, Dependency = "dependency" / 10, }
}
named_enum! {
    /// What the tenant's invoices are dated (rules I2).
    InvoiceDateRule { ChargeDate = "charge_date" / 0, Earliest = "earliest" / 1, }
}

impl TaxCategory {
    /// The code as printed on invoices: upper case.
    pub fn code(self) -> &'static str {
        match self {
            Self::S => "S",
            Self::Z => "Z",
            Self::E => "E",
            Self::AE => "AE",
            Self::K => "K",
            Self::G => "G",
            Self::O => "O",
        }
    }
}
