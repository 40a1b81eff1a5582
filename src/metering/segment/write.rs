//! Writing a segment.

use super::{ROW_GROUP_ROWS, SegmentBounds, SegmentFile, column, month_text};
use crate::files::Draft;
use anyhow::{Context, Result, ensure};
use polars::polars_utils::compression::ZstdLevel;
use polars::prelude::{
    ChunkFull, ChunkFullNull, Column, DataFrame, Int64Chunked, Int128Chunked, IntoColumn, ParquetCompression,
    ParquetWriter, StringChunked, StringChunkedBuilder, TimeUnit, TimeZone, UInt32Chunked, UInt64Chunked,
};
use std::io::Write;
use std::path::Path;

/// Level 1 costs a third of the time of level 3 for a tenth more bytes.
const ZSTD_LEVEL: i32 = 1;

/// One row, borrowed from wherever it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SegmentRow<'a> {
    pub subscription: u32,
    pub charge: u32,
    pub meter: &'a str,
    pub time_us: i64,
    pub quantity: i128,
    pub source: &'a str,
    pub id: &'a str,
    /// Empty if there are none.
    pub properties: &'a str,
    /// Empty if it corrects nothing.
    pub corrects: &'a str,
    pub line: u64,
}

/// Writes `rows`, which come sorted, as `folder/name`, durably, a row group at a time.
pub(crate) fn write_segment<'a>(
    temp: &Path,
    folder: &Path,
    name: &str,
    rows: impl IntoIterator<Item = SegmentRow<'a>>,
) -> Result<SegmentFile> {
    let context = || format!("writing segment {name}");
    let mut draft = Draft::create(temp, name)?;
    let mut group = Group::new();
    let mut writer = parquet(draft.writer()?)?.batched(group.frame()?.schema())?;
    let mut bounds: Option<SegmentBounds> = None;
    for row in rows {
        widen(&mut bounds, &row);
        group.push(&row);
        if group.rows() == ROW_GROUP_ROWS {
            writer.write_batch(&group.frame()?).with_context(context)?;
        }
    }
    if group.rows() > 0 {
        writer.write_batch(&group.frame()?).with_context(context)?;
    }
    writer.finish().with_context(context)?;
    drop(writer);
    let bounds = bounds.with_context(|| format!("segment {name} has no rows"))?;
    let landed = draft.land(folder, name)?;
    Ok(SegmentFile {
        path: landed.path,
        bytes: landed.bytes,
        sha256: landed.sha256,
        month: month_text(bounds.min_time_us),
        bounds,
    })
}

/// How segments are written.
pub(super) fn parquet<W: Write>(writer: W) -> Result<ParquetWriter<W>> {
    let compression = ParquetCompression::Zstd(Some(ZstdLevel::try_new(ZSTD_LEVEL)?));
    Ok(ParquetWriter::new(writer).with_compression(compression).with_row_group_size(Some(ROW_GROUP_ROWS)))
}

fn widen(bounds: &mut Option<SegmentBounds>, row: &SegmentRow<'_>) {
    let bounds = bounds.get_or_insert(SegmentBounds {
        rows: 0,
        min_subscription_no: row.subscription,
        max_subscription_no: row.subscription,
        min_time_us: row.time_us,
        max_time_us: row.time_us,
        corrections: 0,
    });
    bounds.rows += 1;
    bounds.min_subscription_no = bounds.min_subscription_no.min(row.subscription);
    bounds.max_subscription_no = bounds.max_subscription_no.max(row.subscription);
    bounds.min_time_us = bounds.min_time_us.min(row.time_us);
    bounds.max_time_us = bounds.max_time_us.max(row.time_us);
    bounds.corrections += u64::from(!row.corrects.is_empty());
}

/// The rows of a row group, column by column.
struct Group {
    subscriptions: Vec<u32>,
    charges: Vec<u32>,
    times_us: Vec<i64>,
    quantities: Vec<i128>,
    lines: Vec<u64>,
    meters: Texts,
    sources: Texts,
    ids: Texts,
    properties: Texts,
    corrects: Texts,
}

impl Group {
    fn new() -> Self {
        Self {
            subscriptions: Vec::new(),
            charges: Vec::new(),
            times_us: Vec::new(),
            quantities: Vec::new(),
            lines: Vec::new(),
            meters: Texts::new(column::METER),
            sources: Texts::new(column::SOURCE),
            ids: Texts::new(column::ID),
            properties: Texts::new(column::PROPERTIES),
            corrects: Texts::new(column::CORRECTS),
        }
    }

    fn rows(&self) -> usize {
        self.subscriptions.len()
    }

    #[inline]
    fn push(&mut self, row: &SegmentRow<'_>) {
        let optional = |text| Some(text).filter(|text: &&str| !text.is_empty());
        self.subscriptions.push(row.subscription);
        self.charges.push(row.charge);
        self.times_us.push(row.time_us);
        self.quantities.push(row.quantity);
        self.lines.push(row.line);
        self.meters.push(Some(row.meter));
        self.sources.push(Some(row.source));
        self.ids.push(Some(row.id));
        self.properties.push(optional(row.properties));
        self.corrects.push(optional(row.corrects));
    }

    /// Takes the rows out.
    fn frame(&mut self) -> Result<DataFrame> {
        let rows = self.rows();
        let numbers = |name: &str, values: &mut Vec<u32>| {
            UInt32Chunked::from_vec(name.into(), std::mem::take(values)).into_column()
        };
        let times = Int64Chunked::from_vec(column::TIME.into(), std::mem::take(&mut self.times_us));
        let quantities =
            Int128Chunked::from_vec(column::QUANTITY.into(), std::mem::take(&mut self.quantities));
        let lines = UInt64Chunked::from_vec(column::LINE.into(), std::mem::take(&mut self.lines));
        let columns = vec![
            numbers(column::SUBSCRIPTION, &mut self.subscriptions),
            numbers(column::CHARGE, &mut self.charges),
            self.meters.take(),
            times.into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)).into_column(),
            quantities.into_decimal(38, 9)?.into_column(),
            self.sources.take(),
            self.ids.take(),
            self.properties.take(),
            self.corrects.take(),
            lines.into_column(),
        ];
        let frame = DataFrame::new(rows, columns)?;
        ensure!(frame.height() == rows, "{rows} rows became {}", frame.height());
        Ok(frame)
    }
}

/// A column of texts. Most columns of a row group hold one text and no other: that is made once, for all rows.
struct Texts {
    name: &'static str,
    /// Of every row so far, while there is but one.
    same: Option<String>,
    rows: usize,
    /// Once there are several.
    each: Option<StringChunkedBuilder>,
}

impl Texts {
    fn new(name: &'static str) -> Self {
        Self { name, same: None, rows: 0, each: None }
    }

    #[inline]
    fn push(&mut self, text: Option<&str>) {
        match &mut self.each {
            Some(each) => each.append_option(text),
            None if self.rows > 0 && self.same.as_deref() == text => {}
            None => self.push_other(text),
        }
        self.rows += 1;
    }

    fn push_other(&mut self, text: Option<&str>) {
        if self.rows == 0 {
            self.same = text.map(str::to_owned);
            return;
        }
        let mut each = StringChunkedBuilder::new(self.name.into(), ROW_GROUP_ROWS);
        for _ in 0..self.rows {
            each.append_option(self.same.as_deref());
        }
        each.append_option(text);
        self.each = Some(each);
    }

    fn take(&mut self) -> Column {
        let rows = std::mem::take(&mut self.rows);
        match (self.each.take(), self.same.take()) {
            (Some(each), _) => each.finish().into_column(),
            (None, Some(text)) => StringChunked::full(self.name.into(), text.as_str(), rows).into_column(),
            (None, None) => StringChunked::full_null(self.name.into(), rows).into_column(),
        }
    }
}
