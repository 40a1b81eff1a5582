//! SIE 4, as a file of vouchers to be imported (4I): code page 437, account numbers of digits, amounts in the base currency,
//! the business unit as cost centre.

use crate::amount::decimal_text;
use crate::books::{Books, code_page_437};
use crate::exporter::ExportError;
use crate::plain::one_line;
use domain::ledger::{AccountType, Sealed};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Units are dimension 1: Kostnadsställe.
const COST_CENTRE: u32 = 1;

/// The one file.
///
/// # Errors
/// If an account is not a number, or a foreign entry has no rate.
pub fn files(books: &Books<'_>) -> Result<Vec<Vec<u8>>, ExportError> {
    let mut text = head(books);
    accounts(books, &mut text)?;
    for sealed in &books.entries {
        voucher(books, sealed, &mut text)?;
    }
    Ok(vec![code_page_437(&text)])
}

fn head(books: &Books<'_>) -> String {
    let company = books.header.company;
    let made = books.days().map_or_else(String::new, |(_, last)| last.format("%Y%m%d").to_string());
    let mut text = format!(
        "#FLAGGA 0\r\n#PROGRAM \"tallybook\" {}\r\n#FORMAT PC8\r\n#GEN {}\r\n#SIETYP 4\r\n",
        field(env!("CARGO_PKG_VERSION")),
        if made.is_empty() { "19700101" } else { &made }
    );
    if let Some(number) = company.vat_number {
        let digits: String = number.chars().filter(char::is_ascii_digit).collect();
        let _ = write!(text, "#ORGNR {}\r\n", field(&digits));
    }
    let _ = write!(text, "#FNAMN {}\r\n#VALUTA {}\r\n", field(books.header.tenant), company.currency);
    text
}

fn accounts(books: &Books<'_>, text: &mut String) -> Result<(), ExportError> {
    let postings = || books.entries.iter().flat_map(|sealed| &sealed.entry.postings);
    let used: BTreeSet<&str> = postings().map(|posting| posting.account.as_str()).collect();
    for code in used {
        if !code.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(ExportError::Account { account: code.to_owned(), wanted: "a number" });
        }
        let account = books.accounts.of(code);
        let kind = match account.kind {
            AccountType::Asset => "T",
            AccountType::Liability | AccountType::Equity => "S",
            AccountType::Income => "I",
            AccountType::Expense => "K",
        };
        let _ = write!(text, "#KONTO {code} {}\r\n#KTYP {code} {kind}\r\n", field(&account.name));
    }
    let units: BTreeSet<&str> = postings().filter_map(|posting| posting.unit_code.as_deref()).collect();
    if !units.is_empty() {
        let _ = write!(text, "#DIM {COST_CENTRE} \"Kostnadsställe\"\r\n");
    }
    for unit in units {
        let _ = write!(text, "#OBJEKT {COST_CENTRE} {0} {0}\r\n", field(unit));
    }
    Ok(())
}

fn voucher<'a>(books: &Books<'a>, sealed: &'a Sealed, text: &mut String) -> Result<(), ExportError> {
    let entry = &sealed.entry;
    if entry.postings.is_empty() {
        return Ok(());
    }
    let day = entry.posting_date.format("%Y%m%d");
    let told = field(&books.text(entry));
    let _ = write!(text, "#VER \"T\" \"{}\" {day} {told}\r\n{{\r\n", sealed.sequence);
    for posting in &entry.postings {
        let amount = decimal_text(books.base_minor(entry, posting)?, books.header.company.currency);
        let unit = posting.unit_code.as_deref();
        let objects = unit.map_or_else(String::new, |unit| format!("{COST_CENTRE} {}", field(unit)));
        let sku = field(posting.sku.as_deref().unwrap_or_default());
        let _ = write!(text, "   #TRANS {} {{{objects}}} {amount} {day} {sku}\r\n", posting.account);
    }
    text.push_str("}\r\n");
    Ok(())
}

/// A field between quotation marks.
fn field(text: &str) -> String {
    format!("\"{}\"", one_line(text).replace('\\', "/").replace('"', "\\\""))
}
