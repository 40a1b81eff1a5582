//! What small fixed work costs, in instructions and allocations, against the figures of `benches/costs.csv`: a slower machine
//! or a busy one changes neither, so a step that has become dearer shows, and a timed test is not needed.
//!
//! Valgrind's DHAT counts both. `TALLYBOOK_COSTS=compare ./scripts/test costs` compares, as the figures are those of an optimised
//! build; `TALLYBOOK_COSTS=write` makes them anew, after a change that is meant to cost more or less. It is asked for by name
//! until it is known how much the figures differ from machine to machine.

use crate::support::{Home, files_below};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// How far a figure may be above the stored one. Threads take turns differently from run to run, and names of random
/// files differ: some hundredths. A cause that grows with the square shows in tenths.
const MARGIN: f64 = 0.15;
/// Where the figures are kept.
const FIGURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/costs.csv");

/// What a command cost.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cost {
    instructions: u64,
    allocations: u64,
}

#[test]
fn work_costs_what_it_did() {
    let Ok(mode) = std::env::var("TALLYBOOK_COSTS") else {
        println!("not compared: TALLYBOOK_COSTS is not set, and only an optimised build has figures");
        return;
    };
    let costs = measure();
    if mode == "write" {
        std::fs::write(FIGURES, written(&costs)).unwrap();
        return;
    }
    let stored = read(&std::fs::read_to_string(FIGURES).unwrap());
    println!("{}", written(&costs));
    assert_eq!(
        costs.keys().collect::<Vec<_>>(),
        stored.keys().collect::<Vec<_>>(),
        "benches/costs.csv has other work"
    );
    let dearer: Vec<String> =
        costs.iter().filter_map(|(work, cost)| dearer(work, *cost, stored[work])).collect();
    assert!(
        dearer.is_empty(),
        "{}\nif that is meant: TALLYBOOK_COSTS=write ./scripts/test costs, and say why in the commit",
        dearer.join("\n")
    );
}

/// The night of a small sample book, step by step; and what has no book.
fn measure() -> BTreeMap<String, Cost> {
    let home = Home::new();
    let sample = home.path().with_file_name("sample");
    let at = |name: &str| sample.join(name).to_str().unwrap().to_owned();
    let (book, usage, ledger) = (at("book.ndjson"), at("usage.csv"), at("ledger.csv"));
    let scenarios = home.file("scenarios.ndjson", scenarios()).to_str().unwrap().to_owned();
    home.run(&["demo", "--customers", "60", "--events", "6000", "--write-only", sample.to_str().unwrap()])
        .exits(0);
    let night = ["run", "--as-of", "2026-03-01", "--skip"];
    let steps: [(&str, Vec<&str>); 7] = [
        ("load", vec!["load", &book]),
        ("load again", vec!["load", &book]),
        ("ingest", vec!["ingest", &usage]),
        ("run", [&night[..], &["render,send,collect"]].concat()),
        ("export", vec!["export", "ledger", "--format", "csv", "--out", &ledger]),
        ("verify", vec!["verify"]),
        ("simulate", vec!["simulate", &scenarios]),
    ];
    let mut costs: BTreeMap<_, _> =
        steps.into_iter().map(|(work, args)| (work.to_owned(), cost(&home, &args))).collect();

    let other = Home::new();
    other.run(&["load", &book]).exits(0);
    other.run(&["ingest", &usage]);
    costs.insert("run with documents".to_owned(), cost(&other, &[&night[..], &["send,collect"]].concat()));
    costs
}

/// The scenarios that the documentation points to, one a line.
fn scenarios() -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/scenarios");
    files_below(Path::new(folder), "json").iter().fold(String::new(), |mut lines, file| {
        let scenario: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let _ = writeln!(lines, "{scenario}");
        lines
    })
}

/// Runs a command under DHAT. Exit code 3 is a night with something to tell: the sample has usage of nobody.
fn cost(home: &Home, args: &[&str]) -> Cost {
    let out = home.path().with_file_name("dhat.json");
    let plain = home.command(args);
    let mut command = Command::new("valgrind");
    // The program brings its allocator along, and is not to be counted by the C library's.
    command
        .args(["-q", "--tool=dhat", "--soname-synonyms=somalloc=NONE"])
        .arg(format!("--dhat-out-file={}", out.display()));
    command.arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let ended =
        command.current_dir(plain.get_current_dir().unwrap()).output().expect("valgrind is not installed");
    let code = ended.status.code();
    assert!(matches!(code, Some(0 | 3)), "{args:?}: {code:?}\n{}", String::from_utf8_lossy(&ended.stderr));
    let seen: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(seen["tu"], "instrs");
    let blocks = seen["pps"].as_array().unwrap().iter().map(|p| p["tbk"].as_u64().unwrap());
    Cost { instructions: seen["te"].as_u64().unwrap(), allocations: blocks.sum() }
}

/// The sentence for work that has become dearer than the margin allows.
fn dearer(work: &str, now: Cost, then: Cost) -> Option<String> {
    let mut text = String::new();
    for (what, now, then) in [
        ("instructions", now.instructions, then.instructions),
        ("allocations", now.allocations, then.allocations),
    ] {
        let ratio = now as f64 / then as f64;
        if ratio > 1.0 + MARGIN {
            let _ = write!(text, "{work}: {now} {what}, {ratio:.2} × the {then} of benches/costs.csv; ");
        }
    }
    (!text.is_empty()).then_some(text)
}

fn written(costs: &BTreeMap<String, Cost>) -> String {
    costs.iter().fold("work,instructions,allocations\n".to_owned(), |mut text, (work, cost)| {
        let _ = writeln!(text, "{work},{},{}", cost.instructions, cost.allocations);
        text
    })
}

fn read(text: &str) -> BTreeMap<String, Cost> {
    text.lines()
        .skip(1)
        .map(|line| {
            let [work, instructions, allocations] = line.split(',').collect::<Vec<_>>().try_into().unwrap();
            let cost = Cost {
                instructions: instructions.parse().unwrap(),
                allocations: allocations.parse().unwrap(),
            };
            (work.to_owned(), cost)
        })
        .collect()
}

#[test]
fn what_is_dearer_is_told() {
    let stored = read("work,instructions,allocations\nload,1000,100\n");
    let then = stored["load"];
    assert_eq!(dearer("load", Cost { instructions: 1100, allocations: 90 }, then), None);
    let told = dearer("load", Cost { instructions: 1000, allocations: 200 }, then).unwrap();
    assert!(told.contains("load: 200 allocations, 2.00 × the 100"), "{told}");
}
