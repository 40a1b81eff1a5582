//! Files that survive a power cut: written beside their place, synced, renamed, and their folder synced.

use crate::Doors;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// A file to be written whole.
#[derive(Debug, Clone, Copy)]
pub struct Put<'a> {
    /// Where it shall stand; its folder is made if it is not there.
    pub path: &'a Path,
    /// All of it.
    pub bytes: &'a [u8],
}

/// Writes one file durably; what stood there is replaced at once or not at all.
pub fn put(path: &Path, bytes: &[u8], doors: Doors) -> io::Result<()> {
    put_all(&[Put { path, bytes }], doors)
}

/// Writes many files durably: all are written, then synced, then renamed, then each folder is synced once. After a
/// crash each file is old or new, never half. Errors name the path.
pub fn put_all(files: &[Put], doors: Doors) -> io::Result<()> {
    doors.pass("files.put.before");
    let mut folders = BTreeSet::new();
    for file in files {
        let folder = file.path.parent().unwrap_or(Path::new("."));
        if folders.insert(folder.to_owned()) {
            make_folder(folder)?;
        }
    }
    let mut waiting = Vec::with_capacity(files.len());
    for file in files {
        let (mut open, aside) = beside(file.path)?;
        open.write_all(file.bytes).map_err(|e| at(&aside, e))?;
        waiting.push((open, aside, file.path));
        // Open files are bounded: 1,024 is a common limit of a process.
        if waiting.len() == 256 {
            settle(&mut waiting)?;
        }
    }
    settle(&mut waiting)?;
    for folder in folders {
        sync_folder(&folder)?;
    }
    doors.pass("files.put.after");
    Ok(())
}

fn settle(waiting: &mut Vec<(File, PathBuf, &Path)>) -> io::Result<()> {
    for (file, aside, _) in waiting.iter() {
        file.sync_all().map_err(|e| at(aside, e))?;
    }
    for (_held_until_named, aside, path) in waiting.drain(..) {
        fs::rename(&aside, path).map_err(|e| at(path, e))?;
    }
    Ok(())
}

/// The name a file has while it is written; the usual one is the same each time, so that what a crash left is overwritten.
fn aside(path: &Path, own: &str) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| at(path, io::Error::from(io::ErrorKind::InvalidFilename)))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(own);
    hidden.push(".writing");
    Ok(path.with_file_name(hidden))
}

fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|e| at(folder, e))?;
    folder.parent().map_or(Ok(()), sync_folder)
}

/// An empty file beside the place, locked while it is written. Another process that writes the same file now, or stands still
/// in the middle of it, is not waited for: a name of its own is taken instead.
fn beside(path: &Path) -> io::Result<(File, PathBuf)> {
    let usual = aside(path, "")?;
    if let Some(file) = held(&usual).map_err(|e| at(&usual, e))? {
        return Ok((file, usual));
    }
    let own = aside(path, &Uuid::new_v4().simple().to_string())?;
    let file = create(&own, true).map_err(|e| at(&own, e))?;
    Ok((file, own))
}

/// The file of this name, empty and locked; none if another process holds it.
fn held(aside: &Path) -> io::Result<Option<File>> {
    loop {
        let file = create(aside, false)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            Err(fs::TryLockError::Error(error)) => return Err(error),
        }
        // The one before may have given this file its final name meanwhile: what is there now is another.
        let ours = file.metadata()?;
        if fs::metadata(aside).is_ok_and(|there| there.ino() == ours.ino() && there.dev() == ours.dev()) {
            file.set_len(0)?;
            return Ok(Some(file));
        }
    }
}

/// For its owner alone: what is sent out names people, amounts and tokens.
fn create(path: &Path, is_new: bool) -> io::Result<File> {
    fs::OpenOptions::new().write(true).create(true).create_new(is_new).truncate(false).mode(0o600).open(path)
}

pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder).and_then(|f| f.sync_all()).map_err(|e| at(folder, e))
}

fn at(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_files_stand_whole_and_nothing_is_left_beside_them() {
        let home = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..600).map(|n| home.path().join(format!("{}/{n}.pdf", n % 3))).collect();
        let puts: Vec<Put> = paths.iter().map(|path| Put { path, bytes: b"one" }).collect();
        put_all(&puts, Doors::OPEN).unwrap();
        put(&paths[7], b"two", Doors::OPEN).unwrap();
        assert_eq!(fs::read(&paths[7]).unwrap(), b"two");
        let left: usize =
            (0..3).map(|n| fs::read_dir(home.path().join(n.to_string())).unwrap().count()).sum();
        assert_eq!(left, 600);
    }

    #[test]
    fn many_that_write_the_same_files_at_once_leave_each_of_them_whole() {
        let home = tempfile::tempdir().unwrap();
        let mut paths: Vec<PathBuf> = (0..40).map(|n| home.path().join(format!("{n}.xml"))).collect();
        let writers: Vec<_> = (0..6_u8)
            .map(|writer| {
                paths.reverse();
                let paths = paths.clone();
                std::thread::spawn(move || {
                    let bytes = vec![b'a' + writer; 10_000 + usize::from(writer)];
                    for _ in 0..20 {
                        let puts: Vec<Put> = paths.iter().map(|path| Put { path, bytes: &bytes }).collect();
                        put_all(&puts, Doors::OPEN).unwrap();
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        for path in &paths {
            let bytes = fs::read(path).unwrap();
            let writer = bytes[0];
            assert_eq!(bytes, vec![writer; 10_000 + usize::from(writer - b'a')]);
        }
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 40);
    }

    #[test]
    fn one_that_stands_still_in_the_middle_is_not_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.xml");
        let (mut frozen, its) = beside(&path).unwrap();
        frozen.write_all(b"half").unwrap();
        put(&path, b"whole", Doors::OPEN).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        drop(frozen);
        put(&path, b"again", Doors::OPEN).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"again");
        assert!(!its.exists() && fs::read_dir(home.path()).unwrap().count() == 1);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(&file, b"").unwrap();
        let error = put(&file.join("below/x.pdf"), b"", Doors::OPEN).expect_err("not a folder").to_string();
        assert!(error.contains("file/below"), "{error}");
    }
}
