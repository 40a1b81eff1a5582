//! The verbs of runs. Each is written down as a request; this process does it if the home is free, else the worker that
//! works the home, and the answer is read back.

use crate::app::App;
use crate::drive;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use operations::home::lock::Taken;
use operations::runs::requests::{self, Answer, Verb};
use std::time::Duration;
use store::run::Run;

/// How often the answer is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// Approves, reruns or releases, then follows the run to its end.
pub(super) async fn go_on(app: &App, name: &str, verb: &Verb, output: &Output) -> Result<Exit, Failure> {
    let found = super::find(app, name).await?;
    let done = ask(app, &found, verb, output).await?;
    let Answer::GoesOn { payers } = done.answer else { return Err(unexpected()) };
    if payers == 0 {
        output.say(&format!("nothing failed in run {}; who is parked is let through by name", found.ordinal));
        drop(done.lock);
        return super::show::run(app, name, output).await;
    }
    let summary = drive::finish(app, found.id, done.is_ours, output).await?;
    drop(done.lock);
    Ok(crate::cli::run::answer(&summary, crate::cli::run::Kind::Posted, output))
}

/// Drops what a run has not booked.
pub(super) async fn cancel(app: &App, name: &str, output: &Output) -> Result<Exit, Failure> {
    let found = super::find(app, name).await?;
    let done = ask(app, &found, &Verb::Cancel, output).await?;
    let Answer::Cancelled { drafts, booked } = done.answer else { return Err(unexpected()) };
    let run = found.ordinal;
    if output.is_json() {
        let state = if booked > 0 { "closed" } else { "cancelled" };
        output.document(&serde_json::json!({"run": run, "state": state, "drafts": drafts, "booked": booked}));
    } else if booked > 0 {
        output.line(&format!(
            "run {run} is closed with {booked} invoice(s) booked; {drafts} draft(s) were dropped and their periods are due again"
        ));
    } else {
        output.line(&format!(
            "run {run} is cancelled; {drafts} draft(s) were dropped and their periods are due again"
        ));
    }
    Ok(Exit::Done)
}

/// What came of a request, and the home's lock if this process took it.
pub(super) struct Done {
    pub answer: Answer,
    pub lock: Option<Taken>,
    /// Whether this process works the home from here on.
    pub is_ours: bool,
}

/// Asks, and waits for the answer; a refusal is one here.
pub(super) async fn ask(app: &App, run: &Run, verb: &Verb, output: &Output) -> Result<Done, Failure> {
    let mut lock = app.lock()?;
    if let Some(Taken::Held(holder)) = &lock {
        output.say(&format!("{holder} works this home: it is asked to do it"));
    }
    let id = requests::ask(&app.ctx, run, verb, &crate::cli::operator()).await?;
    let mut interrupt = std::pin::pin!(drive::interrupted());
    let answer = loop {
        if !matches!(lock, Some(Taken::Held(_))) {
            requests::work_open(&app.ctx).await?;
        }
        if let Some(answer) = requests::answer(&app.ctx, id).await? {
            break answer;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = &mut interrupt => {
                return Err(Failure::fault("interrupted", "it is asked for, and will be done by whoever works the home")
                    .hint(format!("watch it with `tallybook runs show {}`", run.ordinal)));
            }
        }
        // Whoever worked this home may be gone: then it is ours.
        if matches!(lock, Some(Taken::Held(_))) {
            lock = app.lock()?;
        }
    };
    let is_ours = !matches!(lock, Some(Taken::Held(_)));
    if let Answer::Refused { code, message, hint } = answer {
        return Err(Failure::input(&code, message).hint(hint));
    }
    Ok(Done { answer, lock, is_ours })
}

/// An answer to something else than was asked.
pub(super) fn unexpected() -> Failure {
    Failure::fault("answer", "the request was answered as another one")
        .hint("`tallybook runs` shows how they stand")
}
