//! Reading segments, a range of rows and the wanted columns at a time.

use super::{ROW_GROUP_ROWS, SegmentRef, column};
use anyhow::{Context, Result, bail, ensure};
use polars::prelude::{
    ChunkedArray, DataFrame, DataType, FileMetadataRef, ParallelStrategy, ParquetReader, PolarsNumericType,
    PolarsResult, SerReader, StringChunked,
};
use std::fs::File;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// Which of the optional columns to read; subscription, charge, meter, time and quantity always are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ColumnSelection {
    /// `source` and `id`.
    pub keys: bool,
    pub properties: bool,
    pub corrects: bool,
    pub line: bool,
}

/// Every column, in order.
pub(super) const SEGMENT_COLUMNS: [&str; 10] = [
    column::SUBSCRIPTION,
    column::CHARGE,
    column::METER,
    column::TIME,
    column::QUANTITY,
    column::SOURCE,
    column::ID,
    column::PROPERTIES,
    column::CORRECTS,
    column::LINE,
];

/// Opens segments one after another; the metadata of a bundle is read once for all its parts.
#[derive(Default)]
pub(crate) struct Opener {
    last: Option<(PathBuf, FileMetadataRef)>,
}

impl Opener {
    /// Opens a segment and checks that its file has the bytes and the rows that the catalogue says.
    pub fn open(&mut self, segment: &SegmentRef) -> Result<OpenSegment> {
        let path = &segment.path;
        let metadata = match &self.last {
            Some((last, metadata)) if last == path => metadata.clone(),
            _ => {
                crate::sound::insist(path, &segment.sha256)?;
                let file =
                    File::open(path).with_context(|| format!("opening the segment {}", path.display()))?;
                let mut reader = ParquetReader::new(file);
                let metadata = reader
                    .get_metadata()
                    .with_context(|| format!("reading the segment {}", path.display()))?;
                self.last.insert((path.clone(), metadata.clone())).1.clone()
            }
        };
        let (first, rows) = (usize::try_from(segment.first_row)?, usize::try_from(segment.bounds.rows)?);
        ensure!(
            metadata.num_rows as u64 == segment.rows_in_file && first + rows <= metadata.num_rows,
            "the segment {} has {} rows, the catalogue says {}",
            path.display(),
            metadata.num_rows,
            segment.rows_in_file
        );
        Ok(OpenSegment { path: path.clone(), rows: first..first + rows, metadata })
    }
}

/// An open segment: its metadata is read once for all its row ranges.
pub(crate) struct OpenSegment {
    path: PathBuf,
    metadata: FileMetadataRef,
    rows: Range<usize>,
}

impl OpenSegment {
    /// Ranges of rows that are whole row groups.
    pub fn ranges(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let rows = self.rows.clone();
        rows.clone().step_by(ROW_GROUP_ROWS).map(move |start| start..(start + ROW_GROUP_ROWS).min(rows.end))
    }

    /// Reads a range of rows.
    pub fn read(&self, range: Range<usize>, wanted: ColumnSelection) -> Result<Columns> {
        let mut names =
            vec![column::SUBSCRIPTION, column::CHARGE, column::METER, column::TIME, column::QUANTITY];
        let optional = [
            (wanted.keys, column::SOURCE),
            (wanted.keys, column::ID),
            (wanted.properties, column::PROPERTIES),
            (wanted.corrects, column::CORRECTS),
            (wanted.line, column::LINE),
        ];
        names.extend(optional.into_iter().filter(|(is_wanted, _)| *is_wanted).map(|(_, name)| name));
        let context = || format!("reading rows {range:?} of the segment {}", self.path.display());
        Columns::of(self.frame(range.clone(), &names)?, wanted).with_context(context)
    }

    /// The named columns of a range of rows.
    pub(super) fn frame(&self, range: Range<usize>, names: &[&str]) -> Result<DataFrame> {
        let context = || format!("reading rows {range:?} of the segment {}", self.path.display());
        let file = File::open(&self.path).with_context(context)?;
        let mut reader = ParquetReader::new(file)
            .with_columns(Some(names.iter().map(|name| (*name).to_owned()).collect()))
            .with_slice(Some((range.start, range.len())))
            .read_parallel(ParallelStrategy::None)
            .set_rechunk(true);
        reader.set_metadata(self.metadata.clone());
        let frame = guarded(|| reader.finish()).with_context(context)?;
        ensure!(frame.height() == range.len(), "{}: got {} rows", context(), frame.height());
        Ok(frame)
    }
}

/// polars may panic on a damaged file: that is an error like any other.
fn guarded<T>(read: impl FnOnce() -> PolarsResult<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(outcome) => Ok(outcome?),
        Err(_) => bail!("the Parquet reader gave up: the file is damaged"),
    }
}

/// Rows of a segment, column by column.
pub(crate) struct Columns {
    pub subscriptions: Vec<u32>,
    pub charges: Vec<u32>,
    pub times_us: Vec<i64>,
    /// At scale 9.
    pub quantities: Vec<i128>,
    meters: StringChunked,
    sources: Option<StringChunked>,
    ids: Option<StringChunked>,
    properties: Option<StringChunked>,
    corrects: Option<StringChunked>,
    lines: Option<Vec<u64>>,
}

impl Columns {
    fn of(frame: DataFrame, wanted: ColumnSelection) -> Result<Self> {
        let text = |name: &str, is_wanted: bool| -> Result<Option<StringChunked>> {
            if is_wanted { Ok(Some(frame.column(name)?.str()?.rechunk().into_owned())) } else { Ok(None) }
        };
        let lines = match wanted.line {
            true => Some(values(frame.column(column::LINE)?.u64()?)?),
            false => None,
        };
        let quantity = frame.column(column::QUANTITY)?;
        ensure!(quantity.dtype() == &DataType::Decimal(38, 9), "quantity is {}", quantity.dtype());
        Ok(Self {
            subscriptions: values(frame.column(column::SUBSCRIPTION)?.u32()?)?,
            charges: values(frame.column(column::CHARGE)?.u32()?)?,
            times_us: values(frame.column(column::TIME)?.datetime()?.physical())?,
            quantities: values(quantity.decimal()?.physical())?,
            meters: frame.column(column::METER)?.str()?.rechunk().into_owned(),
            sources: text(column::SOURCE, wanted.keys)?,
            ids: text(column::ID, wanted.keys)?,
            properties: text(column::PROPERTIES, wanted.properties)?,
            corrects: text(column::CORRECTS, wanted.corrects)?,
            lines,
        })
    }

    pub fn len(&self) -> usize {
        self.subscriptions.len()
    }

    pub fn meter(&self, row: usize) -> &str {
        self.meters.get(row).unwrap_or_default()
    }

    /// Empty unless keys were wanted.
    pub fn source(&self, row: usize) -> &str {
        optional(&self.sources, row)
    }

    /// Empty unless keys were wanted.
    pub fn id(&self, row: usize) -> &str {
        optional(&self.ids, row)
    }

    /// Canonical JSON; empty if there are none or they were not wanted.
    pub fn properties(&self, row: usize) -> &str {
        optional(&self.properties, row)
    }

    /// Empty if it corrects nothing or corrections were not wanted.
    pub fn corrects(&self, row: usize) -> &str {
        optional(&self.corrects, row)
    }

    /// 0 unless lines were wanted.
    pub fn line(&self, row: usize) -> u64 {
        self.lines.as_ref().and_then(|lines| lines.get(row)).copied().unwrap_or_default()
    }
}

fn optional(column: &Option<StringChunked>, row: usize) -> &str {
    column.as_ref().and_then(|texts| texts.get(row)).unwrap_or_default()
}

/// The values of a column that holds no nulls.
fn values<T: PolarsNumericType>(column: &ChunkedArray<T>) -> Result<Vec<T::Native>> {
    ensure!(column.null_count() == 0, "column {} holds nulls", column.name());
    let mut list = Vec::with_capacity(column.len());
    for chunk in column.downcast_iter() {
        list.extend_from_slice(chunk.values());
    }
    Ok(list)
}
