//! Keys of the HTTP API: what a key may do.

use std::fmt;

/// What a key may do; none implies another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Look at everything.
    Read,
    /// Change objects and ask verbs of them; bring in usage.
    Write,
    /// Bring in usage, nothing else.
    Usage,
    /// Open, approve, cancel and rerun runs.
    Operate,
}

impl Scope {
    /// Every scope, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Usage, Self::Operate];

    /// The word on the command line and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Usage => "usage",
            Self::Operate => "operate",
        }
    }

    /// Reads [`Self::name`], in any case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name().eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a key's answers write amounts, prices and quantities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Numbers {
    /// JSON numbers with exactly the digits that the command line shows.
    #[default]
    Digits,
    /// The same digits as JSON strings, for clients that read numbers as floats.
    Text,
}

impl Numbers {
    /// The word on the command line and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::Text => "text",
        }
    }

    /// Reads [`Self::name`], in any case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Digits, Self::Text].into_iter().find(|numbers| numbers.name().eq_ignore_ascii_case(text))
    }
}
