//! Acts on the first day of a period, after that night's run, and what is paid already (rules T1, R3, R4, S4).

use super::*;

/// The scenarios of `acts.ndjson`, each with the nets of the lines of its invoices, and the codes of refused steps.
#[test]
fn acts_after_the_nights_run_give_the_right_money() {
    /// Name of a scenario, nets per invoice, codes of refused steps.
    type Row<'a> = (&'a str, &'a [&'a [&'a str]], &'a [&'a str]);
    let table: [Row; 11] = [
        ("switch_on_the_first_day_after_the_run", &[&["10.00"], &["-10.00", "20.00"]], &[]),
        ("switch_on_the_first_day_run_a_day_later", &[&["10.00"], &["10.00"], &["-10.00", "20.00"]], &[]),
        ("resumed_today_within_paid_days", &[&["31.00"], &["31.00", "-16.00"], &["-26.00"]], &[]),
        ("billed_early_then_ended", &[&["31.00"], &["31.00"], &["-17.00", "-31.00"]], &[]),
        ("quantity_in_arrears", &[&["62.00"], &["93.00"]], &[]),
        ("price_in_arrears", &[&["31.00"], &["62.00"]], &[]),
        ("ended_on_the_first_day_after_the_run", &[&["31.00"], &["31.00"], &["-31.00"]], &[]),
        ("switched_on_the_first_day_after_the_run", &[&["31.00"], &["31.00"], &["-31.00", "62.00"]], &[]),
        ("cancelled_immediately_on_another_day", &[&["31.00"], &["31.00"]], &["bad_argument"]),
        ("option_of_a_plan_to_come", &[&["100.00"], &["100.00"]], &["unknown_charge"]),
        (
            "an_end_taken_back_after_a_resume_within_paid_days",
            &[&["31.00"], &["10.00", "-10.00"], &["-7.00", "21.00"], &["31.00"]],
            &[],
        ),
    ];
    let scenarios: Vec<&str> = include_str!("acts.ndjson").lines().collect();
    assert_eq!(scenarios.len(), table.len());
    for (scenario, (name, nets, refused)) in scenarios.into_iter().zip(table) {
        let answer = simulate(scenario, super::words);
        assert_eq!(answer["name"], name);
        let codes: Vec<&str> = answer["steps"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|step| step["error"]["code"].as_str())
            .collect();
        assert_eq!(codes, refused, "{name}");
        let billed: Vec<Vec<&str>> = answer["invoices"]
            .as_array()
            .unwrap()
            .iter()
            .map(|invoice| {
                let lines = invoice["InvoiceLines"].as_array().unwrap();
                lines.iter().map(|line| line["SubTotal"].as_str().unwrap()).collect()
            })
            .collect();
        assert_eq!(billed, nets, "{name}");
    }
}

fn annual(scenario: Scenario) -> Scenario {
    let year = but(base("365.00"), json!({"sku": "YEAR", "billingperiod": "annually"}));
    scenario.with(
        "/productplans/-",
        json!({"sku": "YEARLY", "fullname": "Yearly", "currencycode": "DKK", "currencies": ["DKK"],
               "changehandle": 1, "charges": [year]}),
    )
}

#[test]
fn a_switch_to_another_rhythm_on_the_first_day_charges_the_new_period_instead() {
    let scenario = annual(Scenario::new("2026-03-01", vec![base("31.00")]))
        .run("2026-03-01")
        .act("2026-03-01", "switchplan", json!({"plan": "YEARLY"}))
        .run("2026-03-01")
        .act("2026-03-11", "cancel", json!({"option": "immediately", "refund": "prorated"}))
        .run("2027-04-01");
    assert_eq!(
        scenario.invoices(),
        [
            "INV-0000001 2026-03-01 38.75: BASE 31.00 [2026-03-01 2026-03-31]",
            "INV-0000002 2026-03-01 417.50: BASE -31.00 [2026-03-01 2026-03-31]; YEAR 365.00 [2026-03-01 2027-02-28]",
            "CN-0000001 2026-03-11 -443.75: YEAR -355.00 [2026-03-11 2027-02-28]",
        ]
    );
}

#[test]
fn a_first_day_that_is_changed_twice_is_corrected_twice() {
    let scenario = Scenario::new("2026-03-01", vec![seats("10.00", "1")])
        .run("2026-03-01")
        .act("2026-03-01", "setamount", json!({"amount": "2"}))
        .run("2026-03-01")
        .act("2026-03-01", "setamount", json!({"amount": "5"}))
        .act("2026-03-01", "setprice", json!({"charge": "SEATS", "unitprice": "1.00"}))
        .run("2026-03-02");
    let whole = |net: &str| format!("SEATS {net} [2026-03-01 2026-03-31]");
    assert_eq!(
        scenario.invoices()[1..],
        [
            format!("INV-0000002 2026-03-01 12.50: {}; {}", whole("-10.00"), whole("20.00")),
            format!(
                "CN-0000001 2026-03-01 -18.75: {}; {}; {}; {}",
                whole("-20.00"),
                whole("-50.00"),
                whole("50.00"),
                whole("5.00")
            ),
        ]
    );
}

/// rules R4: a hold keeps what is billed, unless it says `refund: prorated`; then the rest is given back once.
#[test]
fn a_hold_gives_back_what_is_paid_only_if_asked() {
    let with = |arguments: Value| {
        Scenario::new("2026-03-01", vec![base("31.00")])
            .run("2026-03-01")
            .act("2026-03-11", "hold", arguments)
            .run("2026-03-11")
            .act("2026-03-16", "resume", json!({"option": "today"}))
            .run("2026-03-16")
            .invoices()
    };
    assert_eq!(
        with(json!({}))[1..],
        [
            "INV-0000002 2026-03-16 18.75: BASE 31.00 [2026-03-16 2026-04-15]; BASE -16.00 [2026-03-16 2026-03-31]"
        ]
    );
    assert_eq!(
        with(json!({"refund": "prorated"}))[1..],
        [
            "CN-0000001 2026-03-11 -26.25: BASE -21.00 [2026-03-11 2026-03-31]",
            "INV-0000002 2026-03-16 38.75: BASE 31.00 [2026-03-16 2026-04-15]",
        ]
    );
}

/// rules R2: what is resumed within paid days comes to nothing, also when a hold has begun on their first day; what is given
/// back of it later is what was charged.
#[test]
fn the_rest_of_paid_days_is_counted_from_their_first_day() {
    let fee = but(base("0.11"), json!({"billingperiod": "day_of_month", "billingday": 1}));
    let scenario = |hold: Value| {
        Scenario::new("2026-04-01", vec![fee.clone()])
            .run("2026-04-01")
            .act("2026-04-01", "hold", hold)
            .run("2026-04-01")
            .act("2026-04-16", "resume", json!({"option": "today"}))
            .run("2026-04-16")
    };
    let kept = scenario(json!({})).act(
        "2026-04-16",
        "cancel",
        json!({"option": "immediately", "refund": "prorated"}),
    );
    let rest = "BASE 0.05 [2026-04-16 2026-04-30]; BASE -0.05 [2026-04-16 2026-04-30]";
    assert_eq!(
        kept.run("2026-04-16").invoices()[1..],
        [
            format!("INV-0000002 2026-04-16 0.00: {rest}"),
            "CN-0000001 2026-04-16 -0.06: BASE -0.05 [2026-04-16 2026-04-30]".to_string()
        ]
    );
    let given_back = scenario(json!({"refund": "prorated"}));
    assert_eq!(
        given_back.invoices()[1..],
        [
            "CN-0000001 2026-04-01 -0.14: BASE -0.11 [2026-04-01 2026-04-30]",
            "INV-0000002 2026-04-16 0.08: BASE 0.06 [2026-04-16 2026-04-30]"
        ]
    );
}

/// A period that was billed as a stub is billed to its end when the end is taken back.
#[test]
fn an_end_that_is_taken_back_charges_the_rest_of_the_period() {
    let scenario = Scenario::new("2026-03-01", vec![base("31.00")])
        .act("2026-03-01", "cancel", json!({"option": "on_date", "date": "2026-03-11"}))
        .run("2026-03-01")
        .act("2026-03-05", "reactivate", json!({}))
        .run("2026-04-01");
    assert_eq!(
        scenario.invoices(),
        [
            "INV-0000001 2026-03-01 12.50: BASE 10.00 [2026-03-01 2026-03-10]",
            "INV-0000002 2026-03-05 26.25: BASE 21.00 [2026-03-11 2026-03-31]",
            "INV-0000003 2026-04-01 38.75: BASE 31.00 [2026-04-01 2026-04-30]",
        ]
    );
}

/// rules T1: usage of the day on which it is ended belongs to the service, also on the first day of a period.
#[test]
fn usage_of_the_last_day_is_rated_the_day_after() {
    let scenario = Scenario::new("2026-03-01", vec![calls("1.00")])
        .usage("2026-04-01", "before", "calls", "3", "2026-03-31T10:00:00Z")
        .usage("2026-04-01", "last", "calls", "4", "2026-04-01T10:00:00Z")
        .usage("2026-04-01", "after", "calls", "5", "2026-04-02T10:00:00Z")
        .run("2026-04-01")
        .act("2026-04-01", "cancel", json!({"option": "immediately"}))
        .run("2026-04-01")
        .run("2026-04-02");
    assert_eq!(
        scenario.invoices(),
        [
            "INV-0000001 2026-03-31 3.75: CALLS 3.00 [2026-03-01 2026-03-31]",
            "INV-0000002 2026-04-01 5.00: CALLS 4.00 [2026-04-01 2026-04-01]",
        ]
    );
}

#[test]
fn the_trial_ends_on_another_day_as_long_as_service_has_not_begun() {
    let start = || {
        Scenario::new("2026-01-01", vec![base("31.00")])
            .with("/subscriptions/0/trialend", json!("2026-01-15"))
            .run("2026-01-01")
    };
    let longer = start().act("2026-01-10", "settrialend", json!({"date": "2026-02-01"})).run("2026-02-01");
    assert_eq!(longer.invoices(), ["INV-0000001 2026-02-01 38.75: BASE 31.00 [2026-02-01 2026-02-28]"]);
    let shorter = start().act("2026-01-10", "settrialend", json!({"date": "2026-01-10"})).run("2026-02-01");
    assert_eq!(shorter.invoices(), ["INV-0000001 2026-01-10 38.75: BASE 31.00 [2026-01-10 2026-02-09]"]);
    for (on, date, code) in [
        ("2026-01-15", "2026-01-20", "conflict"),
        ("2026-01-10", "2026-01-09", "bad_argument"),
        ("2026-01-01", "2026-01-01", "bad_argument"),
    ] {
        assert_eq!(start().act(on, "settrialend", json!({"date": date})).refusals(), [code], "{on}");
    }
}

#[test]
fn a_verb_takes_the_day_it_is_given_or_refuses_it() {
    let start = || Scenario::new("2026-01-01", vec![base("31.00"), seats("1.00", "1")]).run("2026-01-01");
    let other_day = |mut arguments: Value| {
        arguments["effective"] = json!("2026-01-20");
        arguments
    };
    for (verb, arguments) in [
        ("hold", json!({})),
        ("expire", json!({})),
        ("setpaymentmethod", json!({})),
        ("setnextchargedate", json!({"charge": "BASE", "date": "2026-02-02"})),
        ("skipnextcharge", json!({"charge": "BASE"})),
        ("cancel", json!({"option": "before_next_billing"})),
        ("cancel", json!({"option": "immediately"})),
        ("cancel", json!({"option": "on_date", "date": "2026-01-21"})),
        ("cancel", json!({"date": "2026-01-21"})),
    ] {
        let refused = start().act("2026-01-10", verb, other_day(arguments)).refusals();
        assert_eq!(refused, ["bad_argument"], "{verb}");
    }
    let ended =
        start().act("2026-01-10", "cancel", other_day(json!({"refund": "prorated"}))).run("2026-02-01");
    assert_eq!(
        ended.invoices()[1..],
        [
            "CN-0000001 2026-01-20 -15.49: BASE -12.00 [2026-01-20 2026-01-31]; SEATS -0.39 [2026-01-20 2026-01-31]"
        ]
    );
}

#[test]
fn an_act_that_could_not_be_billed_is_refused() {
    let setup = but(base("5.00"), json!({"sku": "SETUP", "anchorcode": "setup", "chargetype": "one_time"}));
    let arrears = but(
        base("31.00"),
        json!({"sku": "ARREARS", "anchorcode": "a", "billingperiodalignment": "period_end"}),
    );
    let start = || {
        Scenario::new("2026-01-01", vec![base("31.00"), setup.clone(), arrears.clone()])
            .with("/subscriptions/0/enddate", json!("2026-06-01"))
            .run("2026-01-01")
    };
    for (verb, arguments, code) in [
        ("setamount", json!({"charge": "SETUP", "amount": "2"}), "before_booked"),
        ("setprice", json!({"charge": "SETUP", "unitprice": "2"}), "before_booked"),
        (
            "setamount",
            json!({"charge": "ARREARS", "amount": "2", "effective": "2026-01-20"}),
            "before_booked",
        ),
        ("togglecharge", json!({"charge": "ARREARS", "effective": "2026-01-20"}), "before_booked"),
        ("setamount", json!({"charge": "BASE", "amount": "2", "effective": "2026-06-02"}), "conflict"),
        ("setamount", json!({"charge": "SETUP", "amount": "2", "prorate": true}), "bad_argument"),
    ] {
        // January in arrears is overdue, which is as good as billed.
        assert_eq!(start().act("2026-02-10", verb, arguments).refusals(), [code], "{verb}");
    }
    let on_its_day =
        start().act("2026-01-01", "setamount", json!({"charge": "SETUP", "amount": "0"})).run("2026-01-02");
    assert_eq!(
        on_its_day.invoices()[1..],
        ["CN-0000001 2026-01-01 -6.25: SETUP -5.00 [2026-01-01 2026-01-01]"]
    );
}

#[test]
fn quarters_of_the_calendar_begin_with_a_stub() {
    let quarters =
        but(base("90.00"), json!({"billingperiod": "quarterly", "billingday": 1, "billingmonth": 1}));
    assert_eq!(
        Scenario::new("2026-02-15", vec![quarters]).run("2026-07-01").invoices(),
        [
            "INV-0000001 2026-02-15 56.25: BASE 45.00 [2026-02-15 2026-03-31]",
            "INV-0000002 2026-04-01 112.50: BASE 90.00 [2026-04-01 2026-06-30]",
            "INV-0000003 2026-07-01 112.50: BASE 90.00 [2026-07-01 2026-09-30]",
        ]
    );
}
