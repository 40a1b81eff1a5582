//! The ledger: double entry, append-only, sealed into a hash chain (rules L1, L2).

mod chain;
mod chart;
mod posting;
#[cfg(test)]
mod sample;

pub use chain::*;
pub use chart::*;
pub use posting::*;

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
        }
    }
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
    /// VAT lines.
    pub tax: Option<(TaxCategory, Decimal)>,
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
