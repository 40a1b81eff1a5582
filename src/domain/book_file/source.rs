//! From bytes to objects: one JSON document, or NDJSON line by line. Which one it is shows in the content: a first
//! line that is complete JSON with more behind it, or that begins with the name of a single object, makes it NDJSON.

use super::ahead;
use super::collect::Collector;
use super::content::ObjectKind;
use super::fault::{Faults, Place};
use super::json;
use std::io::{BufRead, BufReader, Read};

/// Bytes of a document, which takes some twenty times as much memory while it is read; a bigger book is NDJSON.
const DOCUMENT_BYTES_MAX: usize = 16 << 20;
/// Bytes of an NDJSON line.
const LINE_BYTES_MAX: usize = 16 << 20;
/// A line that begins with it says nothing.
const COMMENT: u8 = b'#';
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Reads one file into the collector.
pub(super) fn read<R: Read>(name: &str, source: R, collector: &mut Collector) {
    let file = collector.faults.file(name);
    let reader = BufReader::with_capacity(1 << 16, source);
    let mut lines = Lines { reader, number: 0, file, broken: None };
    let faults_before = collector.faults.met();
    let first = lines.next_filled(DOCUMENT_BYTES_MAX);
    lines.tell(&mut collector.faults);
    let Some(first) = first else {
        collector.is_cut_off = true;
        if collector.faults.met() == faults_before {
            collector.faults.add(&Place::new(file, ""), "is empty");
        }
        return;
    };
    let is_complete = std::str::from_utf8(&first.bytes).is_ok_and(json::is_complete);
    if !is_complete && !begins_with_a_single_object(&first.bytes) {
        read_document(first, lines, collector);
        return;
    }
    let second = lines.next_filled(LINE_BYTES_MAX);
    if second.is_none() && is_complete && !begins_with_a_single_object(&first.bytes) {
        lines.tell(&mut collector.faults);
        parse(&first.bytes, first.number, &Place::new(file, ""), collector);
        return;
    }
    read_line(&first, file, collector);
    if let Some(second) = second {
        read_line(&second, file, collector);
        ahead::read(&mut lines, collector);
    }
    lines.tell(&mut collector.faults);
}

/// `{"customer": …` and the like; the tenant has but one name and tells nothing.
fn begins_with_a_single_object(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&line[..line.len().min(64)]);
    let Some(rest) = text.trim_start().strip_prefix('{') else { return false };
    let Some(rest) = rest.trim_start().strip_prefix('"') else { return false };
    let Some((key, _)) = rest.split_once('"') else { return false };
    let is_single =
        |kind: &&ObjectKind| **kind != ObjectKind::Tenant && kind.singular().eq_ignore_ascii_case(key);
    ObjectKind::ALL.iter().any(|kind| is_single(&kind))
}

fn read_document<R: Read>(first: Line, mut lines: Lines<R>, collector: &mut Collector) {
    let Line { number: first_number, mut bytes } = first;
    let place = Place::new(lines.file, "");
    let room = DOCUMENT_BYTES_MAX.saturating_sub(bytes.len());
    bytes.push(b'\n');
    let limit = u64::try_from(room).unwrap_or(u64::MAX).saturating_add(1);
    match lines.reader.by_ref().take(limit).read_to_end(&mut bytes) {
        Ok(read) if read <= room => return parse(&bytes, first_number, &place, collector),
        Ok(_) => too_long(&place, DOCUMENT_BYTES_MAX, &mut collector.faults),
        Err(error) => collector.faults.add(&place, format!("cannot be read: {error}")),
    }
    collector.is_cut_off = true;
}

pub(super) fn read_line(line: &Line, file: usize, collector: &mut Collector) {
    let Line { number, bytes } = line;
    let place = Place::new(file, format!("line {number}"));
    if bytes.len() > LINE_BYTES_MAX {
        too_long(&place, LINE_BYTES_MAX, &mut collector.faults);
        collector.is_cut_off = true;
        return;
    }
    let spaced = Place::new(file, format!("line {number} "));
    parse(bytes, *number, &spaced, collector);
}

fn too_long(place: &Place, bytes_max: usize, faults: &mut Faults) {
    let hint = "write the book as NDJSON, one object per line";
    faults.hinted(place, format!("is longer than {} MiB", bytes_max >> 20), hint);
}

fn parse(bytes: &[u8], first_line: usize, place: &Place, collector: &mut Collector) {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let (line, column) = json::line_and_column(bytes, error.valid_up_to());
            let line = first_line + line - 1;
            let message = format!("is not UTF-8 at line {line}, column {column}");
            collector.faults.hinted(place, message, "save the file as UTF-8");
            collector.is_cut_off = true;
            return;
        }
    };
    match json::parse(text, first_line, place, &mut collector.faults) {
        Some(node) => collector.document(&node, place, None),
        None => collector.is_cut_off = true,
    }
}

/// A line that says something, without its end.
pub(super) struct Line {
    /// From 1.
    pub number: usize,
    pub bytes: Vec<u8>,
}

/// Why there are no more lines before the end.
enum Broken {
    TooLong(usize),
    Unreadable(std::io::Error),
}

/// Lines with their numbers, one at a time.
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    /// Number of the line read last, from 1.
    number: usize,
    pub file: usize,
    broken: Option<(Place, Broken)>,
}

impl<R: Read> Lines<R> {
    /// The next line that is neither blank nor a comment; `None` at the end, after a fault of reading, or after a line that is
    /// too long to go on behind it.
    fn next_filled(&mut self, bytes_max: usize) -> Option<Line> {
        loop {
            let mut bytes = Vec::new();
            let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
            let read = self.reader.by_ref().take(limit).read_until(b'\n', &mut bytes);
            if matches!(read, Ok(0)) || self.broken.is_some() {
                return None;
            }
            self.number += 1;
            let broken = match read {
                Err(error) => Some(Broken::Unreadable(error)),
                Ok(read) => (read > bytes_max).then_some(Broken::TooLong(bytes_max)),
            };
            if let Some(broken) = broken {
                self.broken = Some((Place::new(self.file, format!("line {}", self.number)), broken));
                return None;
            }
            if self.number == 1 && bytes.starts_with(BYTE_ORDER_MARK) {
                bytes.drain(..BYTE_ORDER_MARK.len());
            }
            while bytes.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
                bytes.pop();
            }
            let told = bytes.trim_ascii_start();
            if !told.is_empty() && told[0] != COMMENT {
                return Some(Line { number: self.number, bytes });
            }
        }
    }

    /// The next lines, fewer only at the end.
    pub fn block(&mut self, at_most: usize) -> Vec<Line> {
        std::iter::from_fn(|| self.next_filled(LINE_BYTES_MAX)).take(at_most).collect()
    }

    /// Says what was wrong with reading, if anything was.
    fn tell(&mut self, faults: &mut Faults) {
        match self.broken.take() {
            Some((place, Broken::TooLong(bytes_max))) => too_long(&place, bytes_max, faults),
            Some((place, Broken::Unreadable(error))) => {
                faults.add(&place, format!("cannot be read: {error}"))
            }
            None => {}
        }
    }
}
