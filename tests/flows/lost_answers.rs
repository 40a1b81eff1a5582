//! A run dies between a charge and its record, and the payers have other cards by the morning: money that was taken is
//! booked, and nothing is taken twice.

use crate::support::{Home, book};
use serde_json::{Value, json};
use std::process::Stdio;

const RUN: [&str; 4] = ["--json", "run", "--as-of", "2026-01-01"];

/// Two payers whose cards are as given; no card at all for an empty token.
fn cards(token: &str) -> Value {
    let mut book = book(2);
    for customer in book["customers"].as_array_mut().unwrap() {
        customer["paymentmethods"] = match token {
            "" => json!([]),
            token => {
                json!([{"refkey": "card", "type": "token", "gateway": "sandbox", "token": token, "makedefault": true}])
            }
        };
    }
    book
}

/// A home whose run died at this place.
fn died_at(place: u64) -> Home {
    let home = Home::new();
    home.load(&cards("tok_ok"));
    let mut run = home.command(&RUN);
    run.env("TALLYBOOK_CRASH_AT", place.to_string()).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(!run.status().unwrap().success(), "the run ends before place {place}");
    home
}

/// Charges at the provider: key, token.
fn charges(home: &Home) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(home.path().join("sandbox-payments.ndjson")).unwrap_or_default();
    let charge = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        (line["key"].as_str().unwrap().to_owned(), line["token"].as_str().unwrap().to_owned())
    };
    text.lines().map(charge).collect()
}

/// The first place after which the provider knows of charges and the books do not.
fn right_after_the_charge() -> u64 {
    let (mut before, mut after) = (1, 200);
    while before + 1 < after {
        let middle = (before + after) / 2;
        let home = Home::new();
        home.load(&cards("tok_ok"));
        let mut run = home.command(&RUN);
        run.env("TALLYBOOK_CRASH_AT", middle.to_string()).stdout(Stdio::null()).stderr(Stdio::null());
        run.status().unwrap();
        if charges(&home).is_empty() { before = middle } else { after = middle }
    }
    after
}

#[track_caller]
fn all_paid_once(home: &Home, token: &str) {
    let invoices = home.json(&["invoices"]);
    let paid = |invoice: &Value| invoice["PaymentStatus"] == 20;
    assert!(invoices.as_array().unwrap().iter().all(paid), "{invoices:#}");
    let charged = charges(home);
    assert_eq!(charged.len(), 2, "one charge per invoice: {charged:?}");
    assert!(charged.iter().all(|(_, with)| with == token), "{charged:?}");
    assert_eq!(home.json(&["verify"])["ok"], true);
}

#[test]
fn money_that_was_taken_is_booked_whatever_the_card_is_today() {
    let place = right_after_the_charge();
    for card in ["tok_ok_fee", "tok_hard_decline", ""] {
        let home = died_at(place);
        home.load(&cards(card));
        home.run(&RUN).exits(0);
        all_paid_once(&home, "tok_ok");
    }
    let home = died_at(place);
    home.load(&cards("tok_hard_decline"));
    home.json(&["payments", "retry", "--as-of", "2026-01-02"]);
    home.run(&RUN).exits(0);
    all_paid_once(&home, "tok_ok");
}

#[test]
fn what_the_provider_never_saw_is_charged_on_the_card_of_today() {
    let place = right_after_the_charge() - 1;
    let home = died_at(place);
    assert_eq!(charges(&home), []);
    home.load(&cards("tok_ok_fee"));
    home.run(&RUN).exits(0);
    all_paid_once(&home, "tok_ok_fee");

    let home = died_at(place);
    home.load(&cards(""));
    home.run(&RUN);
    let waits = home.json(&["invoices"]);
    assert!(waits.as_array().unwrap().iter().all(|i| i["PaymentStatus"] != 20), "{waits:#}");
    home.load(&cards("tok_ok"));
    home.run(&["--json", "payments", "retry", "--as-of", "2026-01-02"]);
    home.run(&["--json", "payments", "retry", "--as-of", "2026-01-03"]);
    all_paid_once(&home, "tok_ok");
}

/// A home with a draft that a person wrote, and the draft's id.
fn with_a_draft() -> (Home, String) {
    let home = Home::new();
    home.load(&cards("tok_ok"));
    let written = json!({"customer": "CU-0001", "date": "2026-01-05", "refkey": "by-hand",
                         "lines": [{"title": "Workshop", "quantity": "1", "unitprice": "100.00"}]});
    let file = home.file("invoice.json", written.to_string());
    let draft = home.json(&["invoices", "create", file.to_str().unwrap()])["ID"].as_str().unwrap().to_owned();
    (home, draft)
}

#[test]
fn a_booking_by_hand_that_was_killed_is_charged_when_it_is_asked_for_again_or_in_the_morning() {
    for place in 1.. {
        let (home, draft) = with_a_draft();
        let book = ["--json", "invoices", "book", &draft, "--as-of", "2026-01-05"];
        let mut command = home.command(&book);
        command.env("TALLYBOOK_CRASH_AT", place.to_string()).stdout(Stdio::null()).stderr(Stdio::null());
        let survives = command.status().unwrap().success();
        let retry = ["payments", "retry", "--as-of", "2026-01-05"];
        if place % 2 == 0 {
            home.json(&retry);
        }
        let again = home.run(&book);
        assert!(again.code == 0 || again.error()["code"] == "booked", "place {place}: {again:?}");
        home.json(&retry);
        let invoice = &home.json(&["invoices"])[0];
        assert_eq!(invoice["PaymentStatus"], 20, "place {place}: {invoice:#}");
        assert_eq!(charges(&home).len(), 1, "place {place}");
        if survives {
            assert!(place > 4, "{place} places");
            break;
        }
    }
}
