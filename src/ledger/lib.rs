//! The ledger as files for accountants: sealed entries in, bytes out (rules L2, L3).
//!
//! Every format is a pure function of its input, so that an export can be made again byte for byte. Read
//! [`exporter`](Exporter) for what formats share that write entry by entry, then one file per family: `table` (CSV), `journal`
//! (hledger and ledger), `beancount`. Formats of accounting programs have whole [`files`]: `books` is what they share, `datev`,
//! `economic`, `quickbooks`, `saft`, `sie`, `xero`. `sheet` writes reports.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod amount;
mod beancount;
mod books;
mod datev;
mod economic;
mod exporter;
mod files;
mod journal;
mod manifest;
mod plain;
mod quickbooks;
mod saft;
pub mod sheet;
mod sie;
mod table;
#[cfg(test)]
mod tests;
mod xero;

pub use books::Company;
pub use exporter::{Balance, ExportError, Exporter, Header, Opening};
pub use files::files;
pub use manifest::{CurrencyTotal, FileMark, Manifest};

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
    /// DATEV EXTF Buchungsstapel.
    Datev,
    /// SAF-T Financial, Norwegian or Danish by the seller's country.
    Saft,
    /// SIE 4.
    Sie,
    /// Journal lines for e-conomic.
    Economic,
    /// Sales invoices for Xero.
    Xero,
    /// Journal entries for QuickBooks Online.
    QuickBooks,
}

/// No such format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a ledger format: csv, hledger, ledger, beancount, datev, saft, sie, economic, xero or quickbooks"
)]
pub struct UnknownFormat(pub String);

impl Format {
    /// Every format.
    pub const ALL: [Format; 10] = [
        Self::Csv,
        Self::Hledger,
        Self::Ledger,
        Self::Beancount,
        Self::Datev,
        Self::Saft,
        Self::Sie,
        Self::Economic,
        Self::Xero,
        Self::QuickBooks,
    ];

    /// The word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Hledger => "hledger",
            Self::Ledger => "ledger",
            Self::Beancount => "beancount",
            Self::Datev => "datev",
            Self::Saft => "saft",
            Self::Sie => "sie",
            Self::Economic => "economic",
            Self::Xero => "xero",
            Self::QuickBooks => "quickbooks",
        }
    }

    /// Ending of its files, without the point.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Hledger => "journal",
            Self::Ledger => "ledger",
            Self::Beancount => "beancount",
            Self::Datev => "datev.csv",
            Self::Saft => "saft.xml",
            Self::Sie => "se",
            Self::Economic => "economic.csv",
            Self::Xero => "xero.csv",
            Self::QuickBooks => "quickbooks.csv",
        }
    }

    /// Whether it is written entry by entry, into one file.
    pub fn is_streamed(self) -> bool {
        matches!(self, Self::Csv) || self.wants_dates_ascending()
    }

    /// Whether entries have to come in the order of their posting dates.
    pub fn wants_dates_ascending(self) -> bool {
        matches!(self, Self::Hledger | Self::Ledger | Self::Beancount)
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

/// Writes an export of a streamed format and says what is in it. To write more than fits in memory, feed an [`Exporter`].
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
