//! The ledger: double entry, append-only, sealed into a hash chain (rules L1, L2).

mod base;
mod chain;
mod chart;
mod posting;
mod recognition;
#[cfg(test)]
mod sample;

pub use base::*;
pub use chain::*;
pub use chart::*;
pub use posting::*;
pub use recognition::{deferred_codes, earned_minor, recognition_entry};

use crate::catalogue::TaxCategory;
use crate::ids::{EntryId, InvoiceId, LineId};
use crate::money::Currency;
use crate::period::Period;
use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// What an entry records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    Booking,
    Payment,
    Fee,
    Refund,
    CreditNote,
    WriteOff,
    Rounding,
    Recognition,
    /// What was open in another system when it was taken over (rules S7).
    Opening,
}

impl EntryKind {
    /// The word used in keys, tables and the canonical form.
    pub fn name(self) -> &'static str {
        match self {
            Self::Booking => "booking",
            Self::Payment => "payment",
            Self::Fee => "fee",
            Self::Refund => "refund",
            Self::CreditNote => "credit_note",
            Self::WriteOff => "write_off",
            Self::Rounding => "rounding",
            Self::Recognition => "recognition",
            Self::Opening => "opening",
        }
    }

    /// The word that programs read: the booking of an invoice is an invoice.
    pub fn label(self) -> &'static str {
        match self {
            Self::Booking => "invoice",
            other => other.name(),
        }
    }

    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Booking => "invoice",
            Self::CreditNote => "credit note",
            Self::WriteOff => "write-off",
            other => other.name(),
        }
    }
}

/// Which facts of an entry are bound by the chain. What is sealed keeps its form: a later one never changes a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// Up to version 0.1: VAT is told of VAT rows alone. What else is known of it was looked up in the booked document.
    First,
    /// VAT on revenue rows too, its base, the buyer's country, due date, and amounts in the base currency.
    Second,
}

/// The VAT of a posting (rules L5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostingTax {
    pub category: TaxCategory,
    /// Percent, without trailing zeros.
    pub rate_pct: Decimal,
    /// What it is reckoned of: the line's net, or on a VAT row the group's; below 0 on what is credited. Minor units.
    pub base_minor: i64,
}

/// One posting: exactly one of debit and credit is non-zero, both are ≥ 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// From 1 within the entry.
    pub number: u32,
    /// Account code of the chart.
    pub account: String,
    pub debit_minor: i64,
    pub credit_minor: i64,
    /// Revenue and deferred lines: the invoice line.
    pub line: Option<LineId>,
    pub sku: Option<String>,
    /// Business-unit accounting code.
    pub unit_code: Option<String>,
    pub period: Option<Period>,
    /// Revenue and VAT rows of an invoice or credit note, in every category; none where no VAT falls due.
    pub tax: Option<PostingTax>,
    /// Debit less credit in the base currency; none without a rate, and where the entry is in the base currency.
    pub base_minor: Option<i64>,
}

/// The base currency beside a foreign entry, and how it came about (rules I6, L5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryBase {
    pub currency: Currency,
    /// Units of it for one unit of the entry's currency.
    pub rate: Decimal,
    pub rate_date: NaiveDate,
}

/// One entry per document or event, keyed (document, kind, ordinal); balanced in its currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub id: EntryId,
    pub kind: EntryKind,
    pub ordinal: u32,
    /// The invoice or credit note it belongs to.
    pub invoice: InvoiceId,
    /// Its number: the voucher.
    pub document_number: String,
    pub account_number: String,
    /// rules I2.
    pub document_date: NaiveDate,
    pub posting_date: NaiveDate,
    pub currency: Currency,
    pub form: Form,
    /// Day by which the document is to be paid; invoices alone.
    pub due_date: Option<NaiveDate>,
    /// The buyer's, ISO 3166.
    pub country: Option<String>,
    /// The buyer's VAT number as it stands on the booked document. It may be a person's: the chain does not hold it, and it
    /// goes when the buyer is erased.
    pub buyer_vat: Option<String>,
    pub base: Option<EntryBase>,
    pub postings: Vec<Posting>,
}

impl Entry {
    /// Σ debit and Σ credit.
    pub fn totals(&self) -> (i128, i128) {
        self.postings.iter().fold((0, 0), |(debit, credit), p| {
            (debit + i128::from(p.debit_minor), credit + i128::from(p.credit_minor))
        })
    }

    /// Whether Σ debit = Σ credit and every posting has one side only.
    pub fn is_balanced(&self) -> bool {
        let (debit, credit) = self.totals();
        debit == credit
            && self.postings.iter().all(|p| {
                p.debit_minor >= 0 && p.credit_minor >= 0 && (p.debit_minor == 0) != (p.credit_minor == 0)
            })
    }
}
