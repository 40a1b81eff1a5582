//! `worker`: work the queues and the timetable until told to stop.

use crate::app::App;
use crate::config::Config;
use crate::drive::interrupted;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use operations::home::lock::LockOutcome;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Answer monitors on this address: /metrics and /health
    #[arg(long, value_name = "ADDR", env = "TALLYBOOK_METRICS")]
    metrics: Option<String>,
}

/// Ends cleanly on SIGTERM or Ctrl-C: no more tasks are fetched, the payer at hand is rolled back.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open(config).await?;
    let listener = match &args.metrics {
        Some(address) => Some(crate::metrics::listen(address).await?),
        None => None,
    };
    let lock = match app.lock()? {
        Some(LockOutcome::Held(holder)) => {
            return Err(Failure::input("home_busy", format!("{holder} is working this home already"))
                .hint("one worker per SQLite home; use PostgreSQL for more"));
        }
        other => other,
    };
    output.say("working; stop with Ctrl-C or SIGTERM");
    let monitors = async {
        match listener {
            Some(listener) => crate::metrics::serve(&app, listener).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        never = monitors => match never {},
        worked = work(&app, interrupted()) => worked?,
    }
    drop(lock);
    app.store.close().await;
    tracing::info!("worker stopped");
    Ok(Exit::Done)
}

/// Works the home until `stop` resolves: the queues, the timetable, what failed and what was not answered. Whoever calls
/// holds the home's lock.
pub async fn work(app: &App, stop: impl Future<Output = ()> + Send + 'static) -> anyhow::Result<()> {
    let taken = jobs::runtime::recover::take_over(&app.ctx).await?;
    operations::home::upkeep::tidy_copies(&app.ctx).await?;
    tracing::info!(worker = app.worker, taken_over = taken, "worker started");
    let _unanswered = jobs::AbortOnDrop::spawn(operations::payments::unanswered::keep(app.ctx.clone()));
    let _notices = jobs::AbortOnDrop::spawn(operations::runs::notices::keep(app.ctx.clone()));
    let _told = jobs::AbortOnDrop::spawn(operations::webhooks::keep(app.ctx.clone()));
    let _waiting = jobs::AbortOnDrop::spawn(operations::usage::waiting::keep(app.ctx.clone()));
    tokio::select! {
        never = jobs::runtime::recover::retry(&app.ctx) => match never {},
        worked = jobs::work_until(&app.ctx, &app.process, stop) => worked,
        kept = jobs::runtime::schedule::keep(&app.ctx) => kept,
    }
}
