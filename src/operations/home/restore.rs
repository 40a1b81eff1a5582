//! `restore`: a backup becomes a home again, or is proved to be one.
//!
//! Idempotency key: none is wanted; a home is made where there is none.

use crate::context::Context;
use crate::home::backup::{self, TABLES};
use crate::home::prove_backup::{self, Proof};
use crate::refusal::Stop;
use domain::refusal::{Code, Refusal, Verb};
use serde::Serialize;
use std::path::{Path, PathBuf};
use store::Store;
use store::dump::Server;

/// A backup that is to become a home.
#[derive(Debug, Clone)]
pub struct Restore {
    /// A folder that `backup` made.
    pub folder: PathBuf,
    /// The home to make; it must not exist.
    pub home: PathBuf,
    /// An empty database, for books that were in PostgreSQL.
    pub database: Option<String>,
}

/// A home that was made of a backup.
#[derive(Debug, Clone, Serialize)]
pub struct RestoredView {
    pub home: PathBuf,
    pub files: usize,
    /// RFC 3339: when the backup was made.
    #[serde(rename = "madeat")]
    pub made_at: String,
    /// Whether its books are in PostgreSQL.
    #[serde(skip)]
    pub is_of_postgres: bool,
}

/// What a look at a backup found.
#[derive(Debug, Clone, Serialize)]
pub struct CheckedView {
    pub ok: bool,
    pub files: usize,
    pub bytes: u64,
    #[serde(rename = "madeat")]
    pub made_at: String,
    /// Whether the books were opened: those of PostgreSQL need a database for that.
    pub opened: bool,
    pub differences: Vec<String>,
}

/// Makes the home.
pub async fn restore(what: &Restore) -> Result<RestoredView, Stop> {
    let (folder, home) = (what.folder.as_path(), what.home.as_path());
    if home.exists() {
        return Err(Refusal::new(Code::HomeExists, format!("{} exists", home.display()))
            .hint("restore into a new folder, look at it, then move it to its place")
            .into());
    }
    backup::manifest(folder).map_err(not_a_backup)?;
    let is_of_postgres = backup::is_of_postgres(folder);
    let server = server_of(folder, what.database.as_deref())?;
    if is_of_postgres && server.is_none() {
        return Err(no_database(what).into());
    }
    let failed = |error: anyhow::Error| Refusal::new(Code::Restore, format!("{error:#}"));
    let again = |error: anyhow::Error| {
        failed(error)
            .hint("look with ")
            .ask(Verb::Restore.on(folder.display()).switch("check"))
            .hint(", then run the same command again")
    };
    let restoring = backup::restore(folder, home).map_err(again)?;
    if let Some(server) = server {
        let another = "name an empty database and run the same command again";
        server.load(&folder.join(TABLES)).await.map_err(|error| failed(error).hint(another))?;
    }
    let manifest = restoring.stand_up().map_err(again)?;
    Ok(RestoredView {
        home: what.home.clone(),
        files: manifest.files.len(),
        made_at: manifest.made_at,
        is_of_postgres,
    })
}

fn no_database(what: &Restore) -> Refusal {
    Refusal::new(Code::NoDatabase, "the books of this backup were in PostgreSQL")
        .hint("create an empty database and run ")
        .ask(
            Verb::Restore
                .on(what.folder.display())
                .with("to", what.home.display())
                .with("database", "postgres://user@host/it"),
        )
}

/// Changes nothing: compares every file with the manifest, opens the books and verifies them. `context` makes what they are
/// looked at with; in `database` a schema stands for as long as it takes.
pub async fn check(
    folder: &Path,
    database: Option<&str>,
    context: impl FnOnce(Store, PathBuf) -> anyhow::Result<Context>,
) -> Result<CheckedView, Stop> {
    backup::manifest(folder).map_err(not_a_backup)?;
    let server = server_of(folder, database)?;
    let Proof { manifest, differences, is_opened } =
        prove_backup::prove(folder, server.as_ref(), context).await?;
    Ok(CheckedView {
        ok: differences.is_empty(),
        files: manifest.files.len(),
        bytes: manifest.bytes,
        made_at: manifest.made_at,
        opened: is_opened,
        differences,
    })
}

/// The database that takes the books; none for books of SQLite.
fn server_of(folder: &Path, database: Option<&str>) -> Result<Option<Server>, Refusal> {
    let url = database.filter(|url| !url.is_empty() && backup::is_of_postgres(folder));
    let refused = |error: store::OpenError| {
        Refusal::new(Code::BadArgument, error.to_string()).option("database", "postgres://user@host/database")
    };
    url.map(Server::of_url).transpose().map_err(refused)
}

fn not_a_backup(error: anyhow::Error) -> Refusal {
    Refusal::new(Code::NotABackup, format!("{error:#}")).hint("make one with ").ask(Verb::Backup.on("DIR"))
}
