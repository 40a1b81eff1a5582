//! Runs that wait for review, and what is asked of a run afterwards: the same states and refusals as on the command line.

use super::*;

fn review(on: &str) -> Value {
    json!({"on": on, "run": {"review": true}})
}

fn ask(on: &str, verb: &str) -> Value {
    json!({"on": on, "runs": 1, "do": verb})
}

/// Two customers, CU-1 and CU-2, each with a subscription of 100.00 a month.
fn two() -> Scenario {
    Scenario::new("2026-01-01", vec![seats("100.00", "1")])
        .with(
            "/customers/-",
            json!({"accountnumber": "CU-2", "fullname": "Te", "currencycode": "DKK", "autobill": true, "country": "DK"}),
        )
        .with(
            "/subscriptions/-",
            json!({"subscriptionnumber": "SUB-2", "customer": "CU-2", "productplan": "PRO", "startdate": "2026-01-01",
                   "status": "active"}),
        )
}

/// (account, number or none, gross) of every document, in the order in which they were made.
fn documents(answer: &Value) -> Vec<(String, Option<String>, String)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let document = |d: &Value| {
        (text(&d["AccountNumber"]).unwrap(), text(&d["InvoiceNumber"]), text(&d["TotalAmount"]).unwrap())
    };
    answer["invoices"].as_array().unwrap().iter().map(document).collect()
}

fn booked(answer: &Value) -> Vec<(String, String)> {
    let numbered = |(account, number, _)| Some((account, number?));
    documents(answer).into_iter().filter_map(numbered).collect()
}

fn pair(account: &str, number: &str) -> (String, String) {
    (account.to_owned(), number.to_owned())
}

#[test]
fn a_run_in_review_is_approved_whole_or_payer_by_payer() {
    let scenario = two()
        .step(review("2026-01-01"))
        .step(json!({"on": "2026-01-01", "run": {}}))
        .step(json!({"on": "2026-01-02", "runs": 1, "do": "approve", "customer": "CU-9"}))
        .step(json!({"on": "2026-01-02", "runs": 1, "do": "approve", "customer": "CU-2"}))
        .step(ask("2026-01-02", "reverse"))
        .step(ask("2026-01-03", "approve"))
        .step(ask("2026-01-03", "approve"))
        .step(json!({"on": "2026-01-03", "runs": 2, "do": "approve"}));
    assert_eq!(scenario.refusals(), ["in_review", "no_draft", "wrong_state", "wrong_state", "unknown_run"]);
    let answer = scenario.answer();
    assert_eq!(booked(&answer), [pair("CU-1", "INV-0000002"), pair("CU-2", "INV-0000001")]);
    assert_eq!(answer["invoices"][0]["InvoiceDate"], "2026-01-01", "the run's day, not that of its approval");
}

#[test]
fn what_a_cancelled_run_drafted_is_due_again() {
    let scenario = two()
        .step(review("2026-01-01"))
        .step(json!({"on": "2026-01-02", "runs": 1, "do": "approve", "customer": "CU-1"}))
        .step(ask("2026-01-02", "cancel"))
        .run("2026-01-03")
        .step(ask("2026-01-03", "cancel"));
    assert_eq!(scenario.refusals(), ["wrong_state"]);
    let answer = scenario.answer();
    assert_eq!(answer["steps"][2]["drafts"], 1);
    assert_eq!(booked(&answer), [pair("CU-1", "INV-0000001"), pair("CU-2", "INV-0000002")]);
}

#[test]
fn a_draft_whose_payer_changed_since_is_set_aside_and_made_anew_by_a_rerun() {
    let scenario = two()
        .with("/productplans/0/changehandle", json!(0))
        .step(review("2026-01-01"))
        .act("2026-01-01", "setamount", json!({"charge": "SEATS", "amount": "3"}))
        .step(json!({"on": "2026-01-01", "invoice": 1, "do": "book"}))
        .step(ask("2026-01-01", "approve"))
        .step(ask("2026-01-01", "rerun"))
        .step(ask("2026-01-01", "approve"));
    assert_eq!(scenario.refusals(), ["set_aside"]);
    let answer = scenario.answer();
    let of = |account: &str| {
        let all = documents(&answer).into_iter();
        all.filter(|(a, number, _)| a == account && number.is_some()).map(|d| d.2).collect::<Vec<_>>()
    };
    assert_eq!((of("CU-1"), of("CU-2")), (vec!["375.00".to_owned()], vec!["125.00".to_owned()]));
}

#[test]
fn a_reversed_run_is_credited_and_billed_anew_if_that_is_asked_for() {
    let scenario = two()
        .run("2026-01-01")
        .step(json!({"on": "2026-01-05", "runs": 1, "do": "reverse", "rebill": true}))
        .step(json!({"on": "2026-01-05", "runs": 1, "do": "reverse", "rebill": true}))
        .run("2026-01-06");
    assert!(scenario.refusals().is_empty());
    let answer = scenario.answer();
    assert_eq!(answer["steps"][1]["creditnotes"], 2);
    assert_eq!((&answer["steps"][2]["creditnotes"], &answer["steps"][2]["already"]), (&json!(0), &json!(2)));
    let gross: Vec<String> = documents(&answer).into_iter().map(|d| d.2).collect();
    assert_eq!(gross, ["125.00", "125.00", "-125.00", "-125.00", "125.00", "125.00"]);
}

#[test]
fn a_parked_payer_is_let_through_by_name() {
    let scenario = Scenario::new("2022-01-01", vec![seats("100.00", "1")])
        .run("2026-01-01")
        .step(json!({"on": "2026-01-01", "runs": 1, "do": "release", "customer": "CU-9"}))
        .step(json!({"on": "2026-01-01", "runs": 1, "do": "release", "customer": "CU-1"}));
    assert_eq!(scenario.refusals(), ["not_parked"]);
    let answer = scenario.answer();
    assert_eq!(answer["steps"][0]["parked"][0]["account"], "CU-1");
    assert_eq!(booked(&answer).len(), 49, "four years and a month");
}

#[test]
fn verbs_and_arguments_that_runs_do_not_have_are_refused() {
    let scenario = two()
        .run("2026-01-01")
        .step(ask("2026-01-01", "explode"))
        .step(json!({"on": "2026-01-01", "runs": 1, "do": "cancel", "customer": "CU-1"}))
        .step(json!({"on": "2026-01-01", "runs": 1, "do": "release"}))
        .step(json!({"on": "2026-01-01", "run": {"skip": "colect"}}))
        .step(json!({"on": "2026-01-01", "run": {"customer": 7}}));
    let codes = ["unknown_verb", "unknown_argument", "missing_argument", "unknown_option", "bad_argument"];
    assert_eq!(scenario.refusals(), codes);
}

#[test]
fn a_day_before_a_run_is_too_early_until_that_run_is_reversed() {
    let earlier = |on: &str| json!({"on": on, "run": {"as-of": "2026-02-01"}});
    let reversed = two()
        .run("2026-03-01")
        .step(earlier("2026-03-01"))
        .step(ask("2026-03-02", "reverse"))
        .step(earlier("2026-03-02"));
    let answer = reversed.answer();
    assert_eq!(reversed.refusals(), [] as [&str; 0]);
    assert_eq!(answer["steps"][1]["leftout"], json!(["CU-1", "CU-2"]));
    assert_eq!(answer["steps"][3].get("leftout"), None);

    // A draft of a run that a person books counts as the run's.
    let by_a_person = two()
        .step(review("2026-03-01"))
        .step(json!({"on": "2026-03-01", "invoice": 1, "do": "book"}))
        .step(ask("2026-03-01", "cancel"))
        .step(earlier("2026-03-01"));
    assert_eq!(by_a_person.refusals(), [] as [&str; 0]);
    assert_eq!(by_a_person.answer()["steps"][3]["leftout"], json!(["CU-1"]));
}
