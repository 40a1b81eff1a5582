//! Usage that came over HTTP and is in no segment yet.

use crate::bulk::Bulk;
use crate::counter;
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::{Dec, Ids};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

/// One event that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingEvent {
    /// Hash of (source, id).
    pub key: Uuid,
    /// Hash of what it says.
    pub content: u64,
    /// Of a correction: what the key index will hold of the event that it corrects.
    pub mark: Option<Uuid>,
    pub source: String,
    pub id: String,
    pub subject: String,
    pub meter: String,
    pub quantity: Decimal,
    pub time_us: i64,
    /// Canonical JSON; empty if there are none.
    pub properties: String,
    /// Empty if it corrects nothing.
    pub corrects: String,
    pub received_at: DateTime<Utc>,
}

/// What an intake that keeps the book in memory has to look at to know that it is still right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct IntakeVersions {
    /// Of the usage store.
    pub version: i64,
    pub subscriptions: i64,
    pub charges: i64,
    pub catalogue: i64,
    /// Runs there have been, and how many are over.
    pub runs: i64,
    pub runs_over: i64,
}

/// Locks the usage store against other intakes until the transaction ends, and says how everything stands.
pub async fn lock(tx: &mut Tx) -> anyhow::Result<IntakeVersions> {
    const LOCK: PerDriver = PerDriver {
        sqlite: "select version from usage_store",
        postgres: "select version from usage_store for update",
    };
    let sql = tx.pick(&LOCK);
    let _: i64 = on!(tx, c => sqlx::query_scalar(sql).fetch_one(c).await?);
    standing(tx).await
}

/// How everything stands.
pub async fn standing(tx: &mut Tx) -> anyhow::Result<IntakeVersions> {
    Ok(on!(tx, c => sqlx::query_as(
        "select (select version from usage_store) as version,
                coalesce((select last from counter where name = $1), 0) as subscriptions,
                coalesce((select last from counter where name = $2), 0) as charges,
                (select revision from catalogue_revision) as catalogue,
                (select count(*) from run) as runs,
                (select count(*) from run where state not in ('open', 'review')) as runs_over")
        .bind(counter::SUBSCRIPTION)
        .bind(counter::CHARGE)
        .fetch_one(c)
        .await?))
}

/// Adds events. Their keys must be new: see [`contents`].
pub async fn add(tx: &mut Tx, events: &[WaitingEvent]) -> anyhow::Result<()> {
    let columns = &[
        "key",
        "content",
        "mark",
        "source",
        "event",
        "subject",
        "meter",
        "quantity",
        "time_us",
        "properties",
        "corrects",
        "received_at",
    ];
    let mut rows = Bulk::into("usage_waiting", columns);
    for event in events {
        rows.row([
            event.key.into(),
            event.content.cast_signed().into(),
            event.mark.into(),
            (&event.source).into(),
            (&event.id).into(),
            (&event.subject).into(),
            (&event.meter).into(),
            event.quantity.into(),
            event.time_us.into(),
            (&event.properties).into(),
            (&event.corrects).into(),
            event.received_at.into(),
        ]);
    }
    rows.insert(tx).await.map(drop)
}

/// Which of these keys wait, with the content of each.
pub async fn contents(tx: &mut Tx, keys: &[Uuid]) -> anyhow::Result<Vec<(Uuid, u64)>> {
    const BY_KEY: PerDriver = by_keys!("select key, content from usage_waiting where key", uuid, "");
    let sql = tx.pick(&BY_KEY);
    let rows: Vec<(Uuid, i64)> =
        on!(tx, c => sqlx::query_as(sql).bind(Ids(keys.to_vec())).fetch_all(c).await?);
    Ok(rows.into_iter().map(|(key, content)| (key, content.cast_unsigned())).collect())
}

/// Which of these correction marks wait.
pub async fn marks(tx: &mut Tx, marks: &[Uuid]) -> anyhow::Result<Vec<Uuid>> {
    const BY_MARK: PerDriver = by_keys!("select mark from usage_waiting where mark", uuid, "");
    let sql = tx.pick(&BY_MARK);
    Ok(on!(tx, c => sqlx::query_scalar(sql).bind(Ids(marks.to_vec())).fetch_all(c).await?))
}

/// Keys and marks of everything that waits after an ordinal.
pub async fn keys_after(tx: &mut Tx, ordinal: i64) -> anyhow::Result<Vec<Uuid>> {
    let rows: Vec<(Uuid, Option<Uuid>)> = on!(tx, c => sqlx::query_as(
        "select key, mark from usage_waiting where ordinal > $1")
        .bind(ordinal)
        .fetch_all(c)
        .await?);
    Ok(rows.into_iter().flat_map(|(key, mark)| [Some(key), mark]).flatten().collect())
}

/// How many events wait.
pub async fn count(tx: &mut Tx) -> anyhow::Result<i64> {
    Ok(on!(tx, c => sqlx::query_scalar("select count(*) from usage_waiting").fetch_one(c).await?))
}

/// The oldest events that wait, each with its ordinal. Intakes are in the order of their commits ([`lock`]), so nothing
/// older comes later.
pub async fn oldest(tx: &mut Tx, limit: u32) -> anyhow::Result<Vec<(i64, WaitingEvent)>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        ordinal: i64,
        key: Uuid,
        content: i64,
        mark: Option<Uuid>,
        source: String,
        event: String,
        subject: String,
        meter: String,
        quantity: Dec,
        time_us: i64,
        properties: String,
        corrects: String,
        received_at: DateTime<Utc>,
    }
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        "select ordinal, key, content, mark, source, event, subject, meter, quantity, time_us, properties, corrects,
                received_at
         from usage_waiting
         order by ordinal
         limit $1")
        .bind(i64::from(limit))
        .fetch_all(c)
        .await?);
    let event = |r: Row| WaitingEvent {
        key: r.key,
        content: r.content.cast_unsigned(),
        mark: r.mark,
        source: r.source,
        id: r.event,
        subject: r.subject,
        meter: r.meter,
        quantity: r.quantity.0,
        time_us: r.time_us,
        properties: r.properties,
        corrects: r.corrects,
        received_at: r.received_at,
    };
    Ok(rows.into_iter().map(|row| (row.ordinal, event(row))).collect())
}

/// Deletes what has been moved: everything up to an ordinal. In the commit that names its segments.
pub async fn moved(tx: &mut Tx, through: i64) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query("delete from usage_waiting where ordinal <= $1")
        .bind(through)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}
