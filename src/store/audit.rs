//! The audit log: who did what to which object, written in the transaction that did it. Append-only, and each record is
//! bound to the one before it ([`domain::audit`]). Its table is called `journal`, as it was in the first version.

use crate::bulk::{Bulk, Cell};
use crate::counter;
use crate::tx::{Tx, on};
use crate::words::{count, stored};
use chrono::{DateTime, Utc};
use domain::audit::{Action, Object};
use domain::audit::{AuditRecord, Content, content_hash, link_hash};
use domain::ledger::ChainHash;
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

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
    let ordinal = counter::take(tx, counter::AUDIT_LOG, 1).await?;
    let (action, object) = (action.to_string(), object.to_string());
    let link = link(tx, ordinal, at, &action, Content { actor, object: &object, detail }).await?;
    let columns = &["ordinal", "at", "actor", "action", "object", "detail", "salt", "content_hash", "hash"];
    let mut rows = Bulk::into("journal", columns);
    rows.row([
        ordinal.into(),
        at.into(),
        actor.into(),
        action.into(),
        object.into(),
        Cell::json(detail)?,
        link.salt.into(),
        link.content_hash.to_string().into(),
        link.hash.to_string().into(),
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

/// What binds a record to the one before it. The counter is locked until the transaction ends, so that nobody writes
/// between the two.
async fn link(
    tx: &mut Tx,
    ordinal: i64,
    at: DateTime<Utc>,
    action: &str,
    content: Content<'_>,
) -> anyhow::Result<Link> {
    let previous: Option<Option<String>> = on!(tx, c => sqlx::query_scalar("select hash from journal where ordinal = $1")
            .bind(ordinal - 1)
            .fetch_optional(c)
            .await?);
    let previous = previous.flatten().map(|hash| hash.parse()).transpose()?.unwrap_or_default();
    let salt = Uuid::new_v4().simple().to_string();
    let content_hash = content_hash(&salt, content);
    let hash = link_hash(&previous, count(ordinal, "journal.ordinal")?, at, action, &content_hash);
    Ok(Link { salt, content_hash, hash })
}

struct Link {
    salt: String,
    content_hash: ChainHash,
    hash: ChainHash,
}

/// The ordinal that was given last.
pub async fn last_ordinal(tx: &mut Tx) -> anyhow::Result<u64> {
    count(counter::last(tx, counter::AUDIT_LOG).await?, "counter.last")
}

/// Records after an ordinal, oldest first, as links of the chain; none for one of a version before there was a chain.
pub async fn page(tx: &mut Tx, after: u64, limit: u32) -> anyhow::Result<Vec<(u64, Option<AuditRecord>)>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        ordinal: i64,
        at: DateTime<Utc>,
        actor: String,
        action: String,
        object: String,
        detail: Json<Value>,
        salt: Option<String>,
        content_hash: Option<String>,
        hash: Option<String>,
    }
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        "select ordinal, at, actor, action, object, detail, salt, content_hash, hash
         from journal
         where ordinal > $1
         order by ordinal
         limit $2")
        .bind(stored(after))
        .bind(i64::from(limit))
        .fetch_all(c)
        .await?);
    let chained = |r: Row| -> anyhow::Result<_> {
        let ordinal = count(r.ordinal, "journal.ordinal")?;
        let (Some(content_hash), Some(hash)) = (r.content_hash, r.hash) else { return Ok((ordinal, None)) };
        let record = AuditRecord {
            ordinal,
            at: r.at,
            actor: r.actor,
            action: r.action,
            object: r.object,
            detail: r.detail.0,
            salt: r.salt,
            content_hash: content_hash.parse()?,
            hash: hash.parse()?,
        };
        Ok((ordinal, Some(record)))
    };
    rows.into_iter().map(chained).collect()
}
