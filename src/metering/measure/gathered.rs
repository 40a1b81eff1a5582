//! Partial results of a scan, merged, and made into measures at the end.

use super::plan::{Keeps, Planned};
use super::sums::Sums;
use anyhow::{Context, Result};
use domain::billing::UsageClass;
use domain::catalogue::Aggregation;
use domain::decimal::from_quantity9;
use domain::exact::Exact;
use domain::measure::{GroupMeasure, Instants, Measure, Measured, MeasuredWindow, Sample, Window, aggregate};
use domain::run::UsageCounts;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

/// One place of measuring: window, group, stretch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MeasureKey {
    pub window: u32,
    /// Value of the `group_by` property; none without grouping or where it is absent.
    pub group: Option<Box<str>>,
    pub stretch: u32,
}

/// An event that is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeptEvent {
    pub time_us: i64,
    /// Empty where the order does not matter.
    pub source: Box<str>,
    pub id: Box<str>,
    pub quantity: i128,
    pub value: Option<Box<str>>,
}

/// What is kept of the events of one place.
#[derive(Debug, Default)]
pub(crate) struct WindowAggregate {
    pub values: FxHashSet<Box<str>>,
    pub ends: Option<(KeptEvent, KeptEvent)>,
    pub events: Vec<KeptEvent>,
}

impl WindowAggregate {
    /// Adds an event's part.
    pub fn add(&mut self, keeps: Keeps, event: KeptEvent) {
        match keeps {
            Keeps::Nothing => {}
            Keeps::Values => self.values.extend(event.value),
            Keeps::Quantities | Keeps::Events => self.events.push(event),
            Keeps::Ends => match &mut self.ends {
                None => self.ends = Some((event.clone(), event)),
                Some((first, _)) if event < *first => *first = event,
                Some((_, last)) if event > *last => *last = event,
                Some(_) => {}
            },
        }
    }

    /// Whether an event of this time can still be the first or the last.
    pub fn is_between_ends(&self, time_us: i64) -> bool {
        self.ends.as_ref().is_some_and(|(first, last)| first.time_us < time_us && time_us < last.time_us)
    }

    fn merge(&mut self, other: Self) {
        self.values.extend(other.values);
        self.events.extend(other.events);
        for event in other.ends.into_iter().flat_map(|(first, last)| [first, last]) {
            self.add(Keeps::Ends, event);
        }
    }
}

/// Events by class (rules Q4).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ClassCounts {
    pub superseded: u64,
    pub by_class: BTreeMap<UsageClass, u64>,
}

/// What one part of a scan found.
#[derive(Debug, Default)]
pub(crate) struct PartialResult {
    pub sums: Vec<(MeasureKey, Sums)>,
    pub kept: Vec<(MeasureKey, WindowAggregate)>,
    /// Newest import per window.
    pub newest: FxHashMap<u32, i64>,
    pub counts: ClassCounts,
}

/// What all parts found.
#[derive(Debug, Default)]
pub(crate) struct ScanResult {
    sums: FxHashMap<MeasureKey, Sums>,
    kept: FxHashMap<MeasureKey, WindowAggregate>,
    newest: FxHashMap<u32, i64>,
    counts: ClassCounts,
}

impl ScanResult {
    /// Adds what a part found.
    pub fn add(&mut self, found: PartialResult) -> Result<()> {
        for (place, sums) in found.sums {
            match self.sums.get_mut(&place) {
                Some(so_far) => *so_far = so_far.merged(sums)?,
                None => {
                    self.sums.insert(place, sums);
                }
            }
        }
        for (place, keepsake) in found.kept {
            self.kept.entry(place).or_default().merge(keepsake);
        }
        for (window, import) in found.newest {
            let newest = self.newest.entry(window).or_default();
            *newest = import.max(*newest);
        }
        self.counts.superseded += found.counts.superseded;
        for (class, events) in found.counts.by_class {
            *self.counts.by_class.entry(class).or_default() += events;
        }
        Ok(())
    }

    /// Events by class, as a run reports them.
    pub fn counts(&self) -> UsageCounts {
        let mut counts = UsageCounts { superseded: self.counts.superseded, ..UsageCounts::default() };
        for (&class, &events) in &self.counts.by_class {
            let reason = match class {
                UsageClass::Rated => {
                    counts.rated += events;
                    continue;
                }
                UsageClass::Open => {
                    counts.open += events;
                    continue;
                }
                UsageClass::NoCharge => "no_charge",
                UsageClass::BeforeStart => "before_start",
                UsageClass::AfterEnd => "after_end",
                UsageClass::OnHold => "on_hold",
                UsageClass::Trial => "trial",
                UsageClass::CutOff => "cut_off",
            };
            *counts.unrated.entry(reason.to_owned()).or_default() += events;
        }
        counts
    }

    /// The measures of every window.
    pub fn finish(self, windows: &[&Window]) -> Result<Measured> {
        let Self { sums, mut kept, newest, .. } = self;
        let mut measured = Measured::new();
        for (window, number) in windows.iter().zip(0_u32..) {
            let newest_import = newest.get(&number).copied().unwrap_or_default();
            measured.insert(window.key, MeasuredWindow { groups: Vec::new(), newest_import });
        }
        let mut places: Vec<(MeasureKey, Sums)> = sums.into_iter().collect();
        places.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        for (place, sums) in places {
            let window = windows.get(place.window as usize).context("a place of no window")?;
            let stretch = window.stretches.get(place.stretch as usize).context("a place of no stretch")?;
            let keepsake = kept.remove(&place).unwrap_or_default();
            let group = place.group.map(String::from);
            let groups = &mut measured.get_mut(&window.key).context("a window without a key")?.groups;
            // Places ascend by group, so the group is the last one or a new one.
            if groups.last().is_none_or(|last| last.group != group) {
                groups
                    .push(GroupMeasure { group, stretches: vec![Measure::empty(); window.stretches.len()] });
            }
            if let Some(slot) = groups.last_mut().and_then(|g| g.stretches.get_mut(place.stretch as usize)) {
                *slot = measure_of(window, stretch, &sums, keepsake);
            }
        }
        Ok(measured)
    }
}

fn measure_of(window: &Window, stretch: &[Instants], sums: &Sums, mut keepsake: WindowAggregate) -> Measure {
    let at_scale_9 = |quantity| Exact::scaled(quantity, 9);
    keepsake.events.sort_unstable();
    let quantity = match window.aggregation {
        Aggregation::None => Exact::ZERO,
        Aggregation::Sum => at_scale_9(sums.sum),
        Aggregation::Count => Exact::int(sums.events.into()),
        Aggregation::Average => at_scale_9(sums.sum).over(Exact::int(sums.events.into())),
        Aggregation::SumAverage => match window.sum_average_factor.filter(|factor| !factor.is_zero()) {
            Some(factor) => at_scale_9(sums.sum).over(Exact::of(factor)),
            None => at_scale_9(sums.sum),
        },
        Aggregation::Lowest => at_scale_9(sums.lowest),
        Aggregation::Highest => at_scale_9(sums.highest),
        Aggregation::UniqueCount if !window.wants_events => Exact::int(keepsake.values.len() as i128),
        Aggregation::Last | Aggregation::Range if !window.wants_events => {
            let ends: Vec<KeptEvent> =
                keepsake.ends.into_iter().flat_map(|(first, last)| [first, last]).collect();
            of_samples(window, stretch, &ends)
        }
        Aggregation::UniqueCount
        | Aggregation::Last
        | Aggregation::Range
        | Aggregation::WeightedSum
        | Aggregation::Percentile => of_samples(window, stretch, &keepsake.events),
    };
    let each = match window.wants_events {
        true => keepsake.events.iter().map(|event| from_quantity9(event.quantity)).collect(),
        false => Vec::new(),
    };
    Measure { quantity, events: sums.events, each }
}

/// The aggregations that are defined on events in order: by the definition itself.
fn of_samples(window: &Window, stretch: &[Instants], events: &[KeptEvent]) -> Exact {
    let samples: Vec<Sample<'_>> = events
        .iter()
        .map(|event| Sample {
            time_us: event.time_us,
            source: &event.source,
            id: &event.id,
            quantity: event.quantity,
            unique: event.value.as_deref(),
        })
        .collect();
    aggregate(window.aggregation, &samples, window.sum_average_factor, window.percentile, stretch).quantity
}

impl Planned<'_> {
    /// Whether single events must be looked at, whatever the rows are.
    pub fn is_by_event(&self) -> bool {
        self.keeps != Keeps::Nothing || self.window.group_by.is_some() || !self.window.filter.is_empty()
    }
}
