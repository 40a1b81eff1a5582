//! Usage that came over HTTP waits in a table; here it moves into segments, through the intake of files, so that it is
//! counted, numbered and found again like any other.
//!
//! Key that makes a repeat quiet: the rows go in the commit that names their segments; a move that died is started again.

use crate::act::Actor;
use crate::context::Context;
use crate::refusal::Stop;
use crate::usage::ingest::{self, Origin, Request};
use anyhow::Context as _;
use chrono::Duration;
use domain::refusal::Code;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;
use store::waiting::{self, Pack};

/// Events of one move, about.
const MOVE_MAX: i64 = 1 << 18;
/// So many need not wait for their minute.
const MANY: i64 = 1 << 16;
/// Nothing waits longer, as long as somebody serves or works the home.
const WAITS_AT_MOST: Duration = Duration::seconds(60);
/// How often somebody looks.
const LOOK: std::time::Duration = std::time::Duration::from_secs(5);
/// Another process that moves the same events is waited for.
const OTHER: std::time::Duration = std::time::Duration::from_millis(100);
const TRIES_MAX: u32 = 300;
/// A copy that nobody has touched for so long was left by a process that died.
const LEFT_BEHIND: std::time::Duration = std::time::Duration::from_secs(3_600);

/// Moves everything that waits now; returns how many events that were.
pub async fn move_all(ctx: &Context) -> anyhow::Result<u64> {
    let (mut moved, mut tries) = (0, 0);
    // What comes meanwhile is for the next move: else this one might never end.
    let Some(newest) = waiting::newest(&mut ctx.store.read().await?).await? else { return Ok(0) };
    loop {
        let mut tx = ctx.store.read().await?;
        let packs = waiting::packs(&mut tx, MOVE_MAX).await?;
        drop(tx);
        let oldest = packs.first().map(|pack| pack.ordinal).filter(|oldest| *oldest <= newest);
        let (Some(_), Some(through)) = (oldest, packs.last().map(|pack| pack.ordinal)) else {
            return Ok(moved);
        };
        let copy = Copy::write(ctx, &packs)?;
        drop(packs);
        let input = metering::open(&copy.path)?;
        let request = Request { source: None, dry_run: false, actor: Actor::Timetable };
        let origin = Origin::Waiting { through };
        match Box::pin(ingest::bring_in(ctx, input, &request, Arc::new(|_| {}), origin)).await {
            Ok(ingested) => {
                if ingested.rejected > 0 {
                    tracing::error!(
                        rejected = ingested.rejected,
                        file = ingested.rejectfile,
                        "usage lost its place in the book while it waited"
                    );
                }
                moved += ingested.accepted;
                tries = 0;
            }
            Err(stop) if stop.code() == Some(Code::ImportInProgress) && tries < TRIES_MAX => {
                tries += 1;
                tokio::time::sleep(OTHER).await;
            }
            Err(stop) => return Err(Stop::broke(stop)),
        }
    }
}

/// Moves what has waited for a minute, or is much, until it is dropped.
pub async fn keep(ctx: Context) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(LOOK).await;
        match is_time(&ctx).await {
            Ok(false) => {}
            Ok(true) => {
                if let Err(error) = move_all(&ctx).await {
                    tracing::warn!(error = format!("{error:#}"), "usage stays in its table for now");
                }
            }
            Err(error) => {
                tracing::debug!(error = format!("{error:#}"), "the waiting usage cannot be looked at")
            }
        }
    }
}

async fn is_time(ctx: &Context) -> anyhow::Result<bool> {
    let mut tx = ctx.store.read().await?;
    let Some(oldest) = waiting::oldest(&mut tx).await? else { return Ok(false) };
    let waited = (ctx.now)() - oldest;
    Ok(waited + Duration::from_std(LOOK)? >= WAITS_AT_MOST || waiting::count(&mut tx).await? >= MANY)
}

/// The events as a usage file, for as long as they are moved.
struct Copy {
    path: PathBuf,
}

impl Copy {
    fn write(ctx: &Context, packs: &[Pack]) -> anyhow::Result<Self> {
        let folder = ctx.folders.usage.join("temp");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .context("making the temporary folder")?;
        sweep(&folder);
        // Two moves may be at the same events, of two processes or of one: each has its own copy.
        let copy = Self { path: folder.join(format!("api-{}.ndjson", uuid::Uuid::new_v4().simple())) };
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&copy.path);
        let file = file.with_context(|| format!("creating {}", copy.path.display()))?;
        fill(file, packs).with_context(|| format!("writing {}", copy.path.display()))?;
        Ok(copy)
    }
}

fn fill(mut file: File, packs: &[Pack]) -> std::io::Result<()> {
    packs.iter().try_for_each(|pack| file.write_all(pack.lines.as_bytes()))
}

impl Drop for Copy {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.path));
    }
}

/// Copies of processes that died.
fn sweep(folder: &std::path::Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_copy = name.starts_with("api-") && name.ends_with(".ndjson");
        let changed = entry.metadata().and_then(|m| m.modified()).unwrap_or_else(|_| SystemTime::now());
        if is_copy && changed.elapsed().is_ok_and(|age| age > LEFT_BEHIND) {
            drop(std::fs::remove_file(entry.path()));
        }
    }
}
