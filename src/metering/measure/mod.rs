//! Measuring: one scan over the segments gives the quantities of every window of a run, and what became of every
//! event (rules Q2–Q5). [`domain::measure::fold`] is the definition; a property test keeps the two equal.
//!
//! A segment is read a row group at a time ([`scan`]). Its rows are sorted by (subscription, meter, time), so the rows
//! of a window are found by binary search and summed up per window and stretch ([`sums`]); partial results are
//! merged exactly ([`gathered`]). Memory is bounded by the row group, the windows, and, for windows that look at single
//! events (weighted sum, percentile, prices per event), by their events.

mod events;
mod gathered;
mod late;
mod listing;
mod plan;
mod scan;
mod sums;
mod superseded;

#[cfg(test)]
mod tests;

pub use events::{EventStatus, FoundEvent, find_events};
pub use late::{LateHint, late_hints};
pub use listing::{Chains, EventFilter, ListedEvent, Newer, visit_events};

use crate::segment::SegmentRef;
use anyhow::Result;
use domain::billing::ClassRange;
use domain::ids::{ChargeReference, SubscriptionId};
use domain::measure::{Measured, Window};
use domain::run::UsageCounts;
use gathered::ScanResult;
use plan::Plan;
use scan::scan;
use std::collections::{BTreeMap, HashMap};
use superseded::Superseded;

/// The store's numbers of subscriptions and charges, as segments carry them. What is not in them has no events.
#[derive(Debug, Clone, Default)]
pub struct Numbers {
    pub subscriptions: HashMap<SubscriptionId, u32>,
    pub charges: HashMap<ChargeReference, u32>,
}

/// What to measure.
#[derive(Debug, Clone, Copy)]
pub struct MeasureRequest<'a> {
    /// Every segment of the version of the usage store that the run has pinned.
    pub segments: &'a [SegmentRef],
    pub windows: &'a [Window],
    /// How to count events; may be empty. Of ranges that overlap, the first class in order counts (rules Q4).
    pub classes: &'a [ClassRange],
    /// Events up to this import are counted by class; windows carry their own mark.
    pub up_to_import: Option<i64>,
    pub numbers: &'a Numbers,
    /// Reading threads, 1 or more.
    pub threads: usize,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UsageMeasured {
    /// One entry per window.
    pub measured: Measured,
    /// Each event of the class ranges once.
    pub counts: UsageCounts,
}

/// Measures windows and counts events, in one scan per usage mark (a run has one).
///
/// Errors: a segment that is missing or damaged, and sums beyond 128 bits (rules Q1 bounds quantities to 21 digits,
/// so that takes 10^17 events).
pub fn measure(request: &MeasureRequest<'_>) -> Result<UsageMeasured> {
    let mut by_mark: BTreeMap<Option<i64>, Vec<&Window>> = BTreeMap::new();
    for window in request.windows {
        by_mark.entry(window.up_to_import).or_default().push(window);
    }
    if !request.classes.is_empty() {
        by_mark.entry(request.up_to_import).or_default();
    }
    let mut outcome = UsageMeasured::default();
    for (mark, windows) in by_mark {
        let classes = if mark == request.up_to_import { request.classes } else { &[] };
        let gathered = measure_up_to(request, mark, &windows, classes)?;
        outcome.counts = if classes.is_empty() { outcome.counts } else { gathered.counts() };
        outcome.measured.extend(gathered.finish(&windows)?);
    }
    Ok(outcome)
}

fn measure_up_to(
    request: &MeasureRequest<'_>,
    mark: Option<i64>,
    windows: &[&Window],
    classes: &[ClassRange],
) -> Result<ScanResult> {
    let visible: Vec<&SegmentRef> = visible(request.segments, mark).collect();
    let plan = Plan::new(windows, classes, request.numbers);
    let superseded = Superseded::read(&visible)?;
    scan(&visible, &plan, &superseded, request.threads.max(1))
}

/// The segments that a run with this usage mark reads.
fn visible(segments: &[SegmentRef], mark: Option<i64>) -> impl Iterator<Item = &SegmentRef> {
    segments.iter().filter(move |segment| mark.is_none_or(|mark| segment.import <= mark))
}
