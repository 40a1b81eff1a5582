//! Verbs: changes, holds, cancellations, switches, terms.

use super::*;

#[test]
fn an_upgrade_is_prorated_with_its_day_as_charge_date() {
    let scenario = Scenario::new("2026-03-01", vec![seats("10.00", "1")])
        .run("2026-03-01")
        .act("2026-03-15", "setamount", json!({"charge": "SEATS", "amount": "2"}))
        .run("2026-03-15")
        .run("2026-04-01");
    // CHG-01: 17 of 31 days of 10.00 and 20.00, each rounded alone.
    assert_eq!(
        scenario.invoices(),
        [
            "INV-0000001 2026-03-01 12.50: SEATS 10.00 [2026-03-01 2026-03-31]",
            "INV-0000002 2026-03-15 6.86: SEATS -5.48 [2026-03-15 2026-03-31]; SEATS 10.97 [2026-03-15 2026-03-31]",
            "INV-0000003 2026-04-01 25.00: SEATS 20.00 [2026-04-01 2026-04-30]",
        ]
    );
    let answer = scenario.answer();
    let lines = &answer["invoices"][1]["InvoiceLines"];
    assert_eq!((&lines[0]["IsAdjustment"], &lines[1]["IsAmendment"]), (&json!(true), &json!(false)));
}

#[test]
fn changehandle_decides_when_an_upgrade_is_billed() {
    let with = |handle: u8| {
        Scenario::new("2026-03-01", vec![seats("10.00", "1")])
            .with("/productplans/0/changehandle", json!(handle))
            .run("2026-03-01")
            .act("2026-03-15", "setamount", json!({"amount": "2"}))
            .run("2026-04-01")
            .invoices()
    };
    assert_eq!(with(0)[1..], ["INV-0000002 2026-04-01 25.00: SEATS 20.00 [2026-04-01 2026-04-30]"]);
    assert_eq!(
        with(2)[1..],
        ["INV-0000002 2026-04-01 31.86: SEATS -5.48 [2026-03-15 2026-03-31]; \
          SEATS 10.97 [2026-03-15 2026-03-31]; SEATS 20.00 [2026-04-01 2026-04-30]"]
    );
}

#[test]
fn a_downgrade_waits_for_the_next_period_unless_asked() {
    let with = |prorate: Value| {
        Scenario::new("2026-03-01", vec![seats("10.00", "3")])
            .run("2026-03-01")
            .act("2026-03-11", "setamount", json!({"amount": "1", "prorate": prorate}))
            .run("2026-04-01")
            .invoices()
    };
    assert_eq!(with(json!(null))[1..], ["INV-0000002 2026-04-01 12.50: SEATS 10.00 [2026-04-01 2026-04-30]"]);
    assert_eq!(
        with(json!(true))[1..],
        [
            "CN-0000001 2026-03-11 -16.94: SEATS -20.32 [2026-03-11 2026-03-31]; SEATS 6.77 [2026-03-11 2026-03-31]",
            "INV-0000002 2026-04-01 12.50: SEATS 10.00 [2026-04-01 2026-04-30]",
        ]
    );
}

#[test]
fn after_an_uncredited_downgrade_an_upgrade_pays_only_what_is_more_than_paid() {
    let scenario = Scenario::new("2026-04-01", vec![seats("30.00", "4")])
        .run("2026-04-01")
        .act("2026-04-11", "setamount", json!({"amount": "1"}))
        .act("2026-04-16", "setamount", json!({"amount": "3"}))
        .act("2026-04-21", "setamount", json!({"amount": "5"}))
        .run("2026-04-30");
    assert_eq!(
        scenario.invoices()[1..],
        [
            "INV-0000002 2026-04-21 12.50: SEATS -40.00 [2026-04-21 2026-04-30]; SEATS 50.00 [2026-04-21 2026-04-30]"
        ]
    );
}

#[test]
fn a_change_on_the_charge_date_belongs_to_the_period_or_is_prorated_if_a_run_was_before() {
    let change = json!({"amount": "2"});
    let before = Scenario::new("2026-03-01", vec![seats("10.00", "1")])
        .act("2026-03-01", "setamount", change.clone())
        .run("2026-03-01")
        .run("2026-03-20");
    assert_eq!(before.invoices(), ["INV-0000001 2026-03-01 25.00: SEATS 20.00 [2026-03-01 2026-03-31]"]);
    let after = Scenario::new("2026-03-01", vec![seats("10.00", "1")])
        .run("2026-03-01")
        .act("2026-03-01", "setamount", change)
        .run("2026-03-20");
    assert_eq!(
        after.invoices()[1..],
        [
            "INV-0000002 2026-03-01 12.50: SEATS -10.00 [2026-03-01 2026-03-31]; SEATS 20.00 [2026-03-01 2026-03-31]"
        ]
    );
}

#[test]
fn an_upgrade_in_arrears_is_billed_in_parts_at_the_periods_end() {
    let arrears = but(seats("31.00", "1"), json!({"billingperiodalignment": "period_end"}));
    let scenario = Scenario::new("2026-03-01", vec![arrears])
        .act("2026-03-22", "setamount", json!({"amount": "3"}))
        .run("2026-04-01");
    assert_eq!(
        scenario.invoices(),
        [
            "INV-0000001 2026-03-31 63.75: SEATS 31.00 [2026-03-01 2026-03-31]; SEATS -10.00 [2026-03-22 2026-03-31]; \
          SEATS 30.00 [2026-03-22 2026-03-31]"
        ]
    );
}

#[test]
fn a_cancellation_takes_effect_as_asked_and_refunds_only_if_asked() {
    let with = |arguments: Value| {
        Scenario::new("2026-03-01", vec![base("31.00"), calls("1.00")])
            .run("2026-03-01")
            .usage("2026-03-11", "e", "calls", "4", "2026-03-05T12:00:00Z")
            .act("2026-03-11", "cancel", arguments)
            .run("2026-04-15")
            .invoices()
    };
    let usage = |end: &str| format!("CALLS 4.00 [2026-03-01 {end}]");
    // rules T1: the usage of the day on which it ends belongs to the service.
    assert_eq!(
        with(json!({"option": "immediately"}))[1..],
        [format!("INV-0000002 2026-03-11 5.00: {}", usage("2026-03-11"))]
    );
    assert_eq!(
        with(json!({"option": "immediately", "refund": "prorated"}))[1..],
        [
            "CN-0000001 2026-03-11 -26.25: BASE -21.00 [2026-03-11 2026-03-31]".to_owned(),
            format!("INV-0000002 2026-03-11 5.00: {}", usage("2026-03-11"))
        ]
    );
    assert_eq!(
        with(json!({}))[1..],
        [format!("INV-0000002 2026-03-31 5.00: {}", usage("2026-03-31"))],
        "before the next billing"
    );
    assert_eq!(
        with(json!({"option": "on_date", "date": "2026-04-11"}))[1..],
        [
            "INV-0000002 2026-03-31 17.91: BASE 10.33 [2026-04-01 2026-04-10]; CALLS 4.00 [2026-03-01 2026-03-31]"
        ]
    );
}

#[test]
fn a_cancellation_ahead_can_be_taken_back() {
    let scenario = Scenario::new("2026-03-01", vec![base("31.00")])
        .run("2026-03-01")
        .act("2026-03-11", "cancel", json!({}))
        .act("2026-03-20", "reactivate", json!({}))
        .run("2026-04-01");
    assert_eq!(scenario.invoices().len(), 2);
}

#[test]
fn resuming_bills_from_the_next_period_the_hold_or_today() {
    let with = |option: &str| {
        Scenario::new("2026-01-01", vec![base("31.00")])
            .run("2026-01-01")
            .act("2026-01-10", "hold", json!({}))
            .run("2026-02-05")
            .act("2026-02-15", "resume", json!({"option": option}))
            .run("2026-03-15")
            .invoices()
    };
    let line = |number: u8, date: &str, period: &str| {
        format!("INV-000000{number} {date} 38.75: BASE 31.00 [{period}]")
    };
    let march = "2026-03-01 2026-03-31";
    assert_eq!(with("next_period")[1..], [line(2, "2026-03-01", march)]);
    assert_eq!(
        with("from_hold_date")[1..],
        [line(2, "2026-02-15", "2026-02-01 2026-02-28"), line(3, "2026-03-01", march)]
    );
    assert_eq!(
        with("today")[1..],
        [line(2, "2026-02-15", "2026-02-15 2026-03-14"), line(3, "2026-03-15", "2026-03-15 2026-04-14")]
    );
}

#[test]
fn a_hold_closes_usage_with_a_stub_and_frees_what_is_used_meanwhile() {
    let with = |option: &str| {
        Scenario::new("2026-01-01", vec![calls("1.00")])
            .act("2026-01-10", "hold", json!({}))
            .act("2026-02-15", "resume", json!({"option": option}))
            .usage("2026-03-01", "before", "calls", "1", "2026-01-09T12:00:00Z")
            .usage("2026-03-01", "meanwhile", "calls", "10", "2026-01-20T12:00:00Z")
            .usage("2026-03-01", "after", "calls", "100", "2026-02-20T12:00:00Z")
            .run("2026-03-15")
            .invoices()
    };
    assert_eq!(
        with("next_period"),
        [
            "INV-0000001 2026-01-09 1.25: CALLS 1.00 [2026-01-01 2026-01-09]",
            "INV-0000002 2026-02-28 125.00: CALLS 100.00 [2026-02-15 2026-02-28]",
        ]
    );
    assert_eq!(
        with("from_hold_date"),
        [
            "INV-0000001 2026-01-09 1.25: CALLS 1.00 [2026-01-01 2026-01-09]",
            "INV-0000002 2026-02-14 12.50: CALLS 10.00 [2026-01-10 2026-01-31]",
            "INV-0000003 2026-02-28 125.00: CALLS 100.00 [2026-02-01 2026-02-28]",
        ]
    );
}

/// rules S4: the hold of its only charge bills what the hold of a subscription bills, in advance and by usage, whatever the
/// resume counts from, with a refund and without.
#[test]
fn a_charge_rests_as_its_subscription_would() {
    let with = |charge: &Value, verbs: [&str; 2], option: &str, refund: &str| {
        let named = |mut arguments: Value| {
            if verbs[0] == "holdcharge" {
                arguments["charge"] = charge["sku"].clone();
            }
            arguments
        };
        Scenario::new("2026-01-01", vec![charge.clone()])
            .run("2026-01-01")
            .act("2026-01-10", verbs[0], named(json!({"refund": refund})))
            .usage("2026-01-25", "meanwhile", "calls", "10", "2026-01-20T12:00:00Z")
            .run("2026-02-05")
            .act("2026-02-15", verbs[1], named(json!({"option": option})))
            .usage("2026-03-01", "after", "calls", "100", "2026-02-20T12:00:00Z")
            .run("2026-03-31")
            .invoices()
    };
    for charge in [base("31.00"), calls("1.00")] {
        for (option, refund) in [
            ("next_period", "none"),
            ("next_period", "prorated"),
            ("from_hold_date", "none"),
            ("today", "none"),
            ("today", "prorated"),
        ] {
            assert_eq!(
                with(&charge, ["holdcharge", "resumecharge"], option, refund),
                with(&charge, ["hold", "resume"], option, refund),
                "{} {option} {refund}",
                charge["sku"]
            );
        }
    }
}

#[test]
fn one_charge_rests_while_the_others_go_on() {
    let start = || {
        Scenario::new("2026-01-01", vec![base("31.00"), seats("10.00", "1")]).run("2026-01-01").act(
            "2026-01-10",
            "holdcharge",
            json!({"charge": "SEATS"}),
        )
    };
    let resumed = start()
        .run("2026-02-01")
        .act("2026-02-15", "resumecharge", json!({"charge": "SEATS", "option": "next_period"}))
        .run("2026-03-01")
        .invoices();
    assert_eq!(resumed[1], "INV-0000002 2026-02-01 38.75: BASE 31.00 [2026-02-01 2026-02-28]");
    assert!(resumed[2].contains("SEATS 10.00 [2026-03-01 2026-03-31]"), "{resumed:?}");

    // The whole subscription rests meanwhile, and comes back first: the charge goes on resting.
    let both = start()
        .act("2026-01-20", "hold", json!({}))
        .act("2026-02-10", "resume", json!({"option": "next_period"}))
        .run("2026-03-01")
        .invoices();
    assert_eq!(both[1..], ["INV-0000002 2026-03-01 38.75: BASE 31.00 [2026-03-01 2026-03-31]"]);

    let refused =
        |verb: &str, charge: &str| start().act("2026-01-12", verb, json!({"charge": charge})).refusals();
    assert_eq!(refused("holdcharge", "SEATS"), ["conflict"]);
    assert_eq!(refused("resumecharge", "BASE"), ["conflict"]);
}

/// The book with a second plan, whose base costs 62.00 and whose setup is paid once.
fn with_big_plan(scenario: Scenario, charges: Vec<Value>) -> Scenario {
    scenario.with(
        "/productplans/-",
        json!({"sku": "BIG", "fullname": "Big", "currencycode": "DKK", "currencies": ["DKK"], "changehandle": 1,
               "charges": charges}),
    )
}

#[test]
fn a_switch_pairs_charges_by_anchor_code() {
    let setup = but(base("5.00"), json!({"sku": "SETUP", "anchorcode": "setup", "chargetype": "one_time"}));
    let big = vec![
        but(base("62.00"), json!({"sku": "BIG-BASE"})),
        but(setup.clone(), json!({"sku": "BIG-SETUP"})),
        but(seats("31.00", "1"), json!({"sku": "BIG-SEATS"})),
    ];
    let scenario = |when: &str| {
        with_big_plan(Scenario::new("2026-03-01", vec![base("31.00"), setup.clone()]), big.clone())
            .run("2026-03-01")
            .act("2026-03-22", "switchplan", json!({"plan": "BIG", "when": when}))
            .run("2026-04-01")
            .invoices()
    };
    assert_eq!(
        scenario("now")[1..],
        [
            "INV-0000002 2026-03-22 25.00: BASE -10.00 [2026-03-22 2026-03-31]; \
             BIG-BASE 20.00 [2026-03-22 2026-03-31]; BIG-SEATS 10.00 [2026-03-22 2026-03-31]",
            "INV-0000003 2026-04-01 116.25: BIG-BASE 62.00 [2026-04-01 2026-04-30]; BIG-SEATS 31.00 [2026-04-01 2026-04-30]",
        ]
    );
    assert_eq!(
        scenario("next_charge")[1..],
        [
            "INV-0000002 2026-04-01 116.25: BIG-BASE 62.00 [2026-04-01 2026-04-30]; BIG-SEATS 31.00 [2026-04-01 2026-04-30]"
        ]
    );
}

#[test]
fn in_arrears_a_switch_is_prorated_only_if_the_plan_or_the_verb_says_so() {
    let arrears = |sku: &str, price: &str| {
        but(base(price), json!({"sku": sku, "billingperiodalignment": "period_end"}))
    };
    let lines = |handle: u8, prorate: Value| {
        with_big_plan(
            Scenario::new("2026-03-01", vec![arrears("BASE", "31.00")]),
            vec![arrears("BIG-BASE", "62.00")],
        )
        .with("/productplans/0/changehandle", json!(handle))
        .act("2026-03-22", "switchplan", json!({"plan": "BIG", "prorate": prorate}))
        .run("2026-05-01")
        .invoices()
    };
    let whole = [
        "INV-0000001 2026-03-31 77.50: BIG-BASE 62.00 [2026-03-01 2026-03-31]",
        "INV-0000002 2026-04-30 77.50: BIG-BASE 62.00 [2026-04-01 2026-04-30]",
    ];
    let parts = [
        "INV-0000001 2026-03-21 26.25: BASE 21.00 [2026-03-01 2026-03-21]",
        "INV-0000002 2026-03-31 25.00: BIG-BASE 20.00 [2026-03-22 2026-03-31]",
        "INV-0000003 2026-04-30 77.50: BIG-BASE 62.00 [2026-04-01 2026-04-30]",
    ];
    assert_eq!(lines(0, Value::Null), whole);
    assert_eq!(lines(0, json!(true)), parts);
    assert_eq!(lines(1, Value::Null), parts);
    assert_eq!(lines(1, json!(false)), whole);
}

#[test]
fn a_switch_at_renewal_waits_for_the_terms_end() {
    let big = vec![but(base("62.00"), json!({"sku": "BIG-BASE"}))];
    let scenario = with_big_plan(Scenario::new("2026-01-01", vec![base("31.00")]), big)
        .with("/subscriptions/0/initialtermperiod", json!("quarters"))
        .with("/subscriptions/0/initialterminterval", json!(1))
        .with("/subscriptions/0/autorenew", json!(true))
        .act("2026-01-20", "switchplan", json!({"plan": "BIG", "when": "at_renewal"}))
        .run("2026-04-01");
    let skus: Vec<String> = scenario
        .invoices()
        .iter()
        .map(|i| i.split(": ").nth(1).unwrap().split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(skus, ["BASE", "BASE", "BASE", "BIG-BASE"]);
}

#[test]
fn optional_charges_come_with_a_stub_and_go() {
    let extra = but(base("31.00"), json!({"sku": "EXTRA", "anchorcode": "extra", "chargesetup": "optional"}));
    let scenario = Scenario::new("2026-03-01", vec![base("31.00"), extra])
        .run("2026-03-01")
        .act("2026-03-22", "addoptionalcharge", json!({"charge": "EXTRA"}))
        .run("2026-03-22")
        .act("2026-04-11", "removecharge", json!({"charge": "EXTRA"}))
        .run("2026-05-01");
    assert_eq!(
        scenario.invoices()[1..],
        [
            "INV-0000002 2026-03-22 12.50: EXTRA 10.00 [2026-03-22 2026-03-31]",
            "INV-0000003 2026-04-01 77.50: BASE 31.00 [2026-04-01 2026-04-30]; EXTRA 31.00 [2026-04-01 2026-04-30]",
            "INV-0000004 2026-05-01 38.75: BASE 31.00 [2026-05-01 2026-05-31]",
        ]
    );
}

#[test]
fn a_charge_is_toggled_skipped_or_moved() {
    let months = |scenario: Scenario| {
        let starts = |invoice: &String| invoice.split('[').nth(1).unwrap()[..10].to_owned();
        scenario.run("2026-04-01").invoices().iter().map(starts).collect::<Vec<_>>()
    };
    let start = || Scenario::new("2026-01-01", vec![base("31.00")]).run("2026-01-01");
    let toggled = start().act("2026-01-20", "togglecharge", json!({"charge": "BASE"})).act(
        "2026-02-20",
        "togglecharge",
        json!({"charge": "BASE"}),
    );
    assert_eq!(months(toggled), ["2026-01-01", "2026-03-01", "2026-04-01"]);
    let skipped = start().act("2026-01-20", "skipnextcharge", json!({"charge": "BASE"}));
    assert_eq!(months(skipped), ["2026-01-01", "2026-03-01", "2026-04-01"]);
    let moved =
        start().act("2026-01-20", "setnextchargedate", json!({"charge": "BASE", "date": "2026-02-10"}));
    let invoices = moved.run("2026-02-28").invoices();
    assert_eq!(invoices[1], "INV-0000002 2026-02-10 38.75: BASE 31.00 [2026-02-01 2026-02-28]");
}

#[test]
fn a_draft_is_billed_from_its_activation_with_its_periods_unchanged() {
    let scenario = Scenario::new("2026-01-01", vec![base("31.00")])
        .with("/subscriptions/0/status", json!("draft"))
        .run("2026-01-15")
        .act("2026-02-10", "activate", json!({}))
        .run("2026-03-01");
    assert_eq!(
        scenario.invoices(),
        [
            "INV-0000001 2026-02-10 77.50: BASE 31.00 [2026-01-01 2026-01-31]; BASE 31.00 [2026-02-01 2026-02-28]",
            "INV-0000002 2026-03-01 38.75: BASE 31.00 [2026-03-01 2026-03-31]",
        ]
    );
}

#[test]
fn dependent_charges_follow_their_parents_quantity() {
    let dependent = but(
        seats("2.00", "3"),
        json!({"sku": "BACKUP", "anchorcode": "backup", "productchargetype": "dependency", "dependson": "SEATS"}),
    );
    let scenario = Scenario::new("2026-04-01", vec![seats("10.00", "2"), dependent])
        .run("2026-04-01")
        .act("2026-04-16", "setamount", json!({"charge": "SEATS", "amount": "4"}))
        .run("2026-04-16");
    assert_eq!(
        scenario.invoices(),
        [
            "INV-0000001 2026-04-01 40.00: SEATS 20.00 [2026-04-01 2026-04-30]; BACKUP 12.00 [2026-04-01 2026-04-30]",
            "INV-0000002 2026-04-16 20.00: SEATS -10.00 [2026-04-16 2026-04-30]; SEATS 20.00 [2026-04-16 2026-04-30]; \
             BACKUP -6.00 [2026-04-16 2026-04-30]; BACKUP 12.00 [2026-04-16 2026-04-30]",
        ]
    );
}

#[test]
fn refused_verbs_say_why_and_change_nothing() {
    let scenario = || Scenario::new("2026-01-01", vec![base("31.00"), calls("1.00")]).run("2026-03-01");
    let table = [
        ("resume", json!({}), "conflict"),
        ("activate", json!({}), "conflict"),
        ("renew", json!({}), "conflict"),
        ("setamount", json!({"charge": "NOPE", "amount": "1"}), "unknown_charge"),
        ("setamount", json!({"charge": "CALLS", "amount": "1"}), "conflict"),
        ("setamount", json!({"charge": "BASE", "amount": "-1"}), "bad_argument"),
        ("setamount", json!({"charge": "BASE", "amount": "2", "effective": "2026-02-10"}), "before_booked"),
        ("cancel", json!({"option": "at_renewal"}), "conflict"),
        ("cancel", json!({"option": "on_date", "date": "2026-02-01"}), "bad_argument"),
        ("switchplan", json!({"plan": "NOPE"}), "unknown_plan"),
        ("switchplan", json!({"plan": "PRO"}), "conflict"),
        ("setpaymentmethod", json!({"paymentmethod": "card"}), "unknown_method"),
        ("addoptionalcharge", json!({"charge": "BASE"}), "conflict"),
        ("fly", json!({}), "unknown_verb"),
    ];
    for (verb, arguments, code) in table {
        assert_eq!(scenario().act("2026-03-02", verb, arguments).refusals(), [code], "{verb}");
    }
    let answer = scenario().act("2026-03-02", "resume", json!({})).answer();
    let error = &answer["steps"][1]["error"];
    assert_eq!(error["message"], "SUB-1 is active and cannot resume");
    assert!(error["hint"].as_str().unwrap().contains("cancel, hold"));
}

/// rules P9: a price that rises within a period is not asked of a seat that is added to it.
#[test]
fn a_change_within_a_period_is_charged_by_the_price_at_its_start() {
    let priced = but(
        seats("30.00", "1"),
        json!({"pricings": [{"currencycode": "DKK", "price": "30.00"},
                            {"currencycode": "DKK", "price": "90.00", "validfrom": "2026-04-15"}]}),
    );
    let scenario = Scenario::new("2026-04-01", vec![priced]).run("2026-04-01");
    let more = scenario.act("2026-04-16", "setamount", json!({"charge": "SEATS", "amount": "2"}));
    assert_eq!(
        more.run("2026-04-16").run("2026-05-01").invoices()[1..],
        [
            "INV-0000002 2026-04-16 18.75: SEATS -15.00 [2026-04-16 2026-04-30]; SEATS 30.00 [2026-04-16 2026-04-30]",
            "INV-0000003 2026-05-01 225.00: SEATS 180.00 [2026-05-01 2026-05-31]",
        ]
    );
}

/// rules R3, P9: fewer seats are no upgrade, whatever a seat costs by then.
#[test]
fn a_smaller_quantity_at_a_higher_price_is_no_upgrade() {
    let priced = but(
        seats("30.00", "2"),
        json!({"pricings": [{"currencycode": "DKK", "price": "30.00"},
                            {"currencycode": "DKK", "price": "90.00", "validfrom": "2026-04-15"}]}),
    );
    let scenario = Scenario::new("2026-04-01", vec![priced]).run("2026-04-01");
    let less = scenario.act("2026-04-16", "setamount", json!({"charge": "SEATS", "amount": "1"}));
    assert_eq!(less.run("2026-04-30").invoices().len(), 1);
}

/// rules M5: what a second change gives back is what the first one charged, with its discount and its invoice.
#[test]
fn a_second_change_gives_back_what_the_first_one_charged() {
    let discount = json!({"refkey": "d", "fullname": "D", "amount": "0.10", "expiryperiod": "days",
                          "expiryperiodinterval": 10, "codes": [{"codeprefix": "A", "code": "B"}]});
    let scenario = Scenario::new("2026-04-01", vec![seats("30.00", "1")])
        .with("/discounts", json!([discount]))
        .with("/subscriptions/0/discount", json!({"code": "A-B", "from": "2026-04-01"}))
        .run("2026-04-01")
        .act("2026-04-16", "setamount", json!({"charge": "SEATS", "amount": "2"}))
        .run("2026-04-16")
        .act("2026-04-26", "setamount", json!({"charge": "SEATS", "amount": "4"}))
        .run("2026-04-26");
    assert_eq!(
        scenario.invoices(),
        [
            "INV-0000001 2026-04-01 33.75: SEATS 27.00 [2026-04-01 2026-04-30]",
            "INV-0000002 2026-04-16 20.63: SEATS -13.50 [2026-04-16 2026-04-30]; SEATS 30.00 [2026-04-16 2026-04-30]",
            "INV-0000003 2026-04-26 12.50: SEATS -10.00 [2026-04-26 2026-04-30]; SEATS 20.00 [2026-04-26 2026-04-30]",
        ]
    );
}

/// Upodi `productchargetype` 10: a charge follows one that itself follows another.
#[test]
fn a_dependent_charge_multiplies_along_the_chain() {
    let follows = |sku: &str, amount: &str, on: &str| {
        but(
            seats("1.00", amount),
            json!({"sku": sku, "anchorcode": sku, "productchargetype": 10, "addonproductcharge": on}),
        )
    };
    let charges = vec![seats("10.00", "3"), follows("BOXES", "2", "SEATS"), follows("CABLES", "4", "BOXES")];
    let scenario = Scenario::new("2026-04-01", charges)
        .run("2026-04-01")
        .act("2026-04-16", "setamount", json!({"charge": "SEATS", "amount": "5"}))
        .run("2026-05-01");
    assert_eq!(
        scenario.invoices(),
        [
            "INV-0000001 2026-04-01 75.00: SEATS 30.00 [2026-04-01 2026-04-30]; BOXES 6.00 [2026-04-01 2026-04-30]; \
             CABLES 24.00 [2026-04-01 2026-04-30]",
            "INV-0000002 2026-04-16 25.00: SEATS -15.00 [2026-04-16 2026-04-30]; SEATS 25.00 [2026-04-16 2026-04-30]; \
             BOXES -3.00 [2026-04-16 2026-04-30]; BOXES 5.00 [2026-04-16 2026-04-30]; \
             CABLES -12.00 [2026-04-16 2026-04-30]; CABLES 20.00 [2026-04-16 2026-04-30]",
            "INV-0000003 2026-05-01 125.00: SEATS 50.00 [2026-05-01 2026-05-31]; BOXES 10.00 [2026-05-01 2026-05-31]; \
             CABLES 40.00 [2026-05-01 2026-05-31]",
        ]
    );
}

#[test]
fn charges_that_follow_one_another_in_a_ring_are_refused() {
    let follows = |sku: &str, on: &str| {
        but(
            seats("1.00", "1"),
            json!({"sku": sku, "anchorcode": sku, "productchargetype": 10, "addonproductcharge": on}),
        )
    };
    let scenario = Scenario::new("2026-04-01", vec![follows("A", "B"), follows("B", "A")]);
    assert_eq!(scenario.refusals(), ["book_refused"]);
}

#[test]
fn an_unknown_option_of_a_run_is_refused() {
    let run = |options: Value| {
        Scenario::new("2026-04-01", vec![base("1.00")])
            .step(json!({"on": "2026-04-01", "run": options}))
            .refusals()
    };
    assert_eq!(run(json!({"previw": true})), ["unknown_option"]);
    assert_eq!(run(json!({"AsOf": "2026-04-01", "skip": ["collect"]})), Vec::<String>::new());
}
