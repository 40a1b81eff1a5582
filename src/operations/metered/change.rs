//! Changes a subscription, or takes it away. What bills it is changed together with it.

use super::create::{Billing, Skus, known_customer};
use super::find::{self, by_external_ids, faulty};
use super::show::{is_booked, now_of};
use crate::act::{Act, Actor};
use crate::context::{Context, catalogue};
use crate::refusal::Stop;
use crate::subscriptions::change::{self as verbs, Change as Asked};
use chrono::{DateTime, Utc};
use domain::audit::{Action, Object};
use domain::book_file::ObjectKind;
use domain::metered::{Change, Status, Subscription};
use domain::refusal::{Code, Refusal};
use domain::subscription::State;
use domain::zone::local_date;
use domain::{Decimal, NaiveDate};
use serde_json::{Map, Value};
use store::book_object::{Source, Writer};
use store::metered::{self, PlanRow};
use store::{Tx, book, book_removal};

/// What is changed; none stays.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    pub plan_external_ids: Option<Vec<String>>,
    pub prorate: Option<Decimal>,
    pub status: Option<Status>,
    /// Merged at the top; null takes a member away.
    pub metadata: Option<Value>,
    pub trial_end: Option<DateTime<Utc>>,
}

impl Changes {
    fn is_empty(&self) -> bool {
        self.plan_external_ids.is_none()
            && self.status.is_none()
            && self.metadata.is_none()
            && self.trial_end.is_none()
    }
}

/// Changes the subscription of this id.
pub async fn change(
    ctx: &Context,
    actor: &Actor,
    bucket: &str,
    id: &str,
    changes: Changes,
) -> Result<(), Stop> {
    if changes.prorate.is_some() && changes.plan_external_ids.is_none() {
        return Err(faulty("/prorate", "goes with planExternalIds alone").into());
    }
    let now = (ctx.now)();
    let mut tx = ctx.store.begin().await?;
    find::held(&mut tx, bucket, now).await?;
    let mut row = find::subscription(&mut tx, bucket, id).await?;
    if changes.is_empty() {
        return Ok(());
    }
    let before = row.body.clone();
    let standing = now_of(&mut tx, bucket, &row.body, now).await?.status;
    if standing.is_over() {
        let message = format!("the subscription {id} is {}", standing.name());
        return Err(Refusal::new(Code::Conflict, message).hint("nothing follows: make a new one").into());
    }
    let catalogue = catalogue(&mut tx).await?;
    let skus = Skus::read(&mut tx, &catalogue).await?;
    let billing = Billing { ctx, actor, catalogue: &catalogue, skus: &skus, since: now };
    let work = Work { billing, now };
    if let Some(names) = &changes.plan_external_ids {
        let all = metered::plans(&mut tx, bucket).await?;
        let plans = by_external_ids(&all, names, "/planExternalIds")?;
        work.switch(&mut tx, &mut row.body, &plans, changes.prorate).await?;
    }
    if let Some(end) = changes.trial_end {
        work.end_trial(&mut tx, &mut row.body, end).await?;
    }
    if let Some(status) = changes.status.filter(|status| *status != standing) {
        work.become_(&mut tx, &mut row.body, standing, status).await?;
    }
    if let Some(patch) = &changes.metadata {
        row.body.metadata = merged(row.body.metadata.take(), patch);
    }
    if row.body == before && changes.status.is_none_or(|status| status == standing) {
        return Ok(());
    }
    row.updated_at = now;
    metered::save_subscription(&mut tx, bucket, &row).await?;
    ctx.note(&mut tx, actor, Action::ChangeMetering, Object::Metering(id), serde_json::json!({})).await?;
    Ok(tx.commit().await?)
}

fn merged(old: Option<Value>, patch: &Value) -> Option<Value> {
    let Value::Object(patch) = patch else { return None };
    let mut members = match old {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    };
    for (name, value) in patch {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    Some(Value::Object(members))
}

/// One change of a subscription, with what it needs.
struct Work<'w> {
    billing: Billing<'w>,
    now: DateTime<Utc>,
}

impl Work<'_> {
    /// The local day of an instant.
    fn day(&self, at: DateTime<Utc>) -> NaiveDate {
        local_date(at, self.billing.catalogue.tenant.timezone)
    }

    fn act(&self) -> Act {
        Act { actor: self.billing.actor.clone(), on: self.day(self.now) }
    }

    async fn ask(&self, tx: &mut Tx, number: &str, verb: &str, more: &[(&str, Value)]) -> Result<(), Stop> {
        let mut arguments: Map<String, Value> =
            more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        arguments.insert("subscription".to_owned(), number.into());
        let asked = Asked { verb: verb.to_owned(), arguments, effective: None };
        verbs::ask_in(tx, self.billing.ctx, &self.act(), &asked).await
    }

    /// Other plans: what billed one of those before bills one of the new ones, as long as there are any.
    async fn switch(
        &self,
        tx: &mut Tx,
        body: &mut Subscription,
        plans: &[PlanRow],
        prorate: Option<Decimal>,
    ) -> Result<(), Stop> {
        let ids: Vec<String> = plans.iter().map(|plan| plan.id.clone()).collect();
        if body.plans() == ids {
            return Ok(());
        }
        let gone: Vec<String> = body.billed.keys().filter(|id| !ids.contains(id)).cloned().collect();
        let mut free: Vec<String> = gone.iter().filter_map(|id| body.billed.remove(id)).collect();
        free.reverse();
        let had = body.plans().to_vec();
        for plan in plans.iter().filter(|plan| !had.contains(&plan.id)) {
            let Some(sku) = self.billing.skus.of(&plan.external_id) else { continue };
            let Some(number) = free.pop() else { continue };
            let is_prorated = prorate.is_some_and(|part| !part.is_zero());
            let more = [("productplan", sku.into()), ("prorate", is_prorated.into())];
            self.ask(tx, &number, "switchplan", &more).await?;
            body.billed.insert(plan.id.clone(), number);
        }
        for number in free {
            self.ask(tx, &number, "cancel", &[("canceloption", "immediately".into())]).await?;
            body.was_billed.push(number);
        }
        let customer = known_customer(tx, &body.customer_key).await?.unwrap_or_default();
        self.billing.of(tx, &customer, plans, body).await?;
        body.changes.push(Change { at: self.now, plans: ids, prorate });
        Ok(())
    }

    async fn end_trial(&self, tx: &mut Tx, body: &mut Subscription, end: DateTime<Utc>) -> Result<(), Stop> {
        if body.trial_start.is_some_and(|start| end < start) {
            return Err(faulty("/trialEndDate", "is before trialStartDate").into());
        }
        for number in body.billed.values() {
            let day = self.day(end).to_string();
            self.ask(tx, number, "settrialend", &[("date", day.into())]).await?;
        }
        body.trial_end = Some(end);
        Ok(())
    }

    /// Another status: the caller's word where nothing is billed, a verb of what bills it elsewhere.
    async fn become_(
        &self,
        tx: &mut Tx,
        body: &mut Subscription,
        standing: Status,
        wanted: Status,
    ) -> Result<(), Stop> {
        body.status = wanted;
        for number in body.billed.values() {
            let state = book::subscription(tx, number).await?.map(|one| State::on(&one, self.act().on));
            let (verb, more): (&str, Vec<(&str, Value)>) = match (wanted, state) {
                (Status::Canceled, Some(State::Draft)) => ("", Vec::new()),
                (Status::Canceled, _) => ("cancel", vec![("canceloption", "immediately".into())]),
                (Status::Inactive, _) => ("hold", Vec::new()),
                (Status::Active, Some(State::Hold)) => ("resume", Vec::new()),
                (Status::Active, Some(State::Draft)) => ("activate", Vec::new()),
                _ => {
                    let message = format!(
                        "a billed subscription that is {} does not become {} by word",
                        standing.name(),
                        wanted.name()
                    );
                    return Err(Refusal::new(Code::Conflict, message).into());
                }
            };
            if !verb.is_empty() {
                self.ask(tx, number, verb, &more).await?;
            }
        }
        Ok(())
    }
}

/// Takes a subscription away of which nothing was booked.
pub async fn delete(ctx: &Context, actor: &Actor, bucket: &str, id: &str) -> Result<(), Stop> {
    let now = (ctx.now)();
    let mut tx = ctx.store.begin().await?;
    find::held(&mut tx, bucket, now).await?;
    let row = find::subscription(&mut tx, bucket, id).await?;
    if is_booked(&mut tx, &row.body).await? {
        return Err(Refusal::new(Code::Billed, format!("the subscription {id} was billed"))
            .hint("change its status to canceled")
            .into());
    }
    remove_billed(ctx, &mut tx, actor, &row.body).await?;
    metered::delete_subscription(&mut tx, id, now).await?;
    ctx.note(&mut tx, actor, Action::DeleteMetering, Object::Metering(id), serde_json::json!({})).await?;
    Ok(tx.commit().await?)
}

/// Takes what would bill it out of the book.
pub(super) async fn remove_billed(
    ctx: &Context,
    tx: &mut Tx,
    actor: &Actor,
    body: &Subscription,
) -> Result<(), Stop> {
    store::book_object::hold(tx).await?;
    for number in body.ever_billed() {
        if book::subscription(tx, number).await?.is_none() {
            continue;
        }
        if let Some(used) = book_removal::in_use(tx, ObjectKind::Subscription, number).await? {
            let message = format!("the subscription {number} is in use: {}", used.by);
            return Err(Refusal::new(Code::Billed, message).hint("change its status to canceled").into());
        }
        let by = actor.to_string();
        let writer = Writer { at: (ctx.now)(), by: &by, source: Source::Request };
        book_removal::remove(tx, ObjectKind::Subscription, number, &writer).await?;
        let object = Object::Part(ObjectKind::Subscription, number);
        ctx.note(tx, actor, Action::DeleteObject, object, serde_json::json!({})).await?;
    }
    Ok(())
}
