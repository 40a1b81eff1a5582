//! Why something asked for is not done: one shape for every noun. The code is for programs, the message for people, the
//! way out is data. A front end words it; nothing below knows what is typed there.

mod code;
mod way_out;

pub use code::{Code, Kind};
pub use way_out::{Command, Phrase, Verb, WayOut, Wording};

use serde::{Deserialize, Serialize};
use std::fmt;

/// A refusal that the asker can act on. Nothing was changed.
///
/// It is no `std::error::Error`, so that `?` cannot turn it into a failure of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub code: Code,
    /// For people, in lower case.
    pub message: String,
    pub way_out: Option<WayOut>,
    /// All that is wrong with what was handed in, each with its place.
    pub faults: Vec<Fault>,
}

/// One thing that is wrong with what was handed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// JSON pointer, name of a setting or of a file.
    pub pointer: String,
    pub message: String,
    pub way_out: Option<WayOut>,
}

impl Refusal {
    /// A refusal without a way out.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), way_out: None, faults: Vec::new() }
    }

    /// The same, of one of several things: with its place, as a JSON pointer says it.
    pub fn at(self, place: impl std::fmt::Display) -> Self {
        Self { message: format!("{place}: {}", self.message), ..self }
    }

    /// Whose move it is now.
    pub fn kind(&self) -> Kind {
        self.code.kind()
    }

    /// Adds words about what to do.
    #[must_use]
    pub fn hint(self, words: impl Into<String>) -> Self {
        self.out(|way| way.words(words))
    }

    /// Adds something to ask for.
    #[must_use]
    pub fn ask(self, command: Command) -> Self {
        self.out(|way| way.ask(command))
    }

    /// Adds an option of what was asked, with the value that it is to have.
    #[must_use]
    pub fn option(self, name: &'static str, value: impl ToString) -> Self {
        self.out(|way| way.option(name, Some(value.to_string())))
    }

    /// Adds an option of what was asked that is a switch, or is to be left out.
    #[must_use]
    pub fn switch(self, name: &'static str) -> Self {
        self.out(|way| way.option(name, None))
    }

    /// What to do, unless it is said already.
    #[must_use]
    pub fn or(mut self, way_out: impl Into<WayOut>) -> Self {
        self.way_out.get_or_insert_with(|| way_out.into());
        self
    }

    /// With all that is wrong.
    #[must_use]
    pub fn with(mut self, faults: Vec<Fault>) -> Self {
        self.faults = faults;
        self
    }

    fn out(mut self, goes_on: impl FnOnce(WayOut) -> WayOut) -> Self {
        self.way_out = Some(goes_on(self.way_out.take().unwrap_or_default()));
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
