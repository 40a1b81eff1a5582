//! Tickets: how a slice of a run gets onto its queue, and what every slice job does around its work. The slice row
//! is the truth, the ticket is a hint that carries the epoch.

use crate::context::JobContext;
use crate::outcome::{self, Work};
use apalis_core::error::BoxDynError;
use domain::ids::RunId;
use domain::run::Step;
use domain::task::SliceTask;
use store::{Tx, queue, slice};

/// How long a claim holds before another worker may take the slice over; living workers renew theirs.
pub const CLAIM: chrono::Duration = chrono::Duration::minutes(2);

/// The first pause of a slice that failed; each is three times as long as the one before.
const PAUSE_FIRST_S: i64 = 5;
/// The longest pause: what stood still at night is tried again before the day begins.
const PAUSE_LAST_S: i64 = 30 * 60;

/// How long a worker lets a slice rest after so many tries.
pub fn pause_after(tries: u32) -> chrono::TimeDelta {
    let times = 3_i64.saturating_pow(tries.saturating_sub(1));
    chrono::TimeDelta::seconds(PAUSE_FIRST_S.saturating_mul(times).min(PAUSE_LAST_S))
}

/// The queue that works a step.
pub fn queue_of(step: Step) -> &'static str {
    match step {
        Step::Rate => "rate_usage",
        Step::Draft => "draft_invoices",
        Step::Book => "book_invoices",
        Step::Render => "render_invoices",
        Step::Send => "send_invoices",
        Step::Collect => "collect_payments",
        Step::Seal => "seal_ledger",
        Step::Close => "close_run",
    }
}

/// Enqueues tickets in the transaction that makes them necessary; a repeat is quiet (key: run/step/slice/epoch).
pub async fn enqueue(tx: &mut Tx, tasks: &[SliceTask]) -> anyhow::Result<()> {
    for task in tasks {
        let key = format!("{}/{}/{}/{}", task.run, task.step.name(), task.slice, task.epoch);
        queue::enqueue(tx, queue_of(task.step), task, &key).await?;
    }
    Ok(())
}

/// Opens all slices of a step and enqueues them.
pub async fn start(tx: &mut Tx, run: RunId, step: Step, slices: u32) -> anyhow::Result<()> {
    let tasks = open_step(tx, run, step, slices).await?;
    enqueue(tx, &tasks).await
}

/// Opens the slices 0 to `slices` of a step and returns their tasks in order. Slices that an earlier round of the run
/// has done are opened in a new epoch: `runs rerun` goes through the steps again.
pub async fn open_step(tx: &mut Tx, run: RunId, step: Step, slices: u32) -> anyhow::Result<Vec<SliceTask>> {
    let done: u64 =
        slice::progress(tx, run).await?.iter().filter(|(s, ..)| *s == step).map(|(.., done)| done).sum();
    if done > 0 {
        let all: Vec<u32> = (0..slices).collect();
        slice::reopen(tx, run, step, &all).await?;
    }
    slice::add(tx, run, step, slices).await?;
    let open = slice::open(tx, run).await?;
    Ok(open.into_iter().map(|s| s.task).filter(|t| t.step == step && t.slice < slices).collect())
}

/// What a job does with a slice; on a thread of the blocking pool, as most of it is computing.
pub type Handler = fn(JobContext, SliceTask) -> anyhow::Result<()>;

/// Claims the slice, works it, and gives the claim back with its reason if the work failed. A slice that is done,
/// or that another epoch has, is nobody's work any more.
pub async fn work(ctx: JobContext, task: SliceTask, handler: Handler) -> Result<(), BoxDynError> {
    let working = {
        let ctx = ctx.clone();
        move || claimed(ctx.clone(), task, handler)
    };
    match outcome::settle(&ctx, queue_of(task.step), working).await {
        Ok(()) => Ok(()),
        Err(error) => {
            let text = error.to_string();
            give_back(&ctx, task, text.strip_prefix("AbortError: ").unwrap_or(&text)).await;
            ctx.ring();
            Err(error)
        }
    }
}

fn claimed(ctx: JobContext, task: SliceTask, handler: Handler) -> Work {
    Box::pin(async move {
        let mut tx = ctx.store.begin().await?;
        if !slice::claim(&mut tx, task, &ctx.worker, (ctx.now)() + CLAIM).await? {
            return Ok(());
        }
        tx.commit().await?;
        let working = ctx.clone();
        tokio::task::spawn_blocking(move || handler(working, task)).await??;
        ctx.ring();
        Ok(())
    })
}

async fn give_back(ctx: &JobContext, task: SliceTask, reason: &str) {
    let released: anyhow::Result<()> = async {
        let mut tx = ctx.store.begin().await?;
        let failed = slice::Failed { error: reason, at: (ctx.now)(), pause: pause_after };
        slice::release(&mut tx, task, Some(failed)).await?;
        tx.commit().await
    }
    .await;
    if let Err(error) = released {
        tracing::warn!(error = format!("{error:#}"), "claim could not be given back");
        ctx.note_stuck(reason);
        ctx.note_cut_off();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_half_an_hour() {
        let pauses: Vec<i64> = [1, 2, 3, 4, 7, 90].map(|tries| pause_after(tries).num_seconds()).into();
        assert_eq!(pauses, [5, 15, 45, 135, 1_800, 1_800]);
    }
}
