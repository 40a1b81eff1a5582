//! Invoices: one verb, one file. `find` says what a name stands for, `view` what is shown.

pub mod book;
pub mod cancel;
pub mod create;
pub mod credit;
pub mod document;
pub mod edit;
pub(crate) mod find;
pub mod list;
pub mod mark_delivered;
pub mod mark_paid;
pub(crate) mod name;
pub mod recharge;
pub mod refund;
pub mod refund_credit;
pub mod send;
pub mod show;
pub mod take_over;
pub mod view;
pub mod void;
pub mod write_off;
