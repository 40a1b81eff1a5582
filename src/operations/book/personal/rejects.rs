//! Reject files hold what was handed in as it was. What names a person is taken out of them: each is rewritten beside
//! itself, named by its import before it is there, and the old one goes once nothing names it.

use crate::context::Context;
use crate::files::file_store::Named;
use crate::files::hash::sha256_hex;
use crate::files::put;
use anyhow::Context as _;
use std::path::Path;
use store::{Tx, erasure, imports};
use uuid::Uuid;

/// A reject file that takes the place of another one.
pub(super) struct Rewritten {
    import: Uuid,
    old: String,
    new: String,
    sha256: String,
}

/// Mark in the names of files that were rewritten, before their number.
const MARK: &str = ".erased";

/// Rewrites those that name any of these; nothing says yet that they count.
pub(super) async fn rewrite(ctx: &Context, names: &[String]) -> anyhow::Result<Vec<Rewritten>> {
    let mut tx = ctx.store.read().await?;
    let files = erasure::reject_files(&mut tx).await?;
    drop(tx);
    let mut rewritten = Vec::new();
    for (import, old) in files {
        ctx.files.need([Named { path: old.clone(), sha256: None }]).await?;
        let (path, names) = (ctx.folders.root.join(&old), names.to_vec());
        let blanking = tokio::task::spawn_blocking(move || {
            let mut copy = Vec::new();
            metering::blank_rejects(&path, &mut copy, &names)
                .map(|records| (records, copy))
                .with_context(|| format!("reading {}", path.display()))
        });
        let (records, copy) = blanking.await??;
        if records == 0 {
            continue;
        }
        let new = name_after(&old);
        let mut tx = ctx.store.begin().await?;
        imports::add_paths(&mut tx, import, std::slice::from_ref(&new)).await?;
        tx.commit().await?;
        put::put(&ctx.doors, &ctx.folders.root, &new, &copy).await?;
        ctx.files.publish(ctx.doors, [new.clone()]).await?;
        rewritten.push(Rewritten { import, old, new, sha256: sha256_hex(&copy) });
    }
    Ok(rewritten)
}

/// Has the imports name the new files.
pub(super) async fn replace(tx: &mut Tx, rewritten: &[Rewritten]) -> anyhow::Result<()> {
    for file in rewritten {
        erasure::replace_reject_file(tx, file.import, &file.new, &file.sha256).await?;
    }
    Ok(())
}

/// Deletes the files that others have taken the place of, those of an erasure that was cut off too.
pub(super) async fn delete_replaced(ctx: &Context, rewritten: &[Rewritten]) -> anyhow::Result<()> {
    for file in rewritten {
        ctx.files.delete(&file.old).await?;
    }
    let mut tx = ctx.store.read().await?;
    let files = erasure::reject_files(&mut tx).await?;
    drop(tx);
    for before in files.iter().filter_map(|(_, path)| name_before(path)) {
        ctx.files.delete(&before).await?;
    }
    Ok(())
}

/// `rejects/u.csv` → `rejects/u.erased1.csv` → `rejects/u.erased2.csv`.
fn name_after(path: &str) -> String {
    let (stem, ending) = split(path);
    match numbered(stem) {
        Some((stem, number)) => format!("{stem}{MARK}{}{ending}", number + 1),
        None => format!("{stem}{MARK}1{ending}"),
    }
}

/// The file whose place this one has taken.
fn name_before(path: &str) -> Option<String> {
    let (stem, ending) = split(path);
    let (stem, number) = numbered(stem)?;
    let mark = if number > 1 { format!("{MARK}{}", number - 1) } else { String::new() };
    Some(format!("{stem}{mark}{ending}"))
}

fn split(path: &str) -> (&str, &str) {
    let ending = Path::new(path).extension().map_or(0, |ending| ending.len() + 1);
    path.split_at(path.len() - ending)
}

fn numbered(stem: &str) -> Option<(&str, u32)> {
    let (stem, number) = stem.rsplit_once(MARK)?;
    Some((stem, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_written_anew_says_so_by_its_name() {
        for (before, after) in [
            ("rejects/u.csv", "rejects/u.erased1.csv"),
            ("rejects/u.erased1.csv", "rejects/u.erased2.csv"),
            ("rejects/u.erased9.csv", "rejects/u.erased10.csv"),
            ("rejects/a.erased.csv", "rejects/a.erased.erased1.csv"),
        ] {
            assert_eq!(name_after(before), after);
            assert_eq!(name_before(after).as_deref(), Some(before));
        }
        assert_eq!(name_before("rejects/u.csv"), None);
    }
}
