//! `restore`: a backup becomes a home again, or is proved to be one.

use crate::app;
use crate::config::{Config, Origin};
use crate::failure::{Exit, Failure};
use crate::home::Home;
use crate::output::{Output, grouped};
use operations::context::Context;
use operations::home::backup;
use operations::home::prove_backup::{self, Proof};
use std::path::{Path, PathBuf};
use store::Store;
use store::dump::Server;

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
    let url = args.database.or_else(|| std::env::var("TALLYBOOK_DATABASE_URL").ok());
    let url = url.filter(|url| !url.is_empty() && backup::is_of_postgres(&args.folder));
    let server = url.map(|url| Server::of_url(&url)).transpose().map_err(|e| {
        Failure::input("database", e.to_string()).hint("--database postgres://user@host/database")
    })?;
    match &args.to {
        Some(home) => restore(&args.folder, home, server.as_ref(), output).await,
        None => check(&args.folder, server.as_ref(), output).await,
    }
}

async fn restore(
    folder: &Path,
    home: &Path,
    server: Option<&Server>,
    output: &Output,
) -> Result<Exit, Failure> {
    if home.exists() {
        return Err(Failure::input("home_exists", format!("{} exists", home.display()))
            .hint("restore into a new folder, look at it, then move it to its place"));
    }
    backup::manifest(folder).map_err(not_a_backup)?;
    let is_of_postgres = backup::is_of_postgres(folder);
    if is_of_postgres && server.is_none() {
        return Err(Failure::input("no_database", "the books of this backup were in PostgreSQL").hint(format!(
            "create an empty database and run `tallybook restore {} --to {} --database postgres://user@host/it`",
            folder.display(),
            home.display()
        )));
    }
    let failed =
        |hint: String| move |e: anyhow::Error| Failure::fault("restore", format!("{e:#}")).hint(hint);
    let again = format!(
        "look with `tallybook restore --check {}`, then run the same command again",
        folder.display()
    );
    let restoring = backup::restore(folder, home).map_err(failed(again.clone()))?;
    if let Some(server) = server {
        let another = "name an empty database and run the same command again".to_owned();
        server.load(&folder.join(backup::TABLES)).await.map_err(failed(another))?;
    }
    let manifest = restoring.stand_up().map_err(failed(again))?;
    if output.is_json() {
        output.document(
            &serde_json::json!({"home": home, "files": manifest.files.len(), "madeat": manifest.made_at}),
        );
    } else {
        output.line(&format!("{} is the home of {} again", home.display(), manifest.made_at));
        let with = if is_of_postgres { "TALLYBOOK_DATABASE_URL=… " } else { "" };
        output.say(&format!("next: `{with}tallybook --home {} verify`", home.display()));
        if is_of_postgres {
            output.say(
                "the database_url in its tallybook.toml, if there is one, is still that of the old books",
            );
        }
    }
    Ok(Exit::Done)
}

async fn check(folder: &Path, server: Option<&Server>, output: &Output) -> Result<Exit, Failure> {
    backup::manifest(folder).map_err(not_a_backup)?;
    let context = |store: Store, at: PathBuf| -> anyhow::Result<Context> {
        let config = Config::settle_sqlite(at.clone(), Origin::Default)?;
        Ok(app::context(&config, &Home::at(&at), store)?)
    };
    let Proof { manifest, differences, is_opened } = prove_backup::prove(folder, server, context).await?;
    let ok = differences.is_empty();
    if output.is_json() {
        output.document(&serde_json::json!({
            "ok": ok, "files": manifest.files.len(), "bytes": manifest.bytes, "madeat": manifest.made_at, "opened": is_opened, "differences": differences,
        }));
    } else {
        for difference in differences.iter().take(20) {
            output.line(difference);
        }
        let files = grouped(u64::try_from(manifest.files.len()).unwrap_or(u64::MAX));
        let word = match (ok, is_opened) {
            (true, true) => "is whole and its books agree",
            (true, false) => {
                "has every file; its books were not opened, as no database was named (--database URL)"
            }
            (false, _) => "is damaged",
        };
        output.line(&format!("the backup of {} with {files} files {word}", manifest.made_at));
    }
    Ok(if ok { Exit::Done } else { Exit::Fault })
}

fn not_a_backup(error: anyhow::Error) -> Failure {
    Failure::input("not_a_backup", format!("{error:#}")).hint("make one with `tallybook backup DIR`")
}
