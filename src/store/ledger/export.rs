//! Marked exports (rules L3): contiguous ranges of sealed sequence numbers that tile the ledger from 1.

use super::seal::{chain_end, lock_chain};
use crate::bulk::{Bulk, Cell};
use crate::tx::{Tx, on};
use crate::words::{count, stored};
use anyhow::ensure;
use chrono::{DateTime, Utc};
use domain::ids::RunId;
use serde_json::Value;
use sqlx::types::Json;

/// One marked export.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerExport {
    /// From 1.
    pub ordinal: u64,
    pub format: String,
    /// Sequence numbers, both included.
    pub first: u64,
    pub last: u64,
    /// Hash of the last entry.
    pub last_hash: String,
    /// Relative to the exports folder.
    pub path: String,
    /// Of the file's bytes.
    pub sha256: String,
    /// Counts and totals.
    pub manifest: Value,
    pub exported_at: DateTime<Utc>,
}

/// First and last sequence that the next export covers; none if everything sealed is exported.
pub async fn next_range(tx: &mut Tx) -> anyhow::Result<Option<(u64, u64)>> {
    let end = chain_end(tx).await?.sequence;
    let (_, last) = newest(tx).await?;
    Ok((end > last).then_some((last + 1, end)))
}

/// Marks an export. Its range must begin where the last one ended and end at or before the chain does.
pub async fn mark_export(tx: &mut Tx, export: &LedgerExport) -> anyhow::Result<()> {
    let end = lock_chain(tx).await?;
    let (ordinal, last) = newest(tx).await?;
    ensure!(
        export.ordinal == ordinal + 1 && export.first == last + 1,
        "export {} from {}: the one before is {ordinal} up to {last}",
        export.ordinal,
        export.first
    );
    ensure!(
        export.first <= export.last && export.last <= end.sequence,
        "export of {} to {}: the ledger is sealed up to {}",
        export.first,
        export.last,
        end.sequence
    );
    let columns = &[
        "ordinal",
        "format",
        "first_sequence",
        "last_sequence",
        "last_hash",
        "path",
        "sha256",
        "manifest",
        "exported_at",
    ];
    let mut rows = Bulk::into("ledger_export", columns);
    rows.row([
        stored(export.ordinal).into(),
        (&export.format).into(),
        stored(export.first).into(),
        stored(export.last).into(),
        (&export.last_hash).into(),
        (&export.path).into(),
        (&export.sha256).into(),
        Cell::json(&export.manifest)?,
        export.exported_at.into(),
    ]);
    rows.insert(tx).await.map(drop)
}

/// Ordinal and last sequence of the newest export; zeros without one.
async fn newest(tx: &mut Tx) -> anyhow::Result<(u64, u64)> {
    let (ordinal, last): (i64, i64) = on!(tx, c => sqlx::query_as(
        "select coalesce(max(ordinal), 0), coalesce(max(last_sequence), 0) from ledger_export")
        .fetch_one(c)
        .await?);
    Ok((count(ordinal, "ledger_export.ordinal")?, count(last, "ledger_export.last_sequence")?))
}

/// Every marked export, oldest first.
pub async fn exports(tx: &mut Tx) -> anyhow::Result<Vec<LedgerExport>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        ordinal: i64,
        format: String,
        first_sequence: i64,
        last_sequence: i64,
        last_hash: String,
        path: String,
        sha256: String,
        manifest: Json<Value>,
        exported_at: DateTime<Utc>,
    }
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        "select ordinal, format, first_sequence, last_sequence, last_hash, path, sha256, manifest, exported_at
         from ledger_export
         order by ordinal")
        .fetch_all(c)
        .await?);
    rows.into_iter()
        .map(|r| {
            Ok(LedgerExport {
                ordinal: count(r.ordinal, "ledger_export.ordinal")?,
                format: r.format,
                first: count(r.first_sequence, "ledger_export.first_sequence")?,
                last: count(r.last_sequence, "ledger_export.last_sequence")?,
                last_hash: r.last_hash,
                path: r.path,
                sha256: r.sha256,
                manifest: r.manifest.0,
                exported_at: r.exported_at,
            })
        })
        .collect()
}

/// How many entries of a run's documents an export has handed out already.
pub async fn exported_of_run(tx: &mut Tx, run: RunId) -> anyhow::Result<u64> {
    let entries: i64 = on!(tx, c => sqlx::query_scalar(
        "select count(*)
         from ledger_entry e
         join ledger_seal s on s.entry = e.id
         where e.run = $1 and s.sequence <= (select coalesce(max(last_sequence), 0) from ledger_export)")
        .bind(run.0)
        .fetch_one(c)
        .await?);
    count(entries, "ledger_entry")
}
