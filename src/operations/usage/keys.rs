//! Key runs: every byte is held against its hash before it is relied on.

use crate::context::Context;
use std::path::PathBuf;
use store::segment::KeyRun;

/// Insists that key runs have the bytes that were written: a damaged one would let an event in twice.
pub async fn insist_keys(ctx: &Context, runs: &[KeyRun]) -> anyhow::Result<()> {
    let runs: Vec<(PathBuf, String)> =
        runs.iter().map(|run| (ctx.folders.root.join(&run.path), run.sha256.clone())).collect();
    tokio::task::spawn_blocking(move || {
        runs.iter().try_for_each(|(path, sha256)| metering::insist(path, sha256))
    })
    .await?
}
