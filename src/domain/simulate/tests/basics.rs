//! Advance, arrears, usage and one-time charges; months' ends and stubs.

use super::*;

#[test]
fn advance_bills_the_first_day_of_each_period_and_returns_to_the_31st() {
    let invoices = Scenario::new("2026-01-31", vec![base("199.00")]).run("2026-03-31").invoices();
    assert_eq!(
        invoices,
        [
            "INV-0000001 2026-01-31 248.75: BASE 199.00 [2026-01-31 2026-02-27]",
            "INV-0000002 2026-02-28 248.75: BASE 199.00 [2026-02-28 2026-03-30]",
            "INV-0000003 2026-03-31 248.75: BASE 199.00 [2026-03-31 2026-04-29]",
        ]
    );
}

#[test]
fn arrears_and_advance_meet_on_one_invoice_dated_the_day_before() {
    let scenario = Scenario::new("2026-01-01", vec![base("100.00"), calls("0.50")])
        .usage("2026-01-15", "e1", "calls", "40", "2026-01-15T10:00:00Z")
        .run("2026-02-01");
    assert_eq!(
        scenario.invoices(),
        [
            "INV-0000001 2026-01-01 125.00: BASE 100.00 [2026-01-01 2026-01-31]",
            "INV-0000002 2026-01-31 150.00: BASE 100.00 [2026-02-01 2026-02-28]; CALLS 20.00 [2026-01-01 2026-01-31]",
        ]
    );
}

#[test]
fn usage_falls_on_its_local_day_also_in_a_night_that_changes_the_clocks() {
    // Midnight of 1 April in Copenhagen is 22:00 UTC: the clocks went forward on 29 March.
    let scenario = Scenario::new("2026-03-01", vec![calls("1.00")])
        .usage("2026-04-01", "before", "calls", "1", "2026-03-31T21:59:59Z")
        .usage("2026-04-01", "after", "calls", "10", "2026-03-31T22:00:00Z")
        .usage("2026-04-01", "first", "calls", "100", "2026-02-28T23:00:00Z")
        .usage("2026-04-01", "too early", "calls", "1000", "2026-02-28T22:59:59Z")
        .run("2026-05-01");
    assert_eq!(
        scenario.invoices(),
        [
            "INV-0000001 2026-03-31 126.25: CALLS 101.00 [2026-03-01 2026-03-31]",
            "INV-0000002 2026-04-30 12.50: CALLS 10.00 [2026-04-01 2026-04-30]",
        ]
    );
}

#[test]
fn a_quantity_of_zero_prints_no_line_and_takes_its_period() {
    let zero = Scenario::new("2026-01-01", vec![but(base("100.00"), json!({"defaultamount": "0"}))])
        .run("2026-01-01")
        .act("2026-01-20", "setamount", json!({"amount": "1", "prorate": false}))
        .run("2026-02-01");
    assert_eq!(zero.invoices(), ["INV-0000001 2026-02-01 125.00: BASE 100.00 [2026-02-01 2026-02-28]"]);
}

#[test]
fn calendar_months_begin_with_a_stub_of_the_month_before() {
    let monthly = but(base("310.00"), json!({"billingperiod": "day_of_month", "billingday": 1}));
    let invoices = Scenario::new("2026-01-17", vec![monthly.clone()]).run("2026-02-01").invoices();
    assert_eq!(
        invoices,
        [
            "INV-0000001 2026-01-17 187.50: BASE 150.00 [2026-01-17 2026-01-31]",
            "INV-0000002 2026-02-01 387.50: BASE 310.00 [2026-02-01 2026-02-28]",
        ]
    );
    let arrears = but(monthly, json!({"billingperiodalignment": "period_end"}));
    let invoices = Scenario::new("2026-01-17", vec![arrears]).run("2026-03-01").invoices();
    assert_eq!(
        invoices,
        [
            "INV-0000001 2026-01-31 187.50: BASE 150.00 [2026-01-17 2026-01-31]",
            "INV-0000002 2026-02-28 387.50: BASE 310.00 [2026-02-01 2026-02-28]",
        ]
    );
}

#[test]
fn an_end_cuts_the_last_period_but_not_the_usage() {
    let scenario = Scenario::new("2026-01-01", vec![base("310.00"), calls("1.00")])
        .with("/subscriptions/0/enddate", json!("2026-02-15"))
        .usage("2026-02-20", "in", "calls", "8", "2026-02-14T12:00:00Z")
        .usage("2026-02-20", "out", "calls", "80", "2026-02-15T12:00:00Z")
        .run("2026-03-10");
    assert_eq!(
        scenario.invoices(),
        [
            "INV-0000001 2026-01-01 387.50: BASE 310.00 [2026-01-01 2026-01-31]",
            "INV-0000002 2026-02-01 193.75: BASE 155.00 [2026-02-01 2026-02-14]",
            "INV-0000003 2026-02-14 10.00: CALLS 8.00 [2026-02-01 2026-02-14]",
        ]
    );
}

#[test]
fn one_time_charges_fire_on_the_day_of_their_alignment() {
    let one_time = |sku: &str, alignment: &str| {
        but(
            base("10.00"),
            json!({"sku": sku, "anchorcode": sku, "chargetype": "one_time",
                                  "billingperiodalignment": alignment}),
        )
    };
    let charges = vec![
        one_time("START", "subscription_start"),
        one_time("ACT", "subscription_activation"),
        one_time("END", "subscription_end"),
        one_time("CANCEL", "subscription_cancellation"),
        one_time("RENEW", "subscription_renewal"),
        one_time("DATE", "customer_date"),
    ];
    let scenario = Scenario::new("2026-01-01", charges)
        .with("/subscriptions/0/initialtermperiod", json!("months"))
        .with("/subscriptions/0/initialterminterval", json!(1))
        .with("/subscriptions/0/autorenew", json!(true))
        .with("/subscriptions/0/charges", json!([{"charge": "DATE", "startdate": "2026-01-20"}]))
        .run("2026-02-20")
        .act("2026-03-10", "cancel", json!({"option": "immediately"}))
        .run("2026-03-10");
    assert_eq!(
        scenario.invoices(),
        [
            "INV-0000001 2026-01-01 25.00: START 10.00 [2026-01-01 2026-01-01]; ACT 10.00 [2026-01-01 2026-01-01]",
            "INV-0000002 2026-01-20 12.50: DATE 10.00 [2026-01-20 2026-01-20]",
            "INV-0000003 2026-02-01 12.50: RENEW 10.00 [2026-02-01 2026-02-01]",
            "INV-0000004 2026-03-01 12.50: RENEW 10.00 [2026-03-01 2026-03-01]",
            "INV-0000005 2026-03-10 25.00: END 10.00 [2026-03-10 2026-03-10]; CANCEL 10.00 [2026-03-10 2026-03-10]",
        ]
    );
}

#[test]
fn a_trials_end_is_the_new_anchor_and_its_usage_is_free() {
    let scenario = Scenario::new("2026-01-01", vec![base("100.00"), calls("1.00")])
        .with("/subscriptions/0/trialdays", json!(14))
        .usage("2026-01-20", "trial", "calls", "5", "2026-01-10T12:00:00Z")
        .usage("2026-01-20", "paid", "calls", "3", "2026-01-15T12:00:00Z")
        .run("2026-02-15");
    assert_eq!(
        scenario.invoices(),
        [
            "INV-0000001 2026-01-15 125.00: BASE 100.00 [2026-01-15 2026-02-14]",
            "INV-0000002 2026-02-14 128.75: BASE 100.00 [2026-02-15 2026-03-14]; CALLS 3.00 [2026-01-15 2026-02-14]",
        ]
    );
}

#[test]
fn a_second_run_makes_nothing_and_a_preview_changes_nothing() {
    let scenario = Scenario::new("2026-01-01", vec![base("100.00")])
        .step(json!({"on": "2026-01-01", "run": {"preview": true}}))
        .run("2026-01-01")
        .run("2026-01-01")
        .run("2026-01-31");
    let answer = scenario.answer();
    assert_eq!(answer["steps"][0]["preview"]["totals"][0]["gross"], "125.00");
    let (preview, booked) = (&answer["steps"][0]["preview"]["invoices"][0], &answer["invoices"][0]);
    assert_eq!(preview["InvoiceLines"], booked["InvoiceLines"]);
    assert_eq!(preview["ID"], booked["ID"]);
    assert_eq!(answer["invoices"].as_array().unwrap().len(), 1);
}

#[test]
fn a_quantity_that_was_set_returns_to_the_default_after_billing() {
    let unmeasured = json!({"sku": "HOURS", "fullname": "Hours", "chargetype": "usage", "pricingmodel": "per_unit",
        "billingperiod": "monthly", "defaultamount": "2", "taxable": true,
        "pricings": [{"currencycode": "DKK", "price": "10.00"}]});
    let scenario = Scenario::new("2026-01-01", vec![unmeasured])
        .act("2026-01-20", "setamount", json!({"charge": "HOURS", "amount": "7.5"}))
        .run("2026-03-01");
    assert_eq!(
        scenario.invoices(),
        [
            "INV-0000001 2026-01-31 93.75: HOURS 75.00 [2026-01-01 2026-01-31]",
            "INV-0000002 2026-02-28 25.00: HOURS 20.00 [2026-02-01 2026-02-28]",
        ]
    );
}

#[test]
fn a_yearly_charge_of_a_leap_day_returns_to_it() {
    let yearly = but(base("365.00"), json!({"billingperiod": "annually"}));
    let invoices = Scenario::new("2024-02-29", vec![yearly]).run("2028-02-29").invoices();
    let dates: Vec<&str> = invoices.iter().map(|i| i.split(' ').nth(1).unwrap()).collect();
    assert_eq!(dates, ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]);
}
