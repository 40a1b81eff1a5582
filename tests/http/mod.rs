//! `tallybook serve`, asked over real connections, on both databases.

mod idempotency;
mod invoices;
mod keys;
mod serving;
mod usage;
