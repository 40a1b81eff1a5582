//! Direct debits, as the bank tells of them.

use super::*;

/// 125.00 EUR, which the bank is to fetch on 15 January, and what it says of that on the 19th.
fn told(said: Value) -> Value {
    let mandate = json!([{"refkey": "debit", "type": "sepa", "iban": "AT61 1904 3002 3457 3201", "mandateid": "M-1",
                          "mandatedate": "2025-11-30", "makedefault": true}]);
    let fee = but(base("100.00"), json!({"pricings": [{"currencycode": "EUR", "price": "100.00"}]}));
    let mut scenario = Scenario::new("2026-01-01", vec![fee])
        .with("/tenant/currencycode", json!("EUR"))
        .with("/tenant/iban", json!("DE89 3704 0044 0532 0130 00"))
        .with("/tenant/creditorid", json!("DE98ZZZ09999999999"))
        .with("/tenant/paymentterm", json!(8))
        .with("/productplans/0/currencycode", json!("EUR"))
        .with("/productplans/0/currencies", json!(["EUR"]))
        .with("/customers/0/currencycode", json!("EUR"))
        .with("/customers/0/paymentmethods", mandate)
        .run("2026-01-01")
        .step(json!({"on": "2026-01-02", "payments": "export", "until": "2026-01-20"}));
    let mut step = json!({"on": "2026-01-19", "payments": "import"});
    step.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
    scenario = scenario.step(step);
    scenario.answer()
}

fn came(amount: &str, id: &str) -> Value {
    json!({"amount": amount, "currency": "EUR", "date": "2026-01-16", "debit": "INV-0000001", "id": id})
}

fn posted(answer: &Value) -> Vec<&str> {
    answer["ledger"].as_array().unwrap().iter().map(|entry| entry["kind"].as_str().unwrap()).collect()
}

/// rules Y8: a statement may tell that money came and that it went back; it is open again, and came once.
#[test]
fn money_that_came_and_went_back_in_one_file_is_a_return_and_no_decline() {
    let answer = told(json!({"entries": [came("125.00", "a")],
                             "returned": [{"debit": "INV-0000001", "code": "MD06", "date": "2026-01-19"}]}));
    let step = &answer["steps"][2];
    assert_eq!(step["received"], json!([{"payment": 1, "state": "placed"}]), "{step}");
    assert_eq!(step["returned"], json!([{"state": "returned"}]), "{step}");
    assert_eq!(answer["invoices"][0]["State"], "declined", "{answer:#}");
    assert_eq!(posted(&answer), ["invoice", "payment", "payment"]);
}

/// As of an import: a person says what it is.
#[test]
fn another_sum_than_the_debits_waits_for_a_person() {
    let answer = told(json!({"entries": [came("130.00", "a"), came("125.00", "b"), came("125.00", "c")]}));
    let expected = json!([{"payment": 2, "state": "open", "why": "debits_differ"}, {"payment": 1, "state": "placed"},
                          {"state": "known"}]);
    assert_eq!(answer["steps"][2]["received"], expected, "{answer:#}");
}

#[test]
fn what_names_no_debit_is_refused_before_anything_is_taken() {
    let wrong = json!({"amount": "1.00", "currency": "EUR", "debit": "INV-0000009"});
    let answer = told(json!({"entries": [came("125.00", "a"), wrong]}));
    assert_eq!(answer["steps"][2]["error"]["code"], "unknown_invoice", "{answer:#}");
    assert_eq!(posted(&answer), ["invoice"]);
}
