//! Sealing: unsealed entries get their sequence and their place in the hash chain (rules L2), one sealer per tenant.

use crate::context::Context;
use domain::ledger;

/// Entries per transaction: well under a second.
const CHUNK: u32 = 2_000;

/// Seals every entry there is, in chunks; returns how many.
pub async fn seal(ctx: &Context) -> anyhow::Result<u64> {
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
