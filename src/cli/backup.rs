//! `backup`: a consistent copy of a home, also while it is being worked.

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Output, grouped};
use operations::home::take_backup::{self, NewBackup};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A new folder for the copy
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Do not prove the copy as `restore --check` does; `doctor` then does not count it
    #[arg(long)]
    no_check: bool,
}

/// Copies, and proves the copy.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    let what = NewBackup { folder: args.folder, is_proved: !args.no_check };
    let made = take_backup::take(&app.ctx, &what).await?;
    if output.is_json() {
        output.document(&made);
    } else {
        let files = grouped(u64::try_from(made.files).unwrap_or(u64::MAX));
        output.line(&format!("{}: {files} files, {} bytes", made.folder, grouped(made.bytes)));
        match what.is_proved {
            true => output.line("it was opened, and its books agree"),
            false => output.say(&format!("next: prove it with `tallybook restore --check {}`", made.folder)),
        }
    }
    Ok(Exit::Done)
}
