//! Charging, what a provider answers, and money that a person tells of.

pub mod account;
pub mod answers;
pub mod bank;
pub mod collect;
pub mod debits;
pub mod events;
pub mod look_up;
pub mod settle;
pub mod tried;
pub mod unanswered;
