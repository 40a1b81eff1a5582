//! Every byte is held against the hash that was recorded when it was written, before it counts: a disk that forgets or
//! a hand that changes a file must stop a run instead of changing an invoice.

use anyhow::{Context, Result, ensure};
use domain::hex::hex;
use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

/// Files that this process has found sound since it was last asked to look again. Segments and key runs never change
/// once they are named, so that one look serves all scans of a run.
static SOUND: LazyLock<Mutex<FxHashMap<PathBuf, Stamp>>> = LazyLock::new(Mutex::default);

/// What changes when somebody writes to a file, and the hash that it had.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
    sha256: String,
}

impl Stamp {
    fn of(file: &Metadata, sha256: &str) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            bytes: file.len(),
            changed: (file.ctime(), file.ctime_nsec()),
            sha256: sha256.to_owned(),
        }
    }
}

/// Insists that a file has the bytes with this hash (lower-case hex). Reads it once, until it is touched or
/// [`look_anew`] is called.
pub fn insist(path: &Path, sha256: &str) -> Result<()> {
    let found = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
    let (metadata, mut file) = found.with_context(|| format!("opening {}", path.display()))?;
    let stamp = Stamp::of(&metadata, sha256);
    if known().get(path) == Some(&stamp) {
        return Ok(());
    }
    let hash = hash_of(&mut file).with_context(|| format!("reading {}", path.display()))?;
    ensure!(
        hash == sha256,
        "{} is damaged: its bytes are not those that were written. Put back that file from a backup; \
         `verify` names every damaged file",
        path.display()
    );
    known().insert(path.to_owned(), stamp);
    Ok(())
}

/// Forgets what was found sound: a run looks for itself, also in a process that has worked for months.
pub fn look_anew() {
    known().clear();
}

/// Hash of all bytes of a file, as lower-case hex.
pub fn file_hash(path: &Path) -> Result<String> {
    let hash = File::open(path).and_then(|mut file| hash_of(&mut file));
    hash.with_context(|| format!("reading {}", path.display()))
}

fn known() -> std::sync::MutexGuard<'static, FxHashMap<PathBuf, Stamp>> {
    SOUND.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hash_of(file: &mut File) -> std::io::Result<String> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0_u8; 1 << 18];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&digest.finalize())),
            read => digest.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_sound_until_one_of_its_bytes_is_another() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.keys");
        std::fs::write(&path, b"abc").unwrap();
        let hash = file_hash(&path).unwrap();
        insist(&path, &hash).unwrap();
        insist(&path, &hash).unwrap();
        assert!(insist(&path, &"0".repeat(64)).is_err(), "another hash is another question");
        std::fs::write(&path, b"abd").unwrap();
        let refused = insist(&path, &hash).unwrap_err().to_string();
        assert!(refused.contains("a.keys is damaged"), "{refused}");
        std::fs::remove_file(&path).unwrap();
        assert!(insist(&path, &hash).is_err());
    }
}
