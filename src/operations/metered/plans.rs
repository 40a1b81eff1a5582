//! Plans of a bucket, and the meters that they count.

use super::find;
use crate::actor::Actor;
use crate::context::Context;
use crate::refusal::Stop;
use domain::audit::{Action, Object};
use domain::metered::{MeterLimit, Plan, TrialEnd};
use domain::refusal::{Code, Refusal};
use std::collections::BTreeMap;
use store::Tx;
use store::metered::{self, PlanRow};

/// A plan as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanView {
    pub plan: PlanRow,
    pub has_subscriptions: bool,
}

/// A meter that plans count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterView {
    pub key: String,
    pub label: String,
    /// Ids of the plans that count it.
    pub plans: Vec<String>,
}

/// What is changed of a plan; none stays.
#[derive(Debug, Clone, Default)]
pub struct PlanChanges {
    pub label: Option<String>,
    pub meters: Option<BTreeMap<String, MeterLimit>>,
    pub trial_days: Option<Option<u32>>,
    pub trial_end: Option<Option<TrialEnd>>,
    pub collects_payment: Option<Option<bool>>,
}

async fn has_subscriptions(tx: &mut Tx, bucket: &str, plan: &str) -> anyhow::Result<bool> {
    let all = metered::subscriptions(tx, bucket).await?;
    // Also of a plan that it had before, the quota of its cycle is told.
    let has = |change: &domain::metered::Change| change.plans.iter().any(|id| id == plan);
    Ok(all.iter().any(|one| one.body.changes.iter().any(has)))
}

/// Every plan of a bucket.
pub async fn all(ctx: &Context, bucket: &str) -> Result<Vec<PlanView>, Stop> {
    let mut tx = ctx.store.read().await?;
    find::bucket(&mut tx, bucket).await?;
    let subscribed: Vec<String> = metered::subscriptions(&mut tx, bucket)
        .await?
        .into_iter()
        .flat_map(|one| one.body.changes)
        .flat_map(|change| change.plans)
        .collect();
    let plans = metered::plans(&mut tx, bucket).await?;
    let view = |plan: PlanRow| PlanView { has_subscriptions: subscribed.contains(&plan.id), plan };
    Ok(plans.into_iter().map(view).collect())
}

/// The plan of this id.
pub async fn one(ctx: &Context, bucket: &str, id: &str) -> Result<PlanView, Stop> {
    let mut tx = ctx.store.read().await?;
    let plan = find::plan(&mut tx, bucket, id).await?;
    Ok(PlanView { has_subscriptions: has_subscriptions(&mut tx, bucket, id).await?, plan })
}

/// Makes a plan; its id.
pub async fn add(
    ctx: &Context,
    actor: &Actor,
    bucket: &str,
    external_id: &str,
    plan: Plan,
) -> Result<String, Stop> {
    let now = (ctx.now)();
    let mut tx = ctx.store.begin().await?;
    find::held(&mut tx, bucket, now).await?;
    if metered::plans(&mut tx, bucket).await?.iter().any(|known| known.external_id == external_id) {
        let message = format!("the bucket has a plan `{external_id}` already");
        return Err(Refusal::new(Code::Conflict, message).into());
    }
    let id = super::id("plan_");
    let row = PlanRow {
        id: id.clone(),
        external_id: external_id.to_owned(),
        body: plan,
        created_at: now,
        updated_at: now,
    };
    metered::save_plan(&mut tx, bucket, &row).await?;
    ctx.note(&mut tx, actor, Action::CreateMetering, Object::Metering(&id), serde_json::json!({})).await?;
    store::request::made_called(&id);
    tx.commit().await?;
    Ok(id)
}

/// Changes a plan; what it lets through stays as long as anybody has it.
pub async fn change(
    ctx: &Context,
    actor: &Actor,
    bucket: &str,
    id: &str,
    changes: PlanChanges,
) -> Result<(), Stop> {
    let now = (ctx.now)();
    let mut tx = ctx.store.begin().await?;
    find::held(&mut tx, bucket, now).await?;
    let mut plan = find::plan(&mut tx, bucket, id).await?;
    let before = plan.body.clone();
    if let Some(label) = changes.label {
        plan.body.label = label;
    }
    if let Some(meters) = changes.meters {
        let limits = |meters: &BTreeMap<String, MeterLimit>| -> Vec<(String, u64)> {
            meters.iter().map(|(key, meter)| (key.clone(), meter.max)).collect()
        };
        if limits(&meters) != limits(&before.meters) && has_subscriptions(&mut tx, bucket, id).await? {
            return Err(subscribed(id).into());
        }
        plan.body.meters = meters;
    }
    plan.body.trial_days = changes.trial_days.unwrap_or(before.trial_days);
    plan.body.trial_end = changes.trial_end.unwrap_or(before.trial_end);
    plan.body.collects_payment = changes.collects_payment.unwrap_or(before.collects_payment);
    if plan.body == before {
        return Ok(());
    }
    plan.updated_at = now;
    metered::save_plan(&mut tx, bucket, &plan).await?;
    ctx.note(&mut tx, actor, Action::ChangeMetering, Object::Metering(id), serde_json::json!({})).await?;
    Ok(tx.commit().await?)
}

/// Deletes a plan that nobody has.
pub async fn delete(ctx: &Context, actor: &Actor, bucket: &str, id: &str) -> Result<(), Stop> {
    let mut tx = ctx.store.begin().await?;
    find::held(&mut tx, bucket, (ctx.now)()).await?;
    find::plan(&mut tx, bucket, id).await?;
    if has_subscriptions(&mut tx, bucket, id).await? {
        return Err(subscribed(id).into());
    }
    metered::delete_plan(&mut tx, id).await?;
    ctx.note(&mut tx, actor, Action::DeleteMetering, Object::Metering(id), serde_json::json!({})).await?;
    Ok(tx.commit().await?)
}

fn subscribed(id: &str) -> Refusal {
    Refusal::new(Code::HasSubscriptions, format!("the plan {id} has subscriptions")).hint("make another plan")
}

/// Every meter of a bucket's plans, by its key.
pub async fn meters(ctx: &Context, bucket: &str) -> Result<Vec<MeterView>, Stop> {
    let mut meters: BTreeMap<String, MeterView> = BTreeMap::new();
    for PlanView { plan, .. } in all(ctx, bucket).await? {
        for (key, limit) in plan.body.meters {
            let new = || MeterView { key: key.clone(), label: limit.label.clone(), plans: Vec::new() };
            meters.entry(key.clone()).or_insert_with(new).plans.push(plan.id.clone());
        }
    }
    Ok(meters.into_values().collect())
}
