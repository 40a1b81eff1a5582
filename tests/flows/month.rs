//! One month of a small book: the same run twice, the same file twice, preview and posting.

use crate::support::{Home, book, counterpart, january};

fn billed_january(customers: usize) -> Home {
    let home = Home::new();
    home.load(&book(customers));
    home.ingest("january.csv", &january(customers)).exits(0);
    home
}

#[test]
fn usage_becomes_booked_invoices_and_a_ledger() {
    let home = billed_january(3);
    let run = home.json(&["run", "--as-of", "2026-02-01"]);
    assert_eq!(
        (run["payers"].as_u64(), run["invoiced"].as_u64(), run["failed"].as_u64()),
        (Some(3), Some(6), Some(0))
    );
    // January in advance 199.00; February in advance 199.00 + 300 calls at 0.05 = 15.00.
    assert_eq!(run["totals"][0]["net"], "1239.00");
    assert_eq!(run["totals"][0]["vat"], "309.75");
    assert_eq!(run["usage"]["rated"], 6);

    let invoices = home.json(&["invoices"]);
    let mut numbers: Vec<&str> =
        invoices.as_array().unwrap().iter().map(|i| i["InvoiceNumber"].as_str().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(
        numbers,
        ["INV-0000001", "INV-0000002", "INV-0000003", "INV-0000004", "INV-0000005", "INV-0000006"]
    );
    assert_eq!(home.json(&["verify"])["ok"], true);
}

#[test]
fn a_second_run_and_a_second_ingest_change_nothing() {
    let home = billed_january(2);
    home.json(&["run", "--as-of", "2026-02-01"]);
    let before = home.json(&["invoices"]);
    let again = home.ingest("again.csv", &january(2)).exits(0).json();
    assert_eq!(again["files"][0]["accepted"], 0);
    let run = home.json(&["run", "--as-of", "2026-02-01"]);
    assert_eq!(run["invoiced"], 0);
    assert_eq!(home.json(&["invoices"]), before);
}

#[test]
fn a_late_run_makes_the_invoices_of_the_runs_that_were_missed() {
    let (daily, late) = (billed_january(2), billed_january(2));
    for day in ["2026-01-01", "2026-01-15", "2026-02-01", "2026-02-14", "2026-03-01"] {
        daily.json(&["run", "--as-of", day]);
    }
    late.json(&["run", "--as-of", "2026-03-01"]);
    let lines = |home: &Home| {
        let mut lines: Vec<String> = home
            .json(&["invoices"])
            .as_array()
            .unwrap()
            .iter()
            .map(|i| format!("{} {} {}", i["AccountNumber"], i["InvoiceDate"], i["TotalAmount"]))
            .collect();
        lines.sort();
        lines
    };
    assert_eq!(lines(&daily), lines(&late));
}

#[test]
fn a_preview_has_the_hash_of_its_posting_and_writes_nothing() {
    let home = billed_january(3);
    let preview = home.json(&["run", "--as-of", "2026-02-01", "--preview"]);
    assert_eq!(home.json(&["invoices"]).as_array().unwrap().len(), 0);
    let run = home.json(&["run", "--as-of", "2026-02-01"]);
    assert_eq!(preview["hash"], run["hash"]);
    assert_eq!(preview["totals"], run["totals"]);
}

#[test]
fn the_hledger_export_passes_its_checks_and_carries_every_invoice() {
    let home = billed_january(3);
    home.json(&["run", "--as-of", "2026-02-01"]);
    let journal = home.path().join("out.journal");
    let path = journal.to_str().unwrap();
    home.json(&["export", "ledger", "--format", "hledger", "--out", path]);
    counterpart("hledger", &["-f", path, "check", "-s", "ordereddates"]);
    let codes = counterpart("hledger", &["-f", path, "codes"]);
    assert_eq!(
        codes.lines().filter(|l| l.starts_with("INV-")).collect::<std::collections::BTreeSet<_>>().len(),
        6
    );
}
