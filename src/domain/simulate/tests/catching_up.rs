//! A late run makes the invoices of the on-time runs, whatever was done in between (rules T6).

use super::*;
use proptest::prelude::*;

/// Lines and amounts of all invoices, without numbers, which depend on when a run was made.
pub fn billed(scenario: &Scenario) -> Vec<String> {
    let mut invoices: Vec<String> = short(&scenario.answer())
        .iter()
        .map(|invoice| invoice.split_once(' ').map(|(_, rest)| rest.to_owned()).unwrap())
        .collect();
    invoices.sort();
    invoices
}

fn plan() -> Vec<Value> {
    let arrears = but(
        base("47.11"),
        json!({"sku": "ARREARS", "anchorcode": "arrears", "billingperiodalignment": "period_end"}),
    );
    let weekly = but(
        seats("3.33", "2"),
        json!({"sku": "WEEKLY", "anchorcode": "weekly", "billingperiod": "day_of_week", "billingday": 1}),
    );
    let optional =
        but(base("12.34"), json!({"sku": "EXTRA", "anchorcode": "extra", "chargesetup": "optional"}));
    let setup = but(base("5.00"), json!({"sku": "SETUP", "anchorcode": "setup", "chargetype": "one_time"}));
    let hours = json!({"sku": "HOURS", "anchorcode": "hours", "fullname": "Hours", "chargetype": "usage",
        "pricingmodel": "per_unit", "billingperiod": "monthly", "defaultamount": "1", "taxable": true,
        "pricings": [{"currencycode": "DKK", "price": "9.99"}]});
    vec![base("100.00"), seats("19.99", "3"), arrears, weekly, optional, setup, hours, calls("0.07")]
}

pub fn scenario(start: &str) -> Scenario {
    let big = vec![
        but(base("150.00"), json!({"sku": "BIG-BASE"})),
        but(seats("17.77", "1"), json!({"sku": "BIG-SEATS"})),
    ];
    Scenario::new(start, plan())
        .with(
            "/productplans/-",
            json!({"sku": "BIG", "fullname": "Big", "currencycode": "DKK", "currencies": ["DKK"], "changehandle": 1,
                   "charges": big}),
        )
        .with("/subscriptions/0/charges", json!([{"charge": "SEATS", "amount": "3"}]))
}

/// Everything that was used, before the first run: usage is what is stored at the mark, not what was on the day.
pub fn usage_of(mut scenario: Scenario, start: &str, days: u64) -> Scenario {
    let from: chrono::NaiveDate = start.parse().unwrap();
    let events: Vec<Value> = (0..days)
        .map(|n| {
            let day = from + chrono::Days::new(n);
            json!({"id": format!("e{n}"), "subject": "SUB-1", "meter": "calls", "quantity": (n * 7 % 23).to_string(),
                   "time": format!("{day}T23:30:00Z")})
        })
        .collect();
    scenario = scenario.step(json!({"on": start, "ingest": events}));
    scenario
}

/// A verb by number; refused ones are part of the game.
pub fn verb(number: u8) -> (&'static str, Value) {
    match number {
        0 => ("setamount", json!({"charge": "SEATS", "amount": "5"})),
        1 => ("setamount", json!({"charge": "SEATS", "amount": "1"})),
        2 => ("setamount", json!({"charge": "SEATS", "amount": "2", "prorate": true})),
        3 => ("setamount", json!({"charge": "HOURS", "amount": "4"})),
        4 => ("hold", json!({})),
        5 => ("resume", json!({"option": "next_period"})),
        6 => ("resume", json!({"option": "today"})),
        7 => ("resume", json!({"option": "from_hold_date"})),
        8 => ("cancel", json!({"option": "before_next_billing"})),
        9 => ("cancel", json!({"option": "immediately", "refund": "prorated"})),
        10 => ("reactivate", json!({})),
        11 => ("addoptionalcharge", json!({"charge": "EXTRA"})),
        12 => ("togglecharge", json!({"charge": "BASE"})),
        13 => ("switchplan", json!({"plan": "BIG"})),
        14 => ("skipnextcharge", json!({"charge": "ARREARS"})),
        15 => ("removecharge", json!({"charge": "EXTRA"})),
        16 => ("setprice", json!({"charge": "BASE", "unitprice": "77.00"})),
        _ => ("expire", json!({})),
    }
}

const START: &str = "2026-01-31";
const DAYS: u64 = 75;

/// The timeline of acts with a run at the end of each of these days, and on the last day. Verbs whose effect depends
/// on what is billed already are given the same billed past: a run precedes every act.
fn with_runs(acts: &[(u64, u8)], run_days: &[u64], before_acts: bool) -> Scenario {
    let day = |n: u64| (START.parse::<chrono::NaiveDate>().unwrap() + chrono::Days::new(n)).to_string();
    let mut scenario = usage_of(scenario(START), START, DAYS);
    for n in 0..=DAYS {
        for (_, number) in acts.iter().filter(|(on, _)| *on == n) {
            let (name, arguments) = verb(*number);
            scenario = scenario.act(&day(n), name, arguments);
        }
        if run_days.contains(&n) || n == DAYS || (before_acts && acts.iter().any(|(on, _)| *on == n + 1)) {
            scenario = scenario.run(&day(n));
        }
    }
    scenario
}

#[test]
fn one_run_after_three_months_makes_what_daily_runs_would_have_made() {
    let acts = [(10, 0), (20, 1), (25, 11), (40, 4), (50, 6), (60, 2)];
    let daily: Vec<u64> = (0..=DAYS).collect();
    let on_time = billed(&with_runs(&acts, &daily, false));
    assert_eq!(billed(&with_runs(&acts, &[], false)), on_time);
    assert!(on_time.len() > 10, "{on_time:#?}");
}

/// Each case plays a hundred runs; a build without optimisation takes two seconds for it.
const CASES: u32 = if cfg!(debug_assertions) { 6 } else { 128 };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// Any acts, any set of days on which a run was missed.
    #[test]
    fn a_late_run_equals_the_on_time_runs(
        mut acts in proptest::collection::vec((1_u64..DAYS, 0_u8..18), 0..7),
        runs in proptest::collection::vec(0_u64..DAYS, 0..12),
    ) {
        acts.sort_by_key(|(on, _)| *on);
        let daily: Vec<u64> = (0..=DAYS).collect();
        let on_time = with_runs(&acts, &daily, true);
        let late = with_runs(&acts, &runs, true);
        prop_assert_eq!(billed(&late), billed(&on_time));
    }

    /// The same with invoices that wait for a minimum, are collected, and enjoy discounts.
    #[test]
    fn also_with_a_minimum_collected_and_discounted(
        mut acts in proptest::collection::vec((1_u64..DAYS, 0_u8..18), 0..5),
        runs in proptest::collection::vec(0_u64..DAYS, 0..12),
        minimum in 1_u32..400,
        collected in any::<bool>(),
        kind in proptest::sample::select(&["percentage", "fixed"][..]),
    ) {
        acts.sort_by_key(|(on, _)| *on);
        let discount = json!({"refkey": "d", "fullname": "D", "type": kind, "currencycode": "DKK",
            "amount": if kind == "fixed" { "40" } else { "0.15" }, "invoicetext": "off", "expiryperiod": "days",
            "expiryperiodinterval": 40, "codes": [{"codeprefix": "A", "code": "B", "redemption": 0}]});
        let discount = match kind {
            "fixed" => discount,
            _ => but(discount, json!({"currencycode": null})),
        };
        let set = |scenario: Scenario| {
            scenario
                .with("/tenant/minimuminvoice", json!(minimum.to_string()))
                .with("/customers/0/collectivebilling", json!(collected))
                .with("/discounts", json!([discount]))
                .with("/customers/0/discount", json!({"code": "A-B", "from": "2026-02-10"}))
        };
        let daily: Vec<u64> = (0..=DAYS).collect();
        let on_time = set(with_runs(&acts, &daily, true));
        let late = set(with_runs(&acts, &runs, true));
        prop_assert_eq!(&on_time.answer()["steps"][0]["ok"], &json!(true));
        prop_assert_eq!(billed(&late), billed(&on_time));
    }
}

/// What is overdue is as good as billed for verbs that look for the next charge.
#[test]
fn the_next_charge_lies_ahead_although_runs_are_overdue() {
    let table = [
        ("skipnextcharge", json!({"charge": "BASE"})),
        ("setnextchargedate", json!({"charge": "BASE", "date": "2026-03-20"})),
        ("cancel", json!({"option": "before_next_billing"})),
    ];
    for (verb, arguments) in table {
        let play = |overdue: bool| {
            let scenario = Scenario::new("2026-01-01", vec![base("100.00")]);
            let scenario = if overdue { scenario } else { scenario.run("2026-01-01").run("2026-02-01") };
            billed(&scenario.act("2026-02-10", verb, arguments.clone()).run("2026-04-01"))
        };
        assert_eq!(play(true), play(false), "{verb}");
    }
}
