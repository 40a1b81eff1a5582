//! Aged receivables: what is open at the end of a day, by how long it is overdue.

use super::{Work, accounts};
use chrono::NaiveDate;
use domain::money::Currency;
use domain::report::{Agreement, Cell, numbers, words};
use domain::zone::next_day;
use std::collections::BTreeMap;
use store::ledger::report::{self as sql, OpenRow};

/// Not due, up to 30, 60 and 90 days overdue, longer, and what is owed to the payer.
const BUCKETS: usize = 6;
const CREDIT: usize = 5;

#[derive(Default, Clone, Copy)]
struct Aged([i128; BUCKETS]);

impl Aged {
    fn add(&mut self, open_minor: i64, overdue_days: i64) {
        let bucket = match overdue_days {
            _ if open_minor < 0 => CREDIT,
            ..=0 => 0,
            1..=30 => 1,
            31..=60 => 2,
            61..=90 => 3,
            _ => 4,
        };
        self.0[bucket] += i128::from(open_minor);
    }

    fn total(&self) -> i128 {
        self.0.iter().sum()
    }

    fn cells(&self, currency: Currency) -> Vec<Cell> {
        let all = self.0.iter().copied().chain([self.total()]);
        all.map(|minor| Cell::amount(minor, currency)).collect()
    }
}

/// One payer in one currency.
struct Payer {
    account: String,
    name: String,
    currency: Currency,
    aged: Aged,
}

impl Payer {
    fn row(&self) -> Vec<Cell> {
        let who = [Cell::text(&self.account), Cell::text(&self.name), Cell::currency(self.currency)];
        who.into_iter().chain(self.aged.cells(self.currency)).collect()
    }
}

/// By payer, or document by document; the totals stand at the end.
pub(super) async fn aging(work: &mut Work<'_>) -> anyhow::Result<()> {
    let as_of = work.as_of();
    let ledger = accounts::receivables(work, as_of).await?;
    let detail = work.ask.detail;
    let buckets = [
        numbers("notdue", "not due"),
        numbers("days30", "1 to 30 days"),
        numbers("days60", "31 to 60"),
        numbers("days90", "61 to 90"),
        numbers("older", "over 90"),
        numbers("credit", "credit"),
        numbers("total", "total"),
    ];
    let mut columns = vec![words("account", "account"), words("name", "name")];
    if detail {
        columns.extend([words("invoice", "invoice"), words("date", "date"), words("due", "due")]);
    }
    columns.push(words("currency", ""));
    columns.extend(buckets);
    work.begin_at("Aged receivables", as_of.to_string(), &columns, Some(("account", "total")))?;

    let mut totals: BTreeMap<Currency, Aged> = BTreeMap::new();
    let mut payer: Option<Payer> = None;
    let sheet = &mut *work.sheet;
    sql::open_documents(&mut work.tx, next_day(as_of), |document| {
        let currency: Currency = document.currency.parse()?;
        let overdue_days = document.due_date.map_or(0, |due| (as_of - due).num_days());
        totals.entry(currency).or_default().add(document.open_minor, overdue_days);
        if detail {
            return Ok(sheet.row(&detailed(document, currency, overdue_days))?);
        }
        let is_same = |p: &Payer| p.account == document.account_number && p.currency == currency;
        if let Some(done) = payer.take_if(|payer| !is_same(payer)) {
            sheet.row(&done.row())?;
        }
        let of = payer.get_or_insert_with(|| Payer {
            account: document.account_number,
            name: document.name.unwrap_or_default(),
            currency,
            aged: Aged::default(),
        });
        of.aged.add(document.open_minor, overdue_days);
        Ok(())
    })
    .await?;
    if let Some(done) = payer {
        sheet.row(&done.row())?;
    }
    for (currency, aged) in &totals {
        let blanks = if detail { 4 } else { 1 };
        let mut row = vec![Cell::text("total")];
        row.extend(std::iter::repeat_n(Cell::Empty, blanks));
        row.push(Cell::currency(*currency));
        row.extend(aged.cells(*currency));
        sheet.row(&row)?;
    }
    let currencies: std::collections::BTreeSet<Currency> =
        totals.keys().chain(ledger.keys()).copied().collect();
    let agreements = currencies.into_iter().map(|currency| {
        let open = totals.get(&currency).map_or(0, Aged::total);
        let name = format!("receivables at the end of {as_of}");
        Agreement::of(name, currency, open, ledger.get(&currency).copied().unwrap_or(0))
    });
    work.end(&agreements.collect::<Vec<_>>())
}

fn detailed(document: OpenRow, currency: Currency, overdue_days: i64) -> Vec<Cell> {
    let mut aged = Aged::default();
    aged.add(document.open_minor, overdue_days);
    let day = |day: Option<NaiveDate>| day.map_or(Cell::Empty, Cell::Day);
    let mut row = vec![
        Cell::Text(document.account_number),
        Cell::text(document.name.unwrap_or_default()),
        Cell::Text(document.document_number),
        Cell::Day(document.document_date),
        day(document.due_date),
        Cell::currency(currency),
    ];
    row.extend(aged.cells(currency));
    row
}
