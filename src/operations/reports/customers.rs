//! What payers owe, movement by movement: one payer's statement, and the ledger of all of them.

use super::{Work, accounts, no_account};
use crate::refusal::Stop;
use domain::money::Currency;
use domain::refusal::{Code, Refusal, Verb};
use domain::report::{Agreement, Cell, Column, numbers, words};
use std::collections::{BTreeMap, BTreeSet};
use store::ledger::report::{self as sql, MovementRow};

const COLUMNS: [Column; 10] = [
    words("account", "account"),
    words("name", "name"),
    words("date", "date"),
    words("document", "document"),
    words("kind", "what"),
    words("due", "due"),
    words("currency", ""),
    numbers("debit", "debit"),
    numbers("credit", "credit"),
    numbers("balance", "balance"),
];

/// One payer's movements, with what was owed before and what is owed after.
pub(super) async fn statement(work: &mut Work<'_>) -> Result<(), Stop> {
    let account = work.ask.account.clone().ok_or_else(no_account)?;
    let known = store::book::customer(&mut work.tx, &account).await?;
    if known.is_none() {
        let message = format!("there is no customer {account}");
        let refusal = Refusal::new(Code::UnknownCustomer, message).ask(Verb::ListPayers.plain());
        return Err(refusal.hint(" lists them by account number").into());
    }
    work.begin("Statement of account", &COLUMNS, ("document", "balance"))?;
    let closing = movements(work, Some(&account)).await?;
    // The same by another way: document by document.
    let mut open: BTreeMap<Currency, i128> = BTreeMap::new();
    sql::open_documents(&mut work.tx, work.ask.span.end, |document| {
        if document.account_number == account {
            *open.entry(document.currency.parse()?).or_default() += i128::from(document.open_minor);
        }
        Ok(())
    })
    .await?;
    Ok(agree(work, &closing, &open)?)
}

/// All payers.
pub(super) async fn ledger(work: &mut Work<'_>) -> anyhow::Result<()> {
    work.begin("Customer ledger", &COLUMNS, ("document", "balance"))?;
    let account = work.ask.account.clone();
    let closing = movements(work, account.as_deref()).await?;
    if account.is_some() {
        return work.end(&[]);
    }
    let ledger = accounts::receivables(work, work.ask.span.last_day()).await?;
    agree(work, &closing, &ledger)
}

fn agree(
    work: &mut Work<'_>,
    closing: &BTreeMap<Currency, i128>,
    ledger: &BTreeMap<Currency, i128>,
) -> anyhow::Result<()> {
    let currencies: BTreeSet<Currency> = closing.keys().chain(ledger.keys()).copied().collect();
    let of = |sums: &BTreeMap<Currency, i128>, currency| sums.get(&currency).copied().unwrap_or(0);
    let name = format!("owed at the end of {}", work.ask.span.last_day());
    let agreements = currencies
        .into_iter()
        .map(|currency| Agreement::of(name.clone(), currency, of(closing, currency), of(ledger, currency)));
    work.end(&agreements.collect::<Vec<_>>())
}

/// Writes the movements, each with the balance after it; the closing sums by currency.
async fn movements(work: &mut Work<'_>, account: Option<&str>) -> anyhow::Result<BTreeMap<Currency, i128>> {
    let span = work.ask.span;
    let mut closing: BTreeMap<Currency, i128> = BTreeMap::new();
    let mut running: Option<(String, Currency, i128)> = None;
    let sheet = &mut *work.sheet;
    sql::movements(&mut work.tx, account, (span.start, span.end), |row| {
        let same = running
            .take_if(|(account, currency, _)| *account == row.account_number && *currency == row.currency);
        let balance = same.map_or(0, |(_, _, balance)| balance) + i128::from(row.minor);
        *closing.entry(row.currency).or_default() += i128::from(row.minor);
        let key = (row.account_number.clone(), row.currency, balance);
        running = Some(key);
        // Who owed nothing and does nothing has no row.
        if row.entry.is_some() || balance != 0 {
            sheet.row(&cells(row, balance))?;
        }
        Ok(())
    })
    .await?;
    Ok(closing)
}

fn cells(row: MovementRow, balance: i128) -> [Cell; COLUMNS.len()] {
    let currency = row.currency;
    let side = |minor: i64| match minor {
        0 => Cell::Empty,
        minor => Cell::amount(i128::from(minor), currency),
    };
    let (debit, credit) = match row.entry {
        Some(_) => (side(row.minor.max(0)), side(row.minor.min(0).saturating_neg())),
        None => (Cell::Empty, Cell::Empty),
    };
    let (date, document, kind, due) = match row.entry {
        Some(moved) => (
            Cell::Day(moved.posting_date),
            Cell::Text(moved.document_number),
            Cell::text(moved.kind.word()),
            moved.due_date.map_or(Cell::Empty, Cell::Day),
        ),
        None => (Cell::Empty, Cell::Empty, Cell::text("brought forward"), Cell::Empty),
    };
    let name = row.name.map_or(Cell::Empty, Cell::Text);
    let account = Cell::Text(row.account_number);
    let (currency, balance) = (Cell::currency(currency), Cell::amount(balance, currency));
    [account, name, date, document, kind, due, currency, debit, credit, balance]
}
