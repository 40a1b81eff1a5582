//! Direct debits (rules Y8): what waits for a file of the bank, the files, the debits in them, and those that came back.

use crate::bulk::Bulk;
use crate::counter;
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::{Ids, Texts};
use crate::words::small;
use anyhow::{Context, ensure};
use chrono::{DateTime, NaiveDate, Utc};
use domain::direct_debit::{Scheme, Sequence};
use domain::ids::{AttemptId, InvoiceId};
use std::collections::BTreeMap;
use uuid::Uuid;

/// A file for the bank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebitFileRow {
    pub number: i64,
    /// The bank knows it by this.
    pub message: String,
    /// Of the message format, as `08`.
    pub version: String,
    pub created_at: DateTime<Utc>,
    pub as_of: NaiveDate,
    pub actor: String,
    pub creditor_name: String,
    pub creditor_iban: String,
    pub creditor_bic: Option<String>,
    pub creditor_id: String,
    pub debits: i64,
    pub sum_minor: i64,
    /// Of its bytes, in hex.
    pub sha256: String,
}

/// One debit of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebitRow {
    pub attempt: AttemptId,
    pub file: i64,
    /// From 1; its name is what the bank knows the batch by.
    pub batch: u32,
    pub batch_name: String,
    /// From 1 in the file.
    pub place: u32,
    pub collect_on: NaiveDate,
    pub scheme: Scheme,
    pub sequence: Sequence,
    pub mandate: String,
    pub signed_on: NaiveDate,
    pub debtor_name: String,
    pub debtor_iban: String,
    pub debtor_bic: Option<String>,
    /// What the debtor reads.
    pub words: String,
    /// Of its attempt; written with that one.
    pub amount_minor: i64,
}

/// Lets invoices wait for the next file; those that wait already go on waiting.
pub async fn ask(tx: &mut Tx, invoices: &[InvoiceId], on: NaiveDate) -> anyhow::Result<()> {
    let mut rows =
        Bulk::into("debit_asked", &["invoice", "asked_on"]).on_conflict("on conflict (invoice) do nothing");
    for invoice in invoices {
        rows.row([invoice.0.into(), on.into()]);
    }
    rows.insert(tx).await.map(drop)
}

/// Invoices that wait, in the order of their numbers.
pub async fn asked(tx: &mut Tx) -> anyhow::Result<Vec<InvoiceId>> {
    let rows: Vec<Uuid> = on!(tx, c => sqlx::query_scalar(
        "select a.invoice from debit_asked a join invoice i on i.id = a.invoice order by i.series, i.sequence")
        .fetch_all(c)
        .await?);
    Ok(rows.into_iter().map(InvoiceId).collect())
}

/// These wait no more.
pub async fn settle_asked(tx: &mut Tx, invoices: &[InvoiceId]) -> anyhow::Result<()> {
    const SQL: PerDriver = by_keys!("delete from debit_asked where invoice", uuid, "");
    let sql = tx.pick(&SQL);
    on!(tx, c => sqlx::query(sql).bind(Ids::of(invoices)).execute(c).await.map(drop))?;
    Ok(())
}

/// Takes the number of the next file, and so waits for whoever makes one.
pub async fn next_file(tx: &mut Tx) -> anyhow::Result<i64> {
    counter::take(tx, counter::DEBIT_FILE, 1).await
}

/// Writes a file that is made and not yet written, with its debits. Their attempts must be there.
pub async fn save_file(tx: &mut Tx, file: &DebitFileRow, debits: &[DebitRow]) -> anyhow::Result<()> {
    let columns = &[
        "number",
        "message",
        "version",
        "created_at",
        "as_of",
        "actor",
        "creditor_name",
        "creditor_iban",
        "creditor_bic",
        "creditor_id",
        "debits",
        "sum_minor",
        "sha256",
        "state",
    ];
    let mut rows = Bulk::into("debit_file", columns);
    rows.row([
        file.number.into(),
        (&file.message).into(),
        (&file.version).into(),
        file.created_at.into(),
        file.as_of.into(),
        (&file.actor).into(),
        (&file.creditor_name).into(),
        (&file.creditor_iban).into(),
        (&file.creditor_bic).into(),
        (&file.creditor_id).into(),
        file.debits.into(),
        file.sum_minor.into(),
        (&file.sha256).into(),
        "made".into(),
    ]);
    rows.insert(tx).await?;
    save_debits(tx, debits).await
}

async fn save_debits(tx: &mut Tx, debits: &[DebitRow]) -> anyhow::Result<()> {
    let columns = &[
        "attempt",
        "file",
        "batch",
        "place",
        "batch_name",
        "collect_on",
        "scheme",
        "sequence",
        "mandate",
        "signed_on",
        "debtor_name",
        "debtor_iban",
        "debtor_bic",
        "words",
    ];
    let mut rows = Bulk::into("debit", columns);
    for debit in debits {
        rows.row([
            debit.attempt.0.into(),
            debit.file.into(),
            debit.batch.into(),
            debit.place.into(),
            (&debit.batch_name).into(),
            debit.collect_on.into(),
            debit.scheme.name().into(),
            debit.sequence.code().into(),
            (&debit.mandate).into(),
            debit.signed_on.into(),
            (&debit.debtor_name).into(),
            (&debit.debtor_iban).into(),
            (&debit.debtor_bic).into(),
            (&debit.words).into(),
        ]);
    }
    rows.insert(tx).await.map(drop)
}

#[derive(sqlx::FromRow)]
struct FileRow {
    number: i64,
    message: String,
    version: String,
    created_at: DateTime<Utc>,
    as_of: NaiveDate,
    actor: String,
    creditor_name: String,
    creditor_iban: String,
    creditor_bic: Option<String>,
    creditor_id: String,
    debits: i64,
    sum_minor: i64,
    sha256: String,
}

impl From<FileRow> for DebitFileRow {
    fn from(r: FileRow) -> Self {
        Self {
            number: r.number,
            message: r.message,
            version: r.version,
            created_at: r.created_at,
            as_of: r.as_of,
            actor: r.actor,
            creditor_name: r.creditor_name,
            creditor_iban: r.creditor_iban,
            creditor_bic: r.creditor_bic,
            creditor_id: r.creditor_id,
            debits: r.debits,
            sum_minor: r.sum_minor,
            sha256: r.sha256,
        }
    }
}

macro_rules! select_file {
    ($rest:literal) => {
        concat!(
            "select number, message, version, created_at, as_of, actor, creditor_name, creditor_iban, creditor_bic,
                    creditor_id, debits, sum_minor, sha256
             from debit_file ",
            $rest
        )
    };
}

/// Files whose bytes nobody has written down yet.
pub async fn unwritten(tx: &mut Tx) -> anyhow::Result<Vec<DebitFileRow>> {
    let rows: Vec<FileRow> = on!(tx, c => sqlx::query_as(select_file!("where state = 'made' order by number")).fetch_all(c).await?);
    Ok(rows.into_iter().map(DebitFileRow::from).collect())
}

/// A file by its number.
pub async fn file(tx: &mut Tx, number: i64) -> anyhow::Result<Option<DebitFileRow>> {
    let row: Option<FileRow> = on!(tx, c => sqlx::query_as(select_file!("where number = $1"))
        .bind(number)
        .fetch_optional(c)
        .await?);
    Ok(row.map(DebitFileRow::from))
}

/// Its bytes are written down.
pub async fn mark_written(tx: &mut Tx, number: i64) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query("update debit_file set state = 'written' where number = $1 and state = 'made'")
        .bind(number)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    attempt: Uuid,
    file: i64,
    batch: i64,
    batch_name: String,
    place: i64,
    collect_on: NaiveDate,
    scheme: String,
    sequence: String,
    mandate: String,
    signed_on: NaiveDate,
    debtor_name: String,
    debtor_iban: String,
    debtor_bic: Option<String>,
    words: String,
    amount_minor: i64,
}

impl TryFrom<Row> for DebitRow {
    type Error = anyhow::Error;

    fn try_from(r: Row) -> anyhow::Result<Self> {
        Ok(Self {
            attempt: AttemptId(r.attempt),
            file: r.file,
            batch: small(r.batch, "debit.batch")?,
            batch_name: r.batch_name,
            place: small(r.place, "debit.place")?,
            collect_on: r.collect_on,
            scheme: Scheme::parse(&r.scheme).with_context(|| format!("debit.scheme holds `{}`", r.scheme))?,
            sequence: Sequence::parse(&r.sequence)
                .with_context(|| format!("debit.sequence holds `{}`", r.sequence))?,
            mandate: r.mandate,
            signed_on: r.signed_on,
            debtor_name: r.debtor_name,
            debtor_iban: r.debtor_iban,
            debtor_bic: r.debtor_bic,
            words: r.words,
            amount_minor: r.amount_minor,
        })
    }
}

macro_rules! select_debit {
    ($rest:literal) => {
        concat!(
            "select d.attempt, d.file, d.batch, d.batch_name, d.place, d.collect_on, d.scheme, d.sequence, d.mandate,
                    d.signed_on, d.debtor_name, d.debtor_iban, d.debtor_bic, d.words, a.amount_minor
             from debit d
             join payment_attempt a on a.id = d.attempt ",
            $rest
        )
    };
}

/// The debits of a file, in its order.
pub async fn of_file(tx: &mut Tx, number: i64) -> anyhow::Result<Vec<DebitRow>> {
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(select_debit!("where d.file = $1 order by d.place"))
        .bind(number)
        .fetch_all(c)
        .await?);
    rows.into_iter().map(DebitRow::try_from).collect()
}

/// The debits of the file that the bank knows by this, in its order.
pub async fn of_message(tx: &mut Tx, message: &str) -> anyhow::Result<Vec<DebitRow>> {
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        select_debit!("join debit_file f on f.number = d.file where f.message = $1 order by d.place"))
        .bind(message)
        .fetch_all(c)
        .await?);
    rows.into_iter().map(DebitRow::try_from).collect()
}

/// The debits of the batch that the bank knows by this, in its order.
pub async fn of_batch(tx: &mut Tx, name: &str) -> anyhow::Result<Vec<DebitRow>> {
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(select_debit!("where d.batch_name = $1 order by d.place"))
        .bind(name)
        .fetch_all(c)
        .await?);
    rows.into_iter().map(DebitRow::try_from).collect()
}

/// The debits of these attempts.
pub async fn of_attempts(tx: &mut Tx, attempts: &[Uuid]) -> anyhow::Result<Vec<DebitRow>> {
    const SQL: PerDriver = by_keys!(select_debit!("where d.attempt"), uuid, " order by d.file, d.place");
    let sql = tx.pick(&SQL);
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(sql).bind(Ids(attempts.to_vec())).fetch_all(c).await?);
    rows.into_iter().map(DebitRow::try_from).collect()
}

/// The last day for which each of these mandates was used by a debit that was not refused before it was carried out.
pub async fn last_used(
    tx: &mut Tx,
    mandates: impl IntoIterator<Item = String>,
) -> anyhow::Result<BTreeMap<String, NaiveDate>> {
    const SQL: PerDriver = by_keys!(
        "select d.mandate, max(d.collect_on)
         from debit d
         join payment_attempt a on a.id = d.attempt and a.state in ('pending', 'paid')
         where d.mandate",
        text,
        " group by d.mandate"
    );
    let sql = tx.pick(&SQL);
    let keys: Vec<String> = mandates.into_iter().collect();
    let rows: Vec<(String, NaiveDate)> =
        on!(tx, c => sqlx::query_as(sql).bind(Texts(keys)).fetch_all(c).await?);
    Ok(rows.into_iter().collect())
}

/// Notes what a bank has said of our file; `false` if those bytes were read before.
pub async fn note_report(
    tx: &mut Tx,
    (hash, name): (&str, &str),
    (at, actor): (DateTime<Utc>, &str),
) -> anyhow::Result<bool> {
    let mut rows = Bulk::into("debit_report", &["hash", "name", "imported_at", "actor"])
        .on_conflict("on conflict (hash) do nothing");
    rows.row([hash.into(), name.into(), at.into(), actor.into()]);
    Ok(rows.insert(tx).await? == 1)
}

/// A debit that came back, or was not carried out.
#[derive(Debug, Clone, Copy)]
pub struct ReturnRow<'a> {
    pub attempt: AttemptId,
    /// Hash of the file that told of it.
    pub told_in: &'a str,
    pub code: &'a str,
    pub on: NaiveDate,
    pub fee_minor: i64,
}

/// Notes it; `false` if it was told before.
pub async fn note_return(tx: &mut Tx, returned: &ReturnRow<'_>) -> anyhow::Result<bool> {
    ensure!(returned.fee_minor >= 0, "a fee below 0");
    let columns = &["attempt", "told_in", "code", "returned_on", "fee_minor"];
    let mut rows = Bulk::into("debit_return", columns).on_conflict("on conflict (attempt) do nothing");
    rows.row([
        returned.attempt.0.into(),
        returned.told_in.into(),
        returned.code.into(),
        returned.on.into(),
        returned.fee_minor.into(),
    ]);
    Ok(rows.insert(tx).await? == 1)
}

/// The days on which those of these attempts came back, or were not carried out, that did.
pub async fn returned_on(tx: &mut Tx, attempts: &[Uuid]) -> anyhow::Result<Vec<NaiveDate>> {
    const SQL: PerDriver = by_keys!("select returned_on from debit_return where attempt", uuid, "");
    let sql = tx.pick(&SQL);
    Ok(on!(tx, c => sqlx::query_scalar(sql).bind(Ids(attempts.to_vec())).fetch_all(c).await?))
}

/// How many invoices wait for a file, and how many files are made and not written.
pub async fn waiting(tx: &mut Tx) -> anyhow::Result<(u64, u64)> {
    let (asked, unwritten): (i64, i64) = on!(tx, c => sqlx::query_as(
        "select (select count(*) from debit_asked), (select count(*) from debit_file where state = 'made')")
        .fetch_one(c)
        .await?);
    Ok((crate::words::count(asked, "debit_asked")?, crate::words::count(unwritten, "debit_file")?))
}
