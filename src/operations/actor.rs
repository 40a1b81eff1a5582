//! Who asks.

use std::fmt;

/// Who asks. The words stand in the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// By the name under which they are known here.
    Person(String),
    /// A program, by the name of its key.
    Key(String),
    Timetable,
    Dunning,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(name) => f.write_str(name),
            Self::Key(name) => write!(f, "key:{name}"),
            Self::Timetable => f.write_str("timetable"),
            Self::Dunning => f.write_str("dunning"),
        }
    }
}
