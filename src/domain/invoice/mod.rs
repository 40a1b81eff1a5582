//! Invoices from draft to paid, their lines, and their form on the wire.

pub mod account;
mod printed;
mod settlement;
mod state;
pub mod statement;
pub mod verbs;
mod wire;

pub use printed::PrintedLine;
pub use settlement::*;
pub use state::State;
pub use wire::*;

use crate::catalogue::TaxCategory;
use crate::customer::Address;
use crate::exact::Exact;
use crate::ids::*;
use crate::money::Currency;
use crate::payment_reference::PaymentReference;
use crate::period::Period;
use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// State of the document (Upodi `invoicestatus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceStatus {
    Draft = 0,
    Booked = 10,
    Cancelled = 50,
    Failed = 1024,
}

/// State of its payment (Upodi `paymentstatus`). Of an invoice on which nothing is open, `Cancelled` says that it was credited
/// and nobody paid, `Failed` that some of it was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    NotPaid = 0,
    Paid = 20,
    Cancelled = 50,
    Pending = 60,
    PendingResponse = 70,
    Declined = 80,
    PendingRetry = 90,
    Dunning = 100,
    Failed = 1024,
}

/// How much of it is settled (Upodi `settlementstatus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettlementStatus {
    NotSettled = 0,
    Partially = 2,
    Settled = 4,
    OverSettled = 8,
}

/// Why a line exists (rules S5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    Regular,
    ProrationCredit,
    ProrationCharge,
    Late,
    TrueUp,
    /// Written on a custom invoice.
    Custom,
    /// Carried over from an invoice below the minimum (rules I8).
    Carried,
}

impl LineKind {
    /// The word used in keys and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Regular => "regular",
            Self::ProrationCredit => "proration_credit",
            Self::ProrationCharge => "proration_charge",
            Self::Late => "late",
            Self::TrueUp => "true_up",
            Self::Custom => "custom",
            Self::Carried => "carried",
        }
    }
}

/// Key of a rated line: nothing may be billed twice under one key (rules S5).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LineKey {
    pub charge: ChargeReference,
    pub period_start: NaiveDate,
    /// 0 for the first billing of a period; `--rebill` opens the next (rules I4).
    pub revision: u32,
    pub kind: LineKind,
    pub ordinal: u32,
}

impl LineKey {
    /// Whether both stand for the same of a charge, billed once or again.
    pub fn is_same_in_any_revision(&self, other: &Self) -> bool {
        Self { revision: other.revision, ..self.clone() } == *other
    }
}

/// One line, draft or booked. Amounts are minor units of the invoice's currency.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    pub id: LineId,
    /// From 1, in print order.
    pub number: u32,
    /// None on custom lines.
    pub key: Option<LineKey>,
    /// Owner of the service (differs from the payer with bill-to-parent).
    pub owner: CustomerId,
    pub subscription: Option<SubscriptionId>,
    pub subscription_number: Option<String>,
    pub sku: String,
    pub title: String,
    /// Tiers, groups, or why it exists; may be empty.
    pub description: String,
    /// As printed (rules P7): the real quantity only where quantity × unit price is the amount.
    pub quantity: Decimal,
    pub unit_price: Decimal,
    /// The quantity that was rated, up to 9 decimals.
    pub rated_quantity: Decimal,
    /// Unit of measure as printed.
    pub unit: Option<String>,
    /// Net after discount; gross after discount on tax-inclusive lines before M4 has split it.
    pub subtotal_minor: i64,
    /// Discount as a fraction, 0.10 = 10 %; zero for none or fixed amounts.
    pub discount: Decimal,
    pub discount_minor: i64,
    pub discount_text: Option<String>,
    pub tax_category: TaxCategory,
    /// Percent.
    pub tax_pct: Decimal,
    pub tax_reason: Option<String>,
    pub vat_minor: i64,
    /// Service period; for one-time charges the trigger day alone.
    pub period: Period,
    /// Day whose tax rule holds (rules I2).
    pub tax_date: NaiveDate,
    /// Revenue is spread over the period (advance recurring) instead of earned at once.
    pub deferred: bool,
    pub arrears: bool,
    /// Prices contain tax (rules M4).
    pub tax_inclusive: bool,
    /// Carried from an earlier change (Upodi `isamendment`): late usage and deferred proration.
    pub is_amendment: bool,
    /// Proration taken now (Upodi `isadjustment`).
    pub is_adjustment: bool,
    /// Number of the invoice that this line amends (rules M5).
    pub amends: Option<String>,
    pub business_unit: Option<String>,
    /// Code of the owner's business unit.
    pub accounting_code: Option<String>,
    /// Exact amount before discount and rounding, for corrections (rules M5).
    pub exact: Exact,
    /// What it gives back of lines that were billed before (rules M3); empty on most.
    #[serde(default)]
    pub credits: Vec<Credit>,
}

impl Line {
    /// Net plus VAT.
    pub fn gross_minor(&self) -> i64 {
        self.subtotal_minor + self.vat_minor
    }

    /// What its price comes to, once it is taxed: net, or gross where the price includes VAT (rules M4). That is
    /// what can be credited of it.
    pub fn priced_minor(&self) -> i64 {
        if self.tax_inclusive { self.gross_minor() } else { self.subtotal_minor }
    }
}

/// A part of a line that another line gives back, in minor units and with the sign of the line that is credited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credit {
    /// The line that is credited.
    pub line: LineId,
    /// Net, or gross where its price includes VAT: see [`Line::priced_minor`].
    pub amount_minor: i64,
    pub vat_minor: i64,
}

/// VAT of one (category, rate) group of an invoice (rules M2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VatGroup {
    pub category: TaxCategory,
    /// Percent.
    pub rate_pct: Decimal,
    pub reason: Option<String>,
    pub net_minor: i64,
    pub vat_minor: i64,
}

/// A party as it was when the invoice was booked (rules I6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    pub name: String,
    pub vat_number: Option<String>,
    pub address: Address,
    pub email: Option<String>,
}

impl Party {
    /// What is left of a buyer who was erased: the country, from which the VAT follows.
    #[must_use]
    pub fn erased(&self, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            vat_number: None,
            address: Address { country: self.address.country.clone(), ..Address::default() },
            email: None,
        }
    }
}

/// An invoice before booking: everything but its number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    pub id: InvoiceId,
    /// Natural key from which the id follows: payer, subscription, currency, charge date (rules I1).
    pub payer: CustomerId,
    pub account_number: String,
    /// None on collective and custom invoices.
    pub subscription: Option<SubscriptionId>,
    pub subscription_number: Option<String>,
    /// Set if all lines belong to one owner that is not the payer (rules B2).
    pub child: Option<CustomerId>,
    pub currency: Currency,
    pub charge_date: NaiveDate,
    /// rules I2.
    pub invoice_date: NaiveDate,
    pub due_date: NaiveDate,
    pub payment_term: u32,
    pub is_credit_note: bool,
    /// Numbers of the invoices that a credit note amends.
    pub credits: Vec<String>,
    /// Name of the number series, for example `dk/invoice` or `invoice/2026` (rules I5).
    pub series: String,
    /// Pattern that makes a number of the series.
    pub number_pattern: String,
    /// `false` leaves it as a draft for review.
    pub autobill: bool,
    pub seller: Party,
    pub buyer: Party,
    /// Refkey of the payment method that collects it.
    pub payment_method: Option<String>,
    pub reference: Option<String>,
    pub language: String,
    pub business_unit: Option<String>,
    /// Refkey of the policy that says what happens if it is not paid; none = the book's default (rules Y3).
    #[serde(default)]
    pub dunning_policy: Option<String>,
    pub lines: Vec<Line>,
    pub vat_groups: Vec<VatGroup>,
    pub net_minor: i64,
    pub vat_minor: i64,
    /// The payer's revision when it was drafted (ARCHITECTURE.md).
    pub revision: i64,
}

impl Draft {
    /// Net plus VAT.
    pub fn gross_minor(&self) -> i64 {
        self.net_minor + self.vat_minor
    }
}

/// Amounts in the tenant's base currency at booking (rules I6); absent without a rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BaseAmounts {
    pub currency: Currency,
    pub rate: Decimal,
    pub rate_date: NaiveDate,
    pub rate_source: String,
    pub net_minor: i64,
    pub vat_minor: i64,
}

/// Series of what was taken over from another system: its numbers are not ours.
pub const TAKEN_OVER: &str = "taken_over";

impl Invoice {
    /// Whether it is an open item of another system (rules S7): that one has made its paper and sent it.
    pub fn is_taken_over(&self) -> bool {
        self.draft.series == TAKEN_OVER
    }
}

/// A booked invoice: immutable but for [`Settlement`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Invoice {
    /// The draft as it was booked.
    pub draft: Draft,
    pub number: String,
    /// Number within the series.
    pub sequence: u64,
    /// The run's as-of (rules I2).
    pub booked_on: NaiveDate,
    /// The due date (rules I3); the draft's own may be an earlier one on invoices of older versions.
    pub payable_by: NaiveDate,
    pub base: Option<BaseAmounts>,
    /// What the payer states with a transfer; none = the number, as on credit notes and on invoices of older versions.
    #[serde(default)]
    pub payment_reference: Option<PaymentReference>,
}

impl Invoice {
    /// What the payer states with a transfer, as it is printed.
    pub fn stated_reference(&self) -> String {
        self.payment_reference.as_ref().map_or_else(|| self.number.clone(), PaymentReference::printed)
    }
}

impl Invoice {
    /// The buyer's country.
    pub fn country(&self) -> Option<&str> {
        self.draft.buyer.address.country.as_deref()
    }
}

/// The marks of an invoice that move after booking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    pub status: InvoiceStatus,
    pub payment_status: PaymentStatus,
    /// Paid, credited, set off and given up so far, minor units.
    pub settled_minor: i64,
    /// The part of it that the invoice's own credit notes took back.
    pub credited_minor: i64,
    /// The part of it that was given up.
    pub written_off_minor: i64,
    pub payment_date: Option<NaiveDate>,
    /// Next dunning step and its day (rules Y3).
    pub dunning_step: u32,
    pub next_retry: Option<NaiveDate>,
}

impl Settlement {
    /// Nothing paid yet.
    pub fn open(status: InvoiceStatus) -> Self {
        Self {
            status,
            payment_status: PaymentStatus::NotPaid,
            settled_minor: 0,
            credited_minor: 0,
            written_off_minor: 0,
            payment_date: None,
            dunning_step: 0,
            next_retry: None,
        }
    }

    /// The part that the payer gave: payments less refunds, and credit of other documents.
    pub fn paid_minor(&self) -> i64 {
        self.settled_minor - self.credited_minor - self.written_off_minor
    }

    /// rules I7: settled when nothing of the gross is open.
    pub fn settlement_status(&self, gross_minor: i64) -> SettlementStatus {
        match self.settled_minor.abs().cmp(&gross_minor.abs()) {
            std::cmp::Ordering::Less if self.settled_minor == 0 => SettlementStatus::NotSettled,
            std::cmp::Ordering::Less => SettlementStatus::Partially,
            std::cmp::Ordering::Equal => SettlementStatus::Settled,
            std::cmp::Ordering::Greater => SettlementStatus::OverSettled,
        }
    }
}
