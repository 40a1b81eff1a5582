//! What an operator asks of a run: approve, cancel, rerun, release, reverse. It is written down first; whoever works the
//! home does it, at once if that is the process that asks; and the answer is read back. So a verb needs no lock that a
//! worker holds, and either side may be killed: what is open is done by whoever works the home next.
//!
//! Idempotency key: a request is answered once, in the transaction of what it does. A reversal takes
//! several, each idempotent, and is answered in the last one.

use crate::act::{Act, Actor, insist_near};
use crate::context::Context;
use crate::refusal::Stop;
use crate::runs::find::find;
use crate::runs::reverse::{self, Reversal, Reversed};
use crate::runs::review;
use anyhow::Context as _;
use domain::ids::RunId;
use domain::refusal::Refusal;
use domain::run::RunState;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::time::Duration;
use store::run::requests::{self, RunRequest};
use store::run::{self, Run};
use store::{Tx, worker};
use uuid::Uuid;

/// How often a process that works looks for requests of others.
const LOOK: Duration = Duration::from_millis(250);

/// A verb with its arguments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Verb {
    Approve { accounts: Vec<String> },
    Cancel,
    Rerun,
    Release { accounts: Vec<String> },
    Reverse(Reversal),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The run goes on with so many payers; 0: there was nothing to do.
    GoesOn {
        payers: u64,
    },
    Cancelled {
        drafts: u64,
        booked: u64,
    },
    Reversed(Reversed),
}

/// What a cancellation dropped, as whoever asked sees it.
#[derive(Debug, Clone, Serialize)]
pub struct CancelledView {
    pub run: u64,
    pub state: RunState,
    pub drafts: u64,
    /// Invoices of payers that were approved before: they stand.
    pub booked: u64,
}

impl CancelledView {
    /// Of the run of this number; none if the answer is to something else.
    pub fn of(run: u64, answer: &Answer) -> Option<Self> {
        let Answer::Cancelled { drafts, booked } = *answer else { return None };
        let state = if booked > 0 { RunState::Closed } else { RunState::Cancelled };
        Some(Self { run, state, drafts, booked })
    }
}

/// As it is stored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    Done(Answer),
    Refused { refused: Refusal },
}

/// A request that is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHandle {
    pub id: Uuid,
    pub run: RunId,
    pub ordinal: u64,
}

/// Writes down what is asked of the run of this number.
pub async fn ask(ctx: &Context, actor: &Actor, name: &str, verb: &Verb) -> Result<RequestHandle, Stop> {
    if let Verb::Reverse(reversal) = verb {
        insist_near(ctx, reversal.on).await?;
    }
    let mut tx = ctx.store.begin().await?;
    let run = find(&mut tx, name).await?;
    let request = RunRequest {
        id: Uuid::new_v4(),
        run: run.id,
        asked: serde_json::to_value(verb).map_err(anyhow::Error::from)?,
        actor: actor.to_string(),
        asked_at: (ctx.now)(),
        answer: None,
    };
    requests::ask(&mut tx, &request).await?;
    tx.commit().await?;
    Ok(RequestHandle { id: request.id, run: run.id, ordinal: run.ordinal })
}

/// The answer to a request, if there is one.
pub async fn answer(ctx: &Context, asked: RequestHandle) -> Result<Option<Answer>, Stop> {
    let mut tx = ctx.store.read().await?;
    let request = requests::by_id(&mut tx, asked.id).await?.context("the request is gone")?;
    let Some(stored) = request.answer else { return Ok(None) };
    match serde_json::from_value(stored).map_err(anyhow::Error::from)? {
        Stored::Done(answer) => Ok(Some(answer)),
        Stored::Refused { refused } => Err(refused.into()),
    }
}

/// Does what is asked and not answered, oldest first: only who works the home may. On PostgreSQL several may, and each
/// request is held by one of them, by a lock that goes with its process.
pub async fn work_open(ctx: &Context) -> anyhow::Result<usize> {
    let mut tx = ctx.store.read().await?;
    let open = requests::open(&mut tx).await?;
    drop(tx);
    let mut done = 0;
    for request in open {
        let Some(held) = worker::hold(&ctx.store, &format!("request {}", request.id)).await? else {
            continue;
        };
        work(ctx, &request).await?;
        drop(held);
        done += 1;
    }
    Ok(done)
}

/// Looks for requests as long as this process works.
pub async fn keep(ctx: Context) -> Infallible {
    loop {
        if let Err(error) = work_open(&ctx).await {
            tracing::warn!(error = format!("{error:#}"), "a request could not be worked; it is tried again");
            tokio::time::sleep(8 * LOOK).await;
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn work(ctx: &Context, request: &RunRequest) -> anyhow::Result<()> {
    let verb: Verb = serde_json::from_value(request.asked.clone())?;
    let mut tx = ctx.store.begin().await?;
    let of = run::by_id(&mut tx, request.run).await?.context("the run of this request is gone")?;
    let actor = Actor::Person(request.actor.clone());
    if let Verb::Reverse(reversal) = &verb {
        drop(tx);
        let act = Act { actor, on: reversal.on };
        let done = reverse::reverse(ctx, &act, &of, reversal).await;
        return write(ctx, ctx.store.begin().await?, request, stored(done.map(Answer::Reversed))?).await;
    }
    let answer = stored(done(ctx, &mut tx, &of, &verb, &actor).await)?;
    // A refused verb has changed nothing, but what it looked at is let go.
    if matches!(answer, Stored::Refused { .. }) {
        tx.rollback().await?;
        tx = ctx.store.begin().await?;
    }
    write(ctx, tx, request, answer).await
}

/// Does what one transaction can do.
async fn done(ctx: &Context, tx: &mut Tx, of: &Run, verb: &Verb, actor: &Actor) -> Result<Answer, Stop> {
    let payers = match verb {
        Verb::Approve { accounts } => {
            review::approve(ctx, tx, of, accounts, actor).await?;
            1
        }
        Verb::Rerun => review::rerun_failed(ctx, tx, of, actor).await?,
        Verb::Release { accounts } => review::release(ctx, tx, of, accounts, actor).await?,
        Verb::Cancel => {
            let cancelled = review::cancel(ctx, tx, of, actor).await?;
            return Ok(Answer::Cancelled { drafts: cancelled.drafts, booked: cancelled.booked });
        }
        Verb::Reverse(_) => return Err(anyhow::anyhow!("a reversal takes several transactions").into()),
    };
    Ok(Answer::GoesOn { payers: u64::try_from(payers).unwrap_or(u64::MAX) })
}

/// Answers the request in this transaction, unless somebody else was first: then nothing of it is kept.
async fn write(ctx: &Context, mut tx: Tx, request: &RunRequest, answer: Stored) -> anyhow::Result<()> {
    let value = serde_json::to_value(answer)?;
    if requests::answer(&mut tx, request.id, &value, (ctx.now)()).await? {
        tx.commit().await?;
        ctx.ring();
    }
    Ok(())
}

/// A refusal is an answer; what broke is tried again.
fn stored(outcome: Result<Answer, Stop>) -> anyhow::Result<Stored> {
    match outcome {
        Ok(answer) => Ok(Stored::Done(answer)),
        Err(Stop::Refused(refused)) => Ok(Stored::Refused { refused }),
        Err(Stop::Broke(error)) => Err(error),
    }
}
