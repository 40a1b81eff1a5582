//! From files to ledger, as an operator would do it.

mod flights;
mod golden;
mod kill;
mod mail;
mod money;
mod month;
mod subscriptions;
