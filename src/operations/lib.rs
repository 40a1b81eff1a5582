//! All that can be asked of tallybook, one folder per noun. A front end (the command line, HTTP) or a job parses, calls one
//! operation, and shows what it gives.
//!
//! A folder imports only from folders that stand before it: `files`, `settings`, `aside`, `refusal`, `actor` → `context` →
//! `act` → `keys`, `idempotency`, `webhooks` → `delivery`, `usage` → `payments`, `ledger`, `home` → `invoices` → `payers`, `runs`, `reports`,
//! `periods` →
//! `subscriptions` → `dunning`, `book` → `health`, `lists` → `metered`.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod act;
pub mod actor;
pub mod aside;
pub mod book;
pub mod context;
pub mod delivery;
pub mod dunning;
pub mod files;
pub mod health;
pub mod home;
pub mod idempotency;
pub mod invoices;
pub mod keys;
pub mod ledger;
pub mod lists;
pub mod metered;
pub mod payers;
pub mod payments;
pub mod periods;
pub mod refusal;
pub mod reports;
pub mod runs;
pub mod settings;
pub mod subscriptions;
pub mod usage;
pub mod webhooks;

pub use act::{Act, Actor};
pub use context::Context;
pub use refusal::Stop;
