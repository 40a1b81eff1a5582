//! The ledger: sealing, exports, checking every equality, and the way back from an entry to a usage line.

pub mod audit;
pub mod export;
pub mod recognize;
pub mod seal;
pub mod verify;
pub mod why;
