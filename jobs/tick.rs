//! `ticks`: what the timetable asks for. A tick runs the same code as the command of its name.
//!
//! Key that makes a repeat quiet: (job, nominal time), and below it the key of the job itself.

use crate::runtime::{outcome, recover};
use apalis::prelude::Data;
use apalis_core::error::BoxDynError;
use domain::run::Scope;
use domain::task::{TickTask, TimedJob};
use operations::context::Context;
use operations::delivery::send;
use operations::dunning::retry;
use operations::home::{prove_backup, upkeep};
use operations::ledger::export;
use operations::refusal::Stop;
use operations::runs::open::{self, Reach, Request};
use operations::usage::inbox;
use store::run::RunOptions;
use store::slice::TakeOver;

/// Ticks at once: each may wait for a whole run.
pub const AT_ONCE: usize = 100;

/// Works one tick.
pub async fn handle(task: TickTask, ctx: Data<Context>) -> Result<(), BoxDynError> {
    let ctx = Context::clone(&ctx);
    let working = || -> outcome::Work {
        let (ctx, task) = (ctx.clone(), task.clone());
        Box::pin(async move { run(&ctx, &task).await })
    };
    outcome::settle(&ctx, TickTask::QUEUE, working).await
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
    let request = Request {
        scope: Scope::default(),
        as_of: task.as_of,
        options: RunOptions::default(),
        reach: Reach::Bounded,
        actor: "timetable".to_owned(),
    };
    match open::open(ctx, &request).await? {
        open::Outcome::Refused(refusal) => {
            tracing::warn!(reason = refusal.to_string(), "nightly run not opened")
        }
        open::Outcome::Unfinished(run) => {
            let again = recover::retry_failed(ctx, TakeOver::Failed).await?;
            tracing::warn!(run = run.ordinal, again, "an earlier run is not finished");
        }
        open::Outcome::New(run) => tracing::info!(run = run.ordinal, "nightly run opened"),
    }
    Ok(())
}
