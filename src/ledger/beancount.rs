//! A journal for Beancount: accounts are opened before all entries, their names capitalised.

use crate::amount::decimal_text;
use crate::exporter::{Accounts, Balance, Header};
use crate::plain::beancount_string;
use domain::NaiveDate;
use domain::ledger::{Account, AccountType, Entry, Sealed};
use domain::money::Currency;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Earlier than any entry.
const OPENED: &str = "1970-01-01";

pub fn begin(out: &mut dyn Write, header: &Header<'_>, accounts: &Accounts) -> io::Result<()> {
    let title = format!("{}: {}", header.tenant, header.title);
    writeln!(out, "option \"title\" {}\n", beancount_string(&title))?;
    accounts.iter().try_for_each(|declared| account(out, declared))
}

pub fn account(out: &mut dyn Write, account: &Account) -> io::Result<()> {
    writeln!(out, "{OPENED} open {}", name(account))?;
    writeln!(out, "  code: {}\n  name: {}", beancount_string(&account.code), beancount_string(&account.name))
}

/// An account that the chart no longer has, before the first entry that carries it.
pub fn late_account(out: &mut dyn Write, late: &Account) -> io::Result<()> {
    writeln!(out)?;
    account(out, late)
}

pub fn commodity(out: &mut dyn Write, currency: Currency) -> io::Result<()> {
    writeln!(out, "\n{OPENED} commodity {currency}")
}

/// Balances before the first entry, each against the opening account.
pub fn opening(
    out: &mut dyn Write,
    accounts: &Accounts,
    on: NaiveDate,
    balances: &[Balance],
    against: &str,
) -> io::Result<()> {
    writeln!(out, "\n{on} * \"opening balances\"")?;
    for balance in balances {
        posting(out, accounts, &balance.account, balance.minor, balance.currency)?;
        posting(out, accounts, against, -balance.minor, balance.currency)?;
    }
    Ok(())
}

pub fn entry(out: &mut dyn Write, accounts: &Accounts, sealed: &Sealed, buyer: &str) -> io::Result<()> {
    let entry = &sealed.entry;
    let payee = if buyer.trim().is_empty() { &entry.account_number } else { buyer };
    let note = format!("{} {}", entry.kind.word(), entry.document_number);
    writeln!(out, "\n{} * {} {}", entry.posting_date, beancount_string(payee), beancount_string(&note))?;
    writeln!(out, "  voucher: {}", beancount_string(&entry.document_number))?;
    writeln!(out, "  voucher-date: {}", entry.document_date)?;
    writeln!(out, "  customer: {}", beancount_string(&entry.account_number))?;
    writeln!(out, "  sequence: {}\n  entry: \"{}\"", sealed.sequence, entry.id)?;
    facts(out, entry)?;
    for line in &entry.postings {
        let minor = i128::from(line.debit_minor) - i128::from(line.credit_minor);
        posting(out, accounts, &line.account, minor, entry.currency)?;
        if let Some(tax) = line.tax {
            writeln!(out, "    vat: \"{} {}\"", tax.category.code(), tax.rate_pct.normalize())?;
            let of = decimal_text(i128::from(tax.base_minor), entry.currency);
            writeln!(out, "    vat-base: {of} {}", entry.currency)?;
        }
        if let Some((minor, base)) = line.base_minor.zip(entry.base) {
            writeln!(out, "    base: {} {}", decimal_text(i128::from(minor), base.currency), base.currency)?;
        }
        if let Some(sku) = &line.sku {
            writeln!(out, "    sku: {}", beancount_string(sku))?;
        }
        if let Some(unit) = &line.unit_code {
            writeln!(out, "    unit: {}", beancount_string(unit))?;
        }
        if let Some(period) = line.period {
            writeln!(out, "    period-start: {}\n    period-end: {}", period.start, period.last_day())?;
        }
    }
    Ok(())
}

/// What holds for the whole document.
fn facts(out: &mut dyn Write, entry: &Entry) -> io::Result<()> {
    if let Some(due) = entry.due_date {
        writeln!(out, "  due: {due}")?;
    }
    if let Some(country) = &entry.country {
        writeln!(out, "  country: {}", beancount_string(country))?;
    }
    if let Some(number) = &entry.buyer_vat {
        writeln!(out, "  vat-number: {}", beancount_string(number))?;
    }
    if let Some(base) = &entry.base {
        writeln!(out, "  rate: {}\n  rate-date: {}", base.rate, base.rate_date)?;
    }
    Ok(())
}

/// Balances on the day after the last entry: Beancount asserts at the start of a day, and with sub-accounts.
pub fn closing(
    out: &mut dyn Write,
    accounts: &Accounts,
    last: NaiveDate,
    balances: &[Balance],
) -> io::Result<()> {
    let on = last.succ_opt().unwrap_or(last);
    let named: Vec<(String, &Balance)> =
        balances.iter().map(|b| (name(&accounts.of(&b.account)), b)).collect();
    let mut totals: BTreeMap<(&str, Currency), i128> = BTreeMap::new();
    for (asserted, balance) in &named {
        let below = format!("{asserted}:");
        let inside = named.iter().filter(|(name, other)| {
            other.currency == balance.currency && (name == asserted || name.starts_with(&below))
        });
        totals.insert((asserted, balance.currency), inside.map(|(_, other)| other.minor).sum());
    }
    writeln!(out)?;
    for ((asserted, currency), minor) in totals {
        writeln!(out, "{on} balance {asserted}  {} {currency}", decimal_text(minor, currency))?;
    }
    Ok(())
}

fn posting(
    out: &mut dyn Write,
    accounts: &Accounts,
    code: &str,
    minor: i128,
    currency: Currency,
) -> io::Result<()> {
    let name = name(&accounts.of(code));
    writeln!(out, "  {name:<32}  {:>14} {currency}", decimal_text(minor, currency))
}

/// `assets:receivable:5601` as `Assets:Receivable:5601`. Only letters, digits and `-` are allowed, first a
/// capital or digit: what else a code may hold is written as `-` and the character's number.
fn name(account: &Account) -> String {
    let root = match account.kind {
        AccountType::Asset => "Assets",
        AccountType::Liability => "Liabilities",
        AccountType::Equity => "Equity",
        AccountType::Income => "Income",
        AccountType::Expense => "Expenses",
    };
    let mut name = root.to_owned();
    for part in account.path.split(':').skip(1) {
        name.push(':');
        for (position, c) in part.chars().enumerate() {
            match c {
                c if c.is_ascii_alphanumeric() && position == 0 => name.push(c.to_ascii_uppercase()),
                c if c.is_ascii_alphanumeric() || c == '-' && position > 0 => name.push(c),
                c => name.push_str(&format!("{}{}", if position == 0 { "X" } else { "-" }, u32::from(c))),
            }
        }
    }
    name
}
