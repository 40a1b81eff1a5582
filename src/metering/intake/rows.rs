//! What intake knows of a block of records: accepted rows with their texts in one arena, and refused lines.

use super::subjects::Resolved;
use domain::usage::{Reject, RejectCode};

/// A text in an arena or in the block's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub at: u32,
    pub len: u32,
}

impl Span {
    /// Blocks are far below 4 GiB (`BLOCK_BYTES_MAX`), so positions fit.
    pub fn new(start: usize, end: usize) -> Self {
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { at: narrow(start), len: narrow(end.saturating_sub(start)) }
    }

    fn range(self) -> std::ops::Range<usize> {
        let start = self.at as usize;
        start..start + self.len as usize
    }
}

/// A record that has passed every check but the one against other records.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub key: u128,
    /// At scale 9.
    pub quantity: i128,
    /// Hash of what the record says.
    pub content: u64,
    pub time_us: i64,
    /// Line of the file on which the record starts, from 1; of Parquet the row.
    pub line: u64,
    pub resolved: Resolved,
    pub source: Span,
    pub id: Span,
    /// Canonical JSON; empty if there are none.
    pub properties: Span,
    /// Empty if it corrects nothing.
    pub corrects: Span,
    pub raw: Span,
    /// Its period has been billed (rules Q5).
    pub lateness: Lateness,
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
    pub raw: Span,
}

/// One block, read.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    /// The block's bytes.
    pub bytes: Vec<u8>,
    /// Texts of rows.
    pub arena: String,
    /// Raw spans point into the arena instead of the bytes: a mended reject file carries records inside records.
    pub is_raw_in_arena: bool,
    pub rows: Vec<Row>,
    pub refused: Vec<Refused>,
    /// Records seen: rows + refused.
    pub read: u64,
}

impl Parsed {
    /// Appends a text to the arena.
    pub fn keep(&mut self, text: &str) -> Span {
        let start = self.arena.len();
        self.arena.push_str(text);
        Span::new(start, self.arena.len())
    }

    /// A text of a row.
    pub fn text(&self, span: Span) -> &str {
        self.arena.get(span.range()).unwrap_or_default()
    }

    /// The raw line of a row or refused record.
    pub fn raw(&self, span: Span) -> &[u8] {
        let bytes = if self.is_raw_in_arena { self.arena.as_bytes() } else { &self.bytes };
        bytes.get(span.range()).unwrap_or_default()
    }

    /// Notes a refused record.
    pub fn refuse(&mut self, line: u64, raw: Span, reject: Reject) {
        self.refused.push(Refused { line, code: reject.code, text: reject.text, raw });
    }

    /// Memory held, roughly.
    pub fn weight(&self) -> usize {
        self.bytes.len() + self.arena.len() + self.rows.len() * size_of::<Row>()
    }
}
