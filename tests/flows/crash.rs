//! Death at the four doors: the program is made to abort before and after every commit, file, charge and mail, one
//! place after the other; the next run then ends as an undisturbed one. The program under test is built with crash
//! points; the one that is shipped has none.

use crate::support::postgres::PgHome;
use crate::support::{Home, book, files_below, january};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

const PAYERS: usize = 3;
const RUN: [&str; 4] = ["--json", "run", "--as-of", "2026-02-01"];
/// Places tried on SQLite; where there are more, an even sample.
const SQLITE_PLACES_MAX: u64 = 60;
const POSTGRES_PLACES_MAX: u64 = 12;

/// What must be the same: invoices with ids and numbers, the ledger, Message-IDs, and charges at the provider.
#[derive(Debug, PartialEq)]
struct Dump {
    invoices: Value,
    ledger: Value,
    messages: BTreeSet<String>,
    documents: BTreeSet<Vec<u8>>,
    charges: Vec<String>,
}

fn dump(home: &Path, json: impl Fn(&[&str]) -> Value) -> Dump {
    let files = |folder: &str, ending: &str| -> Vec<Vec<u8>> {
        files_below(&home.join(folder), ending).iter().map(|path| std::fs::read(path).unwrap()).collect()
    };
    let message_id = |mail: Vec<u8>| {
        let text = String::from_utf8_lossy(&mail).into_owned();
        text.lines().find(|line| line.starts_with("Message-ID:")).unwrap().to_owned()
    };
    let charges = std::fs::read_to_string(home.join("sandbox-payments.ndjson")).unwrap();
    let mut charges: Vec<String> = charges
        .lines()
        .map(|line| {
            let charge: Value = serde_json::from_str(line).unwrap();
            charge["key"].as_str().or(charge["id"].as_str()).unwrap_or(line).to_owned()
        })
        .collect();
    charges.sort();
    let ledger = json(&["export", "ledger", "--format", "csv"]);
    assert_eq!(json(&["verify"])["ok"], true);
    Dump {
        invoices: json(&["invoices"]),
        ledger: ledger["content"].clone(),
        messages: files("mail", "eml").into_iter().map(message_id).collect(),
        documents: files("documents", "pdf").into_iter().collect(),
        charges,
    }
}

/// Runs to the end and counts the places at which it could have died.
fn places(mut run: Command, count: &Path, least: u64) -> u64 {
    let status = run.env("TALLYBOOK_CRASH_COUNT", count).stdout(Stdio::null()).status().unwrap();
    assert!(status.success());
    let counted: u64 = std::fs::read_to_string(count).unwrap().trim().parse().unwrap();
    assert!(counted > least, "the program under test has no crash points: {counted}");
    counted
}

fn die_at(mut run: Command, place: u64) -> bool {
    let status = run.env("TALLYBOOK_CRASH_AT", place.to_string());
    let status = status.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    !status.success()
}

/// 1 to `all`, or `most` of them at even distances, another set each for odd and even sizes.
fn sample(all: u64, most: u64) -> Vec<u64> {
    let step = all.div_ceil(most).max(1);
    (1..=all).filter(|place| place % step == 1 % step).collect()
}

#[test]
fn death_at_any_door_changes_nothing_on_sqlite() {
    let ready = || {
        let home = Home::new();
        home.load(&book(PAYERS));
        home.ingest("january.csv", &january(PAYERS)).exits(0);
        home
    };
    let undisturbed = ready();
    let all = places(undisturbed.command(&RUN), &undisturbed.path().join("count"), 20);
    let expected = dump(&undisturbed.path(), |args| undisturbed.json(args));
    let mut died = 0;
    for place in sample(all, SQLITE_PLACES_MAX) {
        let home = ready();
        died += u64::from(die_at(home.command(&RUN), place));
        home.run(&RUN).exits(0);
        assert_eq!(
            dump(&home.path(), |args| home.json(args)),
            expected,
            "after death at place {place} of {all}"
        );
    }
    assert!(died > 10, "only {died} runs died");
}

#[test]
fn death_at_any_door_changes_nothing_on_postgresql() {
    let ready = || {
        let home = PgHome::new();
        home.fill(&book(PAYERS), &january(PAYERS));
        home
    };
    let undisturbed = ready();
    let all = places(undisturbed.command(&RUN), &undisturbed.home.path().join("count"), 20);
    let expected = dump(&undisturbed.home.path(), |args| undisturbed.json(args));
    for place in sample(all, POSTGRES_PLACES_MAX) {
        let home = ready();
        die_at(home.command(&RUN), place);
        home.run(&RUN).exits(0);
        let found = dump(&home.home.path(), |args| home.json(args));
        assert_eq!(found, expected, "after death at place {place} of {all}");
    }
}

#[test]
fn death_within_a_refund_pays_back_once() {
    const REFUND: [&str; 6] = ["--json", "invoices", "refund", "CN-0000001", "--on", "2026-02-03"];
    let ready = || {
        let home = Home::new();
        home.load(&book(1));
        home.json(&["run", "--as-of", "2026-02-01"]);
        let invoices = home.json(&["invoices"]);
        assert_eq!(invoices[0]["PaymentStatus"], 20, "{invoices:#}");
        home.json(&[
            "invoices",
            "credit",
            invoices[0]["InvoiceNumber"].as_str().unwrap(),
            "--as-of",
            "2026-02-02",
        ]);
        home
    };
    let undisturbed = ready();
    let all = places(undisturbed.command(&REFUND), &undisturbed.path().join("count"), 3);
    let expected = dump(&undisturbed.path(), |args| undisturbed.json(args));
    assert!(expected.invoices.as_array().unwrap().iter().all(|i| i["SettlementStatus"] == 4));
    for place in 1..=all {
        let home = ready();
        assert!(die_at(home.command(&REFUND), place), "place {place} of {all}");
        if place % 2 == 0 {
            home.json(&["payments", "retry", "--as-of", "2026-02-04"]);
        }
        home.run(&REFUND); // refused if the refund was made already: nothing is owed then
        let found = dump(&home.path(), |args| home.json(args));
        assert_eq!(found, expected, "after death at place {place} of {all}");
        let again = home.run(&REFUND).exits(1);
        assert_eq!(again.error()["code"], "nothing_owed");
    }
}
