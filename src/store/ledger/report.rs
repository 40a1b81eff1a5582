//! Sums of sealed entries for reports: the database adds, and hands on one row at a time, so that no report holds the ledger
//! in memory.
//!
//! An entry is sealed if it does not wait for its seal; those that wait are few. `cross join` makes SQLite begin with the entries,
//! whose postings lie beside each other.

use crate::invoice::tax_category;
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::{Dec, Texts};
use crate::words::read_word;
use chrono::NaiveDate;
use domain::catalogue::TaxCategory;
use domain::ledger::EntryKind;
use domain::money::Currency;
use domain::period::Period;
use futures_util::TryStreamExt;
use rust_decimal::Decimal;

/// Sealed entries alone.
macro_rules! sealed {
    () => {
        " e.id not in (select entry from ledger_unsealed) "
    };
}

/// The row of an entry that stands on the receivable, whatever account that was on its day (rules L1): the one without VAT
/// and line of a document, the second of what settles it, the first of what goes back.
macro_rules! receivable {
    () => {
        " ((e.kind in ('booking', 'credit_note', 'opening') and p.line is null and p.tax_category is null)
           or (e.kind in ('payment', 'write_off', 'rounding') and p.number = 2)
           or (e.kind = 'refund' and p.number = 1)) "
    };
}

/// VAT rows or revenue rows of one kind of sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turnover {
    pub country: Option<String>,
    pub vat_number: Option<String>,
    pub category: TaxCategory,
    pub rate_pct: Decimal,
    /// VAT rows; else revenue rows.
    pub is_vat: bool,
    pub currency: Currency,
    /// The documents' day, where they have no amounts in the base currency.
    pub without_rate: Option<NaiveDate>,
    /// Credit less debit in the documents' currency, and in the base currency.
    pub minor: i64,
    pub base_minor: i64,
}

/// What was invoiced and credited, posted from a day and before another, by the second form's facts; `base` is the base
/// currency. With numbers it is told by the buyers' VAT numbers, else only whether they have one.
pub async fn turnover(
    tx: &mut Tx,
    (from, before): (NaiveDate, NaiveDate),
    base: Currency,
    with_numbers: bool,
) -> anyhow::Result<Vec<Turnover>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        country: Option<String>,
        vat_number: Option<String>,
        tax_category: String,
        tax_pct: Dec,
        is_vat: i64,
        currency: String,
        without_rate: Option<NaiveDate>,
        minor: i64,
        base_minor: i64,
    }
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(concat!(
        "select t.country, t.vat_number, t.tax_category, t.tax_pct, t.is_vat, t.currency, t.without_rate,
                cast(sum(t.minor) as bigint) as minor, cast(sum(t.base_minor) as bigint) as base_minor
         from (select e.country, e.currency, p.tax_category, p.tax_pct,
                      case when $4 then i.buyer ->> 'vat_number'
                           when i.buyer ->> 'vat_number' is null then null else 'known' end as vat_number,
                      cast(case when p.line is null then 1 else 0 end as bigint) as is_vat,
                      case when e.currency <> $3 and p.base_minor is null then e.document_date end as without_rate,
                      p.credit_minor - p.debit_minor as minor,
                      case when e.currency = $3 then p.credit_minor - p.debit_minor
                           else coalesce(-p.base_minor, 0) end as base_minor
               from ledger_entry e
               join ledger_posting p on p.entry = e.id
               left join invoice i on i.id = e.invoice
               where e.form = 2 and e.kind in ('booking', 'credit_note') and p.tax_category is not null
                 and e.posting_date >= $1 and e.posting_date < $2 and", sealed!(), ") t
         group by t.country, t.vat_number, t.tax_category, t.tax_pct, t.is_vat, t.currency, t.without_rate"))
        .bind(from)
        .bind(before)
        .bind(base.code())
        .bind(with_numbers)
        .fetch_all(c)
        .await?);
    rows.into_iter()
        .map(|row| {
            Ok(Turnover {
                country: row.country,
                vat_number: row.vat_number,
                category: tax_category(&row.tax_category)?,
                rate_pct: row.tax_pct.0.normalize(),
                is_vat: row.is_vat == 1,
                currency: row.currency.parse()?,
                without_rate: row.without_rate,
                minor: row.minor,
                base_minor: row.base_minor,
            })
        })
        .collect()
}

/// VAT that was invoiced, less what was credited, posted from a day and before another: credit less debit of all VAT rows by
/// currency of the documents, of both forms.
pub async fn vat(tx: &mut Tx, from: NaiveDate, before: NaiveDate) -> anyhow::Result<Vec<(Currency, i64)>> {
    let rows: Vec<(String, i64)> = on!(tx, c => sqlx::query_as(concat!(
        "select e.currency, cast(sum(p.credit_minor - p.debit_minor) as bigint)
         from ledger_entry e
         join ledger_posting p on p.entry = e.id
         where e.posting_date >= $1 and e.posting_date < $2 and p.line is null and p.tax_category is not null
           and", sealed!(), "
         group by e.currency
         order by e.currency"))
        .bind(from)
        .bind(before)
        .fetch_all(c)
        .await?);
    rows.into_iter().map(|(currency, minor)| Ok((currency.parse()?, minor))).collect()
}

/// An account's sums in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sums {
    pub account: String,
    pub currency: Currency,
    /// Debit less credit of what was posted before the period.
    pub opening_minor: i64,
    pub debit_minor: i64,
    pub credit_minor: i64,
}

/// Every account's sums for what is posted from a day and before another, by account and currency.
pub async fn sums(tx: &mut Tx, from: NaiveDate, before: NaiveDate) -> anyhow::Result<Vec<Sums>> {
    let rows: Vec<(String, String, i64, i64, i64)> = on!(tx, c => sqlx::query_as(concat!(
        "select p.account, e.currency,
                cast(sum(case when e.posting_date < $1 then p.debit_minor - p.credit_minor else 0 end) as bigint),
                cast(sum(case when e.posting_date >= $1 then p.debit_minor else 0 end) as bigint),
                cast(sum(case when e.posting_date >= $1 then p.credit_minor else 0 end) as bigint)
         from ledger_entry e
         cross join ledger_posting p
         where p.entry = e.id and e.posting_date < $2 and", sealed!(), "
         group by p.account, e.currency
         order by p.account, e.currency"))
        .bind(from)
        .bind(before)
        .fetch_all(c)
        .await?);
    rows.into_iter()
        .map(|(account, currency, opening_minor, debit_minor, credit_minor)| {
            Ok(Sums { account, currency: currency.parse()?, opening_minor, debit_minor, credit_minor })
        })
        .collect()
}

/// What stands on the receivables before a day, by currency: debit less credit.
pub async fn receivables(tx: &mut Tx, before: NaiveDate) -> anyhow::Result<Vec<(Currency, i64)>> {
    let rows: Vec<(String, i64)> = on!(tx, c => sqlx::query_as(concat!(
        "select e.currency, cast(sum(p.debit_minor - p.credit_minor) as bigint)
         from ledger_entry e
         cross join ledger_posting p
         where p.entry = e.id and e.posting_date < $1 and", receivable!(), "and", sealed!(), "
         group by e.currency
         order by e.currency"))
        .bind(before)
        .fetch_all(c)
        .await?);
    rows.into_iter().map(|(currency, minor)| Ok((currency.parse()?, minor))).collect()
}

/// A document with what was open of it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct OpenRow {
    pub account_number: String,
    pub name: Option<String>,
    pub document_number: String,
    pub document_date: NaiveDate,
    pub due_date: Option<NaiveDate>,
    pub currency: String,
    /// Above 0 the payer owes it.
    pub open_minor: i64,
}

/// Documents of which something was open at the end of the day before, by account and number. Credits that were set against
/// an invoice by then are taken from both.
pub async fn open_documents(
    tx: &mut Tx,
    before: NaiveDate,
    mut each: impl FnMut(OpenRow) -> anyhow::Result<()> + Send,
) -> anyhow::Result<()> {
    on!(tx, c => {
        let mut rows = sqlx::query_as::<_, OpenRow>(concat!(
            "select i.account_number, i.buyer ->> 'name' as name, i.number as document_number,
                    i.invoice_date as document_date, i.payable_by as due_date, i.currency,
                    cast(sum(o.minor) as bigint) as open_minor
             from (select e.invoice, p.debit_minor - p.credit_minor as minor
                   from ledger_entry e
                   cross join ledger_posting p
                   where p.entry = e.id and e.posting_date < $1 and", receivable!(), "and", sealed!(), "
                   union all
                   select s.invoice, -s.amount_minor
                   from settlement_part s
                   where s.kind = 'set_off' and s.settled_on < $1) o
             join invoice i on i.id = o.invoice
             group by i.id, i.account_number, i.buyer ->> 'name', i.number, i.invoice_date, i.payable_by, i.currency
             having sum(o.minor) <> 0
             order by i.account_number, i.currency, i.payable_by, i.number"))
            .bind(before)
            .fetch(c);
        while let Some(row) = rows.try_next().await? {
            each(row)?;
        }
    });
    Ok(())
}

/// A movement of what payers owe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovementRow {
    pub account_number: String,
    pub name: Option<String>,
    pub currency: Currency,
    /// None for what was posted before the period, which is one row.
    pub entry: Option<MovedBy>,
    /// Debit less credit.
    pub minor: i64,
}

/// The entry of a movement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedBy {
    pub posting_date: NaiveDate,
    pub sequence: i64,
    pub document_number: String,
    pub kind: EntryKind,
    pub due_date: Option<NaiveDate>,
}

/// Movements of one account number, or of all, posted from a day and before another, by account and currency; what was
/// posted before comes first.
pub async fn movements(
    tx: &mut Tx,
    account: Option<&str>,
    (from, before): (NaiveDate, NaiveDate),
    mut each: impl FnMut(MovementRow) -> anyhow::Result<()> + Send,
) -> anyhow::Result<()> {
    #[derive(sqlx::FromRow)]
    struct Row {
        account_number: String,
        name: Option<String>,
        currency: String,
        posting_date: Option<NaiveDate>,
        sequence: i64,
        document_number: Option<String>,
        kind: Option<String>,
        due_date: Option<NaiveDate>,
        minor: i64,
    }
    on!(tx, c => {
        let mut rows = sqlx::query_as::<_, Row>(concat!(
            "select * from (
             select e.account_number, cast(null as text) as name, e.currency, cast(null as date) as posting_date,
                    cast(0 as bigint) as sequence, cast(null as text) as document_number, cast(null as text) as kind,
                    cast(null as date) as due_date, cast(sum(p.debit_minor - p.credit_minor) as bigint) as minor
             from ledger_entry e
             cross join ledger_posting p
             where p.entry = e.id and e.posting_date < $2 and ($1 is null or e.account_number = $1) and", receivable!(), "and", sealed!(), "
             group by e.account_number, e.currency
             union all
             select e.account_number, i.buyer ->> 'name', e.currency, e.posting_date, s.sequence, e.document_number, e.kind,
                    case when e.kind = 'booking' then i.payable_by end, p.debit_minor - p.credit_minor
             from ledger_posting p
             join ledger_entry e on e.id = p.entry
             join ledger_seal s on s.entry = e.id
             left join invoice i on i.id = e.invoice
             where e.posting_date >= $2 and e.posting_date < $3 and ($1 is null or e.account_number = $1) and",
            receivable!(), ") t
             order by t.account_number, t.currency, case when t.sequence = 0 then 0 else 1 end, t.posting_date, t.sequence"))
            .bind(account)
            .bind(from)
            .bind(before)
            .fetch(c);
        while let Some(row) = rows.try_next().await? {
            let entry = match (row.posting_date, row.document_number, row.kind) {
                (Some(posting_date), Some(document_number), Some(kind)) => Some(MovedBy {
                    posting_date,
                    sequence: row.sequence,
                    document_number,
                    kind: read_word(&kind, "ledger_entry.kind")?,
                    due_date: row.due_date,
                }),
                _ => None,
            };
            let (account_number, name) = (row.account_number, row.name);
            each(MovementRow { account_number, name, currency: row.currency.parse()?, entry, minor: row.minor })?;
        }
    });
    Ok(())
}

/// A day of an account on which money waits to be paid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClearingRow {
    pub account: String,
    pub currency: Currency,
    /// None for what was posted before the period, which is one row.
    pub day: Option<NaiveDate>,
    /// Payments, fees and all else, debit less credit.
    pub paid_minor: i64,
    pub fees_minor: i64,
    pub other_minor: i64,
}

/// What came on these accounts day by day, posted from a day and before another.
pub async fn clearing(
    tx: &mut Tx,
    accounts: &[String],
    from: NaiveDate,
    before: NaiveDate,
) -> anyhow::Result<Vec<ClearingRow>> {
    const SQL: PerDriver = by_keys!(
        concat!(
            "select t.account, t.currency, t.day, cast(sum(t.paid) as bigint), cast(sum(t.fees) as bigint),
                    cast(sum(t.other) as bigint)
             from (select p.account, e.currency, case when e.posting_date >= $2 then e.posting_date end as day,
                          case when e.kind = 'payment' then p.debit_minor - p.credit_minor else 0 end as paid,
                          case when e.kind = 'fee' then p.debit_minor - p.credit_minor else 0 end as fees,
                          case when e.kind in ('payment', 'fee') then 0 else p.debit_minor - p.credit_minor end as other
                   from ledger_posting p
                   join ledger_entry e on e.id = p.entry
                   where e.posting_date < $3 and",
            sealed!(),
            "and p.account"
        ),
        text,
        ") t group by t.account, t.currency, t.day order by t.account, t.currency, t.day"
    );
    let sql = tx.pick(&SQL);
    type Row = (String, String, Option<NaiveDate>, i64, i64, i64);
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(sql)
        .bind(Texts(accounts.to_vec()))
        .bind(from)
        .bind(before)
        .fetch_all(c)
        .await?);
    let mut days: Vec<ClearingRow> = rows
        .into_iter()
        .map(|(account, currency, day, paid_minor, fees_minor, other_minor)| {
            let currency = currency.parse()?;
            Ok(ClearingRow { account, currency, day, paid_minor, fees_minor, other_minor })
        })
        .collect::<anyhow::Result<_>>()?;
    // The databases do not agree on where nothing stands in an order.
    days.sort_by(|a, b| (&a.account, a.currency, a.day).cmp(&(&b.account, b.currency, b.day)));
    Ok(days)
}

/// Revenue of one charge in one month on one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevenueRow {
    /// `2026-01`.
    pub month: String,
    pub account: String,
    pub sku: String,
    pub currency: Currency,
    /// Credit less debit.
    pub minor: i64,
}

/// Rows of invoice lines, by month of posting, account and SKU: revenue, and what was deferred.
pub async fn revenue(tx: &mut Tx, from: NaiveDate, before: NaiveDate) -> anyhow::Result<Vec<RevenueRow>> {
    let rows: Vec<(String, String, String, String, i64)> = on!(tx, c => sqlx::query_as(concat!(
        "select t.month, t.account, t.sku, t.currency, cast(sum(t.minor) as bigint)
         from (select substr(cast(e.posting_date as text), 1, 7) as month, p.account, coalesce(p.sku, '') as sku,
                      e.currency, p.credit_minor - p.debit_minor as minor
               from ledger_entry e
               join ledger_posting p on p.entry = e.id
               where e.posting_date >= $1 and e.posting_date < $2 and p.line is not null and", sealed!(), ") t
         group by t.month, t.account, t.sku, t.currency
         order by t.month, t.sku, t.currency, t.account"))
        .bind(from)
        .bind(before)
        .fetch_all(c)
        .await?);
    rows.into_iter()
        .map(|(month, account, sku, currency, minor)| {
            Ok(RevenueRow { month, account, sku, currency: currency.parse()?, minor })
        })
        .collect()
}

/// Lines of one charge of one subscription with one service period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoveredRow {
    pub account_number: String,
    pub subscription_number: String,
    pub currency: Currency,
    pub sku: String,
    pub period: Period,
    /// Credit less debit.
    pub minor: i64,
}

/// Billed lines of these charges that serve one of two days, by account and subscription.
pub async fn covering(
    tx: &mut Tx,
    skus: &[String],
    days: [NaiveDate; 2],
    mut each: impl FnMut(CoveredRow) -> anyhow::Result<()> + Send,
) -> anyhow::Result<()> {
    const SQL: PerDriver = by_keys!(
        concat!(
            "select e.account_number, coalesce(l.subscription_number, ''), e.currency, p.sku, p.period_start,
                    p.period_end, cast(sum(p.credit_minor - p.debit_minor) as bigint)
             from ledger_posting p
             join ledger_entry e on e.id = p.entry
             left join invoice_line l on l.id = p.line
             where e.kind in ('booking', 'credit_note') and p.line is not null
               and ((p.period_start <= $2 and p.period_end > $2) or (p.period_start <= $3 and p.period_end > $3))
               and",
            sealed!(),
            "and p.sku"
        ),
        text,
        " group by 1, 2, 3, 4, 5, 6 order by 1, 2, 3, 4, 5, 6"
    );
    type Row = (String, String, String, String, NaiveDate, NaiveDate, i64);
    let sql = tx.pick(&SQL);
    on!(tx, c => {
        let mut rows = sqlx::query_as::<_, Row>(sql)
            .bind(Texts(skus.to_vec()))
            .bind(days[0])
            .bind(days[1])
            .fetch(c);
        while let Some((account_number, subscription_number, currency, sku, start, end, minor)) =
            rows.try_next().await?
        {
            let (currency, period) = (currency.parse()?, Period::new(start, end));
            each(CoveredRow { account_number, subscription_number, currency, sku, period, minor })?;
        }
    });
    Ok(())
}

/// An invoice line of which something is deferred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeferredRow {
    pub currency: Currency,
    pub period: Period,
    /// Its net as booked, and what is deferred of it: credit less debit.
    pub net_minor: i64,
    pub deferred_minor: i64,
}

/// Lines of which something was deferred on these accounts at the end of the day before.
pub async fn deferred(
    tx: &mut Tx,
    accounts: &[String],
    before: NaiveDate,
    mut each: impl FnMut(DeferredRow) -> anyhow::Result<()> + Send,
) -> anyhow::Result<()> {
    const SQL: PerDriver = by_keys!(
        concat!(
            "select min(t.currency), min(t.period_start), min(t.period_end), cast(sum(t.net) as bigint),
                    cast(sum(t.deferred) as bigint)
             from (select p.line, e.currency, p.period_start, p.period_end,
                          case when e.kind in ('booking', 'credit_note') then p.credit_minor - p.debit_minor else 0 end
                              as net,
                          case when d.account is null then 0 else p.credit_minor - p.debit_minor end as deferred
                   from ledger_posting p
                   join ledger_entry e on e.id = p.entry
                   left join (select distinct account from ledger_posting where account"
        ),
        text,
        concat!(
            ") d on d.account = p.account
                   where p.line is not null and p.period_start is not null and e.posting_date < $2 and",
            sealed!(),
            ") t
             group by t.line
             having sum(t.deferred) <> 0"
        )
    );
    type Row = (String, NaiveDate, NaiveDate, i64, i64);
    let sql = tx.pick(&SQL);
    on!(tx, c => {
        let mut rows = sqlx::query_as::<_, Row>(sql).bind(Texts(accounts.to_vec())).bind(before).fetch(c);
        while let Some((currency, start, end, net_minor, deferred_minor)) = rows.try_next().await? {
            let (currency, period) = (currency.parse()?, Period::new(start, end));
            each(DeferredRow { currency, period, net_minor, deferred_minor })?;
        }
    });
    Ok(())
}
