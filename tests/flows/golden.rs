//! Every golden scenario three times: `simulate` in memory, `run --preview` and `run` on a database. The answers are
//! the same.

use crate::support::Home;
use serde_json::{Value, json};
use std::path::PathBuf;

fn scenarios() -> Vec<(String, Value)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/scenarios");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), serde_json::from_str(&text).unwrap())
        })
        .collect()
}

/// `simulate` over all scenarios at once, as NDJSON on standard input.
pub fn simulated(scenarios: &[(String, Value)]) -> Vec<Value> {
    let home = Home::new();
    let lines: String = scenarios.iter().map(|(_, scenario)| format!("{scenario}\n")).collect();
    let output = home.command(&["simulate", home.file("scenarios.ndjson", lines).to_str().unwrap()]).output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), scenarios.len());
    answers
}

/// What is billed, without what payments and ids move.
fn billed(invoices: &Value) -> Vec<Value> {
    let mut list: Vec<Value> = invoices
        .as_array()
        .unwrap()
        .iter()
        .map(|invoice| {
            let mut kept = invoice.clone();
            for moving in ["ID", "State", "PaymentStatus", "SettlementStatus", "PaymentDate"] {
                kept.as_object_mut().unwrap().remove(moving);
            }
            kept
        })
        .collect();
    list.sort_by_key(|i| i["InvoiceNumber"].to_string());
    list
}

#[test]
fn simulate_preview_and_run_agree_on_every_golden_scenario() {
    let scenarios = scenarios();
    assert!(scenarios.len() >= 6, "the golden scenarios are gone");
    let answers = simulated(&scenarios);
    for ((name, scenario), answer) in scenarios.iter().zip(&answers) {
        let booked = plays_alike(name, scenario, answer);
        if let Some(expected) = scenario.get("expect") {
            let totals: Vec<Value> = booked
                .iter()
                .map(|i| json!([i["InvoiceNumber"], i["InvoiceDate"], i["Total"], i["TotalVat"]]))
                .collect();
            assert_eq!(&Value::Array(totals), expected, "{name}");
        }
    }
}

/// Plays the imports and runs of a scenario on a database; the invoices are those that `simulate` answers with.
#[track_caller]
pub fn plays_alike(name: &str, scenario: &Value, answer: &Value) -> Vec<Value> {
    let home = Home::new();
    home.load(&scenario["book"]);
    for (number, step) in scenario["timeline"].as_array().unwrap().iter().enumerate() {
        assert_eq!(answer["steps"][number]["ok"], true, "{name}: {answer}");
        if let Some(events) = step["ingest"].as_array() {
            let lines: String = events.iter().map(|e| format!("{e}\n")).collect();
            home.ingest(&format!("events-{number}.ndjson"), &lines);
        }
        if step["run"].is_object() {
            let day = step["on"].as_str().unwrap();
            let preview = home.json(&["run", "--as-of", day, "--preview"]);
            let run = home.json(&["run", "--as-of", day, "--skip", "render,send,collect"]);
            assert_eq!(preview["hash"], run["hash"], "{name}: the preview of {day} has another hash");
            assert_eq!(preview["totals"], run["totals"], "{name}");
        }
    }
    let booked = billed(&home.json(&["invoices"]));
    assert_eq!(booked, billed(&answer["invoices"]), "{name}: memory and database differ");
    booked
}

#[test]
fn the_worked_examples_of_the_rules_are_the_golden_scenarios() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/billing-rules.md");
    let page = std::fs::read_to_string(path).unwrap();
    let told = |name: &str| -> Option<String> {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{name}` |")))?;
        Some(row.split('|').nth(2)?.trim().to_owned())
    };
    for (name, scenario) in scenarios() {
        let mut invoices = scenario["expect"].as_array().unwrap().clone();
        invoices.sort_by_key(|i| (i[1].to_string(), i[0].to_string()));
        let nets: Vec<&str> = invoices.iter().map(|i| i[2].as_str().unwrap()).collect();
        assert_eq!(told(&name), Some(nets.join(", ")), "{name}: docs/billing-rules.md tells another amount");
    }
}
