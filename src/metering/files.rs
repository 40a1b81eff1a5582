//! Durable files: written under a temporary name, synced, renamed, and the folder synced, so that a name that
//! stands in a commit always leads to whole bytes. Nothing is ever overwritten: names carry the import's uuid.

use anyhow::{Context, Result, ensure};
use domain::hex::hex;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A file that is on disk for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DurableFile {
    pub path: PathBuf,
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
}

/// Bytes gathered before they are hashed and written.
const BUFFER_BYTES: usize = 1 << 18;

/// A file being written, a buffer at a time.
pub(crate) type Writer = BufWriter<Hashing>;

/// Counts and hashes what passes.
pub(crate) struct Hashing {
    file: File,
    digest: Sha256,
    bytes: u64,
}

impl Write for Hashing {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.file.write(data)?;
        self.digest.update(&data[..written]);
        self.bytes += written as u64;
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A file under its temporary name. Dropped without [`Draft::land`] it is removed.
pub(crate) struct Draft {
    file: Option<Writer>,
    temporary: PathBuf,
}

impl Draft {
    /// Starts a file in `temp`, which must be on the same file system as its final folder.
    pub fn create(temp: &Path, name: &str) -> Result<Self> {
        make_folder(temp)?;
        let temporary = temp.join(format!("{name}.part"));
        let file = create(&temporary).with_context(|| format!("creating {}", temporary.display()))?;
        let hashing = Hashing { file, digest: Sha256::new(), bytes: 0 };
        Ok(Self { file: Some(BufWriter::with_capacity(BUFFER_BYTES, hashing)), temporary })
    }

    /// The writer.
    pub fn writer(&mut self) -> Result<&mut Writer> {
        self.file.as_mut().context("the file was closed before")
    }

    /// Syncs the file, moves it to `folder/name`, and syncs the folder.
    pub fn land(mut self, folder: &Path, name: &str) -> Result<DurableFile> {
        let buffered = self.file.take().context("the file was closed before")?;
        let written = buffered.into_inner().map_err(io::IntoInnerError::into_error);
        let Hashing { file, digest, bytes } =
            written.with_context(|| format!("writing {}", self.temporary.display()))?;
        file.sync_all().with_context(|| format!("syncing {}", self.temporary.display()))?;
        drop(file);
        make_folder(folder)?;
        let path = folder.join(name);
        ensure!(!path.exists(), "{} is there already; usage files are never overwritten", path.display());
        fs::rename(&self.temporary, &path).with_context(|| format!("renaming to {}", path.display()))?;
        sync_folder(folder)?;
        Ok(DurableFile { path, bytes, sha256: hex(&digest.finalize()) })
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After `land` the temporary name is gone; an error here leaves a `.part` file that nothing reads.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// A folder that only its owner may enter.
pub(crate) fn make_folder(folder: &Path) -> Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("making the folder {}", folder.display()))
}

/// A new file, or an old one emptied, for its owner alone: usage says who did what.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn sync_folder(folder: &Path) -> Result<()> {
    let handle = File::open(folder).with_context(|| format!("opening the folder {}", folder.display()))?;
    handle.sync_all().with_context(|| format!("syncing the folder {}", folder.display()))
}

/// A reader that hashes what passes, and tells others how far it is.
pub(crate) struct HashingReader<R> {
    inner: R,
    digest: Sha256,
    passed: Arc<AtomicU64>,
}

impl<R: Read> HashingReader<R> {
    /// `passed` counts the bytes read so far.
    pub fn new(inner: R, passed: Arc<AtomicU64>) -> Self {
        Self { inner, digest: Sha256::new(), passed }
    }

    /// Reads to the end and gives the hash of every byte, as lower-case hex.
    pub fn finish(mut self) -> io::Result<String> {
        let mut rest = vec![0u8; 1 << 16];
        while self.read(&mut rest)? > 0 {}
        Ok(hex(&self.digest.finalize()))
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.digest.update(&buffer[..count]);
        self.passed.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_landed_file_has_its_final_name_and_hash_and_no_temporary_is_left() {
        let home = tempfile::tempdir().unwrap();
        let temp = home.path().join("temp");
        let mut draft = Draft::create(&temp, "a").unwrap();
        draft.writer().unwrap().write_all(b"abc").unwrap();
        let landed = draft.land(&home.path().join("out"), "a").unwrap();
        assert_eq!(landed.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(fs::read(&landed.path).unwrap(), b"abc");
        assert_eq!(fs::read_dir(&temp).unwrap().count(), 0);
    }

    #[test]
    fn a_file_is_never_overwritten_and_an_abandoned_one_is_removed() {
        let home = tempfile::tempdir().unwrap();
        Draft::create(home.path(), "a").unwrap().land(home.path(), "a").unwrap();
        assert!(Draft::create(home.path(), "a").unwrap().land(home.path(), "a").is_err());
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }
}
