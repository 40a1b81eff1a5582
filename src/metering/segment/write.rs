//! Writing a segment.

use super::{ROW_GROUP_ROWS, SegmentBounds, SegmentFile, column, month_text};
use crate::files::Draft;
use anyhow::{Context, Result, ensure};
use polars::polars_utils::compression::ZstdLevel;
use polars::prelude::{
    Column, DataFrame, Int64Chunked, Int128Chunked, IntoColumn, NewChunkedArray, ParquetCompression,
    ParquetWriter, StringChunked, TimeUnit, TimeZone, UInt32Chunked, UInt64Chunked,
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

/// Writes `rows`, which are sorted, as `folder/name`, durably.
pub(crate) fn write_segment(
    temp: &Path,
    folder: &Path,
    name: &str,
    rows: &[SegmentRow<'_>],
) -> Result<SegmentFile> {
    let bounds = bounds_of(rows).with_context(|| format!("segment {name} has no rows"))?;
    let mut frame = frame_of(rows)?;
    let mut draft = Draft::create(temp, name)?;
    parquet(draft.writer()?)?.finish(&mut frame).with_context(|| format!("writing segment {name}"))?;
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

fn bounds_of(rows: &[SegmentRow<'_>]) -> Option<SegmentBounds> {
    let (first, last) = (rows.first()?, rows.last()?);
    let mut bounds = SegmentBounds {
        rows: rows.len() as u64,
        min_subscription_no: first.subscription,
        max_subscription_no: last.subscription,
        min_time_us: first.time_us,
        max_time_us: first.time_us,
        corrections: 0,
    };
    for row in rows {
        bounds.min_time_us = bounds.min_time_us.min(row.time_us);
        bounds.max_time_us = bounds.max_time_us.max(row.time_us);
        bounds.corrections += u64::from(!row.corrects.is_empty());
    }
    Some(bounds)
}

fn frame_of(rows: &[SegmentRow<'_>]) -> Result<DataFrame> {
    let quantities =
        Int128Chunked::from_vec(column::QUANTITY.into(), rows.iter().map(|r| r.quantity).collect());
    let times = Int64Chunked::from_vec(column::TIME.into(), rows.iter().map(|r| r.time_us).collect());
    let columns = vec![
        UInt32Chunked::from_vec(column::SUBSCRIPTION.into(), rows.iter().map(|r| r.subscription).collect())
            .into_column(),
        UInt32Chunked::from_vec(column::CHARGE.into(), rows.iter().map(|r| r.charge).collect()).into_column(),
        texts(column::METER, rows, |r| r.meter),
        times.into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)).into_column(),
        quantities.into_decimal(38, 9)?.into_column(),
        texts(column::SOURCE, rows, |r| r.source),
        texts(column::ID, rows, |r| r.id),
        optional_texts(column::PROPERTIES, rows, |r| r.properties),
        optional_texts(column::CORRECTS, rows, |r| r.corrects),
        UInt64Chunked::from_vec(column::LINE.into(), rows.iter().map(|r| r.line).collect()).into_column(),
    ];
    let frame = DataFrame::new(rows.len(), columns)?;
    ensure!(frame.height() == rows.len(), "{} rows became {}", rows.len(), frame.height());
    Ok(frame)
}

fn texts<'a>(name: &str, rows: &[SegmentRow<'a>], of: impl Fn(&SegmentRow<'a>) -> &'a str) -> Column {
    StringChunked::from_iter_values(name.into(), rows.iter().map(of)).into_column()
}

/// Empty texts become null.
fn optional_texts<'a>(
    name: &str,
    rows: &[SegmentRow<'a>],
    of: impl Fn(&SegmentRow<'a>) -> &'a str,
) -> Column {
    let values = rows.iter().map(|row| Some(of(row)).filter(|text| !text.is_empty()));
    StringChunked::from_iter_options(name.into(), values).into_column()
}
