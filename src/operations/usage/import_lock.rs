//! Who is bringing in a file: a lock that goes with its process, so that a writer that died is known at once, and one
//! that is slow or frozen is not taken for dead.
//!
//! With books in SQLite it is a file beside what the import writes, locked by the operating system; on PostgreSQL, where
//! the writer may be on another machine, a session lock of the server, as for slices (`recover`).

use crate::context::Context;
use anyhow::Context as _;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use store::Tx;
use store::worker::{self, WorkerLock};
use uuid::Uuid;

/// Held while an import is written: taken before its intent is committed, let go after its commit.
#[derive(Debug)]
pub(crate) enum ImportLock {
    File { path: PathBuf, _file: File },
    Session { _lock: WorkerLock },
}

impl ImportLock {
    /// Takes the lock of a new import: nobody else knows its id yet.
    pub async fn take(ctx: &Context, import: Uuid) -> anyhow::Result<Self> {
        if !ctx.store.is_sqlite() {
            let lock = worker::hold(&ctx.store, &session_name(import)).await?;
            return Ok(Self::Session { _lock: lock.context("the lock of a new import is taken")? });
        }
        let path = lock_path(ctx, import);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(temp(ctx));
        made.context("making the temporary folder")?;
        loop {
            let file = locked(&path)?;
            // Between making and locking somebody may have swept it away.
            let there = std::fs::metadata(&path).map(|m| (m.dev(), m.ino())).ok();
            let ours = file.metadata().with_context(|| format!("looking at {}", path.display()))?;
            if there == Some((ours.dev(), ours.ino())) {
                return Ok(Self::File { path, _file: file });
            }
        }
    }
}

fn locked(path: &Path) -> anyhow::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("creating {}", path.display()))?;
    file.lock().with_context(|| format!("locking {}", path.display()))?;
    Ok(file)
}

/// Removes the locks of processes that died before they had written their intent: no import names these files.
pub(crate) fn sweep(ctx: &Context) {
    for entry in std::fs::read_dir(temp(ctx)).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "writer") {
            continue;
        }
        // Held until the name is gone: whoever waits for the lock then sees that it is.
        if let Ok(file) = File::open(&path)
            && file.try_lock_shared().is_ok()
        {
            drop(std::fs::remove_file(path));
        }
    }
}

impl Drop for ImportLock {
    fn drop(&mut self) {
        if let Self::File { path, .. } = self {
            // The import is over; a name that stays is removed by `upkeep` with the others of its import.
            drop(std::fs::remove_file(path));
        }
    }
}

/// Whether nobody writes this import any more.
pub(crate) async fn is_free(ctx: &Context, tx: &mut Tx, import: Uuid) -> anyhow::Result<bool> {
    if !ctx.store.is_sqlite() {
        return worker::is_gone(tx, &session_name(import)).await;
    }
    let path = lock_path(ctx, import);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error).with_context(|| format!("opening {}", path.display())),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("asking for the lock of {}", path.display()))
        }
    }
}

/// One of the paths that the import says it will write.
fn lock_path(ctx: &Context, import: Uuid) -> PathBuf {
    temp(ctx).join(format!("{import}.writer"))
}

fn temp(ctx: &Context) -> PathBuf {
    ctx.folders.usage.join("temp")
}

fn session_name(import: Uuid) -> String {
    format!("import {import}")
}
