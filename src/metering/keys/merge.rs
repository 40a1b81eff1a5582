//! Merging key runs: `upkeep` keeps their number small, so that an import asks few filters.

use super::Entry;
use super::run::{KeyRun, KeyRunFile, write_run};
use anyhow::{Result, bail};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::Path;

/// Entries read from a run at once.
const READ_AHEAD: usize = 1 << 14;

/// Writes the entries of all `runs` as one run `folder/name`, in bounded memory. The runs themselves stay: the
/// caller exchanges them in one commit and removes them when no import reads them any more.
pub fn merge(runs: &[&Path], temp: &Path, folder: &Path, name: &str) -> Result<KeyRunFile> {
    let mut sources = Vec::with_capacity(runs.len());
    let mut rows = 0;
    for path in runs {
        let run = KeyRun::open(path)?;
        rows += run.rows();
        sources.push(Entries { run, next: 0, buffer: Vec::new(), at: 0 });
    }
    write_run(temp, folder, name, rows, merged(sources)?)
}

/// The entries of a run from the first to the last.
struct Entries {
    run: KeyRun,
    next: usize,
    buffer: Vec<Entry>,
    at: usize,
}

impl Iterator for Entries {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at == self.buffer.len() {
            if self.next >= self.run.rows() {
                return None;
            }
            if let Err(error) = self.run.read_entries(self.next, READ_AHEAD, &mut self.buffer) {
                return Some(Err(error));
            }
            self.next += self.buffer.len();
            self.at = 0;
        }
        self.at += 1;
        self.buffer.get(self.at - 1).copied().map(Ok)
    }
}

/// One ascending sequence out of several; a key that is in two of them is an error, as it was accepted twice.
pub(super) fn merged<I: Iterator<Item = Result<Entry>>>(mut sources: Vec<I>) -> Result<Merged<I>> {
    let mut heads = BinaryHeap::with_capacity(sources.len());
    for (number, source) in sources.iter_mut().enumerate() {
        if let Some(entry) = source.next() {
            heads.push(Reverse((entry?, number)));
        }
    }
    Ok(Merged { sources, heads, last: None })
}

pub(super) struct Merged<I> {
    sources: Vec<I>,
    heads: BinaryHeap<Reverse<(Entry, usize)>>,
    last: Option<u128>,
}

impl<I: Iterator<Item = Result<Entry>>> Merged<I> {
    fn step(&mut self) -> Result<Option<Entry>> {
        let Some(mut head) = self.heads.peek_mut() else { return Ok(None) };
        let Reverse((entry, number)) = *head;
        match self.sources[number].next() {
            Some(next) => *head = Reverse((next?, number)),
            None => {
                std::collections::binary_heap::PeekMut::pop(head);
            }
        }
        if self.last == Some(entry.key) {
            bail!("key {:032x} was accepted twice", entry.key);
        }
        self.last = Some(entry.key);
        Ok(Some(entry))
    }
}

impl<I: Iterator<Item = Result<Entry>>> Iterator for Merged<I> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::History;
    use crate::keys::history::tests::contents;

    #[test]
    fn a_merged_run_answers_like_its_parts() {
        let home = tempfile::tempdir().unwrap();
        let mut paths = Vec::new();
        for part in 0..5_u128 {
            let entries = (0..20_000).map(|n| Ok(Entry { key: (n * 5 + part) << 64, content: 9 }));
            let name = format!("{part}.keys");
            paths.push(write_run(home.path(), home.path(), &name, 20_000, entries).unwrap().path);
        }
        let parts: Vec<&Path> = paths.iter().map(AsRef::as_ref).collect();
        let whole = merge(&parts, home.path(), home.path(), "all.keys").unwrap();
        assert_eq!(whole.rows, 100_000);
        let history = History::open(std::iter::once(whole.path.as_path())).unwrap();
        let keys: Vec<u128> = (0..100_010).map(|n| n << 64).collect();
        let found = contents(&history, &keys);
        assert!(found[..100_000].iter().all(Option::is_some) && found[100_000..].iter().all(Option::is_none));
    }

    #[test]
    fn a_key_in_two_runs_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            let entries = std::iter::once(Ok(Entry { key: 1, content: 1 }));
            write_run(home.path(), home.path(), name, 1, entries).unwrap();
        }
        let (a, b) = (home.path().join("a"), home.path().join("b"));
        assert!(merge(&[&a, &b], home.path(), home.path(), "c").is_err());
    }
}
