//! SEPA direct debits (rules Y8): what waits goes to the bank in a file, and the bank's answers settle invoices, decline
//! attempts, or open invoices again.

pub(crate) mod answers;
pub mod export;

pub use banking::pain008::Version;
pub use export::{DebitsAsked, Exported, export};
