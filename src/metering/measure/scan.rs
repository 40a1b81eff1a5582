//! The scan: row groups in parallel, each held against the plan.

use super::gathered::{KeptEvent, MeasureKey, PartialResult, ScanResult, WindowAggregate};
use super::plan::{Keeps, Plan, Planned, WindowPlan};
use super::sums::Sums;
use super::superseded::Superseded;
use crate::segment::{ColumnSelection, Columns, Opener, SegmentRef};
use anyhow::{Result, anyhow};
use domain::measure::{Instants, Window};
use domain::usage::{Properties, RawProperties, read_properties};
use rustc_hash::FxHashMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Reads what the plan touches of `segments`, on `threads` threads.
pub(crate) fn scan(
    segments: &[&SegmentRef],
    plan: &Plan<'_>,
    superseded: &Superseded,
    threads: usize,
) -> Result<ScanResult> {
    let mut parts = Vec::new();
    let mut opener = Opener::default();
    for segment in segments.iter().filter(|segment| plan.touches(&segment.bounds)) {
        let open = opener.open(segment)?;
        let ranges: Vec<Range<usize>> = open.ranges().collect();
        let open = std::sync::Arc::new(open);
        parts.extend(ranges.into_iter().map(|range| (*segment, std::sync::Arc::clone(&open), range)));
    }
    let gathered = Mutex::new(Ok(ScanResult::default()));
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(parts.len()) {
            scope.spawn(|| {
                while let Some((segment, open, range)) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let wanted = wanted(segment, plan, superseded);
                    let found = open
                        .read(range.clone(), wanted)
                        .and_then(|rows| RowGroupScan::new(plan, superseded, segment.import, &rows).search());
                    let Ok(mut gathered) = gathered.lock() else { return };
                    let outcome = match (&mut *gathered, found) {
                        (Ok(gathered), Ok(found)) => gathered.add(found),
                        (Ok(_), Err(error)) => Err(error),
                        (Err(_), _) => return,
                    };
                    if let Err(error) = outcome {
                        *gathered = Err(error);
                        return;
                    }
                }
            });
        }
    });
    gathered.into_inner().map_err(|_| anyhow!("a thread that measured panicked"))?
}

fn wanted(segment: &SegmentRef, plan: &Plan<'_>, superseded: &Superseded) -> ColumnSelection {
    ColumnSelection {
        keys: plan.wants_keys || !superseded.is_empty(),
        properties: plan.wants_properties,
        corrects: segment.bounds.corrections > 0,
        line: false,
    }
}

/// Positions of the runs of rows that have one subscription and meter.
pub(super) fn runs(rows: &Columns) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut start = 0;
    std::iter::from_fn(move || {
        let subscription = *rows.subscriptions.get(start)?;
        let meter = rows.meter(start);
        let mut end = start + 1;
        while rows.subscriptions.get(end) == Some(&subscription) && rows.meter(end) == meter {
            end += 1;
        }
        let run = start..end;
        start = end;
        Some(run)
    })
}

/// The rows of `run` that fall into `range`: rows are sorted by time.
pub(super) fn within(rows: &Columns, run: &Range<usize>, range: Instants) -> Range<usize> {
    let times = &rows.times_us[run.clone()];
    let start = times.partition_point(|time| *time < range.from_us);
    let end = start + times[start..].partition_point(|time| *time < range.to_us);
    run.start + start..run.start + end
}

/// What a window makes of the properties of an event.
struct EventTraits {
    /// The filter lets it pass.
    passes: bool,
    group: Option<Box<str>>,
    value: Option<Box<str>>,
    /// Number of its place, once an event has counted there.
    place: Option<u32>,
}

/// One row group against the plan.
struct RowGroupScan<'a> {
    plan: &'a Plan<'a>,
    import: i64,
    rows: &'a Columns,
    /// Per row the import that corrects it, or 0; empty if none is.
    corrected_by: Vec<i64>,
    found: PartialResult,
    /// Places of this row group, by number, and what their events add up to.
    places: Vec<(MeasureKey, Sums)>,
    by_place: FxHashMap<MeasureKey, u32>,
    kept: FxHashMap<u32, WindowAggregate>,
    /// Properties read before: files repeat few combinations.
    properties: FxHashMap<&'a str, Properties>,
}

impl<'a> RowGroupScan<'a> {
    fn new(plan: &'a Plan<'a>, superseded: &Superseded, import: i64, rows: &'a Columns) -> Self {
        let mut corrected_by = Vec::new();
        if !superseded.is_empty() {
            let by = |row| superseded.by(rows.source(row), rows.id(row), import).unwrap_or_default();
            corrected_by = (0..rows.len()).map(by).collect();
        }
        if corrected_by.iter().all(|by| *by == 0) {
            corrected_by = Vec::new();
        }
        Self {
            plan,
            import,
            rows,
            corrected_by,
            found: PartialResult::default(),
            places: Vec::new(),
            by_place: FxHashMap::default(),
            kept: FxHashMap::default(),
            properties: FxHashMap::default(),
        }
    }

    fn search(mut self) -> Result<PartialResult> {
        let rows = self.rows;
        for run in runs(rows) {
            let Some(wish) = self.plan.wish(rows.subscriptions[run.start], rows.meter(run.start)) else {
                continue;
            };
            self.count(wish, &run);
            let is_plain = self.is_plain(&run);
            for &number in &wish.windows {
                let planned = &self.plan.windows[number as usize];
                for &(part, stretch) in &planned.parts {
                    let hits = within(rows, &run, part);
                    if hits.is_empty() {
                        continue;
                    }
                    if is_plain && !planned.is_by_event() {
                        self.take_all(number, stretch, hits)?;
                    } else {
                        self.take_each(number, planned, stretch, hits)?;
                    }
                }
            }
        }
        let places = &self.places;
        let at = |number: u32| places.get(number as usize).map(|(place, _)| place.clone());
        self.found.kept =
            self.kept.into_iter().filter_map(|(number, kept)| Some((at(number)?, kept))).collect();
        self.found.sums = self.places;
        Ok(self.found)
    }

    /// Whether every row of the run counts for every window that holds its time.
    fn is_plain(&self, run: &Range<usize>) -> bool {
        self.rows.charges[run.clone()].iter().all(|charge| *charge == 0)
            && self.corrected_by.get(run.clone()).is_none_or(|by| by.iter().all(|by| *by == 0))
            && !self.rows.quantities[run.clone()]
                .iter()
                .zip(run.clone())
                .any(|(q, row)| *q == 0 && self.is_removal(row))
    }

    /// A correction with quantity 0 only removes (rules Q3).
    fn is_removal(&self, row: usize) -> bool {
        self.rows.quantities[row] == 0 && !self.rows.corrects(row).is_empty()
    }

    fn count(&mut self, wish: &WindowPlan, run: &Range<usize>) {
        for &(range, class) in &wish.classes {
            let hits = within(self.rows, run, range);
            if hits.is_empty() {
                continue;
            }
            let all = hits.len() as u64;
            let superseded =
                self.corrected_by.get(hits).map_or(0, |by| by.iter().filter(|by| **by != 0).count()) as u64;
            self.found.counts.superseded += superseded;
            *self.found.counts.by_class.entry(class).or_default() += all - superseded;
        }
    }

    fn take_all(&mut self, window: u32, stretch: u32, hits: Range<usize>) -> Result<()> {
        self.note_import(window, self.import);
        // A part of a window has one run per row group, so its place is new.
        let mut sums = Sums::NOTHING;
        sums.add(&self.rows.quantities[hits])?;
        self.places.push((MeasureKey { window, group: None, stretch }, sums));
        Ok(())
    }

    fn take_each(
        &mut self,
        number: u32,
        planned: &Planned<'_>,
        stretch: u32,
        hits: Range<usize>,
    ) -> Result<()> {
        let (rows, window) = (self.rows, planned.window);
        let looks_at_properties =
            window.group_by.is_some() || !window.filter.is_empty() || window.unique_property.is_some();
        let mut traits: FxHashMap<&str, EventTraits> = FxHashMap::default();
        for row in hits {
            let charge = rows.charges[row];
            if charge != 0 && charge != planned.charge {
                continue;
            }
            let text = if looks_at_properties { rows.properties(row) } else { "" };
            let traits = traits.entry(text).or_insert_with(|| self.traits(window, text));
            if !traits.passes {
                continue;
            }
            let corrected_by = self.corrected_by.get(row).copied().unwrap_or_default();
            self.note_import(number, self.import.max(corrected_by));
            if corrected_by != 0 || self.is_removal(row) {
                continue;
            }
            let group = &traits.group;
            let place = *traits.place.get_or_insert_with(|| {
                self.place_of(MeasureKey { window: number, group: group.clone(), stretch })
            });
            if let Some((_, sums)) = self.places.get_mut(place as usize) {
                sums.add(&rows.quantities[row..=row])?;
            }
            if planned.keeps != Keeps::Nothing {
                self.keep(row, place, planned.keeps, &traits.value);
            }
        }
        Ok(())
    }

    /// What a window makes of properties.
    fn traits(&mut self, window: &Window, text: &'a str) -> EventTraits {
        // Segments hold canonical texts, which intake has checked.
        let read = || read_properties(RawProperties::Json(text)).unwrap_or_default();
        let properties = self.properties.entry(text).or_insert_with(read);
        let property = |name: &String| properties.get(name);
        let of = |name: &Option<String>| name.as_ref().and_then(property).map(|value| value.as_str().into());
        EventTraits {
            passes: window
                .filter
                .iter()
                .all(|(name, values)| property(name).is_some_and(|v| values.contains(v))),
            group: of(&window.group_by),
            value: of(&window.unique_property),
            place: None,
        }
    }

    fn keep(&mut self, row: usize, place: u32, keeps: Keeps, value: &Option<Box<str>>) {
        let keepsake = self.kept.entry(place).or_default();
        let time_us = self.rows.times_us[row];
        if keeps == Keeps::Ends && keepsake.is_between_ends(time_us) {
            return;
        }
        let is_ordered = matches!(keeps, Keeps::Ends | Keeps::Events);
        let key = |text: &str| if is_ordered { text.into() } else { "".into() };
        let event = KeptEvent {
            time_us,
            source: key(self.rows.source(row)),
            id: key(self.rows.id(row)),
            quantity: self.rows.quantities[row],
            value: value.clone(),
        };
        keepsake.add(keeps, event);
    }

    fn note_import(&mut self, window: u32, import: i64) {
        let newest = self.found.newest.entry(window).or_default();
        *newest = import.max(*newest);
    }

    fn place_of(&mut self, place: MeasureKey) -> u32 {
        if let Some(&number) = self.by_place.get(&place) {
            return number;
        }
        let number = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.push((place.clone(), Sums::NOTHING));
        self.by_place.insert(place, number);
        number
    }
}
