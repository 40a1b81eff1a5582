//! Events that payment providers send of their own accord. One is believed if its signature is right and fresh, and it says only
//! which charge to ask about: what became of it the provider is asked itself, so that a forged, late or repeated event changes
//! nothing.
//!
//! Key that makes a repeat quiet: the provider's own name for the event.

use crate::context::Context;
use crate::payments::collect;
use crate::refusal::Stop;
use domain::payment::AttemptState;
use domain::refusal::{Code, Refusal, Verb, WayOut};
use gateways::payment::EventFault;
use serde::Serialize;
use store::payment;

/// What came of an event. The fields are a contract.
#[derive(Debug, Clone, Serialize)]
pub struct EventView {
    pub gateway: String,
    pub event: String,
    pub kind: String,
    pub became: Became,
}

/// What an event has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Became {
    /// It came before.
    Known,
    /// It is about no charge of this home that waits for an answer.
    Nothing,
    /// The provider was asked about the charge, and has answered or not.
    Asked,
}

/// Takes an event of a provider: the header with its signature and the body as it came.
///
/// # Errors
/// `settings`, `forged`, `malformed`; a fault of ours.
pub async fn take(ctx: &Context, gateway: &str, header: &str, payload: &[u8]) -> Result<EventView, Stop> {
    let provider = ctx.gateways.get(gateway).ok_or_else(|| {
        Refusal::new(Code::Settings, format!("{gateway} is not set up: its events are not read"))
    })?;
    let now = (ctx.now)();
    let event = provider.event(header, payload, now.timestamp()).map_err(|fault| refusal(gateway, &fault))?;
    let mut tx = ctx.store.begin().await?;
    let is_new = payment::note_event(&mut tx, gateway, (&event.id, &event.kind), now).await?;
    let attempt = match event.attempt {
        Some(id) => payment::by_id(&mut tx, id).await?,
        None => None,
    };
    tx.commit().await?;
    let became = match attempt.filter(|attempt| attempt.gateway == gateway) {
        _ if !is_new => Became::Known,
        Some(attempt) if attempt.state == AttemptState::Pending => {
            collect::ask_again(ctx, &[attempt.invoice], ctx.today().await?).await?;
            Became::Asked
        }
        _ => Became::Nothing,
    };
    Ok(EventView { gateway: gateway.to_owned(), event: event.id, kind: event.kind, became })
}

fn refusal(gateway: &str, fault: &EventFault) -> Refusal {
    let message = format!("{gateway}: {fault}");
    match fault {
        EventFault::NotSetUp => {
            Refusal::new(Code::Settings, message).or(WayOut::from("set ").setting("stripe.webhook_secret"))
        }
        EventFault::Forged | EventFault::Old(_) => Refusal::new(Code::Forged, message)
            .hint("nothing was changed; what waits for an answer is asked about with ")
            .ask(Verb::RetryPayments.plain()),
        EventFault::Header(_) | EventFault::Unreadable(_) => Refusal::new(Code::Malformed, message)
            .hint("the body must be as it came, byte for byte, and the header whole"),
    }
}
