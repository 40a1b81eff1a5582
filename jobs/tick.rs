//! `ticks`: what the timetable asks for. A tick runs the same code as the command of its name.
//!
//! Idempotency key: (job, nominal time), and below it the key of the job itself.

use crate::runtime::process::Process;
use crate::runtime::{outcome, recover};
use apalis::prelude::Data;
use apalis_core::error::BoxDynError;
use domain::report::MonthRange;
use domain::task::{TickTask, TimedJob};
use operations::context::Context;
use operations::delivery::send;
use operations::dunning::retry;
use operations::home::{prove_backup, upkeep};
use operations::ledger::export;
use operations::ledger::recognize::recognize;
use operations::runs::open::{self, NewRun, Reach};
use operations::usage::inbox;
use operations::{Act, Actor, Stop};
use store::slice::TakeOver;

/// Ticks at once: each may wait for a whole run.
pub const AT_ONCE: usize = 100;

/// Works one tick.
pub(crate) async fn handle(
    task: TickTask,
    ctx: Data<Context>,
    process: Data<Process>,
) -> Result<(), BoxDynError> {
    let ctx = Context::clone(&ctx);
    let working = || -> outcome::Work {
        let (ctx, task) = (ctx.clone(), task.clone());
        Box::pin(async move { run(&ctx, &task).await })
    };
    outcome::settle(&ctx, &process, TickTask::QUEUE, working).await
}

async fn run(ctx: &Context, task: &TickTask) -> anyhow::Result<()> {
    tracing::info!(job = task.job.name(), as_of = task.as_of.to_string(), "tick");
    match task.job {
        TimedJob::NightlyRun => nightly_run(ctx, task).await,
        TimedJob::IngestInbox => inbox::bring_in(ctx).await.map(drop),
        TimedJob::RetryMails => send::send_overdue(ctx).await.map(drop),
        TimedJob::RetryPayments => retry::retry(ctx, task.as_of).await.map(drop).map_err(Stop::broke),
        TimedJob::ExportLedger => {
            let made = export::export(ctx, ledger::Format::Hledger, export::Range::Next).await;
            made.map(drop).map_err(Stop::broke)
        }
        TimedJob::Upkeep => upkeep::run(ctx).await.map(drop),
        TimedJob::Backup => backup(ctx.clone()).await,
    }
}

/// On a thread of its own: it copies and hashes for long, and the driver's migrations cannot change threads.
async fn backup(ctx: Context) -> anyhow::Result<()> {
    let working = move || tokio::runtime::Handle::current().block_on(prove_backup::by_timetable(&ctx));
    tokio::task::spawn_blocking(working).await?
}

/// Opens the night's run; its slices are worked by whoever takes their tickets.
async fn nightly_run(ctx: &Context, task: &TickTask) -> anyhow::Result<()> {
    let act = Act { actor: Actor::Timetable, on: task.as_of };
    match open::open(ctx, &act, &NewRun::of_all(Reach::Bounded)).await {
        Ok(opened) if opened.goes_on => {
            let again = recover::retry_failed(ctx, TakeOver::Failed).await?;
            tracing::warn!(run = opened.run, again, "an earlier run is not finished");
        }
        Ok(opened) => tracing::info!(run = opened.run, "nightly run opened"),
        Err(Stop::Refused(refusal)) => {
            tracing::warn!(reason = refusal.to_string(), "nightly run not opened")
        }
        Err(Stop::Broke(error)) => return Err(error),
    }
    // A night on which nothing is due earns too.
    recognize(ctx, MonthRange::month_of(task.as_of).start).await?;
    Ok(())
}
