//! `upkeep`: prunes finished tasks and old ticks, gives up imports whose writer died, deletes the files they left.
//! Only paths that the catalogue names are deleted, never what a listing finds; what is booked is never touched.
//!
//! Key that makes a repeat quiet: it only removes what nobody needs.

use crate::context::JobContext;
use chrono::Duration;
use std::io::ErrorKind;
use store::{imports, queue, segment};

/// Finished tasks and ticks are kept this long.
const KEEP_DAYS: i64 = 30;

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Removed {
    pub tasks: u64,
    pub ticks: u64,
    pub imports: u64,
    pub files: u64,
}

/// One round of upkeep.
pub async fn run(ctx: &JobContext) -> anyhow::Result<Removed> {
    let now = (ctx.now)();
    let before = now - Duration::days(KEEP_DAYS);
    let mut tx = ctx.store.begin().await?;
    let mut removed = Removed {
        tasks: queue::prune(&mut tx, before).await?,
        ticks: store::schedule::prune(&mut tx, before).await?,
        imports: u64::try_from(imports::abandon_expired(&mut tx, now).await?.len())?,
        files: 0,
    };
    let paths = segment::deletable(&mut tx).await?;
    tx.commit().await?;
    for path in &paths {
        removed.files += delete(ctx, path)?;
    }
    let mut tx = ctx.store.begin().await?;
    segment::forget(&mut tx, &paths).await?;
    tx.commit().await?;
    Ok(removed)
}

/// Deletes one path of the catalogue; one that ends in `*` stands for all files that begin so.
fn delete(ctx: &JobContext, path: &str) -> anyhow::Result<u64> {
    let full = ctx.folders.root.join(path);
    let Some(prefix) = path.strip_suffix('*') else {
        return match std::fs::remove_file(&full) {
            Ok(()) => Ok(1),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(0),
            Err(e) => Err(e.into()),
        };
    };
    let start = ctx.folders.root.join(prefix);
    let (Some(folder), Some(name)) = (start.parent(), start.file_name().and_then(|n| n.to_str())) else {
        return Ok(0);
    };
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(0) };
    let mut deleted = 0;
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|n| n.starts_with(name)) && entry.file_type()?.is_file() {
            std::fs::remove_file(entry.path())?;
            deleted += 1;
        }
    }
    Ok(deleted)
}
