//! `runs show`: one run, its steps, its attempts, and who was set aside and why.

use crate::app::App;
use crate::cli::mails;
use crate::cli::run::{Kind, exit_of};
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output};
use domain::run::ItemState;
use operations::delivery::open::{self, Filter};
use serde_json::{Value, json};
use store::run::attempts::{self, RunAttempt};
use store::run::{self, RunItem};
use store::slice::{self, OpenSlice};

/// Ends with the exit code that the run ended with.
pub(super) async fn run(app: &App, name: &str, output: &Output) -> Result<Exit, Failure> {
    let found = super::find(app, name).await?;
    let mut tx = app.store.read().await?;
    let summary = run::summary(&mut tx, &found).await?;
    let items = run::items(&mut tx, found.id, None).await?;
    let steps = slice::progress(&mut tx, found.id).await?;
    let open = slice::open(&mut tx, found.id).await?;
    let attempts = attempts::all(&mut tx, found.id).await?;
    let undelivered = open::list(&app.ctx, &Filter { run: Some(found.id), ..Filter::default() }).await?;
    drop(tx);
    let told: Vec<&RunItem> = items
        .iter()
        .filter(|i| matches!(i.state, ItemState::Failed | ItemState::Parked) || i.reason.is_some())
        .collect();
    if output.is_json() {
        let mut document = crate::cli::run::json(&summary, Kind::Posted);
        document["steps"] = steps
            .iter()
            .map(|(step, open, done)| json!({"step": step, "open": open, "done": done}))
            .collect();
        document["aside"] = told
            .iter()
            .map(|i| json!({"account": i.account_number, "state": i.state, "reason": i.reason, "attempts": i.attempts}))
            .collect();
        document["aside"].as_array_mut().into_iter().for_each(|aside| {
            aside.extend(undelivered.iter().map(|mail| json!(mail)));
        });
        document["attempts"] = attempts.iter().map(attempt).collect();
        document["errors"] = open.iter().filter_map(|s| s.error.clone()).collect();
        output.document(&document);
        return Ok(exit_of(&summary));
    }
    crate::cli::run::people(&summary, Kind::Posted, output);
    let rows = steps
        .iter()
        .map(|(s, open, done)| vec![s.name().to_owned(), done.to_string(), open.to_string()])
        .collect();
    output.table(&[Column::Left("step"), Column::Right("done"), Column::Right("open")], rows);
    aside(&told, &attempts, output);
    mails::table(&undelivered, output);
    mails::hint(&undelivered, output);
    errors(&open, output);
    if items.iter().any(|i| i.state == ItemState::Failed) {
        let run = summary.ordinal;
        output.say(&format!("hint: mend the cause, then `tallybook runs rerun {run} --failed`"));
    }
    Ok(exit_of(&summary))
}

fn attempt(attempt: &RunAttempt) -> Value {
    let before = attempt.items.iter();
    json!({
        "attempt": attempt.attempt, "kind": attempt.kind, "actor": attempt.actor, "at": attempt.asked_at,
        "hash": attempt.hash, "usage": attempt.usage,
        "before": before.map(|i| json!({"account": i.account_number, "state": i.state, "reason": i.reason})).collect::<Vec<_>>(),
    })
}

/// Who is set aside now, and what the run had said before it was tried again.
fn aside(told: &[&RunItem], attempts: &[RunAttempt], output: &Output) {
    let now = told.iter().map(|i| {
        vec![i.account_number.clone(), i.state.name().to_owned(), i.reason.clone().unwrap_or_default()]
    });
    output.table(&[Column::Left("account"), Column::Left("state"), Column::Left("reason")], now.collect());
    let before = attempts.iter().flat_map(|a| {
        a.items.iter().map(|i| {
            let (state, reason) = (i.state.name().to_owned(), i.reason.clone().unwrap_or_default());
            vec![a.attempt.to_string(), i.account_number.clone(), state, reason]
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

fn errors(open: &[OpenSlice], output: &Output) {
    for slice in open {
        let Some(error) = &slice.error else { continue };
        output.line(&format!("error: {error}"));
    }
}
