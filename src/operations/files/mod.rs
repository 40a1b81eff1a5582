//! Files that outlive a crash, and the buckets behind them. Knows no context.

/// Opens a file that somebody named, without waiting for whoever is to write into a pipe.
pub use metering::open_waiting;

pub mod doors;
pub mod file_store;
pub mod hash;
pub mod put;
pub mod sheet;
