//! `ingest`: bring in usage files, each by itself.

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure, Fault};
use crate::output::{Column, Output, grouped};
use crate::progress::Progress;
use operations::usage::ingest::{self, Ingested, Refusal, Request};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Usage files: CSV, NDJSON or Parquet, plain, gzip or zstd
    #[arg(value_name = "FILE", required_unless_present_any = ["refused", "forget"])]
    files: Vec<PathBuf>,
    /// Source of records that do not name one (default: file)
    #[arg(long)]
    source: Option<String>,
    /// Check and count, write nothing
    #[arg(long)]
    dry_run: bool,
    /// List the files that were refused and are waited for
    #[arg(long, conflicts_with_all = ["files", "forget"])]
    refused: bool,
    /// Wait no more for a file that was refused; by its path or name
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "files")]
    forget: Vec<String>,
}

/// What came of one file.
enum Outcome {
    In(Ingested),
    Refused(PathBuf, Refusal),
}

/// Each file is a transaction of its own. A file that cannot be read is named and set aside, and the others go in; a
/// fault of ours ends the command.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    if args.refused {
        return list(&App::open_existing(config).await?, output).await;
    }
    if !args.forget.is_empty() {
        return forget(&App::open_existing(config).await?, &args.forget, output).await;
    }
    refuse_if_none_opens(&args.files)?;
    let app = App::open(config).await?;
    app.catalogue().await?;
    let request =
        Request { source: args.source.clone(), dry_run: args.dry_run, actor: crate::cli::operator() };
    let mut outcomes = Vec::with_capacity(args.files.len());
    for path in &args.files {
        let outcome = bring_in(&app, path, &request, output).await;
        match outcome {
            Ok(Ok(ingested)) => outcomes.push(Outcome::In(ingested)),
            Ok(Err(refusal)) => outcomes.push(Outcome::Refused(path.clone(), refusal)),
            Err(failure) => {
                if !outcomes.is_empty() {
                    answer(&outcomes, args.dry_run, output);
                }
                return Err(failure);
            }
        }
    }
    if !args.dry_run {
        note_refused(&app, &outcomes).await?;
    }
    conclude(&outcomes, args.dry_run, output)
}

/// Whatever else is to be done, nothing can be brought in: not even a home is made.
fn refuse_if_none_opens(files: &[PathBuf]) -> Result<(), Failure> {
    let mut refused = Vec::with_capacity(files.len());
    for path in files {
        match metering::open(path) {
            Err(error) if !is_pipe(path) => refused.push(Outcome::Refused(path.clone(), error.into())),
            _ => return Ok(()),
        }
    }
    Err(none_went_in(&refused))
}

fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo())
}

async fn bring_in(
    app: &App,
    path: &Path,
    request: &Request,
    output: &Output,
) -> Result<Result<Ingested, Refusal>, Failure> {
    let (named, temp) = (path.to_owned(), app.ctx.folders.usage.join("temp"));
    let opened = tokio::task::spawn_blocking(move || metering::open_or_copy(&named, &temp)).await;
    let file = match opened.map_err(anyhow::Error::from)? {
        Ok(file) => file,
        Err(error) => return Ok(Err(error.into())),
    };
    let progress = Arc::new(Mutex::new(ProgressCell::new(&file.name(), file.bytes(), output.is_json())));
    let moved = Arc::clone(&progress);
    let report = move |bytes: u64| {
        if let Ok(cell) = moved.lock() {
            cell.at(bytes);
        }
    };
    let outcome = ingest::ingest(&app.ctx, file, request, Arc::new(report)).await;
    if let Ok(cell) = progress.lock() {
        cell.finish();
    }
    match outcome? {
        // A full disk or the like: what comes next would meet it too.
        Err(Refusal::Intake(metering::IntakeError::Internal(error))) => Err(error.into()),
        other => Ok(other),
    }
}

/// Files that are set aside while others go in are waited for; where nothing went in, nothing is changed.
async fn note_refused(app: &App, outcomes: &[Outcome]) -> Result<(), Failure> {
    if !outcomes.iter().any(|outcome| matches!(outcome, Outcome::In(_))) {
        return Ok(());
    }
    for outcome in outcomes {
        if let Outcome::Refused(path, refusal) = outcome
            && refusal.is_input()
        {
            operations::usage::refused::note(&app.ctx, path, None, refusal).await?;
        }
    }
    Ok(())
}

/// The answer and its exit code: 2 if a file met a fault of ours, 1 if none went in, 3 if something was set aside.
fn conclude(outcomes: &[Outcome], dry_run: bool, output: &Output) -> Result<Exit, Failure> {
    let mut refused = outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Refused(path, refusal) => Some((path, refusal)),
        Outcome::In(_) => None,
    });
    if let Some((path, fault)) = refused.clone().find(|(_, refusal)| !refusal.is_input()) {
        if outcomes.len() > 1 {
            answer(outcomes, dry_run, output);
        }
        return Err(failure(path, fault));
    }
    if refused.clone().count() == outcomes.len() {
        if outcomes.len() > 1 {
            answer(outcomes, dry_run, output);
        }
        return Err(none_went_in(outcomes));
    }
    answer(outcomes, dry_run, output);
    let rejected = outcomes.iter().any(|outcome| matches!(outcome, Outcome::In(file) if file.rejected > 0));
    Ok(if rejected || refused.next().is_some() { Exit::SetAside } else { Exit::Done })
}

/// A progress bar that another thread may move.
struct ProgressCell {
    bar: Progress,
    name: String,
    total: u64,
}

impl ProgressCell {
    fn new(name: &str, total: u64, quiet: bool) -> Self {
        Self { bar: Progress::new(name, "bytes", total, quiet), name: name.to_owned(), total }
    }

    fn at(&self, bytes: u64) {
        self.bar.at(bytes.min(self.total), self.total, &self.name);
    }

    fn finish(&self) {
        self.bar.finish();
    }
}

/// Prints what came of the files.
fn answer(outcomes: &[Outcome], dry_run: bool, output: &Output) {
    if output.is_json() {
        let files: Vec<_> = outcomes.iter().map(json).collect();
        return output.document(&serde_json::json!({"files": files}));
    }
    let columns = [
        Column::Left("file"),
        Column::Right("read"),
        Column::Right("accepted"),
        Column::Right("duplicate"),
        Column::Right("rejected"),
        Column::Right("late"),
    ];
    output.table(&columns, outcomes.iter().map(row).collect());
    for outcome in outcomes {
        match outcome {
            Outcome::In(file) => explain(file, output),
            Outcome::Refused(path, refusal) => {
                output.say(&format!("refused: {}", message(path, refusal)));
                output.say(&format!("hint: {}", refusal.hint()));
            }
        }
    }
    if dry_run {
        output.say("dry run: nothing was written");
    }
}

/// The form is a contract.
fn json(outcome: &Outcome) -> serde_json::Value {
    match outcome {
        Outcome::In(file) => serde_json::to_value(file).unwrap_or_default(),
        Outcome::Refused(path, refusal) => serde_json::json!({
            "file": name_of(path),
            "refused": {"code": refusal.code(), "message": message(path, refusal), "hint": refusal.hint()},
        }),
    }
}

fn row(outcome: &Outcome) -> Vec<String> {
    match outcome {
        Outcome::In(file) => {
            let counts = [file.read, file.accepted, file.duplicate, file.rejected, file.late].map(grouped);
            std::iter::once(file.file.clone()).chain(counts).collect()
        }
        Outcome::Refused(path, _) => {
            let mut row = vec![name_of(path), "refused".to_owned()];
            row.resize(6, String::new());
            row
        }
    }
}

fn explain(file: &Ingested, output: &Output) {
    if file.again {
        output.say(&format!("{}: these very bytes have been brought in before; nothing changed", file.file));
    }
    if let Some(path) = &file.rejectfile {
        let codes: Vec<String> =
            file.rejects.iter().map(|(code, n)| format!("{} {code}", grouped(*n))).collect();
        output.say(&format!("rejects: {} in {path}; mend them and ingest that file", codes.join(", ")));
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn message(path: &Path, refusal: &Refusal) -> String {
    let (message, name) = (refusal.to_string(), path.display().to_string());
    if message.contains(&name) { message } else { format!("{name}: {message}") }
}

fn failure(path: &Path, refusal: &Refusal) -> Failure {
    let message = message(path, refusal);
    let failure = match refusal.is_input() {
        true => Failure::input(refusal.code(), message),
        false => Failure::fault(refusal.code(), message),
    };
    failure.hint(refusal.hint())
}

/// The refusal of the only file, or of all of them.
fn none_went_in(outcomes: &[Outcome]) -> Failure {
    let refused: Vec<(&PathBuf, &Refusal)> = outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            Outcome::Refused(path, refusal) => Some((path, refusal)),
            Outcome::In(_) => None,
        })
        .collect();
    let [(path, refusal), others @ ..] = refused.as_slice() else {
        return Failure::input("file_missing", "no file was named");
    };
    let first = failure(path, refusal);
    if others.is_empty() {
        return first;
    }
    let faults = refused.iter().map(|(path, refusal)| Fault::new(&name_of(path), message(path, refusal)));
    let count = refused.len();
    Failure { message: format!("none of the {count} files can be brought in"), ..first }
        .with(faults.collect())
}

/// The files that are waited for.
async fn list(app: &App, output: &Output) -> Result<Exit, Failure> {
    let waiting = operations::usage::refused::waiting(&app.ctx).await?;
    if output.is_json() {
        output.document(&refused_json(&waiting));
    } else if waiting.is_empty() {
        output.line("no file is waited for");
    } else {
        let rows = waiting
            .iter()
            .map(|file| {
                let place = file.kept_at.as_ref().unwrap_or(&file.path).clone();
                vec![file.refused_at.format("%Y-%m-%d %H:%M").to_string(), place, file.message.clone()]
            })
            .collect();
        output.table(&[Column::Left("since (UTC)"), Column::Left("file"), Column::Left("why")], rows);
        output.say(WAITING_HINT);
    }
    Ok(Exit::Done)
}

/// What to do about files that are waited for.
pub const WAITING_HINT: &str =
    "hint: mend each and bring it in under its name, or `tallybook ingest --forget FILE`";

/// Files that are waited for, as every command answers them.
pub fn refused_json(waiting: &[store::refused_file::RefusedFile]) -> serde_json::Value {
    let file = |file: &store::refused_file::RefusedFile| {
        serde_json::json!({"file": file.kept_at.as_ref().unwrap_or(&file.path), "code": file.code,
                           "message": file.message, "refused": file.refused_at})
    };
    waiting.iter().map(file).collect()
}

async fn forget(app: &App, names: &[String], output: &Output) -> Result<Exit, Failure> {
    match operations::usage::refused::forget(&app.ctx, names, &crate::cli::operator()).await? {
        Ok(()) => {
            output.say(&format!("{} file(s) are waited for no more", names.len()));
            Ok(Exit::Done)
        }
        Err(name) => Err(Failure::input(
            "unknown_file",
            format!("no refused file, or more than one, is called {name}"),
        )
        .hint("`tallybook ingest --refused` lists them with their paths")),
    }
}
