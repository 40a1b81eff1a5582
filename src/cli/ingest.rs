//! `ingest`: bring in usage files, each by itself.

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, grouped};
use crate::progress::Progress;
use operations::act::Actor;
use operations::usage::bring_in::{self, FileView, Files, IngestedFiles, Report};
use operations::usage::ingest::Ingested;
use operations::usage::missing::{self, MissingUsage};
use operations::usage::open_rejects::OpenRejectsView;
use operations::usage::refused::{self, RefusedView};
use serde::Serialize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Usage files: CSV, NDJSON or Parquet, plain, gzip or zstd
    #[arg(value_name = "FILE", required_unless_present_any = ["refused", "forget"])]
    files: Vec<PathBuf>,
    /// Source of records that do not name one (default: file)
    #[arg(long, conflicts_with_all = ["refused", "forget"])]
    source: Option<String>,
    /// Check and count, write nothing
    #[arg(long, conflicts_with_all = ["refused", "forget"])]
    dry_run: bool,
    /// List what was refused and is waited for: whole files, and files of records to fix
    #[arg(long, conflicts_with_all = ["files", "forget"])]
    refused: bool,
    /// Wait no more for a file that was refused, or for rejects; by its path or name
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "files")]
    forget: Vec<String>,
}

/// Each file is a transaction of its own; exit code 3 if something of them was set aside.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    if args.refused {
        return list(&App::open_existing(config).await?, output).await;
    }
    if !args.forget.is_empty() {
        return forget(&App::open_existing(config).await?, &args.forget, output).await;
    }
    bring_in::refuse_if_none_opens(&args.files)?;
    let app = App::open(config).await?;
    let files = Files { paths: args.files, source: args.source, dry_run: args.dry_run };
    let actor = Actor::Person(super::operator());
    let progress = Arc::new(Mutex::new(Progress::new("", "bytes", 0, output.is_json())));
    let brought = bring_in::bring_in(&app.ctx, &actor, &files, &moving(&progress)).await;
    progress.lock().unwrap_or_else(PoisonError::into_inner).finish();
    conclude(brought?, files.dry_run, output)
}

/// A progress bar that other threads move.
fn moving(progress: &Arc<Mutex<Progress>>) -> Report {
    let bar = Arc::clone(progress);
    Arc::new(move |name, read, all| {
        if let Ok(bar) = bar.lock() {
            bar.at(read, all, name);
        }
    })
}

/// The answer and its exit code; what ended it comes last.
fn conclude(brought: IngestedFiles, dry_run: bool, output: &Output) -> Result<Exit, Failure> {
    let is_set_aside = brought.is_set_aside();
    if !brought.files.is_empty() {
        answer(brought.files, dry_run, output);
    }
    match brought.stopped {
        Some(stop) => Err(stop.into()),
        None if is_set_aside => Ok(Exit::SetAside),
        None => Ok(Exit::Done),
    }
}

/// What came of the files; the form is a contract.
#[derive(Serialize)]
struct Answer {
    files: Vec<FileView<Failure>>,
}

/// Prints what came of the files.
fn answer(files: Vec<FileView>, dry_run: bool, output: &Output) {
    let files: Vec<FileView<Failure>> = files.into_iter().map(|file| file.worded(Failure::from)).collect();
    if output.is_json() {
        return output.document(&Answer { files });
    }
    let columns = [
        Column::Left("file"),
        Column::Right("read"),
        Column::Right("accepted"),
        Column::Right("duplicate"),
        Column::Right("rejected"),
        Column::Right("late"),
    ];
    output.table(&columns, files.iter().map(row).collect());
    for file in &files {
        match file {
            FileView::In(file) => explain(file, output),
            FileView::Refused { refused, .. } => {
                output.say(&format!("refused: {}", refused.message));
                if let Some(hint) = &refused.hint {
                    output.say(&format!("hint: {hint}"));
                }
            }
        }
    }
    if dry_run {
        output.say("dry run: nothing was written");
    }
    if files.len() > 1 {
        output.line(&in_words(&files));
    }
}

/// What all files came to.
fn in_words(files: &[FileView<Failure>]) -> String {
    let brought: Vec<&Ingested> = files.iter().filter_map(FileView::ingested).collect();
    let sum = |count: fn(&Ingested) -> u64| brought.iter().map(|file| count(file)).sum::<u64>();
    let refused = files.len() - brought.len();
    let parts = [
        (u64::try_from(brought.len()).unwrap_or(u64::MAX), "file(s) brought in"),
        (sum(|file| file.accepted), "event(s) accepted"),
        (sum(|file| file.duplicate), "duplicate"),
        (sum(|file| file.rejected), "rejected"),
        (u64::try_from(refused).unwrap_or(u64::MAX), "file(s) refused"),
    ];
    let told = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", grouped(*n)));
    told.collect::<Vec<_>>().join(", ")
}

fn row(file: &FileView<Failure>) -> Vec<String> {
    match file {
        FileView::In(file) => {
            let counts = [file.read, file.accepted, file.duplicate, file.rejected, file.late].map(grouped);
            std::iter::once(file.file.clone()).chain(counts).collect()
        }
        FileView::Refused { file, .. } => {
            let mut row = vec![file.clone(), "refused".to_owned()];
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
        output.say(&format!("rejects: {} in {path}; fix them and ingest that file", codes.join(", ")));
    }
}

/// One thing that is waited for: a file that was refused whole, or what was refused of one that went in.
#[derive(Serialize)]
#[serde(untagged)]
enum Waiting {
    File(RefusedView),
    Rejects(OpenRejectsView),
}

impl Waiting {
    fn row(&self) -> Vec<String> {
        let (since, file, why) = match self {
            Self::File(file) => (file.refused, file.file.clone(), file.message.clone()),
            Self::Rejects(open) => (open.refused, open.rejectfile.clone(), open.why()),
        };
        vec![since.format("%Y-%m-%d %H:%M").to_string(), file, why]
    }
}

/// What is waited for.
async fn list(app: &App, output: &Output) -> Result<Exit, Failure> {
    let MissingUsage { refused_files, open_rejects } = missing::waiting(&app.ctx).await?;
    let files = refused_files.into_iter().map(Waiting::File);
    let rejects = open_rejects.into_iter().map(Waiting::Rejects);
    let waiting: Vec<Waiting> = files.chain(rejects).collect();
    if output.is_json() {
        output.document(&waiting);
    } else if waiting.is_empty() {
        output.line("no file is waited for");
    } else {
        let columns = [Column::Left("since (UTC)"), Column::Left("file"), Column::Left("why")];
        output.table(&columns, waiting.iter().map(Waiting::row).collect());
        output.say(WAITING_HINT);
    }
    Ok(Exit::Done)
}

/// What to do about files that are waited for.
const WAITING_HINT: &str =
    "hint: fix each and bring it in under its name, or `tallybook ingest --forget FILE`";

/// Usage that is missing in a run: files that were refused, and records of files that went in.
pub fn say_missing(missing: &MissingUsage, output: &Output) {
    for file in &missing.refused_files {
        output.say(&format!("missing in it: {}", file.message));
    }
    for open in &missing.open_rejects {
        output.say(&format!("missing in it: {}", open.in_words()));
    }
    if !missing.is_empty() {
        output.say(WAITING_HINT);
    }
}

async fn forget(app: &App, names: &[String], output: &Output) -> Result<Exit, Failure> {
    refused::forget(&app.ctx, &Actor::Person(super::operator()), names).await?;
    output.say(&format!("{} file(s) are waited for no more", names.len()));
    Ok(Exit::Done)
}
