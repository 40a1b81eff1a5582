//! `books`: accounting periods.

use crate::app::App;
use crate::cli;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, grouped};
use clap::Subcommand;
use domain::refusal::{Code, Refusal, Verb};
use domain::report::MonthRange;
use operations::periods::{self, PeriodView, close, recognize};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Close a month for good: recognised, sealed, compared, exported; nothing posts into it any more
    Close {
        /// 2026-01
        #[arg(value_name = "MONTH")]
        period: String,
        /// Format of the month's file in exports/: see `export ledger`
        #[arg(long, default_value = "csv")]
        format: String,
    },
    /// Recognise deferred revenue up to and with a month; runs and the timetable do it too
    Recognize {
        /// 2026-01
        #[arg(value_name = "MONTH")]
        period: String,
    },
}

/// Lists the closed months, closes one, or recognises revenue.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    match args.what {
        None => list(&app, output).await?,
        Some(What::Close { period, format }) => {
            let month = month(&period, Verb::ClosePeriod, &app).await?;
            let format: ledger::Format = format.parse().map_err(|fault: ledger::UnknownFormat| {
                let instead = Verb::ClosePeriod.on(month).with("format", "csv");
                Refusal::new(Code::UnknownFormat, fault.to_string()).ask(instead)
            })?;
            let closed = close::close(&app.ctx, &cli::act(&app, None).await?, month, format).await?;
            if output.is_json() {
                output.document(&closed);
            } else {
                let (entries, file) = (grouped(closed.entries), &closed.file);
                output.line(&format!("{} is closed: {entries} entries in {file}", closed.period));
            }
        }
        Some(What::Recognize { period }) => {
            let month = month(&period, Verb::RecognizePeriod, &app).await?;
            let done = recognize::recognize(&app.ctx, month).await?;
            if output.is_json() {
                output.document(&done);
            } else {
                output.line(&format!("{}: {} entries of recognition", done.period, grouped(done.entries)));
            }
        }
    }
    Ok(Exit::Done)
}

async fn month(text: &str, verb: Verb, app: &App) -> Result<MonthRange, Failure> {
    let today = app.today().await?;
    Ok(text.parse().map_err(|fault: domain::report::SpanFault| {
        Refusal::new(Code::Dates, fault.to_string()).ask(verb.on(MonthRange::month_before(today)))
    })?)
}

async fn list(app: &App, output: &Output) -> Result<(), Failure> {
    let books = periods::list(&app.ctx).await?;
    if output.is_json() {
        output.document(&books);
        return Ok(());
    }
    let columns = [
        Column::Left("period"),
        Column::Right("entries"),
        Column::Right("sealed up to"),
        Column::Left("file"),
        Column::Left("closed"),
        Column::Left("by"),
    ];
    let row = |period: &PeriodView| {
        vec![
            period.period.clone(),
            grouped(period.entries),
            grouped(period.last_sequence),
            period.file.clone(),
            period.closed_at.format("%Y-%m-%d %H:%M").to_string(),
            period.closed_by.clone(),
        ]
    };
    output.table(&columns, books.periods.iter().map(row).collect());
    match books.open_from {
        Some(day) => output.say(&format!("what comes now is posted on {day} or later")),
        None => output.say("no month is closed"),
    }
    if let Some(day) = books.recognized_until {
        output.say(&format!("deferred revenue is recognised before {day}"));
    }
    Ok(())
}
