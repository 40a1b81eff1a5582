//! The definition of measuring: what one window makes of a list of events (rules Q2, Q3).

use super::{GroupMeasure, Instants, Measure, MeasuredWindow, Sample, StoredEvent, Window, aggregate};
use crate::decimal::from_quantity9;
use std::collections::BTreeMap;

/// Measures one window.
///
/// An event belongs to the window if it is of the window's subscription and meter, names no other charge, has a
/// filtered value for every filtered property, falls into a stretch, and was imported up to the mark. Of those, an
/// event that another one corrects does not count, nor does a correction with quantity 0, which only removes
/// (rules Q3). What is left is measured per group and stretch in (time, source, id) order.
///
/// `events` may hold anything, in any order; it must hold the corrections of the window's events, also where a
/// correction has moved to another time or meter. `newest_import` looks at every event that belongs to the window and
/// at what corrects one: a removal makes a period late too (rules Q5).
pub fn fold(window: &Window, events: &[&StoredEvent]) -> MeasuredWindow {
    let corrections = Corrections::up_to(window.up_to_import, events);
    let mut groups: BTreeMap<Option<&str>, Vec<Vec<Sample<'_>>>> = BTreeMap::new();
    let mut newest_import = 0;
    for stored in events {
        let Some(stretch) = stretch_of(window, stored) else { continue };
        let corrected_by = corrections.of(stored);
        newest_import = newest_import.max(stored.import).max(corrected_by.unwrap_or(0));
        if corrected_by.is_some() || is_removal(stored) {
            continue;
        }
        let property = |name: &Option<String>| name.as_ref().and_then(|n| stored.event.properties.get(n));
        let by_stretch = groups
            .entry(property(&window.group_by).map(String::as_str))
            .or_insert_with(|| vec![Vec::new(); window.stretches.len()]);
        by_stretch[stretch].push(Sample {
            time_us: stored.event.time_us,
            source: &stored.event.source,
            id: &stored.event.id,
            quantity: stored.event.quantity,
            unique: property(&window.unique_property).map(String::as_str),
        });
    }
    let groups = groups
        .into_iter()
        .map(|(group, by_stretch)| GroupMeasure {
            group: group.map(str::to_owned),
            stretches: by_stretch
                .into_iter()
                .zip(&window.stretches)
                .map(|(s, i)| measure(window, s, i))
                .collect(),
        })
        .collect();
    MeasuredWindow { groups, newest_import }
}

fn measure(window: &Window, mut samples: Vec<Sample<'_>>, stretch: &[Instants]) -> Measure {
    samples.sort_unstable_by_key(|s| (s.time_us, s.source, s.id));
    let mut measure =
        aggregate(window.aggregation, &samples, window.sum_average_factor, window.percentile, stretch);
    if window.wants_events {
        measure.each = samples.iter().map(|s| from_quantity9(s.quantity)).collect();
    }
    measure
}

/// Index of the stretch in which the event falls, if it belongs to the window.
fn stretch_of(window: &Window, stored: &StoredEvent) -> Option<usize> {
    let event = &stored.event;
    let belongs = stored.subscription == window.subscription
        && event.meter == window.meter
        && stored.charge.is_none_or(|charge| charge == window.key.charge)
        && window.up_to_import.is_none_or(|mark| stored.import <= mark)
        && window
            .filter
            .iter()
            .all(|(name, values)| event.properties.get(name).is_some_and(|v| values.contains(v)));
    if !belongs {
        return None;
    }
    window.stretches.iter().position(|stretch| stretch.iter().any(|i| i.contains(event.time_us)))
}

fn is_removal(stored: &StoredEvent) -> bool {
    stored.event.corrects.is_some() && stored.event.quantity == 0
}

/// Which events are corrected, and by which import: (source, id) → newest import that names it.
struct Corrections<'a>(BTreeMap<(&'a str, &'a str), i64>);

impl<'a> Corrections<'a> {
    fn up_to(mark: Option<i64>, events: &[&'a StoredEvent]) -> Self {
        let mut named = BTreeMap::new();
        for stored in events.iter().filter(|e| mark.is_none_or(|mark| e.import <= mark)) {
            let Some(corrected) = stored.event.corrects.as_deref().filter(|id| *id != stored.event.id) else {
                continue;
            };
            let import = named.entry((stored.event.source.as_str(), corrected)).or_insert(stored.import);
            *import = stored.import.max(*import);
        }
        Self(named)
    }

    /// Import of the correction that replaces the event; a correction is never older than what it corrects.
    fn of(&self, stored: &StoredEvent) -> Option<i64> {
        let import = self.0.get(&(stored.event.source.as_str(), stored.event.id.as_str())).copied();
        import.filter(|import| *import >= stored.import)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Aggregation;
    use crate::decimal::ONE_AT_SCALE_9;
    use crate::exact::Exact;
    use crate::ids::{ChargeReference, SubscriptionId};
    use crate::measure::WindowKey;
    use crate::usage::Event;
    use proptest::prelude::*;

    fn window(aggregation: Aggregation) -> Window {
        Window {
            key: WindowKey { charge: ChargeReference::of("api"), start: "2026-03-01".parse().unwrap() },
            subscription: SubscriptionId::of("SUB-0001"),
            meter: "api_calls".into(),
            stretches: vec![
                vec![Instants { from_us: 100, to_us: 200 }],
                vec![Instants { from_us: 200, to_us: 300 }],
            ],
            aggregation,
            sum_average_factor: None,
            unique_property: None,
            percentile: None,
            group_by: None,
            filter: BTreeMap::new(),
            wants_events: false,
            up_to_import: None,
        }
    }

    fn event(id: &str, time_us: i64, units: i128) -> StoredEvent {
        StoredEvent {
            subscription: SubscriptionId::of("SUB-0001"),
            charge: None,
            import: 1,
            event: Event {
                source: "file".into(),
                id: id.into(),
                subject: "SUB-0001".into(),
                meter: "api_calls".into(),
                quantity: units * ONE_AT_SCALE_9,
                time_us,
                properties: BTreeMap::new(),
                corrects: None,
            },
        }
    }

    fn correction(id: &str, of: &str, import: i64, units: i128) -> StoredEvent {
        let mut stored = event(id, 150, units);
        stored.import = import;
        stored.event.corrects = Some(of.into());
        stored
    }

    fn folded(window: &Window, events: &[StoredEvent]) -> MeasuredWindow {
        fold(window, &events.iter().collect::<Vec<_>>())
    }

    /// Quantities by group (empty = none) and stretch.
    fn quantities(measured: &MeasuredWindow) -> Vec<(String, Vec<String>)> {
        let text = |m: &Measure| m.quantity.to_decimal(9).to_string();
        measured
            .groups
            .iter()
            .map(|g| (g.group.clone().unwrap_or_default(), g.stretches.iter().map(text).collect()))
            .collect()
    }

    fn one(stretches: &[&str]) -> Vec<(String, Vec<String>)> {
        vec![(String::new(), stretches.iter().map(|s| (*s).to_owned()).collect())]
    }

    #[test]
    fn each_stretch_is_half_open_and_measured_apart() {
        let events = [
            event("a", 99, 1),
            event("b", 100, 2),
            event("c", 199, 4),
            event("d", 200, 8),
            event("e", 300, 16),
        ];
        assert_eq!(quantities(&folded(&window(Aggregation::Sum), &events)), one(&["6", "8"]));
    }

    #[test]
    fn other_subscriptions_meters_and_charges_do_not_count() {
        let mut events = vec![event("mine", 150, 1), event("named", 150, 2)];
        events[1].charge = Some(ChargeReference::of("api"));
        for (n, spoil) in [
            |e: &mut StoredEvent| e.subscription = SubscriptionId::of("SUB-0002"),
            |e: &mut StoredEvent| e.event.meter = "storage".into(),
            |e: &mut StoredEvent| e.charge = Some(ChargeReference::of("other")),
            |e: &mut StoredEvent| e.import = 8,
        ]
        .iter()
        .enumerate()
        {
            let mut other = event(&format!("other-{n}"), 150, 100);
            spoil(&mut other);
            events.push(other);
        }
        let marked = Window { up_to_import: Some(7), ..window(Aggregation::Sum) };
        assert_eq!(quantities(&folded(&marked, &events)), one(&["3", "0"]));
    }

    #[test]
    fn a_correction_replaces_wholly_and_chain_wise() {
        let chain = [
            event("a", 150, 10),
            correction("a2", "a", 2, 20),
            correction("a3", "a2", 3, 30),
            event("b", 150, 1),
        ];
        let at_mark = |mark| Window { up_to_import: Some(mark), ..window(Aggregation::Sum) };
        for (mark, expected) in [(1, "11"), (2, "21"), (3, "31")] {
            let measured = folded(&at_mark(mark), &chain);
            assert_eq!(quantities(&measured), one(&[expected, "0"]), "at mark {mark}");
            assert_eq!(measured.newest_import, mark);
        }
    }

    #[test]
    fn a_correction_to_zero_removes_and_makes_the_period_late() {
        let events = [event("a", 150, 10), correction("a2", "a", 5, 0)];
        let measured = folded(&window(Aggregation::Count), &events);
        assert_eq!((measured.groups.len(), measured.newest_import), (0, 5));
    }

    #[test]
    fn a_correction_that_moves_the_event_out_is_seen() {
        let mut moved = correction("a2", "a", 5, 10);
        moved.event.time_us = 900;
        let measured = folded(&window(Aggregation::Sum), &[event("a", 150, 10), moved]);
        assert_eq!((measured.groups.len(), measured.newest_import), (0, 5));
    }

    #[test]
    fn the_same_id_of_another_source_is_another_event() {
        let mut other = correction("x", "a", 2, 7);
        other.event.source = "other".into();
        assert_eq!(
            quantities(&folded(&window(Aggregation::Sum), &[event("a", 150, 10), other])),
            one(&["17", "0"])
        );
    }

    #[test]
    fn groups_are_ascending_with_the_absent_property_first() {
        let of = |id: &str, time, units, colour: Option<&str>| {
            let mut stored = event(id, time, units);
            if let Some(colour) = colour {
                stored.event.properties.insert("colour".into(), colour.into());
            }
            stored
        };
        let events = [of("1", 150, 1, Some("red")), of("2", 250, 2, None), of("3", 150, 4, Some("blue"))];
        let grouped = Window { group_by: Some("colour".into()), ..window(Aggregation::Sum) };
        let expected = [("", ["0", "2"]), ("blue", ["4", "0"]), ("red", ["1", "0"])];
        let expected: Vec<_> =
            expected.iter().map(|(g, q)| ((*g).to_owned(), q.map(str::to_owned).to_vec())).collect();
        assert_eq!(quantities(&folded(&grouped, &events)), expected);

        let filter = BTreeMap::from([("colour".to_owned(), vec!["red".to_owned(), "green".to_owned()])]);
        let filtered = Window { filter, ..window(Aggregation::Sum) };
        assert_eq!(quantities(&folded(&filtered, &events)), one(&["1", "0"]));
    }

    #[test]
    fn ties_on_time_are_ordered_by_source_then_id() {
        let mut first = event("z", 150, 1);
        first.event.source = "a".into();
        let events = [event("b", 150, 3), event("a", 150, 2), first];
        let wanting = Window { wants_events: true, ..window(Aggregation::Last) };
        let measured = folded(&wanting, &events);
        assert_eq!(quantities(&measured), one(&["3", "0"]));
        let each: Vec<String> =
            measured.groups[0].stretches[0].each.iter().map(ToString::to_string).collect();
        assert_eq!(each, ["1", "2", "3"]);
    }

    proptest! {
        /// The order in which events are read changes nothing.
        #[test]
        fn the_order_of_reading_does_not_matter(
            list in proptest::collection::vec((90_i64..310, -50_i128..50, 0_usize..4), 0..20),
            seed in any::<u64>(),
        ) {
            let events: Vec<StoredEvent> = list
                .iter()
                .enumerate()
                .map(|(n, &(time, units, corrects))| {
                    let mut stored = event(&format!("e{n}"), time, units);
                    stored.import = i64::try_from(n).unwrap();
                    stored.event.corrects = (corrects == 0 && n > 0).then(|| format!("e{}", n / 2));
                    stored
                })
                .collect();
            let mut shuffled: Vec<&StoredEvent> = events.iter().collect();
            shuffled.sort_by_key(|e| (e.event.time_us.unsigned_abs().wrapping_mul(seed | 1), e.import));
            for kind in [Aggregation::Sum, Aggregation::Last, Aggregation::Range, Aggregation::WeightedSum] {
                prop_assert_eq!(folded(&window(kind), &events), fold(&window(kind), &shuffled));
            }
            let sum: Exact = folded(&window(Aggregation::Sum), &events)
                .groups.iter().flat_map(|g| &g.stretches).fold(Exact::ZERO, |acc, m| acc.plus(m.quantity));
            let corrected = |n: usize| list.iter().enumerate().any(|(m, e)| e.2 == 0 && m > 0 && m / 2 == n && m != n);
            let expected: i128 = list
                .iter()
                .enumerate()
                .filter(|(n, e)| (100..300).contains(&e.0) && !corrected(*n))
                .map(|(_, e)| e.1)
                .sum();
            prop_assert_eq!(sum, Exact::int(expected));
        }
    }
}
