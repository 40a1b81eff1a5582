//! Requests that may come twice: an Idempotency-Key stands for one effect and one answer, for a day at least.
//!
//! Key that makes a repeat quiet: the API key and the Idempotency-Key; what was asked under it is held against its
//! fingerprint.

use crate::context::Context;
use chrono::Duration;
use sha2::{Digest, Sha256};
use std::sync::Mutex;
use std::time::Instant;
use store::Tx;
use store::idempotency::{self, Claimant, State};
pub use store::idempotency::{Answered, Named};
pub use store::request::{Answers, Holds, Request, at_work, beside, goes_on, within};
use store::worker::{self, WorkerLock};
use uuid::Uuid;

/// A request takes no longer; one whose worker has not answered by then is free, whoever works on it.
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
    domain::hex::hex(&hash.finalize())
}

/// As long as it lives, others leave alone what this process works on.
pub struct Presence {
    name: String,
    /// On PostgreSQL the server knows as long as this is held that the process is alive.
    _held: Mutex<Option<WorkerLock>>,
}

impl Presence {
    pub async fn begin(ctx: &Context) -> anyhow::Result<Self> {
        let name = format!("{}{SUFFIX}", ctx.worker);
        let held = worker::hold(&ctx.store, &name).await?;
        Ok(Self { name, _held: Mutex::new(held) })
    }

    fn claimant(&self, ctx: &Context) -> Claimant<'_> {
        Claimant { process: &self.name, now: (ctx.now)() }
    }

    /// Whether whoever claimed a request is gone, or has let go of it.
    async fn is_left(
        &self,
        ctx: &Context,
        tx: &mut Tx,
        known: &idempotency::Request,
    ) -> anyhow::Result<bool> {
        let Some(by) = &known.claimed_by else { return Ok(true) };
        if *by == self.name {
            return Ok(false);
        }
        if tx.is_sqlite() {
            return Ok(by.strip_suffix(SUFFIX).is_some_and(|process| ctx.has_ended(process)));
        }
        worker::is_gone(tx, by).await
    }
}

/// Tells the claims on requests from those on other work of a process.
const SUFFIX: &str = "/api";

/// Begins a request, or says what became of it; waits a moment for another one that is at it.
pub async fn begin(
    ctx: &Context,
    presence: &Presence,
    named: Named,
    fingerprint: &str,
) -> anyhow::Result<RequestStart> {
    let since = Instant::now();
    let claim = Uuid::new_v4();
    loop {
        let by = presence.claimant(ctx);
        let mut tx = ctx.store.begin().await?;
        if idempotency::claim(&mut tx, named, claim, fingerprint, &by).await? {
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
        let is_free = known.claimed_at < by.now - LEASE || presence.is_left(ctx, &mut tx, &known).await?;
        if is_free && idempotency::take_over(&mut tx, named, claim, &known, &by).await? {
            tx.commit().await?;
            return Ok(match known.state {
                State::Effected => RequestStart::Effected { claim, made: known.made },
                State::Running | State::Answered => RequestStart::Ours(claim),
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

/// Forgets a request whose answer is not kept; one that had an effect may be taken over at once.
pub async fn release(ctx: &Context, named: Named, claim: Uuid) -> anyhow::Result<()> {
    let mut tx = ctx.store.begin().await?;
    idempotency::release(&mut tx, named, claim).await?;
    tx.commit().await
}
