//! `seal_ledger`: gives unsealed entries their sequence and their place in the hash chain (rules.md L2). One sealer
//! per tenant: at the end of a run, and before export, close and verify.
//!
//! Key that makes a repeat quiet: an entry is sealed once; the sequence is unique.

use crate::context::JobContext;
use crate::ticket;
use domain::ledger;
use domain::run::Step;
use domain::task::SliceTask;
use store::slice;

/// Entries per transaction: well under a second.
const CHUNK: u32 = 2_000;

/// Seals all there is, then closes the run.
pub async fn run(ctx: &JobContext, task: SliceTask) -> anyhow::Result<()> {
    seal(ctx).await?;
    let mut tx = ctx.store.begin().await?;
    if !slice::finish(&mut tx, task).await?.was_open {
        return Ok(());
    }
    ticket::start(&mut tx, task.run, Step::Close, 1).await?;
    tx.commit().await
}

/// Seals every entry there is, in chunks; returns how many.
pub async fn seal(ctx: &JobContext) -> anyhow::Result<u64> {
    let mut sealed = 0;
    loop {
        let mut tx = ctx.store.begin().await?;
        // The end of the chain is read under its lock: two sealers never meet.
        let end = store::ledger::lock_chain(&mut tx).await?;
        let entries = store::ledger::unsealed(&mut tx, CHUNK).await?;
        if entries.is_empty() {
            return Ok(sealed);
        }
        let links = ledger::seal(&end, entries);
        store::ledger::save_sealed(&mut tx, &links).await?;
        tx.commit().await?;
        sealed += u64::try_from(links.len())?;
    }
}
