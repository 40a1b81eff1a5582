//! `tallybook serve`, asked over real connections, on both databases.

mod contract;
mod crash;
mod document;
mod idempotency;
mod invoices;
mod keys;
mod metering;
mod objects;
mod refusals;
mod serving;
mod stripe;
mod twins;
mod usage;
mod webhooks;
