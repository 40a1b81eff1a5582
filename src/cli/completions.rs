//! `completions`: a completion script for a shell.

use crate::failure::{Exit, Failure};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// bash, zsh, fish, elvish or powershell
    shell: clap_complete::Shell,
}

/// The script on stdout.
pub fn run(args: Args, mut command: clap::Command) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "tallybook", &mut script);
    crate::stdout::write(&script);
    Ok(Exit::Done)
}
