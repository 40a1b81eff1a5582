//! From a window back to the events that made it: what `why` shows.

use super::plan::{Plan, Planned};
use super::scan::{runs, within};
use super::superseded::Superseded;
use super::{Numbers, visible};
use crate::segment::{ColumnSelection, Columns, OpenSegment, Opener, SegmentRef};
use anyhow::Result;
use domain::measure::Window;
use domain::usage::{RawProperties, read_properties};

/// An event of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundEvent {
    pub import: i64,
    /// Line of the import's file, from 1; of Parquet input the row.
    pub line: u64,
    pub source: String,
    pub id: String,
    /// Microseconds since the epoch.
    pub time_us: i64,
    /// At scale 9.
    pub quantity: i128,
    /// Canonical JSON; empty if there are none.
    pub properties: String,
    pub standing: EventStatus,
}

/// Whether an event of a window counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventStatus {
    Counts,
    /// A correction of this import replaces it.
    Superseded {
        by_import: i64,
    },
    /// It corrects another event to nothing.
    Removal,
}

/// Every event that belongs to a window, in (time, source, id) order, also those that do not count.
pub fn find_events(segments: &[SegmentRef], window: &Window, numbers: &Numbers) -> Result<Vec<FoundEvent>> {
    let visible: Vec<&SegmentRef> = visible(segments, window.up_to_import).collect();
    let superseded = Superseded::read(&visible)?;
    let windows = [window];
    let plan = Plan::new(&windows, &[], numbers);
    let (mut events, mut opener) = (Vec::new(), Opener::default());
    for segment in visible.into_iter().filter(|segment| plan.touches(&segment.bounds)) {
        find_in(segment, &opener.open(segment)?, &plan, &superseded, &mut events)?;
    }
    events.sort_unstable_by(|a, b| (a.time_us, &a.source, &a.id).cmp(&(b.time_us, &b.source, &b.id)));
    Ok(events)
}

fn find_in(
    segment: &SegmentRef,
    open: &OpenSegment,
    plan: &Plan<'_>,
    superseded: &Superseded,
    events: &mut Vec<FoundEvent>,
) -> Result<()> {
    let wanted = ColumnSelection { keys: true, properties: true, corrects: true, line: true };
    for range in open.ranges() {
        let rows = open.read(range, wanted)?;
        for run in runs(&rows) {
            let Some(wish) = plan.wish(rows.subscriptions[run.start], rows.meter(run.start)) else {
                continue;
            };
            for planned in wish.windows.iter().filter_map(|number| plan.windows.get(*number as usize)) {
                let hits = planned.parts.iter().flat_map(|(part, _)| within(&rows, &run, *part));
                let mine = hits.filter(|row| belongs(planned, &rows, *row));
                events.extend(mine.map(|row| found(&rows, row, segment.import, superseded)));
            }
        }
    }
    Ok(())
}

fn belongs(planned: &Planned<'_>, rows: &Columns, row: usize) -> bool {
    let names_another_charge = rows.charges[row] != 0 && rows.charges[row] != planned.charge;
    !names_another_charge && passes(planned.window, rows.properties(row))
}

fn found(rows: &Columns, row: usize, import: i64, superseded: &Superseded) -> FoundEvent {
    let (source, id) = (rows.source(row), rows.id(row));
    let standing = match superseded.by(source, id, import) {
        Some(by_import) => EventStatus::Superseded { by_import },
        None if rows.quantities[row] == 0 && !rows.corrects(row).is_empty() => EventStatus::Removal,
        None => EventStatus::Counts,
    };
    FoundEvent {
        import,
        line: rows.line(row),
        source: source.to_owned(),
        id: id.to_owned(),
        time_us: rows.times_us[row],
        quantity: rows.quantities[row],
        properties: rows.properties(row).to_owned(),
        standing,
    }
}

fn passes(window: &Window, properties: &str) -> bool {
    if window.filter.is_empty() {
        return true;
    }
    let properties = read_properties(RawProperties::Json(properties)).unwrap_or_default();
    window
        .filter
        .iter()
        .all(|(name, values)| properties.get(name).is_some_and(|value| values.contains(value)))
}
