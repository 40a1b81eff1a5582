//! Objects of the book one by one, what waits for a run in review, one verb on many, open items of before, and months that are closed.

use super::*;

fn codes(answer: &Value) -> Vec<String> {
    let steps = answer["steps"].as_array().unwrap().iter();
    steps.map(|step| step["error"]["code"].as_str().unwrap_or("ok").to_owned()).collect()
}

#[test]
fn an_object_is_put_patched_and_taken_away_or_refused_as_on_the_command_line() {
    let book = |verb: &str, kind: &str, more: Value| {
        let mut step = json!({"on": "2026-01-01", "book": verb, "kind": kind});
        step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        step
    };
    let scenario = [
        book("put", "uom", json!({"key": "hour", "document": {"refkey": "hour", "fullname": "Hour"}})),
        book("delete", "uoms", json!({"key": "hour"})),
        book("put", "uom", json!({"key": "hour", "document": {"refkey": "hour", "fullname": "An hour"}})),
        book("patch", "customer", json!({"key": "CU-1", "patch": {"city": "Odense"}})),
        book("patch", "customer", json!({"key": "CU-1", "patch": {"country": "ZZ"}})),
        book("patch", "customer", json!({"key": "CU-1", "patch": {"accountnumber": "CU-2"}})),
        book("patch", "custommer", json!({"key": "CU-1", "patch": {}})),
        book("patch", "customer", json!({"key": "CU-9", "patch": {}})),
        book("delete", "customer", json!({"key": "CU-1"})),
        book("delete", "productplan", json!({"key": "PRO"})),
        book("delete", "tenant", json!({})),
        book("deactivate", "subscription", json!({"key": "SUB-1"})),
        book("deactivate", "productplan", json!({"key": "PRO"})),
        book("activate", "productplan", json!({"key": "PRO"})),
        book("burn", "productplan", json!({"key": "PRO"})),
    ]
    .into_iter()
    .fold(Scenario::new("2026-01-01", vec![base("100.00")]), Scenario::step);
    let told = codes(&scenario.answer());
    let expected = "ok ok book ok book name_changes unknown_kind unknown_object in_use in_use in_use conflict ok ok unknown_verb";
    assert_eq!(told.join(" "), expected);
    assert_eq!(scenario.run("2026-01-01").world().documents.len(), 1, "what was refused changed nothing");
}

/// rules S6: a price waits for the run, and what moves none goes in.
#[test]
fn a_price_waits_for_a_run_in_review_and_a_name_does_not() {
    let load = |book: Value| json!({"on": "2026-01-01", "load": book});
    let scenario = Scenario::new("2026-01-01", vec![base("100.00")])
        .step(json!({"on": "2026-01-01", "run": {"review": true}}))
        .step(load(json!({"taxrules": [{"fullname": "DK", "country": "DK", "state": "*", "ruletype": "*", "priority": 10,
                                        "taxpct": "20", "category": "S"}]})))
        .step(load(json!({"uoms": [{"refkey": "hour", "fullname": "Hour"}]})))
        .step(json!({"on": "2026-01-01", "runs": 1, "do": "approve"}));
    let answer = scenario.answer();
    assert_eq!(codes(&answer), ["ok", "run_stands", "ok", "ok"], "{answer:#}");
    assert_eq!(answer["invoices"][0]["TotalVat"], "25.00");
}

#[test]
fn a_run_that_must_be_what_was_expected_books_nothing_else() {
    let scenario = Scenario::new("2026-01-01", vec![base("100.00")])
        .step(json!({"on": "2026-01-01", "run": {"preview": true}}));
    let hash = scenario.answer()["steps"][0]["preview"]["hash"].as_str().unwrap().to_owned();
    let scenario = scenario
        .step(json!({"on": "2026-01-01", "run": {"expect": "another"}}))
        .step(json!({"on": "2026-01-01", "run": {"expect": hash}}));
    let answer = scenario.answer();
    assert_eq!(codes(&answer), ["ok", "hash_differs", "ok"], "{answer:#}");
    assert_eq!(answer["invoices"].as_array().unwrap().len(), 1);
}

#[test]
fn a_verb_is_done_on_all_subscriptions_or_on_none() {
    let lines = |second: &str| {
        json!({"on": "2026-01-02", "do": "setamount", "effective": "2026-02-01", "charge": "BASE",
               "subscriptions": [{"subscription": "SUB-1", "amount": "2"}, {"subscription": second, "amount": "3"}]})
    };
    let other = json!({"subscriptionnumber": "SUB-2", "customer": "CU-1", "productplan": "PRO", "startdate": "2026-01-01",
                       "status": "active"});
    let mut charge = base("100.00");
    charge["pricingmodel"] = json!("per_unit");
    charge["defaultamount"] = json!("1");
    let sku = charge["sku"].as_str().unwrap().to_owned();
    let named =
        |step: Value| -> Value { serde_json::from_str(&step.to_string().replace("BASE", &sku)).unwrap() };
    let scenario = Scenario::new("2026-01-01", vec![charge])
        .with("/subscriptions/-", other)
        .run("2026-01-01")
        .step(named(lines("SUB-9")))
        .step(named(lines("SUB-2")))
        .run("2026-02-01");
    let answer = scenario.answer();
    assert_eq!(codes(&answer), ["ok", "unknown_subscription", "ok", "ok"], "{answer:#}");
    let totals: Vec<&str> =
        answer["invoices"].as_array().unwrap().iter().map(|i| i["Total"].as_str().unwrap()).collect();
    assert_eq!(totals, ["100.00", "100.00", "200.00", "300.00"]);
}

/// rules S7, I2, L8.
#[test]
fn open_items_are_taken_over_once_and_months_are_closed_in_order() {
    let take = |amount: &str| {
        json!({"on": "2026-01-01", "do": "takeover", "invoices": [
            {"customer": "CU-1", "number": "OLD-1", "date": "2025-12-01", "amount": amount, "vat": "25"}]})
    };
    let close = |on: &str, month: &str| json!({"on": on, "books": "close", "month": month});
    let scenario = Scenario::new("2026-01-01", vec![base("100.00")])
        .step(take("125.00"))
        .step(take("125.00"))
        .step(take("99.00"))
        .run("2026-01-01")
        .step(close("2026-01-31", "2026-01"))
        .step(close("2026-03-01", "2026-02"))
        .step(close("2026-03-01", "2026-01"))
        .step(close("2026-03-01", "2026-01"))
        .step(json!({"on": "2026-03-02", "invoice": "OLD-1", "do": "markpaid", "date": "2026-01-15"}));
    let answer = scenario.answer();
    assert_eq!(
        codes(&answer).join(" "),
        "ok ok exists ok not_over period_before ok period_closed ok",
        "{answer:#}"
    );
    let ledger = answer["ledger"].as_array().unwrap();
    let paid = ledger.iter().find(|entry| entry["kind"] == "payment").unwrap();
    assert_eq!((&paid["documentdate"], &paid["postingdate"]), (&json!("2026-01-15"), &json!("2026-02-01")));
    assert_eq!(ledger.iter().filter(|entry| entry["document"] == "OLD-1").count(), 2);
}

/// As in a home: what it was booked for is not asked again.
#[test]
fn an_item_that_was_taken_over_before_is_known_by_its_number_alone() {
    let take = |more: Value| {
        let item = json!({"customer": "CU-1", "number": "OLD-1", "date": "2025-12-01", "amount": "125.00"});
        json!({"on": "2026-01-01", "do": "takeover", "invoices": [but(item, more)]})
    };
    let scenario = Scenario::new("2026-01-01", vec![base("100.00")])
        .step(take(json!({})))
        .step(take(json!({"subscription": "SUB-9"})))
        .step(take(json!({"number": "OLD-2", "subscription": "SUB-9"})));
    assert_eq!(codes(&scenario.answer()), ["ok", "ok", "unknown_subscription"]);
}
