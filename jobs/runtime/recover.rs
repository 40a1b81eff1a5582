//! After a kill: who works on, and when.
//!
//! On SQLite whoever takes the home's lock opens every unfinished slice in a new epoch and enqueues it again, and hands out
//! again what others had fetched, at once. On
//! PostgreSQL every process holds a session lock under its name, which the server frees when the process or its
//! machine is gone; the others look every second, and take over what it had. A worker that was frozen lets its claims
//! run out. Whoever wakes up late finds its epoch gone and cannot write.

use crate::runtime::process::Process;
use crate::runtime::ticket;
use domain::run::Step;
use domain::task::SliceTask;
use operations::context::Context;
use operations::runs::flow;
use std::time::Duration;
use store::slice::{self, TakeOver};
use store::worker::{self, WorkerLock};
use store::{Tx, queue, run};

/// How often a process on PostgreSQL looks for others that are gone.
const LOOK: Duration = Duration::from_secs(1);

/// Looks between two renewals of this process's own claims.
const RENEW_EVERY: u32 = 20;

/// Takes over what the last worker of this home left behind, and tries again what had failed: called when a command
/// begins to work. Returns how many slices that were.
pub async fn take_over(ctx: &Context) -> anyhow::Result<usize> {
    let mut tx = ctx.store.begin().await?;
    let mut taken = 0;
    if ctx.store.is_sqlite() {
        for run in run::all_unfinished(&mut tx).await? {
            let tasks = slice::take_over(&mut tx, TakeOver::OfRun(run.id)).await?;
            taken += tasks.len();
            flow::enqueue(&mut tx, &workable(tasks)).await?;
        }
        // Ticks of the timetable, too: what a killed worker had fetched is nobody's any more.
        queue::hand_out_of_others(&mut tx, &ctx.worker).await?;
    } else {
        taken += abandoned(ctx, &mut tx).await?;
        let tasks = slice::take_over(&mut tx, TakeOver::Failed).await?;
        taken += tasks.len();
        flow::enqueue(&mut tx, &tasks).await?;
    }
    tx.commit().await?;
    ctx.ring();
    Ok(taken)
}

/// How often a worker looks for slices whose time for another try has come.
const LOOK_FOR_RETRIES: Duration = Duration::from_secs(2);

/// Tries again what failed for a cause that may have passed, each slice when its time has come: as long as a worker works,
/// nothing stands still until somebody restarts it.
pub async fn retry(ctx: &Context) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(LOOK_FOR_RETRIES).await;
        if let Err(error) = retry_due(ctx).await {
            tracing::warn!(error = format!("{error:#}"), "cannot look for slices to try again");
        }
    }
}

async fn retry_due(ctx: &Context) -> anyhow::Result<()> {
    let now = (ctx.now)();
    let mut tx = ctx.store.read().await?;
    let is_due = slice::standing(&mut tx).await?.iter().any(|s| s.retry_at.is_some_and(|at| at <= now));
    drop(tx);
    if is_due {
        retry_failed(ctx, TakeOver::RetryDue(now)).await?;
    }
    Ok(())
}

/// Opens failed slices in a new epoch and hands them out; returns how many those are.
pub async fn retry_failed(ctx: &Context, which: TakeOver<'_>) -> anyhow::Result<usize> {
    let mut tx = ctx.store.begin().await?;
    let tasks = slice::take_over(&mut tx, which).await?;
    flow::enqueue(&mut tx, &tasks).await?;
    tx.commit().await?;
    if !tasks.is_empty() {
        tracing::info!(slices = tasks.len(), "what had failed is tried again");
        ctx.ring();
    }
    Ok(tasks.len())
}

/// What workers that are gone had, and claims that ran out, on PostgreSQL.
async fn abandoned(ctx: &Context, tx: &mut Tx) -> anyhow::Result<usize> {
    let mut taken = 0;
    for gone in worker::gone(tx).await? {
        let slices = take_from(tx, &gone).await?;
        tracing::warn!(worker = gone, slices, "worker is gone; its work is taken over");
        taken += slices;
    }
    let now = (ctx.now)();
    let mut tasks = slice::take_over(tx, TakeOver::Expired(now)).await?;
    tasks.extend(slice::take_over_unheeded(tx, now - ticket::CLAIM).await?);
    flow::enqueue(tx, &tasks).await?;
    Ok(taken + tasks.len())
}

/// Opens in a new epoch what a worker had claimed, and hands out again what it had fetched. Returns how many slices it
/// had.
async fn take_from(tx: &mut Tx, worker: &str) -> anyhow::Result<usize> {
    let tasks = slice::take_over(tx, TakeOver::Of(worker)).await?;
    queue::hand_out_again(tx, worker).await?;
    flow::enqueue(tx, &tasks).await?;
    Ok(tasks.len())
}

/// This process as a living worker: hold it while working.
pub async fn present(ctx: &Context) -> anyhow::Result<WorkerLock> {
    let held = worker::hold(&ctx.store, &ctx.worker).await?;
    held.ok_or_else(|| anyhow::anyhow!("another process works under the name {}", ctx.worker))
}

/// Keeps this process known as alive and takes over from others, until it is dropped. On SQLite there is nothing to do.
pub(crate) async fn tend(
    ctx: &Context,
    process: &Process,
    mut presence: WorkerLock,
) -> std::convert::Infallible {
    if ctx.store.is_sqlite() {
        return std::future::pending().await;
    }
    let mut looks = 0_u32;
    loop {
        tokio::time::sleep(LOOK).await;
        looks = looks.wrapping_add(1);
        if !presence.is_held().await {
            tracing::warn!(
                worker = ctx.worker,
                "the database was lost: others may have taken this worker's slices"
            );
            process.note_cut_off();
            match present(ctx).await {
                Ok(again) => presence = again,
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "cannot come back yet");
                    continue;
                }
            }
        }
        if process.take_cut_off()
            && let Err(error) = begin_anew(ctx).await
        {
            tracing::warn!(error = format!("{error:#}"), "cannot take up again what was cut off");
            process.note_cut_off();
        }
        if let Err(error) = look(ctx, looks.is_multiple_of(RENEW_EVERY)).await {
            tracing::warn!(error = format!("{error:#}"), "cannot look for workers that are gone");
        }
    }
}

/// After the database was lost for a moment: what this process had in hand is opened in a new epoch and handed out again.
/// A handler that is still at it finds its epoch gone and writes nothing.
async fn begin_anew(ctx: &Context) -> anyhow::Result<()> {
    let mut tx = ctx.store.begin().await?;
    let slices = take_from(&mut tx, &ctx.worker).await?;
    tx.commit().await?;
    tracing::warn!(slices, "the database was lost; its work is taken up again");
    ctx.ring();
    Ok(())
}

async fn look(ctx: &Context, renew: bool) -> anyhow::Result<()> {
    let mut tx = ctx.store.begin().await?;
    if renew {
        slice::renew(&mut tx, &ctx.worker, (ctx.now)() + ticket::CLAIM).await?;
    }
    let taken = abandoned(ctx, &mut tx).await?;
    tx.commit().await?;
    if taken > 0 {
        ctx.ring();
    }
    Ok(())
}

/// Booking slices follow one another (rules I5): of those that are open only the first is handed out, and each
/// hands out the next.
fn workable(tasks: Vec<SliceTask>) -> Vec<SliceTask> {
    let first_booking = tasks.iter().filter(|t| t.step == Step::Book).map(|t| t.slice).min();
    tasks.into_iter().filter(|t| t.step != Step::Book || Some(t.slice) == first_booking).collect()
}
