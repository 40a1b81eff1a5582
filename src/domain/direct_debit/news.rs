//! What banks say of debits: carried out, not carried out, or given back.

use crate::money::Currency;
use chrono::NaiveDate;

/// By what a credit says which debits it is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DebitMark {
    /// One debit, by the name that we gave it.
    pub end_to_end: Option<String>,
    /// A whole batch, or a whole file.
    pub batch: Option<String>,
}

impl DebitMark {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.end_to_end.is_none() && self.batch.is_none()
    }
}

/// A debit whose money went back, as an account statement tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenBack {
    pub end_to_end: String,
    /// What left the account, fees of the bank with it. Above 0.
    pub amount_minor: i64,
    pub currency: Currency,
    /// The bank's code; none where it gives none.
    pub code: Option<String>,
    pub on: NaiveDate,
}

/// What a bank has not carried out, before any money moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotCarriedOut {
    pub what: FilePart,
    pub code: Option<String>,
    pub on: NaiveDate,
}

/// How much of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilePart {
    /// All of it, by its message.
    File(String),
    Batch(String),
    Debit(String),
}

/// The code where a bank gives none.
pub const NO_CODE: &str = "MS03";
