//! How fast it is, on demand: `cargo test --release -p metering speed -- --ignored --nocapture`.
//! `TALLYBOOK_SPEED_EVENTS` sets the number of events (default 1,000,000).

use super::*;
use domain::billing::{ClassRange, UsageClass};
use domain::catalogue::Aggregation;
use domain::ids::{ChargeReference, SubscriptionId};
use domain::measure::{Instants, Window, WindowKey};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;
use uuid::Uuid;

const CUSTOMERS: u64 = 10_000;
const METERS: [&str; 2] = ["api_calls", "storage_gb"];
/// 2026-01-01T00:00:00Z and the first of March.
const START_US: i64 = 1_767_225_600_000_000;
const END_US: i64 = 1_772_323_200_000_000;

fn write_usage(path: &Path, events: u64, offset: u64) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    writeln!(file, "id,subject,meter,quantity,time,properties.region").unwrap();
    for n in offset..offset + events {
        let mixed = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let customer = (mixed >> 32) % CUSTOMERS + 1;
        let span = u64::try_from(END_US - START_US).unwrap();
        let time_us = START_US + i64::try_from(mixed % span).unwrap();
        let at = chrono::DateTime::from_timestamp_micros(time_us).unwrap();
        let region = ["eu", "us", "", "asia"][usize::try_from(mixed >> 62).unwrap()];
        let meter = METERS[usize::try_from(mixed >> 20 & 1).unwrap()];
        let time = at.format("%Y-%m-%dT%H:%M:%SZ");
        writeln!(
            file,
            "evt-{n:012},SUB-{customer:06},{meter},{}.{},{time},{region}",
            mixed % 1000,
            mixed % 100
        )
        .unwrap();
    }
}

fn number(customer: u64, meter: usize) -> u32 {
    u32::try_from(customer * 2).unwrap() + u32::try_from(meter).unwrap()
}

fn name(customer: u64) -> String {
    format!("SUB-{customer:06}")
}

fn charge(customer: u64, meter: usize) -> ChargeReference {
    ChargeReference::of(&format!("{customer} {meter}"))
}

fn book() -> (Subjects, Numbers, Vec<Window>, Vec<ClassRange>) {
    let (mut subjects, mut numbers) = (Subjects::new(), Numbers::default());
    let (mut windows, mut classes) = (Vec::new(), Vec::new());
    let middle = START_US + 31 * 86_400_000_000;
    for customer in 1..=CUSTOMERS {
        let subscription = SubscriptionId::of(&name(customer));
        let no = u32::try_from(customer).unwrap();
        subjects.add_subscription(no, &name(customer), &format!("CU-{customer}"));
        numbers.subscriptions.insert(subscription, no);
        for (meter, text) in METERS.iter().enumerate() {
            subjects.add_charge(charge(customer, meter), no, number(customer, meter), text);
            numbers.charges.insert(charge(customer, meter), number(customer, meter));
            for (month, range) in [(START_US, middle), (middle, END_US)].into_iter().enumerate() {
                let range = Instants { from_us: range.0, to_us: range.1 };
                windows.push(Window {
                    key: WindowKey {
                        charge: charge(customer, meter),
                        start: chrono::NaiveDate::from_ymd_opt(2026, u32::try_from(month).unwrap() + 1, 1)
                            .unwrap(),
                    },
                    subscription,
                    meter: (*text).to_owned(),
                    stretches: vec![vec![range]],
                    aggregation: [Aggregation::Sum, Aggregation::Highest][meter],
                    sum_average_factor: None,
                    unique_property: None,
                    percentile: None,
                    group_by: None,
                    filter: BTreeMap::new(),
                    wants_events: false,
                    up_to_import: Some(9),
                });
                classes.push(ClassRange {
                    subscription,
                    meter: (*text).to_owned(),
                    range,
                    class: UsageClass::Rated,
                });
            }
        }
    }
    (subjects, numbers, windows, classes)
}

#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stderr, reason = "a measurement is for the eye")]
fn speed_of_intake_and_measuring() {
    let events: u64 =
        std::env::var("TALLYBOOK_SPEED_EVENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    let out =
        OutDirs { segments: at("segments"), keys: at("keys"), rejects: at("rejects"), temp: at("temp") };
    let (subjects, numbers, windows, classes) = book();
    let mut history: Vec<PathBuf> = Vec::new();
    let mut segments = Vec::new();
    for import in 0..3_u64 {
        let path = at("usage.csv");
        // The third file is the second once more.
        write_usage(&path, events, import.min(1) * events);
        let start = Instant::now();
        let input = open(&path).unwrap();
        let context = IntakeContext {
            zone: chrono_tz::Europe::Copenhagen,
            source: None,
            subjects: &subjects,
            history: &history,
            seed: 7,
            out: &out,
            import: Uuid::from_u128(import.into()),
            dry_run: false,
            threads: 2,
            progress: &|_| {},
        };
        let staged = intake(&input, &context).unwrap();
        let bytes: u64 = staged.segments.iter().map(|file| file.bytes).sum();
        eprintln!(
            "import {import}: {:?}, {} MB in, read {} accepted {} duplicate {}, segments {} MB",
            start.elapsed(),
            input.bytes() >> 20,
            staged.read,
            staged.accepted,
            staged.duplicate,
            bytes >> 20
        );
        history.extend(staged.key_runs.iter().map(|run| run.path.clone()));
        segments
            .extend(staged.segments.iter().map(|file| file.committed(i64::try_from(import).unwrap() + 1)));
        let start = Instant::now();
        let request = MeasureRequest {
            segments: &segments,
            windows: &windows,
            classes: &classes,
            up_to_import: Some(9),
            numbers: &numbers,
            threads: 2,
        };
        let measured = measure(&request).unwrap();
        let counted: u64 =
            measured.measured.values().flat_map(|w| &w.groups).map(|g| g.stretches[0].events).sum();
        eprintln!("measured {} windows of {counted} events: {:?}", windows.len(), start.elapsed());
        assert_eq!((counted, measured.counts.rated), (events * (import + 1).min(2), counted));
    }
}
