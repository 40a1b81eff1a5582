//! Usage files that were refused whole and that somebody should see to.

use crate::tx::{Tx, on};
use chrono::{DateTime, Utc};

/// A file that waits; its path is its key.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct RefusedFile {
    /// Absolute, as it was handed in.
    pub path: String,
    /// Where it lies now, if it was moved.
    pub kept_at: Option<String>,
    /// Stable word for scripts.
    pub code: String,
    pub message: String,
    pub refused_at: DateTime<Utc>,
}

/// Notes a file, or what is known of it now.
pub async fn note(tx: &mut Tx, file: &RefusedFile) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query(
        "insert into usage_refused (path, kept_at, code, message, refused_at)
         values ($1, $2, $3, $4, $5)
         on conflict (path) do update
         set kept_at = excluded.kept_at, code = excluded.code, message = excluded.message, refused_at = excluded.refused_at")
        .bind(&file.path)
        .bind(&file.kept_at)
        .bind(&file.code)
        .bind(&file.message)
        .bind(file.refused_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// The files that wait, the oldest first.
pub async fn waiting(tx: &mut Tx) -> anyhow::Result<Vec<RefusedFile>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select path, kept_at, code, message, refused_at
         from usage_refused
         order by refused_at, path")
        .fetch_all(c)
        .await?))
}

/// The file of this path, or that lies there now, waits no more; `false` if none did.
pub async fn settle(tx: &mut Tx, path: &str) -> anyhow::Result<bool> {
    let gone = on!(tx, c => sqlx::query("delete from usage_refused where path = $1 or kept_at = $1")
        .bind(path)
        .execute(c)
        .await?
        .rows_affected());
    Ok(gone > 0)
}
