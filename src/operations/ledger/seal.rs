//! Sealing: unsealed entries get their sequence and their place in the hash chain (rules L2), one sealer per tenant.

use crate::context::Context;
use domain::ids::EntryId;
use domain::ledger;

/// Entries per transaction: well under a second.
const CHUNK: usize = 2_000;

/// Seals every entry there is, in chunks; returns how many. What comes in meanwhile follows in a pass of its own.
pub async fn seal(ctx: &Context) -> anyhow::Result<u64> {
    let mut sealed = 0;
    loop {
        let mut tx = ctx.store.read().await?;
        let unsealed = store::ledger::unsealed(&mut tx).await?;
        drop(tx);
        if unsealed.is_empty() {
            return Ok(sealed);
        }
        for chunk in unsealed.chunks(CHUNK) {
            sealed += seal_chunk(ctx, chunk).await?;
        }
    }
}

async fn seal_chunk(ctx: &Context, ids: &[EntryId]) -> anyhow::Result<u64> {
    let mut tx = ctx.store.begin().await?;
    // The end of the chain is read under its lock: two sealers never meet, and what one has sealed waits for no other.
    let end = store::ledger::lock_chain(&mut tx).await?;
    let entries = store::ledger::waiting(&mut tx, ids).await?;
    if entries.is_empty() {
        return Ok(0);
    }
    let links = ledger::seal(&end, entries);
    store::ledger::save_sealed(&mut tx, &links).await?;
    tx.commit().await?;
    Ok(u64::try_from(links.len())?)
}
