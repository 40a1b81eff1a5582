//! Parquet usage files: read a range of rows at a time and handed on as CSV records, so that every record takes the
//! same path, and a refused one has a raw line that can be fixed.

use super::blocks::Block;
use super::error::IntakeError;
use super::foreign::unsupported;
use super::header::CsvLayout;
use super::open::Format;
use super::packing::BoundMet;
use super::pages::{self, Pages};
use super::rows::BufferPool;
use super::split::push_field;
use polars::prelude::*;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Rows per block.
const BLOCK_ROWS: usize = 1 << 14;
/// Bytes per block: few long values repeated often make much text of a small file.
const BLOCK_BYTES: usize = 1 << 20;
/// Rows read at once, fewer where they are long: what is passed over is decoded again for every read.
const READ_ROWS: usize = 1 << 18;
const READ_BYTES: u64 = 64 << 20;
/// Bytes of a value; of usage they are a few hundred.
const VALUE_BYTES_MAX: usize = 64 << 10;
/// Bytes of a cell in memory, however few it takes on disk.
const CELL_BYTES: u64 = 16;
/// Bytes of a page, which is unpacked as a whole.
const PAGE_BYTES_MAX: u64 = 128 << 20;
/// Bytes of a column that is packed as differences from the value before: each of its values may be all of them.
const PREFIXED_BYTES_MAX: u64 = 1 << 20;

/// A Parquet file whose columns have been looked at.
pub(crate) struct Table {
    /// The copy that is read.
    path: PathBuf,
    /// What to call it.
    shown: PathBuf,
    names: Vec<String>,
    layout: CsvLayout,
    groups: Vec<RowGroup>,
    /// Bytes of text that its rows may make.
    text_bytes_max: u64,
}

/// Rows that are packed together.
struct RowGroup {
    rows: usize,
    /// Of its pages, unpacked.
    bytes: u64,
    /// Of a row in memory, at least.
    row_bytes: u64,
}

impl RowGroup {
    /// Errors: pages that are not unpacked safely.
    fn of(path: &Path, rows: usize, columns: &[Pages]) -> Result<Self, IntakeError> {
        let largest = columns.iter().map(|column| column.largest).max().unwrap_or_default();
        if largest > PAGE_BYTES_MAX {
            let reason = format!("has a page of {} MiB", largest >> 20);
            return Err(unsupported(path, reason, "write it with pages of a megabyte, as is usual"));
        }
        let prefixed = columns.iter().map(|column| column.prefixed).max().unwrap_or_default();
        if prefixed > PREFIXED_BYTES_MAX {
            let reason = "has a large column in the encoding DELTA_BYTE_ARRAY, which may unpack to anything";
            let hint = "write it with a dictionary or plain: PLAIN, RLE_DICTIONARY, DELTA_LENGTH_BYTE_ARRAY";
            return Err(unsupported(path, reason.to_owned(), hint));
        }
        let bytes = columns.iter().map(|column| column.bytes).sum();
        let row_bytes = (columns.len() as u64 * CELL_BYTES).max(prefixed).max(1);
        Ok(Self { rows, bytes, row_bytes })
    }

    fn rows_at_once(&self) -> usize {
        let per_row = (self.bytes / (self.rows as u64).max(1)).max(self.row_bytes);
        usize::try_from(READ_BYTES / per_row).unwrap_or(READ_ROWS).clamp(1, READ_ROWS)
    }
}

impl Table {
    /// Looks at the columns. Errors: columns that are missing or unknown, or of a type that is not exact; pages that unpack
    /// to more than `bytes_max`, which is also what the rows may make as text.
    pub fn open(path: PathBuf, shown: &Path, bytes_max: u64) -> Result<Self, IntakeError> {
        let file = File::open(&path).map_err(|e| IntakeError::reading(shown, &e, false))?;
        let (schema, looked_at) = guarded(shown, || {
            let mut reader = ParquetReader::new(file.try_clone()?);
            let mut looked_at: Vec<(usize, Vec<Pages>)> = Vec::new();
            for group in &reader.get_metadata()?.row_groups {
                let columns = group.parquet_columns().iter();
                let columns = columns.map(|c| pages::look(&file, c.byte_range().start, c.num_values()));
                looked_at.push((group.num_rows(), columns.collect::<io::Result<_>>()?));
            }
            Ok((reader.schema()?, looked_at))
        })?;
        let unpacked = looked_at.iter().flat_map(|(_, columns)| columns);
        if unpacked.fold(0, |sum: u64, column| sum.saturating_add(column.bytes)) > bytes_max {
            return Err(too_much(shown));
        }
        let groups = looked_at.iter().map(|(rows, columns)| RowGroup::of(shown, *rows, columns));
        let groups = groups.collect::<Result<Vec<_>, _>>()?;
        let schema = Schema::from_arrow_schema(&schema);
        let names: Vec<String> = schema.iter_names().map(|name| name.to_string()).collect();
        for (name, dtype) in schema.iter() {
            check_type(shown, name, dtype)?;
        }
        let headers: Vec<Cow<'_, str>> = names.iter().map(|name| Cow::Borrowed(name.as_str())).collect();
        let layout = CsvLayout::read(&headers, b',').map_err(|fault| fault.into_error(shown))?;
        let layout = CsvLayout { empty_records_count: true, ..layout };
        Ok(Self { path, shown: shown.to_owned(), names, layout, groups, text_bytes_max: bytes_max })
    }

    /// The CSV that the blocks are.
    pub fn format(&self) -> Format {
        let mut header = Vec::new();
        push_record(&mut header, self.names.iter().map(String::as_bytes));
        let header = String::from_utf8_lossy(&header).trim_end().to_owned();
        Format::Csv { layout: self.layout.clone(), header, skip: 0, skip_lines: 0 }
    }

    /// Gives the rows as blocks, until `give` says false. Lines are rows, from 1.
    pub fn blocks(self, spare: &BufferPool, mut give: impl FnMut(Block) -> bool) -> Result<(), IntakeError> {
        let (mut number, mut before, mut text_bytes) = (0, 0, 0);
        for group in &self.groups {
            for start in (0..group.rows).step_by(group.rows_at_once()) {
                let length = group.rows_at_once().min(group.rows - start);
                let frame = self.rows(before + start, length)?;
                let mut at = 0;
                while at < length {
                    let mut bytes = spare.bytes();
                    let rows = guarded(&self.shown, || records(&frame, at, &mut bytes))?;
                    text_bytes += bytes.len() as u64;
                    if text_bytes > self.text_bytes_max {
                        return Err(too_much(&self.shown));
                    }
                    let first_line = (before + start + at) as u64 + 1;
                    if !give(Block { number, first_line, bytes }) {
                        return Ok(());
                    }
                    number += 1;
                    at += rows;
                }
            }
            before += group.rows;
        }
        Ok(())
    }

    fn rows(&self, start: usize, length: usize) -> Result<DataFrame, IntakeError> {
        let file = File::open(&self.path).map_err(|e| IntakeError::reading(&self.shown, &e, false))?;
        guarded(&self.shown, || {
            let reader = ParquetReader::new(file).with_slice(Some((start, length)));
            let frame = reader.read_parallel(ParallelStrategy::None).set_rechunk(true).finish()?;
            polars_ensure!(frame.height() == length, ComputeError: "it holds fewer rows than it says");
            Ok(frame)
        })
    }
}

fn too_much(path: &Path) -> IntakeError {
    let BoundMet { reason, hint } = BoundMet::unpacked();
    IntakeError::Unsupported { path: path.to_owned(), reason, hint: hint.to_owned() }
}

/// A damaged file is an error, whatever the reader makes of it: it may also panic.
fn guarded<T>(path: &Path, read: impl FnOnce() -> PolarsResult<T>) -> Result<T, IntakeError> {
    let damaged = |reason: String| IntakeError::Damaged { path: path.to_owned(), reason };
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(PolarsError::IO { error, .. })) if error.raw_os_error().is_some() => {
            Err(anyhow::Error::new(io::Error::new(error.kind(), error.to_string()))
                .context("reading a temporary copy")
                .into())
        }
        Ok(Err(error)) => Err(damaged(error.to_string())),
        Err(_) => Err(damaged("the Parquet reader gave up".to_owned())),
    }
}

fn check_type(path: &Path, name: &str, dtype: &DataType) -> Result<(), IntakeError> {
    let hint = match dtype {
        DataType::String | DataType::Boolean | DataType::Decimal(..) | DataType::Datetime(..) => {
            return Ok(());
        }
        dtype if dtype.is_integer() => return Ok(()),
        DataType::Float32 | DataType::Float64 => {
            "floats are not exact: cast it to decimal(38, 9), integer or text"
        }
        DataType::Date => "a time of day is needed: cast it to a timestamp",
        _ => "cast it to text; properties are a JSON text or columns properties.NAME",
    };
    Err(IntakeError::Unsupported {
        path: path.to_owned(),
        reason: format!("has the column {name:?} of type {dtype}"),
        hint: hint.to_owned(),
    })
}

/// Appends the rows from `first` on, as many as a block has; gives how many those are.
fn records(frame: &DataFrame, first: usize, bytes: &mut Vec<u8>) -> PolarsResult<usize> {
    let mut cell = Vec::new();
    let mut rows = 0;
    while rows < BLOCK_ROWS && first + rows < frame.height() && bytes.len() < BLOCK_BYTES {
        for (position, column) in frame.columns().iter().enumerate() {
            if position > 0 {
                bytes.push(b',');
            }
            cell.clear();
            write_value(&mut cell, &column.get(first + rows)?)?;
            push_field(bytes, &cell, b',');
        }
        bytes.push(b'\n');
        rows += 1;
    }
    Ok(rows)
}

fn write_value(cell: &mut Vec<u8>, value: &AnyValue<'_>) -> PolarsResult<()> {
    match value {
        AnyValue::Null => {}
        AnyValue::String(text) => write_text(cell, text)?,
        AnyValue::StringOwned(text) => write_text(cell, text)?,
        AnyValue::Boolean(flag) => write!(cell, "{flag}")?,
        AnyValue::Decimal(mantissa, _, scale) => write_decimal(cell, *mantissa, *scale)?,
        AnyValue::Datetime(value, unit, zone) => write_time(cell, *value, *unit, zone.is_some())?,
        AnyValue::DatetimeOwned(value, unit, zone) => write_time(cell, *value, *unit, zone.is_some())?,
        integer => match integer.extract::<i128>() {
            Some(integer) => write!(cell, "{integer}")?,
            None => polars_bail!(ComputeError: "a value of type {} cannot be read", value.dtype()),
        },
    }
    Ok(())
}

fn write_text(cell: &mut Vec<u8>, text: &str) -> PolarsResult<()> {
    polars_ensure!(text.len() <= VALUE_BYTES_MAX, ComputeError: "it holds a value of {} bytes", text.len());
    cell.extend_from_slice(text.as_bytes());
    Ok(())
}

/// `-12.345` of (−12345, 3).
fn write_decimal(cell: &mut Vec<u8>, mantissa: i128, scale: usize) -> std::io::Result<()> {
    if mantissa < 0 {
        cell.push(b'-');
    }
    let digits = format!("{:0width$}", mantissa.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    cell.extend_from_slice(whole.as_bytes());
    if scale > 0 {
        write!(cell, ".{fraction}")?;
    }
    Ok(())
}

/// RFC 3339 in UTC, or without offset if the column has no zone: then the time is local (rules Q3).
fn write_time(cell: &mut Vec<u8>, value: i64, unit: TimeUnit, has_zone: bool) -> std::io::Result<()> {
    let time_us = match unit {
        TimeUnit::Nanoseconds => Some(value.div_euclid(1000)),
        TimeUnit::Microseconds => Some(value),
        TimeUnit::Milliseconds => value.checked_mul(1000),
    };
    match time_us.and_then(chrono::DateTime::from_timestamp_micros) {
        Some(at) => {
            write!(cell, "{}", at.format("%Y-%m-%dT%H:%M:%S%.6f"))?;
            if has_zone {
                cell.push(b'Z');
            }
        }
        // Beyond the calendar: the check refuses the number as a time.
        None => write!(cell, "{value}")?,
    }
    Ok(())
}

fn push_record<'a>(bytes: &mut Vec<u8>, fields: impl Iterator<Item = &'a [u8]>) {
    for (position, field) in fields.enumerate() {
        if position > 0 {
            bytes.push(b',');
        }
        push_field(bytes, field, b',');
    }
    bytes.push(b'\n');
}
