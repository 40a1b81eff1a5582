//! `seal_ledger`: recognises what is earned up to the last full month before the run's day (rules L1), and gives unsealed
//! entries their sequence and their place in the hash chain (rules L2). One sealer per tenant: at the end of a run, and before
//! export, close and verify.
//!
//! Idempotency key: an entry is sealed once; the sequence is unique.

use crate::SLICES_AT_ONCE;
use crate::runtime::slice;
use crate::runtime::slice_job::SliceJob;
use domain::report::MonthRange;
use domain::run::Step;
use domain::task::SliceTask;
use operations::aside::SetAside;
use operations::context::Context;
use operations::ledger::recognize::recognize;
use operations::ledger::seal::seal;

pub struct SealLedger;

impl SliceJob for SealLedger {
    const STEP: Step = Step::Seal;
    const AT_ONCE: usize = SLICES_AT_ONCE;

    /// Recognises, then seals all there is.
    async fn work(ctx: &Context, task: SliceTask) -> anyhow::Result<()> {
        let (run, _) = slice::slice_of(ctx, task).await?;
        recognize(ctx, MonthRange::month_of(run.as_of).start).await?;
        seal(ctx).await?;
        slice::finish(ctx, task, &SetAside::default()).await
    }
}
