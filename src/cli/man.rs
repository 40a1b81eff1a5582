//! `man`: the manual page, made from the same definitions as `--help`.

use crate::failure::{Exit, Failure};
use crate::output::Output;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The page of one command, for example `run` or `runs approve`
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
}

/// The page on stdout, for `man -l -`.
pub fn run(args: &Args, mut command: clap::Command, output: &Output) -> Result<Exit, Failure> {
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
