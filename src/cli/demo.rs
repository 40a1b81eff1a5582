//! `demo`: on a fresh machine, without any service: a sample book, two months of usage, two runs, declines and
//! retries, an export and `verify`; then what to look at.

use crate::app::App;
use crate::config::Config;
use crate::drive;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, grouped, total};
use crate::sample;
use domain::NaiveDate;
use operations::act::Actor;
use operations::ledger::export::{self, Range};
use operations::payments::tried::TriedOutcome;
use operations::runs::list::{self, Detail};
use operations::runs::open::{NewRun, Reach};
use operations::runs::view::{RunView, State};
use operations::usage::bring_in::{self, FileView, Report};
use operations::usage::ingest::Ingested;
use serde::Serialize;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// First and last of the mornings on which what was not paid is looked after.
const DUNNED: (&str, &str) = ("2026-03-02", "2026-03-22");

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Customers of the sample
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    customers: u32,
    /// Usage events of January and February 2026
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    events: u32,
    /// Only write the sample's book and usage files into this folder
    #[arg(long, value_name = "DIR")]
    write_only: Option<PathBuf>,
}

/// Can be killed at any moment and run again: it goes on where it stopped.
pub async fn run(args: Args, config: Config, output: &Output) -> Result<Exit, Failure> {
    let (customers, events) = (size(args.customers), size(args.events));
    if let Some(folder) = &args.write_only {
        let files = write_files(folder, customers, events)?;
        output.say(&format!("wrote {} and {}", files.book.display(), files.usage.display()));
        return Ok(Exit::Done);
    }
    let app = App::open(&config).await?;
    let files = prepare(&app, customers, events)?;
    output.say(&format!("demo home: {}", app.home.root.display()));

    let started = std::time::Instant::now();
    let mut steps: Vec<(String, String)> = Vec::new();
    let opened = vec![super::load::open(&files.book)?];
    super::load::load(&app, opened).await?;
    let count = grouped(customers_i(customers));
    steps.push(("load".to_owned(), format!("a sample book: {count} customers, {count} subscriptions")));

    let ingested = ingest(&app, files.usage).await?;
    steps.push(("ingest".to_owned(), counted(&ingested)));

    let mut runs = Vec::new();
    for month in ["2026-02-01", "2026-03-01"] {
        let run = bill(&app, day(month)?, output).await?;
        steps.push((format!("run {month}"), in_words(&run)));
        runs.push(run);
    }
    steps.push((format!("dunning {}", DUNNED.1), dun(&app, DUNNED).await?));
    let journal = app.home.folder("exports").join("ledger.journal");
    steps.extend(written(&app, &journal).await?);
    let operations::ledger::verify::Verified { ok, checks } =
        operations::ledger::verify::verify(&app.ctx).await?;
    let verified: u64 = checks.iter().map(|c| c.count).sum();
    let word = if ok { "everything agrees" } else { "SOMETHING DOES NOT AGREE" };
    steps.push((
        "verify".to_owned(),
        format!("{} checks over {} facts: {word}", checks.len(), grouped(verified)),
    ));

    if output.is_json() {
        let home = &app.home.root;
        output.document(&Answer { home, files: [&ingested], runs, verify: Verified { ok, checks } });
    } else {
        let rows = steps.into_iter().map(|(step, what)| vec![step, what]).collect();
        output.table(&[Column::Left("step"), Column::Left("what happened")], rows);
        output.say(&format!("in {:.1} s", started.elapsed().as_secs_f64()));
        look_at(&app, &ingested, &journal, output);
    }
    Ok(if ok { Exit::Done } else { Exit::Fault })
}

/// What became of the lines of the usage file.
fn counted(ingested: &Ingested) -> String {
    let counts = [ingested.read, ingested.accepted, ingested.duplicate, ingested.rejected].map(grouped);
    let [read, accepted, duplicate, rejected] = counts;
    format!("{read} lines read = {accepted} accepted + {duplicate} duplicate + {rejected} rejected")
}

/// Writes the ledger for hledger; nothing if nothing is sealed.
async fn written(app: &App, journal: &Path) -> Result<Option<(String, String)>, Failure> {
    let Some(made) = export::export(&app.ctx, ledger::Format::Hledger, Range::All).await? else {
        return Ok(None);
    };
    std::fs::write(journal, made.bytes())
        .map_err(|e| Failure::fault("export", format!("cannot write {}: {e}", journal.display())))?;
    let entries = grouped(made.manifest.entries);
    Ok(Some(("export".to_owned(), format!("{entries} ledger entries, balanced and sealed"))))
}

/// What a demo did.
#[derive(Serialize)]
struct Answer<'a, Check> {
    home: &'a Path,
    files: [&'a Ingested; 1],
    runs: Vec<RunView>,
    verify: Verified<Check>,
}

#[derive(Serialize)]
struct Verified<Check> {
    ok: bool,
    checks: Vec<Check>,
}

fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn customers_i(customers: usize) -> u64 {
    u64::try_from(customers).unwrap_or(u64::MAX)
}

/// Every daily dunning run from a day to another one.
async fn dun(app: &App, (first, last): (&str, &str)) -> Result<String, Failure> {
    let last = day(last)?;
    let mut all = Vec::new();
    for morning in day(first)?.iter_days().take_while(|morning| *morning <= last) {
        all.extend(operations::dunning::retry::retry(&app.ctx, morning).await?.tried);
    }
    let count = |outcome| all.iter().filter(|tried| tried.outcome == outcome).count();
    Ok(format!(
        "{} paid, {} declined again, {} not called, {} reminded",
        count(TriedOutcome::Paid),
        count(TriedOutcome::Declined),
        count(TriedOutcome::NotCalled),
        count(TriedOutcome::Acted),
    ))
}

fn day(text: &str) -> Result<NaiveDate, Failure> {
    text.parse().map_err(|_| Failure::fault("date", format!("{text} is not a date")))
}

/// The sample's input files.
struct Files {
    book: PathBuf,
    usage: PathBuf,
}

/// Writes the sample's files once; a home that holds something else is left alone.
fn prepare(app: &App, customers: usize, events: usize) -> Result<Files, Failure> {
    let folder = app.home.root.join("demo");
    let mark = folder.join("sample");
    let size = format!("{customers} customers, {events} events\n");
    let files = Files { book: folder.join("book.ndjson"), usage: folder.join("usage.csv") };
    match std::fs::read_to_string(&mark) {
        Ok(known) if known == size => return Ok(files),
        Ok(known) => {
            return Err(Failure::input("other_demo", format!("this home holds a demo of {}", known.trim()))
                .hint("name another folder: `tallybook --home ./another demo`"));
        }
        Err(_) => {}
    }
    if app.home.settings().exists() {
        return Err(Failure::input(
            "not_a_demo",
            format!("{} is a real home, not a demo", app.home.root.display()),
        )
        .hint("name another folder: `tallybook --home ./demo-home demo`"));
    }
    let files = write_files(&folder, customers, events)?;
    std::fs::write(&mark, size).map_err(|e| disk(&folder, &e))?;
    Ok(files)
}

fn write_files(folder: &Path, customers: usize, events: usize) -> Result<Files, Failure> {
    let files = Files { book: folder.join("book.ndjson"), usage: folder.join("usage.csv") };
    let refused = |e: std::io::Error| disk(folder, &e);
    std::fs::create_dir_all(folder).map_err(refused)?;
    write(&files.book, |out| sample::write_book(out, customers)).map_err(refused)?;
    write(&files.usage, |out| sample::write_usage(out, customers, events)).map_err(refused)?;
    Ok(files)
}

fn disk(folder: &Path, error: &std::io::Error) -> Failure {
    Failure::fault("disk", format!("cannot write the sample into {}: {error}", folder.display()))
}

fn write(path: &Path, content: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> std::io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    content(&mut out)?;
    out.flush()
}

async fn ingest(app: &App, path: PathBuf) -> Result<Ingested, Failure> {
    let files = bring_in::Files { paths: vec![path], source: None, dry_run: false };
    let actor = Actor::Person(super::operator());
    let quiet: Report = Arc::new(|_, _, _| {});
    let brought = bring_in::bring_in(&app.ctx, &actor, &files, &quiet).await?;
    match brought.files.into_iter().next() {
        Some(FileView::In(ingested)) => Ok(ingested),
        Some(FileView::Refused { refused, .. }) => Err(refused.into()),
        None => Err(Failure::fault("demo", "the sample's usage was not brought in")),
    }
}

async fn bill(app: &App, as_of: NaiveDate, output: &Output) -> Result<RunView, Failure> {
    let what = NewRun::of_all(Reach::Ahead);
    let runs = list::list(&app.ctx, Detail::Whole).await?;
    let done = runs.iter().find(|run| run.as_of >= as_of && run.scope == what.scope.key());
    if let Some(done) = done.filter(|run| run.state == State::Closed) {
        // A demo that was run before: show what it did then.
        let same = runs.iter().filter(|run| run.as_of == as_of).max_by_key(|run| run.hash.clone());
        return Ok(same.unwrap_or(done).clone());
    }
    let act = super::act(app, Some(as_of)).await?;
    Ok(drive::drive(app, &act, &what, output).await?.run)
}

fn in_words(run: &RunView) -> String {
    let totals: Vec<String> =
        run.totals.iter().map(|t| format!("{} {}", total(&t.gross), t.currency)).collect();
    let mut text = format!("{} invoices booked: {}", grouped(run.invoiced), totals.join(", "));
    if run.failed + run.parked > 0 {
        text.push_str(&format!("; {} payer(s) set aside", run.failed + run.parked));
    }
    text
}

fn look_at(app: &App, ingested: &Ingested, journal: &Path, output: &Output) {
    let home = app.home.root.display();
    output.line("look at:");
    output.line(&format!("  less {home}/demo/book.ndjson {home}/demo/usage.csv"));
    output.line(&format!("  hledger -f {} balancesheet", journal.display()));
    output.line(&format!("  ls {home}/documents {home}/mail"));
    if let Some(rejects) = &ingested.rejectfile {
        output.line(&format!("  less {home}/{rejects}"));
    }
    output.line(&format!("  tallybook --home {home} runs"));
    output.line(&format!("  tallybook --home {home} invoices --state overdue"));
    output.line(&format!("  tallybook --home {home} why INV-0000001"));
}
