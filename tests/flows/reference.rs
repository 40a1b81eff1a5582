//! The rules computed a second time: `tests/reference/scenarios.py` is written from the rules alone, in exact fractions,
//! shares no code with the program, and makes scenarios of its own by number. Every line, VAT amount and total must be
//! the same.

use super::golden::{plays_alike, simulated};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;

/// Scenarios that are compared in memory: some 17,000 invoices.
const SCENARIOS: usize = 2_500;
/// Scenarios without verbs that are played on a database, too.
const PLAYED: usize = 16;

fn scenarios() -> Vec<(String, Value)> {
    let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/reference/scenarios.py");
    let made =
        Command::new("python3").arg("-B").arg(program).args(["1", &SCENARIOS.to_string()]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let read = |line: &str| -> (String, Value) {
        let scenario: Value = serde_json::from_str(line).unwrap();
        (scenario["name"].as_str().unwrap().to_owned(), scenario)
    };
    String::from_utf8(made.stdout).unwrap().lines().map(read).collect()
}

/// A document as the model tells it. Of credit notes written by hand it tells the net of each line that has one.
fn told(invoice: &Value, by_hand: bool) -> String {
    let line = |line: &Value| match by_hand && invoice["IsCreditNote"] == true {
        true => line["SubTotal"].clone(),
        false => json!(["SKU", "PeriodStart", "PeriodEnd", "SubTotal", "TotalVat"].map(|name| &line[name])),
    };
    let is_nothing =
        |told: &Value| told.as_str().is_some_and(|net| !net.contains(|c| ('1'..='9').contains(&c)));
    let lines: Vec<Value> = invoice["InvoiceLines"].as_array().unwrap().iter().map(line).collect();
    let lines: Vec<&Value> = lines.iter().filter(|told| !is_nothing(told)).collect();
    json!([invoice["Total"], invoice["TotalVat"], lines]).to_string()
}

#[test]
fn a_second_computation_of_the_rules_gives_the_same_invoices() {
    let scenarios = scenarios();
    let answers = simulated(&scenarios);
    let (mut invoices, mut played) = (0, 0);
    for ((name, scenario), answer) in scenarios.iter().zip(&answers) {
        let steps = scenario["timeline"].as_array().unwrap();
        let by_hand = steps.iter().any(|step| step["do"] == "credit");
        let sorted = |list: &mut dyn Iterator<Item = String>| {
            let mut list: Vec<String> = list.collect();
            list.sort();
            list
        };
        let ours = sorted(&mut answer["invoices"].as_array().unwrap().iter().map(|i| told(i, by_hand)));
        let expected = scenario["expect"].as_array().unwrap();
        let theirs =
            sorted(&mut expected.iter().map(|i| json!([i["Total"], i["TotalVat"], i["lines"]]).to_string()));
        assert_eq!(ours, theirs, "{name}: python3 tests/reference/scenarios.py N 1 makes it: {answer}");
        invoices += ours.len();
        if played < PLAYED && steps.iter().all(|step| step.get("do").is_none()) && !ours.is_empty() {
            plays_alike(name, scenario, answer);
            played += 1;
        }
    }
    assert!(invoices > 5 * SCENARIOS, "only {invoices} invoices were compared");
    assert_eq!(played, PLAYED);
}
