//! What an operator asks of a run: approve, cancel, rerun, release, reverse. It is written down first; whoever works the
//! home does it, at once if that is the process that asks; and the answer is read back. So a verb needs no lock that a
//! worker holds, and either side may be killed: what is open is done by whoever works the home next.
//!
//! Key that makes a repeat quiet: a request is answered once, in the transaction of what it does. A reversal takes
//! several, each quiet by itself, and is answered in the last one.

use crate::act::{Act, Actor};
use crate::context::Context;
use crate::runs::reverse::{Reversal, Reversed};
use crate::runs::review::{self, Refusal};
use anyhow::Context as _;
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
    Refused {
        code: String,
        message: String,
        hint: String,
    },
}

/// Writes down what is asked; returns its id.
pub async fn ask(ctx: &Context, run: &Run, verb: &Verb, actor: &str) -> anyhow::Result<Uuid> {
    let request = RunRequest {
        id: Uuid::new_v4(),
        run: run.id,
        asked: serde_json::to_value(verb)?,
        actor: actor.to_owned(),
        asked_at: (ctx.now)(),
        answer: None,
    };
    let mut tx = ctx.store.begin().await?;
    requests::ask(&mut tx, &request).await?;
    tx.commit().await?;
    Ok(request.id)
}

/// The answer to a request, if there is one.
pub async fn answer(ctx: &Context, id: Uuid) -> anyhow::Result<Option<Answer>> {
    let mut tx = ctx.store.read().await?;
    let request = requests::by_id(&mut tx, id).await?.context("the request is gone")?;
    Ok(request.answer.map(serde_json::from_value).transpose()?)
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
    let actor = request.actor.as_str();
    let answer = match &verb {
        Verb::Approve { accounts } => {
            told(review::approve(ctx, &mut tx, &of, accounts, actor).await?, |()| Answer::GoesOn {
                payers: 1,
            })
        }
        Verb::Cancel => told(review::cancel(ctx, &mut tx, &of, actor).await?, |c| Answer::Cancelled {
            drafts: c.drafts,
            booked: c.booked,
        }),
        Verb::Rerun => told(review::rerun_failed(ctx, &mut tx, &of, actor).await?, goes_on),
        Verb::Release { accounts } => {
            told(review::release(ctx, &mut tx, &of, accounts, actor).await?, goes_on)
        }
        Verb::Reverse(reversal) => {
            drop(tx);
            return reverse(ctx, request, &of, reversal).await;
        }
    };
    // A refused verb has changed nothing, but what it looked at is let go.
    if matches!(answer, Answer::Refused { .. }) {
        tx.rollback().await?;
        tx = ctx.store.begin().await?;
    }
    write(ctx, tx, request, &answer).await
}

async fn reverse(ctx: &Context, request: &RunRequest, of: &Run, reversal: &Reversal) -> anyhow::Result<()> {
    let asked = Act { on: reversal.on, actor: Actor::Person(request.actor.clone()) };
    let reversed = crate::runs::reverse::reverse(ctx, of, reversal, &asked).await?;
    let answer = told(reversed, Answer::Reversed);
    write(ctx, ctx.store.begin().await?, request, &answer).await
}

/// Answers the request in this transaction, unless somebody else was first: then nothing of it is kept.
async fn write(ctx: &Context, mut tx: Tx, request: &RunRequest, answer: &Answer) -> anyhow::Result<()> {
    let value = serde_json::to_value(answer)?;
    if requests::answer(&mut tx, request.id, &value, (ctx.now)()).await? {
        tx.commit().await?;
        ctx.ring();
    }
    Ok(())
}

fn goes_on(payers: usize) -> Answer {
    Answer::GoesOn { payers: u64::try_from(payers).unwrap_or(u64::MAX) }
}

fn told<T>(outcome: Result<T, Refusal>, done: impl FnOnce(T) -> Answer) -> Answer {
    match outcome {
        Ok(value) => done(value),
        Err(refusal) => Answer::Refused {
            code: refusal.code().to_owned(),
            message: refusal.to_string(),
            hint: refusal.hint(),
        },
    }
}
