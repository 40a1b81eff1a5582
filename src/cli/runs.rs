//! `runs`: list and operate runs.

use super::run_report;
use crate::app::App;
use crate::config::Config;
use crate::drive;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, amount, grouped};
use clap::Subcommand;
use domain::NaiveDate;
use domain::run::{ItemState, RunState};
use jobs::home_lock::Taken;
use jobs::review::NotCancelled;
use std::path::PathBuf;
use store::run::{self, Run};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// One run: totals, steps, what was set aside and why
    Show { run: String },
    /// Book the drafts of a run that waits for review
    Approve {
        run: String,
        /// Only these payers; their drafts book whatever their autobill says
        #[arg(long = "customer", value_name = "ACCOUNT")]
        customers: Vec<String>,
    },
    /// Bill again what failed, after its cause is mended
    Rerun {
        run: String,
        /// The payers that failed
        #[arg(long, required = true)]
        failed: bool,
    },
    /// Drop a run before it is booked; its periods are due again
    Cancel { run: String },
    /// Credit every invoice of a closed run; what was credited already is left alone
    Reverse {
        run: String,
        /// What the run billed is due again: the next run bills it anew
        #[arg(long)]
        rebill: bool,
        /// Date of the credit notes (default: today, tenant-local)
        #[arg(long, value_name = "DATE")]
        as_of: Option<NaiveDate>,
    },
    /// The run's reconciliation: usage, invoices, documents, mails, payments, ledger
    Report {
        run: String,
        /// table, json or html
        #[arg(long, default_value = "table", value_parser = ["table", "json", "html"])]
        format: String,
        /// Write the page here instead of to stdout
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// Lists without a verb.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    match args.verb {
        None => list(&app, output).await,
        Some(Verb::Show { run }) => show(&app, &run, output).await,
        Some(Verb::Report { run, format, out }) => {
            run_report::run(&app, &find(&app, &run).await?, &format, out.as_deref(), output).await
        }
        Some(Verb::Reverse { run, rebill, as_of }) => reverse(&app, &run, rebill, as_of, output).await,
        Some(Verb::Approve { run, customers }) => approve(&app, &run, &customers, output).await,
        Some(Verb::Rerun { run, failed: _ }) => rerun(&app, &run, output).await,
        Some(Verb::Cancel { run }) => cancel(&app, &run, output).await,
    }
}

async fn list(app: &App, output: &Output) -> Result<Exit, Failure> {
    let mut tx = app.store.read().await?;
    let mut summaries = Vec::new();
    for run in run::newest(&mut tx, 100).await? {
        summaries.push(run::summary(&mut tx, &run).await?);
    }
    if output.is_json() {
        let rows: Vec<_> = summaries.iter().map(|s| super::run::json(s, super::run::Kind::Posted)).collect();
        output.document(&rows);
        return Ok(Exit::Done);
    }
    let rows = summaries
        .iter()
        .map(|s| {
            let gross: Vec<String> = s
                .totals
                .iter()
                .map(|t| format!("{} {}", amount(t.net_minor + t.vat_minor, t.currency), t.currency))
                .collect();
            vec![
                s.ordinal.to_string(),
                s.as_of.to_string(),
                s.scope.key(),
                s.state.name().to_owned(),
                grouped(s.payers),
                grouped(s.invoiced),
                grouped(s.failed + s.parked),
                gross.join("\n"),
            ]
        })
        .collect();
    let columns = [
        Column::Right("run"),
        Column::Left("as of"),
        Column::Left("scope"),
        Column::Left("state"),
        Column::Right("payers"),
        Column::Right("invoices"),
        Column::Right("aside"),
        Column::Right("gross"),
    ];
    output.table(&columns, rows);
    if summaries.is_empty() {
        output.say("no run yet; next: `tallybook run --preview`");
    }
    Ok(Exit::Done)
}

/// The run of this ordinal.
pub(super) async fn find(app: &App, name: &str) -> Result<Run, Failure> {
    let mut tx = app.store.read().await?;
    let ordinal = name.trim_start_matches("run_").parse::<u64>().ok();
    let found = match ordinal {
        Some(ordinal) => run::by_ordinal(&mut tx, ordinal).await?,
        None => None,
    };
    found.ok_or_else(|| {
        Failure::input("unknown_run", format!("there is no run {name}"))
            .hint("`tallybook runs` lists them by number")
    })
}

async fn show(app: &App, name: &str, output: &Output) -> Result<Exit, Failure> {
    let found = find(app, name).await?;
    let mut tx = app.store.read().await?;
    let summary = run::summary(&mut tx, &found).await?;
    let items = run::items(&mut tx, found.id, None).await?;
    let steps = store::slice::progress(&mut tx, found.id).await?;
    let open = store::slice::open(&mut tx, found.id).await?;
    let undelivered = super::mails::of_run(&mut tx, found.id).await?;
    let aside: Vec<_> = items
        .iter()
        .filter(|i| matches!(i.state, ItemState::Failed | ItemState::Parked) || i.reason.is_some())
        .collect();
    if output.is_json() {
        let mut document = super::run::json(&summary, super::run::Kind::Posted);
        document["steps"] = steps
            .iter()
            .map(|(step, open, done)| serde_json::json!({"step": step, "open": open, "done": done}))
            .collect();
        document["aside"] = aside
            .iter()
            .map(|i| serde_json::json!({"account": i.account_number, "state": i.state, "reason": i.reason, "attempts": i.attempts}))
            .collect();
        document["aside"].as_array_mut().into_iter().for_each(|aside| {
            aside.extend(undelivered.iter().map(super::mails::json));
        });
        document["errors"] = open.iter().filter_map(|s| s.error.clone()).collect();
        output.document(&document);
        return Ok(Exit::Done);
    }
    super::run::answer(&summary, super::run::Kind::Posted, output);
    let rows = steps
        .iter()
        .map(|(s, open, done)| vec![s.name().to_owned(), done.to_string(), open.to_string()])
        .collect();
    output.table(&[Column::Left("step"), Column::Right("done"), Column::Right("open")], rows);
    let rows = aside
        .iter()
        .map(|i| {
            vec![i.account_number.clone(), i.state.name().to_owned(), i.reason.clone().unwrap_or_default()]
        })
        .collect();
    output.table(&[Column::Left("account"), Column::Left("state"), Column::Left("reason")], rows);
    super::mails::table(&undelivered, output);
    super::mails::hint(&undelivered, output);
    for error in open.iter().filter_map(|s| s.error.as_ref()) {
        output.line(&format!("error: {error}"));
    }
    if !aside.is_empty() {
        output
            .say(&format!("hint: mend the cause, then `tallybook runs rerun {} --failed`", summary.ordinal));
    }
    Ok(Exit::Done)
}

const APPROVABLE: &str = "only a run that waits for review can be approved";

async fn approve(app: &App, name: &str, customers: &[String], output: &Output) -> Result<Exit, Failure> {
    let found = find(app, name).await?;
    expect_state(&found, RunState::Review, "approved", APPROVABLE)?;
    let lock = worker(app)?;
    let approved = jobs::review::approve(&app.ctx, &found, customers, &super::operator()).await?;
    approved.map_err(|state| wrong_state(&found, state, "approved", APPROVABLE))?;
    go_on(app, &found, lock, output).await
}

async fn rerun(app: &App, name: &str, output: &Output) -> Result<Exit, Failure> {
    let found = find(app, name).await?;
    expect_state(&found, RunState::Closed, "rerun", "it is not closed yet: `tallybook run` goes on with it")?;
    let lock = worker(app)?;
    let reopened = jobs::review::rerun_failed(&app.ctx, &found, &super::operator()).await?;
    if reopened == 0 {
        output.say(&format!("nothing failed in run {}", found.ordinal));
        return show(app, name, output).await;
    }
    go_on(app, &found, lock, output).await
}

async fn cancel(app: &App, name: &str, output: &Output) -> Result<Exit, Failure> {
    let found = find(app, name).await?;
    if !matches!(found.state, RunState::Open | RunState::Review) {
        return Err(not_cancelled(&found, NotCancelled::Over(found.state)));
    }
    let lock = worker(app)?;
    let dropped = jobs::review::cancel(&app.ctx, &found, &super::operator()).await?;
    let dropped = dropped.map_err(|why| not_cancelled(&found, why))?;
    drop(lock);
    if output.is_json() {
        output.document(&serde_json::json!({"run": found.ordinal, "state": "cancelled", "drafts": dropped}));
    } else {
        output.line(&format!(
            "run {} is cancelled; {dropped} draft(s) were dropped and their periods are due again",
            found.ordinal
        ));
    }
    Ok(Exit::Done)
}

fn not_cancelled(run: &Run, why: NotCancelled) -> Failure {
    match why {
        NotCancelled::Over(state) => {
            Failure::input("not_cancellable", format!("run {} is {}", run.ordinal, state.name()))
                .hint("what is booked is answered by credit notes: `tallybook invoices credit N`")
        }
        NotCancelled::Booked(booked) => {
            Failure::input("booked", format!("run {} has booked {booked} invoice(s) already", run.ordinal))
                .hint("let it finish with `tallybook run`, then credit what is wrong")
        }
    }
}

async fn reverse(
    app: &App,
    name: &str,
    rebill: bool,
    as_of: Option<NaiveDate>,
    output: &Output,
) -> Result<Exit, Failure> {
    let found = find(app, name).await?;
    expect_state(&found, RunState::Closed, "reversed", "let it finish with `tallybook run`, or cancel it")?;
    let on = match as_of {
        Some(day) => day,
        None => app.today().await?,
    };
    let lock = worker(app)?;
    let asked = jobs::by_hand::Asked { on, actor: super::operator() };
    let reversed = jobs::reverse_run::reverse(&app.ctx, &found, rebill, &asked).await?;
    jobs::seal_ledger::seal(&app.ctx).await?;
    let sent = jobs::send_invoices::send(&app.ctx, &reversed.notes).await?;
    drop(lock);
    let aside = reversed.refused.len() + sent.refused.len() + sent.nobody.len();
    if output.is_json() {
        output.document(&serde_json::json!({
            "run": found.ordinal, "creditnotes": reversed.notes.len(), "already": reversed.already,
            "leftalone": reversed.left_alone, "reopened": reversed.reopened, "mails": sent.sent,
            "refused": reversed.refused.iter().map(|(n, why)| serde_json::json!({"invoice": n, "reason": why})).collect::<Vec<_>>(),
        }));
    } else {
        output.line(&format!(
            "run {} is reversed: {} credit note(s) made, {} invoice(s) were credited before, {} had nothing to credit",
            found.ordinal,
            reversed.notes.len(),
            reversed.already,
            reversed.left_alone
        ));
        if rebill {
            output.line(&format!(
                "{} billed line(s) are due again from {on}: `tallybook run` bills them",
                reversed.reopened
            ));
        }
        for (number, why) in &reversed.refused {
            output.say(&format!("{number}: {why}"));
        }
    }
    Ok(if aside > 0 { Exit::SetAside } else { Exit::Done })
}

fn expect_state(run: &Run, state: RunState, verb: &str, why: &str) -> Result<(), Failure> {
    if run.state == state { Ok(()) } else { Err(wrong_state(run, run.state, verb, why)) }
}

fn wrong_state(run: &Run, state: RunState, verb: &str, why: &str) -> Failure {
    let message = format!("run {} is {} and cannot be {verb}: {why}", run.ordinal, state.name());
    Failure::input("wrong_state", message).hint(format!("`tallybook runs show {}`", run.ordinal))
}

/// The home's lock, if a lock is needed; somebody else's work is not disturbed.
fn worker(app: &App) -> Result<Option<Taken>, Failure> {
    match app.lock()? {
        Some(Taken::Held(holder)) => {
            Err(Failure::input("home_busy", format!("{holder} is working this home"))
                .hint("wait for it, or stop that worker, and run the same command again"))
        }
        other => Ok(other),
    }
}

async fn go_on(app: &App, run: &Run, lock: Option<Taken>, output: &Output) -> Result<Exit, Failure> {
    let summary = drive::finish(app, run.id, true, output).await?;
    drop(lock);
    Ok(super::run::answer(&summary, super::run::Kind::Posted, output))
}
