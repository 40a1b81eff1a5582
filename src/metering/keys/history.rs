//! All keys that a new import is held against: the committed key runs, and what this import has accepted so far.

use super::run::{KeyRun, KeyRunFile, write_run};
use super::{Entry, merge::merged};
use anyhow::Result;
use std::path::Path;

/// Key runs on disk plus sorted chunks in memory.
pub(crate) struct History {
    runs: Vec<KeyRun>,
    /// Each sorted; keys of different chunks are disjoint.
    chunks: Vec<Vec<Entry>>,
}

impl History {
    /// Opens the committed key runs.
    pub fn open<'a>(runs: impl Iterator<Item = &'a Path>) -> Result<Self> {
        let runs = runs.map(KeyRun::open).collect::<Result<_>>()?;
        Ok(Self { runs, chunks: Vec::new() })
    }

    /// The content of each key that is known. `keys` ascend.
    pub fn look_up(&self, keys: &[u128]) -> Result<Vec<Option<u64>>> {
        let mut found = vec![None; keys.len()];
        for chunk in &self.chunks {
            look_up_sorted(chunk, keys, &mut found);
        }
        for run in &self.runs {
            run.look_up(keys, &mut found)?;
        }
        Ok(found)
    }

    /// Adds what was accepted; `entries` ascend.
    pub fn add(&mut self, entries: Vec<Entry>) {
        self.chunks.push(entries);
    }

    /// Entries in memory.
    pub fn in_memory(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }

    /// Writes the chunks in memory as one key run, which stays open for later look-ups. None if there is nothing.
    pub fn write(&mut self, temp: &Path, folder: &Path, name: &str) -> Result<Option<KeyRunFile>> {
        let rows = self.in_memory();
        if rows == 0 {
            return Ok(None);
        }
        let chunks = std::mem::take(&mut self.chunks);
        let sources = chunks.into_iter().map(|chunk| chunk.into_iter().map(Ok)).collect();
        let file = write_run(temp, folder, name, rows, merged(sources)?)?;
        self.runs.push(KeyRun::open(&file.path)?);
        Ok(Some(file))
    }
}

/// A merge of two sorted lists; when the chunk is much longer than the keys, a search per key.
fn look_up_sorted(chunk: &[Entry], keys: &[u128], found: &mut [Option<u64>]) {
    let mut rest = chunk;
    for (position, key) in keys.iter().enumerate() {
        let skip = match rest.first() {
            None => return,
            Some(first) if first.key >= *key => 0,
            Some(_) => gallop(rest, *key),
        };
        rest = &rest[skip..];
        if let Some(entry) = rest.first().filter(|entry| entry.key == *key) {
            found[position] = Some(entry.content);
        }
    }
}

/// Number of leading entries below `key`, found in doubling steps.
fn gallop(entries: &[Entry], key: u128) -> usize {
    let mut bound = 1;
    while bound < entries.len() && entries[bound].key < key {
        bound *= 2;
    }
    let low = bound / 2;
    let high = (bound + 1).min(entries.len());
    low + entries[low..high].partition_point(|entry| entry.key < key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(keys: impl Iterator<Item = u128>) -> Vec<Entry> {
        keys.map(|key| Entry { key, content: key.wrapping_mul(7).try_into().unwrap_or(1) }).collect()
    }

    #[test]
    fn looks_up_in_memory_and_on_disk_alike() {
        let home = tempfile::tempdir().unwrap();
        let mut history = History::open(std::iter::empty()).unwrap();
        history.add(entries((0..1000).map(|n| n * 3)));
        history.add(entries((0..1000).map(|n| n * 3 + 1)));
        let keys: Vec<u128> = (0..3010).collect();
        let in_memory = history.look_up(&keys).unwrap();
        let file = history.write(home.path(), home.path(), "a.keys").unwrap().unwrap();
        assert_eq!(file.rows, 2000);
        let reopened = History::open(std::iter::once(file.path.as_path())).unwrap();
        for found in [in_memory, history.look_up(&keys).unwrap(), reopened.look_up(&keys).unwrap()] {
            for (key, found) in keys.iter().zip(found) {
                let expected = (*key < 3000 && key % 3 != 2).then(|| u64::try_from(key * 7).unwrap());
                assert_eq!(found, expected, "key {key}");
            }
        }
    }

    #[test]
    fn a_damaged_run_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let mut history = History::open(std::iter::empty()).unwrap();
        history.add(entries(0..10));
        let file = history.write(home.path(), home.path(), "a.keys").unwrap().unwrap();
        let mut bytes = std::fs::read(&file.path).unwrap();
        bytes.truncate(bytes.len() - 1);
        std::fs::write(&file.path, bytes).unwrap();
        assert!(KeyRun::open(&file.path).is_err());
    }
}
