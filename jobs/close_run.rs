//! `close_run`: the run's last step. Everything it opened is done, so it is closed; a run of which only some payers were
//! approved goes on waiting for review.
//!
//! Key that makes a repeat quiet: the run's state.

use anyhow::Context as _;
use domain::run::RunState;
use domain::task::SliceTask;
use operations::context::Context;
use store::draft::{self, DraftFilter, DraftState};
use store::{run, slice};

/// Closes the run; payers that were set aside keep their reason.
pub async fn run(ctx: &Context, task: SliceTask) -> anyhow::Result<()> {
    let mut tx = ctx.store.begin().await?;
    if !slice::finish(&mut tx, task).await?.was_open {
        return Ok(());
    }
    let run = run::by_id(&mut tx, task.run).await?.context("the run of this ticket is gone")?;
    let filter = DraftFilter { run: Some(run.id), state: Some(DraftState::Open), ..DraftFilter::default() };
    let waits = run.options.review && draft::keys(&mut tx, &filter).await?.iter().any(|k| k.autobill);
    let next = if waits { RunState::Review } else { RunState::Closed };
    run::set_state(&mut tx, run.id, RunState::Open, next, (ctx.now)()).await?;
    tx.commit().await
}
