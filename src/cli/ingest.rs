//! `ingest`: bring in usage files.

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure, Fault};
use crate::output::{Column, Output, grouped};
use crate::progress::Progress;
use jobs::ingest_usage::{self, Ingested, Refusal, Request};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Usage files: CSV, NDJSON or Parquet, plain, gzip or zstd
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Source of records that do not name one (default: file)
    #[arg(long)]
    source: Option<String>,
    /// Check and count, write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Each file is a transaction of its own; a file that cannot be read stops before anything is brought in.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let mut opened = Vec::with_capacity(args.files.len());
    for path in &args.files {
        opened.push(metering::open(path).map_err(|e| refused(path, &Refusal::from(e)))?);
    }
    let app = App::open(config).await?;
    app.catalogue().await?;
    let mut done: Vec<Ingested> = Vec::new();
    for (file, path) in opened.into_iter().zip(&args.files) {
        let name = file.name();
        let progress = std::sync::Arc::new(std::sync::Mutex::new(ProgressCell::new(
            &name,
            file.bytes(),
            output.is_json(),
        )));
        let request =
            Request { source: args.source.clone(), dry_run: args.dry_run, actor: crate::cli::operator() };
        let moved = std::sync::Arc::clone(&progress);
        let report = move |bytes: u64| {
            if let Ok(cell) = moved.lock() {
                cell.at(bytes);
            }
        };
        let outcome = ingest_usage::ingest(&app.ctx, file, &request, std::sync::Arc::new(report)).await?;
        if let Ok(cell) = progress.lock() {
            cell.finish();
        }
        match outcome {
            Ok(ingested) => done.push(ingested),
            Err(refusal) => {
                answer(&done, args.dry_run, output);
                return Err(refused(path, &refusal));
            }
        }
    }
    Ok(answer(&done, args.dry_run, output))
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

/// Prints what came of the files; rejects make exit code 3.
pub fn answer(files: &[Ingested], dry_run: bool, output: &Output) -> Exit {
    let rejected: u64 = files.iter().map(|f| f.rejected).sum();
    if output.is_json() {
        output.document(&serde_json::json!({"files": files}));
    } else {
        let rows = files
            .iter()
            .map(|f| {
                vec![
                    f.file.clone(),
                    grouped(f.read),
                    grouped(f.accepted),
                    grouped(f.duplicate),
                    grouped(f.rejected),
                    grouped(f.late),
                ]
            })
            .collect();
        let columns = [
            Column::Left("file"),
            Column::Right("read"),
            Column::Right("accepted"),
            Column::Right("duplicate"),
            Column::Right("rejected"),
            Column::Right("late"),
        ];
        output.table(&columns, rows);
        for file in files {
            if file.again {
                output.say(&format!(
                    "{}: these very bytes have been brought in before; nothing changed",
                    file.file
                ));
            }
            if let Some(path) = &file.rejectfile {
                let codes: Vec<String> =
                    file.rejects.iter().map(|(code, n)| format!("{} {code}", grouped(*n))).collect();
                output
                    .say(&format!("rejects: {} in {path}; mend them and ingest that file", codes.join(", ")));
            }
        }
        if dry_run {
            output.say("dry run: nothing was written");
        }
    }
    if rejected > 0 { Exit::SetAside } else { Exit::Done }
}

fn refused(path: &std::path::Path, refusal: &Refusal) -> Failure {
    let message = refusal.to_string();
    let name = path.display().to_string();
    let message = if message.contains(&name) { message } else { format!("{name}: {message}") };
    let failure = if refusal.is_input() {
        Failure::input(refusal.code(), message)
    } else {
        Failure::fault(refusal.code(), message)
    };
    failure.hint(refusal.hint()).with(Vec::<Fault>::new())
}
