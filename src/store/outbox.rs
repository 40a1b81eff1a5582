//! What endpoints of others are to be told, written in the transaction of the change; who they are; and what became of each
//! telling. As long as there is no endpoint nothing is written.

use crate::bulk::Bulk;
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::Ids;
use crate::words::{count, read_word};
use anyhow::Context;
use chrono::{DateTime, Utc};
use domain::webhook::{Event, means};
use uuid::Uuid;

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    pub id: Uuid,
    pub url: String,
    pub description: Option<String>,
    /// Patterns; none = every event.
    pub events: Vec<String>,
    pub is_active: bool,
    /// As it is shown: `whsec_…`.
    pub secret: String,
    /// The one before, and how long it still signs.
    pub former: Option<(String, DateTime<Utc>)>,
    /// For receivers of the old kind.
    pub token: String,
    pub created_at: DateTime<Utc>,
    pub created_by: String,
    pub failing_since: Option<DateTime<Utc>>,
    pub disabled_why: Option<String>,
}

impl Webhook {
    fn wants(&self, event: &Event) -> bool {
        self.events.is_empty() || self.events.iter().any(|pattern| means(pattern, event.kind, event.action))
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    url: String,
    description: Option<String>,
    events: String,
    is_active: bool,
    secret: String,
    former_secret: Option<String>,
    former_until: Option<DateTime<Utc>>,
    token: String,
    created_at: DateTime<Utc>,
    created_by: String,
    failing_since: Option<DateTime<Utc>>,
    disabled_why: Option<String>,
}

impl TryFrom<Row> for Webhook {
    type Error = anyhow::Error;
    fn try_from(row: Row) -> anyhow::Result<Self> {
        Ok(Self {
            id: row.id,
            url: row.url,
            description: row.description,
            events: serde_json::from_str(&row.events).context("webhook.events")?,
            is_active: row.is_active,
            secret: row.secret,
            former: row.former_secret.zip(row.former_until),
            token: row.token,
            created_at: row.created_at,
            created_by: row.created_by,
            failing_since: row.failing_since,
            disabled_why: row.disabled_why,
        })
    }
}

/// Every endpoint in the order in which they came.
pub async fn webhooks(tx: &mut Tx) -> anyhow::Result<Vec<Webhook>> {
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        "select id, url, description, events, is_active, secret, former_secret, former_until, token, created_at,
                created_by, failing_since, disabled_why
         from webhook
         order by created_at, id")
        .fetch_all(c)
        .await?);
    rows.into_iter().map(Webhook::try_from).collect()
}

/// Nobody else changes an endpoint until the transaction ends. What decides a write is read after this.
pub async fn hold(tx: &mut Tx, id: Uuid) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query("update webhook set url = url where id = $1").bind(id).execute(c).await.map(drop))?;
    crate::request::held(tx).await
}

/// Writes an endpoint, in place of the one with its id.
pub async fn save(tx: &mut Tx, webhook: &Webhook) -> anyhow::Result<()> {
    let (former, until) = webhook.former.clone().unzip();
    on!(tx, c => sqlx::query(
        "insert into webhook (id, url, description, events, is_active, secret, former_secret, former_until, token,
                              created_at, created_by, failing_since, disabled_why)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         on conflict (id) do update set
            url = excluded.url, description = excluded.description, events = excluded.events,
            is_active = excluded.is_active, secret = excluded.secret, former_secret = excluded.former_secret,
            former_until = excluded.former_until, failing_since = excluded.failing_since,
            disabled_why = excluded.disabled_why")
        .bind(webhook.id)
        .bind(&webhook.url)
        .bind(&webhook.description)
        .bind(serde_json::to_string(&webhook.events)?)
        .bind(webhook.is_active)
        .bind(&webhook.secret)
        .bind(&former)
        .bind(until)
        .bind(&webhook.token)
        .bind(webhook.created_at)
        .bind(&webhook.created_by)
        .bind(webhook.failing_since)
        .bind(&webhook.disabled_why)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Takes an endpoint away, with what it was not told; `false` if there is none.
pub async fn delete(tx: &mut Tx, id: Uuid) -> anyhow::Result<bool> {
    on!(tx, c => sqlx::query("delete from webhook_delivery where webhook = $1").bind(id).execute(c).await.map(drop))?;
    let gone = on!(tx, c => sqlx::query("delete from webhook where id = $1").bind(id).execute(c).await?.rows_affected());
    Ok(gone > 0)
}

/// Says what this transaction changes, to every endpoint that wants it.
pub async fn tell(tx: &mut Tx, events: &[Event]) -> anyhow::Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let webhooks = webhooks(tx).await?;
    let active: Vec<&Webhook> = webhooks.iter().filter(|webhook| webhook.is_active).collect();
    if active.iter().any(|webhook| events.iter().any(|event| webhook.wants(event))) {
        write(tx, events, &active).await?;
    }
    Ok(())
}

/// Whether something may be told now.
pub async fn is_due(tx: &mut Tx, now: DateTime<Utc>) -> anyhow::Result<bool> {
    let one: Option<i64> = on!(tx, c => sqlx::query_scalar(
        "select cast(1 as bigint)
         from webhook_delivery d
         join webhook w on w.id = d.webhook
         where d.state = 'pending' and w.is_active and d.next_at <= $1
           and (d.claimed_until is null or d.claimed_until < $1)
         limit 1")
        .bind(now)
        .fetch_optional(c)
        .await?);
    Ok(one.is_some())
}

/// Whether anybody is told anything.
pub async fn is_heard(tx: &mut Tx) -> anyhow::Result<bool> {
    let one: Option<i64> = on!(tx, c => sqlx::query_scalar("select cast(1 as bigint) from webhook where is_active limit 1").fetch_optional(c).await?);
    Ok(one.is_some())
}

/// Tells one endpoint something, whatever it wants.
pub async fn tell_one(tx: &mut Tx, webhook: &Webhook, event: Event) -> anyhow::Result<()> {
    let everything = Webhook { events: Vec::new(), ..webhook.clone() };
    write(tx, &[event], &[&everything]).await
}

async fn write(tx: &mut Tx, events: &[Event], webhooks: &[&Webhook]) -> anyhow::Result<()> {
    const BATCH: usize = 1_000;
    const DELIVER: PerDriver = by_keys!(
        "insert into webhook_delivery (webhook, sequence, object, state, next_at)
         select $2, sequence, object, 'pending', at from outbox where id",
        uuid,
        ""
    );
    let deliver = tx.pick(&DELIVER);
    for batch in events.chunks(BATCH) {
        let ids: Vec<Uuid> = batch.iter().map(|_| Uuid::new_v4()).collect();
        let mut rows = Bulk::into("outbox", &["id", "type", "action", "object"]);
        for (id, event) in ids.iter().zip(batch) {
            rows.row([(*id).into(), event.kind.into(), event.action.into(), event.object.into()]);
        }
        rows.insert(tx).await?;
        for webhook in webhooks {
            let wanted = ids.iter().zip(batch).filter(|(_, event)| webhook.wants(event)).map(|(id, _)| *id);
            let wanted = Ids(wanted.collect());
            on!(tx, c => sqlx::query(deliver).bind(wanted).bind(webhook.id).execute(c).await.map(drop))?;
        }
    }
    Ok(())
}

/// How a telling stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Pending,
    Delivered,
    GivenUp,
}

/// One telling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub webhook: Uuid,
    pub sequence: i64,
    /// Of the event.
    pub id: Uuid,
    pub kind: String,
    pub action: String,
    pub object: Uuid,
    pub at: DateTime<Utc>,
    pub state: State,
    pub attempts: u64,
    pub next_at: DateTime<Utc>,
    pub first_at: Option<DateTime<Utc>>,
    pub answered_at: Option<DateTime<Utc>>,
    pub status: Option<i64>,
    pub error: Option<String>,
}

#[derive(sqlx::FromRow)]
struct DeliveryRow {
    webhook: Uuid,
    sequence: i64,
    id: Uuid,
    r#type: String,
    action: String,
    object: Uuid,
    at: DateTime<Utc>,
    state: String,
    attempts: i64,
    next_at: DateTime<Utc>,
    first_at: Option<DateTime<Utc>>,
    answered_at: Option<DateTime<Utc>>,
    status: Option<i64>,
    error: Option<String>,
}

impl TryFrom<DeliveryRow> for Delivery {
    type Error = anyhow::Error;
    fn try_from(row: DeliveryRow) -> anyhow::Result<Self> {
        Ok(Self {
            webhook: row.webhook,
            sequence: row.sequence,
            id: row.id,
            kind: row.r#type,
            action: row.action,
            object: row.object,
            at: row.at,
            state: read_word(&row.state, "webhook_delivery.state")?,
            attempts: count(row.attempts, "webhook_delivery.attempts")?,
            next_at: row.next_at,
            first_at: row.first_at,
            answered_at: row.answered_at,
            status: row.status,
            error: row.error,
        })
    }
}

/// Tellings of an endpoint, newest last; none of `sequence` and before if one is given.
pub async fn deliveries(tx: &mut Tx, webhook: Uuid) -> anyhow::Result<Vec<Delivery>> {
    let rows: Vec<DeliveryRow> = on!(tx, c => sqlx::query_as(
        "select d.webhook, d.sequence, o.id, o.type, o.action, o.object, o.at, d.state, d.attempts, d.next_at, d.first_at,
                d.answered_at, d.status, d.error
         from webhook_delivery d
         join outbox o on o.sequence = d.sequence
         where d.webhook = $1
         order by d.sequence")
        .bind(webhook)
        .fetch_all(c)
        .await?);
    rows.into_iter().map(Delivery::try_from).collect()
}

/// Takes tellings that are due, oldest first: of each endpoint and object only the first that is not told yet. They are ours
/// until then.
pub async fn claim(
    tx: &mut Tx,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    limit: i64,
) -> anyhow::Result<Vec<Delivery>> {
    let keys: Vec<(Uuid, i64)> = on!(tx, c => sqlx::query_as(
        "select d.webhook, d.sequence
         from webhook_delivery d
         join webhook w on w.id = d.webhook
         where d.state = 'pending'
           and w.is_active
           and d.next_at <= $1
           and (d.claimed_until is null or d.claimed_until < $1)
           and not exists (
               select 1 from webhook_delivery e
               where e.webhook = d.webhook and e.object = d.object and e.sequence < d.sequence and e.state = 'pending')
         order by d.sequence
         limit $2")
        .bind(now)
        .bind(limit)
        .fetch_all(c)
        .await?);
    let mut ours = Vec::with_capacity(keys.len());
    for (webhook, sequence) in keys {
        let is_ours = on!(tx, c => sqlx::query(
            "update webhook_delivery set claimed_until = $3
             where webhook = $1 and sequence = $2 and state = 'pending' and (claimed_until is null or claimed_until < $4)")
            .bind(webhook)
            .bind(sequence)
            .bind(until)
            .bind(now)
            .execute(c)
            .await?
            .rows_affected());
        if is_ours == 1 {
            ours.push(one(tx, webhook, sequence).await?);
        }
    }
    Ok(ours)
}

async fn one(tx: &mut Tx, webhook: Uuid, sequence: i64) -> anyhow::Result<Delivery> {
    let row: Option<DeliveryRow> = on!(tx, c => sqlx::query_as(
        "select d.webhook, d.sequence, o.id, o.type, o.action, o.object, o.at, d.state, d.attempts, d.next_at, d.first_at,
                d.answered_at, d.status, d.error
         from webhook_delivery d
         join outbox o on o.sequence = d.sequence
         where d.webhook = $1 and d.sequence = $2")
        .bind(webhook)
        .bind(sequence)
        .fetch_optional(c)
        .await?);
    row.context("a delivery without its event")?.try_into()
}

/// Writes what became of a try.
pub async fn answered(tx: &mut Tx, delivery: &Delivery) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query(
        "update webhook_delivery
         set state = $3, attempts = $4, next_at = $5, first_at = $6, answered_at = $7, status = $8, error = $9,
             claimed_until = null
         where webhook = $1 and sequence = $2")
        .bind(delivery.webhook)
        .bind(delivery.sequence)
        .bind(crate::words::word(&delivery.state)?)
        .bind(i64::try_from(delivery.attempts)?)
        .bind(delivery.next_at)
        .bind(delivery.first_at)
        .bind(delivery.answered_at)
        .bind(delivery.status)
        .bind(&delivery.error)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Tells an endpoint again what it wants of these events, first and last included; how many those are.
pub async fn replay(
    tx: &mut Tx,
    webhook: &Webhook,
    (first, last): (i64, i64),
    now: DateTime<Utc>,
) -> anyhow::Result<u64> {
    type EventRow = (i64, String, String, Uuid);
    let events: Vec<EventRow> = on!(tx, c => sqlx::query_as(
        "select sequence, type, action, object from outbox where sequence >= $1 and sequence <= $2 order by sequence")
        .bind(first)
        .bind(last)
        .fetch_all(c)
        .await?);
    let mut told = 0;
    for (sequence, kind, action, object) in events {
        let wants =
            webhook.events.is_empty() || webhook.events.iter().any(|pattern| means(pattern, &kind, &action));
        if !wants {
            continue;
        }
        on!(tx, c => sqlx::query(
            "insert into webhook_delivery (webhook, sequence, object, state, next_at)
             values ($1, $2, $3, 'pending', $4)
             on conflict (webhook, sequence) do update set
                state = 'pending', attempts = 0, next_at = excluded.next_at, first_at = null, claimed_until = null")
            .bind(webhook.id)
            .bind(sequence)
            .bind(object)
            .bind(now)
            .execute(c)
            .await
            .map(drop))?;
        told += 1;
    }
    Ok(told)
}

/// Deletes what is older; returns how many events went.
pub async fn prune(tx: &mut Tx, before: DateTime<Utc>) -> anyhow::Result<u64> {
    on!(tx, c => sqlx::query(
        "delete from webhook_delivery where sequence in (select sequence from outbox where at < $1)")
        .bind(before)
        .execute(c)
        .await
        .map(drop))?;
    Ok(
        on!(tx, c => sqlx::query("delete from outbox where at < $1").bind(before).execute(c).await?.rows_affected()),
    )
}
