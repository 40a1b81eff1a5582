//! Requests that may come twice: an Idempotency-Key stands for one effect and one answer, for a day at least.
//!
//! Key that makes a repeat quiet: the API key and the Idempotency-Key; what was asked under it is held against its
//! fingerprint.

use crate::context::Context;
use chrono::Duration;
use sha2::{Digest, Sha256};
use std::time::Instant;
use store::idempotency::{self, State};
pub use store::idempotency::{Answered, Named, marking};
use uuid::Uuid;

/// A request takes no longer; one whose worker has not answered by then was left by a process that died.
const LEASE: Duration = Duration::seconds(60);
/// How long the second of two waits for the first.
const WAIT: std::time::Duration = std::time::Duration::from_secs(2);
const LOOK: std::time::Duration = std::time::Duration::from_millis(50);
/// Answers are kept so long; `upkeep` deletes older ones.
pub const KEPT: Duration = Duration::hours(48);

/// What is to be done with a request.
#[derive(Debug)]
pub enum RequestStart {
    /// It is ours: work on it under this claim.
    Ours(Uuid),
    /// What it does was done by a process that died before it answered. Under this claim the answer is made good.
    Effected { claim: Uuid, made: Option<Uuid> },
    /// It was answered before.
    Answered(Answered),
    /// The first one is still at it.
    Running,
    /// Something else was asked under this key.
    Mismatch,
}

/// What tells one request from another.
pub fn fingerprint(method: &str, url: &str, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    for part in [method.as_bytes(), url.as_bytes(), body] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Begins a request, or says what became of it; waits a moment for another one that is at it.
pub async fn begin(ctx: &Context, named: Named, fingerprint: &str) -> anyhow::Result<RequestStart> {
    let since = Instant::now();
    let claim = Uuid::new_v4();
    loop {
        let now = (ctx.now)();
        let mut tx = ctx.store.begin().await?;
        if idempotency::claim(&mut tx, named, claim, fingerprint, now).await? {
            tx.commit().await?;
            return Ok(RequestStart::Ours(claim));
        }
        let Some(known) = idempotency::find(&mut tx, named).await? else { continue };
        if known.fingerprint != fingerprint {
            return Ok(RequestStart::Mismatch);
        }
        if let Some(answered) = known.answered {
            return Ok(RequestStart::Answered(answered));
        }
        if idempotency::take_over(&mut tx, named, claim, now - LEASE, now).await? {
            tx.commit().await?;
            return Ok(if known.state == State::Effected {
                RequestStart::Effected { claim, made: known.made }
            } else {
                RequestStart::Ours(claim)
            });
        }
        drop(tx);
        if since.elapsed() >= WAIT {
            return Ok(RequestStart::Running);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Keeps the answer.
pub async fn answer(ctx: &Context, named: Named, claim: Uuid, answered: &Answered) -> anyhow::Result<()> {
    let mut tx = ctx.store.begin().await?;
    idempotency::answer(&mut tx, named, claim, answered).await?;
    tx.commit().await
}

/// Forgets a request whose answer is not kept, unless it had an effect.
pub async fn release(ctx: &Context, named: Named, claim: Uuid) -> anyhow::Result<()> {
    let mut tx = ctx.store.begin().await?;
    idempotency::release(&mut tx, named, claim).await?;
    tx.commit().await
}
