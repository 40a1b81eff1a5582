//! `simulate`: scenarios through the billing core on a book in memory. No database, no files.

use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::stdout::{self, Stdout};
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// One scenario as JSON, or one per line; `-` reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// One answer per scenario, in order, as NDJSON.
pub fn run(args: Args, _: &Output) -> Result<Exit, Failure> {
    let unreadable = |e: std::io::Error| {
        Failure::input("unreadable", format!("cannot read {}: {e}", args.file.display()))
            .hint("tallybook simulate FILE, or `-` for standard input")
    };
    let input: Box<dyn Read> = if args.file.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(&args.file).map_err(unreadable)?)
    };
    let mut input = BufReader::new(input);
    let mut out = BufWriter::new(Stdout);
    let mut first = String::new();
    input.read_line(&mut first).map_err(unreadable)?;
    let per_line = serde_json::from_str::<serde::de::IgnoredAny>(&first).is_ok();
    if !per_line {
        input.read_to_string(&mut first).map_err(unreadable)?;
        if first.trim().is_empty() {
            return Err(Failure::input("empty", format!("{} holds no scenario", args.file.display())));
        }
        answer(&mut out, &first)?;
        return Ok(Exit::Done);
    }
    answer(&mut out, &first)?;
    for line in input.lines() {
        let line = line.map_err(unreadable)?;
        if !stdout::is_open() {
            break;
        }
        if !line.trim().is_empty() {
            answer(&mut out, &line)?;
        }
    }
    Ok(Exit::Done)
}

fn answer(out: &mut BufWriter<Stdout>, scenario: &str) -> Result<(), Failure> {
    let answer = domain::simulate::simulate(scenario);
    writeln!(out, "{answer}").map_err(|e| Failure::fault("output", format!("cannot write the answer: {e}")))
}
