//! Scenarios with every verb that moves money or agreements, three times: in memory, on SQLite and on PostgreSQL. Invoices, what has
//! settled them, payments and the ledger are the same.

mod scenarios;
mod typed;

use super::golden::simulated;
use crate::support::books::{Books, both};
use crate::support::counterpart;
use serde_json::Value;

#[test]
fn memory_and_both_databases_do_every_verb_alike() {
    let scenarios = scenarios::all();
    let answers = simulated(&scenarios);
    for ((name, scenario), answer) in scenarios.iter().zip(&answers) {
        let done: Vec<&Value> =
            answer["steps"].as_array().unwrap().iter().filter(|step| step["ok"] == false).collect();
        assert!(done.is_empty(), "{name}: {done:#?}");
        assert!(answer["ledger"].as_array().unwrap().len() > 2, "{name}: {answer:#}");
        for books in both() {
            typed::play(&books, scenario, answer);
            let steps = scenario["timeline"].as_array().unwrap();
            let last = steps[steps.len() - 1]["on"].as_str().unwrap();
            let listed = books.json(&["invoices", "--as-of", last]);
            assert_eq!(invoices(&listed), invoices(&answer["invoices"]), "{name}");
            states_are_filters(&books, last, &listed);
            assert_eq!(transactions(&books, answer), told(&answer["transactions"]), "{name}");
            assert_eq!(ledger(&books), entries(&answer["ledger"]), "{name}");
            assert_eq!(books.json(&["verify"])["ok"], true, "{name}");
        }
    }
}

/// Each state that an invoice reads is a filter of the list.
fn states_are_filters(books: &Books, as_of: &str, all: &Value) {
    for state in ["paid", "credited", "written_off"] {
        let found = invoices(&books.json(&["invoices", "--as-of", as_of, "--state", state]));
        let mut expected = invoices(all);
        expected.retain(|invoice| invoice["State"] == state);
        assert_eq!(found, expected, "{state}");
    }
}

/// What they are and how far they are settled, without ids.
fn invoices(list: &Value) -> Vec<Value> {
    // Drafts that were dropped are told in memory alone.
    let mut list: Vec<Value> =
        list.as_array().unwrap().iter().filter(|i| i["InvoiceNumber"].is_string()).cloned().collect();
    for invoice in &mut list {
        invoice.as_object_mut().unwrap().remove("ID");
    }
    list.sort_by_key(|invoice| invoice["InvoiceNumber"].to_string());
    list
}

fn told(transactions: &Value) -> Vec<String> {
    let mut told: Vec<String> = transactions
        .as_array()
        .unwrap()
        .iter()
        .filter(|t| t["Type"] != 16) // a refund stands in the ledger
        .map(|t| {
            format!(
                "{} {} {} {} {}",
                t["InvoiceNumber"], t["Date"], t["StateCode"], t["Type"], t["TotalAmount"]
            )
        })
        .collect();
    told.sort();
    told
}

fn transactions(books: &Books, answer: &Value) -> Vec<String> {
    let mut all = Vec::new();
    let numbers = answer["invoices"].as_array().unwrap().iter().filter_map(|i| i["InvoiceNumber"].as_str());
    for number in numbers {
        let shown = books.json(&["invoices", "show", number]);
        all.extend(shown["Transactions"].as_array().unwrap().clone());
    }
    told(&Value::Array(all))
}

/// Rows of the CSV as lists.
const ROWS: &str = "
import csv, json, sys
with open(sys.argv[1], newline='') as file:
    print(json.dumps([[r[n] for n in ('voucher_no', 'kind', 'voucher_date', 'posting_date', 'account', 'debit', 'credit')] for r in csv.DictReader(file)]))";

fn ledger(books: &Books) -> Vec<String> {
    let csv = books.json(&["export", "ledger", "--format", "csv"]);
    let path = books.file("ledger.csv", csv["content"].as_str().unwrap());
    let rows: Value = serde_json::from_str(&counterpart("python3", &["-c", ROWS, &path])).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rows = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row.as_array().unwrap().iter().map(text).collect::<Vec<_>>());
    sorted(rows.filter(|row| row[1] != "recognition").map(|row| row.join(" ")))
}

fn entries(ledger: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let side = |value: &Value| if value == "0.00" { String::new() } else { text(value) };
    let rows = ledger.as_array().unwrap().iter().flat_map(|entry| {
        let head =
            ["document", "kind", "documentdate", "postingdate"].map(|name| text(&entry[name])).join(" ");
        let postings = entry["postings"].as_array().unwrap().iter();
        postings.map(move |p| {
            format!("{head} {} {} {}", text(&p["account"]), side(&p["debit"]), side(&p["credit"]))
        })
    });
    sorted(rows)
}

fn sorted(rows: impl Iterator<Item = String>) -> Vec<String> {
    let mut rows: Vec<String> = rows.collect();
    rows.sort();
    rows
}
