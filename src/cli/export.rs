//! `export ledger`: the ledger for the accountant.

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::out_file;
use crate::output::{Output, grouped};
use clap::Subcommand;
use domain::NaiveDate;
use domain::refusal::{Code, Refusal, Verb};
use operations::ledger::export::{self, MadeExport, NothingNew, Range};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Sealed ledger entries
    Ledger {
        /// csv, hledger, ledger, beancount, datev, saft, sie, economic, xero or quickbooks
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
        let instead = Verb::ExportLedger.plain().with("format", "hledger");
        Refusal::new(Code::UnknownFormat, e.to_string()).ask(instead)
    })?;
    let app = App::open_existing(config).await?;
    app.catalogue().await?;
    let range = match (next, from, to) {
        (true, ..) => Range::Next,
        (false, None, None) => Range::All,
        (false, from, to) => Range::Dates { from, to },
    };
    let Some(made) = export::export(&app.ctx, format, range).await? else {
        if output.is_json() {
            output.document(&NothingNew::default());
        } else {
            output.say("nothing new: every sealed entry is in a marked export already");
        }
        return Ok(Exit::Done);
    };
    let is_told = out.as_deref().is_none_or(out_file::is_stdout) && made.path.is_none();
    if made.files.len() > 1 && is_told {
        let message =
            format!("it is {} files: {} takes only so much in one", made.files.len(), made.manifest.format);
        return Err(Refusal::new(Code::SeveralFiles, message)
            .option("out", "FILE")
            .hint(" names them FILE-01, FILE-02 and so on")
            .into());
    }
    let out = match &out {
        Some(path) => Some(write(path, &made)?),
        None => None,
    };
    if let Some(path) = &out {
        // What went to standard output is the answer.
        if out_file::is_stdout(path) {
            return Ok(Exit::Done);
        }
    }
    let path = out.as_deref().or(made.path.as_deref());
    if output.is_json() {
        output.document(&made.view(path));
        return Ok(Exit::Done);
    }
    match path {
        Some(path) => {
            output.say(&format!("{} entries in {}", grouped(made.manifest.entries), path.display()))
        }
        None => output.bytes(&made.bytes()),
    }
    Ok(Exit::Done)
}

/// Writes it to the place that was named, or beside it under names with numbers; the first name.
fn write(path: &Path, made: &MadeExport) -> Result<PathBuf, Failure> {
    if let [one] = made.files.as_slice() {
        out_file::write(path, one)?;
        return Ok(path.to_owned());
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (stem, extension) = name.split_once('.').unwrap_or((&name, "csv"));
    let mut first = None;
    for (name, bytes) in made.named(stem, extension) {
        let part = path.with_file_name(name);
        out_file::write(&part, bytes)?;
        first.get_or_insert(part);
    }
    Ok(first.unwrap_or_else(|| path.to_owned()))
}
