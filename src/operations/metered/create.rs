//! Makes a subscription: the caller's words are kept, and what its plans name in the book is billed from here on.
//!
//! Key that makes a repeat quiet: the caller's own id within the bucket, and what it was made from.

use super::find::{self, by_external_ids, faulty};
use super::show::now_with;
use crate::actor::Actor;
use crate::book::documents;
use crate::context::{Context, catalogue};
use crate::refusal::Stop;
use chrono::{DateTime, Utc};
use domain::NaiveDate;
use domain::audit::{Action, Object};
use domain::book_file::{Node, ObjectKind};
use domain::catalogue::Catalogue;
use domain::metered::{Change, Interval, Status, Subscription, TrialEnd};
use domain::refusal::{Code, Refusal};
use domain::zone::local_date;
use std::collections::BTreeMap;
use store::metered::{self, PlanRow, SubscriptionRow};
use store::{Tx, book};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct NewSubscription {
    pub plan_ids: Vec<String>,
    pub plan_external_ids: Vec<String>,
    pub status: Status,
    pub renewal: Interval,
    pub region: String,
    pub customer_key: String,
    pub external_id: String,
    pub customer_external_id: String,
    pub product_key: Option<String>,
    pub quota_anchor: Option<DateTime<Utc>>,
    pub billing_anchor: Option<DateTime<Utc>>,
    pub trial_start: Option<DateTime<Utc>>,
    pub trial_end: Option<DateTime<Utc>>,
    pub trial_end_status: Option<TrialEnd>,
    pub metadata: Option<serde_json::Value>,
    /// The request in a canonical form.
    pub made_from: String,
}

/// Makes a subscription, or finds the same; its id, and whether it is new.
pub async fn create(
    ctx: &Context,
    actor: &Actor,
    bucket: &str,
    new: NewSubscription,
) -> Result<(String, bool), Stop> {
    let now = (ctx.now)();
    let mut tx = ctx.store.begin().await?;
    find::held(&mut tx, bucket, now).await?;
    let known = metered::subscriptions(&mut tx, bucket).await?;
    if let Some(known) = known.iter().find(|known| known.external_id == new.external_id) {
        if known.body.made_from == new.made_from {
            return Ok((known.id.clone(), false));
        }
        let message = format!("the bucket has another subscription `{}`", new.external_id);
        return Err(Refusal::new(Code::Conflict, message).into());
    }
    let all = metered::plans(&mut tx, bucket).await?;
    let plans = plans_of(&all, &new)?;
    for other in known.iter().filter(|other| other.body.customer_key == new.customer_key) {
        if !now_with(&mut tx, &all, &other.body, now).await?.status.is_over() {
            let message = format!("`{}` has the subscription {} already", new.customer_key, other.id);
            return Err(Refusal::new(Code::Conflict, message).hint("cancel that one, or change it").into());
        }
    }
    let mut body = begun(new, &plans, now)?;
    let catalogue = catalogue(&mut tx).await?;
    let skus = Skus::read(&mut tx, &catalogue).await?;
    let customer = customer(ctx, &mut tx, actor, &body.customer_key).await?;
    let billing = Billing { ctx, actor, catalogue: &catalogue, skus: &skus, since: now };
    billing.of(&mut tx, &customer, &plans, &mut body).await?;
    let id = super::id("sbsc_");
    let row = SubscriptionRow {
        id: id.clone(),
        external_id: body.external_id.clone(),
        body,
        created_at: now,
        updated_at: now,
    };
    metered::save_subscription(&mut tx, bucket, &row).await?;
    let detail = serde_json::json!({"customer": customer, "billed": row.body.billed});
    ctx.note(&mut tx, actor, Action::CreateMetering, Object::Metering(&id), detail).await?;
    store::request::made_called(&id);
    tx.commit().await?;
    Ok((id, true))
}

/// The plans that are meant: by their ids, by the caller's, or by both if they say the same.
fn plans_of(all: &[PlanRow], new: &NewSubscription) -> Result<Vec<PlanRow>, Refusal> {
    if new.plan_ids.is_empty() {
        return by_external_ids(all, &new.plan_external_ids, "/planExternalIds");
    }
    let mut names = Vec::with_capacity(new.plan_ids.len());
    for (place, id) in new.plan_ids.iter().enumerate() {
        let plan = all.iter().find(|plan| plan.id == *id);
        let absent = || faulty(&format!("/planIds/{place}"), format!("the bucket has no plan {id}"));
        names.push(plan.ok_or_else(absent)?.external_id.clone());
    }
    let found = by_external_ids(all, &names, "/planIds")?;
    let is_same = names.len() == new.plan_external_ids.len()
        && names.iter().all(|name| new.plan_external_ids.contains(name));
    if !is_same && !new.plan_external_ids.is_empty() {
        return Err(faulty("/planExternalIds", "are not the plans of planIds"));
    }
    Ok(found)
}

fn begun(new: NewSubscription, plans: &[PlanRow], now: DateTime<Utc>) -> Result<Subscription, Refusal> {
    let mut body = Subscription {
        changes: vec![Change {
            at: now,
            plans: plans.iter().map(|plan| plan.id.clone()).collect(),
            prorate: None,
        }],
        status: new.status,
        renewal: new.renewal,
        region: new.region,
        customer_key: new.customer_key,
        external_id: new.external_id,
        customer_external_id: new.customer_external_id,
        product_key: new.product_key,
        quota_anchor: new.quota_anchor,
        billing_anchor: new.billing_anchor,
        trial_start: new.trial_start,
        trial_end: new.trial_end,
        trial_end_status: new.trial_end_status,
        metadata: new.metadata,
        made_from: new.made_from,
        billed: BTreeMap::new(),
        was_billed: Vec::new(),
        created: now,
    };
    if body.status == Status::Trialing {
        body.trial_start = body.trial_start.or(Some(now));
        let days = plans.iter().find_map(|plan| plan.body.trial_days);
        body.trial_end = body.trial_end.or_else(|| days.and_then(|days| body.trial_from_days(days)));
        if body.trial_end.is_none() {
            return Err(faulty("/trialEndDate", "is missing, and no plan says how long a trial is"));
        }
    }
    if body.trial_start.zip(body.trial_end).is_some_and(|(start, end)| end < start) {
        return Err(faulty("/trialEndDate", "is before trialStartDate"));
    }
    Ok(body)
}

/// Account number of the customer of this key; one who is not there is made.
async fn customer(ctx: &Context, tx: &mut Tx, actor: &Actor, key: &str) -> Result<String, Stop> {
    if let Some(known) = known_customer(tx, key).await? {
        return Ok(known);
    }
    let text = |text: &str| Node::Text(text.to_owned());
    let document = Node::Object(vec![
        ("accountnumber".to_owned(), text(key)),
        ("fullname".to_owned(), text(key)),
        ("refkey".to_owned(), text(key)),
        ("autobill".to_owned(), Node::Bool(false)),
    ]);
    documents::create_in(ctx, tx, actor, ObjectKind::Customer, document).await.map_err(
        |stop| match stop {
            Stop::Refused(refusal) => faulty("/customerKey", refusal.message).into(),
            broke => broke,
        },
    )?;
    Ok(key.to_owned())
}

/// By RefKey, else by account number.
pub(super) async fn known_customer(tx: &mut Tx, key: &str) -> anyhow::Result<Option<String>> {
    if let Some(customer) = book::customer_of_refkey(tx, key).await? {
        return Ok(Some(customer));
    }
    Ok(book::customer(tx, key).await?.map(|customer| customer.account_number))
}

/// Product plans of the book by the names under which plans of a bucket mean them.
pub(super) struct Skus(BTreeMap<String, String>);

impl Skus {
    pub async fn read(tx: &mut Tx, catalogue: &Catalogue) -> anyhow::Result<Self> {
        let mut skus = BTreeMap::new();
        for object in store::book_object::all(tx, ObjectKind::ProductPlan).await? {
            let document = domain::book_file::read_body(&object.document).ok();
            if let Some(Node::Text(refkey)) = document.as_ref().and_then(|document| document.member("refkey"))
            {
                skus.insert(refkey.clone(), object.key.clone());
            }
        }
        // An SKU is meant before a RefKey.
        skus.extend(catalogue.plans.values().map(|plan| (plan.sku.clone(), plan.sku.clone())));
        skus.retain(|_, sku| catalogue.plans.values().any(|plan| plan.sku == *sku));
        Ok(Self(skus))
    }

    /// The product plan that bills; none of what is a quota and no more.
    pub fn of(&self, external_id: &str) -> Option<&str> {
        self.0.get(external_id).map(String::as_str)
    }
}

/// Makes the subscriptions of the book that bill what plans name there.
pub(super) struct Billing<'b> {
    pub ctx: &'b Context,
    pub actor: &'b Actor,
    pub catalogue: &'b Catalogue,
    pub skus: &'b Skus,
    /// What is not billed yet is billed from here on.
    pub since: DateTime<Utc>,
}

impl Billing<'_> {
    pub async fn of(
        &self,
        tx: &mut Tx,
        customer: &str,
        plans: &[PlanRow],
        body: &mut Subscription,
    ) -> Result<(), Stop> {
        for plan in
            plans.iter().filter(|plan| !body.billed.contains_key(&plan.id)).cloned().collect::<Vec<_>>()
        {
            let Some(sku) = self.skus.of(&plan.external_id) else { continue };
            if !matches!(body.status, Status::Active | Status::Trialing | Status::Incomplete) {
                let message = format!("a billed subscription does not begin as {}", body.status.name());
                return Err(faulty("/status", message).into());
            }
            let number = free_number(tx, &body.external_id).await?;
            let document = self.document(body, &number, customer, sku);
            documents::create_in(self.ctx, tx, self.actor, ObjectKind::Subscription, document).await?;
            body.billed.insert(plan.id, number);
        }
        Ok(())
    }

    fn document(&self, body: &Subscription, number: &str, customer: &str, sku: &str) -> Node {
        let zone = self.catalogue.tenant.timezone;
        let day = |at: DateTime<Utc>| local_date(at, zone);
        let text = |text: &str| Node::Text(text.to_owned());
        let date = |day: NaiveDate| Node::Text(day.to_string());
        // A plan that comes later begins when it comes, and has what is left of a trial.
        let is_new = self.since == body.created;
        let in_trial =
            body.status == Status::Trialing && (is_new || body.trial_end.is_some_and(|end| end > self.since));
        let start = day(body.trial_start.filter(|_| in_trial && is_new).unwrap_or(self.since));
        let is_active = body.status != Status::Incomplete;
        let mut members = vec![
            ("subscriptionnumber".to_owned(), text(number)),
            ("customer".to_owned(), text(customer)),
            ("productplan".to_owned(), text(sku)),
            ("startdate".to_owned(), date(start)),
            ("status".to_owned(), text(if is_active { "active" } else { "draft" })),
            ("autorenew".to_owned(), Node::Bool(true)),
        ];
        let trial = body.trial_end.map(day).filter(|end| in_trial && *end > start);
        members.extend(trial.map(|end| ("trialend".to_owned(), date(end))));
        // What came before the first cycle that is ours was billed elsewhere.
        let ours = body.billing_anchor.map(day).filter(|from| is_active && trial.is_none() && *from > start);
        members.extend(ours.map(|from| ("billedthrough".to_owned(), date(from))));
        Node::Object(members)
    }
}

/// The first name that is free: `sub_1`, `sub_1#2`, ….
async fn free_number(tx: &mut Tx, external_id: &str) -> anyhow::Result<String> {
    let mut n = 1_u32;
    loop {
        let name = if n == 1 { external_id.to_owned() } else { format!("{external_id}#{n}") };
        let is_taken = store::book_object::get(tx, ObjectKind::Subscription, &name).await?.is_some()
            || book::subscription(tx, &name).await?.is_some();
        if !is_taken {
            return Ok(name);
        }
        n += 1;
    }
}
