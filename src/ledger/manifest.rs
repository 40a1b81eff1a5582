//! What an export holds, written beside it (rules L3).

use domain::ledger::{ChainHash, Sealed};
use domain::money::Currency;
use serde::Serialize;
use std::collections::BTreeMap;

/// Counts, totals and the end of the chain of one export.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Manifest {
    /// The format's word.
    pub format: String,
    pub entries: u64,
    pub postings: u64,
    /// Smallest and largest sequence number; 0 without entries.
    pub first_sequence: u64,
    pub last_sequence: u64,
    /// Hash of the entry with the largest sequence number.
    pub last_hash: ChainHash,
    /// Ascending by currency.
    pub totals: Vec<CurrencyTotal>,
    /// Size and SHA-256 of the file; of several, of all of them one after the other.
    pub bytes: u64,
    pub sha256: ChainHash,
    /// Entries that the format has no place for.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: u64,
    /// Each file, where the target takes only so much in one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileMark>,
}

/// One of several files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileMark {
    pub name: String,
    pub bytes: u64,
    pub sha256: ChainHash,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Σ debit = Σ credit of one currency, minor units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CurrencyTotal {
    pub currency: Currency,
    pub debit_minor: i128,
    pub credit_minor: i128,
}

impl Manifest {
    /// Whether the sequence numbers have no gap, as a marked export needs (rules L3).
    pub fn is_contiguous(&self) -> bool {
        self.entries == 0 || self.last_sequence - self.first_sequence + 1 == self.entries
    }
}

/// A manifest in the making.
#[derive(Default)]
pub struct ManifestBuilder {
    manifest: Manifest,
    totals: BTreeMap<Currency, (i128, i128)>,
}

impl ManifestBuilder {
    /// Counts one entry.
    pub fn add(&mut self, sealed: &Sealed) {
        let manifest = &mut self.manifest;
        manifest.first_sequence = if manifest.entries == 0 {
            sealed.sequence
        } else {
            manifest.first_sequence.min(sealed.sequence)
        };
        if sealed.sequence >= manifest.last_sequence {
            manifest.last_sequence = sealed.sequence;
            manifest.last_hash = sealed.hash;
        }
        manifest.entries += 1;
        manifest.postings += u64::try_from(sealed.entry.postings.len()).unwrap_or(u64::MAX);
        let (debit, credit) = sealed.entry.totals();
        let total = self.totals.entry(sealed.entry.currency).or_default();
        *total = (total.0 + debit, total.1 + credit);
    }

    /// The manifest of the file.
    pub fn finish(self, format: &str, bytes: u64, sha256: [u8; 32]) -> Manifest {
        let totals = self
            .totals
            .into_iter()
            .map(|(currency, (debit_minor, credit_minor))| CurrencyTotal {
                currency,
                debit_minor,
                credit_minor,
            })
            .collect();
        Manifest { format: format.to_owned(), totals, bytes, sha256: ChainHash(sha256), ..self.manifest }
    }
}
