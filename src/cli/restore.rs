//! `restore`: a backup becomes a home again, or is proved to be one.

use crate::app;
use crate::config::{Config, Origin};
use crate::failure::{Exit, Failure};
use crate::home::Home;
use crate::output::{Output, grouped};
use operations::home::open;
use operations::home::restore::{self, Restore};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["check", "to"])))]
pub struct Args {
    /// A folder that `backup` made
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Change nothing: compare every file with the manifest, open the books and verify them
    #[arg(long)]
    check: bool,
    /// The home to make; it must not exist
    #[arg(long, value_name = "HOME")]
    to: Option<PathBuf>,
    /// For books that were in PostgreSQL: an empty database that takes them; with --check any database, in which a schema
    /// stands for as long as it takes to look. Unset = TALLYBOOK_DATABASE_URL
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

/// Exit code 2 if the backup is damaged.
pub async fn run(args: Args, output: &Output) -> Result<Exit, Failure> {
    let database = args.database.or_else(|| std::env::var("TALLYBOOK_DATABASE_URL").ok());
    match args.to {
        Some(home) => restore(&Restore { folder: args.folder, home, database }, output).await,
        None => check(&args.folder, database.as_deref(), output).await,
    }
}

async fn restore(what: &Restore, output: &Output) -> Result<Exit, Failure> {
    let made = restore::restore(what).await?;
    if output.is_json() {
        output.document(&made);
        return Ok(Exit::Done);
    }
    let home = made.home.display();
    output.line(&format!("{home} is the home of {} again", made.made_at));
    let with = if made.is_of_postgres { "TALLYBOOK_DATABASE_URL=… " } else { "" };
    output.say(&format!("next: `{with}tallybook --home {home} verify`"));
    if made.is_of_postgres {
        output.say("the database_url in its tallybook.toml, if there is one, is still that of the old books");
    }
    Ok(Exit::Done)
}

async fn check(folder: &Path, database: Option<&str>, output: &Output) -> Result<Exit, Failure> {
    let found = restore::check(folder, database, |store, at| {
        let config = Config::settle_sqlite(at.clone(), Origin::Default)?;
        open::context(&app::opening(&config, &Home::at(&at)), store)
            .map_err(|refusal| Failure::from(refusal).into())
    });
    let found = found.await?;
    if output.is_json() {
        output.document(&found);
    } else {
        for difference in found.differences.iter().take(DIFFERENCES_SHOWN) {
            output.line(difference);
        }
        let files = grouped(u64::try_from(found.files).unwrap_or(u64::MAX));
        let word = match (found.ok, found.opened) {
            (true, true) => "is whole and its books agree",
            (true, false) => {
                "has every file; its books were not opened, as no database was named (--database URL)"
            }
            (false, _) => "is damaged",
        };
        output.line(&format!("the backup of {} with {files} files {word}", found.made_at));
    }
    Ok(if found.ok { Exit::Done } else { Exit::Fault })
}

/// Differences told to a reader; all of them are in the JSON answer.
const DIFFERENCES_SHOWN: usize = 20;
