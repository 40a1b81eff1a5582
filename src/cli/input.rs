//! Files that people name: what cannot be read is said at once, a pipe without a writer is not waited for, and nothing is
//! read without an end.

use crate::failure::Failure;
use operations::files::sheet::{BYTES_MAX, Table};
use std::io::{BufRead, Read};
use std::path::Path;

/// Opens a file, a pipe or a device to be read once; `-` is standard input.
pub fn open(path: &Path) -> Result<Box<dyn Read + Send>, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(std::io::stdin()));
    }
    let unreadable = |error: std::io::Error| unreadable(path, &error);
    if std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Err(Failure::input("unreadable", format!("{} is a folder", path.display()))
            .hint("name the files in it"));
    }
    Ok(Box::new(operations::files::open_waiting(path).map_err(unreadable)?))
}

/// Reads a CSV of a person's.
pub fn sheet(path: &Path) -> Result<Table, Failure> {
    let mut bytes = Vec::new();
    let read = open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(path, &error))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > BYTES_MAX {
        return Err(Failure::input("too_large", format!("{} is longer than 64 MiB", path.display()))
            .hint("make several files of it"));
    }
    let name = path
        .file_name()
        .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    Ok(Table::read(&name, &bytes)?)
}

/// What reading a file failed with.
pub fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::input("unreadable", format!("cannot read {}: {error}", path.display()))
        .hint(format!("ls -l {}", path.display()))
}

/// Appends what comes up to and with the next line end, or to the end of the input: `false` if that is more than
/// `bytes_max`.
pub fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>, bytes_max: u64) -> std::io::Result<bool> {
    let before = line.len() as u64;
    input.by_ref().take(bytes_max + 1).read_until(b'\n', line)?;
    Ok(line.len() as u64 - before <= bytes_max)
}
