//! From draft to paid: booking, payments, credit notes, refunds, and the ledger that follows.

use super::*;

fn paying(token: &str) -> Scenario {
    Scenario::new("2026-01-01", vec![base("100.00")]).with(
        "/customers/0/paymentmethods",
        json!([{"refkey": "card", "type": "token", "gateway": "sandbox", "token": token, "makedefault": true}]),
    )
}

fn statuses(answer: &Value) -> Vec<[u64; 3]> {
    let names = ["InvoiceStatus", "PaymentStatus", "SettlementStatus"];
    answer["invoices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| names.map(|name| i[name].as_u64().unwrap()))
        .collect()
}

#[track_caller]
fn assert_balanced(answer: &Value) {
    for entry in answer["ledger"].as_array().unwrap() {
        let sum = |side: &str| -> rust_decimal::Decimal {
            let amounts = entry["postings"].as_array().unwrap().iter().map(|p| p[side].as_str().unwrap());
            amounts.map(|text| text.parse::<rust_decimal::Decimal>().unwrap()).sum()
        };
        assert_eq!(sum("debit"), sum("credit"), "{entry}");
    }
}

#[test]
fn the_sandboxs_tokens_pay_decline_and_pay_later() {
    let paid = paying("tok_ok").run("2026-01-01").answer();
    assert_eq!(statuses(&paid), [[10, 20, 4]]);
    assert_eq!(paid["transactions"][0]["StateCode"], 1);
    let kinds: Vec<&str> =
        paid["ledger"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["invoice", "payment"]);
    assert_balanced(&paid);

    let hard = paying("tok_hard_decline").run("2026-01-01").answer();
    assert_eq!(statuses(&hard), [[10, 80, 0]]);

    let later =
        paying("tok_ok_after_2").run("2026-01-01").run("2026-01-15").run("2026-01-15").run("2026-01-16");
    let answer = later.answer();
    let states: Vec<u64> =
        answer["transactions"].as_array().unwrap().iter().map(|t| t["StateCode"].as_u64().unwrap()).collect();
    assert_eq!(states, [8, 8, 1]);
    assert_eq!(statuses(&answer), [[10, 20, 4]]);
}

#[test]
fn a_draft_waits_is_booked_or_cancelled() {
    let draft = || {
        Scenario::new("2026-01-01", vec![base("100.00")])
            .with("/customers/0/autobill", json!(false))
            .run("2026-01-01")
    };
    assert_eq!(draft().invoices(), ["draft 2026-01-01 125.00: BASE 100.00 [2026-01-01 2026-01-31]"]);
    let booked = draft().step(json!({"on": "2026-01-02", "invoice": 1, "do": "book"}));
    assert_eq!(booked.invoices(), ["INV-0000001 2026-01-01 125.00: BASE 100.00 [2026-01-01 2026-01-31]"]);
    let waived = draft().step(json!({"on": "2026-01-02", "invoice": 1, "do": "cancel"})).run("2026-01-03");
    assert_eq!(statuses(&waived.answer()), [[50, 0, 0]]);
    let released = draft()
        .step(json!({"on": "2026-01-02", "invoice": "1", "do": "cancel", "release": true}))
        .run("2026-01-03");
    assert_eq!(statuses(&released.answer()), [[50, 0, 0], [0, 0, 0]]);
}

#[test]
fn a_credit_note_closes_its_invoice_and_a_paid_one_can_be_refunded() {
    let whole = Scenario::new("2026-01-01", vec![base("100.00")])
        .run("2026-01-01")
        .step(json!({"on": "2026-01-05", "invoice": "INV-0000001", "do": "credit"}));
    assert_eq!(whole.invoices()[1], "CN-0000001 2026-01-05 -125.00: BASE -100.00 [2026-01-01 2026-01-31]");
    assert_eq!(statuses(&whole.answer()), [[10, 50, 4], [10, 20, 4]]);

    let refunded = paying("tok_ok")
        .run("2026-01-01")
        .step(json!({"on": "2026-01-05", "invoice": 1, "do": "credit", "lines": [{"line": 1, "amount": "40.00"}]}))
        .step(json!({"on": "2026-01-06", "invoice": "CN-0000001", "do": "refund"}))
        .step(json!({"on": "2026-01-07", "invoice": "INV-0000001", "do": "credit"}))
        .step(json!({"on": "2026-01-07", "invoice": "INV-0000001", "do": "credit"}))
        .step(json!({"on": "2026-01-08", "invoice": "INV-0000001", "do": "refund"}));
    assert_eq!(refunded.refusals(), ["nothing_left", "nothing_owed"]);
    let answer = refunded.answer();
    assert_eq!(answer["invoices"][1]["TotalAmount"], "-50.00");
    assert_eq!(answer["invoices"][2]["TotalAmount"], "-75.00");
    assert_eq!(
        (&answer["transactions"][1]["Type"], &answer["transactions"][1]["TotalAmount"]),
        (&json!(16), &json!("50.00"))
    );
    assert_balanced(&answer);
}

/// Payment status, settlement status and state of each document.
fn read(scenario: &Scenario) -> Vec<(u64, u64, String)> {
    let answer = scenario.answer();
    assert_balanced(&answer);
    let status = |i: &Value, name: &str| i[name].as_u64().unwrap();
    let told = |i: &Value| {
        let word = i["State"].as_str().unwrap().to_owned();
        (status(i, "PaymentStatus"), status(i, "SettlementStatus"), word)
    };
    answer["invoices"].as_array().unwrap().iter().map(told).collect()
}

#[test]
fn what_nobody_paid_does_not_read_paid() {
    let verb = |on: &str, invoice: Value, verb: &str| json!({"on": on, "invoice": invoice, "do": verb});
    let some =
        |on: &str, verb: &str, amount: &str| json!({"on": on, "invoice": 1, "do": verb, "amount": amount});
    let part =
        json!({"on": "2026-01-05", "invoice": 1, "do": "credit", "lines": [{"line": 1, "amount": "40.00"}]});
    let credited = (50, 4, "credited");
    let written_off = (1024, 4, "written_off");
    let paid = (20, 4, "paid");
    let table = [
        (vec![verb("2026-01-05", json!(1), "credit")], vec![credited, paid]),
        (vec![verb("2026-01-05", json!(1), "writeoff")], vec![written_off]),
        (vec![part.clone()], vec![(0, 2, "open"), paid]),
        (vec![part.clone(), verb("2026-01-06", json!(1), "markpaid")], vec![paid, paid]),
        (vec![part.clone(), verb("2026-01-06", json!(1), "writeoff")], vec![written_off, paid]),
        (vec![part, verb("2026-01-06", json!(1), "credit")], vec![credited, paid, paid]),
        (vec![some("2026-01-05", "writeoff", "5.00")], vec![(0, 2, "open")]),
        (
            vec![some("2026-01-05", "markpaid", "25.00"), verb("2026-01-06", json!(1), "writeoff")],
            vec![written_off],
        ),
        (vec![some("2026-01-05", "markpaid", "200.00")], vec![(20, 8, "paid")]),
        (
            vec![
                verb("2026-01-05", json!(1), "markpaid"),
                verb("2026-01-06", json!(1), "credit"),
                verb("2026-01-07", json!("CN-0000001"), "refund"),
            ],
            vec![paid, paid],
        ),
        // What was given up and comes after all is no loss any more, and no credit of the payer.
        (
            vec![verb("2026-01-05", json!(1), "writeoff"), some("2026-01-06", "markpaid", "125.00")],
            vec![paid],
        ),
        (
            vec![verb("2026-01-05", json!(1), "writeoff"), some("2026-01-06", "markpaid", "25.00")],
            vec![written_off],
        ),
        (
            vec![verb("2026-01-05", json!(1), "writeoff"), some("2026-01-06", "markpaid", "150.00")],
            vec![(20, 8, "paid")],
        ),
    ];
    for (steps, expected) in table {
        let scenario = Scenario::new("2026-01-01", vec![base("100.00")]).run("2026-01-01");
        let scenario = steps.iter().cloned().fold(scenario, Scenario::step);
        assert_eq!(scenario.refusals(), Vec::<String>::new(), "{steps:?}");
        let expected: Vec<(u64, u64, String)> = expected
            .into_iter()
            .map(|(payment, settled, word)| (payment, settled, word.to_owned()))
            .collect();
        assert_eq!(read(&scenario), expected, "{steps:?}");
    }
    let late = Scenario::new("2026-01-01", vec![base("100.00")]).run("2026-01-01").run("2026-01-20");
    assert_eq!(read(&late)[0].2, "overdue");
    assert_eq!(read(&paying("tok_hard_decline").run("2026-01-01"))[0].2, "declined");
}

#[test]
fn what_was_written_off_is_credited_and_never_paid_out() {
    let scenario = Scenario::new("2026-01-01", vec![base("100.00")])
        .run("2026-01-01")
        .step(json!({"on": "2026-01-05", "invoice": 1, "do": "writeoff"}))
        .step(json!({"on": "2026-01-06", "invoice": 1, "do": "credit"}))
        .step(json!({"on": "2026-01-07", "invoice": "CN-0000001", "do": "refund"}))
        .step(json!({"on": "2026-01-07", "invoice": 1, "do": "writeoff"}));
    assert_eq!(scenario.refusals(), ["nothing_owed", "nothing_open"]);
    let bad_debt = |entry: &Value| entry["kind"] == "write_off";
    let answer = scenario.answer();
    let entries = answer["ledger"].as_array().unwrap().iter().filter(|entry| bad_debt(entry)).count();
    assert_eq!(entries, 2, "given up, and taken back");
    assert_eq!(read(&scenario), [(50, 4, "credited".to_owned()), (20, 4, "paid".to_owned())]);
    let next = scenario.run("2026-02-01");
    assert_eq!(read(&next)[2], (0, 0, "open".to_owned()), "it pays no other invoice");
}

#[test]
fn a_credit_of_a_run_meets_what_was_given_up_first() {
    let scenario = Scenario::new("2026-01-01", vec![base("31.00")])
        .run("2026-01-01")
        .step(json!({"on": "2026-01-05", "invoice": 1, "do": "writeoff"}))
        .act("2026-01-22", "cancel", json!({"option": "immediately", "refund": "prorated"}))
        .run("2026-01-22")
        .step(json!({"on": "2026-01-23", "invoice": "CN-0000001", "do": "refund"}));
    assert_eq!(scenario.refusals(), ["nothing_owed"]);
    let states = [(1024, 4, "written_off".to_owned()), (20, 4, "paid".to_owned())];
    assert_eq!(read(&scenario), states, "26.25 of 38.75 stays a loss");
}

#[test]
fn what_is_paid_too_much_pays_the_next_invoice_or_goes_back() {
    let paid_twice = || {
        Scenario::new("2026-01-01", vec![base("100.00")])
            .run("2026-01-01")
            .step(json!({"on": "2026-01-05", "invoice": 1, "do": "markpaid", "amount": "125.00"}))
            .step(json!({"on": "2026-01-06", "invoice": 1, "do": "markpaid", "amount": "125.00"}))
    };
    assert_eq!(statuses(&paid_twice().answer()), [[10, 20, 8]]);
    let next = paid_twice().run("2026-02-01");
    assert_eq!(statuses(&next.answer()), [[10, 20, 4], [10, 20, 4]]);
    let back = paid_twice()
        .step(json!({"on": "2026-01-07", "invoice": 1, "do": "refund", "amount": "125.01"}))
        .step(json!({"on": "2026-01-07", "invoice": 1, "do": "refund"}))
        .step(json!({"on": "2026-01-07", "invoice": 1, "do": "refund"}));
    assert_eq!(back.refusals(), ["more_than_open", "nothing_owed"]);
    assert_eq!(statuses(&back.answer()), [[10, 20, 4]]);
    assert_balanced(&back.answer());
}

#[test]
fn a_negative_invoice_is_set_against_the_oldest_open_one() {
    let scenario = Scenario::new("2026-01-01", vec![base("31.00")])
        .run("2026-01-01")
        .act("2026-01-22", "cancel", json!({"option": "immediately", "refund": "prorated"}))
        .run("2026-01-22");
    let answer = scenario.answer();
    assert_eq!(answer["invoices"][1]["TotalAmount"], "-12.50");
    assert_eq!(statuses(&answer), [[10, 0, 2], [10, 20, 4]]);
}

#[test]
fn marking_paid_recharging_and_refusals() {
    let scenario = Scenario::new("2026-01-01", vec![base("100.00")])
        .run("2026-01-01")
        .step(json!({"on": "2026-01-05", "invoice": 1, "do": "recharge"}))
        .step(json!({"on": "2026-01-05", "invoice": 1, "do": "markpaid", "PaymentDate": "2026-01-04"}))
        .step(json!({"on": "2026-01-05", "invoice": 1, "do": "markpaid"}))
        .step(json!({"on": "2026-01-05", "invoice": 1, "do": "cancel"}))
        .step(json!({"on": "2026-01-05", "invoice": 7, "do": "cancel"}))
        .step(json!({"on": "2026-01-01", "run": {}}))
        .step(json!({"on": "2026-01-06", "run": {"as_of": "2025-12-31"}}));
    assert_eq!(
        scenario.refusals(),
        ["no_method", "nothing_open", "conflict", "unknown_invoice", "goes_back"]
    );
    let answer = scenario.answer();
    assert_eq!(answer["invoices"][0]["PaymentDate"], "2026-01-04");
    assert_eq!(answer["transactions"][0]["StateCode"], 32);
    let early = answer["steps"].as_array().unwrap().last().unwrap();
    assert_eq!(early["leftout"], json!(["CU-1"]), "a later run has billed it: {early}");
}

#[test]
fn numbers_follow_the_rank_and_have_no_gap() {
    let scenario = Scenario::new("2026-01-01", vec![base("100.00")])
        .with("/tenant/invoicenumberpattern", json!("{year}-{seq:03}"))
        .with(
            "/customers/-",
            json!({"accountnumber": "CU-0", "fullname": "First", "currencycode": "DKK", "autobill": true, "country": "DK"}),
        )
        .with(
            "/subscriptions/-",
            json!({"subscriptionnumber": "SUB-0", "customer": "CU-0", "productplan": "PRO", "startdate": "2025-12-15",
                   "status": "active"}),
        )
        .run("2026-02-01");
    let numbers: Vec<String> = scenario
        .invoices()
        .iter()
        .map(|i| i.split(": ").next().unwrap().rsplit_once(' ').unwrap().0.to_owned())
        .collect();
    assert_eq!(
        numbers,
        ["2025-001 2025-12-15", "2026-001 2026-01-01", "2026-002 2026-01-15", "2026-003 2026-02-01"]
    );
}

/// rules M3: an upgrade's invoice has a line below zero; neither that one alone nor the other one alone is credited.
#[test]
fn a_note_neither_raises_what_is_owed_nor_exceeds_the_invoice() {
    let credit = |on: &str, lines: Value| json!({"on": on, "invoice": 2, "do": "credit", "lines": lines});
    let scenario = Scenario::new("2026-04-01", vec![seats("30.00", "1")])
        .run("2026-04-01")
        .act("2026-04-16", "setamount", json!({"charge": "SEATS", "amount": "3"}))
        .run("2026-04-16")
        .step(credit("2026-04-17", json!([1])))
        .step(credit("2026-04-17", json!([2])))
        .step(credit("2026-04-17", json!([{"line": 2, "amount": "10"}])))
        .step(credit("2026-04-18", Value::Null));
    assert_eq!(scenario.refusals(), ["too_much", "too_much"]);
    let invoices = short(&scenario.answer());
    assert_eq!(
        invoices[2..],
        [
            "CN-0000001 2026-04-17 -12.50: SEATS -10.00 [2026-04-16 2026-04-30]",
            "CN-0000002 2026-04-18 -25.00: SEATS 15.00 [2026-04-16 2026-04-30]; SEATS -35.00 [2026-04-16 2026-04-30]",
        ]
    );
}

#[test]
fn a_custom_invoice_is_drafted_booked_and_credited_like_the_others() {
    let custom = json!({"customer": "CU-1", "refkey": "workshop", "lines": [
        {"title": "Workshop", "quantity": "1.5", "unitprice": "100.01", "discount": "0.10"}]});
    let create = |on: &str, invoice: &Value| json!({"on": on, "do": "create", "invoice": invoice});
    let scenario = Scenario::new("2026-01-01", vec![base("100.00")])
        .step(create("2026-01-05", &custom))
        .step(json!({"on": "2026-01-06", "invoice": 1, "do": "book"}))
        .step(json!({"on": "2026-01-07", "invoice": "INV-0000001", "do": "credit"}));
    // 1.5 × 100.01 × 0.9 = 135.0135
    assert_eq!(
        scenario.invoices(),
        [
            "INV-0000001 2026-01-05 168.76: CUSTOM 135.01 [2026-01-05 2026-01-05]",
            "CN-0000001 2026-01-07 -168.76: CUSTOM -135.01 [2026-01-05 2026-01-05]",
        ]
    );
    assert_balanced(&scenario.answer());
    let nobody = but(custom.clone(), json!({"customer": "CU-9"}));
    let wrong = but(custom.clone(), json!({"lines": [{"title": "x", "quantity": "1"}]}));
    let refused = scenario
        .step(create("2026-01-08", &custom))
        .step(create("2026-01-08", &nobody))
        .step(create("2026-01-08", &wrong))
        .step(json!({"on": "2026-01-08", "do": "book", "invoice": custom}))
        .step(json!({"on": "2026-01-08", "do": "credit", "invoice": 1, "line": 1}));
    let codes = ["exists", "unknown_customer", "bad_argument", "bad_argument", "unknown_argument"];
    assert_eq!(refused.refusals(), codes);
}
