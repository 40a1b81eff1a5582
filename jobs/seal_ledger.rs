//! `seal_ledger`: gives unsealed entries their sequence and their place in the hash chain (rules L2). One sealer
//! per tenant: at the end of a run, and before export, close and verify.
//!
//! Key that makes a repeat quiet: an entry is sealed once; the sequence is unique.

use domain::run::Step;
use domain::task::SliceTask;
use operations::context::Context;
use operations::ledger::seal::seal;
use operations::runs::flow;
use store::slice;

/// Seals all there is, then closes the run.
pub async fn run(ctx: &Context, task: SliceTask) -> anyhow::Result<()> {
    seal(ctx).await?;
    let mut tx = ctx.store.begin().await?;
    if !slice::finish(&mut tx, task).await?.was_open {
        return Ok(());
    }
    flow::start(&mut tx, task.run, Step::Close, 1).await?;
    tx.commit().await
}
