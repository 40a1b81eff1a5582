//! The telling. What is due is claimed, told outside any transaction, and its outcome written; a process that dies in
//! between leaves a claim that runs out, and the endpoint is told once more with the same id.

use crate::context::Context;
use chrono::{DateTime, Duration, SecondsFormat, Utc};
use domain::webhook::{PATIENCE, again_after, filetime, signature};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use gateways::webhook::{TryOutcome, base64, from_base64};
use std::collections::HashMap;
use std::convert::Infallible;
use store::Tx;
use store::outbox::{self, Delivery, State, Webhook};
use uuid::Uuid;

/// Tellings at once.
const AT_ONCE: i64 = 32;
/// A claim is longer than any telling.
const CLAIM: Duration = Duration::seconds(60);
/// How often a process that tells looks for what is due.
const LOOK: std::time::Duration = std::time::Duration::from_millis(500);
/// An endpoint that answers so wants nothing more.
const GONE: u16 = 410;

/// Tells as long as this process lives.
pub async fn keep(ctx: Context) -> Infallible {
    loop {
        match deliver_due(&ctx).await {
            Ok(0) => tokio::time::sleep(LOOK).await,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "webhooks could not be sent; they are tried again"
                );
                tokio::time::sleep(8 * LOOK).await;
            }
        }
    }
}

/// Tells what is due now, one batch; how many tellings were tried.
pub async fn deliver_due(ctx: &Context) -> anyhow::Result<usize> {
    let now = (ctx.now)();
    if !outbox::is_due(&mut ctx.store.read().await?, now).await? {
        return Ok(0);
    }
    let mut tx = ctx.store.begin().await?;
    let claimed = outbox::claim(&mut tx, now, now + CLAIM, AT_ONCE).await?;
    let webhooks: HashMap<Uuid, Webhook> =
        outbox::webhooks(&mut tx).await?.into_iter().map(|webhook| (webhook.id, webhook)).collect();
    if claimed.is_empty() {
        return Ok(0);
    }
    tx.commit().await?;
    let count = claimed.len();
    let mut telling: FuturesUnordered<_> = claimed
        .into_iter()
        .filter_map(|delivery| Some((webhooks.get(&delivery.webhook)?.clone(), delivery)))
        .map(|(webhook, delivery)| async move {
            let told = tell(ctx, &webhook, &delivery).await;
            (webhook, delivery, told)
        })
        .collect();
    while let Some((webhook, delivery, told)) = telling.next().await {
        write(ctx, webhook, delivery, told).await?;
    }
    Ok(count)
}

async fn tell(ctx: &Context, webhook: &Webhook, delivery: &Delivery) -> TryOutcome {
    let body = body(webhook, delivery);
    let now = (ctx.now)();
    let id = delivery.id.to_string();
    let mut secrets = vec![webhook.secret.as_str()];
    if let Some((former, until)) = &webhook.former
        && now < *until
    {
        secrets.push(former);
    }
    let signed: Vec<String> = secrets
        .into_iter()
        .map(|secret| {
            let key = from_base64(secret.trim_start_matches("whsec_")).unwrap_or_default();
            format!("v1,{}", base64(&signature(&key, &id, now.timestamp(), &body)))
        })
        .collect();
    let headers = [
        ("webhook-id", id),
        ("webhook-timestamp", now.timestamp().to_string()),
        ("webhook-signature", signed.join(" ")),
    ];
    ctx.teller.tell(&webhook.url, &headers, body).await
}

/// Upodi's body.
fn body(webhook: &Webhook, delivery: &Delivery) -> String {
    let kind = &delivery.kind;
    serde_json::json!({
        "ID": delivery.id,
        "Time": filetime(delivery.at),
        "TimeUtc": delivery.at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "Sequence": delivery.sequence,
        "Signature": base64(webhook.token.as_bytes()),
        "Action": delivery.action,
        "Issuer": {"Url": format!("/{kind}/{}/{}", delivery.action, delivery.object), "Identifier": delivery.object},
        "Data": null,
        "Type": kind,
    })
    .to_string()
}

async fn write(
    ctx: &Context,
    webhook: Webhook,
    mut delivery: Delivery,
    told: TryOutcome,
) -> anyhow::Result<()> {
    let now = (ctx.now)();
    let first = *delivery.first_at.get_or_insert(now);
    delivery.attempts += 1;
    delivery.answered_at = Some(now);
    let (status, error) = match &told {
        TryOutcome::Answered(status) => (Some(i64::from(*status)), None),
        TryOutcome::Failed(error) => (None, Some(error.clone())),
    };
    (delivery.status, delivery.error) = (status, error);
    let is_well = matches!(told, TryOutcome::Answered(200..=299));
    let failures = u32::try_from(delivery.attempts).unwrap_or(u32::MAX);
    delivery.next_at = now + again_after(failures, delivery.id.as_u64_pair().1);
    let mut tx = ctx.store.begin().await?;
    let mut current = find(&mut tx, &webhook).await?;
    if let Some(seen) = &current
        && after(seen.clone(), &told, is_well, now) != *seen
    {
        outbox::hold(&mut tx, webhook.id).await?;
        // Somebody may have changed it, or taken it away, until it was held.
        current = find(&mut tx, &webhook).await?;
        if let Some(held) = &current {
            outbox::save(&mut tx, &after(held.clone(), &told, is_well, now)).await?;
        }
    }
    let is_gone = told == TryOutcome::Answered(GONE) && current.is_some();
    delivery.state = match is_well {
        true => State::Delivered,
        false if is_gone || now - first >= PATIENCE => State::GivenUp,
        false => State::Pending,
    };
    outbox::answered(&mut tx, &delivery).await?;
    tx.commit().await
}

/// The endpoint as it stands; none if it has another address by now: what was answered says nothing of that one.
async fn find(tx: &mut Tx, webhook: &Webhook) -> anyhow::Result<Option<Webhook>> {
    let is_same = |other: &Webhook| other.id == webhook.id && other.url == webhook.url;
    Ok(outbox::webhooks(tx).await?.into_iter().find(is_same))
}

/// The endpoint as an answer leaves it.
fn after(mut webhook: Webhook, told: &TryOutcome, is_well: bool, now: DateTime<Utc>) -> Webhook {
    if is_well {
        webhook.failing_since = None;
        return webhook;
    }
    let since = *webhook.failing_since.get_or_insert(now);
    if *told == TryOutcome::Answered(GONE) {
        webhook.is_active = false;
        webhook.disabled_why = Some("it answered 410: it is gone".to_owned());
    } else if now - since >= PATIENCE {
        webhook.is_active = false;
        webhook.disabled_why = Some("nothing could be sent for 72 hours".to_owned());
    }
    webhook
}
