//! What intake knows of a block of records: accepted rows with their texts in one arena, and refused lines.

use super::chunk::Chunk;
use super::subjects::Resolved;
use domain::usage::{Reject, RejectCode};
use std::sync::Mutex;

/// A text in an arena or in the block's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct TextRange {
    pub at: u32,
    pub len: u32,
}

impl TextRange {
    /// Blocks are far below 4 GiB (`BLOCK_BYTES_MAX`), so positions fit.
    pub fn new(start: usize, end: usize) -> Self {
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { at: narrow(start), len: narrow(end.saturating_sub(start)) }
    }

    pub fn range(self) -> std::ops::Range<usize> {
        let start = self.at as usize;
        start..start + self.len as usize
    }
}

/// What a row is judged by, apart from the rows, so that judging walks through a fifth of their bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Print {
    /// The halves of its key.
    pub high: u64,
    pub low: u64,
    /// Hash of what the record says.
    pub content: u64,
}

impl Print {
    pub fn new(key: u128, content: u64) -> Self {
        Self { high: (key >> 64) as u64, low: key as u64, content }
    }

    pub fn key(self) -> u128 {
        u128::from(self.high) << 64 | u128::from(self.low)
    }
}

/// A record that has passed every check but the one against other records.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// At scale 9.
    pub quantity: i128,
    pub time_us: i64,
    pub resolved: Resolved,
    pub id: TextRange,
    /// Position of its [`SharedTexts`].
    pub rest: u32,
    /// Lines from the first of the block.
    pub line: u32,
    pub raw: TextRange,
    /// Its period has been billed (rules Q5).
    pub lateness: Lateness,
}

/// Texts that most rows share with the row before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SharedTexts {
    pub source: TextRange,
    /// Canonical JSON; empty if there are none.
    pub properties: TextRange,
    /// Empty if it corrects nothing.
    pub corrects: TextRange,
}

/// Whether an event comes after its period was billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lateness {
    InTime,
    Late,
    /// Late, and the charge's policy refuses that.
    TooLate,
}

/// A refused record.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    pub line: u64,
    pub code: RejectCode,
    pub text: String,
    pub raw: TextRange,
}

/// Of a usual text that says why a record was refused.
const REFUSED_TEXT_BYTES: usize = 64;

/// One block, read.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    /// The block's bytes, and the line of the file on which they start, from 1; of Parquet the row.
    pub bytes: Vec<u8>,
    pub first_line: u64,
    /// Texts of rows.
    pub arena: String,
    /// Raw spans point into the arena instead of the bytes: a fixed reject file carries records inside records.
    pub is_raw_in_arena: bool,
    pub rows: Vec<Row>,
    /// One per row.
    pub prints: Vec<Print>,
    pub rests: Vec<SharedTexts>,
    /// Whether any row corrects another.
    pub has_corrections: bool,
    pub refused: Vec<Refused>,
    /// Records seen: rows + refused.
    pub read: u64,
}

impl Parsed {
    /// Appends a text to the arena.
    #[inline]
    pub fn keep(&mut self, text: &str) -> TextRange {
        let start = self.arena.len();
        self.arena.push_str(text);
        TextRange::new(start, self.arena.len())
    }

    /// A text of a row.
    pub fn text(&self, span: TextRange) -> &str {
        self.arena.get(span.range()).unwrap_or_default()
    }

    /// The texts that a row shares with others.
    pub fn rest(&self, row: &Row) -> &SharedTexts {
        &self.rests[row.rest as usize]
    }

    /// Line of the file on which a row starts, from 1; of Parquet the row.
    pub fn line(&self, row: &Row) -> u64 {
        self.first_line + u64::from(row.line)
    }

    /// The raw line of a row or refused record.
    pub fn raw(&self, span: TextRange) -> &[u8] {
        let bytes = if self.is_raw_in_arena { self.arena.as_bytes() } else { &self.bytes };
        bytes.get(span.range()).unwrap_or_default()
    }

    /// Notes a refused record.
    pub fn refuse(&mut self, line: u64, raw: TextRange, reject: Reject) {
        self.refused.push(Refused { line, code: reject.code, text: reject.text, raw });
    }

    /// Memory held, roughly.
    pub fn weight(&self) -> usize {
        // A text of its own for each refused line, and what the allocator keeps beside it.
        let refused = self.refused.len() * (size_of::<Refused>() + REFUSED_TEXT_BYTES);
        let rows = self.rows.len() * (size_of::<Row>() + size_of::<Print>());
        self.bytes.len() + self.arena.len() + rows + refused
    }

    /// Empties it; its memory is kept.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.arena.clear();
        self.rows.clear();
        self.prints.clear();
        self.rests.clear();
        self.refused.clear();
        (self.first_line, self.read) = (0, 0);
        (self.is_raw_in_arena, self.has_corrections) = (false, false);
    }
}

/// Memory of blocks and chunks that are done with: new memory costs as much as parsing half the block.
#[derive(Default)]
pub(crate) struct BufferPool {
    bytes: Mutex<Vec<Vec<u8>>>,
    parsed: Mutex<Vec<Parsed>>,
    chunks: Mutex<Vec<Chunk>>,
}

/// Blocks that have grown beyond this are let go.
const SPARE_BYTES_MAX: usize = 8 << 20;

impl BufferPool {
    /// Takes back a block.
    pub fn give(&self, mut block: Parsed) {
        if block.weight() > SPARE_BYTES_MAX {
            return;
        }
        block.clear();
        let bytes = std::mem::take(&mut block.bytes);
        if let (Ok(mut spare), Ok(mut parsed)) = (self.bytes.lock(), self.parsed.lock()) {
            spare.push(bytes);
            parsed.push(block);
        }
    }

    /// Takes back a chunk.
    pub fn give_chunk(&self, mut chunk: Chunk) {
        chunk.clear();
        if let Ok(mut chunks) = self.chunks.lock() {
            chunks.push(chunk);
        }
    }

    /// Empty.
    pub fn chunk(&self) -> Chunk {
        self.chunks.lock().ok().and_then(|mut spare| spare.pop()).unwrap_or_default()
    }

    /// Empty.
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().ok().and_then(|mut spare| spare.pop()).unwrap_or_default()
    }

    /// Empty.
    pub fn parsed(&self) -> Parsed {
        self.parsed.lock().ok().and_then(|mut spare| spare.pop()).unwrap_or_default()
    }
}
