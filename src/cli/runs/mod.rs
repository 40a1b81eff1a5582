//! `runs`: list and operate runs.

mod operate;
mod report;
mod reverse;
mod show;

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, grouped, total};
use clap::Subcommand;
use domain::NaiveDate;
use operations::runs::find::{self, RunRef};
use operations::runs::list::{self, Detail};
use operations::runs::requests;
use std::path::PathBuf;

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
        /// Only these payers; their drafts book whatever their autobill says, and the others go on waiting
        #[arg(long = "customer", value_name = "ACCOUNT")]
        customers: Vec<String>,
    },
    /// Let parked payers through the bounds, by name, and bill them at once
    Release {
        run: String,
        #[arg(long = "customer", value_name = "ACCOUNT", required = true)]
        customers: Vec<String>,
    },
    /// Bill again what failed, after its cause is fixed
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
        /// Only show, in numbers, what would be done and what cannot be undone
        #[arg(long)]
        preview: bool,
        /// Do not ask
        #[arg(long, conflicts_with = "preview")]
        yes: bool,
        /// What the run billed is due again: the next run bills it again
        #[arg(long)]
        rebill: bool,
        /// Mail the credit notes to the payers
        #[arg(long)]
        mail: bool,
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
        Some(Verb::Show { run }) => show::run(&app, &run, output).await,
        Some(Verb::Report { run, format, out }) => {
            report::run(&app, &run, &format, out.as_deref(), output).await
        }
        Some(Verb::Reverse { run, preview, yes, rebill, mail, as_of }) => {
            let asked = reverse::ReverseArgs { preview, yes, rebill, mail, as_of };
            reverse::run(&app, &run, &asked, output).await
        }
        Some(Verb::Approve { run, customers }) => {
            operate::go_on(&app, &run, &requests::Verb::Approve { accounts: customers }, output).await
        }
        Some(Verb::Release { run, customers }) => {
            operate::go_on(&app, &run, &requests::Verb::Release { accounts: customers }, output).await
        }
        Some(Verb::Rerun { run, failed: _ }) => {
            operate::go_on(&app, &run, &requests::Verb::Rerun, output).await
        }
        Some(Verb::Cancel { run }) => operate::cancel(&app, &run, output).await,
    }
}

async fn list(app: &App, output: &Output) -> Result<Exit, Failure> {
    let detail = if output.is_json() { Detail::Whole } else { Detail::Heads };
    let runs = list::list(&app.ctx, detail).await?;
    if output.is_json() {
        output.document(&runs);
        return Ok(Exit::Done);
    }
    let rows = runs
        .iter()
        .map(|run| {
            let gross: Vec<String> =
                run.totals.iter().map(|t| format!("{} {}", total(&t.gross), t.currency)).collect();
            vec![
                run.run.map_or_else(String::new, |ordinal| ordinal.to_string()),
                run.as_of.to_string(),
                run.scope.clone(),
                run.state.name().to_owned(),
                grouped(run.payers),
                grouped(run.invoiced),
                grouped(run.failed + run.parked),
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
    if runs.is_empty() {
        output.say("no run yet; next: `tallybook run --preview`");
    }
    Ok(Exit::Done)
}

/// The run of this number.
pub(crate) async fn find(app: &App, name: &str) -> Result<RunRef, Failure> {
    Ok(find::by_number(&app.ctx, name).await?)
}
