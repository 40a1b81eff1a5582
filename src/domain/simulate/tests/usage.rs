//! Usage: late, corrected, rejected, grouped, with price versions and minimums.

use super::*;

fn first_lines(answer: &Value, invoice: usize) -> &Vec<Value> {
    answer["invoices"][invoice]["InvoiceLines"].as_array().unwrap()
}

#[test]
fn late_usage_is_the_difference_on_the_next_charge_date() {
    // LATE-02: blocks of 100 at 1; 99 billed as one block, 100 more make two.
    let blocks = but(calls("1.00"), json!({"pricingmodel": "package", "packagesize": "100"}));
    let scenario = Scenario::new("2026-01-01", vec![blocks])
        .usage("2026-01-20", "a", "calls", "99", "2026-01-20T12:00:00Z")
        .run("2026-02-01")
        .usage("2026-02-10", "late", "calls", "100", "2026-01-25T12:00:00Z")
        .run("2026-02-15")
        .run("2026-03-01")
        .run("2026-04-01");
    let expected = [
        "INV-0000001 2026-01-31 1.25: CALLS 1.00 [2026-01-01 2026-01-31]",
        "INV-0000002 2026-02-28 1.25: CALLS 1.00 [2026-01-01 2026-01-31]",
    ];
    assert_eq!(scenario.invoices(), expected);
    let answer = scenario.answer();
    let line = &first_lines(&answer, 1)[0];
    assert_eq!((&line["IsAmendment"], &line["RatedQuantity"]), (&json!(true), &json!("199")));
}

#[test]
fn late_usage_of_an_ended_charge_is_billed_at_once_and_only_once() {
    let scenario = Scenario::new("2026-01-01", vec![calls("1.00")])
        .with("/subscriptions/0/enddate", json!("2026-02-01"))
        .usage("2026-01-20", "a", "calls", "5", "2026-01-20T12:00:00Z")
        .run("2026-02-01")
        .usage("2026-02-10", "late", "calls", "2", "2026-01-25T12:00:00Z")
        .run("2026-02-15")
        .run("2026-02-16");
    assert_eq!(scenario.invoices()[1..], ["INV-0000002 2026-02-14 2.50: CALLS 2.00 [2026-01-01 2026-01-31]"]);
}

#[test]
fn a_correction_gives_back_with_the_originals_discount_and_names_its_invoice() {
    let scenario = Scenario::new("2026-01-01", vec![calls("1.00")])
        .with("/discounts", json!([{"refkey": "d", "fullname": "D", "type": "percentage", "amount": "0.1",
            "invoicetext": "10 %", "expiryperiod": "months", "expiryperiodinterval": 1,
            "codes": [{"codeprefix": "A", "code": "B", "redemption": 0}]}]))
        .with("/subscriptions/0/discount", json!({"code": "A-B", "from": "2026-01-01"}))
        .usage("2026-01-20", "a", "calls", "100", "2026-01-20T12:00:00Z")
        .run("2026-02-01")
        .step(json!({"on": "2026-02-05", "ingest": [{"id": "a2", "subject": "SUB-1", "meter": "calls", "quantity": "40",
                     "time": "2026-01-20T12:00:00Z", "corrects": "a"}]}))
        .run("2026-03-01");
    assert_eq!(
        scenario.invoices(),
        [
            "INV-0000001 2026-01-31 112.50: CALLS 90.00 [2026-01-01 2026-01-31]",
            "CN-0000001 2026-02-28 -67.50: CALLS -54.00 [2026-01-01 2026-01-31]",
        ]
    );
    assert_eq!(scenario.answer()["invoices"][1]["IsCreditNote"], true);
}

#[test]
fn rejects_keep_their_code_and_duplicates_none() {
    let event = |id: &str, subject: &str, meter: &str, quantity: &str, time: &str| json!({"id": id, "subject": subject, "meter": meter, "quantity": quantity, "time": time});
    let noon = "2026-01-10T12:00:00Z";
    let scenario = Scenario::new("2026-01-01", vec![calls("1.00")]).step(json!({"on": "2026-01-11", "ingest": [
        event("1", "SUB-1", "calls", "1", noon),
        event("1", "SUB-1", "calls", "1.0", "2026-01-10T13:00:00+01:00"),
        event("1", "SUB-1", "calls", "2", noon),
        event("2", "NOBODY", "calls", "1", noon),
        event("3", "SUB-1", "minutes", "1", noon),
        event("4", "SUB-1", "calls", "x", noon),
        event("5", "SUB-1", "calls", "1", "2026-03-29T02:30:00"),
        event("6", "CU-1", "calls", "10", noon),
        {"id": "7", "subject": "SUB-1", "meter": "calls", "quantity": "1", "time": noon, "corrects": "none"},
        "nonsense",
    ]})).run("2026-02-01");
    let answer = scenario.answer();
    let codes: Vec<&str> =
        answer["rejects"].as_array().unwrap().iter().map(|r| r["code"].as_str().unwrap()).collect();
    let expected = [
        "conflict",
        "unknown_subject",
        "unknown_meter",
        "bad_quantity",
        "no_such_time",
        "stale_correction",
        "malformed",
    ];
    assert_eq!(codes, expected);
    assert_eq!(short(&answer), ["INV-0000001 2026-01-31 13.75: CALLS 11.00 [2026-01-01 2026-01-31]"]);
}

#[test]
fn a_grouped_charge_has_a_line_per_value_and_tiers_start_anew() {
    // GRAD-33: up to 10 at 1, the rest at 2; 3 and 12 by group make 17.
    let tiers = json!([{"currencycode": "DKK", "segment": 1, "tierto": "10", "price": "1"},
                       {"currencycode": "DKK", "segment": 2, "price": "2"}]);
    let grouped = but(calls("1"), json!({"pricingmodel": "tiered", "groupby": "region", "pricings": tiers}));
    let event = |id: &str, quantity: &str, region: &str| {
        json!({"id": id, "subject": "SUB-1", "meter": "calls", "quantity": quantity,
               "time": "2026-01-10T12:00:00Z", "properties": {"region": region}})
    };
    let scenario = Scenario::new("2026-01-01", vec![grouped])
        .step(json!({"on": "2026-01-11", "ingest": [event("1", "12", "eu"), event("2", "3", "us")]}))
        .run("2026-02-01");
    let answer = scenario.answer();
    let lines: Vec<(&str, &str)> = first_lines(&answer, 0)
        .iter()
        .map(|line| (line["SubTotal"].as_str().unwrap(), line["Description"].as_str().unwrap()))
        .collect();
    assert_eq!(lines, [("14.00", "region: eu; 10 à 1.00; 2 à 2.00"), ("3.00", "region: us; 3 à 1.00")]);
}

#[test]
fn a_price_version_cuts_what_adds_up() {
    let versions = json!([{"currencycode": "DKK", "price": "1.00"},
                          {"currencycode": "DKK", "price": "2.00", "validfrom": "2026-01-16"}]);
    let scenario = Scenario::new("2026-01-01", vec![but(calls("1.00"), json!({"pricings": versions}))])
        .usage("2026-01-11", "a", "calls", "10", "2026-01-10T12:00:00Z")
        .usage("2026-01-20", "b", "calls", "10", "2026-01-20T12:00:00Z")
        .run("2026-02-01");
    assert_eq!(scenario.invoices(), ["INV-0000001 2026-01-31 37.50: CALLS 30.00 [2026-01-01 2026-01-31]"]);
}

#[test]
fn a_minimum_is_lifted_by_a_true_up_that_late_usage_first_reduces() {
    let charge = but(calls("1.00"), json!({"minimumamount": {"DKK": "100.00"}}));
    let scenario = Scenario::new("2026-01-01", vec![charge])
        .usage("2026-01-11", "a", "calls", "60", "2026-01-10T12:00:00Z")
        .run("2026-02-01")
        .usage("2026-02-02", "b", "calls", "30", "2026-01-10T13:00:00Z")
        .run("2026-03-01")
        .usage("2026-03-02", "c", "calls", "30", "2026-01-10T14:00:00Z")
        .run("2026-04-01");
    let january = "[2026-01-01 2026-01-31]";
    assert_eq!(
        scenario.invoices(),
        [
            format!("INV-0000001 2026-01-31 125.00: CALLS 60.00 {january}; CALLS 40.00 {january}"),
            "INV-0000002 2026-02-28 125.00: CALLS 100.00 [2026-02-01 2026-02-28]".to_owned(),
            format!(
                "INV-0000003 2026-03-31 150.00: CALLS 20.00 {january}; CALLS 100.00 [2026-03-01 2026-03-31]"
            ),
        ]
    );
}

#[test]
fn a_stub_owes_its_share_of_the_minimum_but_full_tiers() {
    let charge = but(
        calls("1.00"),
        json!({"minimumamount": {"DKK": "31.00"}, "billingperiod": "day_of_month",
                                           "billingday": 1}),
    );
    let scenario = Scenario::new("2026-01-22", vec![charge])
        .usage("2026-01-25", "a", "calls", "4", "2026-01-24T12:00:00Z")
        .run("2026-02-01");
    let stub = "[2026-01-22 2026-01-31]";
    assert_eq!(
        scenario.invoices(),
        [format!("INV-0000001 2026-01-31 12.50: CALLS 4.00 {stub}; CALLS 6.00 {stub}")]
    );
}

#[test]
fn a_charge_may_refuse_late_usage() {
    let charge = but(calls("1.00"), json!({"lateusage": "reject"}));
    let scenario = Scenario::new("2026-01-01", vec![charge])
        .run("2026-02-01")
        .usage("2026-02-02", "late", "calls", "30", "2026-01-10T13:00:00Z")
        .usage("2026-02-02", "fine", "calls", "3", "2026-02-02T13:00:00Z")
        .run("2026-03-01");
    let answer = scenario.answer();
    assert_eq!(answer["rejects"][0]["code"], "too_late");
    assert_eq!(short(&answer), ["INV-0000001 2026-02-28 3.75: CALLS 3.00 [2026-02-01 2026-02-28]"]);
}

#[test]
fn what_was_given_away_is_not_billed_by_late_usage() {
    let scenario = |verb: &str| {
        Scenario::new("2026-01-01", vec![calls("1.00")])
            .usage("2026-01-20", "a", "calls", "5", "2026-01-20T12:00:00Z")
            .act("2026-01-25", verb, json!({"charge": "CALLS"}))
            .run("2026-02-01")
            .usage("2026-02-10", "late", "calls", "7", "2026-01-22T12:00:00Z")
            .act("2026-02-20", "togglecharge", json!({"charge": "CALLS", "toggled": false}))
            .run("2026-03-01")
    };
    assert_eq!(scenario("togglecharge").invoices(), [""; 0]);
    assert_eq!(scenario("skipnextcharge").invoices(), [""; 0]);
    let waived = Scenario::new("2026-01-01", vec![calls("1.00")])
        .with("/customers/0/autobill", json!(false))
        .usage("2026-01-20", "a", "calls", "5", "2026-01-20T12:00:00Z")
        .run("2026-02-01")
        .step(json!({"on": "2026-02-02", "invoice": 1, "do": "cancel"}))
        .usage("2026-02-10", "late", "calls", "7", "2026-01-22T12:00:00Z")
        .run("2026-03-01");
    assert_eq!(waived.invoices(), ["draft 2026-01-31 6.25: CALLS 5.00 [2026-01-01 2026-01-31]"]);
}

#[test]
fn late_usage_of_a_period_without_any_has_the_discount_that_ran_then() {
    let discount = json!({"refkey": "d", "fullname": "D", "type": "percentage", "amount": "0.1", "invoicetext": "10 %",
        "expiryperiod": "months", "expiryperiodinterval": 1, "codes": [{"codeprefix": "A", "code": "B"}]});
    let scenario = Scenario::new("2026-01-01", vec![calls("1.00")])
        .with("/discounts", json!([discount]))
        .with("/subscriptions/0/discount", json!({"code": "A-B", "from": "2026-01-01"}))
        .run("2026-02-01")
        .usage("2026-02-10", "late", "calls", "100", "2026-01-22T12:00:00Z")
        .run("2026-03-01");
    assert_eq!(scenario.invoices(), ["INV-0000001 2026-02-28 112.50: CALLS 90.00 [2026-01-01 2026-01-31]"]);
}
