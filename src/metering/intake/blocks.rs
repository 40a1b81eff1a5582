//! Cutting the content of a file into blocks that end where a record ends, so that each can be read by any thread.

use super::open::Format;
use super::packing::BoundMet;
use super::rows::BufferPool;
use super::split::{Record, next_record};
use memchr::{memchr, memchr_iter, memrchr};
use std::io::{self, Read};

/// Bytes read at once.
const BLOCK_BYTES: usize = 1 << 20;
/// A record that does not end within this is not one.
const BLOCK_BYTES_MAX: usize = 4 << 20;
/// Lines of a block: each takes a hundred bytes while it is refused, however short it is.
const BLOCK_LINES_MAX: usize = 1 << 16;

/// Whole records.
#[derive(Debug)]
pub(crate) struct Block {
    /// From 0, without gaps.
    pub number: u64,
    /// Line of the file on which the block starts, from 1.
    pub first_line: u64,
    pub bytes: Vec<u8>,
}

/// Reads `content` to its end and gives its blocks, in order, to `give`, until that says false.
pub(crate) fn cut(
    content: &mut dyn Read,
    format: &Format,
    spare: &BufferPool,
    mut give: impl FnMut(Block) -> bool,
) -> io::Result<()> {
    let cutting = Cutting::of(format);
    let mut number = 0;
    let mut first_line = cutting.skip_lines + 1;
    let mut bytes: Vec<u8> = Vec::new();
    let mut skip = cutting.skip;
    let mut wanted = BLOCK_BYTES;
    loop {
        let is_last = fill(content, &mut bytes, wanted + skip)?;
        bytes.drain(..skip.min(bytes.len()));
        skip = 0;
        let end = cutting.end_of_records(&bytes, is_last);
        if end == 0 && !is_last {
            wanted = bytes.len() + BLOCK_BYTES;
            if wanted > BLOCK_BYTES_MAX {
                let reason = format!("has a record after line {first_line} that does not end within 4 MiB");
                return Err(BoundMet { reason, hint: "are its line ends right?" }.into_io());
            }
            continue;
        }
        let is_over = is_last && end == bytes.len();
        wanted = BLOCK_BYTES;
        let mut rest = spare.bytes();
        rest.extend_from_slice(&bytes[end..]);
        bytes.truncate(end);
        let lines = memchr_iter(b'\n', &bytes).count() as u64;
        if !bytes.is_empty() && !give(Block { number, first_line, bytes }) {
            return Ok(());
        }
        if is_over {
            return Ok(());
        }
        number += 1;
        first_line += lines;
        bytes = rest;
    }
}

/// Where to start, and where records end.
struct Cutting {
    skip: usize,
    skip_lines: u64,
    /// None: every line end ends a record.
    delimiter: Option<u8>,
}

impl Cutting {
    fn of(format: &Format) -> Self {
        match format {
            Format::Csv { layout, skip, skip_lines, .. } => {
                Self { skip: *skip, skip_lines: *skip_lines, delimiter: Some(layout.delimiter) }
            }
            Format::Rejects { delimiter, skip, skip_lines, .. } => {
                Self { skip: *skip, skip_lines: *skip_lines, delimiter: Some(*delimiter) }
            }
            Format::NdJson { skip } => Self { skip: *skip, skip_lines: 0, delimiter: None },
            Format::Parquet => Self { skip: 0, skip_lines: 0, delimiter: None },
        }
    }

    /// Where the last whole record of a block ends; of so many lines at most.
    fn end_of_records(&self, bytes: &[u8], is_last: bool) -> usize {
        match self.delimiter {
            Some(delimiter) if memchr(b'"', bytes).is_some() => {
                let (mut end, mut records) = (0, 0);
                while end < bytes.len() && records < BLOCK_LINES_MAX {
                    match next_record(bytes, end, delimiter, is_last) {
                        Record::Whole { next, .. } | Record::Broken { next, .. } => end = next,
                        Record::Partial => break,
                    }
                    records += 1;
                }
                end
            }
            _ => match memchr_iter(b'\n', bytes).nth(BLOCK_LINES_MAX - 1) {
                Some(at) => at + 1,
                None if is_last => bytes.len(),
                None => memrchr(b'\n', bytes).map_or(0, |at| at + 1),
            },
        }
    }
}

/// Appends until there are `wanted` bytes; true at the end of the content.
fn fill(content: &mut dyn Read, bytes: &mut Vec<u8>, wanted: usize) -> io::Result<bool> {
    let missing = wanted.saturating_sub(bytes.len());
    bytes.reserve(missing);
    let got = content.take(missing as u64).read_to_end(bytes)?;
    Ok(got < missing)
}
