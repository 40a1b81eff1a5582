//! Tickets: how a slice of a run gets onto its queue, and what every slice job does around its work. The slice row
//! is the truth, the ticket is a hint that carries the epoch.

use crate::runtime::outcome::{self, Work};
use crate::runtime::process::Process;
use apalis_core::error::BoxDynError;
use domain::task::SliceTask;
use operations::context::Context;
use operations::runs::notices;
use store::slice;

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

/// What a job does with a slice; on a thread of the blocking pool, as most of it is computing.
pub type Handler = fn(Context, SliceTask) -> anyhow::Result<()>;

/// Claims the slice, works it, and gives the claim back with its reason if the work failed. A slice that is done,
/// or that another epoch has, is nobody's work any more.
pub(crate) async fn work(
    ctx: Context,
    process: &Process,
    task: SliceTask,
    handler: Handler,
) -> Result<(), BoxDynError> {
    let working = {
        let ctx = ctx.clone();
        move || claimed(ctx.clone(), task, handler)
    };
    match outcome::settle(&ctx, process, task.step.queue(), working).await {
        Ok(()) => Ok(()),
        Err(error) => {
            let text = error.to_string();
            give_back(&ctx, process, task, text.strip_prefix("AbortError: ").unwrap_or(&text)).await;
            ctx.ring();
            Err(error)
        }
    }
}

fn claimed(ctx: Context, task: SliceTask, handler: Handler) -> Work {
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

async fn give_back(ctx: &Context, process: &Process, task: SliceTask, reason: &str) {
    let released: anyhow::Result<()> = async {
        let mut tx = ctx.store.begin().await?;
        let failed = slice::Failed { error: reason, at: (ctx.now)(), pause: pause_after };
        slice::release(&mut tx, task, Some(failed)).await?;
        notices::plan_stuck(ctx, &mut tx, task.run).await?;
        tx.commit().await
    }
    .await;
    if let Err(error) = released {
        tracing::warn!(error = format!("{error:#}"), "claim could not be given back");
        process.note_stuck(reason);
        process.note_cut_off();
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
