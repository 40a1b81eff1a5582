//! Files that outlive a crash: written beside their name, synced, renamed, and the folder synced (door `files.put`).

use crate::files::doors::Doors;
use anyhow::Context as _;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Puts one file under its name, durably; readable by the owner only.
pub async fn put(doors: &Doors, folder: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    put_all(doors, folder, vec![(name.to_owned(), bytes.to_owned())]).await
}

/// Puts many files of one folder: all are written and synced, then the folder once. Names may hold sub-folders.
pub async fn put_all(doors: &Doors, folder: &Path, files: Vec<(String, Vec<u8>)>) -> anyhow::Result<()> {
    let folder = folder.to_owned();
    doors
        .through("files.put", async {
            tokio::task::spawn_blocking(move || write_all(&folder, &files)).await?
        })
        .await
}

fn write_all(folder: &Path, files: &[(String, Vec<u8>)]) -> anyhow::Result<()> {
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    let mut open = Vec::with_capacity(files.len().min(256));
    for batch in files.chunks(256) {
        for (name, bytes) in batch {
            let path = folder.join(name);
            let parent = path.parent().unwrap_or(folder).to_owned();
            if !folders.contains(&parent) {
                let made = DirBuilder::new().recursive(true).mode(0o700).create(&parent);
                made.with_context(|| format!("making {}", parent.display()))?;
                folders.push(parent);
            }
            let temporary = path.with_extension("part");
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&temporary)
                .with_context(|| format!("writing {}", temporary.display()))?;
            file.write_all(bytes).with_context(|| format!("writing {}", temporary.display()))?;
            open.push((file, temporary, path));
        }
        for (file, temporary, path) in open.drain(..) {
            file.sync_all().with_context(|| format!("syncing {}", temporary.display()))?;
            std::fs::rename(&temporary, &path).with_context(|| format!("naming {}", path.display()))?;
        }
    }
    for folder in folders {
        File::open(&folder)
            .and_then(|f| f.sync_all())
            .with_context(|| format!("syncing {}", folder.display()))?;
    }
    Ok(())
}
