//! The one integration binary: the built `tallybook` against real counterparts.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod support;

mod cli;
mod costs;
mod flows;
mod http;
mod tidy;
mod timelines;
