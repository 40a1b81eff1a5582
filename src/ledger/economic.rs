//! Journal lines for e-conomic's import: a row per posting, semicolons, decimal commas, the sequence as voucher number. VAT
//! stands on its own account, so that the VAT code stays empty: e-conomic would reckon it again. Rates are per 100 units.

use crate::books::{Books, comma, minor, quoted, split, vat_text};
use crate::exporter::ExportError;
use domain::ledger::{Entry, Posting, Sealed};

/// e-conomic counts vouchers with nine digits.
const VOUCHER_MAX: u64 = 999_999_998;
const ROWS_MAX: usize = 10_000;

const HEAD: &str = "Dato;Bilagsnr;Konto;Modkonto;Momskode;Beløb;Tekst;Valuta;Kurs;Beløb i basisvaluta;Forfaldsdato;Fakturanr";

/// The files.
///
/// # Errors
/// If a foreign entry has no rate, or the vouchers are more than e-conomic counts.
pub fn files(books: &Books<'_>) -> Result<Vec<Vec<u8>>, ExportError> {
    let mut entries = Vec::with_capacity(books.entries.len());
    for sealed in &books.entries {
        if sealed.sequence > VOUCHER_MAX {
            return Err(ExportError::TooMany { sequence: sealed.sequence, max: VOUCHER_MAX });
        }
        entries.push(rows(books, sealed)?);
    }
    let file = |rows: Vec<String>| format!("\u{feff}{HEAD}\r\n{}", rows.concat()).into_bytes();
    Ok(split(entries, ROWS_MAX, usize::MAX).into_iter().map(file).collect())
}

fn rows<'a>(books: &Books<'a>, sealed: &'a Sealed) -> Result<Vec<String>, ExportError> {
    sealed.entry.postings.iter().map(|posting| row(books, sealed, posting)).collect()
}

fn row<'a>(books: &Books<'a>, sealed: &'a Sealed, posting: &Posting) -> Result<String, ExportError> {
    let entry: &Entry = &sealed.entry;
    let day = |day: domain::NaiveDate| day.format("%d-%m-%Y").to_string();
    let vat = posting.tax.map(|tax| format!(" ({})", vat_text(tax))).unwrap_or_default();
    let rate = match entry.base {
        Some(base) => (base.rate * domain::Decimal::ONE_HUNDRED).normalize().to_string().replace('.', ","),
        None => "100".to_owned(),
    };
    let fields = [
        day(entry.posting_date),
        sealed.sequence.to_string(),
        posting.account.clone(),
        String::new(),
        String::new(),
        comma(minor(posting), entry.currency),
        quoted(&format!("{}{vat}", books.text(entry)), 250),
        entry.currency.to_string(),
        rate,
        comma(books.base_minor(entry, posting)?, books.header.company.currency),
        entry.due_date.map(day).unwrap_or_default(),
        quoted(&entry.document_number, 50),
    ];
    Ok(format!("{}\r\n", fields.join(";")))
}
