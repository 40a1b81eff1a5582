//! Drives a run to its end: opens it, works its jobs in this process (or watches whoever works the home), shows how
//! far it is, and answers with its summary.

use crate::app::App;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::Progress;
use domain::ids::RunId;
use domain::run::{RunState, RunSummary, Step};
use operations::home::lock::{HomeLock, Taken};
use operations::runs::open::{self, Outcome, Refusal, Request};
use std::time::Duration;
use store::run::{self, Run};
use store::slice;
use store::worker::WorkerLock;

/// How often a run is looked at.
const LOOK: Duration = Duration::from_millis(40);
/// So long without work, and the workers of a closed run are let go.
const LEAVE: Duration = Duration::from_millis(400);
/// How long a server takes to notice that a process is gone, generously.
const DEAD_NOTICED: Duration = Duration::from_secs(3);

/// Finishes an unfinished run of the scope, then makes the run asked for. The last run's summary is the answer.
pub async fn drive(app: &App, request: &Request, output: &Output) -> Result<RunSummary, Failure> {
    let lock = app.lock()?;
    if let Some(Taken::Held(holder)) = &lock {
        refuse_second(app, request, holder).await?;
    }
    let worker = match lock {
        Some(Taken::Held(_)) => None,
        Some(Taken::Ours(lock)) => Some(Some(lock)),
        None => Some(None),
    };
    let scope = lock_scope(app, request).await?;
    if worker.is_some() {
        jobs::runtime::recover::take_over(&app.ctx).await?;
    }
    loop {
        let (opened, goes_on) = match open::open(&app.ctx, request).await? {
            Outcome::New(run) => (run, false),
            Outcome::Unfinished(run) => (run, true),
            Outcome::Refused(refusal) => return Err(refused(refusal)),
        };
        if goes_on {
            if opened.state == RunState::Review {
                return Err(Failure::input(
                    "in_review",
                    format!("run {} of the same scope waits for review", opened.ordinal),
                )
                .hint(format!(
                    "run `tallybook runs approve {0}` or `tallybook runs cancel {0}` first",
                    opened.ordinal
                )));
            }
            output.say(&format!(
                "run {} as of {} was not finished: going on with it",
                opened.ordinal, opened.as_of
            ));
        }
        let summary = finish(app, opened.id, worker.is_some(), output).await?;
        if !goes_on || opened.as_of == request.as_of {
            drop::<Option<Option<HomeLock>>>(worker);
            drop(scope);
            return Ok(summary);
        }
    }
}

/// Works or watches an open run until it is closed, in review or stuck.
pub async fn finish(app: &App, run: RunId, working: bool, output: &Output) -> Result<RunSummary, Failure> {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let watching = async {
        let outcome = watch(app, run, working, output).await;
        drop(stop);
        outcome
    };
    let outcome: Result<Watched, Failure> = if working {
        let worked = jobs::work_until(&app.ctx, async move { drop(stopped.await) });
        let (mut watching, mut worked) = (std::pin::pin!(watching), std::pin::pin!(worked));
        let outcome = tokio::select! {
            outcome = &mut watching => {
                // The run has its answer; how the workers took their leave is for the log.
                let left = tokio::select! {
                    ended = &mut worked => ended,
                    () = idle(app) => Ok(()),
                };
                if let Err(error) = left {
                    tracing::warn!(error = format!("{error:#}"), "the workers did not end well");
                }
                outcome
            }
            // Without workers there is nothing to watch.
            ended = &mut worked => match ended {
                Ok(()) => watching.await,
                Err(error) => Err(error.into()),
            },
        };
        app.ctx.resume();
        outcome
    } else {
        watching.await
    };
    if let Watched::LockIsFree(lock) = outcome? {
        // Whoever worked this home is gone: take over.
        jobs::runtime::recover::take_over(&app.ctx).await?;
        let summary = Box::pin(finish(app, run, true, output)).await;
        drop(lock);
        return summary;
    }
    let mut tx = app.store.read().await?;
    let run = reload(&mut tx, run).await?;
    Ok(run::summary(&mut tx, &run).await?)
}

/// Until this process has had nothing in hand for a moment. A worker of apalis that has missed its waker when it was told
/// to stop sleeps until its time is up, 20 seconds later, though the run is closed: nobody has to wait for it.
async fn idle(app: &App) {
    let mut since = tokio::time::Instant::now();
    while since.elapsed() < LEAVE {
        tokio::time::sleep(LOOK).await;
        if app.ctx.is_busy() {
            since = tokio::time::Instant::now();
        }
    }
}

/// How watching ended.
enum Watched {
    /// The run is closed, in review or cancelled.
    Ended,
    /// Nobody works this home any more; the lock is ours now.
    LockIsFree(HomeLock),
}

async fn watch(app: &App, id: RunId, working: bool, output: &Output) -> Result<Watched, Failure> {
    let progress = Progress::new("", "slices", 0, output.is_json());
    let mut interrupt = std::pin::pin!(interrupted());
    loop {
        let mut tx = app.store.read().await?;
        let run = reload(&mut tx, id).await?;
        if run.state != RunState::Open {
            progress.finish();
            return Ok(Watched::Ended);
        }
        if let Some(error) = app.ctx.take_stuck() {
            progress.finish();
            return Err(Failure::fault("step_failed", format!("run {}: {error}", run.ordinal))
                .hint("mend the cause (`tallybook doctor`, `df -h`) and run the same command again: it goes on where it stopped"));
        }
        if !working && let Some(Taken::Ours(lock)) = app.lock()? {
            progress.finish();
            return Ok(Watched::LockIsFree(lock));
        }
        let steps = slice::progress(&mut tx, id).await?;
        let failed =
            slice::open(&mut tx, id).await?.into_iter().find(|s| s.error.is_some() && s.worker.is_none());
        drop(tx);
        if let Some(failed) = failed {
            progress.finish();
            let error = failed.error.unwrap_or_default();
            return Err(Failure::fault(
                "step_failed",
                format!("run {}: {}: {error}", run.ordinal, doing(failed.task.step)),
            )
            .hint("mend the cause and run the same command again: it goes on where it stopped"));
        }
        if let Some((step, open, done)) = steps.iter().find(|(_, open, _)| *open > 0) {
            progress.at(*done, open + done, doing(*step));
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = &mut interrupt => {
                progress.finish();
                return Err(Failure::fault("interrupted", format!("run {} was interrupted", run.ordinal))
                    .hint("run the same command again: it goes on where it stopped"));
            }
        }
    }
}

/// Ctrl-C or SIGTERM.
pub async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return drop(tokio::signal::ctrl_c().await);
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

async fn reload(tx: &mut store::Tx, id: RunId) -> Result<Run, Failure> {
    run::by_id(tx, id).await?.ok_or_else(|| Failure::fault("run_gone", format!("run {id} is gone")))
}

/// Somebody works this home: a run of the same scope at the same time is refused.
async fn refuse_second(app: &App, request: &Request, holder: &str) -> Result<(), Failure> {
    let mut tx = app.store.read().await?;
    match run::unfinished(&mut tx, &request.scope).await? {
        Some(other) => Err(in_progress(&other, holder)),
        None => Ok(()),
    }
}

/// The lock of a scope on PostgreSQL. A process that was killed a moment ago still has it until the server notices, so
/// it is asked for a while before the other is taken for living.
async fn lock_scope(app: &App, request: &Request) -> Result<WorkerLock, Failure> {
    let name = format!("run of {}", request.scope.key());
    let since = std::time::Instant::now();
    loop {
        if let Some(lock) = store::worker::hold(&app.store, &name).await? {
            return Ok(lock);
        }
        if since.elapsed() > DEAD_NOTICED {
            return Err(second(app, request, "another process").await?);
        }
        tokio::time::sleep(4 * LOOK).await;
    }
}

/// The refusal of a second run on PostgreSQL, where the scope itself is locked.
async fn second(app: &App, request: &Request, holder: &str) -> Result<Failure, Failure> {
    let mut tx = app.store.read().await?;
    Ok(match run::unfinished(&mut tx, &request.scope).await? {
        Some(other) => in_progress(&other, holder),
        None => Failure::input("run_in_progress", format!("{holder} is opening a run of the same scope"))
            .hint("`tallybook runs` shows it"),
    })
}

fn in_progress(other: &Run, holder: &str) -> Failure {
    Failure::input(
        "run_in_progress",
        format!("run {} of the same scope is being worked by {holder}", other.ordinal),
    )
    .hint(format!("watch it with `tallybook runs show {}`", other.ordinal))
}

/// Refuses what no run could be opened for; a preview asks too.
pub async fn may_open(app: &App, request: &Request) -> Result<(), Failure> {
    let mut tx = app.store.read().await?;
    match open::refuse(&app.ctx, &mut tx, request).await? {
        Some(refusal) => Err(refused(refusal)),
        None => Ok(()),
    }
}

fn refused(refusal: Refusal) -> Failure {
    let message = refusal.to_string();
    match refusal {
        Refusal::EmptyBook => {
            Failure::input("empty_book", message).hint("load one first: `tallybook load book.json`")
        }
        Refusal::TooFarAhead { asked, .. } => Failure::input("too_far_ahead", message)
            .hint(format!("is the year right? If it is meant: `tallybook run --as-of {asked} --ahead`")),
        Refusal::UnknownCustomer(_) => Failure::input("unknown_customer", message).hint(
            "a customer who bills to a parent is billed with it; `tallybook invoices` lists account numbers",
        ),
        Refusal::UnknownUnit(_) => {
            Failure::input("unknown_business_unit", message).hint("business units are named by refkey")
        }
    }
}

/// What a step does, for the progress bar.
pub fn doing(step: Step) -> &'static str {
    match step {
        Step::Rate => "rating usage",
        Step::Draft => "drafting invoices",
        Step::Book => "booking invoices",
        Step::Render => "rendering documents",
        Step::Send => "sending mail",
        Step::Collect => "collecting payments",
        Step::Seal => "sealing the ledger",
        Step::Close => "closing the run",
    }
}
