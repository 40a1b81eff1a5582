//! The keys that an import has accepted so far, in the order in which they came: tables in memory, each for the keys
//! that begin with one byte, so that a table is sorted within the processor's cache and on any thread.

use super::Entry;
use anyhow::{Result, ensure};
use std::sync::Mutex;

const TABLES: usize = 256;
/// Of a slot: 8 bits of the key, so that few other keys are looked at, and the position from 1.
const POSITION_BITS: u32 = 24;
const POSITIONS_MAX: usize = (1 << POSITION_BITS) - 2;
const SLOTS_MIN: usize = 64;

/// Keys with their contents.
pub(super) struct Fresh {
    tables: Vec<Table>,
    len: usize,
}

impl Fresh {
    pub fn new() -> Self {
        Self { tables: (0..TABLES).map(|_| Table::default()).collect(), len: 0 }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// The content that stands under a key.
    #[inline]
    pub fn get(&self, key: u128) -> Option<u64> {
        self.tables[table_of(key)].find(key).ok()
    }

    /// Looks at where keys belong, so that their places are on the way while others are still looked at.
    #[inline]
    pub fn touch(&self, keys: impl Iterator<Item = u128>) {
        let slots = keys.map(|key| self.tables[table_of(key)].first(key));
        std::hint::black_box(slots.fold(0, |all, slot| all ^ slot));
    }

    /// Adds a key unless it is there; gives the content that was.
    #[inline]
    pub fn insert(&mut self, key: u128, content: u64) -> Result<Option<u64>> {
        let table = &mut self.tables[table_of(key)];
        match table.find(key) {
            Ok(standing) => Ok(Some(standing)),
            Err(slot) => {
                table.add(key, content, slot)?;
                self.len += 1;
                Ok(None)
            }
        }
    }

    /// Every entry, in tables that ascend and are sorted, on up to `threads` threads.
    pub fn into_sorted(self, threads: usize) -> Vec<Vec<PackedEntry>> {
        let mut sorted: Vec<Vec<PackedEntry>> = self.tables.into_iter().map(|table| table.entries).collect();
        let waiting = Mutex::new(sorted.iter_mut());
        std::thread::scope(|scope| {
            for _ in 0..threads.clamp(1, TABLES) {
                scope.spawn(|| {
                    while let Some(entries) = waiting.lock().ok().and_then(|mut waiting| waiting.next()) {
                        entries.sort_unstable();
                    }
                });
            }
        });
        sorted
    }
}

/// An entry in 24 bytes; the order is that of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PackedEntry {
    high: u64,
    low: u64,
    content: u64,
}

impl PackedEntry {
    fn new(key: u128, content: u64) -> Self {
        Self { high: (key >> 64) as u64, low: key as u64, content }
    }

    pub fn entry(self) -> Entry {
        Entry { key: u128::from(self.high) << 64 | u128::from(self.low), content: self.content }
    }
}

/// Entries in the order in which they came, and a slot for each, found by the key.
#[derive(Default)]
struct Table {
    entries: Vec<PackedEntry>,
    slots: Vec<u32>,
}

impl Table {
    /// The slot where the search for a key begins.
    #[inline]
    fn first(&self, key: u128) -> u32 {
        let at = self.slots.len().checked_sub(1).map(|last| first_slot((key >> 64) as u64) & last);
        at.and_then(|at| self.slots.get(at)).copied().unwrap_or_default()
    }

    /// The content of a key; if it is not there, the slot that is free for it.
    #[inline]
    fn find(&self, key: u128) -> Result<u64, usize> {
        let Some(last) = self.slots.len().checked_sub(1) else { return Err(0) };
        let wanted = PackedEntry::new(key, 0);
        let mut slot = first_slot(wanted.high) & last;
        loop {
            let taken = self.slots[slot];
            if taken == 0 {
                return Err(slot);
            }
            if taken >> POSITION_BITS == tag(wanted.low) {
                let entry = &self.entries[(taken << 8 >> 8) as usize - 1];
                if entry.high == wanted.high && entry.low == wanted.low {
                    return Ok(entry.content);
                }
            }
            slot = (slot + 1) & last;
        }
    }

    #[inline]
    fn add(&mut self, key: u128, content: u64, slot: usize) -> Result<()> {
        let packed = PackedEntry::new(key, content);
        let position = self.entries.len();
        if (position + 1) * 4 > self.slots.len() * 3 {
            self.entries.push(packed);
            return self.grow();
        }
        self.entries.push(packed);
        self.slots[slot] = taken_by(position, packed.low);
        Ok(())
    }

    #[cold]
    fn grow(&mut self) -> Result<()> {
        ensure!(self.entries.len() < POSITIONS_MAX, "too many keys begin with one byte");
        let size = (self.slots.len() * 2).max(SLOTS_MIN);
        self.slots = vec![0; size];
        for (position, entry) in self.entries.iter().enumerate() {
            let mut slot = first_slot(entry.high) & (size - 1);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (size - 1);
            }
            self.slots[slot] = taken_by(position, entry.low);
        }
        Ok(())
    }
}

fn table_of(key: u128) -> usize {
    (key >> 120) as usize
}

/// The highest byte is that of the table.
fn first_slot(high: u64) -> usize {
    (high >> 8) as usize
}

fn tag(low: u64) -> u32 {
    (low & 0xFF) as u32
}

/// Far below `u32::MAX`, see [`POSITIONS_MAX`].
fn taken_by(position: usize, low: u64) -> u32 {
    tag(low) << POSITION_BITS | (position as u32 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_whatever_they_share() {
        let mut fresh = Fresh::new();
        // Neighbours share their table, their slots or their tags.
        let keys = |n: u128| [n << 72, n << 120 | n, n << 8 | 5 << 120, n | 9 << 64];
        for n in 1..2_000_u128 {
            for (place, key) in keys(n % 250 + n / 250 * 256).into_iter().enumerate() {
                let expected = fresh.get(key);
                assert_eq!(fresh.insert(key, place as u64).unwrap(), expected);
                assert!(fresh.get(key).is_some() && fresh.get(key ^ 1 << 127 ^ 1 << 60).is_none());
            }
        }
        let len = fresh.len();
        let sorted: Vec<u128> =
            fresh.into_sorted(2).into_iter().flatten().map(|packed| packed.entry().key).collect();
        assert_eq!(sorted.len(), len);
        assert!(sorted.is_sorted_by(|a, b| a < b));
    }
}
