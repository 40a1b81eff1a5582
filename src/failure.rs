//! What a command answers when it cannot: a code, a message, a hint that can be typed, and an exit code for cron.

use operations::refusal::is_of_bucket;
use serde::Serialize;
use std::path::Path;

/// Exit codes, for cron.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Your input is at fault; nothing was changed.
    Input = 1,
    /// Our fault, or a service is down; safe to run again.
    Fault = 2,
    /// Done, but something was set aside for a person.
    SetAside = 3,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => 0,
            Exit::Input => 1,
            Exit::Fault => 2,
            Exit::SetAside => 3,
        }
        .into()
    }
}

/// One fault of an input, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// JSON pointer, setting key, or file name.
    pub pointer: String,
    pub message: String,
}

impl Fault {
    /// A fault at a place.
    pub fn new(pointer: &str, message: String) -> Self {
        Self { pointer: pointer.to_owned(), message }
    }
}

/// A refusal or failure of a command.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    #[serde(skip)]
    pub exit: Exit,
    /// Stable word for scripts.
    pub code: String,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}

impl Failure {
    /// The caller's input is at fault.
    pub fn input(code: &str, message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Input,
            code: code.to_owned(),
            message: message.into(),
            hint: None,
            faults: Vec::new(),
        }
    }

    /// Our fault, or a service is down.
    pub fn fault(code: &str, message: impl Into<String>) -> Self {
        Self { exit: Exit::Fault, ..Self::input(code, message) }
    }

    /// Adds a hint that can be typed.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the faults of the input.
    pub fn with(mut self, faults: Vec<Fault>) -> Self {
        self.faults = faults;
        self
    }

    /// Settings that cannot be used.
    pub fn settings(path: &Path, faults: Vec<Fault>) -> Self {
        let count = faults.len();
        Self::input("settings", format!("{count} setting(s) cannot be used"))
            .hint(format!("edit {} or the environment, then run `tallybook config`", path.display()))
            .with(faults)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<Failure>() {
            Ok(failure) => failure,
            Err(error) if is_of_bucket(&error) => Self::fault("bucket", format!("{error:#}"))
                .hint("check that the bucket answers (`tallybook doctor`), then run the same command again"),
            Err(error) => Self::fault("internal", format!("{error:#}"))
                .hint("it is safe to run the same command again; `tallybook doctor` looks for causes"),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
