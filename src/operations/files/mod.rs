//! Files that outlive a crash, and the buckets behind them. Knows no context.

pub mod doors;
pub mod hash;
pub mod put;
pub mod shelf;
