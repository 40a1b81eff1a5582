//! `man`: the manual page, made from the same definitions as `--help`.

use crate::failure::{Exit, Failure};
use crate::output::Output;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The page of one command, for example `run` or `runs approve`
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
    /// Write every page into this folder, as `tallybook.1`, `tallybook-runs.1`, `tallybook-runs-approve.1` …
    #[arg(long, value_name = "FOLDER", conflicts_with = "command")]
    all: Option<PathBuf>,
}

/// The page on stdout, for `man -l -`.
pub fn run(args: &Args, mut command: clap::Command, output: &Output) -> Result<Exit, Failure> {
    if let Some(folder) = &args.all {
        let written =
            std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
        written.map_err(|e| {
            Failure::fault("output", format!("cannot write pages into {}: {e}", folder.display()))
        })?;
        return Ok(Exit::Done);
    }
    command.build();
    let mut page_of = &command;
    for name in &args.command {
        let names: Vec<&str> = page_of.get_subcommands().map(clap::Command::get_name).collect();
        page_of = page_of.find_subcommand(name).ok_or_else(|| {
            Failure::input("unknown_command", format!("there is no command `{name}`"))
                .hint(format!("one of {}", names.join(", ")))
        })?;
    }
    let mut page = Vec::new();
    let written = clap_mangen::Man::new(page_of.clone()).render(&mut page);
    written.map_err(|e| Failure::fault("output", format!("cannot print the page: {e}")))?;
    output.bytes(&page);
    Ok(Exit::Done)
}
