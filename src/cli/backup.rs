//! `backup`: a consistent copy of a home, also while it is being worked.

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Output, grouped};
use operations::home::prove_backup;
use std::path::{Path, PathBuf};
use store::dump::Server;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A new folder for the copy
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Do not prove the copy as `restore --check` does; `doctor` then does not count it
    #[arg(long)]
    no_check: bool,
}

/// The books are one snapshot, whichever database they are in, and the files are those that it names.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    let folder = args.folder.display().to_string();
    let taken = std::fs::read_dir(&args.folder).is_ok_and(|mut entries| entries.next().is_some());
    if taken || args.folder.starts_with(&app.home.root) {
        let why = if taken { "is not empty" } else { "lies in the home itself" };
        return Err(Failure::input("backup_folder", format!("{folder} {why}"))
            .hint("name a new folder outside the home, for example with the day in its name"));
    }
    let made = operations::home::backup::backup(&app.ctx, &args.folder).await.map_err(|e| {
        Failure::fault("backup", format!("{e:#}"))
            .hint(format!("make room, remove {folder} and run the same command again"))
    })?;
    if !args.no_check {
        prove(&app, &args.folder).await?;
    }
    if output.is_json() {
        output.document(&serde_json::json!({"folder": folder, "files": made.files.len(), "bytes": made.bytes, "madeat": made.made_at}));
    } else {
        let files = grouped(u64::try_from(made.files.len()).unwrap_or(u64::MAX));
        output.line(&format!("{folder}: {files} files, {} bytes", grouped(made.bytes)));
        match args.no_check {
            true => output.say(&format!("next: prove it with `tallybook restore --check {folder}`")),
            false => output.line("it was opened, and its books agree"),
        }
    }
    Ok(Exit::Done)
}

/// Opens the copy and verifies it; a good one is remembered for `doctor`.
async fn prove(app: &App, folder: &Path) -> Result<(), Failure> {
    let server = Server::of(&app.store);
    let proof =
        prove_backup::prove(folder, server.as_ref(), |store, at| Ok(app.ctx.beside(store, at))).await?;
    if proof.differences.is_empty() {
        return Ok(prove_backup::note_good(&app.ctx, folder).await?);
    }
    let found = proof.differences.join("; ");
    Err(Failure::fault("backup", format!("the copy {} is made, but not good: {found}", folder.display()))
        .hint("`tallybook verify` says whether the home itself is"))
}
