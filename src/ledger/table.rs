//! Generic double-entry CSV: one row per posting. UTF-8, LF, RFC 4180, a decimal point, ISO dates, periods with their
//! last day included; exactly one of debit and credit is filled in. The amount in the base currency is debit less credit.
//! New columns are added at the end.

use crate::amount::decimal_text;
use crate::exporter::Accounts;
use crate::plain::csv_text;
use domain::ledger::{EntryBase, Posting, Sealed};
use std::io::{self, Write};

/// The header line.
pub const COLUMNS: [&str; 31] = [
    "sequence",
    "entry_id",
    "line_no",
    "voucher_no",
    "voucher_date",
    "posting_date",
    "kind",
    "account",
    "account_name",
    "debit",
    "credit",
    "currency",
    "vat_code",
    "vat_rate",
    "customer_no",
    "customer_name",
    "invoice_id",
    "invoice_line_id",
    "sku",
    "unit_code",
    "period_start",
    "period_end",
    "hash",
    "vat_base",
    "country",
    "vat_number",
    "due_date",
    "base_currency",
    "base_rate",
    "base_rate_date",
    "base_amount",
];

pub fn begin(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", COLUMNS.join(","))
}

pub fn entry(out: &mut dyn Write, accounts: &Accounts, sealed: &Sealed, buyer: &str) -> io::Result<()> {
    sealed.entry.postings.iter().try_for_each(|posting| row(out, accounts, sealed, posting, buyer))
}

fn row(
    out: &mut dyn Write,
    accounts: &Accounts,
    sealed: &Sealed,
    posting: &Posting,
    buyer: &str,
) -> io::Result<()> {
    let entry = &sealed.entry;
    let side = |minor: i64| match minor {
        0 => String::new(),
        minor => decimal_text(i128::from(minor), entry.currency),
    };
    let base = entry.base;
    let in_base = |(minor, base): (i64, EntryBase)| decimal_text(i128::from(minor), base.currency);
    let text = |value: &Option<String>| csv_text(value.as_deref().unwrap_or_default());
    let fields: [String; COLUMNS.len()] = [
        sealed.sequence.to_string(),
        entry.id.to_string(),
        posting.number.to_string(),
        csv_text(&entry.document_number),
        entry.document_date.to_string(),
        entry.posting_date.to_string(),
        entry.kind.label().to_owned(),
        csv_text(&posting.account),
        csv_text(&accounts.of(&posting.account).name),
        side(posting.debit_minor),
        side(posting.credit_minor),
        entry.currency.to_string(),
        posting.tax.map(|tax| tax.category.code().to_owned()).unwrap_or_default(),
        posting.tax.map(|tax| tax.rate_pct.normalize().to_string()).unwrap_or_default(),
        csv_text(&entry.account_number),
        csv_text(buyer),
        entry.invoice.to_string(),
        posting.line.map(|line| line.to_string()).unwrap_or_default(),
        text(&posting.sku),
        text(&posting.unit_code),
        posting.period.map(|period| period.start.to_string()).unwrap_or_default(),
        posting.period.map(|period| period.last_day().to_string()).unwrap_or_default(),
        sealed.hash.to_string(),
        posting.tax.map(|tax| decimal_text(i128::from(tax.base_minor), entry.currency)).unwrap_or_default(),
        text(&entry.country),
        text(&entry.buyer_vat),
        entry.due_date.map(|day| day.to_string()).unwrap_or_default(),
        base.map(|base| base.currency.to_string()).unwrap_or_default(),
        base.map(|base| base.rate.normalize().to_string()).unwrap_or_default(),
        base.map(|base| base.rate_date.to_string()).unwrap_or_default(),
        posting.base_minor.zip(base).map(in_base).unwrap_or_default(),
    ];
    writeln!(out, "{}", fields.join(","))
}
