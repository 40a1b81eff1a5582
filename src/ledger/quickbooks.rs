//! Journal entries for QuickBooks Online's import: a row per posting, at most 1,000 rows a file, no entry parted.

use crate::amount::decimal_text;
use crate::books::{Books, split};
use crate::plain::csv_text;
use domain::ledger::Sealed;

const ROWS_MAX: usize = 1_000;

const HEAD: &str = "Journal No.,Journal Date,Account,Description,Debits,Credits,Name,Currency";

/// The files.
pub fn files(books: &Books<'_>) -> Vec<Vec<u8>> {
    let entries = books.entries.iter().map(|sealed| rows(books, sealed)).collect();
    let file = |rows: Vec<String>| format!("{HEAD}\r\n{}", rows.concat()).into_bytes();
    split(entries, ROWS_MAX, usize::MAX).into_iter().map(file).collect()
}

fn rows<'a>(books: &Books<'a>, sealed: &'a Sealed) -> Vec<String> {
    let entry = &sealed.entry;
    let side = |minor: i64| match minor {
        0 => String::new(),
        minor => decimal_text(i128::from(minor), entry.currency),
    };
    let row = |posting: &domain::ledger::Posting| {
        let account = books.accounts.of(&posting.account);
        let fields = [
            sealed.sequence.to_string(),
            entry.posting_date.format("%d/%m/%Y").to_string(),
            csv_text(&format!("{} {}", account.code, account.name)),
            csv_text(&books.text(entry)),
            side(posting.debit_minor),
            side(posting.credit_minor),
            csv_text(books.buyer(entry)),
            entry.currency.to_string(),
        ];
        format!("{}\r\n", fields.join(","))
    };
    entry.postings.iter().map(row).collect()
}
