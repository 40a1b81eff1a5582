//! The ledger: workers write entries unsealed, one sealer gives them sequence and hash, reports and exports read
//! sealed entries only (rules L1, L2).

mod export;
mod periods;
mod read;
pub mod report;
mod seal;

pub use export::{LedgerExport, exported_of_run, exports, mark_export, next_range};
pub use periods::{
    ClosedPeriod, calendar, close, closed_periods, first_posting, lock_periods, mark_recognized,
    open_deferred, open_from, posted_before, recognized_until,
};
pub use seal::{ChainEnd, chain_end, lock_chain, save_sealed, unsealed, unsealed_count, waiting};

use crate::bulk::Bulk;
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::{Ids, Texts};
use crate::words::stored;
use anyhow::ensure;
use chrono::NaiveDate;
use domain::ids::{EntryId, InvoiceId, RunId};
use domain::ledger::{Entry, Form, Sealed};
use domain::money::Currency;
use read::{EntryRow, entry_columns, with_postings};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Writes entries unsealed. Key: (document, kind, ordinal); one that is there stays as it is. Unbalanced entries
/// are refused. Returns how many are new.
pub async fn save_entries(tx: &mut Tx, run: Option<RunId>, entries: &[Entry]) -> anyhow::Result<u64> {
    let columns = &[
        "id",
        "invoice",
        "kind",
        "ordinal",
        "run",
        "document_number",
        "account_number",
        "document_date",
        "posting_date",
        "currency",
        "form",
        "due_date",
        "country",
        "base_currency",
        "base_rate",
        "base_rate_date",
    ];
    let mut rows =
        Bulk::into("ledger_entry", columns).on_conflict("on conflict (invoice, kind, ordinal) do nothing");
    for e in entries {
        let (debit, credit) = e.totals();
        ensure!(
            e.is_balanced(),
            "entry of {} ({}): debit {debit}, credit {credit}",
            e.document_number,
            e.kind.name()
        );
        rows.row([
            e.id.0.into(),
            e.invoice.0.into(),
            e.kind.name().into(),
            e.ordinal.into(),
            run.map(|r| r.0).into(),
            (&e.document_number).into(),
            (&e.account_number).into(),
            e.document_date.into(),
            e.posting_date.into(),
            e.currency.code().to_owned().into(),
            (if e.form == Form::First { 1_i64 } else { 2 }).into(),
            e.due_date.into(),
            (&e.country).into(),
            e.base.map(|base| base.currency.code().to_owned()).into(),
            e.base.map(|base| base.rate).into(),
            e.base.map(|base| base.rate_date).into(),
        ]);
    }
    let new = rows.insert(tx).await?;
    save_postings(tx, entries).await?;
    Ok(new)
}

async fn save_postings(tx: &mut Tx, entries: &[Entry]) -> anyhow::Result<()> {
    let columns = &[
        "entry",
        "number",
        "account",
        "debit_minor",
        "credit_minor",
        "line",
        "sku",
        "unit_code",
        "period_start",
        "period_end",
        "tax_category",
        "tax_pct",
        "tax_base_minor",
        "base_minor",
    ];
    let mut rows =
        Bulk::into("ledger_posting", columns).on_conflict("on conflict (entry, number) do nothing");
    for e in entries {
        for p in &e.postings {
            rows.row([
                e.id.0.into(),
                p.number.into(),
                (&p.account).into(),
                p.debit_minor.into(),
                p.credit_minor.into(),
                p.line.map(|l| l.0).into(),
                (&p.sku).into(),
                (&p.unit_code).into(),
                p.period.map(|p| p.start).into(),
                p.period.map(|p| p.end).into(),
                p.tax.map(|tax| tax.category.name()).into(),
                p.tax.map(|tax| tax.rate_pct).into(),
                p.tax.map(|tax| tax.base_minor).into(),
                p.base_minor.into(),
            ]);
        }
    }
    rows.insert(tx).await.map(drop)
}

/// Every entry of a document, sealed or not, by kind and ordinal.
pub async fn of_document(tx: &mut Tx, invoice: InvoiceId) -> anyhow::Result<Vec<Entry>> {
    let rows: Vec<EntryRow> = on!(tx, c => sqlx::query_as(
        concat!("select ", entry_columns!(), "
         from ledger_entry e
         left join invoice i on i.id = e.invoice
         where e.invoice = $1
         order by e.kind, e.ordinal"))
        .bind(invoice.0)
        .fetch_all(c)
        .await?);
    with_postings(tx, rows).await
}

/// Every entry of these documents, sealed or not, by document.
pub async fn of_documents(
    tx: &mut Tx,
    invoices: &[InvoiceId],
) -> anyhow::Result<BTreeMap<InvoiceId, Vec<Entry>>> {
    const SQL: PerDriver = by_keys!(
        concat!(
            "select ",
            entry_columns!(),
            " from ledger_entry e
             left join invoice i on i.id = e.invoice
             where e.invoice"
        ),
        uuid,
        " order by e.invoice, e.kind, e.ordinal"
    );
    let sql = tx.pick(&SQL);
    let rows: Vec<EntryRow> = on!(tx, c => sqlx::query_as(sql).bind(Ids::of(invoices)).fetch_all(c).await?);
    let mut entries: BTreeMap<InvoiceId, Vec<Entry>> = BTreeMap::new();
    for entry in with_postings(tx, rows).await? {
        entries.entry(entry.invoice).or_default().push(entry);
    }
    Ok(entries)
}

/// The entry of this id, sealed or not.
pub async fn by_id(tx: &mut Tx, id: EntryId) -> anyhow::Result<Option<Entry>> {
    let invoice: Option<Uuid> = on!(tx, c => sqlx::query_scalar("select invoice from ledger_entry where id = $1")
        .bind(id.0)
        .fetch_optional(c)
        .await?);
    let Some(invoice) = invoice else { return Ok(None) };
    Ok(of_document(tx, InvoiceId(invoice)).await?.into_iter().find(|entry| entry.id == id))
}

/// Which sealed entries to read; every field narrows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SealedFilter {
    /// First sequence, included.
    pub first: Option<u64>,
    /// Last sequence, included.
    pub last: Option<u64>,
    /// Posting dates from this day.
    pub from: Option<NaiveDate>,
    /// Posting dates before this day.
    pub before: Option<NaiveDate>,
    /// Entries of the first form alone.
    pub first_form: bool,
}

/// A page of sealed entries in sequence order: those after sequence `after` (0 = from the start), at most `limit`.
pub async fn sealed_page(
    tx: &mut Tx,
    filter: &SealedFilter,
    after: u64,
    limit: u32,
) -> anyhow::Result<Vec<Sealed>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        sequence: i64,
        previous_hash: String,
        hash: String,
        #[sqlx(flatten)]
        entry: EntryRow,
    }
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        concat!("select s.sequence, s.previous_hash, s.hash, ", entry_columns!(), "
         from ledger_seal s
         join ledger_entry e on e.id = s.entry
         left join invoice i on i.id = e.invoice
         where s.sequence > $1
           and ($2 is null or s.sequence >= $2)
           and ($3 is null or s.sequence <= $3)
           and ($4 is null or e.posting_date >= $4)
           and ($5 is null or e.posting_date < $5)
           and (not $7 or e.form = 1)
         order by s.sequence
         limit $6"))
        .bind(stored(after))
        .bind(filter.first.map(stored))
        .bind(filter.last.map(stored))
        .bind(filter.from)
        .bind(filter.before)
        .bind(i64::from(limit))
        .bind(filter.first_form)
        .fetch_all(c)
        .await?);
    let mut seals = Vec::with_capacity(rows.len());
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        seals.push((row.sequence, row.previous_hash, row.hash));
        entries.push(row.entry);
    }
    let entries = with_postings(tx, entries).await?;
    seals
        .into_iter()
        .zip(entries)
        .map(|((sequence, previous_hash, hash), entry)| {
            Ok(Sealed {
                entry,
                sequence: crate::words::count(sequence, "ledger_seal.sequence")?,
                previous_hash: previous_hash.parse()?,
                hash: hash.parse()?,
            })
        })
        .collect()
}

/// Balance of an account in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balance {
    pub account: String,
    pub currency: Currency,
    /// Σ debit − Σ credit, minor units.
    pub minor: i64,
}

/// Balances of some accounts over sealed entries, by account and currency: up to a sequence (included), and posted
/// before a day.
pub async fn balances(
    tx: &mut Tx,
    accounts: &[String],
    last: Option<u64>,
    before: Option<NaiveDate>,
) -> anyhow::Result<Vec<Balance>> {
    const SQL: PerDriver = by_keys!(
        "select p.account, e.currency, cast(sum(p.debit_minor) - sum(p.credit_minor) as bigint)
         from ledger_posting p
         join ledger_entry e on e.id = p.entry
         join ledger_seal s on s.entry = e.id
         where ($2 is null or s.sequence <= $2)
           and ($3 is null or e.posting_date < $3)
           and p.account",
        text,
        " group by p.account, e.currency order by p.account, e.currency"
    );
    let sql = tx.pick(&SQL);
    let rows: Vec<(String, String, i64)> = on!(tx, c => sqlx::query_as(sql)
        .bind(Texts(accounts.to_vec()))
        .bind(last.map(stored))
        .bind(before)
        .fetch_all(c)
        .await?);
    rows.into_iter()
        .map(|(account, currency, minor)| Ok(Balance { account, currency: currency.parse()?, minor }))
        .collect()
}

/// Balances of every account over sealed entries in the base currency: up to a sequence (included), and posted before a day.
pub async fn base_balances(
    tx: &mut Tx,
    base: Currency,
    last: Option<u64>,
    before: Option<NaiveDate>,
) -> anyhow::Result<Vec<(String, i64)>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select p.account,
                cast(sum(case when e.currency = $1 then p.debit_minor - p.credit_minor else coalesce(p.base_minor, 0) end) as bigint)
         from ledger_posting p
         join ledger_entry e on e.id = p.entry
         join ledger_seal s on s.entry = e.id
         where ($2 is null or s.sequence <= $2)
           and ($3 is null or e.posting_date < $3)
         group by p.account
         order by p.account")
        .bind(base.code().to_owned())
        .bind(last.map(stored))
        .bind(before)
        .fetch_all(c)
        .await?))
}
