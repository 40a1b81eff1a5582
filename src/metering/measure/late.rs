//! Which usage an import has brought: the store marks the billed periods that it made late (rules Q5).

use super::scan::runs;
use super::superseded::Superseded;
use crate::segment::{ColumnSelection, Columns, Opener, SegmentRef};
use anyhow::Result;
use std::collections::BTreeMap;

/// Events of a subscription and meter that newer imports have added or replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateHint {
    pub subscription_no: u32,
    pub meter: String,
    /// Microseconds since the epoch, both included.
    pub min_time_us: i64,
    pub max_time_us: i64,
}

/// What the imports after `after_import` have touched, ascending by subscription and meter. An event that they
/// correct counts at its own time too, as its period loses it: only then older segments are read.
pub fn late_hints(segments: &[SegmentRef], after_import: i64) -> Result<Vec<LateHint>> {
    let (newer, older): (Vec<&SegmentRef>, Vec<&SegmentRef>) =
        segments.iter().partition(|segment| segment.import > after_import);
    let mut touched = Touched::default();
    let mut opener = Opener::default();
    for segment in &newer {
        let open = opener.open(segment)?;
        for range in open.ranges() {
            let rows = open.read(range, ColumnSelection::default())?;
            for run in runs(&rows) {
                let meter = rows.meter(run.start);
                // Rows of a run are sorted by time.
                touched.add(rows.subscriptions[run.start], meter, rows.times_us[run.start]);
                touched.add(rows.subscriptions[run.start], meter, rows.times_us[run.end - 1]);
            }
        }
    }
    let superseded = Superseded::read(&newer)?;
    if !superseded.is_empty() {
        for segment in older {
            let open = opener.open(segment)?;
            for range in open.ranges() {
                let rows = open.read(range, ColumnSelection { keys: true, ..ColumnSelection::default() })?;
                touched.add_superseded(&rows, &superseded, segment.import);
            }
        }
    }
    Ok(touched.hints())
}

#[derive(Default)]
struct Touched {
    ranges: BTreeMap<(u32, String), (i64, i64)>,
}

impl Touched {
    fn add(&mut self, subscription: u32, meter: &str, time_us: i64) {
        let range = self.ranges.entry((subscription, meter.to_owned())).or_insert((time_us, time_us));
        *range = (range.0.min(time_us), range.1.max(time_us));
    }

    fn add_superseded(&mut self, rows: &Columns, superseded: &Superseded, import: i64) {
        for row in 0..rows.len() {
            if superseded.by(rows.source(row), rows.id(row), import).is_some() {
                self.add(rows.subscriptions[row], rows.meter(row), rows.times_us[row]);
            }
        }
    }

    fn hints(self) -> Vec<LateHint> {
        let hint = |((subscription_no, meter), (min_time_us, max_time_us))| LateHint {
            subscription_no,
            meter,
            min_time_us,
            max_time_us,
        };
        self.ranges.into_iter().map(hint).collect()
    }
}
