//! The home as a whole: who works it, copies of it, and what nobody needs any more.

pub mod backup;
pub mod lock;
pub mod prove_backup;
mod scratch;
pub mod timetable;
pub mod upkeep;
