//! The HTTP API: two published shapes over the same operations as the command line. A handler parses, calls one
//! operation, and answers a view; it holds no rule and no SQL.
//!
//! Read it along a request: [`server`] takes the connection, `respond` gives it an id and catches what goes wrong,
//! `routes` finds the handler, `guard` looks at key, pace and body, and `answer` or `problem` goes back.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod answer;
mod app;
mod body;
mod call;
mod caller;
mod cors;
mod doc;
mod guard;
mod json;
mod lago;
mod once;
mod openapi;
mod openmeter;
mod openmeter_reads;
mod pace;
mod problem;
mod refused;
mod respond;
mod route;
mod routes;
mod server;
mod stripe;
mod system;
mod upodi;
mod wording;
mod zuplo;

pub use app::{Settings, TlsFiles};
pub use server::{Listening, listen};
