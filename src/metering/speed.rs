//! How fast measuring is, on demand, for `benches/ingest`: `cargo test --release -p metering speed -- --ignored --nocapture`.
//! `TALLYBOOK_SPEED_EVENTS` and `TALLYBOOK_SPEED_CUSTOMERS` set the numbers of events and customers (default 1,000,000 and
//! 10,000); segments are left in the folder `TALLYBOOK_SPEED_HOME`, if it is given.

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

const METERS: [&str; 2] = ["api_calls", "storage_gb"];
const MEASUREMENTS: u32 = 5;
/// 2026-01-01T00:00:00Z and the first of March.
const START_US: i64 = 1_767_225_600_000_000;
const END_US: i64 = 1_772_323_200_000_000;

fn write_usage(path: &Path, events: u64, customers: u64) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    writeln!(file, "id,subject,meter,quantity,time,properties.region").unwrap();
    for n in 0..events {
        let mixed = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let customer = (mixed >> 32) % customers + 1;
        let span = u64::try_from(END_US - START_US).unwrap();
        let time_us = START_US + i64::try_from(mixed % span).unwrap();
        let at = chrono::DateTime::from_timestamp_micros(time_us).unwrap();
        let region = ["eu", "us", "", "asia"][usize::try_from(mixed >> 62).unwrap()];
        let meter = METERS[usize::try_from(mixed >> 20 & 1).unwrap()];
        let time = at.format("%Y-%m-%dT%H:%M:%SZ");
        writeln!(
            file,
            "evt-{n:012},SUB-{customer:05},{meter},{}.{},{time},{region}",
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
    format!("SUB-{customer:05}")
}

fn charge(customer: u64, meter: usize) -> ChargeReference {
    ChargeReference::of(&format!("{customer} {meter}"))
}

fn book(customers: u64) -> (Subjects, Numbers, Vec<Window>, Vec<ClassRange>) {
    let (mut subjects, mut numbers) = (Subjects::new(), Numbers::default());
    let (mut windows, mut classes) = (Vec::new(), Vec::new());
    let middle = START_US + 31 * 86_400_000_000;
    for customer in 1..=customers {
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

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// CPU seconds of this process so far, and the most megabytes that it has held.
fn used() -> (f64, u64) {
    const TICKS_PER_SECOND: f64 = 100.0;
    let of_process = |file: &str| std::fs::read_to_string(Path::new("/proc/self").join(file)).unwrap();
    let times = of_process("stat");
    let ticks: f64 = times.rsplit(')').next().unwrap().split(' ').skip(12).take(2).map(ticks_of).sum();
    let status = of_process("status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    (ticks / TICKS_PER_SECOND, peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10)
}

fn ticks_of(text: &str) -> f64 {
    text.parse().unwrap()
}

#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stderr, reason = "a measurement is for the eye")]
fn speed_of_measuring() {
    let events = setting("TALLYBOOK_SPEED_EVENTS", 1_000_000);
    let customers = setting("TALLYBOOK_SPEED_CUSTOMERS", 10_000);
    let temporary = tempfile::tempdir().unwrap();
    let home = std::env::var_os("TALLYBOOK_SPEED_HOME").map_or(temporary.path().to_owned(), PathBuf::from);
    let at = |name: &str| home.join(name);
    let out =
        OutDirs { segments: at("segments"), keys: at("keys"), rejects: at("rejects"), temp: at("temp") };
    let (subjects, numbers, windows, classes) = book(customers);
    let path = temporary.path().join("usage.csv");
    write_usage(&path, events, customers);
    let context = IntakeContext {
        zone: chrono_tz::Europe::Copenhagen,
        source: None,
        subjects: &subjects,
        history: &[],
        seed: 7,
        out: &out,
        import: Uuid::from_u128(1),
        rejects: "usage.csv.rejects.csv",
        dry_run: false,
        threads: 2,
        progress: &|_| {},
    };
    let staged = intake(&open(&path).unwrap(), &context).unwrap();
    let segments: Vec<SegmentRef> = staged.segments.iter().map(|file| file.committed(1)).collect();
    let request = MeasureRequest {
        segments: &segments,
        windows: &windows,
        classes: &classes,
        up_to_import: Some(9),
        numbers: &numbers,
        threads: 2,
    };
    for _ in 0..MEASUREMENTS {
        // As a run does: what was found sound before is looked at again.
        look_anew();
        let (start, (before, _)) = (Instant::now(), used());
        let measured = measure(&request).unwrap();
        let (after, peak) = used();
        eprintln!("measured: {:.3} {:.3} {peak}", start.elapsed().as_secs_f64(), after - before);
        let counted: u64 =
            measured.measured.values().flat_map(|w| &w.groups).map(|g| g.stretches[0].events).sum();
        assert_eq!((counted, measured.counts.rated), (events, counted));
    }
}
