//! `simulate`: scenarios through the billing core on a book in memory. No database, no files.

use super::{input, wording};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::stdout::{self, Stdout};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// One scenario as JSON, or one per line; `-` reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Bytes of a scenario with its book. Reading one takes some twenty times as much memory.
const SCENARIO_BYTES_MAX: u64 = 16 << 20;

/// One answer per scenario, in order, as NDJSON.
pub fn run(args: Args, _: &Output) -> Result<Exit, Failure> {
    let mut scenarios =
        Scenarios { input: BufReader::new(input::open(&args.file)?), path: args.file, line: 0 };
    let mut out = BufWriter::new(Stdout);
    let Some(first) = scenarios.next_line()? else { return Err(scenarios.empty()) };
    if serde_json::from_slice::<serde::de::IgnoredAny>(&first).is_err() {
        let whole = scenarios.rest_of(first)?;
        answer(&mut out, &scenarios.text(whole)?)?;
        return Ok(Exit::Done);
    }
    let mut next = Some(first);
    while let Some(line) = next.filter(|_| stdout::is_open()) {
        answer(&mut out, &scenarios.text(line)?)?;
        next = scenarios.next_line()?;
    }
    Ok(Exit::Done)
}

/// Scenarios as they are read.
struct Scenarios {
    input: BufReader<Box<dyn Read + Send>>,
    path: PathBuf,
    line: u64,
}

impl Scenarios {
    /// The next line that is not blank.
    fn next_line(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            let mut line = Vec::new();
            self.line += 1;
            let read = input::read_line(&mut self.input, &mut line, SCENARIO_BYTES_MAX);
            if !read.map_err(|error| input::unreadable(&self.path, &error))? {
                return Err(self.too_long());
            }
            if line.is_empty() {
                return Ok(None);
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
        }
    }

    /// One scenario over many lines: all that is left.
    fn rest_of(&mut self, mut first: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let room = SCENARIO_BYTES_MAX.saturating_sub(first.len() as u64);
        let read = self.input.by_ref().take(room + 1).read_to_end(&mut first);
        match read.map_err(|error| input::unreadable(&self.path, &error))? as u64 <= room {
            true => Ok(first),
            false => Err(self.too_long()),
        }
    }

    fn text(&self, bytes: Vec<u8>) -> Result<String, Failure> {
        String::from_utf8(bytes).map_err(|_| {
            Failure::input(
                "unreadable",
                format!("{} is not UTF-8 at line {}", self.path.display(), self.line),
            )
            .hint("save the file as UTF-8")
        })
    }

    fn too_long(&self) -> Failure {
        let (path, line) = (self.path.display(), self.line);
        Failure::input("too_long", format!("{path}: the scenario at line {line} is longer than 16 MiB"))
            .hint("write one scenario per line, each with the part of the book that it needs")
    }

    fn empty(&self) -> Failure {
        Failure::input("empty", format!("{} holds no scenario", self.path.display()))
            .hint("docs/simulate.md shows one; `-` reads standard input")
    }
}

fn answer(out: &mut BufWriter<Stdout>, scenario: &str) -> Result<(), Failure> {
    let answer = domain::simulate::simulate(scenario, wording::way_out);
    writeln!(out, "{answer}").map_err(|e| Failure::fault("output", format!("cannot write the answer: {e}")))
}
