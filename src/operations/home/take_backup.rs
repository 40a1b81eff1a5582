//! `backup`: a copy of the home in a new folder, proved as `restore --check` proves one.
//!
//! Idempotency key: none is wanted; a backup goes into a new folder.

use crate::context::Context;
use crate::home::{backup, prove_backup};
use crate::refusal::Stop;
use domain::refusal::{Code, Refusal, Verb};
use serde::Serialize;
use std::path::{Path, PathBuf};
use store::dump::Server;

/// Where a backup goes, and whether it is proved.
#[derive(Debug, Clone)]
pub struct NewBackup {
    /// A new folder, outside the home.
    pub folder: PathBuf,
    /// Open the copy and verify its books; only then `doctor` counts it.
    pub is_proved: bool,
}

/// A backup that was made.
#[derive(Debug, Clone, Serialize)]
pub struct BackupView {
    pub folder: String,
    pub files: usize,
    pub bytes: u64,
    /// RFC 3339.
    #[serde(rename = "madeat")]
    pub made_at: String,
}

/// The books are one snapshot, whichever database they are in, and the files are those that it names.
pub async fn take(ctx: &Context, what: &NewBackup) -> Result<BackupView, Stop> {
    let folder = what.folder.display().to_string();
    let is_taken = std::fs::read_dir(&what.folder).is_ok_and(|mut entries| entries.next().is_some());
    if is_taken || what.folder.starts_with(&ctx.folders.root) {
        let why = if is_taken { "is not empty" } else { "lies in the home itself" };
        let refusal = Refusal::new(Code::BackupFolder, format!("{folder} {why}"));
        return Err(refusal
            .hint("name a new folder outside the home, for example with the day in its name")
            .into());
    }
    let made = backup::backup(ctx, &what.folder).await.map_err(|error| {
        let hint = format!("make room, remove {folder} and run the same command again");
        Refusal::new(Code::Backup, format!("{error:#}")).hint(hint)
    })?;
    if what.is_proved {
        prove(ctx, &what.folder).await?;
    }
    Ok(BackupView { folder, files: made.files.len(), bytes: made.bytes, made_at: made.made_at })
}

/// Opens the copy and verifies it; a good one is remembered for `doctor`.
async fn prove(ctx: &Context, folder: &Path) -> Result<(), Stop> {
    let server = Server::of(&ctx.store);
    let proof = prove_backup::prove(folder, server.as_ref(), |store, at| Ok(ctx.beside(store, at))).await?;
    if proof.differences.is_empty() {
        return Ok(prove_backup::note_good(ctx, folder).await?);
    }
    let found = proof.differences.join("; ");
    let message = format!("the copy {} is made, but not good: {found}", folder.display());
    Err(Refusal::new(Code::Backup, message)
        .ask(Verb::Verify.plain())
        .hint(" says whether the home itself is")
        .into())
}
