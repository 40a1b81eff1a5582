//! Buckets of Zuplo's metering, their plans and subscriptions, and the usage of those that nothing bills.

use crate::tx::{Tx, on};
use chrono::{DateTime, Utc};
use domain::metered::{Plan, Subscription};
use sqlx::types::Json;

/// A namespace of plans and subscriptions.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Bucket {
    pub id: String,
    pub label: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// Something of a bucket with the name that its caller knows it by.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Row<B> {
    pub id: String,
    pub external_id: String,
    pub body: B,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

pub type PlanRow = Row<Plan>;
pub type SubscriptionRow = Row<Subscription>;

type Columns<B> = (String, String, Json<B>, DateTime<Utc>, DateTime<Utc>);

fn row<B>((id, external_id, Json(body), created_at, updated_at): Columns<B>) -> Row<B> {
    Row { id, external_id, body, created_at, updated_at }
}

/// Buckets in the order in which they were made.
pub async fn buckets(tx: &mut Tx) -> anyhow::Result<Vec<Bucket>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select id, label, created_at, updated_at from metering_bucket order by created_at, id")
        .fetch_all(c)
        .await?))
}

/// The bucket of this id; it stays until the transaction ends.
pub async fn bucket(tx: &mut Tx, id: &str) -> anyhow::Result<Option<Bucket>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select id, label, created_at, updated_at from metering_bucket where id = $1")
        .bind(id)
        .fetch_optional(c)
        .await?))
}

/// Nobody else changes what is in a bucket until the transaction ends; `false` if there is none.
pub async fn hold(tx: &mut Tx, bucket: &str, now: DateTime<Utc>) -> anyhow::Result<bool> {
    let held = on!(tx, c => sqlx::query("update metering_bucket set updated_at = $2 where id = $1")
        .bind(bucket)
        .bind(now)
        .execute(c)
        .await?
        .rows_affected());
    if held == 0 {
        return Ok(false);
    }
    crate::request::held(tx).await?;
    Ok(true)
}

/// Nobody else counts what a subscription uses until the transaction ends.
pub async fn hold_subscription(tx: &mut Tx, id: &str) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query("update metering_subscription set updated_at = updated_at where id = $1")
        .bind(id)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

pub async fn add_bucket(tx: &mut Tx, bucket: &Bucket) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query(
        "insert into metering_bucket (id, label, created_at, updated_at) values ($1, $2, $3, $4)")
        .bind(&bucket.id)
        .bind(&bucket.label)
        .bind(bucket.created_at)
        .bind(bucket.updated_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Deletes a bucket with all that is in it.
pub async fn delete_bucket(tx: &mut Tx, bucket: &str) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query("delete from metering_event where bucket = $1").bind(bucket).execute(c).await.map(drop))?;
    on!(tx, c => sqlx::query("delete from metering_subscription where bucket = $1").bind(bucket).execute(c).await.map(drop))?;
    on!(tx, c => sqlx::query("delete from metering_plan where bucket = $1").bind(bucket).execute(c).await.map(drop))?;
    on!(tx, c => sqlx::query("delete from metering_bucket where id = $1").bind(bucket).execute(c).await.map(drop))?;
    Ok(())
}

/// Plans of a bucket in the order in which they were made.
pub async fn plans(tx: &mut Tx, bucket: &str) -> anyhow::Result<Vec<PlanRow>> {
    let rows: Vec<Columns<Plan>> = on!(tx, c => sqlx::query_as(
        "select id, external_id, body, created_at, updated_at
         from metering_plan
         where bucket = $1
         order by created_at, id")
        .bind(bucket)
        .fetch_all(c)
        .await?);
    Ok(rows.into_iter().map(row).collect())
}

pub async fn save_plan(tx: &mut Tx, bucket: &str, plan: &PlanRow) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query(
        "insert into metering_plan (id, bucket, external_id, body, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (id) do update set body = excluded.body, updated_at = excluded.updated_at")
        .bind(&plan.id)
        .bind(bucket)
        .bind(&plan.external_id)
        .bind(Json(&plan.body))
        .bind(plan.created_at)
        .bind(plan.updated_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

pub async fn delete_plan(tx: &mut Tx, plan: &str) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query("delete from metering_plan where id = $1").bind(plan).execute(c).await.map(drop))?;
    Ok(())
}

/// Subscriptions of a bucket that are not deleted, in the order in which they were made.
pub async fn subscriptions(tx: &mut Tx, bucket: &str) -> anyhow::Result<Vec<SubscriptionRow>> {
    let rows: Vec<Columns<Subscription>> = on!(tx, c => sqlx::query_as(
        "select id, external_id, body, created_at, updated_at
         from metering_subscription
         where bucket = $1 and deleted_at is null
         order by created_at, id")
        .bind(bucket)
        .fetch_all(c)
        .await?);
    Ok(rows.into_iter().map(row).collect())
}

/// The subscription of this id, unless it is deleted.
pub async fn subscription(tx: &mut Tx, bucket: &str, id: &str) -> anyhow::Result<Option<SubscriptionRow>> {
    let found: Option<Columns<Subscription>> = on!(tx, c => sqlx::query_as(
        "select id, external_id, body, created_at, updated_at
         from metering_subscription
         where bucket = $1 and id = $2 and deleted_at is null")
        .bind(bucket)
        .bind(id)
        .fetch_optional(c)
        .await?);
    Ok(found.map(row))
}

pub async fn save_subscription(tx: &mut Tx, bucket: &str, one: &SubscriptionRow) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query(
        "insert into metering_subscription (id, bucket, external_id, body, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (id) do update set body = excluded.body, updated_at = excluded.updated_at")
        .bind(&one.id)
        .bind(bucket)
        .bind(&one.external_id)
        .bind(Json(&one.body))
        .bind(one.created_at)
        .bind(one.updated_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Hides a subscription; its usage is counted no more.
pub async fn delete_subscription(tx: &mut Tx, id: &str, now: DateTime<Utc>) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query("update metering_subscription set deleted_at = $2 where id = $1")
        .bind(id)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Usage of a meter that nothing bills.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Event {
    /// Unique within its bucket.
    pub id: String,
    pub subscription: String,
    pub meter: String,
    pub amount: i64,
    pub at: DateTime<Utc>,
}

impl Event {
    /// The same use told again, at whatever time.
    pub fn is_same_use(&self, other: &Self) -> bool {
        self.subscription == other.subscription && self.meter == other.meter && self.amount == other.amount
    }
}

/// Adds usage; `false` if an event of this id is there already.
pub async fn add_event(tx: &mut Tx, bucket: &str, event: &Event) -> anyhow::Result<bool> {
    let added = on!(tx, c => sqlx::query(
        "insert into metering_event (bucket, id, subscription, meter, amount, at)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (bucket, id) do nothing")
        .bind(bucket)
        .bind(&event.id)
        .bind(&event.subscription)
        .bind(&event.meter)
        .bind(event.amount)
        .bind(event.at)
        .execute(c)
        .await?
        .rows_affected());
    Ok(added == 1)
}

/// The usage of this id in a bucket, whichever subscription it is of.
pub async fn event(tx: &mut Tx, bucket: &str, id: &str) -> anyhow::Result<Option<Event>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select id, subscription, meter, amount, at
         from metering_event
         where bucket = $1 and id = $2")
        .bind(bucket)
        .bind(id)
        .fetch_optional(c)
        .await?))
}

/// Usage of a subscription from one instant to another.
pub async fn events(
    tx: &mut Tx,
    subscription: &str,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> anyhow::Result<Vec<Event>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select id, subscription, meter, amount, at
         from metering_event
         where subscription = $1 and at >= $2 and at < $3
         order by at, id")
        .bind(subscription)
        .bind(from)
        .bind(until)
        .fetch_all(c)
        .await?))
}
