//! `backup`: a backup by the timetable, proved as `restore --check` proves one, and so many kept. Also the proof itself.
//!
//! Idempotency key: the folder's name is the instant of the tick; one that stands there already is done.

use crate::context::Context;
use crate::files::put;
use crate::home::backup::{self, LAST_GOOD, Manifest, TABLES};
use crate::home::scratch::Scratch;
use crate::ledger::verify;
use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use store::dump::Server;
use store::{Database, Store};

/// Begins the name of every folder that the timetable makes.
const PREFIX: &str = "tallybook-";

/// What a proof found.
#[derive(Debug)]
pub struct Proof {
    pub manifest: Manifest,
    /// What differs; empty = the backup is good.
    pub differences: Vec<String>,
    /// Whether the books were opened and verified: books of PostgreSQL need a database for that.
    pub is_opened: bool,
}

/// The last backup that was proved good.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LastGood {
    pub at: DateTime<Utc>,
    pub folder: PathBuf,
}

/// Compares every file with the manifest, opens the books beside the backup and verifies them. `context` makes what they
/// are looked at with; books of PostgreSQL are brought into a schema of `server` for as long.
pub async fn prove(
    folder: &Path,
    server: Option<&Server>,
    context: impl FnOnce(Store, PathBuf) -> anyhow::Result<Context>,
) -> anyhow::Result<Proof> {
    let (manifest, differences) = backup::check(folder)?;
    let is_of_postgres = backup::is_of_postgres(folder);
    if !differences.is_empty() || (is_of_postgres && server.is_none()) {
        return Ok(Proof { manifest, differences, is_opened: false });
    }
    let scratch = Scratch::make()?;
    let at = scratch.place();
    backup::stand_in(folder, &at)?;
    let found = match server.filter(|_| is_of_postgres) {
        Some(server) => in_a_schema(folder, &at, server, context).await,
        None => in_a_copy(&at, context).await,
    };
    drop(scratch);
    Ok(Proof { manifest, differences: found?, is_opened: true })
}

async fn in_a_copy(
    at: &Path,
    context: impl FnOnce(Store, PathBuf) -> anyhow::Result<Context>,
) -> anyhow::Result<Vec<String>> {
    match Store::open(&Database::Sqlite { path: at.join("tallybook.db") }).await {
        Ok(store) => differing(&context(store, at.to_owned())?).await,
        Err(error) => Ok(vec![format!("the books do not open: {error}")]),
    }
}

async fn in_a_schema(
    folder: &Path,
    at: &Path,
    server: &Server,
    context: impl FnOnce(Store, PathBuf) -> anyhow::Result<Context>,
) -> anyhow::Result<Vec<String>> {
    let standing = server.stand(&folder.join(TABLES)).await;
    let standing = standing.context("bringing the tables into a schema of the database to look at them")?;
    let found = async { differing(&context(standing.open().await?, at.to_owned())?).await };
    let found = found.await;
    let dropped = standing.fall().await;
    let found = found.context("looking at the tables in a schema of the database")?;
    dropped?;
    Ok(found)
}

/// What `verify` tells of these books.
async fn differing(ctx: &Context) -> anyhow::Result<Vec<String>> {
    let checks = verify::checks(ctx).await;
    ctx.store.close().await;
    let differing = checks?.into_iter().filter(|check| !check.ok);
    Ok(differing.map(|check| format!("{}: {}", check.name, check.difference.unwrap_or_default())).collect())
}

/// Makes, proves and keeps; what is beyond `keep` goes, but never the only good one.
pub async fn by_timetable(ctx: &Context) -> anyhow::Result<()> {
    let plan = &ctx.settings.backup;
    let now = (ctx.now)();
    let folder = plan.folder.join(format!("{PREFIX}{}", now.format("%Y%m%dT%H%M%SZ")));
    if !folder.join(backup::MANIFEST).is_file() {
        // What a tick has left that died in it.
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("deleting {}", folder.display()))?;
        }
        backup::backup(ctx, &folder).await?;
    }
    let server = Server::of(&ctx.store);
    let proof = prove(&folder, server.as_ref(), |store, at| Ok(ctx.beside(store, at))).await?;
    ensure!(
        proof.differences.is_empty(),
        "the backup {} is not good: {}",
        folder.display(),
        proof.differences.join("; ")
    );
    note_good(ctx, &folder).await?;
    let (all, keep) = (plan.folder.clone(), plan.keep);
    tokio::task::spawn_blocking(move || prune(&all, keep)).await?
}

/// Remembers a good backup for `doctor`.
pub async fn note_good(ctx: &Context, folder: &Path) -> anyhow::Result<()> {
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let note = serde_json::to_vec_pretty(&LastGood { at: (ctx.now)(), folder })?;
    put::put(&ctx.doors, &ctx.folders.root, LAST_GOOD, &note).await
}

/// The last good backup of this home; none if nobody made one.
pub fn last_good(root: &Path) -> Option<LastGood> {
    serde_json::from_slice(&fs::read(root.join(LAST_GOOD)).ok()?).ok()
}

/// Deletes the oldest finished backups of the timetable, and what it left unfinished; folders of other names are not ours.
fn prune(all: &Path, keep: usize) -> anyhow::Result<()> {
    let (mut finished, mut unfinished) = (Vec::new(), Vec::new());
    for found in fs::read_dir(all)? {
        let found = found?;
        let is_ours = found.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if is_ours && found.file_type()?.is_dir() {
            let is_finished = found.path().join(backup::MANIFEST).is_file();
            if is_finished { &mut finished } else { &mut unfinished }.push(found.path());
        }
    }
    finished.sort();
    let surplus = finished.len().saturating_sub(keep.max(1));
    for folder in finished.drain(..surplus).chain(unfinished) {
        fs::remove_dir_all(&folder).with_context(|| format!("deleting {}", folder.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_and_what_is_not_ours_stays() {
        let all = tempfile::tempdir().unwrap();
        for name in ["tallybook-1", "tallybook-2", "tallybook-3", "mine", "tallybook-0"] {
            fs::create_dir(all.path().join(name)).unwrap();
            if name != "tallybook-0" {
                fs::write(all.path().join(name).join(backup::MANIFEST), b"{}").unwrap();
            }
        }
        prune(all.path(), 2).unwrap();
        let mut left: Vec<_> = fs::read_dir(all.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["mine", "tallybook-2", "tallybook-3"]);
        prune(all.path(), 0).unwrap();
        assert!(all.path().join("tallybook-3").exists(), "the last one is never deleted");
    }
}
