//! `runs`: list and operate runs.

mod operate;
mod report;
mod reverse;
mod show;

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, amount, grouped};
use clap::Subcommand;
use domain::NaiveDate;
use operations::runs::requests;
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
        /// Only show, in numbers, what would be done and what cannot be undone
        #[arg(long)]
        preview: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// What the run billed is due again: the next run bills it anew
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
            report::run(&app, &find(&app, &run).await?, &format, out.as_deref(), output).await
        }
        Some(Verb::Reverse { run, preview, yes, rebill, mail, as_of }) => {
            let asked = reverse::Asked { preview, yes, rebill, mail, as_of };
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
    let mut tx = app.store.read().await?;
    let mut summaries = Vec::new();
    for run in run::newest(&mut tx, 100).await? {
        summaries.push(match output.is_json() {
            true => run::summary(&mut tx, &run).await?,
            false => run::head(&mut tx, &run).await?,
        });
    }
    if output.is_json() {
        let rows: Vec<_> =
            summaries.iter().map(|s| crate::cli::run::json(s, crate::cli::run::Kind::Posted)).collect();
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
pub(crate) async fn find(app: &App, name: &str) -> Result<Run, Failure> {
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
