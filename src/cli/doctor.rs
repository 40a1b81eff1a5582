//! `doctor`: look for what would keep a run from working.

use crate::app::App;
use crate::cli::wording;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output};
use clap::builder::PossibleValuesParser;
use operations::health::doctor::{self, DoctorOptions};
use operations::health::findings::{Check, Finding};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Exit code 3 if no run was closed in this time, for example 26h or 2d: a night that did not happen is noticed
    #[arg(long, value_name = "TIME", value_parser = span)]
    since: Option<chrono::Duration>,
    /// Look at nothing but these, and end by what they say: `--only last-run --since 26h` ends with 3 for a missing night
    /// and for nothing else
    #[arg(long, value_name = "CHECK", value_delimiter = ',', requires_if("last-run", "since"))]
    #[arg(value_parser = PossibleValuesParser::new(Check::names()))]
    only: Vec<String>,
}

/// `26h`, `90m`, `2d`.
fn span(text: &str) -> Result<chrono::Duration, String> {
    let wrong = || format!("`{text}` is not a time such as 26h, 90m or 2d");
    let (unit, number) =
        text.char_indices().last().map(|(at, unit)| (unit, &text[..at])).ok_or_else(wrong)?;
    let number = number.parse::<u16>().map(i64::from).map_err(|_| wrong())?;
    match unit {
        'm' => Ok(chrono::Duration::minutes(number)),
        'h' => Ok(chrono::Duration::hours(number)),
        'd' => Ok(chrono::Duration::days(number)),
        _ => Err(wrong()),
    }
}

/// Exit code 2 if anything would keep a run from working, 3 if something waits for a person or will keep a payer from a
/// right invoice; with `--only` of what is named there.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    let home = &app.home;
    let look = DoctorOptions {
        since: args.since,
        secret_files: vec![home.settings(), home.database(), home.root.join("sandbox-payments.ndjson")],
        mail_transport: config.text("mail.transport").to_owned(),
        only: args.only.iter().filter_map(|name| Check::parse(name)).collect(),
    };
    let found = doctor::look(&app.ctx, &look).await?;
    if output.is_json() {
        output.document(&found);
    } else {
        let rows = found.findings.iter().map(|f| vec![word(f).to_owned(), f.what.to_owned(), told(f)]);
        output.table(&[Column::Left(""), Column::Left("what"), Column::Left("found")], rows.collect());
    }
    Ok(match (found.ok, found.is_fault()) {
        (true, _) => Exit::Done,
        (false, true) => Exit::Fault,
        (false, false) => Exit::SetAside,
    })
}

fn word(finding: &Finding) -> &'static str {
    match (finding.ok, &finding.warning) {
        (true, _) => "ok",
        (false, Some(_)) => "look",
        (false, None) => "BAD",
    }
}

fn told(finding: &Finding) -> String {
    match &finding.way_out {
        Some(way_out) => format!("{}: {}", finding.found, wording::way_out(way_out)),
        None => finding.found.clone(),
    }
}
