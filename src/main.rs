//! `tallybook`: usage files in, booked invoices and a ledger out. Parses the command line, settles the settings,
//! runs one command, answers with its exit code.

mod app;
mod cli;
mod config;
mod drive;
mod failure;
mod home;
mod metrics;
mod out_file;
mod output;
mod progress;
mod sample;
mod stdout;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
