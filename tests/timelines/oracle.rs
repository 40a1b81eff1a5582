//! The oracle: what the pure `simulate` makes of the same days without any fault. What it answers is what the home must
//! hold, to the cent and in the same order.

use super::acts::{Step, open_items};
use super::world::World;
use crate::support::files_below;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Compares every step and every invoice.
pub fn compare(world: &World) {
    let answer = played(world);
    for (step, told) in world.steps.iter().zip(answer["steps"].as_array().unwrap()) {
        if let Some(done) = step.done {
            assert_eq!(told["ok"], done, "{}: simulate says {told}", step.value);
        }
    }
    let is_own = |invoice: &Value| !invoice["InvoiceNumber"].to_string().contains(open_items::NUMBERS);
    let own: Vec<Value> = world.invoices.iter().filter(|invoice| is_own(invoice)).cloned().collect();
    let (ours, theirs) = (by_number(&own), by_number(answer["invoices"].as_array().unwrap()));
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert!(ours == theirs, "the home and simulate differ: {}", difference(ours, theirs));
    }
    assert_eq!(ours.len(), theirs.len(), "the home has more or fewer invoices than simulate");
    let rejects = answer["rejects"].as_array().unwrap().len() as u64;
    assert_eq!(rejected(world), rejects, "usage records that were refused");
}

/// What differs of a document: the home's value and that of `simulate`.
fn difference(ours: &Value, theirs: &Value) -> String {
    let names = ours.as_object().unwrap().keys().filter(|name| ours[*name] != theirs[*name]);
    let told: Vec<String> = names.map(|name| format!("{name}: {} ≠ {}", ours[name], theirs[name])).collect();
    format!("{} of {}: {}", ours["InvoiceNumber"], ours["AccountNumber"], told.join(", "))
}

/// Records in the files of what was refused; a row `header` keeps the columns of the file that they came from. An attempt
/// that was cut off leaves a file of its own until upkeep: of each usage file one counts, named `FILE.rejects.csv` or `FILE.2.rejects.csv`.
fn rejected(world: &World) -> u64 {
    let usage_file = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().strip_suffix(".rejects.csv").unwrap();
        match name.rsplit_once('.') {
            Some((file, nth)) if nth.parse::<u32>().is_ok() => file.to_owned(),
            _ => name.to_owned(),
        }
    };
    let of_record = |row: &&str| row.split(',').nth(2).is_some_and(|code| code != "header");
    let rows = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().skip(1).filter(of_record).count() as u64
    };
    let files = files_below(&world.home().join("rejects"), "csv");
    let by_usage_file: BTreeMap<String, PathBuf> =
        files.into_iter().map(|path| (usage_file(&path), path)).collect();
    by_usage_file.values().map(rows).sum()
}

/// The same days, as `simulate` reads them.
pub fn scenario(world: &World) -> Value {
    let mut steps: Vec<Value> = world.steps.iter().map(|step| step.value.clone()).collect();
    // The day on which one looks: it says what is overdue.
    steps.push(json!({"on": world.today.to_string(), "ingest": []}));
    json!({"name": "the same days", "book": world.book, "timeline": steps})
}

fn play(scenario: &Value) -> Value {
    domain::simulate::simulate(&scenario.to_string(), |way| format!("{way:?}"))
}

/// The number that `simulate` gives its newest run. A home that was asked twice may have made one more, of nothing.
pub fn newest_run(world: &World) -> usize {
    let is_run = |step: &&Step| step.value.get("run").is_some() && step.done == Some(true);
    world.steps.iter().filter(is_run).count()
}

/// Whether each of these steps would be done now.
pub fn would_be_done(world: &World, steps: &[Step]) -> bool {
    let mut scenario = scenario(world);
    let timeline = scenario["timeline"].as_array_mut().unwrap();
    let before = timeline.len();
    timeline.extend(steps.iter().map(|step| step.value.clone()));
    let answer = play(&scenario);
    answer["steps"].as_array().unwrap()[before..].iter().all(|step| step["ok"] == true)
}

fn played(world: &World) -> Value {
    play(&scenario(world))
}

/// Booked documents by number, without their ids.
fn by_number(invoices: &[Value]) -> Vec<Value> {
    let mut booked: Vec<Value> = invoices.iter().filter(|i| !i["InvoiceNumber"].is_null()).cloned().collect();
    for invoice in &mut booked {
        invoice.as_object_mut().unwrap().retain(|name, _| name != "ID");
    }
    booked.sort_by_key(|invoice| invoice["InvoiceNumber"].to_string());
    booked
}

/// The place of a draft of the home: same payer, subscription, day and amount.
pub fn place_of(world: &World, draft: &Value) -> Option<usize> {
    let same = ["AccountNumber", "SubscriptionNumber", "InvoiceDate", "Total", "TotalAmount"];
    let answer = played(world);
    let all = answer["invoices"].as_array().unwrap();
    let fits = |other: &&Value| {
        other["InvoiceNumber"].is_null()
            && other["InvoiceStatus"] == 0
            && same.iter().all(|name| other[*name] == draft[*name])
    };
    all.iter().position(|other| fits(&other)).map(|at| at + 1)
}
