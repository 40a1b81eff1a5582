//! The command line as a contract: exit codes, messages, hints, JSON.

mod arguments;
mod refusals;
