//! `collect_payments`: what a slice's invoices leave open is charged to the payers' online methods.
//!
//! Idempotency key: the attempt's id, a function of invoice and ordinal, and the provider's idempotency
//! key. The attempt is committed before the provider is called (rules Y1); an attempt without an answer is asked
//! again under the same id, never a new one. Outcome, settlement and ledger entries are one transaction.

use crate::CALLS_AT_ONCE;
use crate::runtime::slice;
use crate::runtime::slice_job::SliceJob;
use domain::run::Step;
use domain::task::SliceTask;
use operations::context::Context;
use operations::delivery::send;
use operations::payments::collect::{ask_unanswered, collect};
use operations::payments::tried::Occasion;

pub struct CollectPayments;

impl SliceJob for CollectPayments {
    const STEP: Step = Step::Collect;
    const AT_ONCE: usize = CALLS_AT_ONCE;

    /// Collects the slice; the first slice also asks about what earlier days left unanswered.
    async fn work(ctx: &Context, task: SliceTask) -> anyhow::Result<()> {
        let (run, invoices) = slice::slice_of(ctx, task).await?;
        if task.slice == 0 {
            ask_unanswered(ctx, run.as_of).await?;
        }
        let collected = collect(ctx, &invoices, Occasion::Booking, run.as_of, Some(run.id)).await?;
        send::send_declined(ctx, &invoices).await?;
        slice::finish(ctx, task, &collected.aside).await
    }
}
