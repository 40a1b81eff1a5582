//! What an operator does to a run between drafting and booking, and to what failed: approve, cancel, rerun.

use crate::context::JobContext;
use crate::{draft_invoices, ticket};
use domain::run::{ItemState, RunState, Step};
use store::run::{self, Run};
use store::{Tx, draft, journal, slice};

/// Books the drafts of a run in review. With `accounts`, drafts of these payers book whatever their autobill says.
pub async fn approve(ctx: &JobContext, run: &Run, accounts: &[String], actor: &str) -> anyhow::Result<()> {
    let mut tx = ctx.store.begin().await?;
    if !run::set_state(&mut tx, run.id, RunState::Review, RunState::Open, (ctx.now)()).await? {
        return Ok(());
    }
    draft_invoices::start_booking(ctx, &mut tx, run, accounts).await?;
    note(ctx, &mut tx, run, actor, "run.approve", serde_json::json!({"accounts": accounts})).await?;
    tx.commit().await?;
    ctx.ring();
    Ok(())
}

/// Drops a run that has booked nothing; its periods are due again. `Err` holds how many invoices it has booked.
pub async fn cancel(ctx: &JobContext, run: &Run, actor: &str) -> anyhow::Result<Result<u64, u64>> {
    let mut tx = ctx.store.begin().await?;
    let booked = store::invoice::of_run(&mut tx, run.id).await?.len();
    if booked > 0 {
        return Ok(Err(u64::try_from(booked)?));
    }
    // Whoever still holds a slice of it can no longer write.
    slice::take_over(&mut tx, slice::TakeOver::OfRun(run.id)).await?;
    let dropped = draft::cancel_run(&mut tx, run.id, "the run was cancelled").await?;
    run::set_state(&mut tx, run.id, run.state, RunState::Cancelled, (ctx.now)()).await?;
    note(ctx, &mut tx, run, actor, "run.cancel", serde_json::json!({"drafts": dropped})).await?;
    tx.commit().await?;
    Ok(Ok(dropped))
}

/// Opens the payers that failed again: they are measured, drafted and booked anew, and nobody else is. Returns how
/// many there are.
pub async fn rerun_failed(ctx: &JobContext, run: &Run, actor: &str) -> anyhow::Result<usize> {
    let mut tx = ctx.store.begin().await?;
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
    note(ctx, &mut tx, run, actor, "run.rerun", serde_json::json!({"payers": failed.len()})).await?;
    tx.commit().await?;
    ctx.ring();
    Ok(failed.len())
}

async fn note(
    ctx: &JobContext,
    tx: &mut Tx,
    run: &Run,
    actor: &str,
    action: &str,
    detail: serde_json::Value,
) -> anyhow::Result<()> {
    let record = journal::Record {
        at: (ctx.now)(),
        actor: actor.to_owned(),
        action: action.to_owned(),
        object: format!("run {}", run.ordinal),
        detail,
    };
    journal::record(tx, &record).await
}
