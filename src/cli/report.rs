//! `report`: what the books say, from sealed entries.

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::out_file::Pieces;
use crate::output::{self, Output, grouped, grouped_text};
use clap::ValueEnum;
use domain::NaiveDate;
use domain::refusal::{Code, Refusal, Verb};
use domain::report::{Agreement, Cell, MonthRange, Name, ReportHead, Sheet};
use ledger::sheet::{CsvSheet, JsonSheet, PageSheet};
use operations::reports::{self, Ask};
use std::io;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// vat, oss, sales-list, aging, statement, trial-balance, customer-ledger, clearing, revenue, deferred, mrr or unbilled
    #[arg(value_name = "REPORT")]
    name: String,
    /// Month, quarter or year: 2026-01, 2026-Q1, 2026; the month before today's unless given
    #[arg(long, value_name = "PERIOD")]
    period: Option<String>,
    /// Aging and unbilled: at the end of this day; today, or the period's last day, unless given
    #[arg(long, value_name = "DATE")]
    as_of: Option<NaiveDate>,
    /// Statement and customer ledger: this payer, by account number
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Aging: document by document
    #[arg(long)]
    detail: bool,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Write to this file; `-` is standard output, and so is no name
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Csv,
    Json,
    Html,
}

/// Exit code 3 if the report and the ledger do not agree, or something is in no box of a return.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let name = Name::parse(&args.name).ok_or_else(|| unknown(&args.name))?;
    let app = App::open_existing(config).await?;
    let today = app.today().await?;
    let span = match &args.period {
        Some(text) => text.parse().map_err(|fault: domain::report::SpanFault| {
            let instead = Verb::Report.on(name.word()).with("period", MonthRange::month_before(today));
            Refusal::new(Code::Dates, fault.to_string()).ask(instead)
        })?,
        None => MonthRange::month_before(today),
    };
    let as_of = args.as_of.or((args.period.is_none() && name == Name::Aging).then_some(today));
    let ask = Ask { name, span, as_of, account: args.account, detail: args.detail };
    let format = if output.is_json() { Format::Json } else { args.format };
    let mut out = Pieces::begin(args.out.as_deref())?;
    let ok = match format {
        Format::Csv => reports::report(&app.ctx, &ask, &mut CsvSheet(&mut out)).await?,
        Format::Json => reports::report(&app.ctx, &ask, &mut JsonSheet::new(&mut out)).await?,
        Format::Html => reports::report(&app.ctx, &ask, &mut PageSheet::new(&mut out)).await?,
        Format::Table => {
            let mut table = Table { out: &mut out, output: *output, head: None, rows: Vec::new() };
            reports::report(&app.ctx, &ask, &mut table).await?
        }
    };
    out.finish()?;
    if !ok && format != Format::Table {
        output.say("the report and the ledger do not agree, or something is in no box: the last lines of --format table say what");
    }
    Ok(if ok { Exit::Done } else { Exit::SetAside })
}

fn unknown(word: &str) -> Refusal {
    let names: Vec<&str> = Name::ALL.iter().map(|name| name.word()).collect();
    Refusal::new(Code::UnknownReport, format!("`{word}` is not a report: {}", names.join(", ")))
        .ask(Verb::Report.on("vat"))
}

/// Rows shown together: each table of a long report has its own widths.
const ROWS: usize = 1_000;

/// Rows for people.
struct Table<'a> {
    out: &'a mut Pieces,
    output: Output,
    head: Option<ReportHead>,
    rows: Vec<Vec<String>>,
}

impl Table<'_> {
    fn show(&mut self) -> io::Result<()> {
        let rows = std::mem::take(&mut self.rows);
        let Some(head) = self.head.as_ref().filter(|_| !rows.is_empty()) else { return Ok(()) };
        let column = |c: &domain::report::Column| match c.is_number {
            true => output::Column::Right(c.title),
            false => output::Column::Left(c.title),
        };
        let columns: Vec<output::Column> = head.columns.iter().map(column).collect();
        let text = output::tabled(&columns, rows, matches!(self.out, Pieces::Stdout));
        io::Write::write_all(self.out, format!("{text}\n").as_bytes())
    }
}

fn told(cell: &Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => text.clone(),
        Cell::Day(day) => day.to_string(),
        Cell::Count(count) => grouped(*count),
        Cell::Percent(rate) => format!("{} %", rate.normalize()),
        Cell::Amount(total) => output::total(total),
    }
}

impl Sheet for Table<'_> {
    fn begin(&mut self, head: &ReportHead) -> io::Result<()> {
        self.output.say(&format!("{}, {}: {}", head.tenant, head.title, head.period));
        self.head = Some(head.clone());
        Ok(())
    }

    fn row(&mut self, cells: &[Cell]) -> io::Result<()> {
        self.rows.push(cells.iter().map(told).collect());
        if self.rows.len() < ROWS { Ok(()) } else { self.show() }
    }

    fn end(&mut self, agreements: &[Agreement]) -> io::Result<()> {
        self.show()?;
        for agreement in agreements {
            let word = if agreement.ok { "agrees" } else { "DIFFERS" };
            let told = match agreement.ok {
                true => grouped_text(&agreement.ledger),
                false => {
                    let [report, ledger] =
                        [&agreement.report, &agreement.ledger].map(|sum| grouped_text(sum));
                    format!("{report} in the report, {ledger} in the ledger")
                }
            };
            self.output.say(&format!("{word}: {}: {told}", agreement.name));
        }
        Ok(())
    }
}
