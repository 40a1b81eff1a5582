//! What an operator does to a run between drafting and booking, and to what failed: approve, cancel, rerun.

use crate::context::JobContext;
use crate::{draft_invoices, ticket};
use domain::journal::{Action, Object};
use domain::run::{ItemState, RunState, Step};
use store::run::{self, Run};
use store::{draft, slice};

/// Books the drafts of a run in review. With `accounts`, drafts of these payers book whatever their autobill says. `Err`
/// holds the state of a run that does not wait for review.
pub async fn approve(
    ctx: &JobContext,
    run: &Run,
    accounts: &[String],
    actor: &str,
) -> anyhow::Result<Result<(), RunState>> {
    let mut tx = ctx.store.begin().await?;
    let run = &run::locked(&mut tx, run.id).await?;
    if !run::set_state(&mut tx, run.id, RunState::Review, RunState::Open, (ctx.now)()).await? {
        return Ok(Err(run.state));
    }
    draft_invoices::start_booking(ctx, &mut tx, run, accounts).await?;
    let detail = serde_json::json!({"accounts": accounts});
    ctx.note(&mut tx, actor, Action::ApproveRun, Object::Run(run.ordinal), detail).await?;
    tx.commit().await?;
    ctx.ring();
    Ok(Ok(()))
}

/// Why a run is not dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotCancelled {
    /// It is in this state.
    Over(RunState),
    /// It has booked so many invoices.
    Booked(u64),
}

/// Drops a run that has booked nothing; its periods are due again. Returns how many drafts it had.
pub async fn cancel(ctx: &JobContext, run: &Run, actor: &str) -> anyhow::Result<Result<u64, NotCancelled>> {
    let mut tx = ctx.store.begin().await?;
    // Whoever is booking for it finishes first, and its invoices are seen.
    let run = &run::locked(&mut tx, run.id).await?;
    if !matches!(run.state, RunState::Open | RunState::Review) {
        return Ok(Err(NotCancelled::Over(run.state)));
    }
    let booked = store::invoice::of_run(&mut tx, run.id).await?.len();
    if booked > 0 {
        return Ok(Err(NotCancelled::Booked(u64::try_from(booked)?)));
    }
    // Whoever still holds a slice of it can no longer write.
    slice::take_over(&mut tx, slice::TakeOver::OfRun(run.id)).await?;
    let dropped = draft::cancel_run(&mut tx, run.id, "the run was cancelled").await?;
    run::set_state(&mut tx, run.id, run.state, RunState::Cancelled, (ctx.now)()).await?;
    let detail = serde_json::json!({"drafts": dropped});
    ctx.note(&mut tx, actor, Action::CancelRun, Object::Run(run.ordinal), detail).await?;
    tx.commit().await?;
    Ok(Ok(dropped))
}

/// Opens the payers that failed again: they are measured, drafted and booked anew, and nobody else is. Returns how
/// many there are.
pub async fn rerun_failed(ctx: &JobContext, run: &Run, actor: &str) -> anyhow::Result<usize> {
    let mut tx = ctx.store.begin().await?;
    let run = &run::locked(&mut tx, run.id).await?;
    let mut failed: Vec<_> = run::items(&mut tx, run.id, None)
        .await?
        .into_iter()
        .filter(|i| matches!(i.state, ItemState::Failed | ItemState::Parked))
        .collect();
    if failed.is_empty()
        || !run::set_state(&mut tx, run.id, RunState::Closed, RunState::Open, (ctx.now)()).await?
    {
        return Ok(0);
    }
    let payers: Vec<_> = failed.iter().map(|i| i.payer).collect();
    draft::drop_of_payers(&mut tx, run.id, &payers).await?;
    // What was booked before its mail was refused is mailed again.
    let booked = store::invoice::of_run(&mut tx, run.id).await?;
    store::delivery::retry(&mut tx, &booked).await?;
    for item in &mut failed {
        item.state = ItemState::Open;
    }
    run::save_items(&mut tx, run.id, &failed).await?;
    ticket::start(&mut tx, run.id, Step::Rate, 1).await?;
    let detail = serde_json::json!({"payers": failed.len()});
    ctx.note(&mut tx, actor, Action::RerunRun, Object::Run(run.ordinal), detail).await?;
    tx.commit().await?;
    ctx.ring();
    Ok(failed.len())
}
