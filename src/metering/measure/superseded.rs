//! Which events are corrected by which import (rules Q3).

use crate::segment::{ColumnSelection, Opener, SegmentRef};
use anyhow::Result;
use rustc_hash::FxHashMap;

/// (source, id) of every corrected event, with the newest import that corrects it.
#[derive(Debug, Default)]
pub(crate) struct Superseded {
    by_source: FxHashMap<Box<str>, FxHashMap<Box<str>, i64>>,
}

impl Superseded {
    /// Reads the corrections of all `segments`; those without any are not opened.
    pub fn read(segments: &[&SegmentRef]) -> Result<Self> {
        let mut superseded = Self::default();
        let mut opener = Opener::default();
        let wanted = ColumnSelection { keys: true, corrects: true, ..ColumnSelection::default() };
        for segment in segments.iter().filter(|segment| segment.bounds.corrections > 0) {
            let open = opener.open(segment)?;
            for range in open.ranges() {
                let rows = open.read(range, wanted)?;
                for row in 0..rows.len() {
                    if !rows.corrects(row).is_empty() {
                        superseded.add(rows.source(row), rows.corrects(row), segment.import);
                    }
                }
            }
        }
        Ok(superseded)
    }

    fn add(&mut self, source: &str, id: &str, import: i64) {
        if !self.by_source.contains_key(source) {
            self.by_source.insert(source.into(), FxHashMap::default());
        }
        if let Some(ids) = self.by_source.get_mut(source) {
            let newest = ids.entry(id.into()).or_insert(import);
            *newest = import.max(*newest);
        }
    }

    /// Whether nothing is corrected.
    pub fn is_empty(&self) -> bool {
        self.by_source.is_empty()
    }

    /// Import that corrects an event of `import`; a correction is never older than what it corrects.
    pub fn by(&self, source: &str, id: &str, import: i64) -> Option<i64> {
        self.by_source.get(source)?.get(id).copied().filter(|newest| *newest >= import)
    }
}
