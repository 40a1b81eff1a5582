//! Charges whose answer was lost are asked about again by a worker, each with growing pauses, until the provider answers;
//! the daily dunning run and the next run ask too.
//!
//! Idempotency key: the attempt's id, which is the provider's idempotency key (rules Y1).

use crate::context::Context;
use crate::payments::collect;
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::{AttemptId, InvoiceId};
use domain::payment::Attempt;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;
use store::payment;

/// How often a worker looks for them.
const LOOK: Duration = Duration::from_secs(10);

/// Attempts looked at together.
const ATTEMPTS_MAX: u32 = 1_000;

/// The first pause: by then whoever has just asked has its answer, or its own tries are used up.
const PAUSE_FIRST_S: i64 = 120;

/// The longest pause.
const PAUSE_LAST_S: i64 = 3_600;

/// Asks for as long as the worker works.
pub async fn keep(ctx: Context) -> Infallible {
    let mut waiting = Waiting::default();
    loop {
        tokio::time::sleep(LOOK).await;
        if let Err(error) = ask(&ctx, &mut waiting).await {
            tracing::warn!(error = format!("{error:#}"), "cannot ask about charges without an answer");
        }
    }
}

async fn ask(ctx: &Context, waiting: &mut Waiting) -> anyhow::Result<()> {
    let mut tx = ctx.store.read().await?;
    let pending = payment::pending(&mut tx, ATTEMPTS_MAX).await?;
    let zone = store::catalogue::load(&mut tx).await?.map_or(chrono_tz::UTC, |c| c.tenant.timezone);
    drop(tx);
    let now = (ctx.now)();
    let due = waiting.due(&pending, now);
    if !due.is_empty() {
        let on = domain::zone::local_date(now, zone);
        let collected = collect::ask_again(ctx, &due, on).await?;
        tracing::info!(
            asked = due.len(),
            answered = collected.tried.len(),
            "charges without an answer were asked about"
        );
    }
    Ok(())
}

/// When each attempt is asked about next, and after which pause then.
#[derive(Debug, Default)]
struct Waiting(BTreeMap<AttemptId, (DateTime<Utc>, i64)>);

impl Waiting {
    /// Invoices of the attempts whose time has come. Those that have their answer are forgotten.
    fn due(&mut self, pending: &[Attempt], now: DateTime<Utc>) -> Vec<InvoiceId> {
        self.0.retain(|id, _| pending.iter().any(|a| a.id == *id));
        let mut due = Vec::new();
        for attempt in pending {
            let first = (now + TimeDelta::seconds(PAUSE_FIRST_S), PAUSE_FIRST_S);
            let (at, pause) = self.0.entry(attempt.id).or_insert(first);
            if *at <= now {
                *pause = (*pause * 3).min(PAUSE_LAST_S);
                *at = now + TimeDelta::seconds(*pause);
                due.push(attempt.invoice);
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ids::CustomerId;
    use domain::payment::AttemptState;

    #[test]
    fn pauses_grow_and_what_is_answered_is_forgotten() {
        let start: DateTime<Utc> = "2026-02-01T02:00:00Z".parse().unwrap();
        let attempt = Attempt {
            id: AttemptId::of("a"),
            invoice: InvoiceId::of("INV-1"),
            customer: CustomerId::of("CU-1"),
            ordinal: 1,
            amount_minor: 100,
            currency: "DKK".parse().unwrap(),
            method: "card".to_owned(),
            gateway: "sandbox".to_owned(),
            on: start.date_naive(),
            state: AttemptState::Pending,
            provider_reference: None,
            decline_code: None,
            fee_minor: 0,
        };
        let mut waiting = Waiting::default();
        let pending = [attempt];
        let mut asked = Vec::new();
        for second in (0..4_000).step_by(10) {
            if !waiting.due(&pending, start + TimeDelta::seconds(second)).is_empty() {
                asked.push(second);
            }
        }
        assert_eq!(asked, [120, 480, 1_560]);
        waiting.due(&[], start);
        assert!(waiting.0.is_empty());
    }
}
