//! All keys that a new import is held against: the committed key runs, and what this import has accepted so far.

use super::fresh::Fresh;
use super::run::{KeyRun, KeyRunFile, write_run};
use anyhow::Result;
use std::path::Path;

/// Key runs on disk, and keys in memory.
pub(crate) struct History {
    runs: Vec<KeyRun>,
    fresh: Fresh,
}

/// A key that is looked up on disk, and where the answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyLookup {
    pub key: u128,
    pub at: u32,
}

impl History {
    /// Opens the committed key runs.
    pub fn open<'a>(runs: impl Iterator<Item = &'a Path>) -> Result<Self> {
        let runs = runs.map(KeyRun::open).collect::<Result<_>>()?;
        Ok(Self { runs, fresh: Fresh::new() })
    }

    /// Whether there is anything on disk.
    pub fn has_runs(&self) -> bool {
        !self.runs.is_empty()
    }

    /// Whether a key may be on disk; false means that it certainly is not.
    #[inline]
    pub fn may_be_on_disk(&self, key: u128) -> bool {
        self.runs.iter().any(|run| run.may_hold(key))
    }

    /// Sets `found[asked.at]` to the content of every key that is on disk.
    pub fn look_up(&self, asked: &mut [KeyLookup], found: &mut [Option<u64>]) -> Result<()> {
        asked.sort_unstable();
        self.runs.iter().try_for_each(|run| run.look_up(asked, found))
    }

    /// The content of a key that is in memory.
    #[inline]
    pub fn get(&self, key: u128) -> Option<u64> {
        self.fresh.get(key)
    }

    /// To be called with some hundreds of keys before they are inserted: see [`Fresh::touch`].
    pub fn touch(&self, keys: impl Iterator<Item = u128>) {
        self.fresh.touch(keys);
    }

    /// Adds a key that is not on disk, unless it is in memory; gives the content that was.
    #[inline]
    pub fn insert(&mut self, key: u128, content: u64) -> Result<Option<u64>> {
        self.fresh.insert(key, content)
    }

    /// Entries in memory.
    pub fn in_memory(&self) -> usize {
        self.fresh.len()
    }

    /// Writes the keys in memory as one key run, which stays open for later look-ups. None if there is nothing.
    pub fn write(
        &mut self,
        temp: &Path,
        folder: &Path,
        name: &str,
        threads: usize,
    ) -> Result<Option<KeyRunFile>> {
        let rows = self.in_memory();
        if rows == 0 {
            return Ok(None);
        }
        let sorted = std::mem::replace(&mut self.fresh, Fresh::new()).into_sorted(threads);
        let entries = sorted.into_iter().flatten().map(|packed| Ok(packed.entry()));
        let file = write_run(temp, folder, name, rows, entries)?;
        self.runs.push(KeyRun::open(&file.path)?);
        Ok(Some(file))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The contents of all `keys`.
    pub fn contents(history: &History, keys: &[u128]) -> Vec<Option<u64>> {
        let mut found = vec![None; keys.len()];
        let mut asked: Vec<KeyLookup> =
            (0..).zip(keys).map(|(at, key)| KeyLookup { key: *key, at }).collect();
        asked.retain(|asked| history.may_be_on_disk(asked.key));
        history.look_up(&mut asked, &mut found).unwrap();
        found.into_iter().zip(keys).map(|(on_disk, key)| on_disk.or_else(|| history.get(*key))).collect()
    }

    fn key(n: u128) -> u128 {
        n.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
    }

    #[test]
    fn looks_up_in_memory_and_on_disk_alike() {
        let home = tempfile::tempdir().unwrap();
        let mut history = History::open(std::iter::empty()).unwrap();
        for n in (0..3000).rev().filter(|n| n % 3 != 2) {
            assert_eq!(history.insert(key(n), n as u64).unwrap(), None);
            assert_eq!(history.insert(key(n), 1).unwrap(), Some(n as u64));
        }
        let keys: Vec<u128> = (0..3010).map(key).collect();
        let in_memory = contents(&history, &keys);
        let file = history.write(home.path(), home.path(), "a.keys", 2).unwrap().unwrap();
        assert_eq!((file.rows, history.in_memory()), (2000, 0));
        let reopened = History::open(std::iter::once(file.path.as_path())).unwrap();
        for found in [in_memory, contents(&history, &keys), contents(&reopened, &keys)] {
            for (n, found) in (0_u64..).zip(found) {
                assert_eq!(found, (n < 3000 && n % 3 != 2).then_some(n), "key {n}");
            }
        }
    }

    #[test]
    fn a_damaged_run_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let mut history = History::open(std::iter::empty()).unwrap();
        history.insert(7, 1).unwrap();
        let file = history.write(home.path(), home.path(), "a.keys", 1).unwrap().unwrap();
        let mut bytes = std::fs::read(&file.path).unwrap();
        bytes.truncate(bytes.len() - 1);
        std::fs::write(&file.path, bytes).unwrap();
        assert!(KeyRun::open(&file.path).is_err());
    }
}
