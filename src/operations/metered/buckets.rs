//! Buckets.

use super::find;
use super::show::is_booked;
use crate::actor::Actor;
use crate::context::Context;
use crate::refusal::Stop;
use chrono::{DateTime, Utc};
use domain::audit::{Action, Object};
use domain::refusal::{Code, Refusal};
use store::Tx;
use store::metered::{self, Bucket};

/// A bucket as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketView {
    pub id: String,
    /// Who sells.
    pub account: String,
    pub label: Option<String>,
    pub created: DateTime<Utc>,
    pub updated: DateTime<Utc>,
}

async fn view(tx: &mut Tx, bucket: Bucket) -> anyhow::Result<BucketView> {
    let seller = store::catalogue::tenant(tx).await?.map(|tenant| tenant.fullname);
    Ok(BucketView {
        id: bucket.id,
        account: seller.unwrap_or_default(),
        label: bucket.label,
        created: bucket.created_at,
        updated: bucket.updated_at,
    })
}

/// Every bucket.
pub async fn all(ctx: &Context) -> Result<Vec<BucketView>, Stop> {
    let mut tx = ctx.store.read().await?;
    let mut views = Vec::new();
    for bucket in metered::buckets(&mut tx).await? {
        views.push(view(&mut tx, bucket).await?);
    }
    Ok(views)
}

/// The bucket of this id.
pub async fn one(ctx: &Context, id: &str) -> Result<BucketView, Stop> {
    let mut tx = ctx.store.read().await?;
    let bucket = find::bucket(&mut tx, id).await?;
    Ok(view(&mut tx, bucket).await?)
}

/// Makes a bucket; its id.
pub async fn add(ctx: &Context, actor: &Actor, label: Option<String>) -> Result<String, Stop> {
    let now = (ctx.now)();
    let id = super::id("mtr_");
    let bucket = Bucket { id: id.clone(), label, created_at: now, updated_at: now };
    let mut tx = ctx.store.begin().await?;
    metered::add_bucket(&mut tx, &bucket).await?;
    ctx.note(&mut tx, actor, Action::CreateMetering, Object::Metering(&id), serde_json::json!({})).await?;
    store::request::made_called(&id);
    tx.commit().await?;
    Ok(id)
}

/// Deletes a bucket with all that is in it, unless anything in it was booked.
pub async fn delete(ctx: &Context, actor: &Actor, id: &str) -> Result<(), Stop> {
    let mut tx = ctx.store.begin().await?;
    find::held(&mut tx, id, (ctx.now)()).await?;
    for subscription in metered::subscriptions(&mut tx, id).await? {
        if is_booked(&mut tx, &subscription.body).await? {
            let message = format!("the subscription {} was billed", subscription.id);
            return Err(Refusal::new(Code::InUse, message).hint("cancel it, and keep the bucket").into());
        }
        super::change::remove_billed(ctx, &mut tx, actor, &subscription.body).await?;
    }
    metered::delete_bucket(&mut tx, id).await?;
    ctx.note(&mut tx, actor, Action::DeleteMetering, Object::Metering(id), serde_json::json!({})).await?;
    Ok(tx.commit().await?)
}
