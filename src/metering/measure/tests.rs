//! polars and the definition agree: [`measure`] equals [`domain::measure::fold`] on random events and windows.

use super::*;
use crate::bundle;
use crate::segment::{SegmentRow, write_segment};
use domain::billing::UsageClass;
use domain::catalogue::Aggregation;
use domain::decimal::ONE_AT_SCALE_9;
use domain::measure::{Instants, StoredEvent, WindowKey, fold};
use domain::usage::{Event, Properties, properties_text};
use proptest::prelude::*;
use std::path::Path;

const METERS: [&str; 3] = ["api_calls", "storage_gb", "seats"];
const SUBSCRIPTIONS: [&str; 3] = ["SUB-1", "SUB-2", "SUB-3"];
const CHARGES: [&str; 3] = ["api", "gb", "extra"];
const AGGREGATIONS: [Aggregation; 12] = [
    Aggregation::None,
    Aggregation::Average,
    Aggregation::Sum,
    Aggregation::Lowest,
    Aggregation::Highest,
    Aggregation::Last,
    Aggregation::Range,
    Aggregation::SumAverage,
    Aggregation::Count,
    Aggregation::UniqueCount,
    Aggregation::WeightedSum,
    Aggregation::Percentile,
];

fn numbers() -> Numbers {
    Numbers {
        subscriptions: SUBSCRIPTIONS.iter().zip(1..).map(|(name, n)| (SubscriptionId::of(name), n)).collect(),
        charges: CHARGES.iter().zip(1..).map(|(name, n)| (ChargeReference::of(name), n)).collect(),
    }
}

/// One segment per import.
fn segments(folder: &Path, events: &[StoredEvent]) -> Vec<SegmentRef> {
    let numbers = numbers();
    let mut imports: Vec<i64> = events.iter().map(|event| event.import).collect();
    imports.sort_unstable();
    imports.dedup();
    let mut list = Vec::new();
    for import in imports {
        let mut own: Vec<(&StoredEvent, String)> = events
            .iter()
            .filter(|event| event.import == import)
            .map(|event| (event, properties_text(&event.event.properties)))
            .collect();
        own.sort_by_key(|(e, _)| {
            let event = &e.event;
            (numbers.subscriptions[&e.subscription], &event.meter, event.time_us, &event.source, &event.id)
        });
        let rows: Vec<SegmentRow<'_>> = own
            .iter()
            .map(|(stored, properties)| SegmentRow {
                subscription: numbers.subscriptions[&stored.subscription],
                charge: stored.charge.map_or(0, |charge| numbers.charges[&charge]),
                meter: &stored.event.meter,
                time_us: stored.event.time_us,
                quantity: stored.event.quantity,
                source: &stored.event.source,
                id: &stored.event.id,
                properties,
                corrects: stored.event.corrects.as_deref().unwrap_or_default(),
                line: 1,
            })
            .collect();
        let name = format!("{import}.parquet");
        list.push(write_segment(folder, folder, &name, rows).unwrap().committed(import));
    }
    list
}

fn request<'a>(
    segments: &'a [SegmentRef],
    windows: &'a [Window],
    numbers: &'a Numbers,
) -> MeasureRequest<'a> {
    MeasureRequest { segments, windows, classes: &[], up_to_import: None, numbers, threads: 2 }
}

fn event(n: usize, subscription: &str, time_us: i64, units: i128, import: i64) -> StoredEvent {
    StoredEvent {
        subscription: SubscriptionId::of(subscription),
        charge: None,
        import,
        event: Event {
            source: "file".into(),
            id: format!("e{n}"),
            subject: subscription.into(),
            meter: METERS[0].into(),
            quantity: units * ONE_AT_SCALE_9,
            time_us,
            properties: Properties::new(),
            corrects: None,
        },
    }
}

prop_compose! {
    fn any_event()(
        place in (0_usize..3, 0_usize..3, 0_usize..8),
        time_us in 0_i64..400,
        quantity in prop_oneof![Just(0_i128), -1_000_000_000_000..1_000_000_000_000_i128, Just(999_999_999_999_999_999_999)],
        import in 1_i64..4,
        source in 0_usize..2,
        properties in (0_usize..4, 0_usize..3),
        corrects in 0_usize..20,
    ) -> (StoredEvent, usize) {
        let mut stored = event(0, SUBSCRIPTIONS[place.0], time_us, 0, import);
        stored.charge = CHARGES.get(place.2).map(|charge| ChargeReference::of(charge));
        stored.event.meter = METERS[place.1].into();
        stored.event.quantity = quantity;
        stored.event.source = ["file", "other"][source].into();
        if properties.0 > 0 {
            stored.event.properties.insert("region".into(), ["", "eu", "us", "æ\"ø"][properties.0].into());
        }
        if properties.1 > 0 {
            stored.event.properties.insert("user".into(), properties.1.to_string());
        }
        (stored, corrects)
    }
}

prop_compose! {
    fn any_events()(list in proptest::collection::vec(any_event(), 0..60)) -> Vec<StoredEvent> {
        let mut events: Vec<StoredEvent> = Vec::new();
        for (n, (mut stored, corrects)) in list.into_iter().enumerate() {
            stored.event.id = format!("e{n}");
            // One in four corrects one of the events before it, of any source.
            if corrects < 5 && n > 0 {
                stored.event.corrects = Some(format!("e{}", (n * 7 + corrects) % n));
            }
            events.push(stored);
        }
        events
    }
}

prop_compose! {
    fn any_window()(
        place in (0_usize..3, 0_usize..3, 0_usize..3),
        cuts in proptest::collection::vec(0_i64..400, 2..8),
        stretches in 1_usize..3,
        kind in 0_usize..12,
        options in (0_usize..3, 0_usize..3, 0_usize..4, any::<bool>(), 0_i64..5),
    ) -> Window {
        let mut cuts = cuts;
        cuts.sort_unstable();
        let parts: Vec<Instants> =
            cuts.chunks_exact(2).map(|pair| Instants { from_us: pair[0], to_us: pair[1] }).collect();
        let stretches = parts.chunks(parts.len().div_ceil(stretches)).map(<[Instants]>::to_vec).collect();
        let filter = match options.2 {
            1 => BTreeMap::from([("region".to_owned(), vec!["eu".to_owned(), "æ\"ø".to_owned()])]),
            _ => BTreeMap::new(),
        };
        Window {
            key: WindowKey { charge: ChargeReference::of(CHARGES[place.2]), start: "2026-03-01".parse().unwrap() },
            subscription: SubscriptionId::of(SUBSCRIPTIONS[place.0]),
            meter: METERS[place.1].into(),
            stretches,
            aggregation: AGGREGATIONS[kind],
            sum_average_factor: (options.0 == 1).then(|| domain::Decimal::from(3)),
            unique_property: (options.0 != 2).then(|| "user".to_owned()),
            percentile: (options.0 == 2).then(|| domain::Decimal::from(40)),
            group_by: (options.1 == 1).then(|| "region".to_owned()),
            filter,
            wants_events: options.3,
            up_to_import: (options.4 < 3).then_some(options.4),
        }
    }
}

/// Windows need keys of their own.
fn keyed(mut windows: Vec<Window>) -> Vec<Window> {
    for (n, window) in windows.iter_mut().enumerate() {
        window.key.start += chrono::TimeDelta::days(i64::try_from(n).unwrap());
    }
    windows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn measures_what_the_definition_measures(
        events in any_events(),
        windows in proptest::collection::vec(any_window(), 1..8),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (numbers, windows) = (numbers(), keyed(windows));
        let segments = segments(folder.path(), &events);
        let found = measure(&request(&segments, &windows, &numbers)).unwrap();
        let all: Vec<&StoredEvent> = events.iter().collect();
        prop_assert_eq!(found.measured.len(), windows.len());
        for window in &windows {
            prop_assert_eq!(&found.measured[&window.key], &fold(window, &all), "{:?}", window);
        }
        if !segments.is_empty() {
            let bundled = bundle(&segments, folder.path(), folder.path(), "bundle").unwrap().parts;
            let again = measure(&request(&bundled, &windows, &numbers)).unwrap();
            prop_assert_eq!(again.measured, found.measured);
            prop_assert_eq!(late_hints(&bundled, 1).unwrap(), late_hints(&segments, 1).unwrap());
        }
    }

    #[test]
    fn finds_the_events_that_make_a_window(events in any_events(), window in any_window()) {
        let folder = tempfile::tempdir().unwrap();
        let numbers = numbers();
        let segments = segments(folder.path(), &events);
        let found = find_events(&segments, &window, &numbers).unwrap();
        let counting: Vec<&FoundEvent> = found.iter().filter(|event| event.standing == EventStatus::Counts).collect();
        let expected = fold(&window, &events.iter().collect::<Vec<_>>());
        let events: u64 = expected.groups.iter().flat_map(|g| &g.stretches).map(|m| m.events).sum();
        prop_assert_eq!(counting.len() as u64, events);
    }
}

#[test]
fn each_event_is_counted_once_in_the_first_class_that_fits() {
    let folder = tempfile::tempdir().unwrap();
    let mut events: Vec<StoredEvent> =
        (0..40).map(|n| event(n, "SUB-1", i64::try_from(n).unwrap() * 10, 1, 1)).collect();
    events.push(event(100, "SUB-2", 5, 1, 1));
    let mut correction = event(101, "SUB-1", 15, 1, 2);
    correction.event.corrects = Some("e3".into());
    events.push(correction);
    events.push(event(102, "SUB-1", 15, 1, 3));
    let segments = segments(folder.path(), &events);
    let class = |from_us, to_us, class| ClassRange {
        subscription: SubscriptionId::of("SUB-1"),
        meter: METERS[0].into(),
        range: Instants { from_us, to_us },
        class,
    };
    let classes = [
        class(100, 200, UsageClass::Trial),
        class(0, 150, UsageClass::Rated),
        class(200, 250, UsageClass::Open),
        class(250, 300, UsageClass::OnHold),
    ];
    let numbers = numbers();
    let request =
        MeasureRequest { classes: &classes, up_to_import: Some(2), ..request(&segments, &[], &numbers) };
    let counts = measure(&request).unwrap().counts;
    // 0..150 holds 15 events and the correction, of which one is superseded; the third import is beyond the mark.
    assert_eq!((counts.rated, counts.superseded, counts.open), (15, 1, 5));
    let unrated: Vec<(&str, u64)> = counts.unrated.iter().map(|(reason, n)| (reason.as_str(), *n)).collect();
    assert_eq!(unrated, [("on_hold", 5), ("trial", 5)]);
}

#[test]
fn late_hints_name_what_newer_imports_touch() {
    let folder = tempfile::tempdir().unwrap();
    let mut events = vec![event(1, "SUB-1", 100, 1, 1), event(2, "SUB-2", 50, 1, 1)];
    events.push(event(3, "SUB-1", 300, 1, 2));
    let mut correction = event(4, "SUB-1", 310, 0, 2);
    correction.event.corrects = Some("e2".into());
    events.push(correction);
    let segments = segments(folder.path(), &events);
    let hints: Vec<(u32, i64, i64)> = late_hints(&segments, 1)
        .unwrap()
        .into_iter()
        .map(|hint| (hint.subscription_no, hint.min_time_us, hint.max_time_us))
        .collect();
    assert_eq!(hints, [(1, 300, 310), (2, 50, 50)]);
    assert!(late_hints(&segments, 2).unwrap().is_empty());
}

#[test]
fn a_segment_that_is_not_what_the_catalogue_says_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let windows = keyed(vec![Window {
        key: WindowKey { charge: ChargeReference::of("api"), start: "2026-03-01".parse().unwrap() },
        subscription: SubscriptionId::of("SUB-1"),
        meter: METERS[0].into(),
        stretches: vec![vec![Instants { from_us: 0, to_us: 10 }]],
        aggregation: Aggregation::Sum,
        sum_average_factor: None,
        unique_property: None,
        percentile: None,
        group_by: None,
        filter: BTreeMap::new(),
        wants_events: false,
        up_to_import: None,
    }]);
    let numbers = numbers();
    let mut segments = segments(folder.path(), &[event(1, "SUB-1", 1, 1, 1)]);
    segments[0].bounds.rows = 2;
    assert!(measure(&request(&segments, &windows, &numbers)).is_err());
    std::fs::remove_file(&segments[0].path).unwrap();
    assert!(measure(&request(&segments, &windows, &numbers)).is_err());
}
