//! The verbs of runs. Each is written down as a request; this process does it if the home is free, else the worker that
//! works the home, and the answer is read back.

use crate::app::App;
use crate::drive;
use crate::failure::{Exit, Failure};
use crate::output::{Output, grouped};
use operations::Actor;
use operations::delivery::open::State;
use operations::home::lock::LockOutcome;
use operations::runs::requests::{self, Answer, RequestHandle, Verb};
use operations::runs::show::{self, RunShown};
use std::time::Duration;

/// How often the answer is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// Approves, reruns or releases, then follows the run to its end.
pub(super) async fn go_on(app: &App, name: &str, verb: &Verb, output: &Output) -> Result<Exit, Failure> {
    let done = ask(app, name, verb, output).await?;
    let Answer::GoesOn { payers } = done.answer else { return Err(unexpected()) };
    if payers > 0 {
        let ended = drive::finish(app, done.asked.run, done.is_ours, output).await?;
        drop(done.lock);
        return Ok(crate::cli::run::answer(&ended, output));
    }
    drop(done.lock);
    let shown = show::show(&app.ctx, name).await?;
    output.say(&nothing_failed(done.asked.ordinal, &shown));
    super::show::answer(&shown, output);
    Ok(if shown.is_set_aside() { Exit::SetAside } else { Exit::Done })
}

/// A rerun bills; what has only not been mailed is sent by another command.
fn nothing_failed(run: u64, shown: &RunShown) -> String {
    let undelivered = shown.mails().count();
    if undelivered == 0 {
        return format!("nothing failed in run {run}; who is parked is let through by name");
    }
    let count = grouped(u64::try_from(undelivered).unwrap_or(u64::MAX));
    let typed = match shown.mails().any(|mail| mail.state == State::Refused) {
        true => "`tallybook mails send --refused`",
        false => "`tallybook mails send`",
    };
    format!(
        "nothing is to be billed again in run {run}: {count} mail(s) have not gone out, and {typed} sends them"
    )
}

/// Drops what a run has not booked.
pub(super) async fn cancel(app: &App, name: &str, output: &Output) -> Result<Exit, Failure> {
    let done = ask(app, name, &Verb::Cancel, output).await?;
    let cancelled = requests::CancelledView::of(done.asked.ordinal, &done.answer).ok_or_else(unexpected)?;
    let (run, drafts, booked) = (cancelled.run, cancelled.drafts, cancelled.booked);
    if output.is_json() {
        output.document(&cancelled);
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
    pub asked: RequestHandle,
    pub answer: Answer,
    pub lock: Option<LockOutcome>,
    /// Whether this process works the home from here on.
    pub is_ours: bool,
}

/// Asks, and waits for the answer; a refusal is one here.
pub(super) async fn ask(app: &App, name: &str, verb: &Verb, output: &Output) -> Result<Done, Failure> {
    let mut lock = app.lock()?;
    if let Some(LockOutcome::Held(holder)) = &lock {
        output.say(&format!("{holder} works this home: it is asked to do it"));
    }
    let actor = Actor::Person(crate::cli::operator());
    let asked = requests::ask(&app.ctx, &actor, name, verb).await?;
    let mut interrupt = std::pin::pin!(drive::interrupted());
    let answer = loop {
        if !matches!(lock, Some(LockOutcome::Held(_))) {
            requests::work_open(&app.ctx).await?;
        }
        if let Some(answer) = requests::answer(&app.ctx, asked).await? {
            break answer;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = &mut interrupt => {
                return Err(Failure::fault("interrupted", "it is asked for, and will be done by whoever works the home")
                    .hint(format!("watch it with `tallybook runs show {}`", asked.ordinal)));
            }
        }
        // Whoever worked this home may be gone: then it is ours.
        if matches!(lock, Some(LockOutcome::Held(_))) {
            lock = app.lock()?;
        }
    };
    let is_ours = !matches!(lock, Some(LockOutcome::Held(_)));
    Ok(Done { asked, answer, lock, is_ours })
}

/// An answer to something else than was asked.
pub(super) fn unexpected() -> Failure {
    Failure::fault("answer", "the request was answered as another one")
        .hint("`tallybook runs` shows how they stand")
}
