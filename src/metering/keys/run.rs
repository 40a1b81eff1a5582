//! One key run: a file of sorted entries that is written once and searched by its sparse index.
//!
//! Layout, little endian: entries (16-byte key, 8-byte content) in ascending key order; every 256th key's upper
//! half; the filter; a trailer of 40 bytes (magic, entries, index length, filter length, check sum).

use super::filter::Filter;
use super::{Entry, KeyLookup};
use crate::files::{Draft, DurableFile, Writer};
use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"TBKEYS01";
const ENTRY_BYTES: usize = 24;
const TRAILER_BYTES: usize = 40;
/// Entries per step of the sparse index: one read of 6 kB per lookup.
const STRIDE: usize = 256;
const PAGE_BYTES: usize = STRIDE * ENTRY_BYTES;
/// Pages read at once where keys are dense.
const PAGES_AT_ONCE: usize = 32;

/// A key run on disk, to be named in the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRunFile {
    pub path: PathBuf,
    /// Number of entries: accepted events, and one mark per correction.
    pub rows: u64,
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
}

impl KeyRunFile {
    fn of(landed: DurableFile, rows: u64) -> Self {
        Self { path: landed.path, rows, bytes: landed.bytes, sha256: landed.sha256 }
    }
}

/// Writes `entries`, which come in ascending key order, as `folder/name`. `at_most` bounds their number and sizes the
/// filter.
pub(crate) fn write_run(
    temp: &Path,
    folder: &Path,
    name: &str,
    at_most: usize,
    entries: impl Iterator<Item = Result<Entry>>,
) -> Result<KeyRunFile> {
    let mut draft = Draft::create(temp, name)?;
    let file = draft.writer()?;
    let mut filter = Filter::for_keys(at_most);
    let mut index: Vec<u8> = Vec::with_capacity(at_most / STRIDE * 8 + 8);
    let mut last = None;
    let mut rows = 0_usize;
    for entry in entries {
        let entry = entry?;
        ensure!(last < Some(entry.key), "key run {name}: entry {rows} is out of order");
        last = Some(entry.key);
        if rows.is_multiple_of(STRIDE) {
            index.extend(upper_half(entry.key).to_le_bytes());
        }
        filter.insert(entry.key);
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..16].copy_from_slice(&entry.key.to_le_bytes());
        bytes[16..].copy_from_slice(&entry.content.to_le_bytes());
        file.write_all(&bytes)?;
        rows += 1;
    }
    write_tail(file, &index, &filter, rows)?;
    Ok(KeyRunFile::of(draft.land(folder, name)?, rows as u64))
}

fn write_tail(file: &mut Writer, index: &[u8], filter: &Filter, rows: usize) -> Result<()> {
    let filter = filter.to_bytes();
    file.write_all(index)?;
    file.write_all(&filter)?;
    let lengths = [rows as u64, index.len() as u64, filter.len() as u64];
    file.write_all(MAGIC)?;
    for length in lengths {
        file.write_all(&length.to_le_bytes())?;
    }
    file.write_all(&check_sum(&lengths).to_le_bytes())?;
    Ok(())
}

fn check_sum(lengths: &[u64; 3]) -> u64 {
    lengths
        .iter()
        .fold(0x7A11_B00C, |sum, length| sum.rotate_left(21) ^ length.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

fn upper_half(key: u128) -> u64 {
    (key >> 64) as u64
}

/// An open key run: its filter and index in memory, its entries on disk.
pub(super) struct KeyRun {
    path: PathBuf,
    file: File,
    rows: usize,
    index: Vec<u64>,
    filter: Filter,
}

impl KeyRun {
    pub fn open(path: &Path) -> Result<Self> {
        Self::try_open(path).with_context(|| format!("opening the key run {}", path.display()))
    }

    fn try_open(path: &Path) -> Result<Self> {
        let file = File::open(path)?;
        let size = usize::try_from(file.metadata()?.len())?;
        ensure!(size >= TRAILER_BYTES, "{size} bytes are too few");
        let mut trailer = [0_u8; TRAILER_BYTES];
        file.read_exact_at(&mut trailer, (size - TRAILER_BYTES) as u64)?;
        ensure!(&trailer[..8] == MAGIC, "it is not a key run");
        let word = |at: usize| -> Result<u64> { Ok(u64::from_le_bytes(trailer[at..at + 8].try_into()?)) };
        let lengths = [word(8)?, word(16)?, word(24)?];
        ensure!(word(32)? == check_sum(&lengths), "its trailer is damaged");
        let [rows, index_bytes, filter_bytes] = lengths.map(usize::try_from);
        let (rows, index_bytes, filter_bytes) = (rows?, index_bytes?, filter_bytes?);
        let expected = rows * ENTRY_BYTES + index_bytes + filter_bytes + TRAILER_BYTES;
        ensure!(size == expected, "it has {size} bytes instead of {expected}");
        let mut index = vec![0_u8; index_bytes];
        file.read_exact_at(&mut index, (rows * ENTRY_BYTES) as u64)?;
        let index = index.chunks_exact(8).filter_map(|c| c.try_into().ok()).map(u64::from_le_bytes).collect();
        let mut filter = vec![0_u8; filter_bytes];
        file.read_exact_at(&mut filter, (rows * ENTRY_BYTES + index_bytes) as u64)?;
        let filter = Filter::from_bytes(&filter).context("its filter is damaged")?;
        Ok(Self { path: path.to_owned(), file, rows, index, filter })
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// False means: certainly not there.
    #[inline]
    pub fn may_hold(&self, key: u128) -> bool {
        self.filter.may_hold(key)
    }

    /// Sets `found[asked.at]` to the content of every asked key of the run. `asked` ascends: the pages are walked through
    /// once, many at a time where many are wanted.
    pub fn look_up(&self, asked: &[KeyLookup], found: &mut [Option<u64>]) -> Result<()> {
        let (mut next, mut pages) = (0, Pages::default());
        for KeyLookup { key, at } in asked {
            let slot = &mut found[*at as usize];
            if slot.is_some() || !self.filter.may_hold(*key) {
                continue;
            }
            // Keys that share their upper half may straddle pages: start at the page before the first larger one.
            let upper = upper_half(*key);
            next += gallop(&self.index[next..], upper);
            let mut number = next.saturating_sub(1);
            while number < self.index.len() && self.index[number] <= upper {
                if let Some(content) = self.page(number, &mut pages)?.content(*key) {
                    *slot = Some(content);
                    break;
                }
                number += 1;
            }
        }
        Ok(())
    }

    /// The page of this number, read with those that follow it if the last one wanted was near.
    fn page<'p>(&self, number: usize, pages: &'p mut Pages) -> Result<KeyPage<'p>> {
        if !pages.range().contains(&number) {
            let is_near = number < pages.range().end + PAGES_AT_ONCE;
            let count = if is_near { PAGES_AT_ONCE } else { 1 };
            let first = number * STRIDE;
            let rows = (count * STRIDE).min(self.rows.saturating_sub(first));
            pages.bytes.resize(rows * ENTRY_BYTES, 0);
            self.file
                .read_exact_at(&mut pages.bytes, (first * ENTRY_BYTES) as u64)
                .with_context(|| format!("reading {}", self.path.display()))?;
            pages.first = number;
        }
        let bytes = &pages.bytes[(number - pages.first) * PAGE_BYTES..];
        Ok(KeyPage { bytes: &bytes[..bytes.len().min(PAGE_BYTES)] })
    }

    /// Replaces `into` by up to `count` entries from `first` on.
    pub fn read_entries(&self, first: usize, count: usize, into: &mut Vec<Entry>) -> Result<()> {
        let count = count.min(self.rows.saturating_sub(first));
        let mut bytes = vec![0_u8; count * ENTRY_BYTES];
        let at = (first * ENTRY_BYTES) as u64;
        self.file
            .read_exact_at(&mut bytes, at)
            .with_context(|| format!("reading {}", self.path.display()))?;
        into.clear();
        for chunk in bytes.chunks_exact(ENTRY_BYTES) {
            let (key, content) = chunk.split_at(16);
            into.push(Entry {
                key: u128::from_le_bytes(key.try_into()?),
                content: u64::from_le_bytes(content.try_into()?),
            });
        }
        Ok(())
    }
}

/// Number of leading values below `bound`, found in doubling steps.
fn gallop(values: &[u64], bound: u64) -> usize {
    let mut reach = 1;
    while reach < values.len() && values[reach] < bound {
        reach *= 2;
    }
    let low = reach / 2;
    let high = (reach + 1).min(values.len());
    low + values[low..high].partition_point(|value| *value < bound)
}

/// Pages read last.
#[derive(Default)]
struct Pages {
    first: usize,
    bytes: Vec<u8>,
}

impl Pages {
    fn range(&self) -> std::ops::Range<usize> {
        self.first..self.first + self.bytes.len().div_ceil(PAGE_BYTES)
    }
}

/// Entries as they lie on disk.
struct KeyPage<'p> {
    bytes: &'p [u8],
}

impl KeyPage<'_> {
    fn content(&self, key: u128) -> Option<u64> {
        let (entries, _) = self.bytes.as_chunks::<ENTRY_BYTES>();
        let at = entries.binary_search_by_key(&key, key_of).ok()?;
        entries[at].last_chunk().map(|content| u64::from_le_bytes(*content))
    }
}

fn key_of(entry: &[u8; ENTRY_BYTES]) -> u128 {
    entry.first_chunk().map_or(0, |key| u128::from_le_bytes(*key))
}
