//! What the formats of accounting programs share: entries in the order of their sequence, amounts in the base currency,
//! decimal commas, old character sets, and files that are split at a target's limits without parting an entry.

use crate::amount::decimal_text;
use crate::exporter::{Accounts, ExportError, Header};
use crate::plain::{no_formula, one_line};
use domain::NaiveDate;
use domain::catalogue::TaxCategory;
use domain::ledger::{Entry, Posting, PostingTax, Sealed};
use domain::money::Currency;

/// Entries and what stands around them.
pub struct Books<'a> {
    pub header: Header<'a>,
    pub accounts: Accounts,
    /// By sequence.
    pub entries: Vec<&'a Sealed>,
}

/// The seller, as headers of files name it.
#[derive(Debug, Clone, Copy)]
pub struct Company<'a> {
    pub vat_number: Option<&'a str>,
    /// Base currency.
    pub currency: Currency,
    pub country: Option<&'a str>,
    pub street: Option<&'a str>,
    pub postal_code: Option<&'a str>,
    pub city: Option<&'a str>,
    pub email: Option<&'a str>,
    pub iban: Option<&'a str>,
    /// Numbers of the tax adviser and of the client there (DATEV).
    pub consultant: u32,
    pub client: u32,
}

impl<'a> Books<'a> {
    /// The buyer's name, or its account number.
    pub fn buyer(&self, entry: &'a Entry) -> &'a str {
        let name = self.header.buyers.get(&entry.invoice).map_or("", String::as_str);
        if name.trim().is_empty() { &entry.account_number } else { name }
    }

    /// `Kaffe & Co, invoice INV-0000001`
    pub fn text(&self, entry: &'a Entry) -> String {
        one_line(&format!("{}, {} {}", self.buyer(entry), entry.kind.word(), entry.document_number))
    }

    /// Debit less credit in the base currency, minor units.
    ///
    /// # Errors
    /// If the entry is foreign and has no rate.
    pub fn base_minor(&self, entry: &Entry, posting: &Posting) -> Result<i128, ExportError> {
        let base = self.header.company.currency;
        if entry.currency == base {
            return Ok(minor(posting));
        }
        posting.base_minor.map(i128::from).ok_or_else(|| ExportError::NoRate {
            document: entry.document_number.clone(),
            currency: entry.currency,
            base,
        })
    }

    /// First and last posting date.
    pub fn days(&self) -> Option<(NaiveDate, NaiveDate)> {
        let days = || self.entries.iter().map(|sealed| sealed.entry.posting_date);
        days().min().zip(days().max())
    }
}

/// Debit less credit in the entry's currency.
pub fn minor(posting: &Posting) -> i128 {
    i128::from(posting.debit_minor) - i128::from(posting.credit_minor)
}

/// `S 25`, `AE 0`
pub fn vat_text(tax: PostingTax) -> String {
    format!("{} {}", tax.category.code(), tax.rate_pct.normalize())
}

/// Whether VAT of the category falls on the buyer of another member state.
pub fn names_the_buyer(category: TaxCategory) -> bool {
    matches!(category, TaxCategory::AE | TaxCategory::K)
}

/// `1234,05`
pub fn comma(minor: i128, currency: Currency) -> String {
    decimal_text(minor, currency).replace('.', ",")
}

/// Two entries of a file are never parted, and none of its files has more rows than the target takes: rows of each entry in,
/// files of whole entries out.
pub fn split<R>(entries: Vec<Vec<R>>, rows_max: usize, entries_max: usize) -> Vec<Vec<R>> {
    let mut files: Vec<Vec<R>> = Vec::new();
    let mut counted = 0;
    for rows in entries {
        match files.last_mut().filter(|f| f.len() + rows.len() <= rows_max && counted < entries_max) {
            Some(file) => file.extend(rows),
            None => {
                files.push(rows);
                counted = 0;
            }
        }
        counted += 1;
    }
    if files.is_empty() {
        files.push(Vec::new());
    }
    files
}

/// A field between quotation marks, cut to so many characters. Accountants open such a file in a spreadsheet before they
/// bring it in: no text of it is a formula there.
pub fn quoted(text: &str, chars_max: usize) -> String {
    let text: String = no_formula(text).chars().take(chars_max).collect();
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// Letters that Windows-1252 has beside Latin-1, from 0x80 on; `\u{0}` where there is none.
const WINDOWS: [char; 32] = [
    '€', '\u{0}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{0}', 'Ž', '\u{0}', '\u{0}', '‘',
    '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{0}', 'ž', 'Ÿ',
];

/// Code page 437 from 0x80 on, as SIE wants it.
const CODE_PAGE: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// Text as Windows-1252; what it has no letter for is a question mark.
pub fn windows_1252(text: &str) -> Vec<u8> {
    encode(text, |letter| {
        let place = WINDOWS.iter().position(|known| *known == letter);
        let latin = u8::try_from(u32::from(letter)).ok().filter(|byte| *byte >= 0xa0);
        latin.or_else(|| place.and_then(|place| u8::try_from(0x80 + place).ok()))
    })
}

/// Text as code page 437; ø and Ø, which it lacks, as ö and Ö.
pub fn code_page_437(text: &str) -> Vec<u8> {
    encode(text, |letter| {
        let letter = match letter {
            'ø' => 'ö',
            'Ø' => 'Ö',
            other => other,
        };
        CODE_PAGE.chars().position(|known| known == letter).and_then(|place| u8::try_from(0x80 + place).ok())
    })
}

fn encode(text: &str, beyond: impl Fn(char) -> Option<u8>) -> Vec<u8> {
    let byte = |letter: char| match u8::try_from(u32::from(letter)) {
        Ok(byte) if byte < 0x80 => byte,
        _ => beyond(letter).unwrap_or(b'?'),
    };
    text.chars().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_character_sets_have_the_letters_of_the_north() {
        assert_eq!(windows_1252("Aæ ÆØÅ–€ 東"), b"A\xe6 \xc6\xd8\xc5\x96\x80 ?");
        assert_eq!(code_page_437("åäö ÅÄÖ é ø 東"), b"\x86\x84\x94 \x8f\x8e\x99 \x82 \x94 ?");
        assert_eq!(CODE_PAGE.chars().count(), 128);
    }

    #[test]
    fn files_are_full_and_no_entry_is_parted() {
        let lengths = |files: Vec<Vec<u8>>| files.iter().map(Vec::len).collect::<Vec<_>>();
        let entries = || vec![vec![1, 1], vec![2, 2, 2], vec![3], vec![4, 4]];
        assert_eq!(lengths(split(entries(), 5, 9)), [5, 3]);
        assert_eq!(lengths(split(entries(), 99, 1)), [2, 3, 1, 2]);
        assert_eq!(
            lengths(split(entries(), 2, 9)),
            [2, 3, 1, 2],
            "one entry that is too long is a file of its own"
        );
        assert_eq!(lengths(split(Vec::new(), 5, 9)), [0], "nothing is a file with its headings");
    }
}
