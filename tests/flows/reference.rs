//! The rules computed a second time: `tests/reference/` is written from the rules alone, in exact fractions, shares no
//! code with the program, and makes scenarios of its own by number. Every line, VAT amount and total must be the same, and
//! the invariants hold. Many more: `python3 tests/reference/check.py PROGRAM 10000 100000`.

use super::golden::{plays_alike, simulated};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

/// Scenarios that are compared in memory.
const SCENARIOS: usize = 10_000;
/// Scenarios without verbs that are played on a database, too.
const PLAYED: usize = 16;

fn python(script: &str, arguments: &[&str]) -> (bool, String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(script);
    let output = Command::new("python3").arg("-B").arg(path).args(arguments).output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

#[test]
fn a_second_computation_of_the_rules_gives_the_same_documents() {
    let (alike, said) = python("check.py", &[env!("CARGO_BIN_EXE_tallybook"), "0", &SCENARIOS.to_string()]);
    assert!(alike, "{said}");
    let documents = said.split(" documents").next().and_then(|s| s.rsplit(' ').next()).unwrap();
    assert!(documents.parse::<usize>().unwrap() > 4 * SCENARIOS, "{said}");
}

#[test]
fn what_is_compared_in_memory_is_so_on_a_database() {
    let (made, said) = python("scenarios.py", &["0", "200"]);
    assert!(made, "{said}");
    let only_runs = |scenario: &Value| {
        let steps = scenario["timeline"].as_array().unwrap();
        steps.iter().all(|step| step.get("do").is_none())
    };
    let scenarios: Vec<(String, Value)> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(only_runs)
        .map(|scenario| (scenario["name"].as_str().unwrap().to_owned(), scenario))
        .take(PLAYED)
        .collect();
    assert_eq!(scenarios.len(), PLAYED);
    for ((name, scenario), answer) in scenarios.iter().zip(simulated(&scenarios)) {
        plays_alike(name, scenario, &answer);
    }
}
