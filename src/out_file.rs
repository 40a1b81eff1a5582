//! Files that a person names with `--out`. A regular file is whole or as it was before: its new content is written
//! beside it under a name that nobody else has, and renamed. Links are followed; devices and pipes are written through.
//! `-` is standard output.

use crate::failure::Failure;
use crate::output::Output;
use crate::stdout;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Links that are followed before a ring is suspected.
const LINKS_MAX: usize = 40;

/// What an answer says of a file.
#[derive(Debug, serde::Serialize)]
pub struct Written<'a> {
    pub path: &'a Path,
    pub bytes: usize,
}

impl Written<'_> {
    /// Says where it is.
    pub fn say(&self, output: &Output) {
        if output.is_json() {
            output.document(self);
        } else {
            output.line(&self.path.display().to_string());
        }
    }
}

/// Whether this name stands for standard output.
pub fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Who may read a new file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Readers {
    /// As the system does it.
    Usual,
    /// Its owner alone, also if a file was there that others could read.
    Owner,
}

/// Writes all of it to the place that was named.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_for(path, bytes, Readers::Usual)
}

/// As [`write`], of what is its owner's business alone.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_for(path, bytes, Readers::Owner)
}

fn write_for(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), Failure> {
    if is_stdout(path) {
        stdout::write(bytes);
        return Ok(());
    }
    write_file(path, bytes, readers).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("cannot write {}: {error}", path.display());
    // A full disk is nobody's input; a name that cannot be written is.
    let failure = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Failure::fault("unwritable", message),
        _ => Failure::input("unwritable", message),
    };
    failure.hint("choose another file with --out FILE; `-` is standard output")
}

fn write_file(path: &Path, bytes: &[u8], readers: Readers) -> std::io::Result<()> {
    let target = followed(path)?;
    match std::fs::metadata(&target) {
        Ok(there) if !there.is_file() => {
            let mut through = OpenOptions::new().write(true).open(&target)?;
            through.write_all(bytes)?;
            through.flush()
        }
        Ok(there) if readers == Readers::Usual => replace(&target, bytes, readers, Some(there.permissions())),
        Ok(_) => replace(&target, bytes, readers, None),
        Err(e) if e.kind() == ErrorKind::NotFound => replace(&target, bytes, readers, None),
        Err(e) => Err(e),
    }
}

/// Where a chain of links ends, also if nothing is there yet.
fn followed(path: &Path) -> std::io::Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..LINKS_MAX {
        match std::fs::read_link(&target) {
            Ok(next) => target = target.parent().unwrap_or(Path::new("")).join(next),
            Err(_) => return Ok(target),
        }
    }
    Err(std::io::Error::other("its links lead in a ring"))
}

fn replace(
    target: &Path,
    bytes: &[u8],
    readers: Readers,
    permissions: Option<std::fs::Permissions>,
) -> std::io::Result<()> {
    let (beside, mut file) = create_beside(target, readers)?;
    let written = (|| {
        file.write_all(bytes)?;
        if let Some(permissions) = permissions {
            file.set_permissions(permissions)?;
        }
        file.sync_all()?;
        std::fs::rename(&beside, target)
    })();
    if written.is_err() {
        drop(std::fs::remove_file(&beside));
    }
    written
}

/// A new file in the same folder; what is there already is never opened.
fn create_beside(target: &Path, readers: Readers) -> std::io::Result<(PathBuf, File)> {
    let name = target.file_name().ok_or_else(|| std::io::Error::other("it is a folder"))?;
    // Names have a bound in bytes; the nonce must not be what is cut.
    let name: String = name.to_string_lossy().chars().take(40).collect();
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let beside = target.with_file_name(format!(".{name}.{nonce}.part"));
    let mode = if readers == Readers::Owner { 0o600 } else { 0o666 };
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    Ok((beside, file))
}

/// A file that is written piece by piece, or standard output: whole at its place once it is [`Pieces::finish`]ed, and never
/// there in part.
pub enum Pieces {
    Stdout,
    Beside { target: PathBuf, beside: PathBuf, file: Option<std::io::BufWriter<File>> },
}

impl Pieces {
    /// Where it will be written.
    pub fn begin(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path.filter(|path| !is_stdout(path)) else { return Ok(Self::Stdout) };
        let begun = followed(path).and_then(|target| Ok((create_beside(&target, Readers::Usual)?, target)));
        match begun {
            Ok(((beside, file), target)) => {
                Ok(Self::Beside { target, beside, file: Some(std::io::BufWriter::new(file)) })
            }
            Err(error) => Err(unwritable(path, &error)),
        }
    }

    /// All of it is there.
    pub fn finish(mut self) -> Result<(), Failure> {
        let Self::Beside { target, beside, file } = &mut self else { return Ok(()) };
        let done = (|| {
            if let Some(file) = file.take() {
                file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
            }
            std::fs::rename(&beside, &target)
        })();
        done.map_err(|error| unwritable(target, &error))
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        if let Self::Beside { beside, .. } = self {
            drop(std::fs::remove_file(beside));
        }
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Beside { file: Some(file), .. } => file.write(bytes),
            Self::Beside { .. } => Err(std::io::Error::other("the file is closed")),
            Self::Stdout => stdout::Stdout.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Beside { file: Some(file), .. } => file.flush(),
            Self::Beside { .. } => Ok(()),
            Self::Stdout => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_neighbours_are_left_alone_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("real.csv"), "old").expect("a file");
        std::fs::write(at("link.csv.part"), "somebody's").expect("a file");
        std::os::unix::fs::symlink("real.csv", at("link.csv")).expect("a link");
        std::os::unix::fs::symlink("new.csv", at("dangling.csv")).expect("a link");
        write(&at("link.csv"), b"new").expect("written");
        write(&at("dangling.csv"), b"first").expect("written");
        let read = |name: &str| std::fs::read_to_string(at(name)).expect("a file");
        assert!(at("link.csv").is_symlink() && at("dangling.csv").is_symlink());
        assert_eq!(
            (read("real.csv"), read("new.csv"), read("link.csv.part")),
            ("new".to_owned(), "first".to_owned(), "somebody's".to_owned())
        );
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 5);
        let ring = at("ring");
        std::os::unix::fs::symlink("ring", &ring).expect("a link");
        assert!(write(&ring, b"x").is_err());
    }

    #[test]
    fn devices_stay_devices() {
        write(Path::new("/dev/null"), b"gone").expect("written");
        assert!(!std::fs::metadata("/dev/null").expect("a device").is_file());
        let full = write(Path::new("/dev/full"), b"too much").expect_err("no space");
        assert!(full.message.contains("/dev/full"), "{}", full.message);
    }
}
