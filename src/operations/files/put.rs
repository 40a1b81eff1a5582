//! Files of the home that outlive a crash (door `files.put`).

use crate::files::doors::Doors;
use gateways::files::{Put, put_all as write_all};
use std::path::{Path, PathBuf};

/// Puts one file under its name, durably; readable by the owner only.
pub async fn put(doors: &Doors, folder: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    put_all(doors, folder, vec![(name.to_owned(), bytes.to_owned())]).await
}

/// Puts many files of one folder: all are written and synced, then each folder once. Names may hold sub-folders.
pub async fn put_all(doors: &Doors, folder: &Path, files: Vec<(String, Vec<u8>)>) -> anyhow::Result<()> {
    let folder = folder.to_owned();
    let write = move || {
        let files: Vec<(PathBuf, Vec<u8>)> =
            files.into_iter().map(|(name, bytes)| (folder.join(name), bytes)).collect();
        let puts: Vec<Put> = files.iter().map(|(path, bytes)| Put { path, bytes }).collect();
        write_all(&puts, gateways::Doors::OPEN)
    };
    doors.through("files.put", async { Ok(tokio::task::spawn_blocking(write).await??) }).await
}
