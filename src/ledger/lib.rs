//! The ledger as files for accountants: sealed entries in, bytes out (rules L2, L3).
//!
//! Every format is a pure function of its input, so that an export can be made again byte for byte. Read
//! [`exporter`](Exporter) for what all formats share, then one file per family: `table` (CSV), `journal` (hledger and
//! ledger), `beancount`.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod amount;
mod beancount;
mod exporter;
mod journal;
mod manifest;
mod plain;
mod table;
#[cfg(test)]
mod tests;

pub use exporter::{Balance, ExportError, Exporter, Header, Opening};
pub use manifest::{CurrencyTotal, Manifest};

use domain::ledger::Sealed;
use std::io::Write;
use std::str::FromStr;

/// A format of `export ledger --format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// One row per posting; UTF-8, RFC 4180.
    Csv,
    /// A journal that `hledger check -s ordereddates` accepts.
    Hledger,
    /// A journal that `ledger --strict --pedantic` accepts.
    Ledger,
    /// A journal that `bean-check` accepts.
    Beancount,
}

/// No such format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a ledger format: csv, hledger, ledger or beancount")]
pub struct UnknownFormat(pub String);

impl Format {
    /// Every format.
    pub const ALL: [Format; 4] = [Self::Csv, Self::Hledger, Self::Ledger, Self::Beancount];

    /// The word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Hledger => "hledger",
            Self::Ledger => "ledger",
            Self::Beancount => "beancount",
        }
    }

    /// Ending of its files, without the point.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Hledger => "journal",
            Self::Ledger => "ledger",
            Self::Beancount => "beancount",
        }
    }

    /// Whether entries have to come in the order of their posting dates.
    pub fn wants_dates_ascending(self) -> bool {
        self != Self::Csv
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    /// Accepts any case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wanted = text.trim().to_ascii_lowercase();
        Self::ALL
            .into_iter()
            .find(|format| format.name() == wanted)
            .ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}

/// All that one export is made of.
pub struct ExportInput<'a> {
    pub header: Header<'a>,
    /// In any order; CSV keeps it, journals are sorted by (posting date, sequence).
    pub entries: &'a [Sealed],
}

/// Writes an export and says what is in it. To write more than fits in memory, feed an [`Exporter`].
///
/// Errors: [`ExportError`]; what was written until then is not an export.
pub fn write(format: Format, input: &ExportInput<'_>, out: &mut dyn Write) -> Result<Manifest, ExportError> {
    let mut entries: Vec<&Sealed> = input.entries.iter().collect();
    if format.wants_dates_ascending() {
        entries.sort_by_key(|sealed| (sealed.entry.posting_date, sealed.sequence));
    }
    let mut exporter = Exporter::begin(format, input.header, out)?;
    for sealed in entries {
        exporter.entry(sealed)?;
    }
    exporter.finish()
}

/// [`write`] into memory.
pub fn export(format: Format, input: &ExportInput<'_>) -> Result<Vec<u8>, ExportError> {
    let mut bytes = Vec::new();
    write(format, input, &mut bytes)?;
    Ok(bytes)
}
