//! The journal: who did what to which object, written in the transaction that did it. Append-only.

use crate::bulk::{Bulk, Cell};
use crate::counter;
use crate::tx::{Tx, on};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;

/// One thing that was done. `object` names it for a person: `run 18`, `invoice INV-0000007`, `subscription SUB-1`.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub at: DateTime<Utc>,
    pub actor: String,
    pub action: String,
    pub object: String,
    pub detail: Value,
}

/// Appends one record.
pub async fn record(tx: &mut Tx, record: &Record) -> anyhow::Result<()> {
    let ordinal = counter::take(tx, counter::JOURNAL, 1).await?;
    let mut rows = Bulk::into("journal", &["ordinal", "at", "actor", "action", "object", "detail"]);
    rows.row([
        ordinal.into(),
        record.at.into(),
        (&record.actor).into(),
        (&record.action).into(),
        (&record.object).into(),
        Cell::json(&record.detail)?,
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
