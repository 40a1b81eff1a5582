//! Segments: the Parquet files of the usage store. Anyone can query them with any Parquet tool.
//!
//! | column | type | |
//! |---|---|---|
//! | `subscription_no` | u32 | the subscription's number in the store |
//! | `charge_no` | u32 | the charge's number if the subject named one charge, else 0 |
//! | `meter` | string | |
//! | `time` | timestamp(µs, UTC) | |
//! | `quantity` | decimal(38, 9) | |
//! | `source`, `id` | string | the event's key |
//! | `properties` | string, null if none | canonical JSON: sorted names, string values |
//! | `corrects` | string, null if none | id of the event of the same source that this one replaces |
//! | `line` | u64 | line of the usage file, from 1; of Parquet input the row |
//!
//! Rows are sorted by (subscription, meter, time, source, id). The import is not a column: its number is given when
//! the segment is committed, and holds for the whole file, or for its part of a bundle.

mod bundle;
mod read;
mod write;

pub use bundle::{BundleFile, bundle};
pub(crate) use read::{ColumnSelection, Columns, OpenSegment, Opener};
pub(crate) use write::{SegmentRow, write_segment};

use std::path::PathBuf;

/// Names of the columns, in order.
pub(crate) mod column {
    pub const SUBSCRIPTION: &str = "subscription_no";
    pub const CHARGE: &str = "charge_no";
    pub const METER: &str = "meter";
    pub const TIME: &str = "time";
    pub const QUANTITY: &str = "quantity";
    pub const SOURCE: &str = "source";
    pub const ID: &str = "id";
    pub const PROPERTIES: &str = "properties";
    pub const CORRECTS: &str = "corrects";
    pub const LINE: &str = "line";
}

/// Rows per row group: what one thread holds in memory while measuring.
pub(crate) const ROW_GROUP_ROWS: usize = 1 << 18;

/// What a segment covers: kept in the catalogue, so that a scan opens only the files it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentBounds {
    pub rows: u64,
    pub min_subscription_no: u32,
    pub max_subscription_no: u32,
    /// Microseconds since the epoch, both included.
    pub min_time_us: i64,
    pub max_time_us: i64,
    /// Rows that correct another event.
    pub corrections: u64,
}

/// A segment on disk, to be named in the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentFile {
    pub path: PathBuf,
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
    /// `YYYY-MM` in UTC of the first row; rare months share a file, see the bounds.
    pub month: String,
    pub bounds: SegmentBounds,
}

/// A committed segment, as the catalogue names it: a file, or a part of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentRef {
    pub path: PathBuf,
    /// Rows of the file; more than `bounds.rows` in a bundle.
    pub rows_in_file: u64,
    /// Where its rows begin in the file, from 0.
    pub first_row: u64,
    /// Number of the import that wrote it.
    pub import: i64,
    /// Of the whole file, lower-case hex: what is read must have it.
    pub sha256: String,
    pub bounds: SegmentBounds,
}

impl SegmentFile {
    /// The segment once its import has a number.
    pub fn committed(&self, import: i64) -> SegmentRef {
        SegmentRef {
            path: self.path.clone(),
            rows_in_file: self.bounds.rows,
            first_row: 0,
            import,
            sha256: self.sha256.clone(),
            bounds: self.bounds,
        }
    }
}

/// `2026-03`.
fn month_text(time_us: i64) -> String {
    chrono::DateTime::from_timestamp_micros(time_us)
        .map_or_else(|| "unknown".to_owned(), |at| at.format("%Y-%m").to_string())
}
