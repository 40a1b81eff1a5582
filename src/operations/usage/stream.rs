//! A usage file that came as the body of a request and lies in a file of ours: the same intake as any other.
//!
//! Key that makes a repeat quiet: that of `ingest_usage`, the hash of the bytes.

use crate::actor::Actor;
use crate::context::Context;
use crate::refusal::Stop;
use crate::usage::ingest::{self, Ingested, Request};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uuid::Uuid;

/// A file that receives a body; it goes with the value.
pub struct Received {
    pub path: PathBuf,
}

impl Received {
    /// A place for a body, beside the usage store.
    pub fn new(ctx: &Context) -> std::io::Result<Self> {
        let folder = ctx.folders.usage.join("temp");
        std::fs::create_dir_all(&folder)?;
        // Named as what the sweeper of such copies knows.
        Ok(Self { path: folder.join(format!("api-{}.ndjson", Uuid::new_v4())) })
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.path));
    }
}

/// Brings the file in.
pub async fn bring_in(
    ctx: &Context,
    actor: &Actor,
    path: &Path,
    source: Option<String>,
    dry_run: bool,
) -> Result<Ingested, Stop> {
    ctx.catalogue().await?;
    let opening = path.to_owned();
    let opened =
        tokio::task::spawn_blocking(move || metering::open(&opening)).await.map_err(anyhow::Error::from)?;
    let file = opened?;
    let request = Request { source, dry_run, actor: actor.clone() };
    ingest::ingest(ctx, file, &request, Arc::new(|_| {})).await
}
