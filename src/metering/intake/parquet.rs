//! Parquet usage files: read a range of rows at a time and handed on as CSV records, so that every record takes the
//! same path, and a refused one has a raw line that can be mended.

use super::blocks::Block;
use super::error::IntakeError;
use super::header::CsvLayout;
use super::open::Format;
use super::split::push_field;
use polars::prelude::*;
use std::borrow::Cow;
use std::fs::File;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Rows per block.
const BLOCK_ROWS: usize = 1 << 14;
/// Rows read at once: whole row groups are unpacked for every read.
const READ_ROWS: usize = 1 << 18;

/// A Parquet file whose columns have been looked at.
pub(crate) struct Table {
    /// Where to read, after unpacking.
    path: PathBuf,
    /// What to call it.
    shown: PathBuf,
    names: Vec<String>,
    layout: CsvLayout,
    rows: usize,
}

impl Table {
    /// Looks at the columns. Errors: columns that are missing or unknown, or of a type that is not exact.
    pub fn open(path: PathBuf, shown: &Path) -> Result<Self, IntakeError> {
        let file = File::open(&path).map_err(|e| IntakeError::reading(shown, &e, false))?;
        let (schema, rows) = guarded(shown, || {
            let mut reader = ParquetReader::new(file);
            Ok((reader.schema()?, reader.num_rows()?))
        })?;
        let schema = Schema::from_arrow_schema(&schema);
        let names: Vec<String> = schema.iter_names().map(|name| name.to_string()).collect();
        for (name, dtype) in schema.iter() {
            check_type(shown, name, dtype)?;
        }
        let headers: Vec<Cow<'_, str>> = names.iter().map(|name| Cow::Borrowed(name.as_str())).collect();
        let layout = CsvLayout::read(&headers, b',').map_err(|fault| fault.into_error(shown))?;
        Ok(Self { path, shown: shown.to_owned(), names, layout, rows })
    }

    /// The CSV that the blocks are.
    pub fn format(&self) -> Format {
        let mut header = Vec::new();
        push_record(&mut header, self.names.iter().map(String::as_bytes));
        let header = String::from_utf8_lossy(&header).trim_end().to_owned();
        Format::Csv { layout: self.layout.clone(), header, skip: 0, skip_lines: 0 }
    }

    /// Gives the rows as blocks, until `give` says false. Lines are rows, from 1.
    pub fn blocks(self, mut give: impl FnMut(Block) -> bool) -> Result<(), IntakeError> {
        let mut number = 0;
        for start in (0..self.rows).step_by(READ_ROWS) {
            let length = READ_ROWS.min(self.rows - start);
            let file = File::open(&self.path).map_err(|e| IntakeError::reading(&self.shown, &e, false))?;
            let frame = guarded(&self.shown, || {
                let reader = ParquetReader::new(file).with_slice(Some((start, length)));
                reader.read_parallel(ParallelStrategy::None).set_rechunk(true).finish()
            })?;
            for offset in (0..frame.height()).step_by(BLOCK_ROWS) {
                let rows = offset..(offset + BLOCK_ROWS).min(frame.height());
                let first_line = (start + offset) as u64 + 1;
                let bytes = guarded(&self.shown, || records(&frame, rows))?;
                if !give(Block { number, first_line, bytes }) {
                    return Ok(());
                }
                number += 1;
            }
        }
        Ok(())
    }
}

/// A damaged file is an error, whatever the reader makes of it: it may also panic.
fn guarded<T>(path: &Path, read: impl FnOnce() -> PolarsResult<T>) -> Result<T, IntakeError> {
    let damaged = |reason: String| IntakeError::Damaged { path: path.to_owned(), reason };
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(value)) => Ok(value),
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
        reason: format!("column {name:?} is of type {dtype}"),
        hint: hint.to_owned(),
    })
}

fn records(frame: &DataFrame, rows: std::ops::Range<usize>) -> PolarsResult<Vec<u8>> {
    let mut bytes = Vec::with_capacity(rows.len() * 96);
    let mut cell = Vec::new();
    for row in rows {
        for (position, column) in frame.columns().iter().enumerate() {
            if position > 0 {
                bytes.push(b',');
            }
            cell.clear();
            write_value(&mut cell, &column.get(row)?)?;
            push_field(&mut bytes, &cell, b',');
        }
        bytes.push(b'\n');
    }
    Ok(bytes)
}

fn write_value(cell: &mut Vec<u8>, value: &AnyValue<'_>) -> PolarsResult<()> {
    match value {
        AnyValue::Null => {}
        AnyValue::String(text) => cell.extend_from_slice(text.as_bytes()),
        AnyValue::StringOwned(text) => cell.extend_from_slice(text.as_bytes()),
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

/// RFC 3339 in UTC, or without offset if the column has no zone: then the time is local (rules.md Q3).
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
