//! Who works a home. On SQLite the holder of `worker.lock` is the only worker; the lock goes with the process, so
//! after a kill the next one takes over at once. On PostgreSQL any number of workers share the queue.

use crate::context::Context;
use anyhow::Context as _;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// In the home.
const FILE: &str = "worker.lock";

/// Held while this process works the home.
#[derive(Debug)]
pub struct HomeLock {
    _file: File,
}

/// What came of asking for the lock.
#[derive(Debug)]
pub enum LockOutcome {
    Ours(HomeLock),
    /// Somebody else works this home: what it wrote about itself.
    Held(String),
}

/// The lock that makes this process the home's worker, or who holds it. On PostgreSQL everybody works.
pub fn of(ctx: &Context) -> anyhow::Result<Option<LockOutcome>> {
    if !ctx.store.is_sqlite() {
        return Ok(None);
    }
    HomeLock::take(&ctx.folders.root.join(FILE), &ctx.worker).map(Some)
}

impl HomeLock {
    /// Takes the lock if it is free; never waits.
    pub fn take(path: &Path, worker: &str) -> anyhow::Result<LockOutcome> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .with_context(|| format!("opening {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                drop(file.read_to_string(&mut holder));
                return Ok(LockOutcome::Held(holder.trim().to_owned()));
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("locking {}", path.display()));
            }
        }
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{worker}")?;
        Ok(LockOutcome::Ours(Self { _file: file }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_the_next_one_at_once() {
        let path = std::env::temp_dir().join(format!("tallybook-lock-{}", std::process::id()));
        let first = HomeLock::take(&path, "one").expect("a lock");
        assert!(matches!(&first, LockOutcome::Ours(_)));
        assert!(
            matches!(HomeLock::take(&path, "two").expect("an answer"), LockOutcome::Held(holder) if holder == "one")
        );
        drop(first);
        assert!(matches!(HomeLock::take(&path, "three").expect("an answer"), LockOutcome::Ours(_)));
        drop(std::fs::remove_file(path));
    }
}
