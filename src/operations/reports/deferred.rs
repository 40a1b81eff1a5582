//! The waterfall of deferred revenue: what is deferred at the end of the span, by the month in which it will be earned.

use super::Work;
use super::revenue::deferred_accounts;
use domain::ledger::earned_minor;
use domain::money::Currency;
use domain::report::{Agreement, Cell, MonthRange, numbers, words};
use std::collections::{BTreeMap, BTreeSet};
use store::ledger::report::{self as sql, DeferredRow};

/// Months ahead that are told one by one; what comes later is one row.
const MONTHS: usize = 60;

/// By month and currency; what should have been earned already is earned in the first month.
pub(super) async fn waterfall(work: &mut Work<'_>) -> anyhow::Result<()> {
    let columns = [
        words("month", "earned in"),
        words("currency", ""),
        numbers("amount", "amount"),
        numbers("left", "still deferred after it"),
    ];
    let (span, accounts) = (work.ask.span, deferred_accounts(work));
    let codes: Vec<String> = accounts.iter().cloned().collect();
    let sums = sql::sums(&mut work.tx, span.start, span.end).await?;
    work.begin_at("Deferred revenue", span.last_day().to_string(), &columns, Some(("month", "amount")))?;
    let ends = ends(span);
    let mut months: BTreeMap<Currency, Vec<i128>> = BTreeMap::new();
    sql::deferred(&mut work.tx, &codes, span.end, |row| {
        let parts = months.entry(row.currency).or_insert_with(|| vec![0; ends.len() + 1]);
        spread(&row, &ends, parts);
        Ok(())
    })
    .await?;
    let mut deferred: BTreeMap<Currency, i128> = BTreeMap::new();
    for (currency, parts) in &months {
        let mut left: i128 = parts.iter().sum();
        deferred.insert(*currency, left);
        for (place, part) in parts.iter().enumerate().filter(|(_, part)| **part != 0) {
            left -= part;
            let month = ends.get(place).map_or_else(|| "later".to_owned(), |month| month.to_string());
            work.row(&[
                Cell::text(month),
                Cell::currency(*currency),
                Cell::amount(*part, *currency),
                Cell::amount(left, *currency),
            ])?;
        }
    }
    let mut ledger: BTreeMap<Currency, i128> = BTreeMap::new();
    for sum in sums.iter().filter(|sum| accounts.contains(&sum.account)) {
        let closing =
            i128::from(sum.opening_minor) + i128::from(sum.debit_minor) - i128::from(sum.credit_minor);
        *ledger.entry(sum.currency).or_default() -= closing;
    }
    let currencies: BTreeSet<Currency> = deferred.keys().chain(ledger.keys()).copied().collect();
    let of = |sums: &BTreeMap<Currency, i128>, currency| sums.get(&currency).copied().unwrap_or(0);
    let name = format!("deferred at the end of {}", span.last_day());
    let agreements = currencies.into_iter().map(|currency| {
        Agreement::of(name.clone(), currency, of(&deferred, currency), of(&ledger, currency))
    });
    work.end(&agreements.collect::<Vec<_>>())
}

/// The months after the span.
fn ends(span: MonthRange) -> Vec<MonthRange> {
    let after = |month: &MonthRange| Some(MonthRange::month_of(month.end));
    std::iter::successors(Some(MonthRange::month_of(span.end)), after).take(MONTHS).collect()
}

/// Adds what a line will earn in each month, and what is left for later.
fn spread(row: &DeferredRow, months: &[MonthRange], parts: &mut [i128]) {
    let mut earned = row.net_minor - row.deferred_minor;
    for (month, part) in months.iter().zip(parts.iter_mut()) {
        let until = earned_minor(row.period, row.net_minor, month.end);
        *part += i128::from(until - earned);
        earned = until;
    }
    if let Some(later) = parts.last_mut() {
        *later += i128::from(row.net_minor - earned);
    }
}
