//! An export as whole files: one, or as many as the target's limits ask for.

use crate::books::Books;
use crate::exporter::{Accounts, ExportError};
use crate::manifest::{Manifest, ManifestBuilder};
use crate::{ExportInput, Format, datev, economic, quickbooks, saft, sie, write, xero};
use domain::ledger::Sealed;
use sha2::{Digest, Sha256};

/// Makes the files of an export and says what is in them.
///
/// Errors: [`ExportError`].
pub fn files(format: Format, input: &ExportInput<'_>) -> Result<(Manifest, Vec<Vec<u8>>), ExportError> {
    if format.is_streamed() {
        return streamed(format, input);
    }
    let mut tally = ManifestBuilder::default();
    for sealed in input.entries {
        check(sealed)?;
        tally.add(sealed);
    }
    let mut entries: Vec<&Sealed> = input.entries.iter().collect();
    entries.sort_by_key(|sealed| sealed.sequence);
    let accounts = Accounts::new(input.header.chart, input.header.units);
    let books = Books { header: input.header, accounts, entries };
    let (files, left_out) = match format {
        Format::Datev => (datev::files(&books)?, 0),
        Format::Saft => (saft::files(&books)?, 0),
        Format::Sie => (sie::files(&books)?, 0),
        Format::Economic => (economic::files(&books)?, 0),
        Format::QuickBooks => (quickbooks::files(&books), 0),
        Format::Xero => xero::files(&books),
        Format::Csv | Format::Hledger | Format::Ledger | Format::Beancount => return streamed(format, input),
    };
    // What holds nothing is a file all the same.
    let files = if files.is_empty() { vec![Vec::new()] } else { files };
    let mut hasher = Sha256::new();
    files.iter().for_each(|file| hasher.update(file));
    let bytes = files.iter().map(|file| u64::try_from(file.len()).unwrap_or(u64::MAX)).sum();
    let manifest = tally.finish(format.name(), bytes, hasher.finalize().into());
    Ok((Manifest { left_out, ..manifest }, files))
}

/// As one file, written entry by entry.
fn streamed(format: Format, input: &ExportInput<'_>) -> Result<(Manifest, Vec<Vec<u8>>), ExportError> {
    let mut bytes = Vec::new();
    let manifest = write(format, input, &mut bytes)?;
    Ok((manifest, vec![bytes]))
}

fn check(sealed: &Sealed) -> Result<(), ExportError> {
    if sealed.entry.is_balanced() {
        return Ok(());
    }
    let (debit, credit) = sealed.entry.totals();
    let document = sealed.entry.document_number.clone();
    Err(ExportError::Unbalanced { sequence: sealed.sequence, document, debit, credit })
}
