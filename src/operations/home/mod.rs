//! The home as a whole: who works it, copies of it, and what nobody needs any more.

pub mod backup;
pub mod health;
pub mod lock;
pub mod open;
pub mod prove_backup;
pub mod restore;
mod scratch;
pub mod take_backup;
pub mod tenant;
pub mod timetable;
pub mod upkeep;
