//! The home folder: where everything of one tenant lives, readable by its owner only.

use crate::failure::Failure;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Paths inside a home folder.
#[derive(Debug, Clone)]
pub struct Home {
    pub root: PathBuf,
}

impl Home {
    /// The folders of a home.
    pub const FOLDERS: [&'static str; 6] = ["usage", "inbox", "rejects", "documents", "mail", "exports"];

    /// A home at `root`; nothing is touched yet.
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The SQLite file.
    pub fn database(&self) -> PathBuf {
        self.root.join("tallybook.db")
    }

    /// The settings file.
    pub fn settings(&self) -> PathBuf {
        self.root.join("tallybook.toml")
    }

    /// A folder of [`Self::FOLDERS`].
    pub fn folder(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Whether `init` or any other command has been here.
    pub fn exists(&self) -> bool {
        // One that comes back from a backup has only the folders that had something in them.
        self.root.join("usage").is_dir() || self.database().is_file()
    }

    /// Makes the folders that are missing.
    pub fn make(&self) -> Result<(), Failure> {
        make_private(&self.root).map_err(|e| unmade(&self.root, &e))?;
        for name in Self::FOLDERS {
            let path = self.folder(name);
            make_private(&path).map_err(|e| unmade(&path, &e))?;
        }
        Ok(())
    }
}

/// Whose fault it is that a folder cannot be made: a disk that is full or broken is not the caller's.
fn unmade(path: &Path, error: &std::io::Error) -> Failure {
    let told = format!("cannot make {}: {error}", path.display());
    match error.kind() {
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => Failure::input("home", told)
            .hint("what lies there is no folder: move it away, or choose another home with --home DIR"),
        ErrorKind::PermissionDenied
        | ErrorKind::NotFound
        | ErrorKind::InvalidInput
        | ErrorKind::InvalidFilename => {
            Failure::input("home", told).hint("choose another folder with --home DIR")
        }
        _ => Failure::fault("home", told).hint("fix the disk, then run the same command again"),
    }
}

/// A folder that only its owner may enter; an existing one keeps its rights.
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if path.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
