//! Runs: opening, what comes after what, review, reversal, preview and report.

pub mod bill;
pub mod bounds;
pub mod flow;
pub mod open;
pub mod pin;
pub mod preview;
pub mod report;
pub mod requests;
pub mod reverse;
pub mod review;
