//! Bundles: many small segments in one file, so that a year of hourly imports stays a few files. Every part is written as
//! it was, in row groups of its own, and goes on belonging to its import.

use super::read::{Opener, SEGMENT_COLUMNS};
use super::write::parquet;
use super::{SegmentRef, month_text};
use crate::files::Draft;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// A bundle on disk, to be named in the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleFile {
    pub path: PathBuf,
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
    /// `YYYY-MM` in UTC of the earliest event.
    pub month: String,
    /// The parts as the catalogue will name them, in the order of the file.
    pub parts: Vec<SegmentRef>,
}

/// Writes `segments` as one file `folder/name`, durably, a row group at a time. They themselves stay.
pub fn bundle(segments: &[SegmentRef], temp: &Path, folder: &Path, name: &str) -> Result<BundleFile> {
    let mut draft = Draft::create(temp, name)?;
    let mut opener = Opener::default();
    let mut parts = Vec::with_capacity(segments.len());
    let mut rows = 0;
    let mut writer = None;
    let mut file = Some(draft.writer()?);
    for segment in segments {
        let open = opener.open(segment)?;
        for range in open.ranges() {
            let frame = open.frame(range, &SEGMENT_COLUMNS)?;
            let writer = match &mut writer {
                Some(writer) => writer,
                none => {
                    let file = file.take().context("a bundle is written by one writer")?;
                    none.insert(parquet(file)?.batched(frame.schema())?)
                }
            };
            writer.write_batch(&frame).with_context(|| format!("writing bundle {name}"))?;
        }
        parts.push(SegmentRef { path: folder.join(name), first_row: rows, ..segment.clone() });
        rows += segment.bounds.rows;
    }
    writer.context("a bundle of nothing")?.finish().with_context(|| format!("writing bundle {name}"))?;
    let landed = draft.land(folder, name)?;
    for part in &mut parts {
        part.rows_in_file = rows;
        part.sha256.clone_from(&landed.sha256);
    }
    let earliest = parts.iter().map(|part| part.bounds.min_time_us).min().unwrap_or_default();
    Ok(BundleFile {
        path: landed.path,
        bytes: landed.bytes,
        sha256: landed.sha256,
        month: month_text(earliest),
        parts,
    })
}
