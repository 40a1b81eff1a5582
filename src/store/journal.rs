//! The journal: who did what to which object, written in the transaction that did it. Append-only.

use crate::bulk::{Bulk, Cell};
use crate::counter;
use crate::tx::{Tx, on};
use chrono::{DateTime, Utc};
use domain::journal::{Action, Object};
use serde_json::Value;
use sqlx::types::Json;

/// One thing that was done, as it is read back: an earlier version may have had other words.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub at: DateTime<Utc>,
    pub actor: String,
    /// For example `draft.cancel`.
    pub action: String,
    /// For example `run 18`, `invoice INV-0000007`, `subscription SUB-1`.
    pub object: String,
    pub detail: Value,
}

/// Appends one act. Called in the transaction of what was done, and only if something was.
pub async fn record(
    tx: &mut Tx,
    at: DateTime<Utc>,
    actor: &str,
    action: Action,
    object: &Object<'_>,
    detail: &Value,
) -> anyhow::Result<()> {
    let ordinal = counter::take(tx, counter::JOURNAL, 1).await?;
    let mut rows = Bulk::into("journal", &["ordinal", "at", "actor", "action", "object", "detail"]);
    rows.row([
        ordinal.into(),
        at.into(),
        actor.into(),
        action.to_string().into(),
        object.to_string().into(),
        Cell::json(detail)?,
    ]);
    rows.insert(tx).await.map(drop)
}

/// Which records to list; nothing set means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub object: Option<String>,
    pub actor: Option<String>,
    /// First instant.
    pub since: Option<DateTime<Utc>>,
}

/// The newest records first.
pub async fn newest(tx: &mut Tx, filter: &Filter, limit: u32) -> anyhow::Result<Vec<Record>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        at: DateTime<Utc>,
        actor: String,
        action: String,
        object: String,
        detail: Json<Value>,
    }
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        "select at, actor, action, object, detail
         from journal
         where ($1 is null or object = $1)
           and ($2 is null or actor = $2)
           and ($3 is null or at >= $3)
         order by ordinal desc
         limit $4")
        .bind(&filter.object)
        .bind(&filter.actor)
        .bind(filter.since)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await?);
    Ok(rows
        .into_iter()
        .map(|r| Record { at: r.at, actor: r.actor, action: r.action, object: r.object, detail: r.detail.0 })
        .collect())
}
