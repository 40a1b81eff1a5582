//! Invoices: one verb, one file.

pub mod book;
pub mod create;
pub mod credit;
pub mod edit;
