//! The ledger: workers write entries unsealed, one sealer gives them sequence and hash, reports and exports read
//! sealed entries only (rules L1, L2).

mod export;
mod seal;

pub use export::{LedgerExport, exported_of_run, exports, mark_export, next_range};
pub use seal::{ChainEnd, chain_end, lock_chain, save_sealed, unsealed, unsealed_count, waiting};

use crate::bulk::Bulk;
use crate::invoice::tax_category;
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::{Dec, Ids, Texts};
use crate::words::{read_word, small, stored};
use anyhow::ensure;
use chrono::{DateTime, NaiveDate, Utc};
use domain::ids::{EntryId, InvoiceId, LineId, RunId};
use domain::ledger::{Entry, Posting, Sealed};
use domain::money::Currency;
use domain::period::Period;
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
                p.tax.map(|(category, _)| category.name()).into(),
                p.tax.map(|(_, pct)| pct).into(),
            ]);
        }
    }
    rows.insert(tx).await.map(drop)
}

#[derive(sqlx::FromRow)]
struct EntryRow {
    id: Uuid,
    invoice: Uuid,
    kind: String,
    ordinal: i64,
    document_number: String,
    account_number: String,
    document_date: NaiveDate,
    posting_date: NaiveDate,
    currency: String,
}

impl EntryRow {
    fn entry(self, postings: Vec<Posting>) -> anyhow::Result<Entry> {
        Ok(Entry {
            id: EntryId(self.id),
            kind: read_word(&self.kind, "ledger_entry.kind")?,
            ordinal: small(self.ordinal, "ledger_entry.ordinal")?,
            invoice: InvoiceId(self.invoice),
            document_number: self.document_number,
            account_number: self.account_number,
            document_date: self.document_date,
            posting_date: self.posting_date,
            currency: self.currency.parse()?,
            postings,
        })
    }
}

async fn with_postings(tx: &mut Tx, rows: Vec<EntryRow>) -> anyhow::Result<Vec<Entry>> {
    let ids: Vec<Uuid> = rows.iter().map(|r| r.id).collect();
    let mut postings = postings(tx, ids).await?;
    rows.into_iter()
        .map(|row| {
            let own = postings.remove(&row.id).unwrap_or_default();
            row.entry(own)
        })
        .collect()
}

async fn postings(tx: &mut Tx, entries: Vec<Uuid>) -> anyhow::Result<BTreeMap<Uuid, Vec<Posting>>> {
    const SQL: PerDriver = by_keys!(
        "select entry, number, account, debit_minor, credit_minor, line, sku, unit_code, period_start, period_end,
                tax_category, tax_pct
         from ledger_posting
         where entry",
        uuid,
        " order by entry, number"
    );
    #[derive(sqlx::FromRow)]
    struct Row {
        entry: Uuid,
        number: i64,
        account: String,
        debit_minor: i64,
        credit_minor: i64,
        line: Option<Uuid>,
        sku: Option<String>,
        unit_code: Option<String>,
        period_start: Option<NaiveDate>,
        period_end: Option<NaiveDate>,
        tax_category: Option<String>,
        tax_pct: Option<Dec>,
    }
    let sql = tx.pick(&SQL);
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(sql).bind(Ids(entries)).fetch_all(c).await?);
    let mut postings: BTreeMap<Uuid, Vec<Posting>> = BTreeMap::new();
    for r in rows {
        let category = r.tax_category.as_deref().map(tax_category).transpose()?;
        postings.entry(r.entry).or_default().push(Posting {
            number: small(r.number, "ledger_posting.number")?,
            account: r.account,
            debit_minor: r.debit_minor,
            credit_minor: r.credit_minor,
            line: r.line.map(LineId),
            sku: r.sku,
            unit_code: r.unit_code,
            period: r.period_start.zip(r.period_end).map(|(start, end)| Period::new(start, end)),
            tax: category.zip(r.tax_pct.map(|pct| pct.0)),
        });
    }
    Ok(postings)
}

/// Every entry of a document, sealed or not, by kind and ordinal.
pub async fn of_document(tx: &mut Tx, invoice: InvoiceId) -> anyhow::Result<Vec<Entry>> {
    let rows: Vec<EntryRow> = on!(tx, c => sqlx::query_as(
        "select id, invoice, kind, ordinal, document_number, account_number, document_date, posting_date, currency
         from ledger_entry
         where invoice = $1
         order by kind, ordinal")
        .bind(invoice.0)
        .fetch_all(c)
        .await?);
    with_postings(tx, rows).await
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
        "select s.sequence, s.previous_hash, s.hash, e.id, e.invoice, e.kind, e.ordinal, e.document_number,
                e.account_number, e.document_date, e.posting_date, e.currency
         from ledger_seal s
         join ledger_entry e on e.id = s.entry
         where s.sequence > $1
           and ($2 is null or s.sequence >= $2)
           and ($3 is null or s.sequence <= $3)
           and ($4 is null or e.posting_date >= $4)
           and ($5 is null or e.posting_date < $5)
         order by s.sequence
         limit $6")
        .bind(stored(after))
        .bind(filter.first.map(stored))
        .bind(filter.last.map(stored))
        .bind(filter.from)
        .bind(filter.before)
        .bind(i64::from(limit))
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

/// First day of the earliest open accounting period; none if nothing is closed (rules I2, L2).
pub async fn open_from(tx: &mut Tx) -> anyhow::Result<Option<NaiveDate>> {
    Ok(on!(tx, c => sqlx::query_scalar("select max(open_from) from accounting_close").fetch_one(c).await?))
}

/// Closes every day before `open_from` for good. Seal first: unsealed entries stay where they are dated.
pub async fn close_before(tx: &mut Tx, open_from: NaiveDate, now: DateTime<Utc>) -> anyhow::Result<()> {
    let closed = self::open_from(tx).await?;
    ensure!(closed.is_none_or(|c| c <= open_from), "accounting is closed up to {closed:?} already");
    on!(tx, c => sqlx::query(
        "insert into accounting_close (open_from, closed_at) values ($1, $2) on conflict (open_from) do nothing")
        .bind(open_from)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}
