//! What an operator does to runs: reverse one, and reconcile one.

use crate::support::{Home, book, counterpart, january};
use serde_json::json;

const PAYERS: usize = 4;

fn closed() -> Home {
    let home = Home::new();
    home.load(&book(PAYERS));
    home.ingest("january.csv", &january(PAYERS)).exits(0);
    home.json(&["run", "--as-of", "2026-02-01"]);
    home
}

#[test]
fn a_run_is_reversed_once_and_every_invoice_of_it_is_credited() {
    let home = closed();
    let before = home.json(&["invoices"]);
    let number = before[0]["InvoiceNumber"].as_str().unwrap().to_owned();
    home.run(&["invoices", "credit", &number, "--as-of", "2026-02-02"]).exits(0);
    let reversed = home.json(&["runs", "reverse", "1", "--as-of", "2026-02-03"]);
    assert_eq!(reversed["creditnotes"], json!(2 * PAYERS - 1), "{reversed}");
    assert_eq!(reversed["already"], 1);
    let again = home.json(&["runs", "reverse", "1", "--as-of", "2026-02-04"]);
    assert_eq!((&again["creditnotes"], &again["already"]), (&json!(0), &json!(2 * PAYERS)));
    let notes = home.json(&["invoices", "--state", "credit_note"]);
    let sum = |list: &serde_json::Value| -> i64 {
        let minor = |i: &serde_json::Value| {
            i["TotalAmount"].as_str().unwrap().replace('.', "").parse::<i64>().unwrap()
        };
        list.as_array().unwrap().iter().map(minor).sum()
    };
    assert_eq!(sum(&notes), -sum(&before));
    home.run(&["verify"]).exits(0);
    let ledger = home.path().join("ledger.journal");
    let path = ledger.to_str().unwrap();
    home.run(&["export", "ledger", "--format", "hledger", "--out", path]).exits(0);
    counterpart("hledger", &["-f", path, "check"]);
}

#[test]
fn a_report_reconciles_a_run_in_three_forms() {
    let home = closed();
    let report = home.json(&["runs", "report", "1"]);
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(
        report["currencies"][0]["gross"], report["currencies"][0]["charged"],
        "every card pays: {report}"
    );
    assert_eq!(report["documents"]["count"], json!(2 * PAYERS));
    assert_eq!(report["mails"]["sent"], json!(2 * PAYERS));
    assert!(report["checks"].as_array().unwrap().len() >= 5);
    let page = home.path().join("report.html");
    home.run(&["runs", "report", "1", "--format", "html", "--out", page.to_str().unwrap()]).exits(0);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains(report["currencies"][0]["gross"].as_str().unwrap()), "{page}");
    assert!(page.contains("both ends agree") && !page.contains("{{"), "{page}");
    home.run(&["runs", "report", "9"]).exits(1);
}

#[test]
fn the_journal_says_who_did_what_to_a_run() {
    let home = Home::new();
    home.load(&book(1));
    home.run(&["run", "--as-of", "2026-02-01", "--review", "--skip", "render,send,collect"]).exits(0);
    home.run(&["runs", "approve", "1"]).exits(0);
    let audit = home.json(&["audit", "--object", "run 1"]);
    let done: Vec<&str> = audit.as_array().unwrap().iter().map(|r| r["action"].as_str().unwrap()).collect();
    assert_eq!(done, ["run.approve", "run.open"]);
}
