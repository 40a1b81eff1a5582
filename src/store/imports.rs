//! Usage imports and their commit protocol (ARCHITECTURE.md): the intent with its paths, the files, then one
//! transaction that raises the store's version, gives the import its number and makes it visible.

use crate::bulk::Bulk;
use crate::counter;
use crate::open_rejects;
use crate::segment::{self, KeyRun, Segment, VersionChange};
use crate::tx::{Tx, on};
use crate::words::{count, stored};
use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};
use sqlx::types::Json;
use std::collections::BTreeMap;
use uuid::Uuid;

/// A file that is about to be brought in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewImport {
    pub id: Uuid,
    /// Hex SHA-256 of the file's bytes.
    pub sha256: String,
    pub file_name: String,
    pub source: Option<String>,
    /// Who writes it: host, process and a nonce.
    pub owner: String,
    /// After this instant a program of an earlier version may abandon it; this one asks for the writer's lock.
    pub deadline: DateTime<Utc>,
    /// Paths it will write; one that ends in `*` stands for all that begin so.
    pub paths: Vec<String>,
}

/// State of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportState {
    Writing,
    Done,
    Abandoned,
}

/// What came of asking to bring in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportStart {
    New,
    /// These very bytes have been brought in: nothing to do.
    Done(Import),
    /// Somebody is at it; abandon it once its writer is gone.
    Writing(Import),
}

/// How many rows a file had, and what became of them: read = accepted + duplicate + rejected (rules Q4).
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ImportTotals {
    pub read: u64,
    pub accepted: u64,
    pub duplicate: u64,
    pub rejected: u64,
    /// A part of accepted: events of periods that are billed.
    pub late: u64,
    /// Reject code → rows.
    pub rejects: BTreeMap<String, u64>,
}

/// An import as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    pub id: Uuid,
    pub sha256: String,
    pub file_name: String,
    pub source: Option<String>,
    pub state: ImportState,
    pub owner: String,
    pub deadline: DateTime<Utc>,
    pub begun_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    /// Once done.
    pub number: Option<i64>,
    pub version: Option<i64>,
    pub totals: ImportTotals,
    pub reject_path: Option<String>,
}

/// What an import has written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Staged {
    pub totals: ImportTotals,
    /// `import` and `import_number` are filled in here.
    pub segments: Vec<Segment>,
    /// `import_number` is filled in here.
    pub key_runs: Vec<KeyRun>,
    pub reject_path: Option<String>,
    /// Of the reject file, lower-case hex.
    pub reject_sha256: Option<String>,
}

/// What came of committing an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    Done {
        number: i64,
        version: i64,
    },
    /// Somebody committed since: roll back, check against the newer key runs, and try again.
    Moved {
        now: i64,
    },
    /// The import was abandoned meanwhile, or is done: roll back.
    NotWriting,
}

/// Writes the intent to bring in a file.
pub async fn begin(tx: &mut Tx, import: &NewImport, now: DateTime<Utc>) -> anyhow::Result<ImportStart> {
    let new = on!(tx, c => sqlx::query(
        "insert into usage_import (id, sha256, file_name, source, state, owner, deadline, begun_at)
         values ($1, $2, $3, $4, 'writing', $5, $6, $7)
         on conflict (sha256) where state <> 'abandoned' do nothing")
        .bind(import.id)
        .bind(&import.sha256)
        .bind(&import.file_name)
        .bind(&import.source)
        .bind(&import.owner)
        .bind(import.deadline)
        .bind(now)
        .execute(c)
        .await?
        .rows_affected());
    if new == 1 {
        add_paths(tx, import.id, &import.paths).await?;
        return Ok(ImportStart::New);
    }
    let there =
        by_bytes(tx, &import.sha256).await?.context("an import of these bytes has just been given up")?;
    Ok(if there.state == ImportState::Done { ImportStart::Done(there) } else { ImportStart::Writing(there) })
}

/// Names further paths that an import will write; commit before writing them.
pub async fn add_paths(tx: &mut Tx, import: Uuid, paths: &[String]) -> anyhow::Result<()> {
    let mut rows = Bulk::into("usage_path", &["path", "import"]).on_conflict("on conflict (path) do nothing");
    for path in paths {
        rows.row([path.into(), import.into()]);
    }
    rows.insert(tx).await.map(drop)
}

/// Names one further path that an import will write, unless another import has it; commit before writing it.
pub async fn reserve_path(tx: &mut Tx, import: Uuid, path: &str) -> anyhow::Result<bool> {
    Ok(on!(tx, c => sqlx::query(
        "insert into usage_path (path, import) values ($1, $2) on conflict (path) do nothing")
        .bind(path)
        .bind(import)
        .execute(c)
        .await?
        .rows_affected())
        == 1)
}

/// Names that an import has not used are free for others.
async fn free_reject_paths(tx: &mut Tx, import: Uuid) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query("delete from usage_path where import = $1 and path like 'rejects/%'")
        .bind(import)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Makes an import visible: raises the version if it is still `seen`, gives the import the next number under the
/// same lock (rules Q5), and writes what it brought.
pub async fn commit(
    tx: &mut Tx,
    import: Uuid,
    seen: i64,
    staged: &Staged,
    now: DateTime<Utc>,
) -> anyhow::Result<Committed> {
    let totals = &staged.totals;
    check(totals, &staged.segments)?;
    let version = match segment::bump(tx, seen).await? {
        VersionChange::To(version) => version,
        VersionChange::Moved { now } => return Ok(Committed::Moved { now }),
    };
    let number = counter::take(tx, counter::IMPORT, 1).await?;
    let done = on!(tx, c => sqlx::query(
        "update usage_import
         set state = 'done', number = $2, version = $3, ended_at = $4,
             read_rows = $5, accepted_rows = $6, duplicate_rows = $7, rejected_rows = $8, late_rows = $9,
             rejects = $10, reject_path = $11, reject_sha256 = $12
         where id = $1 and state = 'writing'")
        .bind(import)
        .bind(number)
        .bind(version)
        .bind(now)
        .bind(stored(totals.read))
        .bind(stored(totals.accepted))
        .bind(stored(totals.duplicate))
        .bind(stored(totals.rejected))
        .bind(stored(totals.late))
        .bind(Json(&totals.rejects))
        .bind(&staged.reject_path)
        .bind(&staged.reject_sha256)
        .execute(c)
        .await?
        .rows_affected());
    if done == 0 {
        return Ok(Committed::NotWriting);
    }
    match staged.reject_path {
        Some(_) => open_rejects::note(tx, import).await?,
        None => free_reject_paths(tx, import).await?,
    }
    let own = |s: &Segment| Segment { import: Some(import), import_number: Some(number), ..s.clone() };
    let segments: Vec<Segment> = staged.segments.iter().map(own).collect();
    segment::add_segments(tx, version, &segments).await?;
    let runs: Vec<KeyRun> =
        staged.key_runs.iter().map(|r| KeyRun { import_number: number, ..r.clone() }).collect();
    segment::add_key_runs(tx, version, &runs).await?;
    Ok(Committed::Done { number, version })
}

/// rules Q4, checked before writing.
fn check(totals: &ImportTotals, segments: &[Segment]) -> anyhow::Result<()> {
    let ImportTotals { read, accepted, duplicate, rejected, .. } = totals;
    ensure!(
        *read == accepted + duplicate + rejected,
        "import: {read} rows read are not {accepted} accepted + {duplicate} duplicate + {rejected} rejected"
    );
    let rows: u64 = segments.iter().map(|s| s.rows).sum();
    ensure!(rows == *accepted, "import: {accepted} rows accepted, {rows} rows in segments");
    let coded: u64 = totals.rejects.values().sum();
    ensure!(coded == *rejected, "import: {rejected} rows rejected, {coded} by code");
    Ok(())
}

/// Gives an import up, so that its bytes may be brought in again; `false` if it was not being written.
pub async fn abandon(tx: &mut Tx, import: Uuid, now: DateTime<Utc>) -> anyhow::Result<bool> {
    let gone = on!(tx, c => sqlx::query(
        "update usage_import set state = 'abandoned', ended_at = $2 where id = $1 and state = 'writing'")
        .bind(import)
        .bind(now)
        .execute(c)
        .await?
        .rows_affected());
    Ok(gone == 1)
}

/// Highest import number, 0 if none: the usage mark of a run that opens now (rules Q5).
pub async fn newest_number(tx: &mut Tx) -> anyhow::Result<i64> {
    Ok(
        on!(tx, c => sqlx::query_scalar("select coalesce(max(number), 0) from usage_import").fetch_one(c).await?),
    )
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    sha256: String,
    file_name: String,
    source: Option<String>,
    state: String,
    owner: String,
    deadline: DateTime<Utc>,
    begun_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    number: Option<i64>,
    version: Option<i64>,
    read_rows: i64,
    accepted_rows: i64,
    duplicate_rows: i64,
    rejected_rows: i64,
    late_rows: i64,
    rejects: Option<Json<BTreeMap<String, u64>>>,
    reject_path: Option<String>,
}

impl TryFrom<Row> for Import {
    type Error = anyhow::Error;

    fn try_from(r: Row) -> anyhow::Result<Self> {
        Ok(Self {
            id: r.id,
            sha256: r.sha256,
            file_name: r.file_name,
            source: r.source,
            state: crate::words::read_word(&r.state, "usage_import.state")?,
            owner: r.owner,
            deadline: r.deadline,
            begun_at: r.begun_at,
            ended_at: r.ended_at,
            number: r.number,
            version: r.version,
            totals: ImportTotals {
                read: count(r.read_rows, "usage_import.read_rows")?,
                accepted: count(r.accepted_rows, "usage_import.accepted_rows")?,
                duplicate: count(r.duplicate_rows, "usage_import.duplicate_rows")?,
                rejected: count(r.rejected_rows, "usage_import.rejected_rows")?,
                late: count(r.late_rows, "usage_import.late_rows")?,
                rejects: r.rejects.map(|j| j.0).unwrap_or_default(),
            },
            reject_path: r.reject_path,
        })
    }
}

macro_rules! select_import {
    ($rest:literal) => {
        concat!(
            "select id, sha256, file_name, source, state, owner, deadline, begun_at, ended_at, number, version,
                    read_rows, accepted_rows, duplicate_rows, rejected_rows, late_rows, rejects, reject_path
             from usage_import ",
            $rest
        )
    };
}

async fn by_bytes(tx: &mut Tx, sha256: &str) -> anyhow::Result<Option<Import>> {
    let row: Option<Row> = on!(tx, c => sqlx::query_as(
        select_import!("where sha256 = $1 and state <> 'abandoned'"))
        .bind(sha256)
        .fetch_optional(c)
        .await?);
    row.map(Import::try_from).transpose()
}

/// Imports that somebody writes, or was writing when it died.
pub async fn writing(tx: &mut Tx) -> anyhow::Result<Vec<Import>> {
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(select_import!("where state = 'writing' order by begun_at, id"))
        .fetch_all(c)
        .await?);
    rows.into_iter().map(Import::try_from).collect()
}

/// The import of this id.
pub async fn by_id(tx: &mut Tx, id: Uuid) -> anyhow::Result<Option<Import>> {
    let row: Option<Row> =
        on!(tx, c => sqlx::query_as(select_import!("where id = $1")).bind(id).fetch_optional(c).await?);
    row.map(Import::try_from).transpose()
}

/// The import of this number: from a rated line back to its file.
pub async fn by_number(tx: &mut Tx, number: i64) -> anyhow::Result<Option<Import>> {
    let row: Option<Row> = on!(tx, c => sqlx::query_as(select_import!("where number = $1")).bind(number).fetch_optional(c).await?);
    row.map(Import::try_from).transpose()
}

/// Paths of reject files with the hash that they were written with; none of an import before hashes were kept.
pub async fn reject_files(tx: &mut Tx) -> anyhow::Result<Vec<(String, Option<String>)>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select reject_path, reject_sha256 from usage_import
         where state = 'done' and reject_path is not null
         order by reject_path")
        .fetch_all(c)
        .await?))
}

/// Whether a file with these bytes has been brought in.
pub async fn is_brought_in(tx: &mut Tx, sha256: &str) -> anyhow::Result<bool> {
    Ok(by_bytes(tx, sha256).await?.is_some_and(|import| import.number.is_some()))
}

/// The newest imports first, abandoned ones too.
pub async fn newest(tx: &mut Tx, limit: u32) -> anyhow::Result<Vec<Import>> {
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(select_import!("order by begun_at desc, id desc limit $1"))
        .bind(i64::from(limit))
        .fetch_all(c)
        .await?);
    rows.into_iter().map(Import::try_from).collect()
}
