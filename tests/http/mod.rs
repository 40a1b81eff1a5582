//! `tallybook serve`, asked over real connections, on both databases.

mod contract;
mod crash;
mod idempotency;
mod invoices;
mod keys;
mod objects;
mod serving;
mod usage;
mod webhooks;
