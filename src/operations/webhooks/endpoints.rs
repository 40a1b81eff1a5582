//! Endpoints: added, changed, pinged, told again, taken away.

use crate::actor::Actor;
use crate::context::Context;
use crate::refusal::Stop;
use chrono::{DateTime, Utc};
use domain::audit::{Action, Object};
use domain::refusal::{Code, Fault, Refusal};
use domain::webhook::{Event, FORMER_SIGNS, pattern_fault};
use serde::Serialize;
use sha2::{Digest, Sha256};
use store::Tx;
use store::outbox::{self, Delivery, State, Webhook};
use uuid::Uuid;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct NewEndpoint {
    pub url: String,
    /// Patterns such as `Invoice.*`; none = every event.
    pub events: Vec<String>,
    pub description: Option<String>,
    pub is_active: bool,
}

/// What is changed of one; none stays.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    pub url: Option<String>,
    pub events: Option<Vec<String>>,
    pub description: Option<Option<String>>,
    pub is_active: Option<bool>,
    /// A new secret; the one before still signs for a day.
    pub rotate_secret: bool,
}

/// An endpoint, without its secret.
#[derive(Debug, Clone, Serialize)]
pub struct EndpointView {
    pub id: Uuid,
    pub url: String,
    pub events: Vec<String>,
    pub description: Option<String>,
    pub active: bool,
    pub created: DateTime<Utc>,
    #[serde(rename = "failingsince")]
    pub failing_since: Option<DateTime<Utc>>,
    /// Why it was switched off, if the program did it.
    pub disabled: Option<String>,
}

/// A secret, told this once.
pub type Secret = String;

/// What became of one telling.
#[derive(Debug, Clone, Serialize)]
pub struct DeliveryView {
    pub sequence: i64,
    pub id: Uuid,
    #[serde(rename = "type")]
    pub kind: String,
    pub action: String,
    pub object: Uuid,
    pub time: DateTime<Utc>,
    pub state: State,
    pub attempts: u64,
    pub status: Option<i64>,
    pub error: Option<String>,
    #[serde(rename = "answeredat")]
    pub answered_at: Option<DateTime<Utc>>,
    #[serde(rename = "nextat")]
    pub next_at: Option<DateTime<Utc>>,
}

fn view(webhook: &Webhook) -> EndpointView {
    EndpointView {
        id: webhook.id,
        url: webhook.url.clone(),
        events: webhook.events.clone(),
        description: webhook.description.clone(),
        active: webhook.is_active,
        created: webhook.created_at,
        failing_since: webhook.failing_since,
        disabled: webhook.disabled_why.clone(),
    }
}

/// Adds an endpoint; its secret is told this once.
pub async fn add(ctx: &Context, actor: &Actor, new: &NewEndpoint) -> Result<(EndpointView, Secret), Stop> {
    check(ctx, Some(&new.url), Some(&new.events))?;
    let webhook = Webhook {
        id: Uuid::new_v4(),
        url: new.url.trim().to_owned(),
        description: new.description.clone(),
        events: new.events.clone(),
        is_active: new.is_active,
        secret: secret(),
        former: None,
        token: Uuid::new_v4().to_string(),
        created_at: (ctx.now)(),
        created_by: actor.to_string(),
        failing_since: None,
        disabled_why: None,
    };
    let mut tx = ctx.store.begin().await?;
    outbox::save(&mut tx, &webhook).await?;
    store::request::made(&mut tx, webhook.id).await?;
    note(ctx, &mut tx, actor, Action::AddWebhook, &webhook).await?;
    tx.commit().await?;
    Ok((view(&webhook), webhook.secret))
}

/// Every endpoint.
pub async fn list(ctx: &Context) -> Result<Vec<EndpointView>, Stop> {
    Ok(outbox::webhooks(&mut ctx.store.read().await?).await?.iter().map(view).collect())
}

/// The endpoint of this id.
pub async fn one(ctx: &Context, id: Uuid) -> Result<EndpointView, Stop> {
    Ok(view(&find(&mut ctx.store.read().await?, id).await?))
}

/// Changes an endpoint; a new secret is told this once.
pub async fn change(
    ctx: &Context,
    actor: &Actor,
    id: Uuid,
    changes: &Changes,
) -> Result<(EndpointView, Option<Secret>), Stop> {
    check(ctx, changes.url.as_deref(), changes.events.as_deref())?;
    let mut tx = ctx.store.begin().await?;
    outbox::hold(&mut tx, id).await?;
    let mut webhook = find(&mut tx, id).await?;
    let before = webhook.clone();
    if let Some(url) = &changes.url {
        url.trim().clone_into(&mut webhook.url);
        if webhook.url != before.url {
            webhook.failing_since = None;
        }
    }
    if let Some(events) = &changes.events {
        webhook.events.clone_from(events);
    }
    if let Some(description) = &changes.description {
        webhook.description.clone_from(description);
    }
    if let Some(is_active) = changes.is_active {
        webhook.is_active = is_active;
        // Whoever switches it on says that it is well.
        webhook.failing_since = None;
        webhook.disabled_why = None;
    }
    if changes.rotate_secret {
        let new = secret();
        webhook.former = Some((std::mem::replace(&mut webhook.secret, new), (ctx.now)() + FORMER_SIGNS));
    }
    if webhook != before {
        outbox::save(&mut tx, &webhook).await?;
        note(ctx, &mut tx, actor, Action::ChangeWebhook, &webhook).await?;
        tx.commit().await?;
    }
    Ok((view(&webhook), changes.rotate_secret.then_some(webhook.secret)))
}

/// Takes an endpoint away, with what it was not told.
pub async fn remove(ctx: &Context, actor: &Actor, id: Uuid) -> Result<(), Stop> {
    let mut tx = ctx.store.begin().await?;
    outbox::hold(&mut tx, id).await?;
    let webhook = find(&mut tx, id).await?;
    outbox::delete(&mut tx, id).await?;
    note(ctx, &mut tx, actor, Action::RemoveWebhook, &webhook).await?;
    Ok(tx.commit().await?)
}

/// Tells an endpoint that it is there.
pub async fn ping(ctx: &Context, id: Uuid) -> Result<(), Stop> {
    let mut tx = ctx.store.begin().await?;
    let webhook = find(&mut tx, id).await?;
    outbox::tell_one(&mut tx, &webhook, Event { kind: "Webhook", action: "ping", object: id }).await?;
    Ok(tx.commit().await?)
}

/// What an endpoint was told, oldest first.
pub async fn deliveries(ctx: &Context, id: Uuid) -> Result<Vec<DeliveryView>, Stop> {
    let mut tx = ctx.store.read().await?;
    find(&mut tx, id).await?;
    Ok(outbox::deliveries(&mut tx, id).await?.into_iter().map(delivery).collect())
}

/// Tells an endpoint again what has this sequence or a later one, up to another; how many those are.
pub async fn replay(ctx: &Context, id: Uuid, first: i64, last: Option<i64>) -> Result<u64, Stop> {
    let mut tx = ctx.store.begin().await?;
    let webhook = find(&mut tx, id).await?;
    let told = outbox::replay(&mut tx, &webhook, (first, last.unwrap_or(i64::MAX)), (ctx.now)()).await?;
    tx.commit().await?;
    Ok(told)
}

fn delivery(told: Delivery) -> DeliveryView {
    DeliveryView {
        sequence: told.sequence,
        id: told.id,
        kind: told.kind,
        action: told.action,
        object: told.object,
        time: told.at,
        state: told.state,
        attempts: told.attempts,
        status: told.status,
        error: told.error,
        answered_at: told.answered_at,
        next_at: (told.state == State::Pending).then_some(told.next_at),
    }
}

async fn find(tx: &mut Tx, id: Uuid) -> Result<Webhook, Stop> {
    let found = outbox::webhooks(tx).await?.into_iter().find(|webhook| webhook.id == id);
    let unknown = || Refusal::new(Code::UnknownWebhook, format!("there is no webhook {id}"));
    Ok(found.ok_or_else(unknown)?)
}

async fn note(
    ctx: &Context,
    tx: &mut Tx,
    actor: &Actor,
    action: Action,
    webhook: &Webhook,
) -> anyhow::Result<()> {
    // The URL may hold a secret.
    let detail = serde_json::json!({"events": webhook.events, "active": webhook.is_active});
    ctx.note(tx, actor, action, Object::Webhook(webhook.id), detail).await
}

fn check(ctx: &Context, url: Option<&str>, events: Option<&[String]>) -> Result<(), Refusal> {
    let fault = |pointer: String, message: String| Fault { pointer, message, way_out: None };
    if let Some(why) = url.and_then(|url| ctx.teller.fault(url.trim())) {
        return Err(
            Refusal::new(Code::BadUrl, format!("the URL {why}")).with(vec![fault("/Url".to_owned(), why)])
        );
    }
    let mut faults = Vec::new();
    for (place, pattern) in events.into_iter().flatten().enumerate() {
        faults.extend(pattern_fault(pattern).map(|why| fault(format!("/Events/{place}"), why)));
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(Refusal::new(Code::BadArgument, "unknown events").with(faults))
}

/// `whsec_` and 256 bits, drawn through random ids.
fn secret() -> Secret {
    let drawn: String = (0..3).map(|_| Uuid::new_v4().simple().to_string()).collect();
    format!("whsec_{}", gateways::webhook::base64(&Sha256::digest(drawn)))
}
