//! What is kept between two steps: the book, runs, drafts, invoices, the ledger and the queue, in SQLite or
//! PostgreSQL. The only crate that names sqlx.
//!
//! Read `open.rs` for the two databases, `tx.rs` for how one text serves both, then the file of the noun. Every
//! function takes a [`Tx`]: [`Store::begin`] to write, [`Store::read`] to read one snapshot. Locks are taken in
//! one order: run, then payer, then invoice, then ledger.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod api_key;
pub mod audit;
pub mod balance;
pub mod bank;
pub mod book;
pub mod book_object;
pub mod book_removal;
mod bulk;
pub mod catalogue;
#[cfg(test)]
mod conformance;
pub mod counter;
pub mod crash;
pub mod customer_part;
pub mod debit;
pub mod deleted_part;
pub mod delivery;
pub mod document;
pub mod draft;
pub mod draft_body;
pub mod dump;
pub mod erasure;
pub mod idempotency;
pub mod imports;
pub mod invoice;
pub mod ledger;
mod lent;
pub mod line_credit;
pub mod listed;
pub mod listing;
pub mod load;
pub mod measured;
pub mod meta;
pub mod metadata;
pub mod metered;
pub mod name_counter;
mod open;
pub mod open_drafts;
pub mod open_rejects;
pub mod outbox;
pub mod parked;
pub mod payer;
pub mod payment;
mod postgres_url;
pub mod queue;
pub mod refkey;
pub mod refund;
pub mod refused_file;
pub mod reopened;
pub mod request;
pub mod run;
pub mod schedule;
pub mod segment;
pub mod slice;
pub mod subject;
mod tx;
mod value;
pub mod verify;
pub mod verify_books;
pub mod waiting;
mod words;
pub mod worker;

pub use open::{Database, OpenError, QueuePool, Store, Traffic};
pub use tx::{Tx, is_transient};
