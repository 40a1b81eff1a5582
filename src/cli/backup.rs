//! `backup`: a consistent copy of a home, also while it is being worked.

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Output, grouped};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A new folder for the copy
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Books in PostgreSQL are copied by its own tools.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    let (home, folder) = (app.home.root.display().to_string(), args.folder.display().to_string());
    if !app.store.is_sqlite() {
        return Err(Failure::input("postgresql", "these books are in PostgreSQL, which has tools of its own").hint(
            format!("`pg_dump -Fc -f books.dump \"$TALLYBOOK_DATABASE_URL\"` first, then copy {home} (files only grow)"),
        ));
    }
    let taken = std::fs::read_dir(&args.folder).is_ok_and(|mut entries| entries.next().is_some());
    if taken || args.folder.starts_with(&app.home.root) {
        let why = if taken { "is not empty" } else { "lies in the home itself" };
        return Err(Failure::input("backup_folder", format!("{folder} {why}"))
            .hint("name a new folder outside the home, for example with the day in its name"));
    }
    let made = jobs::backup_home::backup(&app.ctx, &args.folder).await.map_err(|e| {
        Failure::fault("backup", format!("{e:#}"))
            .hint(format!("make room, remove {folder} and run the same command again"))
    })?;
    if output.is_json() {
        output.document(&serde_json::json!({"folder": folder, "files": made.files.len(), "bytes": made.bytes, "madeat": made.made_at}));
    } else {
        let files = grouped(u64::try_from(made.files.len()).unwrap_or(u64::MAX));
        output.line(&format!("{folder}: {files} files, {} bytes", grouped(made.bytes)));
        output.say(&format!("next: prove it with `tallybook restore --check {folder}`"));
    }
    Ok(Exit::Done)
}
