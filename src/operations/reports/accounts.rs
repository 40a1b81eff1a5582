//! Account by account: the trial balance, and what waits on clearing accounts to be paid out.

use super::Work;
use domain::ledger::{Account, AccountType};
use domain::money::Currency;
use domain::report::{Agreement, Cell, numbers, words};
use domain::zone::next_day;
use std::collections::BTreeMap;
use store::ledger::report::{self as sql, ClearingRow};

/// Opening, debit, credit and closing of every account, by currency.
pub(super) async fn trial_balance(work: &mut Work<'_>) -> anyhow::Result<()> {
    let columns = [
        words("account", "account"),
        words("name", "name"),
        words("type", "type"),
        words("currency", ""),
        numbers("opening", "opening"),
        numbers("debit", "debit"),
        numbers("credit", "credit"),
        numbers("closing", "closing"),
    ];
    let chart = chart(work);
    let span = work.ask.span;
    let sums = sql::sums(&mut work.tx, span.start, span.end).await?;
    work.begin("Trial balance", &columns, ("name", "closing"))?;
    let mut totals: BTreeMap<Currency, (i128, i128, i128)> = BTreeMap::new();
    for sum in &sums {
        let (opening, debit, credit) =
            (i128::from(sum.opening_minor), i128::from(sum.debit_minor), i128::from(sum.credit_minor));
        let total = totals.entry(sum.currency).or_default();
        *total = (total.0 + opening, total.1 + debit, total.2 + credit);
        let of = chart.get(&sum.account);
        let amount = |minor| Cell::amount(minor, sum.currency);
        work.sheet.row(&[
            Cell::text(&sum.account),
            Cell::text(of.map_or("no longer in the chart", |account| &account.name)),
            Cell::text(of.map_or("", |account| type_word(account.kind))),
            Cell::currency(sum.currency),
            amount(opening),
            amount(debit),
            amount(credit),
            amount(opening + debit - credit),
        ])?;
    }
    let agreements = totals.into_iter().flat_map(|(currency, (opening, debit, credit))| {
        [
            Agreement::of("opening balances come to nothing", currency, opening, 0),
            Agreement::of("debit is credit", currency, debit, credit),
        ]
    });
    work.end(&agreements.collect::<Vec<_>>())
}

fn chart(work: &Work<'_>) -> BTreeMap<String, Account> {
    let catalogue = &work.catalogue;
    catalogue.tenant.accounts.accounts(catalogue.business_units.values())
}

fn type_word(kind: AccountType) -> &'static str {
    match kind {
        AccountType::Asset => "asset",
        AccountType::Liability => "liability",
        AccountType::Equity => "equity",
        AccountType::Income => "income",
        AccountType::Expense => "expense",
    }
}

/// Money that providers have taken, day by day, less their fees, and what is still to be paid out.
pub(super) async fn clearing(work: &mut Work<'_>) -> anyhow::Result<()> {
    let columns = [
        words("account", "account"),
        words("name", "name"),
        words("currency", ""),
        words("day", "day"),
        numbers("payments", "payments"),
        numbers("fees", "fees"),
        numbers("other", "paid out and other"),
        numbers("balance", "to be paid out"),
    ];
    let waits =
        |account: &Account| ["assets:clearing", "assets:refunds"].iter().any(|p| account.path.starts_with(p));
    let chart: BTreeMap<String, Account> =
        chart(work).into_iter().filter(|(_, account)| waits(account)).collect();
    let codes: Vec<String> = chart.keys().cloned().collect();
    let span = work.ask.span;
    let days = sql::clearing(&mut work.tx, &codes, span.start, span.end).await?;
    let sums = sql::sums(&mut work.tx, span.start, span.end).await?;
    work.begin("Clearing against payouts", &columns, ("day", "balance"))?;
    let mut balances: BTreeMap<(String, Currency), i128> = BTreeMap::new();
    for day in &days {
        let balance = balances.entry((day.account.clone(), day.currency)).or_default();
        *balance += moved(day);
        let amount = |minor| Cell::amount(i128::from(minor), day.currency);
        let [paid, fees, other] = match day.day {
            Some(_) => [day.paid_minor, day.fees_minor, day.other_minor].map(amount),
            None => [const { Cell::Empty }; 3],
        };
        work.sheet.row(&[
            Cell::text(&day.account),
            Cell::text(chart.get(&day.account).map_or("", |account| &account.name)),
            Cell::currency(day.currency),
            day.day.map_or_else(|| Cell::text("brought forward"), Cell::Day),
            paid,
            fees,
            other,
            Cell::amount(*balance, day.currency),
        ])?;
    }
    let agreements = sums.iter().filter(|sum| chart.contains_key(&sum.account)).map(|sum| {
        let ledger =
            i128::from(sum.opening_minor) + i128::from(sum.debit_minor) - i128::from(sum.credit_minor);
        let key = (sum.account.clone(), sum.currency);
        let name = format!("account {} at the end of {}", sum.account, span.last_day());
        Agreement::of(name, sum.currency, balances.get(&key).copied().unwrap_or(0), ledger)
    });
    work.end(&agreements.collect::<Vec<_>>())
}

fn moved(day: &ClearingRow) -> i128 {
    i128::from(day.paid_minor) + i128::from(day.fees_minor) + i128::from(day.other_minor)
}

/// What is owed on the receivables before the day after this one, by currency.
pub(super) async fn receivables(
    work: &mut Work<'_>,
    as_of: chrono::NaiveDate,
) -> anyhow::Result<BTreeMap<Currency, i128>> {
    let sums = sql::receivables(&mut work.tx, next_day(as_of)).await?;
    Ok(sums.into_iter().map(|(currency, minor)| (currency, i128::from(minor))).collect())
}
