//! After a kill: whoever takes the home's lock opens every unfinished slice in a new epoch and enqueues it anew, at
//! once. A worker that was frozen and wakes up late finds its epoch gone and cannot write.

use crate::context::JobContext;
use crate::ticket;
use domain::run::Step;
use domain::task::SliceTask;
use store::run;
use store::slice::{self, TakeOver};

/// Takes over what the last worker of this home left behind; returns how many slices that were.
pub async fn take_over(ctx: &JobContext) -> anyhow::Result<usize> {
    let mut tx = ctx.store.begin().await?;
    let mut taken = 0;
    if ctx.store.is_sqlite() {
        for run in run::all_unfinished(&mut tx).await? {
            let tasks = slice::take_over(&mut tx, TakeOver::OfRun(run.id)).await?;
            taken += tasks.len();
            ticket::enqueue(&mut tx, &workable(tasks)).await?;
        }
    } else {
        let tasks = slice::take_over(&mut tx, TakeOver::Expired((ctx.now)())).await?;
        ticket::enqueue(&mut tx, &tasks).await?;
        taken = tasks.len();
    }
    tx.commit().await?;
    ctx.ring();
    Ok(taken)
}

/// Booking slices follow one another (rules.md I5): of those that are open only the first is handed out, and each
/// hands out the next.
fn workable(tasks: Vec<SliceTask>) -> Vec<SliceTask> {
    let first_booking = tasks.iter().filter(|t| t.step == Step::Book).map(|t| t.slice).min();
    tasks.into_iter().filter(|t| t.step != Step::Book || Some(t.slice) == first_booking).collect()
}
