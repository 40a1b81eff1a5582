//! Invoices: one verb, one file.

pub mod book;
pub mod cancel;
pub mod create;
pub mod credit;
pub mod edit;
pub(crate) mod find;
pub mod mark_paid;
pub mod refund;
pub mod view;
pub mod write_off;
