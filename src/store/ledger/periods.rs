//! Accounting periods: up to where the books are closed, and up to where deferred revenue is recognised (rules I2, L1, L8).

use crate::bulk::{Bulk, Cell};
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::Texts;
use crate::words::{count, stored};
use anyhow::ensure;
use chrono::{DateTime, NaiveDate, Utc};
use domain::ids::InvoiceId;
use domain::ledger::Calendar;
use serde_json::Value;
use sqlx::types::Json;
use std::collections::BTreeSet;
use uuid::Uuid;

/// A month that was closed.
#[derive(Debug, Clone, PartialEq)]
pub struct ClosedPeriod {
    /// `2026-01`.
    pub period: String,
    /// First day after it.
    pub open_from: NaiveDate,
    /// Entries posted in it.
    pub entries: u64,
    /// Where the chain ended then.
    pub last_sequence: u64,
    pub last_hash: String,
    /// The month as a file, relative to the exports folder.
    pub path: String,
    /// Of the file's bytes.
    pub sha256: String,
    /// Σ debit and Σ credit by currency.
    pub totals: Value,
    pub closed_by: String,
    pub closed_at: DateTime<Utc>,
}

/// First day of the earliest open accounting period; none if nothing is closed (rules I2, L2). Until the transaction ends
/// nobody closes another one: what is written by it stands in an open period.
pub async fn open_from(tx: &mut Tx) -> anyhow::Result<Option<NaiveDate>> {
    if let Tx::Postgres(t) = tx {
        // Writers do not hold each other up; a close waits for them, and they for it.
        sqlx::query("lock table accounting_close in row exclusive mode").execute(&mut **t).await?;
    }
    closed_before(tx).await
}

async fn closed_before(tx: &mut Tx) -> anyhow::Result<Option<NaiveDate>> {
    Ok(on!(tx, c => sqlx::query_scalar("select max(open_from) from accounting_close").fetch_one(c).await?))
}

/// How far the books have come, as [`open_from`] says it.
pub async fn calendar(tx: &mut Tx) -> anyhow::Result<Calendar> {
    Ok(Calendar { open_from: open_from(tx).await?, recognized_until: recognized_until(tx).await? })
}

/// Waits until nobody is writing entries, and lets nobody begin, until the transaction ends. On SQLite there is one writer.
pub async fn lock_periods(tx: &mut Tx) -> anyhow::Result<Option<NaiveDate>> {
    if let Tx::Postgres(t) = tx {
        sqlx::query("lock table accounting_close in share row exclusive mode").execute(&mut **t).await?;
    }
    closed_before(tx).await
}

/// Closes every day before the end of a month for good, under [`lock_periods`].
pub async fn close(tx: &mut Tx, period: &ClosedPeriod) -> anyhow::Result<()> {
    let closed = closed_before(tx).await?;
    ensure!(closed.is_none_or(|c| c < period.open_from), "accounting is closed up to {closed:?} already");
    on!(tx, c => sqlx::query("insert into accounting_close (open_from, closed_at) values ($1, $2)")
        .bind(period.open_from)
        .bind(period.closed_at)
        .execute(c)
        .await
        .map(drop))?;
    let columns = &[
        "period",
        "open_from",
        "entries",
        "last_sequence",
        "last_hash",
        "path",
        "sha256",
        "totals",
        "closed_by",
        "closed_at",
    ];
    let mut rows = Bulk::into("accounting_period", columns);
    rows.row([
        (&period.period).into(),
        period.open_from.into(),
        stored(period.entries).into(),
        stored(period.last_sequence).into(),
        (&period.last_hash).into(),
        (&period.path).into(),
        (&period.sha256).into(),
        Cell::json(&period.totals)?,
        (&period.closed_by).into(),
        period.closed_at.into(),
    ]);
    rows.insert(tx).await.map(drop)
}

/// Every closed month, oldest first.
pub async fn closed_periods(tx: &mut Tx) -> anyhow::Result<Vec<ClosedPeriod>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        period: String,
        open_from: NaiveDate,
        entries: i64,
        last_sequence: i64,
        last_hash: String,
        path: String,
        sha256: String,
        totals: Json<Value>,
        closed_by: String,
        closed_at: DateTime<Utc>,
    }
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        "select period, open_from, entries, last_sequence, last_hash, path, sha256, totals, closed_by, closed_at
         from accounting_period
         order by open_from")
        .fetch_all(c)
        .await?);
    rows.into_iter()
        .map(|row| {
            Ok(ClosedPeriod {
                period: row.period,
                open_from: row.open_from,
                entries: count(row.entries, "accounting_period.entries")?,
                last_sequence: count(row.last_sequence, "accounting_period.last_sequence")?,
                last_hash: row.last_hash,
                path: row.path,
                sha256: row.sha256,
                totals: row.totals.0,
                closed_by: row.closed_by,
                closed_at: row.closed_at,
            })
        })
        .collect()
}

/// Day of the earliest posting.
pub async fn first_posting(tx: &mut Tx) -> anyhow::Result<Option<NaiveDate>> {
    Ok(on!(tx, c => sqlx::query_scalar("select min(posting_date) from ledger_entry").fetch_one(c).await?))
}

/// How many entries are posted before a day, sealed or not.
pub async fn posted_before(tx: &mut Tx, day: NaiveDate) -> anyhow::Result<u64> {
    let entries: i64 = on!(tx, c => sqlx::query_scalar("select count(*) from ledger_entry where posting_date < $1")
        .bind(day)
        .fetch_one(c)
        .await?);
    count(entries, "ledger_entry")
}

/// Deferred revenue is recognised before this day; none = it never was.
pub async fn recognized_until(tx: &mut Tx) -> anyhow::Result<Option<NaiveDate>> {
    Ok(on!(tx, c => sqlx::query_scalar("select max(recognized_until) from recognition").fetch_one(c).await?))
}

/// All that is earned before this day is in revenue.
pub async fn mark_recognized(tx: &mut Tx, until: NaiveDate, now: DateTime<Utc>) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query(
        "insert into recognition (recognized_until, recognized_at) values ($1, $2)
         on conflict (recognized_until) do nothing")
        .bind(until)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Documents of which something is deferred on these accounts for days before this one, with the first of those days.
pub async fn open_deferred(
    tx: &mut Tx,
    accounts: &BTreeSet<String>,
    before: NaiveDate,
) -> anyhow::Result<Vec<(InvoiceId, NaiveDate)>> {
    const SQL: PerDriver = by_keys!(
        "select t.invoice, min(t.period_start)
         from (select e.invoice, p.line, p.period_start
               from ledger_posting p
               join ledger_entry e on e.id = p.entry
               where p.line is not null and p.period_start < $2 and p.account",
        text,
        " group by e.invoice, p.line, p.period_start
          having sum(p.credit_minor) <> sum(p.debit_minor)) t
         group by t.invoice
         order by t.invoice"
    );
    let sql = tx.pick(&SQL);
    let accounts = Texts(accounts.iter().cloned().collect());
    let rows: Vec<(Uuid, NaiveDate)> =
        on!(tx, c => sqlx::query_as(sql).bind(accounts).bind(before).fetch_all(c).await?);
    Ok(rows.into_iter().map(|(invoice, first)| (InvoiceId(invoice), first)).collect())
}
