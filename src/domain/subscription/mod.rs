//! Subscriptions: what was agreed at the start, and the ordered timeline of dated acts since (rules S4).

mod holding;
mod life;
mod monthly;
mod open;
mod request;
#[cfg(test)]
pub(crate) mod sample;
mod service;
mod state;
mod timeline;
mod triggers;
mod verbs;

pub use life::{EndCause, Ending, Hold, Life, Terms, acts_known, acts_up_to};
pub use request::{Arguments, EFFECTIVE, Request};
pub use service::{Slot, interval_of};
pub use state::{State, VerbName};
pub use timeline::{
    ChangeMark, ChargeLife, ChargeTerms, Moment, NotInCatalogue, Removal, RemovedBy, Since, Timeline, View,
    pair,
};
pub use verbs::{ActContext, act, applicable};

use crate::catalogue::{AppliedDiscount, TermPeriod};
use crate::ids::{ChargeReference, CustomerId, PlanId, SubscriptionId};
use crate::money::Currency;
use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A subscription as loaded, plus what has been done to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    pub id: SubscriptionId,
    pub number: String,
    /// The owner.
    pub customer: CustomerId,
    pub plan: PlanId,
    /// Fixed at activation (rules P8).
    pub currency: Currency,
    /// First day of the agreement.
    pub start: NaiveDate,
    /// First day after the agreement; none = evergreen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<NaiveDate>,
    /// Day of activation; none = draft. Loaded as active counts as activated on `start` (rules T5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activated: Option<NaiveDate>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub auto_renew: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_term: Option<(TermPeriod, u32)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal_term: Option<(TermPeriod, u32)>,
    /// First day after the trial (rules S3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial_end: Option<NaiveDate>,
    /// Taken over from another system, which billed whatever has a charge date before this day (rules S7).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billed_through: Option<NaiveDate>,
    /// Copied to invoices (PO number).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refkey: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_unit: Option<String>,
    /// Refkey of a payment method of the owner that overrides the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount: Option<AppliedDiscount>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub charges: Vec<SubscriptionCharge>,
    /// In the order in which they take effect (rules T7).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acts: Vec<Act>,
}

impl Subscription {
    /// Every plan that it has or has had.
    pub fn plans(&self) -> BTreeSet<PlanId> {
        let switched = self.acts.iter().filter_map(|act| match &act.verb {
            Verb::SwitchPlan { plan, .. } => Some(*plan),
            _ => None,
        });
        switched.chain([self.plan]).collect()
    }
}

/// A plan charge on a subscription.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubscriptionCharge {
    pub reference: ChargeReference,
    /// SKU of the plan charge.
    pub charge: String,
    /// Quantity (Upodi `amount`).
    pub amount: Decimal,
    /// Overrides the plan's price; the price of `custom` charges. Major units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_price: Option<Decimal>,
    /// First day of service if it is not the subscription's: optional charges, `customer_date` alignment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<NaiveDate>,
    /// As [`Subscription::billed_through`], where the other system billed this charge differently.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billed_through: Option<NaiveDate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount: Option<AppliedDiscount>,
}

/// Something done to a subscription, with the day on which it takes effect and the day on which it was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Act {
    /// First day of the new state.
    pub on: NaiveDate,
    /// Day on which it was asked for.
    pub done: NaiveDate,
    /// Position among the acts of the subscription, from 1.
    pub ordinal: u32,
    pub verb: Verb,
}

/// The verbs of rules S2 with their arguments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum Verb {
    Activate,
    Cancel {
        option: CancelOption,
        refund_prorated: bool,
    },
    Reactivate,
    Hold {
        /// Gives back what is paid in advance from that day on (rules R4).
        #[serde(default)]
        refund_prorated: bool,
    },
    Resume {
        option: ResumeOption,
    },
    Expire {
        #[serde(default)]
        refund_prorated: bool,
    },
    SwitchPlan {
        plan: PlanId,
        when: SwitchWhen,
        prorate: Option<bool>,
    },
    SetAmount {
        charge: ChargeReference,
        amount: Decimal,
        prorate: Option<bool>,
    },
    SetPrice {
        charge: ChargeReference,
        unit_price: Option<Decimal>,
    },
    AddOptionalCharge {
        charge: String,
        reference: ChargeReference,
        amount: Decimal,
        unit_price: Option<Decimal>,
    },
    RemoveCharge {
        charge: ChargeReference,
        #[serde(default)]
        refund_prorated: bool,
    },
    ToggleCharge {
        charge: ChargeReference,
        toggled: bool,
    },
    /// One charge rests, while its subscription goes on.
    HoldCharge {
        charge: ChargeReference,
        /// Gives back what is paid of it in advance from that day on (rules R4).
        #[serde(default)]
        refund_prorated: bool,
    },
    ResumeCharge {
        charge: ChargeReference,
        option: ResumeOption,
    },
    SetPaymentMethod {
        refkey: Option<String>,
    },
    SetNextChargeDate {
        charge: ChargeReference,
        date: NaiveDate,
    },
    SkipNextCharge {
        charge: ChargeReference,
    },
    /// First day after the trial, instead of what was agreed (rules S3).
    SetTrialEnd {
        date: NaiveDate,
    },
    Renew,
    ApplyDiscount {
        charge: Option<ChargeReference>,
        discount: AppliedDiscount,
    },
    ClearDiscount {
        charge: Option<ChargeReference>,
    },
}

/// When a cancellation takes effect (Upodi `CancelOption`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelOption {
    AtRenewal,
    Immediately,
    BeforeNextBilling,
    OnDate,
}

/// From when a resumed subscription is billed again (rules S4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResumeOption {
    NextPeriod,
    FromHoldDate,
    Today,
}

/// When a plan switch takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwitchWhen {
    Now,
    NextCharge,
    AtRenewal,
}
