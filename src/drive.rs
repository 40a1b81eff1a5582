//! Drives a run to its end: opens it, works its jobs in this process (or watches whoever works the home), shows how
//! far it is, and answers with its figures.

use crate::app::App;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::Progress;
use domain::ids::RunId;
use domain::run::{RunState, Step};
use operations::act::Act;
use operations::home::lock::{HomeLock, LockOutcome};
use operations::runs::notices;
use operations::runs::open::{self, NewRun, Opened};
use operations::runs::view::RunAnswer;
use operations::runs::watch::{self, ScopeLock};
use std::time::Duration;

/// How often a run is looked at.
const LOOK: Duration = Duration::from_millis(40);
/// So long without work, and the workers of a closed run are let go.
const LEAVE: Duration = Duration::from_millis(400);
/// How long a server takes to notice that a process is gone, generously.
const DEAD_NOTICED: Duration = Duration::from_secs(3);

/// Finishes an unfinished run of the scope, then makes the run asked for. The last run is the answer.
pub async fn drive(app: &App, act: &Act, what: &NewRun, output: &Output) -> Result<RunAnswer, Failure> {
    let lock = app.lock()?;
    if let Some(LockOutcome::Held(holder)) = &lock {
        watch::refuse_second(&app.ctx, &what.scope, holder).await?;
    }
    let worker = match lock {
        Some(LockOutcome::Held(_)) => None,
        Some(LockOutcome::Ours(lock)) => Some(Some(lock)),
        None => Some(None),
    };
    let scope = lock_scope(app, what).await?;
    if worker.is_some() {
        jobs::runtime::recover::take_over(&app.ctx).await?;
    }
    loop {
        let opened = open::open(&app.ctx, act, what).await?;
        if opened.goes_on {
            refuse_review(&opened)?;
            output.say(&format!(
                "run {} as of {} was not finished: going on with it",
                opened.run, opened.as_of
            ));
        }
        let answer = finish(app, opened.id, worker.is_some(), output).await?;
        if !opened.goes_on || opened.as_of == act.on {
            drop::<Option<Option<HomeLock>>>(worker);
            drop(scope);
            return Ok(answer);
        }
    }
}

/// A run that waits for review is a person's move.
fn refuse_review(opened: &Opened) -> Result<(), Failure> {
    if opened.state != RunState::Review {
        return Ok(());
    }
    Err(domain::run::in_review(opened.run).into())
}

/// Works or watches an open run until it is closed, in review or stuck.
pub async fn finish(app: &App, run: RunId, working: bool, output: &Output) -> Result<RunAnswer, Failure> {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let watching = async {
        let outcome = watch(app, run, working, output).await;
        drop(stop);
        outcome
    };
    let outcome: Result<Watched, Failure> = if working {
        let worked = jobs::work_until(&app.ctx, &app.process, async move { drop(stopped.await) });
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
        notices::tell_ended(&app.ctx, outcome.is_err()).await;
        outcome
    } else {
        watching.await
    };
    if let Watched::LockIsFree(lock) = outcome? {
        // Whoever worked this home is gone: take over.
        jobs::runtime::recover::take_over(&app.ctx).await?;
        let answer = Box::pin(finish(app, run, true, output)).await;
        drop(lock);
        return answer;
    }
    Ok(watch::ended(&app.ctx, run).await?)
}

/// Until this process has had nothing in hand for a moment. A worker of apalis that has missed its waker when it was told
/// to stop sleeps until its time is up, 20 seconds later, though the run is closed: nobody has to wait for it.
async fn idle(app: &App) {
    let mut since = tokio::time::Instant::now();
    while since.elapsed() < LEAVE {
        tokio::time::sleep(LOOK).await;
        if app.process.is_busy() {
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
        let seen = watch::look(&app.ctx, id).await?;
        if seen.state != RunState::Open {
            progress.finish();
            return Ok(Watched::Ended);
        }
        if let Some(error) = app.process.take_stuck() {
            progress.finish();
            return Err(stuck(seen.run, &error).hint("fix the cause (`tallybook doctor`, `df -h`) and run the same command again: it goes on where it stopped"));
        }
        if !working && let Some(LockOutcome::Ours(lock)) = app.lock()? {
            progress.finish();
            return Ok(Watched::LockIsFree(lock));
        }
        if let Some((step, error)) = seen.failed {
            progress.finish();
            return Err(stuck(seen.run, &format!("{}: {error}", doing(step)))
                .hint("fix the cause and run the same command again: it goes on where it stopped"));
        }
        if let Some(at) = seen.at {
            progress.at(at.done, at.open + at.done, doing(at.step));
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = &mut interrupt => {
                progress.finish();
                return Err(Failure::fault("interrupted", format!("run {} was interrupted", seen.run))
                    .hint("run the same command again: it goes on where it stopped"));
            }
        }
    }
}

fn stuck(run: u64, error: &str) -> Failure {
    Failure::fault("step_failed", format!("run {run}: {error}"))
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

/// The lock of a scope on PostgreSQL. A process that was killed a moment ago still has it until the server notices, so
/// it is asked for a while before the other is taken for living.
async fn lock_scope(app: &App, what: &NewRun) -> Result<ScopeLock, Failure> {
    const OTHER: &str = "another process";
    let since = std::time::Instant::now();
    loop {
        if let Some(lock) = watch::hold(&app.ctx, &what.scope).await? {
            return Ok(lock);
        }
        if since.elapsed() > DEAD_NOTICED {
            watch::refuse_second(&app.ctx, &what.scope, OTHER).await?;
            return Err(watch::being_opened(OTHER).into());
        }
        tokio::time::sleep(4 * LOOK).await;
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
