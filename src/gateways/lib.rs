//! Outside systems, each behind a trait with an in-memory twin: mail transports, payment providers,
//! buckets, durable files.
//!
//! Mails and payments are not retried here: every call says what became of it ([`Delivery`], [`ChargeAnswer`], [`GatewayError`]), and
//! the jobs decide when to come back. Every call to another system passes a [`Doors`] point before and after.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod bucket;
mod doors;
pub mod files;
mod http;
pub mod mail;
pub mod payment;
pub mod ping;
pub mod webhook;

pub use bucket::{Bucket, BucketError, BucketSettings};
pub use doors::Doors;
pub use mail::{Delivery, MailTransport};
pub use payment::{
    ChargeAnswer, ChargeRequest, GatewayError, LookedUp, PaymentGateway, RefundAnswer, RefundRequest,
};
pub use ping::Ping;

use std::future::Future;
use std::pin::Pin;

/// What a gateway's method gives: a future that can be kept behind `dyn`.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
