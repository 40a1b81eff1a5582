//! `export ledger`: the ledger for the accountant.

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::out_file;
use crate::output::{Output, grouped};
use clap::Subcommand;
use domain::NaiveDate;
use operations::ledger::export::{self, Range};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Sealed ledger entries
    Ledger {
        /// csv, hledger, ledger or beancount
        #[arg(long, default_value = "csv")]
        format: String,
        /// Posting dates from this day
        #[arg(long, value_name = "DATE")]
        from: Option<NaiveDate>,
        /// Posting dates up to and with this day
        #[arg(long, value_name = "DATE")]
        to: Option<NaiveDate>,
        /// What no marked export holds yet; marks it, and puts it into exports/
        #[arg(long, conflicts_with_all = ["from", "to"])]
        next: bool,
        /// Write to this file; `-` is standard output, and so is no name
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// Seals what is unsealed first, so the export is whole.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let What::Ledger { format, from, to, next, out } = args.what;
    let format: ledger::Format = format.parse().map_err(|e: ledger::UnknownFormat| {
        Failure::input("unknown_format", e.to_string()).hint("tallybook export ledger --format hledger")
    })?;
    if let (Some(from), Some(to)) = (from, to)
        && to < from
    {
        return Err(Failure::input("dates", format!("--to {to} lies before --from {from}"))
            .hint("both days are included"));
    }
    let app = App::open_existing(config).await?;
    app.catalogue().await?;
    let range = match (next, from, to) {
        (true, ..) => Range::Next,
        (false, None, None) => Range::All,
        (false, from, to) => Range::Dates { from, to },
    };
    let Some(made) = export::export(&app.ctx, format, range).await? else {
        if output.is_json() {
            output.document(&serde_json::json!({"entries": 0, "path": null}));
        } else {
            output.say("nothing new: every sealed entry is in a marked export already");
        }
        return Ok(Exit::Done);
    };
    let path = match (&out, &made.path) {
        (Some(path), _) => {
            out_file::write(path, &made.bytes)?;
            // What went to standard output is the answer.
            if out_file::is_stdout(path) {
                return Ok(Exit::Done);
            }
            Some(path.clone())
        }
        (None, path) => path.clone(),
    };
    if output.is_json() {
        let mut document = serde_json::to_value(&made.manifest).unwrap_or_default();
        document["path"] = serde_json::json!(path);
        if path.is_none() {
            document["content"] = serde_json::json!(String::from_utf8_lossy(&made.bytes));
        }
        output.document(&document);
        return Ok(Exit::Done);
    }
    match path {
        Some(path) => {
            output.say(&format!("{} entries in {}", grouped(made.manifest.entries), path.display()))
        }
        None => output.bytes(&made.bytes),
    }
    Ok(Exit::Done)
}
