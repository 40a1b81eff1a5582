//! `upkeep`: prunes finished tasks and old ticks, gives up imports whose writer died, deletes the files they left, and
//! keeps the usage store in few files ([`compact_usage`]); what those took the place of goes a round later, so that whoever
//! reads or copies it has a day to finish.
//! Only paths that the catalogue names are deleted, never what a listing finds; what is booked is never touched.
//!
//! Idempotency key: it only removes what nobody needs.

use crate::context::Context;
use crate::files::file_store;
use crate::idempotency;
use crate::usage::{compact, ingest};
use chrono::Duration;
use std::collections::BTreeSet;
use std::path::PathBuf;
use store::run::requests;
use store::{queue, segment};

/// Finished tasks and ticks are kept this long.
const KEEP_DAYS: i64 = 30;

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Removed {
    pub tasks: u64,
    pub ticks: u64,
    pub imports: u64,
    pub files: u64,
    /// By how many files the usage store shrank; the old ones are deleted a round later.
    pub compacted: u64,
}

/// Copies of shared usage files that no longer are in the catalogue stay this long.
const COPIES: std::time::Duration = std::time::Duration::from_secs(2 * 24 * 3600);

/// Removes this machine's copies of usage files that have been bundled since. The bucket has what is still needed, so a
/// copy too few is fetched again; without a bucket the files are no copies and stay. Returns how many went.
pub async fn tidy_copies(ctx: &Context) -> anyhow::Result<u64> {
    if !ctx.files.is_shared("usage") {
        return Ok(0);
    }
    let mut tx = ctx.store.read().await?;
    let named: BTreeSet<PathBuf> = file_store::usage_named(&mut tx)
        .await?
        .into_iter()
        .map(|(file, _)| ctx.folders.root.join(file.path))
        .collect();
    drop(tx);
    let mut removed = 0;
    for folder in ["segments", "keys"] {
        let Ok(entries) = std::fs::read_dir(ctx.folders.usage.join(folder)) else { continue };
        for entry in entries {
            let entry = entry?;
            let old = entry.metadata()?.modified()?.elapsed().is_ok_and(|age| age > COPIES);
            if old && !named.contains(&entry.path()) {
                std::fs::remove_file(entry.path())?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

/// One round of upkeep.
pub async fn run(ctx: &Context) -> anyhow::Result<Removed> {
    let now = (ctx.now)();
    let before = now - Duration::days(KEEP_DAYS);
    let imports = ingest::abandon_dead(ctx).await?;
    let mut tx = ctx.store.begin().await?;
    let mut removed = Removed {
        tasks: queue::prune(&mut tx, before).await?,
        ticks: store::schedule::prune(&mut tx, before).await?,
        imports,
        files: 0,
        compacted: 0,
    };
    requests::prune(&mut tx, before).await?;
    store::idempotency::prune(&mut tx, now - idempotency::KEPT).await?;
    store::outbox::prune(&mut tx, now - crate::webhooks::KEPT).await?;
    let paths = segment::deletable(&mut tx, now).await?;
    tx.commit().await?;
    for path in &paths {
        removed.files += ctx.files.delete(path).await?;
    }
    let mut tx = ctx.store.begin().await?;
    segment::forget(&mut tx, &paths).await?;
    tx.commit().await?;
    removed.files += tidy_copies(ctx).await?;
    removed.compacted = compact::compact(ctx).await?;
    Ok(removed)
}
