//! A home on either database, for tests that hold for both.

use super::bucket::TestBucket;
use super::postgres::PgHome;
use super::{Answer, Home, answer};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

/// A home and where its books are.
pub enum Books {
    Sqlite(Home),
    Postgres(PgHome),
    /// SQLite, with usage and documents in a bucket.
    Bucket(Home, TestBucket),
}

/// A fresh home on each.
pub fn both() -> [Books; 2] {
    [Books::Sqlite(Home::new()), Books::Postgres(PgHome::new())]
}

/// The same, and one whose files are in a bucket of this name.
pub fn all(bucket: &str) -> [Books; 3] {
    let [sqlite, postgres] = both();
    [sqlite, postgres, Books::Bucket(Home::new(), TestBucket::new(bucket))]
}

impl Books {
    /// The program, not yet started.
    pub fn command(&self, args: &[&str]) -> Command {
        match self {
            Self::Sqlite(home) => home.command(args),
            Self::Postgres(home) => home.command(args),
            Self::Bucket(home, bucket) => {
                let mut command = home.command(args);
                command.envs(bucket.settings());
                command
            }
        }
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Answer {
        answer(self.command(args).output().unwrap())
    }

    /// Runs a command with `--json` and insists on exit code 0.
    #[track_caller]
    pub fn json(&self, args: &[&str]) -> Value {
        self.run(&[&["--json"], args].concat()).exits(0).json()
    }

    /// The home folder.
    pub fn home(&self) -> &Home {
        match self {
            Self::Sqlite(home) | Self::Bucket(home, _) => home,
            Self::Postgres(home) => &home.home,
        }
    }

    /// Every folder that holds files of the home.
    pub fn folders(&self) -> Vec<PathBuf> {
        let bucket = match self {
            Self::Bucket(_, bucket) => Some(bucket.folder()),
            Self::Sqlite(_) | Self::Postgres(_) => None,
        };
        std::iter::once(self.home().path()).chain(bucket).collect()
    }

    /// The path of a file with this content, beside the home folder.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        self.home().file(name, content).to_str().unwrap().to_owned()
    }
}
