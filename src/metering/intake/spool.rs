//! Copies of what cannot be read twice, or must not change while it is read: pipes, and Parquet, which is read from both
//! ends and through the memory of the system, where a file that somebody cuts short would end the process.

use super::error::IntakeError;
use super::open::InputFile;
use crate::files::HashingReader;
use anyhow::Context;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc;
use std::time::Duration;

/// A pipe into which nobody writes is given up.
const WRITER_WITHIN: Duration = Duration::from_secs(5);
/// Bytes of a pipe; a longer stream is a file.
const PIPE_BYTES_MAX: u64 = 16 << 30;
const COPY_BYTES: usize = 1 << 18;

/// A copy, removed when dropped; the lock on it goes with the process, so that what a dead one left is known.
#[derive(Debug)]
pub(crate) struct Spooled {
    pub path: PathBuf,
    _file: File,
}

impl Spooled {
    fn create(folder: &Path, name: &str) -> anyhow::Result<(Self, File)> {
        crate::files::make_folder(folder)?;
        let path = folder.join(name);
        loop {
            let create = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            let file = create.with_context(|| format!("creating {}", path.display()))?;
            file.lock().with_context(|| format!("locking {}", path.display()))?;
            // Between making and locking somebody may have swept it away.
            if path.exists() {
                let writer = file.try_clone().with_context(|| format!("opening {}", path.display()))?;
                return Ok((Self { path, _file: file }, writer));
            }
        }
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        // A name that stays is removed by the next one who spools.
        drop(std::fs::remove_file(&self.path));
    }
}

/// Opens a file to be read once. A pipe without a writer is waited for a while instead of for ever.
pub fn open_waiting(path: &Path) -> io::Result<File> {
    if !std::fs::metadata(path)?.file_type().is_fifo() {
        return File::open(path);
    }
    let (opened_to, opened) = mpsc::channel();
    let pipe = path.to_owned();
    // Opening waits for a writer and cannot be called off: this thread may outlive us.
    std::thread::spawn(move || opened_to.send(File::open(pipe)));
    opened.recv_timeout(WRITER_WITHIN).unwrap_or_else(|_| {
        Err(io::Error::new(io::ErrorKind::TimedOut, "it is a pipe into which nobody writes"))
    })
}

/// Copies a pipe to its end.
pub(super) fn pipe(path: &Path, folder: &Path) -> Result<Spooled, IntakeError> {
    let fault = |error| IntakeError::reading(path, &error, false);
    let source = open_waiting(path).map_err(fault)?;
    sweep(folder);
    let (spooled, mut target) = Spooled::create(folder, &format!("{}.pipe", uuid::Uuid::new_v4()))?;
    let mut bounded = source.take(PIPE_BYTES_MAX + 1);
    let bytes = copy(&mut bounded, &mut target, fault)?;
    if bytes > PIPE_BYTES_MAX {
        let reason = "is a pipe that gives more than 16 GiB".to_owned();
        let hint = "write it to files and hand in those".to_owned();
        return Err(IntakeError::Unsupported { path: path.to_owned(), reason, hint });
    }
    Ok(spooled)
}

/// Copies a file, unpacked; gives the hash of its bytes on disk.
pub(super) fn unpacked(
    input: &InputFile,
    bytes_max: u64,
    folder: &Path,
    name: &str,
) -> Result<(Spooled, String), IntakeError> {
    let packing = &input.packing;
    let fault = |error| IntakeError::reading(&input.shown, &error, packing.is_packed());
    let file = File::open(&input.path).map_err(fault)?;
    let mut raw = HashingReader::new(file, Arc::new(AtomicU64::new(0)));
    let (spooled, mut target) = Spooled::create(folder, name)?;
    let mut reader = packing.unpacked(Box::new(&mut raw), bytes_max).map_err(fault)?;
    copy(&mut reader, &mut target, fault)?;
    drop(reader);
    Ok((spooled, raw.finish().map_err(fault)?))
}

/// Copies to the end. What goes wrong in reading is the source's, what goes wrong in writing is ours.
fn copy(
    source: &mut dyn Read,
    target: &mut File,
    fault: impl Fn(io::Error) -> IntakeError,
) -> Result<u64, IntakeError> {
    let mut buffer = vec![0; COPY_BYTES];
    let mut bytes = 0;
    loop {
        let count = match source.read(&mut buffer) {
            Ok(0) => return Ok(bytes),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(fault(error)),
        };
        target.write_all(&buffer[..count]).context("writing a temporary copy")?;
        bytes += count as u64;
    }
}

/// Removes copies of pipes whose process died. Nothing else writes such names.
fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "pipe") {
            continue;
        }
        // Held until the name is gone: whoever waits for the lock then sees that it is.
        if let Ok(file) = File::open(&path)
            && file.try_lock_shared().is_ok()
        {
            drop(std::fs::remove_file(path));
        }
    }
}
