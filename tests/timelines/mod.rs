//! Timelines: random operators' days over months, with a fault at every door. A timeline is decided by its number: faults
//! stand at counted effects, reads, writes and bytes. `TIMELINE=17 cargo test --test tests -- timelines::one --nocapture`
//! plays one again and prints its days. A campaign (and `TIMELINE_BY_CLOCK=1`) lets faults come by the clock, too: as in
//! life, and so every play meets them elsewhere.
//!
//! Two oracles. The pure `simulate` is played the same days (`oracle`): it has no database, no files and no faults, so
//! whatever a fault has changed shows as a difference. And the books are held against what went out of the house: charges
//! at the provider, mails, documents (`checks`).

mod acts;
mod books;
mod checks;
mod damage;
mod days;
pub mod dice;
pub mod disk;
mod doors;
mod oracle;
mod processes;
mod proxy;
mod tally;
mod workers;
mod world;

use chrono::NaiveDate;
use doors::Faults;
use std::time::{Duration, Instant};
use tally::Tally;
use world::{Site, World};

/// Days of one timeline.
const DAYS: u64 = 30;

/// Plays a timeline to its end.
fn play(seed: u64, faults: Faults, aloud: bool) -> Tally {
    let start = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
    let mut world = World::new(seed, site(seed), faults, start, aloud);
    days::first(&mut world);
    for _ in 0..DAYS {
        days::next(&mut world);
    }
    checks::at_the_end(&world);
    world.tally.clone()
}

/// Where a timeline's books are: half of them on SQLite alone.
fn site(seed: u64) -> Site {
    match seed % 4 {
        2 => Site::Bucket,
        3 => Site::Postgres,
        _ => Site::Sqlite,
    }
}

/// Timelines that every run of the tests plays, 30 days each. From [`acts::WITH_ALL_VERBS`] on they know every verb.
const ALWAYS: [u64; 11] = [1, 8, 1000, 1001, 1004, 3, 1003, 1007, 2, 1002, 1010];

/// Timelines that failed once, and what they have found; a campaign begins with them.
const FOUND: [(u64, &str); 19] = [
    (20, "a bit of an export's manifest was another, and `verify` did not tell it"),
    (
        4,
        "ours: one daily dunning run of a night was two of `simulate`, and not in the order of the night; a reversal of what is credited",
    ),
    (5, "ours: a reversal that sets its only invoice aside is no refusal"),
    (12, "ours: a segment that upkeep has bundled lies there, and nobody names it"),
    (15, "ours: what an attempt that was cut off leaves of refused records does not count"),
    (16, "ours: as 5"),
    (19, "ours: as 4"),
    (1, "ours: a review that was done by the try that died is refused the second time"),
    (25, "ours: on a day without a step `simulate` did not know what is overdue"),
    (1000, "ours: the key of a request is held for a minute by a server that died"),
    (1001, "ours: an event that was there already is 200"),
    (1002, "a run on a SQLite disk that stayed full never ended: its queue could not be written to"),
    (1005, "ours: months are closed in the order of the books"),
    (1006, "ours: what came over HTTP is another event than the same of a file"),
    (1007, "ours: as 1005"),
    (1008, "ours: a worker brings in what came over HTTP"),
    (1013, "ours: a run whose mails wait is shown with 3"),
    (1016, "ours: as 1013"),
    (3, "ours: a home that was asked twice to run may count one more, of nothing, than `simulate`"),
];

/// Those of a site; says what they lived through.
fn play_all(at: Site) {
    let mut tally = Tally::default();
    for seed in ALWAYS.into_iter().filter(|seed| site(*seed) == at) {
        tally.add(&play(seed, Faults::Counted, false));
    }
    println!("{tally}");
}

#[test]
#[ignore = "green once each; to be seen so many times on a busy machine first: scripts/timeline-campaign"]
fn days_of_operators_on_sqlite() {
    play_all(Site::Sqlite);
}

#[test]
#[ignore = "green once each; to be seen so many times on a busy machine first: scripts/timeline-campaign"]
fn days_of_operators_on_postgresql() {
    play_all(Site::Postgres);
}

#[test]
#[ignore = "green once each; to be seen so many times on a busy machine first: scripts/timeline-campaign"]
fn days_of_operators_with_a_bucket() {
    play_all(Site::Bucket);
}

/// Plays the one that `TIMELINE` names, and prints its days.
#[test]
fn one() {
    if let Some(seed) = std::env::var("TIMELINE").ok().and_then(|seed| seed.parse().ok()) {
        let by_clock = std::env::var("TIMELINE_BY_CLOCK").is_ok_and(|set| set != "0");
        eprintln!("{}", play(seed, if by_clock { Faults::Timed } else { Faults::Counted }, true));
    }
}

/// `scripts/timeline-campaign`: as many as there are until `TIMELINE_MINUTES` have passed, from the number
/// `TIMELINE_FROM` on, every `TIMELINE_STEP`th of them, with faults by the clock unless `TIMELINE_BY_CLOCK=0`.
#[test]
#[ignore = "takes a night: scripts/timeline-campaign"]
fn campaign() {
    let number = |name: &str, or: u64| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(or);
    let minutes = Duration::from_secs(60 * number("TIMELINE_MINUTES", 1));
    let (mut seed, step) = (number("TIMELINE_FROM", 1000), number("TIMELINE_STEP", 1));
    let faults = if number("TIMELINE_BY_CLOCK", 1) == 0 { Faults::Counted } else { Faults::Timed };
    let (mut tally, mut failed, since) = (Tally::default(), Vec::new(), Instant::now());
    let of_this_lane = |at: &usize| *at as u64 % step == seed % step;
    let found = (0..FOUND.len()).filter(of_this_lane).map(|at| FOUND[at].0).collect::<Vec<u64>>();
    let mut next = found.into_iter();
    while since.elapsed() < minutes {
        let playing = next.next().unwrap_or_else(|| {
            seed += step;
            seed - step
        });
        match std::panic::catch_unwind(|| play(playing, faults, false)) {
            Ok(lived) => tally.add(&lived),
            Err(_) => failed.push(playing),
        }
    }
    println!("{tally}\nseeds that failed: {failed:?}");
    assert_eq!(failed, Vec::<u64>::new());
}
