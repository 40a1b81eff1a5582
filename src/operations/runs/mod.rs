//! Runs: opening, what comes after what, review, reversal, preview, and how they are seen.

pub mod bill;
pub mod bounds;
pub mod find;
pub mod flow;
pub mod list;
pub mod notices;
pub mod open;
pub mod pin;
pub mod preview;
pub mod report;
pub mod requests;
pub mod reverse;
pub mod review;
pub mod show;
pub mod view;
pub mod watch;
