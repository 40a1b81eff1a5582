//! The billing domain: pure values and rules. No async, no I/O, no clock, no floats.
//!
//! Read it along the flow: a book file ([`book_file`]) becomes a [`catalogue`], [`customer`]s and
//! [`subscription`]s; usage records pass [`usage::check`]; [`billing`] turns what is due into drafts,
//! [`invoice`]s and [`ledger`] entries; [`simulate`] does the same on a book in memory.

#![deny(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss
)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod api_key;
pub mod audit;
pub mod bank;
pub mod billing;
pub mod book_file;
pub mod catalogue;
mod code_list;
pub mod country;
pub mod customer;
pub mod decimal;
pub mod delivery_report;
pub mod direct_debit;
pub mod discount;
pub mod dunning;
pub mod einvoice;
pub mod exact;
pub mod hex;
pub mod ids;
pub mod invoice;
pub mod language;
pub mod ledger;
pub mod mail;
pub mod measure;
pub mod metered;
pub mod money;
pub mod payment;
pub mod payment_reference;
pub mod period;
pub mod pricing;
pub mod proration;
pub mod query;
pub mod refusal;
pub mod report;
pub mod run;
pub mod simulate;
pub mod subscription;
pub mod task;
pub mod tax;
pub mod usage;
pub mod warning;
pub mod webhook;
mod words;
pub mod zone;

/// Re-exported so that every crate speaks of the same types.
pub use chrono::{DateTime, NaiveDate, Utc};
pub use rust_decimal::Decimal;
pub use uuid::Uuid;
