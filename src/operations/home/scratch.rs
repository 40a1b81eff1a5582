//! A folder for as long as a backup is looked at. It holds a copy of the books, so it must not outlive its process: a lock
//! goes with the process, and whoever comes next deletes what a dead one has left.

use anyhow::Context as _;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use uuid::Uuid;

/// Begins the names of all of them.
const PREFIX: &str = "tallybook-check-";
/// Locked as long as its process lives.
const ALIVE: &str = "alive";
/// A younger one may be about to be locked.
const SETTLED: Duration = Duration::from_secs(60);

/// Deleted with the value.
#[derive(Debug)]
pub struct Scratch {
    folder: PathBuf,
    _alive: File,
}

impl Scratch {
    /// A new one, readable by its owner only.
    pub fn make() -> anyhow::Result<Self> {
        let all = std::env::temp_dir();
        sweep(&all);
        let folder = all.join(format!("{PREFIX}{}", Uuid::new_v4().simple()));
        DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .with_context(|| format!("making {}", folder.display()))?;
        let alive = OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.join(ALIVE))?;
        alive.try_lock().with_context(|| format!("locking {}", folder.display()))?;
        Ok(Self { folder, _alive: alive })
    }

    /// A place in it that is not there yet.
    pub fn place(&self) -> PathBuf {
        self.folder.join("home")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// Deletes what dead processes have left. What cannot be looked into is somebody else's.
fn sweep(all: &Path) {
    for entry in fs::read_dir(all).into_iter().flatten().flatten() {
        let is_one = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if is_one && is_left_behind(&entry.path()).is_some_and(|left| left) {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

/// None if nobody can say.
fn is_left_behind(folder: &Path) -> Option<bool> {
    let made = fs::symlink_metadata(folder).ok().filter(fs::Metadata::is_dir)?.modified().ok()?;
    if made.elapsed().ok()? < SETTLED {
        return Some(false);
    }
    // Folders of earlier versions have no lock; none of their proofs takes a day.
    let Ok(alive) = File::open(folder.join(ALIVE)) else {
        return Some(made.elapsed().ok()? > 24 * 60 * SETTLED);
    };
    Some(alive.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn age(folder: &Path, by: Duration) {
        File::open(folder).unwrap().set_modified(std::time::SystemTime::now() - by).unwrap();
    }

    #[test]
    fn what_a_dead_process_left_goes_and_what_a_living_one_has_stays() {
        let all = tempfile::tempdir().unwrap();
        let made = |name: &str| {
            let folder = all.path().join(name);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join(ALIVE), "").unwrap();
            folder
        };
        let (dead, living, young, other) =
            (made("tallybook-check-1"), made("tallybook-check-2"), made("tallybook-check-3"), made("mine"));
        let held = File::open(living.join(ALIVE)).unwrap();
        held.try_lock().unwrap();
        for folder in [&dead, &living, &other] {
            age(folder, 2 * SETTLED);
        }
        sweep(all.path());
        assert!(!dead.exists());
        assert!(living.exists() && young.exists() && other.exists());
    }
}
