//! Usage files that somebody hands in, each by itself: a file that cannot be read is named and set aside, and the others go
//! in. A fault of ours ends it, as the next file would meet it too.
//!
//! Idempotency key: that of `ingest_usage`, the hash of the bytes.

use crate::act::Actor;
use crate::context::Context;
use crate::refusal::{Stop, unread};
use crate::usage::ingest::{self, Ingested, Request};
use crate::usage::refused;
use domain::refusal::{Code, Fault, Kind, Refusal};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files and how they are to be brought in.
#[derive(Debug, Clone)]
pub struct Files {
    pub paths: Vec<PathBuf>,
    /// Source of records that name none.
    pub source: Option<String>,
    /// Check and count, write nothing.
    pub dry_run: bool,
}

/// What came of one file; each front end words a refusal.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum FileView<R = Refusal> {
    In(Ingested),
    Refused { file: String, refused: R },
}

/// What came of all files.
#[derive(Debug)]
pub struct IngestedFiles {
    pub files: Vec<FileView>,
    /// What ended it, after these files.
    pub stopped: Option<Stop>,
}

impl IngestedFiles {
    /// Whether something waits for a person: a file that was refused, or a record.
    pub fn is_set_aside(&self) -> bool {
        self.files.iter().any(|file| file.ingested().is_none_or(|file| file.rejected > 0))
    }
}

impl<R> FileView<R> {
    /// The file's counts, unless it was refused.
    pub fn ingested(&self) -> Option<&Ingested> {
        match self {
            Self::In(file) => Some(file),
            Self::Refused { .. } => None,
        }
    }

    /// With the refusal in a front end's words.
    pub fn worded<S>(self, words: impl FnOnce(R) -> S) -> FileView<S> {
        match self {
            Self::In(file) => FileView::In(file),
            Self::Refused { file, refused } => FileView::Refused { file, refused: words(refused) },
        }
    }
}

/// Called with the file's name, the bytes read so far, and all of its bytes.
pub type Report = Arc<dyn Fn(&str, u64, u64) + Send + Sync>;

/// Whatever else is to be done, nothing could be brought in: asked before a home is made for it.
pub fn refuse_if_none_opens(paths: &[PathBuf]) -> Result<(), Refusal> {
    let mut refused = Vec::with_capacity(paths.len());
    for path in paths {
        match metering::open(path) {
            Err(error) if !is_pipe(path) => refused.push((path.clone(), with_path(path, unread(&error)))),
            _ => return Ok(()),
        }
    }
    Err(none_went_in(refused))
}

fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo())
}

/// Brings in the files. Each that is refused while others go in is waited for from then on; where nothing goes in, nothing
/// is changed.
pub async fn bring_in(
    ctx: &Context,
    actor: &Actor,
    what: &Files,
    report: &Report,
) -> Result<IngestedFiles, Stop> {
    ctx.catalogue().await?;
    let request = Request { source: what.source.clone(), dry_run: what.dry_run, actor: actor.clone() };
    let (mut files, mut refused, mut stopped) = (Vec::new(), Vec::new(), None);
    for path in &what.paths {
        match one(ctx, path, &request, report).await {
            Ok(ingested) => files.push(FileView::In(ingested)),
            Err(Stop::Refused(refusal)) => {
                let told = with_path(path, refusal.clone());
                files.push(FileView::Refused { file: name_of(path), refused: told });
                refused.push((path.clone(), refusal));
            }
            Err(broke) => {
                stopped = Some(broke);
                break;
            }
        }
    }
    let went_in = files.len() - refused.len();
    if went_in > 0 && !what.dry_run {
        for (path, refusal) in refused.iter().filter(|(_, refusal)| is_input(refusal)) {
            refused::note(ctx, path, None, refusal).await?;
        }
    }
    let told = refused.into_iter().map(|(path, refusal)| (path.clone(), with_path(&path, refusal)));
    let refused: Vec<(PathBuf, Refusal)> = told.collect();
    let busy = refused.iter().find(|(_, refusal)| !is_input(refusal)).map(|(_, refusal)| refusal.clone());
    let stopped = stopped.or_else(|| busy.map(Stop::Refused)).or_else(|| {
        let none = went_in == 0;
        none.then(|| none_went_in(refused).into())
    });
    match stopped {
        Some(stop) if files.len() < 2 && what.paths.len() < 2 => Err(stop),
        stopped => Ok(IngestedFiles { files, stopped }),
    }
}

/// Whether the file is at fault, and not somebody else who is at it.
fn is_input(refusal: &Refusal) -> bool {
    refusal.code.kind() != Kind::Unavailable
}

async fn one(ctx: &Context, path: &Path, request: &Request, report: &Report) -> Result<Ingested, Stop> {
    let (named, temp) = (path.to_owned(), ctx.folders.usage.join("temp"));
    let opened = tokio::task::spawn_blocking(move || metering::open_or_copy(&named, &temp)).await;
    let file = opened.map_err(anyhow::Error::from)??;
    let (name, bytes, report) = (file.name(), file.bytes(), Arc::clone(report));
    let moved = move |read: u64| report(&name, read.min(bytes), bytes);
    ingest::ingest(ctx, file, request, Arc::new(moved)).await
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// A refusal that names the path.
fn with_path(path: &Path, refusal: Refusal) -> Refusal {
    let name = path.display().to_string();
    let message = match refusal.message.contains(&name) {
        true => refusal.message,
        false => format!("{name}: {}", refusal.message),
    };
    Refusal { message, ..refusal }
}

/// The refusal of the only file, or of all of them.
fn none_went_in(refused: Vec<(PathBuf, Refusal)>) -> Refusal {
    let count = refused.len();
    let faults = refused.iter().map(|(path, refusal)| Fault {
        pointer: name_of(path),
        message: refusal.message.clone(),
        way_out: None,
    });
    let faults = faults.collect();
    match refused.into_iter().next() {
        None => Refusal::new(Code::FileMissing, "no file was named"),
        Some((_, only)) if count == 1 => only,
        Some((_, first)) => {
            let message = format!("none of the {count} files can be brought in");
            Refusal { message, ..first }.with(faults)
        }
    }
}
