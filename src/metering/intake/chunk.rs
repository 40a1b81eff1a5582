//! Accepted rows on their way into segments: gathered by month and by range of subscriptions, so that each range is sorted
//! within the processor's cache.

use super::rows::{Parsed, Row, SharedTexts, TextRange};
use super::subjects::Subjects;
use super::{IntakeContext, MemoryLimits};
use crate::segment::{SegmentFile, SegmentRow, write_segment};
use anyhow::Result;
use chrono::{Datelike, Months, NaiveDate};
use std::ops::Range;

/// Segments that one chunk makes at most: rare months share one.
const SEGMENTS_MAX: usize = 24;
/// Ranges of subscriptions, a power of two.
const RANGES_BITS: u32 = 9;

/// Rows that are sorted and written together.
#[derive(Default)]
pub(crate) struct Chunk {
    number: usize,
    rows: usize,
    /// Bytes of texts.
    bytes: usize,
    months: Vec<Month>,
    /// Position of the month of the row before.
    last: usize,
    rests: Vec<SharedTexts>,
    texts: String,
    /// The range of a subscription is its number without so many bits.
    shift: u32,
}

/// The rows of a month in UTC.
#[derive(Default)]
struct Month {
    /// Months since year 0.
    number: i32,
    /// Microseconds since the epoch.
    instants: Range<i64>,
    rows: usize,
    /// By range of subscriptions.
    ranges: Vec<RangeRows>,
}

/// Rows of a range of subscriptions in the order of the file.
#[derive(Default)]
struct RangeRows {
    rows: Vec<ChunkRow>,
    ids: String,
    /// Quantities that 64 bits do not hold.
    large: Vec<i128>,
}

/// A row, its texts in the range and the chunk; in 48 bytes, as every byte is written, read and held a million times.
struct ChunkRow {
    /// At scale 9; where `is_large`, the position among the large ones.
    quantity: i64,
    time_us: i64,
    line: u64,
    subscription: u32,
    charge: u32,
    meter: u32,
    rest: u32,
    id_at: u32,
    /// The check takes no longer ones than 255 bytes.
    id_len: u8,
    is_large: bool,
}

/// Where the rests of a block are in a chunk.
pub(crate) struct Copied {
    /// Of which chunk.
    chunk: usize,
    /// Position of each rest, or [`u32::MAX`].
    positions: Vec<u32>,
}

impl Copied {
    pub fn of(block: &Parsed) -> Self {
        Self { chunk: usize::MAX, positions: vec![u32::MAX; block.rests.len()] }
    }
}

impl Chunk {
    /// An empty chunk, in the memory of another one.
    pub fn new(number: usize, subjects: &Subjects, spare: Self) -> Self {
        let bits = u32::BITS - subjects.greatest_number().leading_zeros();
        Self { number, shift: bits.saturating_sub(RANGES_BITS), ..spare }
    }

    /// Empties it; the memory of the months that had most rows is kept.
    pub fn clear(&mut self) {
        self.months.retain(|month| month.rows > self.rows / 4);
        self.months.iter_mut().for_each(Month::clear);
        self.rests.clear();
        self.texts.clear();
        (self.rows, self.bytes, self.last) = (0, 0, 0);
    }

    /// From 0, without gaps.
    pub fn number(&self) -> usize {
        self.number
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub fn is_full(&self, bounds: &MemoryLimits) -> bool {
        self.rows >= bounds.chunk_rows || self.bytes >= bounds.chunk_bytes
    }

    /// Adds a row of a block.
    #[inline]
    pub fn add(&mut self, block: &Parsed, row: &Row, copied: &mut Copied) {
        let rest = self.copy_rest(block, row, copied);
        let range = (row.resolved.subscription >> self.shift) as usize;
        let id = block.text(row.id);
        let month = self.month(row.time_us);
        month.rows += 1;
        if month.ranges.len() <= range {
            month.ranges.resize_with(range + 1, RangeRows::default);
        }
        let texts = &mut month.ranges[range];
        let id_at = texts.ids.len() as u32;
        texts.ids.push_str(id);
        let small = i64::try_from(row.quantity).ok();
        let quantity = small.unwrap_or_else(|| texts.keep_large(row.quantity));
        texts.rows.push(ChunkRow {
            quantity,
            time_us: row.time_us,
            line: block.line(row),
            subscription: row.resolved.subscription,
            charge: row.resolved.charge,
            meter: row.resolved.meter,
            rest,
            id_at,
            id_len: id.len() as u8,
            is_large: small.is_none(),
        });
        self.rows += 1;
        self.bytes += id.len();
    }

    #[inline]
    fn copy_rest(&mut self, block: &Parsed, row: &Row, copied: &mut Copied) -> u32 {
        if copied.chunk != self.number {
            copied.chunk = self.number;
            copied.positions.fill(u32::MAX);
        }
        let position = &mut copied.positions[row.rest as usize];
        if *position == u32::MAX {
            let mut keep = |span: TextRange| {
                let start = self.texts.len();
                self.texts.push_str(block.text(span));
                TextRange::new(start, self.texts.len())
            };
            let SharedTexts { source, properties, corrects } = *block.rest(row);
            let rest =
                SharedTexts { source: keep(source), properties: keep(properties), corrects: keep(corrects) };
            self.bytes += (rest.source.len + rest.properties.len + rest.corrects.len) as usize;
            *position = u32::try_from(self.rests.len()).unwrap_or(u32::MAX);
            self.rests.push(rest);
        }
        *position
    }

    /// The month of an instant, made if there is none.
    #[inline]
    fn month(&mut self, time_us: i64) -> &mut Month {
        let is_last = self.months.get(self.last).is_some_and(|month| month.instants.contains(&time_us));
        if !is_last {
            let known = self.months.iter().position(|month| month.instants.contains(&time_us));
            self.last = known.unwrap_or_else(|| self.new_month(time_us));
        }
        &mut self.months[self.last]
    }

    /// Adds a month, in the memory of one that has no rows if there is such.
    fn new_month(&mut self, time_us: i64) -> usize {
        let (number, instants) = month_of(time_us);
        let at = self.months.iter().position(|month| month.rows == 0).unwrap_or(self.months.len());
        if at == self.months.len() {
            self.months.push(Month::default());
        }
        (self.months[at].number, self.months[at].instants) = (number, instants);
        at
    }

    /// Writes the segments into `files`, each durably.
    pub fn write(&mut self, context: &IntakeContext<'_>, files: &mut Vec<SegmentFile>) -> Result<()> {
        self.months.retain(|month| month.rows > 0);
        self.months.sort_unstable_by_key(|month| month.number);
        let names = Names::of(context.subjects.meters());
        for months in self.groups() {
            let number = months.first().map_or(0, |month| month.number);
            let name = format!("{}-{:04}-{}.parquet", context.import, self.number, month_text(number));
            let ranges = months.iter().map(|month| month.ranges.len()).max().unwrap_or_default();
            let rows = (0..ranges).flat_map(|range| self.in_order(months, range, &names));
            files.push(write_segment(&context.out.temp, &context.out.segments, &name, rows)?);
        }
        Ok(())
    }

    /// Months by segment. Where there are too many, neighbours share one until it has its part of the rows.
    fn groups(&self) -> Vec<&[Month]> {
        if self.months.len() <= SEGMENTS_MAX {
            return self.months.chunks(1).collect();
        }
        let fair = self.rows.div_ceil(SEGMENTS_MAX / 2);
        let (mut groups, mut start, mut rows) = (Vec::new(), 0, 0);
        for (at, month) in self.months.iter().enumerate() {
            if at > start && rows + month.rows > fair {
                groups.push(&self.months[start..at]);
                (start, rows) = (at, 0);
            }
            rows += month.rows;
        }
        groups.push(&self.months[start..]);
        groups
    }

    /// The rows of a range of subscriptions, sorted.
    fn in_order<'c>(
        &'c self,
        months: &'c [Month],
        range: usize,
        names: &'c Names<'c>,
    ) -> impl Iterator<Item = SegmentRow<'c>> {
        let ranges = months.iter().filter_map(|month| month.ranges.get(range));
        let rows = ranges.flat_map(|texts| texts.rows.iter().map(move |row| (texts, row)));
        let mut order: Vec<(u128, &RangeRows, &ChunkRow)> =
            rows.map(|(texts, row)| (names.sort_key(row), texts, row)).collect();
        order.sort_unstable_by_key(|(key, ..)| *key);
        for ties in order.chunk_by_mut(|a, b| a.0 == b.0).filter(|ties| ties.len() > 1) {
            let key =
                |(_, texts, row): &(u128, &'c RangeRows, &'c ChunkRow)| (self.source(row), texts.id(row));
            ties.sort_unstable_by(|a, b| key(a).cmp(&key(b)));
        }
        order.into_iter().map(|(_, texts, row)| self.segment_row(texts, row, names))
    }

    fn segment_row<'c>(
        &'c self,
        texts: &'c RangeRows,
        row: &ChunkRow,
        names: &'c Names<'c>,
    ) -> SegmentRow<'c> {
        let rest = &self.rests[row.rest as usize];
        SegmentRow {
            subscription: row.subscription,
            charge: row.charge,
            meter: names.meters.get(row.meter as usize).map_or("", AsRef::as_ref),
            time_us: row.time_us,
            quantity: texts.quantity(row),
            source: self.text(rest.source),
            id: texts.id(row),
            properties: self.text(rest.properties),
            corrects: self.text(rest.corrects),
            line: row.line,
        }
    }

    fn source(&self, row: &ChunkRow) -> &str {
        self.text(self.rests[row.rest as usize].source)
    }

    fn text(&self, span: TextRange) -> &str {
        self.texts.get(span.range()).unwrap_or_default()
    }
}

impl RangeRows {
    fn id(&self, row: &ChunkRow) -> &str {
        let start = row.id_at as usize;
        self.ids.get(start..start + usize::from(row.id_len)).unwrap_or_default()
    }

    fn quantity(&self, row: &ChunkRow) -> i128 {
        if row.is_large { self.large[row.quantity as usize] } else { row.quantity.into() }
    }

    #[cold]
    fn keep_large(&mut self, quantity: i128) -> i64 {
        self.large.push(quantity);
        self.large.len() as i64 - 1
    }
}

impl Month {
    fn clear(&mut self) {
        (self.rows, self.instants) = (0, 0..0);
        for texts in &mut self.ranges {
            texts.rows.clear();
            texts.ids.clear();
            texts.large.clear();
        }
    }
}

/// Months since year 0, and the instants of that month.
fn month_of(time_us: i64) -> (i32, Range<i64>) {
    let date = chrono::DateTime::from_timestamp_micros(time_us).unwrap_or_default().date_naive();
    let first = date.with_day(1).unwrap_or(date);
    let start_us = |date: NaiveDate| date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros();
    let next = first.checked_add_months(Months::new(1)).map_or(i64::MAX, start_us);
    (date.year() * 12 + date.month0().cast_signed(), start_us(first)..next)
}

/// Meters, and the place of each in alphabetical order.
struct Names<'a> {
    meters: &'a [Box<str>],
    ranks: Vec<u32>,
}

impl<'a> Names<'a> {
    fn of(meters: &'a [Box<str>]) -> Self {
        let mut order: Vec<usize> = (0..meters.len()).collect();
        order.sort_unstable_by_key(|at| &meters[*at]);
        let mut ranks = vec![0; meters.len()];
        for (at, rank) in order.into_iter().zip(0..) {
            ranks[at] = rank;
        }
        Self { meters, ranks }
    }

    fn sort_key(&self, row: &ChunkRow) -> u128 {
        let meter = self.ranks.get(row.meter as usize).copied().unwrap_or(u32::MAX);
        // Times are from 1970 on (rules Q3), so their order is that of their unsigned bits.
        u128::from(row.subscription) << 96 | u128::from(meter) << 64 | u128::from(row.time_us.cast_unsigned())
    }
}

fn month_text(month: i32) -> String {
    format!("{:04}-{:02}", month.div_euclid(12), month.rem_euclid(12) + 1)
}
