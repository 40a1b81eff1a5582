//! Imports of which records were refused and that somebody should see to.

use crate::tx::{Tx, on};
use crate::words::count;
use anyhow::Context;
use chrono::{DateTime, Utc};
use sqlx::types::Json;
use std::collections::BTreeMap;
use uuid::Uuid;

/// What an import refused, and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRejects {
    pub import: Uuid,
    pub file_name: String,
    /// Relative to the home folder.
    pub reject_path: String,
    pub rejected: u64,
    /// Reject code → rows.
    pub rejects: BTreeMap<String, u64>,
    pub brought_in_at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    file_name: String,
    reject_path: Option<String>,
    rejected_rows: i64,
    rejects: Option<Json<BTreeMap<String, u64>>>,
    ended_at: Option<DateTime<Utc>>,
}

/// Notes that what this import refused waits.
pub(crate) async fn note(tx: &mut Tx, import: Uuid) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query("insert into usage_open_rejects (import) values ($1) on conflict (import) do nothing")
        .bind(import)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// What waits, the oldest first.
pub async fn waiting(tx: &mut Tx) -> anyhow::Result<Vec<OpenRejects>> {
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        "select i.id, i.file_name, i.reject_path, i.rejected_rows, i.rejects, i.ended_at
         from usage_open_rejects o
         join usage_import i on i.id = o.import
         order by i.number")
        .fetch_all(c)
        .await?);
    let read = |row: Row| {
        Ok(OpenRejects {
            import: row.id,
            file_name: row.file_name,
            reject_path: row.reject_path.context("an import without a reject file has none open")?,
            rejected: count(row.rejected_rows, "usage_import.rejected_rows")?,
            rejects: row.rejects.map(|json| json.0).unwrap_or_default(),
            brought_in_at: row.ended_at.context("an import that is not done has no open rejects")?,
        })
    };
    rows.into_iter().map(read).collect()
}

/// What this import refused waits no more; `false` if nothing did.
pub async fn settle(tx: &mut Tx, import: Uuid) -> anyhow::Result<bool> {
    let gone = on!(tx, c => sqlx::query("delete from usage_open_rejects where import = $1")
        .bind(import)
        .execute(c)
        .await?
        .rows_affected());
    Ok(gone > 0)
}
