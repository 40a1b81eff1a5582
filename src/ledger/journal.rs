//! Plain-text journals for hledger and ledger: one text that both accept. Every amount is explicit, every account,
//! commodity and tag declared, the commodity in two lines (the one-line form is unknown to ledger).

use crate::amount::decimal_text;
use crate::exporter::{Accounts, Balance, Header};
use crate::plain::{journal_code, journal_tag, journal_text};
use domain::NaiveDate;
use domain::ledger::{Account, Entry, Posting, Sealed};
use domain::money::Currency;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Every tag in a comment; ledger wants them declared.
const TAGS: [&str; 12] = [
    "sequence",
    "entry",
    "customer",
    "due",
    "country",
    "vatnumber",
    "rate",
    "vat",
    "base",
    "sku",
    "unit",
    "period",
];

pub fn begin(out: &mut dyn Write, header: &Header<'_>, accounts: &Accounts) -> io::Result<()> {
    writeln!(out, "; {}", journal_text(header.tenant))?;
    writeln!(out, "; {}", journal_text(header.title))?;
    TAGS.iter().try_for_each(|tag| writeln!(out, "tag {tag}"))?;
    writeln!(out)?;
    accounts.iter().try_for_each(|declared| account(out, declared))
}

pub fn account(out: &mut dyn Write, account: &Account) -> io::Result<()> {
    writeln!(out, "account {}", account.path)?;
    // A colon would make a tag of the name.
    writeln!(out, "    ; {} {}", account.code, journal_text(&account.name).replace(':', " "))
}

/// An account that the chart no longer has, before the first entry that carries it.
pub fn late_account(out: &mut dyn Write, late: &Account) -> io::Result<()> {
    writeln!(out)?;
    account(out, late)
}

pub fn commodity(out: &mut dyn Write, currency: Currency) -> io::Result<()> {
    writeln!(out, "\ncommodity {currency}")?;
    // Without decimals hledger wants `1000.` and ledger `1000`: both infer it from the amounts.
    match usize::try_from(currency.decimals()) {
        Ok(0) | Err(_) => Ok(()),
        Ok(decimals) => writeln!(out, "    format 1000.{} {currency}", "0".repeat(decimals)),
    }
}

/// Balances before the first entry, each against the opening account.
pub fn opening(
    out: &mut dyn Write,
    accounts: &Accounts,
    on: NaiveDate,
    balances: &[Balance],
    against: &str,
) -> io::Result<()> {
    writeln!(out, "\n{on} opening balances")?;
    for balance in balances {
        writeln!(out, "    {}", amount(accounts, &balance.account, balance.minor, balance.currency))?;
        writeln!(out, "    {}", amount(accounts, against, -balance.minor, balance.currency))?;
    }
    Ok(())
}

pub fn entry(out: &mut dyn Write, accounts: &Accounts, sealed: &Sealed, buyer: &str) -> io::Result<()> {
    let entry = &sealed.entry;
    let (code, description) = (journal_code(&entry.document_number), description(entry, buyer));
    writeln!(out, "\n{} ({code}) {description}", dates(entry))?;
    let customer = journal_tag(&entry.account_number);
    writeln!(out, "    ; sequence: {}, entry: {}, customer: {customer}", sealed.sequence, entry.id)?;
    let facts = facts(entry);
    if !facts.is_empty() {
        writeln!(out, "    ; {facts}")?;
    }
    for posting in &entry.postings {
        let minor = i128::from(posting.debit_minor) - i128::from(posting.credit_minor);
        let tags = tags(posting, entry);
        let comment = if tags.is_empty() { String::new() } else { format!("  ; {tags}") };
        writeln!(out, "    {}{comment}", amount(accounts, &posting.account, minor, entry.currency))?;
    }
    Ok(())
}

/// What the receivables are after the last entry; the assertion fails if an entry got lost.
pub fn closing(
    out: &mut dyn Write,
    accounts: &Accounts,
    on: NaiveDate,
    balances: &[Balance],
) -> io::Result<()> {
    if balances.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{on} receivables as in the books")?;
    for balance in balances {
        let nothing = amount(accounts, &balance.account, 0, balance.currency);
        let text = decimal_text(balance.minor, balance.currency);
        writeln!(out, "    {nothing} = {text} {}", balance.currency)?;
    }
    Ok(())
}

/// The posting date, and the document's date beside it where it differs (rules I2).
fn dates(entry: &Entry) -> String {
    if entry.document_date == entry.posting_date {
        entry.posting_date.to_string()
    } else {
        format!("{}={}", entry.posting_date, entry.document_date)
    }
}

/// `Kaffe & Co | credit note`
fn description(entry: &Entry, buyer: &str) -> String {
    let payee = journal_text(if buyer.trim().is_empty() { &entry.account_number } else { buyer });
    format!("{payee} | {}", entry.kind.word())
}

fn amount(accounts: &Accounts, code: &str, minor: i128, currency: Currency) -> String {
    let path = accounts.of(code).path;
    format!("{path:<32}  {:>14} {currency}", decimal_text(minor, currency))
}

/// What holds for the whole document.
fn facts(entry: &Entry) -> String {
    let mut facts = String::new();
    if let Some(due) = entry.due_date {
        tag(&mut facts, "due", &due.to_string());
    }
    if let Some(country) = &entry.country {
        tag(&mut facts, "country", &journal_tag(country));
    }
    if let Some(number) = &entry.buyer_vat {
        tag(&mut facts, "vatnumber", &journal_tag(number));
    }
    if let Some(base) = &entry.base {
        tag(&mut facts, "rate", &format!("{} {} of {}", base.rate, base.currency, base.rate_date));
    }
    facts
}

fn tag(tags: &mut String, name: &str, value: &str) {
    let comma = if tags.is_empty() { "" } else { ", " };
    let _ = write!(tags, "{comma}{name}: {value}");
}

fn tags(posting: &Posting, entry: &Entry) -> String {
    let mut tags = String::new();
    let mut tag = |name: &str, value: &str| tag(&mut tags, name, value);
    if let Some(tax) = posting.tax {
        let of = decimal_text(i128::from(tax.base_minor), entry.currency);
        tag("vat", &format!("{} {} of {of}", tax.category.code(), tax.rate_pct.normalize()));
    }
    if let Some((minor, base)) = posting.base_minor.zip(entry.base) {
        tag("base", &format!("{} {}", decimal_text(i128::from(minor), base.currency), base.currency));
    }
    if let Some(sku) = &posting.sku {
        tag("sku", &journal_tag(sku));
    }
    if let Some(unit) = &posting.unit_code {
        tag("unit", &journal_tag(unit));
    }
    if let Some(period) = posting.period {
        tag("period", &format!("{}..{}", period.start, period.last_day()));
    }
    tags
}
