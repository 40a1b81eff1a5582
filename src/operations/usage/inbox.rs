//! `ingest_inbox`: the files of the inbox, each by itself. What was brought in moves to `inbox/done`, what is itself at
//! fault to `inbox/refused` and is told until it is fixed (`refused_files`). Whatever else went wrong, a full disk, a
//! database that is gone, leaves the file where it is, for the next tick.
//!
//! Idempotency key: that of `ingest_usage`, the hash of the bytes.

use crate::act::Actor;
use crate::context::Context;
use crate::refusal::Stop;
use crate::usage::ingest::{self, Request};
use crate::usage::refused;
use anyhow::Context as _;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Ends of names under which programs write a file before they give it its own.
const UNFINISHED: [&str; 3] = [".part", ".tmp", ".filepart"];

/// After so many faults of ours in a row the rest waits for the next tick.
const FAULTS_MAX: usize = 3;

/// Files of one name in `inbox/done` or `inbox/refused`.
const SAME_NAME_MAX: u32 = 100_000;

/// Takes in every file of the inbox that is whole and still; returns how many were brought in.
pub async fn bring_in(ctx: &Context) -> anyhow::Result<usize> {
    let (mut brought_in, mut faults) = (0, Vec::new());
    for file in still_files(ctx).await? {
        if ctx.is_stopping() || faults.len() == FAULTS_MAX {
            break;
        }
        match take(ctx, &file).await {
            Ok(taken) => brought_in += usize::from(taken),
            Err(error) => {
                let file = file.path.display().to_string();
                tracing::error!(file, error = format!("{error:#}"), "stays in the inbox");
                faults.push(error);
            }
        }
    }
    faults.into_iter().next().map_or(Ok(brought_in), Err)
}

/// One file; whether it was brought in.
async fn take(ctx: &Context, file: &Seen) -> anyhow::Result<bool> {
    let request = Request { source: None, dry_run: false, actor: Actor::Timetable };
    let path = &file.path;
    let outcome = match metering::open(path) {
        Ok(input) => ingest::ingest(ctx, input, &request, Arc::new(|_| {})).await,
        Err(error) => Err(error.into()),
    };
    let refusal = match outcome {
        Ok(_) => {
            shelve(path, &ctx.folders.inbox.join("done"))?;
            return Ok(true);
        }
        Err(Stop::Refused(refusal)) => refusal,
        Err(Stop::Broke(error)) => return Err(error),
    };
    let is_same = Seen::at(path).is_some_and(|now| now == *file);
    let reason = refusal.message.clone();
    if refusal.code.is_of_the_file() && is_same {
        tracing::error!(file = path.display().to_string(), reason, "file of the inbox refused");
        // Noted before it is moved: a file that lies in `refused` without a word would be forgotten.
        refused::note(ctx, path, None, &refusal).await?;
        let kept_at = shelve(path, &ctx.folders.inbox.join("refused"))?;
        refused::note(ctx, path, Some(&kept_at), &refusal).await?;
    } else {
        tracing::warn!(file = path.display().to_string(), reason, "stays in the inbox");
    }
    Ok(false)
}

/// A file as it was when it was looked at: whatever writes to it or puts another in its place changes this.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    path: PathBuf,
    inode: (u64, u64),
    bytes: u64,
    /// Seconds and nanoseconds; unlike the time of modification nobody can set it.
    changed: (i64, i64),
}

impl Seen {
    /// None if there is no such file.
    fn at(path: &Path) -> Option<Self> {
        let metadata: Metadata = std::fs::metadata(path).ok().filter(Metadata::is_file)?;
        Some(Self {
            path: path.to_owned(),
            inode: (metadata.dev(), metadata.ino()),
            bytes: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// Whether nobody has changed it for so long.
    fn is_still_for(&self, pause: Duration) -> bool {
        let Ok(seconds) = u64::try_from(self.changed.0) else { return false };
        let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds + 1);
        SystemTime::now().duration_since(changed).is_ok_and(|age| age >= pause)
    }
}

/// The files of the inbox that are not being written, by name. One that has just changed is looked at again a moment
/// later, and left alone if it has changed again.
async fn still_files(ctx: &Context) -> anyhow::Result<Vec<Seen>> {
    let pause = ctx.settings.inbox_still;
    let entries = std::fs::read_dir(&ctx.folders.inbox).context("reading the inbox")?;
    let mut files: Vec<Seen> = entries
        .filter_map(Result::ok)
        .filter(|entry| !is_unfinished(&entry.file_name()))
        .filter_map(|entry| Seen::at(&entry.path()))
        .collect();
    if files.iter().any(|file| !file.is_still_for(pause)) {
        tokio::time::sleep(pause).await;
        files.retain(|file| Seen::at(&file.path).is_some_and(|now| now == *file));
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Whether a name says that the file is still being written: `.usage.csv.x7Gh2k` of rsync, `usage.csv.part`.
fn is_unfinished(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_ascii_lowercase();
    name.starts_with('.') || UNFINISHED.iter().any(|end| name.ends_with(end))
}

/// Moves a file into a folder, under a number of its own if one of its name is there. Nothing is ever replaced.
fn shelve(path: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("making {}", folder.display()))?;
    for number in 1..=SAME_NAME_MAX {
        let target = folder.join(numbered(path, number));
        if !move_to_free(path, &target).with_context(|| format!("moving {}", path.display()))? {
            continue;
        }
        std::fs::File::open(folder).and_then(|folder| folder.sync_all()).ok();
        return Ok(target);
    }
    anyhow::bail!("{} has no room for one more {}", folder.display(), path.display())
}

/// Moves a file unless the new name is taken. By a second link where the file system has them: that is refused by the
/// system if somebody else has just taken the name.
fn move_to_free(path: &Path, target: &Path) -> std::io::Result<bool> {
    let same = |a: &Metadata, b: &Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    match std::fs::hard_link(path, target) {
        Ok(()) => std::fs::remove_file(path).map(|()| true),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            // Linked by a process that died before it took the old name away.
            let moved = same(&path.symlink_metadata()?, &target.symlink_metadata()?);
            if moved { std::fs::remove_file(path).map(|()| true) } else { Ok(false) }
        }
        Err(_) if target.symlink_metadata().is_ok() => Ok(false),
        Err(_) => std::fs::rename(path, target).map(|()| true),
    }
}

/// `usage.csv`, then `usage.2.csv`.
fn numbered(path: &Path, number: u32) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    if number == 1 {
        return PathBuf::from(name);
    }
    let mut with_number = path.file_stem().unwrap_or(name).to_owned();
    with_number.push(format!(".{number}"));
    if let Some(extension) = path.extension() {
        with_number.push(".");
        with_number.push(extension);
    }
    PathBuf::from(with_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_that_are_being_written_are_known() {
        for name in [".usage.csv.x7Gh2k", "usage.csv.part", "usage.csv.TMP", "a.filepart", ".hidden"] {
            assert!(is_unfinished(OsStr::new(name)), "{name}");
        }
        for name in ["usage.csv", "part.csv", "usage.part.csv", "tmp"] {
            assert!(!is_unfinished(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn a_second_file_of_one_name_gets_a_number_and_a_move_cut_short_is_ended() {
        let home = tempfile::tempdir().unwrap();
        let (inbox, done) = (home.path().join("usage.csv"), home.path().join("done"));
        for (content, name) in [("one", "usage.csv"), ("two", "usage.2.csv"), ("three", "usage.3.csv")] {
            std::fs::write(&inbox, content).unwrap();
            assert_eq!(shelve(&inbox, &done).unwrap(), done.join(name));
            assert_eq!(std::fs::read_to_string(done.join(name)).unwrap(), content);
            assert!(!inbox.exists());
        }
        std::fs::write(&inbox, "four").unwrap();
        std::fs::hard_link(&inbox, done.join("usage.4.csv")).unwrap();
        assert_eq!(shelve(&inbox, &done).unwrap(), done.join("usage.4.csv"));
        assert!(!inbox.exists() && !done.join("usage.5.csv").exists());
    }

    #[test]
    fn a_file_that_grows_or_is_replaced_is_another() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("usage.csv");
        std::fs::write(&path, "a").unwrap();
        let before = Seen::at(&path).unwrap();
        assert!(before.is_still_for(Duration::ZERO) || before == Seen::at(&path).unwrap());
        assert!(!before.is_still_for(Duration::from_secs(5)));
        std::fs::write(&path, "ab").unwrap();
        assert_ne!(Seen::at(&path).unwrap(), before);
    }
}
