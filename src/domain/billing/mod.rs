//! The core: every invoice comes into being here, in `run`, `run --preview` and `simulate` alike. Synchronous and
//! pure: load a [`PayerBook`], ask what is [`due`], measure it, [`bill`] it, save the outcome.

mod balance;
mod bill;
mod booking;
pub mod bounds;
mod change_rating;
mod changes;
mod credit;
mod custom;
mod drafting;
mod edit;
mod hash;
mod items;
mod late;
mod late_charge;
mod late_rating;
mod paid;
mod rating;
mod rebill;
#[cfg(test)]
pub(crate) mod sample;
mod steps;
mod taken_over;
mod unbilled;
mod windows;

pub use balance::{Credited, CreditedLine, credits_of, over_credited};
pub use bill::bill;
pub use booking::{
    BookError, book, check, first_sequence, format_number, lacks_amended, name_amended, numbered, rank,
    refer, takes_reference,
};
pub use credit::{CreditLine, CreditScope, EarlierCredits, credit_note};
pub use custom::{CUSTOM_SKU, CustomInvoice, CustomLine, custom_draft};
pub use drafting::{buyer_tax, seller_tax};
pub use edit::{DraftEdit, Edited, LineEdit, edited};
pub use hash::run_hash;
pub use late_charge::{
    LATE_INTEREST_SKU, REMINDER_FEE_SKU, Reminded, charged_until, is_late_charge, late_charge,
    late_charge_id, late_charges_of,
};
pub use rebill::reopens;
pub use taken_over::{
    OpenItem, TAKEN_OVER_SKU, expect_free_number, expect_same_item, taken_over, taken_over_marks,
};
pub use unbilled::{as_of_the_end_of, unbilled};
pub use windows::{due, instants, zone};

use crate::catalogue::{Catalogue, TaxCategory};
use crate::customer::Customer;
use crate::exact::Exact;
use crate::ids::*;
use crate::invoice::{Draft, LineKey};
use crate::measure::{Instants, Window};
use crate::money::Currency;
use crate::period::Period;
use crate::subscription::Subscription;
use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All that billing one root payer needs: the payer, everybody who bills to it, their subscriptions, and what has
/// been billed before.
#[derive(Debug, Clone)]
pub struct PayerBook {
    pub catalogue: Arc<Catalogue>,
    /// The customer who receives the invoices: the first ancestor without `bill_to_parent` (rules B2).
    pub payer: CustomerId,
    /// Raised by any change to the tree; drafts carry it.
    pub revision: i64,
    pub customers: BTreeMap<CustomerId, Customer>,
    pub subscriptions: BTreeMap<SubscriptionId, Subscription>,
    /// What drafts and invoices have taken, oldest first, per charge reference.
    pub billed: BTreeMap<ChargeReference, Vec<BilledLine>>,
    /// What was billed, was credited, and is due again, oldest first, per charge reference (rules I4).
    pub reopened: BTreeMap<ChargeReference, Vec<ReopenedLine>>,
    /// What has been credited of the payer's lines, by people and by runs, open drafts included (rules M3).
    pub credited: Credited,
    /// Lines of drafts below the tenant's minimum that wait for a larger invoice (rules I8).
    pub carried: Vec<CarriedDraft>,
    /// How often each discount's codes have been redeemed (rules D1).
    pub codes_redeemed: BTreeMap<DiscountId, u32>,
    /// Usage that came in after its period was billed (rules Q5).
    pub late: Vec<LateHint>,
}

/// Newly imported events of a subscription and meter lie inside `range`: billed periods that it meets are measured
/// again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateHint {
    pub subscription: SubscriptionId,
    pub meter: String,
    pub range: Instants,
}

/// A period that some draft or invoice has taken, also with quantity 0 (rules Q5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BilledLine {
    pub key: LineKey,
    pub subscription: SubscriptionId,
    pub period: Period,
    pub charge_date: NaiveDate,
    /// None if quantity 0 printed no line.
    pub line: Option<LineId>,
    /// None if nothing was drafted for it.
    pub invoice: Option<InvoiceId>,
    /// Set once booked.
    pub invoice_number: Option<String>,
    pub currency: Currency,
    /// Group of a grouped charge.
    pub group: Option<String>,
    /// The rated quantity.
    pub quantity: Exact,
    /// Net of the line after discount, minor units (gross on tax-inclusive plans).
    pub net_minor: i64,
    /// Discount as a fraction, kept for corrections (rules M5).
    pub discount: Decimal,
    /// What a fixed discount has taken off the period, minor units: it stays taken off (rules M5).
    pub granted_minor: i64,
    /// What the line came to on paper, see [`crate::invoice::Line::priced_minor`]: the most that can be credited of it.
    /// It is `net_minor` unless a person has changed the draft.
    pub priced_minor: i64,
    /// VAT of the line.
    pub vat_minor: i64,
    pub tax_category: TaxCategory,
    pub tax_pct: Decimal,
    /// The run's usage mark: later imports are late (rules Q5).
    pub usage_mark: i64,
    /// Ordinal of the last act of the subscription that it was billed with: later ones of its day came after the run
    /// (rules R4). None on lines of versions that did not note it.
    #[serde(default)]
    pub acts_seen: Option<u32>,
}

/// A billed line whose period is due again: its invoice was credited for a rebill (rules I4).
#[derive(Debug, Clone, PartialEq)]
pub struct ReopenedLine {
    pub line: BilledLine,
    /// The day of the credit note: from it on the period may be billed again.
    pub on: NaiveDate,
}

/// A draft that waits because it is below the minimum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CarriedDraft {
    pub draft: Draft,
    pub since: NaiveDate,
}

/// What must be measured before a payer can be billed, and how its usage is accounted for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Due {
    pub windows: Vec<Window>,
    /// Per subscription and meter: which class each event of a time range is in, over the periods that this run
    /// bills (rules Q4).
    pub classes: Vec<ClassRange>,
}

/// All events of (subscription, meter) inside `range` are of one class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassRange {
    pub subscription: SubscriptionId,
    pub meter: String,
    pub range: Instants,
    pub class: UsageClass,
}

/// What becomes of an event (rules Q4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageClass {
    Rated,
    Open,
    NoCharge,
    BeforeStart,
    AfterEnd,
    OnHold,
    Trial,
    CutOff,
}

/// What does not follow from the book: which run this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunContext {
    /// Counts runs from 1; goes into every id (rules S5).
    pub ordinal: u64,
    /// The payer's place in the run; goes into every id (rules S5).
    pub place: Place,
    pub as_of: NaiveDate,
    /// Highest import number this run reads (rules Q5).
    pub usage_mark: i64,
    /// Charge dates per charge that one run may catch up (rules T6).
    pub catch_up_max: u32,
}

/// What came of billing one payer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Billed {
    /// Oldest charge date first.
    pub drafts: Vec<Draft>,
    /// Every period taken, with or without a line.
    pub lines: Vec<BilledLine>,
    /// The payer's carried drafts after this run (replaces what was there).
    pub carried: Vec<CarriedDraft>,
    /// A safety bound stopped the payer: nothing else is filled in.
    pub parked: Option<String>,
    /// What was credited before, if the drafts credit something: it must still be so when they are saved.
    pub credited: Option<Credited>,
    /// SHA-256 over what is billed: lines and amounts, not ids, numbers or times; empty if nothing is.
    pub hash: String,
}
