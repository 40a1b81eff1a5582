//! What banks send: account statements and notifications of credits in ISO 20022 (camt.053, camt.054), what became of direct
//! debits (pain.002), and CSV. Bytes in, values out; a file is read whole or refused, and what is read is bounded. And what
//! banks are sent: direct debits (pain.008).

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod camt;
mod csv_file;
mod pain002;
pub mod pain008;
mod xml;

pub use csv_file::{CsvMapping, DATE_FORMATS};

use domain::Uuid;
use domain::bank::Received;
use domain::direct_debit::{DebitMark, GivenBack, NotCarriedOut};
use std::collections::BTreeMap;

/// Largest file.
pub const BYTES_MAX: usize = 32 << 20;
/// Most entries of one file.
pub const ENTRIES_MAX: usize = 200_000;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Camt053,
    Camt054,
    Csv,
    Pain002,
}

impl Format {
    /// The word in answers and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Camt053 => "camt.053",
            Self::Camt054 => "camt.054",
            Self::Csv => "csv",
            Self::Pain002 => "pain.002",
        }
    }
}

/// A file as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BankFile {
    pub format: Format,
    /// Money that came, in the order of the file.
    pub received: Vec<Received>,
    pub passed_by: PassedBy,
    /// Sums without their payments that name a batch: direct debits, if the batch is ours. Each is passed by otherwise.
    pub sums: Vec<Received>,
    /// By the id of what came: which debits it may be for.
    pub marks: BTreeMap<Uuid, DebitMark>,
    /// Debits whose money went back.
    pub given_back: Vec<GivenBack>,
    /// Of a report: our file, and what was not carried out of it.
    pub message: Option<String>,
    pub not_carried_out: Vec<NotCarriedOut>,
}

impl BankFile {
    pub(crate) fn new(format: Format) -> Self {
        Self {
            format,
            received: Vec::new(),
            passed_by: PassedBy::default(),
            sums: Vec::new(),
            marks: BTreeMap::new(),
            given_back: Vec::new(),
            message: None,
            not_carried_out: Vec::new(),
        }
    }
}

/// What the file holds beside money that came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PassedBy {
    /// Money that went out.
    pub outgoing: usize,
    /// Not booked yet: a later file says it again.
    pub pending: usize,
    /// Booked as one sum, whose payments a notification (camt.054) names.
    pub batches: usize,
}

/// Why a file is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BankFileError {
    #[error("the file has no entries")]
    Empty,
    #[error("the file is larger than {} MiB", BYTES_MAX >> 20)]
    TooLarge,
    #[error("the file has more than {ENTRIES_MAX} entries")]
    TooMany,
    /// It ends before it is complete.
    #[error("the file is cut off: {0}")]
    CutOff(String),
    /// It is not what it says it is, or its sums do not agree.
    #[error("{0}")]
    Damaged(String),
    /// Nothing that is read here.
    #[error("{0}")]
    Unsupported(String),
    /// No mapping says what the columns mean.
    #[error("{0}")]
    Unmapped(String),
}

/// Reads a file; its content says what it is.
pub fn read(bytes: &[u8], mapping: &CsvMapping) -> Result<BankFile, BankFileError> {
    if bytes.len() > BYTES_MAX {
        return Err(BankFileError::TooLarge);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match bytes.iter().find(|b| !b.is_ascii_whitespace()) {
        None => Err(BankFileError::Empty),
        Some(b'<') => camt::read(bytes),
        _ if bytes.contains(&0) => Err(BankFileError::Unsupported("it is no text".to_owned())),
        Some(_) => csv_file::read(bytes, mapping),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STATEMENT: &str = include_str!("samples/statement.xml");
    const CSV: &str = "day;amount;text\n2026-02-03;1.248,75;INV-0000001\n2026-02-03;-40,00;rent\n";

    fn mapping() -> CsvMapping {
        let text = str::to_owned;
        CsvMapping {
            date: text("day"),
            amount: text("amount"),
            text: text("text"),
            decimal: text(","),
            default_currency: text("DKK"),
            ..CsvMapping::default()
        }
    }

    proptest! {
        /// Whatever is cut out, put in or made large: it is read or refused, and what is read is above 0.
        #[test]
        fn a_damaged_file_is_read_or_refused(
            which in any::<bool>(),
            at in 0_usize..10_000,
            gone in 0_usize..40,
            comes in prop::sample::select(vec!["", "<", "&", "9999999999999999", "999999999999999.99", "-1", "NaN", "\"", ";", "\u{0}", "æ"]),
        ) {
            let whole = if which { STATEMENT } else { CSV };
            let mut at = at * whole.len() / 10_000;
            while !whole.is_char_boundary(at) { at -= 1; }
            let mut end = (at + gone).min(whole.len());
            while !whole.is_char_boundary(end) { end += 1; }
            let text = format!("{}{comes}{}", &whole[..at], &whole[end..]);
            if let Ok(file) = read(text.as_bytes(), &mapping()) {
                prop_assert!(file.received.iter().all(|entry| entry.amount_minor > 0));
            }
        }
    }
}
