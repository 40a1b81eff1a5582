//! `close_run`: the run's last step. Everything it opened is done, so it is closed.
//!
//! Key that makes a repeat quiet: the run's state.

use crate::context::JobContext;
use domain::run::RunState;
use domain::task::SliceTask;
use store::{run, slice};

/// Closes the run; payers that were set aside keep their reason.
pub async fn run(ctx: &JobContext, task: SliceTask) -> anyhow::Result<()> {
    let mut tx = ctx.store.begin().await?;
    if !slice::finish(&mut tx, task).await?.was_open {
        return Ok(());
    }
    run::set_state(&mut tx, task.run, RunState::Open, RunState::Closed, (ctx.now)()).await?;
    tx.commit().await
}
