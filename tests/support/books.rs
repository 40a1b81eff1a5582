//! A home on either database, for tests that hold for both.

use super::postgres::PgHome;
use super::{Answer, Home, answer};
use serde_json::Value;
use std::process::Command;

/// A home and where its books are.
pub enum Books {
    Sqlite(Home),
    Postgres(PgHome),
}

/// A fresh home on each.
pub fn both() -> [Books; 2] {
    [Books::Sqlite(Home::new()), Books::Postgres(PgHome::new())]
}

impl Books {
    /// The program, not yet started.
    pub fn command(&self, args: &[&str]) -> Command {
        match self {
            Self::Sqlite(home) => home.command(args),
            Self::Postgres(home) => home.command(args),
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
            Self::Sqlite(home) => home,
            Self::Postgres(home) => &home.home,
        }
    }

    /// The path of a file with this content, beside the home folder.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        self.home().file(name, content).to_str().unwrap().to_owned()
    }
}
