//! Windows and class ranges by what rows are sorted by: subscription, meter, time.

use super::Numbers;
use crate::segment::SegmentBounds;
use domain::billing::{ClassRange, UsageClass};
use domain::catalogue::Aggregation;
use domain::measure::{Instants, Window};
use rustc_hash::FxHashMap;

/// Everything wanted of the rows of one subscription and meter.
#[derive(Debug, Default)]
pub(crate) struct WindowPlan {
    /// Positions among the planned windows.
    pub windows: Vec<u32>,
    /// Disjoint, ascending.
    pub classes: Vec<(Instants, UsageClass)>,
}

/// A window as the scan sees it.
#[derive(Debug)]
pub(crate) struct Planned<'a> {
    pub window: &'a Window,
    /// Disjoint and ascending, each with its stretch.
    pub parts: Vec<(Instants, u32)>,
    /// Number of the window's charge: an event that names another charge does not belong. 0 if it has none.
    pub charge: u32,
    pub keeps: Keeps,
}

/// What must be kept of single events, besides sum, count, lowest and highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeps {
    Nothing,
    /// The values of a property.
    Values,
    /// The first and the last event.
    Ends,
    /// Time and quantity of every event.
    Quantities,
    /// Every event with its key, for its place in the order.
    Events,
}

/// All that a scan looks for.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub windows: Vec<Planned<'a>>,
    wishes: FxHashMap<(u32, u32), WindowPlan>,
    meters: FxHashMap<&'a str, u32>,
    subscriptions: Option<(u32, u32)>,
    times: Instants,
    pub wants_keys: bool,
    pub wants_properties: bool,
}

impl<'a> Plan<'a> {
    pub fn new(windows: &[&'a Window], classes: &'a [ClassRange], numbers: &Numbers) -> Self {
        let mut plan = Self {
            windows: Vec::with_capacity(windows.len()),
            wishes: FxHashMap::default(),
            meters: FxHashMap::default(),
            subscriptions: None,
            times: Instants { from_us: i64::MAX, to_us: i64::MIN },
            wants_keys: false,
            wants_properties: false,
        };
        for window in windows {
            plan.add_window(window, numbers);
        }
        let mut ranges: FxHashMap<(u32, u32), Vec<(Instants, UsageClass)>> = FxHashMap::default();
        for class in classes {
            if let Some(&subscription) = numbers.subscriptions.get(&class.subscription) {
                let key = plan.widen(subscription, &class.meter, class.range);
                ranges.entry(key).or_default().push((class.range, class.class));
            }
        }
        for (key, list) in ranges {
            plan.wishes.entry(key).or_default().classes = disjoint(&list);
        }
        plan
    }

    fn add_window(&mut self, window: &'a Window, numbers: &Numbers) {
        let keeps = keeps(window);
        self.wants_keys |= matches!(keeps, Keeps::Ends | Keeps::Events);
        self.wants_properties |=
            window.unique_property.is_some() || window.group_by.is_some() || !window.filter.is_empty();
        let parts: Vec<(Instants, u32)> = window
            .stretches
            .iter()
            .zip(0..)
            .flat_map(|(stretch, number)| stretch.iter().map(move |part| (*part, number)))
            .collect();
        let charge = numbers.charges.get(&window.key.charge).copied().unwrap_or_default();
        let position = u32::try_from(self.windows.len()).unwrap_or(u32::MAX);
        if let Some(&subscription) = numbers.subscriptions.get(&window.subscription) {
            for (part, _) in &parts {
                self.widen(subscription, &window.meter, *part);
            }
            if !parts.is_empty() {
                let key = (subscription, self.number_of(&window.meter));
                self.wishes.entry(key).or_default().windows.push(position);
            }
        }
        self.windows.push(Planned { window, parts: disjoint(&parts), charge, keeps });
    }

    /// Makes the plan reach to a range, and gives the key of its rows.
    fn widen(&mut self, subscription: u32, meter: &'a str, range: Instants) -> (u32, u32) {
        let (low, high) = self.subscriptions.unwrap_or((subscription, subscription));
        self.subscriptions = Some((low.min(subscription), high.max(subscription)));
        self.times.from_us = self.times.from_us.min(range.from_us);
        self.times.to_us = self.times.to_us.max(range.to_us);
        (subscription, self.number_of(meter))
    }

    fn number_of(&mut self, meter: &'a str) -> u32 {
        let next = u32::try_from(self.meters.len()).unwrap_or(u32::MAX);
        *self.meters.entry(meter).or_insert(next)
    }

    /// What is wanted of the rows of a subscription and meter.
    pub fn wish(&self, subscription: u32, meter: &str) -> Option<&WindowPlan> {
        self.wishes.get(&(subscription, *self.meters.get(meter)?))
    }

    /// Whether a segment can hold anything that is wanted.
    pub fn touches(&self, bounds: &SegmentBounds) -> bool {
        let Some((low, high)) = self.subscriptions else { return false };
        bounds.min_subscription_no <= high
            && bounds.max_subscription_no >= low
            && bounds.min_time_us < self.times.to_us
            && bounds.max_time_us >= self.times.from_us
    }
}

fn keeps(window: &Window) -> Keeps {
    if window.wants_events {
        return Keeps::Events;
    }
    match window.aggregation {
        Aggregation::UniqueCount => Keeps::Values,
        Aggregation::Last | Aggregation::Range => Keeps::Ends,
        Aggregation::WeightedSum | Aggregation::Percentile => Keeps::Quantities,
        Aggregation::None
        | Aggregation::Sum
        | Aggregation::Count
        | Aggregation::Average
        | Aggregation::SumAverage
        | Aggregation::Lowest
        | Aggregation::Highest => Keeps::Nothing,
    }
}

/// Ranges without overlap, ascending: where several hold an instant, the least value has it.
fn disjoint<T: Copy + Ord>(ranges: &[(Instants, T)]) -> Vec<(Instants, T)> {
    let mut sorted: Vec<(Instants, T)> =
        ranges.iter().copied().filter(|(r, _)| r.from_us < r.to_us).collect();
    sorted.sort_unstable();
    if sorted.is_sorted_by(|a, b| a.0.to_us <= b.0.from_us) {
        return sorted;
    }
    let mut bounds: Vec<i64> = sorted.iter().flat_map(|(r, _)| [r.from_us, r.to_us]).collect();
    bounds.sort_unstable();
    bounds.dedup();
    let mut cut: Vec<(Instants, T)> = Vec::new();
    for pair in bounds.windows(2) {
        let part = Instants { from_us: pair[0], to_us: pair[1] };
        let holders = sorted.iter().filter(|(r, _)| r.from_us <= part.from_us && part.to_us <= r.to_us);
        if let Some(value) = holders.map(|(_, value)| *value).min() {
            cut.push((part, value));
        }
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(from_us: i64, to_us: i64) -> Instants {
        Instants { from_us, to_us }
    }

    #[test]
    fn where_ranges_overlap_the_least_value_has_the_instant() {
        let cut = disjoint(&[(at(0, 10), 2), (at(5, 15), 1), (at(20, 30), 0), (at(7, 7), 0)]);
        assert_eq!(cut, [(at(0, 5), 2), (at(5, 10), 1), (at(10, 15), 1), (at(20, 30), 0)]);
        assert_eq!(disjoint(&[(at(5, 9), 1), (at(0, 5), 0)]), [(at(0, 5), 0), (at(5, 9), 1)]);
    }
}
