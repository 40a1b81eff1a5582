//! Usage files that were refused whole and are missing in what is billed. Each waits, and is told by `run`, `doctor` and
//! `/metrics`, until a file is brought in from where it lay, or somebody says that it is not to be waited for.
//!
//! Idempotency key: the path.

use crate::act::Actor;
use crate::context::Context;
use crate::refusal::Stop;
use crate::usage::open_rejects;
use chrono::{DateTime, Utc};
use domain::audit::{Action, Object};
use domain::refusal::{Code, Refusal, Verb};
use serde::Serialize;
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
        code: refusal.code.word().to_owned(),
        message: refusal.message.clone(),
        refused_at: (ctx.now)(),
    };
    refused_file::note(&mut tx, &file).await?;
    tx.commit().await
}

/// A file that is waited for. The fields are a contract.
#[derive(Debug, Clone, Serialize)]
pub struct RefusedView {
    /// Where it lies.
    pub file: String,
    pub code: String,
    pub message: String,
    /// When it was refused.
    pub refused: DateTime<Utc>,
}

impl From<RefusedFile> for RefusedView {
    fn from(file: RefusedFile) -> Self {
        Self {
            file: file.kept_at.unwrap_or(file.path),
            code: file.code,
            message: file.message,
            refused: file.refused_at,
        }
    }
}

/// A file was brought in from this path: what was refused there before no longer waits.
pub(crate) async fn settle(tx: &mut Tx, path: &Path) -> anyhow::Result<()> {
    refused_file::settle(tx, &absolute(path)).await.map(drop)
}

/// Says that these files, refused whole or rejects of one that went in, are not to be waited for; each is named by its path
/// or, where only one has it, its name. If one names none or several, nothing is changed.
pub async fn forget(ctx: &Context, actor: &Actor, names: &[String]) -> Result<(), Stop> {
    let mut tx = ctx.store.begin().await?;
    let waiting = refused_file::waiting(&mut tx).await?;
    for name in names {
        let mut meant = waiting.iter().filter(|file| is_named(file, name));
        let (path, code) = match (meant.next(), meant.next()) {
            (Some(file), None) if !refused_file::settle(&mut tx, &file.path).await? => continue,
            (Some(file), None) => (file.path.clone(), file.code.as_str()),
            _ => match open_rejects::forget(ctx, &mut tx, name).await? {
                Some(path) => (path, "rejects"),
                None => return Err(unknown(name).into()),
            },
        };
        let detail = serde_json::json!({"file": path, "code": code});
        ctx.note(&mut tx, actor, Action::ForgetUsage, Object::Usage, detail).await?;
    }
    Ok(tx.commit().await?)
}

fn unknown(name: &str) -> Refusal {
    let message = format!("no file that is waited for, or more than one, is called {name}");
    Refusal::new(Code::UnknownFile, message)
        .ask(Verb::ListRefusedUsage.plain())
        .hint(" lists them with their paths")
}

fn is_named(file: &RefusedFile, name: &str) -> bool {
    let path = absolute(Path::new(name));
    file.path == path
        || file.kept_at.as_ref() == Some(&path)
        || Path::new(&file.path).file_name().is_some_and(|own| own.to_string_lossy() == name)
}

/// The same file is named alike from every folder; links are not followed.
pub(super) fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}
