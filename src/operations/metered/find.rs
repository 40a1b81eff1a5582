//! What is asked for by an id, or the refusal that says that it is not there.

use crate::refusal::Stop;
use chrono::{DateTime, Utc};
use domain::refusal::{Code, Fault, Refusal};
use store::Tx;
use store::metered::{self, Bucket, PlanRow, SubscriptionRow};

pub(super) fn unknown(what: &str, id: &str) -> Refusal {
    Refusal::new(Code::UnknownMetering, format!("there is no {what} {id}"))
}

pub(super) async fn bucket(tx: &mut Tx, id: &str) -> Result<Bucket, Stop> {
    Ok(metered::bucket(tx, id).await?.ok_or_else(|| unknown("bucket", id))?)
}

/// Nobody else changes what is in the bucket of this id until the transaction ends.
pub(super) async fn held(tx: &mut Tx, id: &str, now: DateTime<Utc>) -> Result<(), Stop> {
    if metered::hold(tx, id, now).await? { Ok(()) } else { Err(unknown("bucket", id).into()) }
}

pub(super) async fn plan(tx: &mut Tx, bucket: &str, id: &str) -> Result<PlanRow, Stop> {
    self::bucket(tx, bucket).await?;
    let found = metered::plans(tx, bucket).await?.into_iter().find(|plan| plan.id == id);
    Ok(found.ok_or_else(|| unknown("plan", id))?)
}

pub(super) async fn subscription(tx: &mut Tx, bucket: &str, id: &str) -> Result<SubscriptionRow, Stop> {
    self::bucket(tx, bucket).await?;
    Ok(metered::subscription(tx, bucket, id).await?.ok_or_else(|| unknown("subscription", id))?)
}

/// Something that was sent and cannot be meant.
pub(super) fn faulty(pointer: &str, message: impl Into<String>) -> Refusal {
    let message = message.into();
    let fault = Fault { pointer: pointer.to_owned(), message: message.clone(), way_out: None };
    Refusal::new(Code::BadArgument, message).with(vec![fault])
}

/// Plans by the names that their callers have for them.
pub(super) fn by_external_ids(
    plans: &[PlanRow],
    names: &[String],
    pointer: &str,
) -> Result<Vec<PlanRow>, Refusal> {
    if names.is_empty() {
        return Err(faulty(pointer, "names no plan"));
    }
    let mut found: Vec<PlanRow> = Vec::with_capacity(names.len());
    for (place, name) in names.iter().enumerate() {
        let pointer = format!("{pointer}/{place}");
        let plan = plans.iter().find(|plan| plan.external_id == *name);
        let plan = plan.ok_or_else(|| faulty(&pointer, format!("the bucket has no plan `{name}`")))?;
        if found.iter().any(|known| known.id == plan.id) {
            return Err(faulty(&pointer, format!("names the plan `{name}` twice")));
        }
        found.push(plan.clone());
    }
    Ok(found)
}
