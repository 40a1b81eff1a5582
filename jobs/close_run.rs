//! `close_run`: the run's last step. Everything it opened is done, so it is closed, or waits for review again
//! (`operations::runs::flow`); payers that were set aside keep their reason.
//!
//! Idempotency key: the run's state.

use crate::SLICES_AT_ONCE;
use crate::runtime::slice;
use crate::runtime::slice_job::SliceJob;
use domain::run::Step;
use domain::task::SliceTask;
use operations::aside::SetAside;
use operations::context::Context;

pub struct CloseRun;

impl SliceJob for CloseRun {
    const STEP: Step = Step::Close;
    const AT_ONCE: usize = SLICES_AT_ONCE;

    async fn work(ctx: &Context, task: SliceTask) -> anyhow::Result<()> {
        slice::finish(ctx, task, &SetAside::default()).await
    }
}
