//! `runs show`: one run, its steps, its attempts, and who was set aside and why.

use crate::app::App;
use crate::cli::{ingest, mails};
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output};
use domain::run::ItemState;
use operations::delivery::open::OpenMail;
use operations::runs::show::{self, RunShown};

/// Ends with the exit code that the run ended with.
pub(super) async fn run(app: &App, name: &str, output: &Output) -> Result<Exit, Failure> {
    let shown = show::show(&app.ctx, name).await?;
    answer(&shown, output);
    Ok(if shown.is_set_aside() { Exit::SetAside } else { Exit::Done })
}

/// Prints all that is to be said of a run.
pub(super) fn answer(shown: &RunShown, output: &Output) {
    if output.is_json() {
        return output.document(shown);
    }
    crate::cli::run::figures(&shown.run, output);
    let rows =
        shown.steps.iter().map(|s| vec![s.step.name().to_owned(), s.done.to_string(), s.open.to_string()]);
    output.table(&[Column::Left("step"), Column::Right("done"), Column::Right("open")], rows.collect());
    payers(shown, output);
    mails::table(&mails_of(shown), output);
    for notice in shown.notices.iter().filter(|n| n.reason.is_some()) {
        let (channel, reason) = (notice.channel.name(), notice.reason.as_deref().unwrap_or_default());
        output.say(&format!("{channel} {}: {reason}", notice.address.as_deref().unwrap_or_default()));
    }
    for error in &shown.errors {
        output.line(&format!("error: {error}"));
    }
    ingest::say_missing(&shown.missing, output);
    hints(shown, output);
    crate::cli::run::effects(&shown.run, output);
}

/// Who is set aside now, and what the run had said before it was tried again.
fn payers(shown: &RunShown, output: &Output) {
    let now = shown.payers().map(|payer| {
        let reason = payer.reason.clone().unwrap_or_default();
        vec![payer.account.clone(), payer.state.name().to_owned(), reason]
    });
    output.table(&[Column::Left("account"), Column::Left("state"), Column::Left("reason")], now.collect());
    let before = shown.attempts.iter().flat_map(|attempt| {
        attempt.before.iter().map(|payer| {
            let (state, reason) = (payer.state.name().to_owned(), payer.reason.clone().unwrap_or_default());
            vec![attempt.attempt.to_string(), payer.account.clone(), state, reason]
        })
    });
    let columns = [
        Column::Right("before attempt"),
        Column::Left("account"),
        Column::Left("state"),
        Column::Left("reason"),
    ];
    output.table(&columns, before.collect());
}

/// What may be typed about what is set aside.
fn hints(shown: &RunShown, output: &Output) {
    let Some(run) = shown.run.run else { return };
    if let Some(parked) = shown.payers().find(|payer| payer.state == ItemState::Parked) {
        let account = &parked.account;
        output.say(&format!(
            "hint: look at it with `tallybook run --preview --customer {account}`, then `tallybook runs release {run} --customer {account}`"
        ));
    }
    if shown.payers().any(|payer| payer.state == ItemState::Failed) {
        output.say(&format!("hint: fix the cause, then `tallybook runs rerun {run} --failed`"));
    }
    mails::hint(&mails_of(shown), output);
}

fn mails_of(shown: &RunShown) -> Vec<OpenMail> {
    shown.mails().cloned().collect()
}
