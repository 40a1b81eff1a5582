//! What a job on the slices of a step says of itself, once, in its own file: the step, and with it the queue; how many
//! slices a process works on at once; and the work.

use crate::runtime::process::Process;
use crate::runtime::ticket;
use apalis::prelude::Data;
use apalis_core::error::BoxDynError;
use domain::run::Step;
use domain::task::SliceTask;
use operations::context::Context;
use tokio::runtime::Handle;

/// A job on the slices of one step.
pub(crate) trait SliceJob: 'static {
    /// Its queue is [`Step::queue`].
    const STEP: Step;
    /// Slices that a process works on at once. Without a bound apalis fetches all there are, into memory and away from
    /// other workers.
    const AT_ONCE: usize;

    /// Works the slice and closes it, in the transaction that writes its effects.
    async fn work(ctx: &Context, task: SliceTask) -> anyhow::Result<()>;
}

/// What apalis calls for a ticket of the job.
pub(crate) async fn handle<J: SliceJob>(
    task: SliceTask,
    ctx: Data<Context>,
    process: Data<Process>,
) -> Result<(), BoxDynError> {
    debug_assert_eq!(task.step, J::STEP, "a ticket came by the wrong queue");
    let work = |ctx: Context, task| Handle::current().block_on(J::work(&ctx, task));
    ticket::work(Context::clone(&ctx), &process, task, work).await
}
