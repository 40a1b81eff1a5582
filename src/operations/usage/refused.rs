//! Usage files that were refused whole and are missing in what is billed. Each waits, and is told by `run`, `doctor` and
//! `/metrics`, until a file is brought in from where it lay, or somebody says that it is not to be waited for.
//!
//! Key that makes a repeat quiet: the path.

use crate::context::Context;
use crate::usage::ingest::Refusal;
use domain::journal::{Action, Object};
use std::path::Path;
use store::Tx;
use store::refused_file::{self, RefusedFile};

/// Notes a file that was refused; `kept_at`: where it lies now, if it was moved.
pub async fn note(
    ctx: &Context,
    path: &Path,
    kept_at: Option<&Path>,
    refusal: &Refusal,
) -> anyhow::Result<()> {
    let mut tx = ctx.store.begin().await?;
    let file = RefusedFile {
        path: absolute(path),
        kept_at: kept_at.map(absolute),
        code: refusal.code().to_owned(),
        message: refusal.to_string(),
        refused_at: (ctx.now)(),
    };
    refused_file::note(&mut tx, &file).await?;
    tx.commit().await
}

/// The files that wait, the oldest first.
pub async fn waiting(ctx: &Context) -> anyhow::Result<Vec<RefusedFile>> {
    let mut tx = ctx.store.read().await?;
    refused_file::waiting(&mut tx).await
}

/// A file was brought in from this path: what was refused there before no longer waits.
pub(crate) async fn settle(tx: &mut Tx, path: &Path) -> anyhow::Result<()> {
    refused_file::settle(tx, &absolute(path)).await.map(drop)
}

/// Says that these files are not to be waited for; each is named by its path or, where only one has it, its name. Returns
/// the first that names none or several, and then nothing is changed.
pub async fn forget(ctx: &Context, names: &[String], actor: &str) -> anyhow::Result<Result<(), String>> {
    let mut tx = ctx.store.begin().await?;
    let waiting = refused_file::waiting(&mut tx).await?;
    for name in names {
        let mut meant = waiting.iter().filter(|file| is_named(file, name));
        let (Some(file), None) = (meant.next(), meant.next()) else { return Ok(Err(name.clone())) };
        if refused_file::settle(&mut tx, &file.path).await? {
            let detail = serde_json::json!({"file": file.path, "code": file.code});
            ctx.note(&mut tx, actor, Action::ForgetUsage, Object::Usage, detail).await?;
        }
    }
    tx.commit().await?;
    Ok(Ok(()))
}

fn is_named(file: &RefusedFile, name: &str) -> bool {
    let path = absolute(Path::new(name));
    file.path == path
        || file.kept_at.as_ref() == Some(&path)
        || Path::new(&file.path).file_name().is_some_and(|own| own.to_string_lossy() == name)
}

/// The same file is named alike from every folder; links are not followed.
fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}
