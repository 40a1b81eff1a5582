//! From a block of bytes to checked and resolved rows. Runs on several threads; every record passes
//! `domain::usage::check_fields`, whatever its format.

use super::blocks::Block;
use super::header::CsvLayout;
use super::json::{Value, members};
use super::json_usage::{event_data, usage_of};
use super::open::Format;
use super::rows::{Lateness, Parsed, Print, Row, SharedTexts, TextRange};
use super::split::{Record, fields_into, next_record};
use super::subjects::{Resolved, Subjects};
use crate::keys::{Content, Hashes};
use domain::usage::{
    CheckedUsage, Limits, RawProperties, RawUsage, Reject, RejectCode, check_fields, properties_text,
    read_properties,
};
use memchr::{memchr, memchr_iter};
use rustc_hash::FxHashMap;
use std::borrow::Cow;

/// Property texts remembered per block: usage files repeat few combinations.
const PROPERTIES_CACHED_MAX: usize = 1024;
/// Rows whose subjects are looked at together.
const ROWS_AT_ONCE: usize = 256;
/// Longer than any quantity that is taken.
const QUANTITY_BYTES_MAX: usize = 64;

/// What the parsing threads share.
pub(crate) struct ParseContext<'a> {
    pub format: &'a Format,
    pub limits: Limits<'a>,
    pub subjects: &'a Subjects,
    pub hashes: Hashes,
}

/// Reads every record of a block into `out`, which is empty.
pub(crate) fn parse(context: &ParseContext<'_>, block: Block, mut out: Parsed) -> Parsed {
    out.first_line = block.first_line;
    let mut parser = Parser {
        context,
        out,
        cached: FxHashMap::default(),
        rests: FxHashMap::default(),
        last_source: None,
        last_meter: None,
        names: String::new(),
        subjects: Vec::new(),
    };
    match context.format {
        Format::Csv { layout, .. } => parser.csv_block(&block, layout),
        Format::NdJson { .. } => parser.json_block(&block),
        Format::Rejects { inner, delimiter, .. } => {
            parser.out.is_raw_in_arena = true;
            parser.reject_block(&block, inner, *delimiter);
        }
        // Parquet arrives as CSV, see `parquet`.
        Format::Parquet => {}
    }
    parser.resolve_rows();
    let mut out = parser.out;
    out.bytes = block.bytes;
    out
}

struct Parser<'c> {
    context: &'c ParseContext<'c>,
    out: Parsed,
    /// Raw properties → canonical text in the arena.
    cached: FxHashMap<Box<str>, TextRange>,
    /// Positions of rests that correct nothing.
    rests: FxHashMap<SharedTexts, u32>,
    /// The source of the row before, and where it is kept.
    last_source: Option<(String, TextRange)>,
    /// The meter of the row before, and its number.
    last_meter: Option<(String, u32)>,
    /// Subjects of rows, one after the other, and the place of each.
    names: String,
    subjects: Vec<TextRange>,
}

impl Parser<'_> {
    fn csv_block(&mut self, block: &Block, layout: &CsvLayout) {
        let text = std::str::from_utf8(&block.bytes).ok();
        let mut cells: Vec<Cow<'_, str>> = Vec::with_capacity(layout.width);
        for_each_record(block, layout.delimiter, |start, end, line, is_whole| {
            if !layout.empty_records_count && is_empty(&block.bytes[start..end], layout.delimiter) {
                return;
            }
            let raw = TextRange::new(start, end);
            self.out.read += 1;
            let record = match text_of(text, &block.bytes, start, end) {
                Ok(record) if is_whole => record,
                Ok(_) => return self.out.refuse(line, raw, open_quote()),
                Err(reject) => return self.out.refuse(line, raw, reject),
            };
            self.csv_record(record, layout, &mut cells, line, raw);
        });
    }

    fn csv_record<'r>(
        &mut self,
        record: &'r str,
        layout: &CsvLayout,
        cells: &mut Vec<Cow<'r, str>>,
        line: u64,
        raw: TextRange,
    ) {
        if let Err(reason) = fields_into(record, layout.delimiter, cells) {
            return self.out.refuse(line, raw, Reject::new(RejectCode::Malformed, reason));
        }
        let beyond = cells.get(layout.width..);
        if beyond.is_none_or(|cells| cells.iter().any(|cell| !cell.trim_ascii().is_empty())) {
            return self.out.refuse(line, raw, ragged(cells.len(), layout.width));
        }
        let cell = |at: usize| cells.get(at).map(AsRef::as_ref);
        let pairs: Vec<(&str, &str)> = layout
            .property_columns
            .iter()
            .filter_map(|(at, name)| Some((name.as_str(), cell(*at)?.trim_ascii())))
            .collect();
        let properties = match layout.properties.and_then(cell) {
            Some(json) => RawProperties::Json(json),
            None if pairs.is_empty() => RawProperties::Absent,
            None => RawProperties::Pairs(&pairs),
        };
        let mut pointed = [0; QUANTITY_BYTES_MAX];
        let quantity = layout.quantity.and_then(cell).map(|text| match layout.delimiter {
            b',' => text,
            _ => with_point(text, &mut pointed).unwrap_or(text),
        });
        let usage = RawUsage {
            id: cell(layout.id),
            subject: cell(layout.subject),
            meter: layout.meter.and_then(cell),
            quantity,
            time: cell(layout.time),
            source: layout.source.and_then(cell),
            corrects: layout.corrects.and_then(cell),
            properties,
        };
        self.take(&usage, line, raw);
    }

    fn json_block(&mut self, block: &Block) {
        let text = std::str::from_utf8(&block.bytes).ok();
        let mut list = Vec::new();
        let mut line = block.first_line;
        let mut start = 0;
        while start < block.bytes.len() {
            let end = memchr(b'\n', &block.bytes[start..]).map_or(block.bytes.len(), |at| start + at);
            let trimmed_end = start + block.bytes[start..end].trim_ascii_end().len();
            if trimmed_end > start {
                let raw = TextRange::new(start, trimmed_end);
                self.out.read += 1;
                match text_of(text, &block.bytes, start, trimmed_end) {
                    Ok(record) => self.json_record(record, &mut list, line, raw),
                    Err(reject) => self.out.refuse(line, raw, reject),
                }
            }
            start = end + 1;
            line += 1;
        }
    }

    fn json_record<'r>(
        &mut self,
        record: &'r str,
        list: &mut Vec<(Cow<'r, str>, Value<'r>)>,
        line: u64,
        raw: TextRange,
    ) {
        let mut data = Vec::new();
        let mut pairs = Vec::new();
        let outcome = members(record, list)
            .and_then(|()| event_data(list, &mut data))
            .map_err(|text| Reject::new(RejectCode::Malformed, text));
        match outcome.and_then(|()| usage_of(list, &data, &mut pairs)) {
            Ok(mut usage) => {
                if !pairs.is_empty() {
                    usage.properties = RawProperties::Pairs(&pairs);
                }
                self.take(&usage, line, raw);
            }
            Err(reject) => self.out.refuse(line, raw, reject),
        }
    }

    /// A fixed reject file: the record is in the last column.
    fn reject_block(&mut self, block: &Block, inner: &Format, delimiter: u8) {
        let text = std::str::from_utf8(&block.bytes).ok();
        for_each_record(block, delimiter, |start, end, line, is_whole| {
            self.out.read += 1;
            let cells = text_of(text, &block.bytes, start, end).and_then(|record| match is_whole {
                true => {
                    super::split::fields(record, delimiter).map_err(|r| Reject::new(RejectCode::Malformed, r))
                }
                false => Err(open_quote()),
            });
            let cells = match cells {
                Ok(cells) if cells.len() == 5 => cells,
                other => {
                    let lossy = String::from_utf8_lossy(&block.bytes[start..end]).into_owned();
                    let raw = self.out.keep(&lossy);
                    let reject = other.err().unwrap_or_else(|| ragged(lossy.split(',').count(), 5));
                    return self.out.refuse(line, raw, reject);
                }
            };
            let raw = self.out.keep(&cells[4]);
            match inner {
                Format::NdJson { .. } => self.json_record(cells[4].trim_ascii(), &mut Vec::new(), line, raw),
                Format::Csv { layout, .. } => {
                    let record = cells[4].trim_end_matches(['\r', '\n']);
                    self.csv_record(record, layout, &mut Vec::new(), line, raw);
                }
                Format::Parquet | Format::Rejects { .. } => {}
            }
        });
    }

    fn take(&mut self, usage: &RawUsage<'_>, line: u64, raw: TextRange) {
        if let Err(reject) = self.try_take(usage, line, raw) {
            self.out.refuse(line, raw, reject);
        }
    }

    fn try_take(&mut self, usage: &RawUsage<'_>, line: u64, raw: TextRange) -> Result<(), Reject> {
        let mut usage = *usage;
        if usage.meter.is_none_or(|meter| meter.trim_ascii().is_empty()) {
            let subject = usage.subject.unwrap_or_default().trim_ascii();
            usage.meter = self.context.subjects.meter_of_charge(subject);
        }
        if usage.quantity.is_none_or(|quantity| quantity.trim_ascii().is_empty())
            && usage.meter.is_some_and(|meter| self.context.subjects.is_only_counted(meter.trim_ascii()))
        {
            usage.quantity = Some("1");
        }
        let checked = check_fields(&usage, &self.context.limits)?;
        let properties = self.properties(checked.properties)?;
        let meter = self.meter(checked.meter)?;
        let (row, print) = self.row(&checked, meter, properties, line, raw);
        self.out.rows.push(row);
        self.out.prints.push(print);
        let start = self.names.len();
        self.names.push_str(checked.subject);
        self.subjects.push(TextRange::new(start, self.names.len()));
        Ok(())
    }

    /// Gives rows their subscriptions, many at a time: a book of subscriptions is larger than the processor's cache. Rows
    /// that have none are refused.
    fn resolve_rows(&mut self) {
        let subjects = self.context.subjects;
        let name = |span: &TextRange| self.names.get(span.range()).unwrap_or_default();
        let mut fallen: Vec<(usize, Reject)> = Vec::new();
        for (number, spans) in self.subjects.chunks(ROWS_AT_ONCE).enumerate() {
            subjects.touch(spans.iter().map(name));
            for (at, span) in (number * ROWS_AT_ONCE..).zip(spans) {
                let Some(row) = self.out.rows.get_mut(at) else { continue };
                match subjects.resolve(name(span), row.resolved.meter) {
                    Ok(resolved) => {
                        row.resolved = resolved;
                        row.lateness = lateness(subjects, resolved, row.time_us);
                    }
                    Err(reject) => fallen.push((at, reject)),
                }
            }
        }
        if fallen.is_empty() {
            return;
        }
        let mut stands = vec![true; self.out.rows.len()];
        for (at, reject) in fallen {
            let row = self.out.rows[at];
            self.out.refuse(self.out.line(&row), row.raw, reject);
            stands[at] = false;
        }
        let (mut rows, mut prints) = (stands.iter(), stands.iter());
        self.out.rows.retain(|_| rows.next().copied().unwrap_or(true));
        self.out.prints.retain(|_| prints.next().copied().unwrap_or(true));
    }

    /// The number of a meter.
    fn meter(&mut self, meter: &str) -> Result<u32, Reject> {
        match &self.last_meter {
            Some((last, number)) if last == meter => Ok(*number),
            _ => {
                let number = self.context.subjects.meter(meter)?;
                self.last_meter = Some((meter.to_owned(), number));
                Ok(number)
            }
        }
    }

    fn row(
        &mut self,
        usage: &CheckedUsage<'_>,
        meter: u32,
        properties: TextRange,
        line: u64,
        raw: TextRange,
    ) -> (Row, Print) {
        let hashes = self.context.hashes;
        let content = Content {
            subject: usage.subject,
            meter: usage.meter,
            quantity: usage.quantity,
            time_us: usage.time_us,
            properties: self.out.text(properties),
            corrects: usage.corrects.unwrap_or_default(),
        };
        let print = Print::new(hashes.event(usage.source, usage.id), hashes.content(&content));
        let row = Row {
            quantity: usage.quantity,
            time_us: usage.time_us,
            // A block has fewer lines than bytes.
            line: u32::try_from(line - self.out.first_line).unwrap_or(u32::MAX),
            // Its subscription and its lateness are found later, for all rows of the block.
            resolved: Resolved { subscription: 0, charge: 0, meter },
            lateness: Lateness::InTime,
            rest: self.rest(usage, properties),
            id: self.out.keep(usage.id),
            raw,
        };
        (row, print)
    }

    /// Position of the texts that this row shares with others.
    fn rest(&mut self, usage: &CheckedUsage<'_>, properties: TextRange) -> u32 {
        let source = self.source(usage.source);
        let next = u32::try_from(self.out.rests.len()).unwrap_or(u32::MAX);
        if let Some(id) = usage.corrects {
            let corrects = self.out.keep(id);
            self.out.rests.push(SharedTexts { source, properties, corrects });
            self.out.has_corrections = true;
            return next;
        }
        let rest = SharedTexts { source, properties, corrects: TextRange::default() };
        if self.out.rests.last() == Some(&rest) {
            return next - 1;
        }
        let position = *self.rests.entry(rest).or_insert(next);
        if position == next {
            self.out.rests.push(rest);
        }
        position
    }

    fn source(&mut self, source: &str) -> TextRange {
        match &self.last_source {
            Some((last, span)) if last == source => *span,
            _ => {
                let span = self.out.keep(source);
                self.last_source = Some((source.to_owned(), span));
                span
            }
        }
    }

    /// The canonical text, kept in the arena.
    fn properties(&mut self, raw: RawProperties<'_>) -> Result<TextRange, Reject> {
        let key: Cow<'_, str> = match raw {
            RawProperties::Absent => return Ok(TextRange::default()),
            RawProperties::Json(text) => Cow::Borrowed(text),
            RawProperties::Pairs(pairs)
                if pairs.iter().any(|(name, value)| has_nul(name) || has_nul(value)) =>
            {
                // Refused; remembered texts must not let it pass.
                return read_properties(raw).map(|_| TextRange::default());
            }
            RawProperties::Pairs(pairs) => Cow::Owned(pairs_key(pairs)),
        };
        if let Some(span) = self.cached.get(key.as_ref()) {
            return Ok(*span);
        }
        let text = properties_text(&read_properties(raw)?);
        let span = self.out.keep(&text);
        if self.cached.len() < PROPERTIES_CACHED_MAX {
            self.cached.insert(key.into(), span);
        }
        Ok(span)
    }
}

fn lateness(subjects: &Subjects, resolved: Resolved, time_us: i64) -> Lateness {
    match subjects.billed(resolved) {
        Some(billed) if time_us < billed.refused_before_us => Lateness::TooLate,
        Some(billed) if time_us < billed.late_before_us => Lateness::Late,
        _ => Lateness::InTime,
    }
}

/// Digits with a comma as people write them where the comma does not separate columns, `-12,5`, with a point; anything
/// else, `1.234,5` too, is left as it is and refused. `room` holds it.
fn with_point<'a>(text: &str, room: &'a mut [u8; QUANTITY_BYTES_MAX]) -> Option<&'a str> {
    let text = text.trim_ascii();
    let comma = memchr(b',', text.as_bytes())?;
    let (whole, fraction) = (text[..comma].strip_prefix('-').unwrap_or(&text[..comma]), &text[comma + 1..]);
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let room = room.get_mut(..text.len())?;
    room.copy_from_slice(text.as_bytes());
    room[comma] = b'.';
    std::str::from_utf8(room).ok()
}

/// Names and values, each ended by NUL; they hold none themselves.
fn pairs_key(pairs: &[(&str, &str)]) -> String {
    let mut key = String::with_capacity(pairs.iter().map(|(name, value)| name.len() + value.len() + 2).sum());
    for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
        key.push_str(text);
        key.push('\0');
    }
    key
}

fn has_nul(text: &str) -> bool {
    memchr(0, text.as_bytes()).is_some()
}

/// Whether a record has delimiters and nothing else, as spreadsheets write rows that once held something.
fn is_empty(record: &[u8], delimiter: u8) -> bool {
    record.first() == Some(&delimiter)
        && record.iter().all(|byte| *byte == delimiter || byte.is_ascii_whitespace())
}

/// Calls `take(start, end, line, is_whole)` for every record that is not blank.
fn for_each_record(block: &Block, delimiter: u8, mut take: impl FnMut(usize, usize, u64, bool)) {
    let bytes = &block.bytes;
    let mut line = block.first_line;
    let mut start = 0;
    if memchr(b'"', bytes).is_none() {
        return for_each_line(block, take);
    }
    while start < bytes.len() {
        let (end, next, is_whole) = match next_record(bytes, start, delimiter, true) {
            Record::Whole { end, next } => (end, next, true),
            Record::Broken { end, next } => (end, next, false),
            Record::Partial => (bytes.len(), bytes.len(), false),
        };
        if !bytes[start..end].trim_ascii().is_empty() {
            take(start, end, line, is_whole);
        }
        line += memchr_iter(b'\n', &bytes[start..next]).count() as u64;
        start = next;
    }
}

/// The same of a block without quotes: every line is a record.
fn for_each_line(block: &Block, mut take: impl FnMut(usize, usize, u64, bool)) {
    let bytes = &block.bytes;
    let ends = memchr_iter(b'\n', bytes).chain(std::iter::once(bytes.len()));
    let mut start = 0;
    for (line, line_end) in (block.first_line..).zip(ends) {
        let end = if line_end > start && bytes[line_end - 1] == b'\r' { line_end - 1 } else { line_end };
        if !bytes[start..end].trim_ascii().is_empty() {
            take(start, end, line, true);
        }
        start = line_end + 1;
    }
}

/// The record as text. The whole block was tried first, as it nearly always is UTF-8.
fn text_of<'b>(text: Option<&'b str>, bytes: &'b [u8], start: usize, end: usize) -> Result<&'b str, Reject> {
    if let Some(record) = text.and_then(|text| text.get(start..end)) {
        return Ok(record);
    }
    std::str::from_utf8(&bytes[start..end]).map_err(|error| {
        let text = format!("byte {} of the line is not UTF-8", error.valid_up_to() + 1);
        Reject::new(RejectCode::NotUtf8, text)
    })
}

#[cold]
fn open_quote() -> Reject {
    Reject::new(RejectCode::Malformed, "a quote is left open, or something follows a closing quote")
}

#[cold]
fn ragged(count: usize, width: usize) -> Reject {
    Reject::new(RejectCode::Malformed, format!("{count} fields instead of {width}"))
}
