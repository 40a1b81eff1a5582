//! Taken over from another system: whoever bills from a day on makes the invoices of a home that has billed all the time
//! (rules S7).

use super::catching_up::{billed, scenario, usage_of, verb};
use super::*;
use chrono::{Days, NaiveDate};
use proptest::prelude::*;

const START: &str = "2026-01-31";
const DAYS: u64 = 100;

fn day(n: u64) -> NaiveDate {
    START.parse::<NaiveDate>().unwrap() + Days::new(n)
}

/// The acts of the days from `from` on, with a run on every evening.
fn lived(mut scenario: Scenario, acts: &[(u64, u8)], from: u64, to: u64) -> Scenario {
    for n in from..=to {
        for (_, number) in acts.iter().filter(|(on, _)| *on == n) {
            let (name, arguments) = verb(*number);
            scenario = scenario.act(&day(n).to_string(), name, arguments);
        }
        scenario = scenario.run(&day(n).to_string());
    }
    scenario
}

/// What a home bills from a day on that has billed since the start, and what one bills that took over on that day.
fn both(book: impl Fn() -> Scenario, acts: &[(u64, u8)], taken_over: u64) -> (Vec<String>, Vec<String>) {
    let from_the_start = || usage_of(book(), START, DAYS);
    let before = billed(&lived(from_the_start(), &[], 0, taken_over - 1));
    let mut all = billed(&lived(from_the_start(), acts, 0, DAYS));
    for invoice in before {
        let at = all.iter().position(|other| *other == invoice).unwrap();
        all.remove(at);
    }
    let through = json!(day(taken_over).to_string());
    let late = usage_of(book().with("/subscriptions/0/billedthrough", through), START, DAYS);
    (all, billed(&lived(late, acts, taken_over, DAYS)))
}

#[test]
fn it_bills_on_as_if_nothing_had_happened() {
    let acts = [(45, 0), (50, 11), (60, 9)];
    for taken_over in [1, 28, 29, 40] {
        let (all, late) = both(|| scenario(START), &acts, taken_over);
        assert_eq!(late, all, "taken over on {}", day(taken_over));
        assert!(late.len() > 5, "{late:#?}");
    }
}

#[test]
fn nothing_with_a_charge_date_before_the_day_is_billed_and_all_else_is() {
    let arrears = but(
        base("31.00"),
        json!({"sku": "ARREARS", "anchorcode": "arrears", "billingperiodalignment": "period_end"}),
    );
    let setup = but(base("5.00"), json!({"sku": "SETUP", "anchorcode": "setup", "chargetype": "one_time"}));
    let book = || {
        Scenario::new("2019-05-15", vec![base("100.00"), arrears.clone(), setup.clone(), calls("1.00")])
            .usage("2026-02-20", "e1", "calls", "7", "2026-02-20T10:00:00Z")
            .usage("2026-02-20", "e2", "calls", "9", "2026-02-01T10:00:00Z")
    };
    let from =
        |day: &str| book().with("/subscriptions/0/billedthrough", json!(day)).run("2026-03-15").invoices();
    let march = "BASE 100.00 [2026-03-15 2026-04-14]";
    let february = "ARREARS 31.00 [2026-02-15 2026-03-14]; CALLS 7.00 [2026-02-15 2026-03-14]";
    let invoice = format!("INV-0000001 2026-03-14 172.50: {march}; {february}");
    for day in ["2026-02-16", "2026-03-01", "2026-03-15"] {
        assert_eq!(from(day), [invoice.as_str()], "{day}");
    }
    assert_eq!(from("2026-03-16"), [""; 0]);
    let own = json!([{"charge": "ARREARS", "billedthrough": "2026-03-16"},
                     {"charge": "CALLS", "billedthrough": "2026-03-16"}]);
    let differs = book().with("/subscriptions/0/billedthrough", json!("2026-03-15"));
    let differs = differs.with("/subscriptions/0/charges", own).run("2026-03-15").invoices();
    assert_eq!(differs, [format!("INV-0000001 2026-03-15 125.00: {march}")], "these were closed there");
}

#[test]
fn a_trial_an_end_on_the_day_and_the_next_charge_see_what_was_billed_elsewhere() {
    let taken_over = |fields: &[(&str, Value)]| {
        let mut scenario = Scenario::new("2026-01-01", vec![base("31.00")]);
        for (name, value) in fields {
            scenario = scenario.with(&format!("/subscriptions/0/{name}"), value.clone());
        }
        scenario.with("/subscriptions/0/billedthrough", json!("2026-03-01"))
    };
    let trial = taken_over(&[("trialend", json!("2026-03-11"))]).run("2026-03-11").invoices();
    assert_eq!(trial, ["INV-0000001 2026-03-11 38.75: BASE 31.00 [2026-03-11 2026-04-10]"]);
    let ended = taken_over(&[]).act("2026-03-01", "cancel", json!({"option": "immediately"}));
    assert_eq!(ended.run("2026-03-01").invoices(), [""; 0], "the first period that is ours never begins");
    let ends = taken_over(&[]).act("2026-02-10", "cancel", json!({"option": "before_next_billing"}));
    assert_eq!(ends.run("2026-04-01").invoices(), [""; 0], "it is billed until 1 March");
    let back =
        taken_over(&[]).act("2026-03-02", "setamount", json!({"amount": "2", "effective": "2026-01-15"}));
    assert_eq!(back.refusals(), ["before_booked"]);
    let refunded = taken_over(&[]).with("/subscriptions/0/billedthrough", json!("2026-03-02"));
    let refunded =
        refunded.act("2026-03-11", "cancel", json!({"option": "immediately", "refund": "prorated"}));
    assert_eq!(
        refunded.run("2026-03-11").invoices(),
        ["CN-0000001 2026-03-11 -26.25: BASE -21.00 [2026-03-11 2026-03-31]"]
    );
}

#[test]
fn usage_of_what_was_billed_elsewhere_is_accounted_for_and_never_billed() {
    let scenario = Scenario::new("2026-01-01", vec![calls("1.00")])
        .with("/subscriptions/0/billedthrough", json!("2026-02-15"))
        .usage("2026-03-01", "old", "calls", "100", "2026-01-10T10:00:00Z")
        .usage("2026-03-01", "new", "calls", "5", "2026-02-10T10:00:00Z")
        .run("2026-03-01")
        .usage("2026-03-02", "late", "calls", "100", "2026-01-20T10:00:00Z")
        .usage("2026-03-02", "ours", "calls", "2", "2026-02-20T10:00:00Z")
        .run("2026-04-01");
    assert_eq!(
        scenario.invoices(),
        [
            "INV-0000001 2026-02-28 6.25: CALLS 5.00 [2026-02-01 2026-02-28]",
            "INV-0000002 2026-03-31 2.50: CALLS 2.00 [2026-02-01 2026-02-28]",
        ]
    );
}

/// Without the totals: VAT of what is given back of another system's invoice is not bounded by what that one charged, and
/// may differ by a cent from what it would be here (rules M3).
fn nets(invoices: &[String]) -> Vec<String> {
    let mut nets: Vec<String> = invoices
        .iter()
        .map(|invoice| {
            let (head, lines) = invoice.split_once(": ").unwrap();
            format!("{}: {lines}", head.split_once(' ').map_or(head, |(date, _)| date))
        })
        .collect();
    nets.sort();
    nets
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 6 } else { 64 }))]

    /// Any acts from the day of the takeover on, and any such day.
    #[test]
    fn any_acts_after_any_takeover(
        mut acts in proptest::collection::vec((1_u64..DAYS, 0_u8..18), 0..6),
        taken_over in 1_u64..DAYS - 20,
    ) {
        acts.retain(|(on, _)| *on >= taken_over);
        acts.sort_by_key(|(on, _)| *on);
        let (all, late) = both(|| scenario(START), &acts, taken_over);
        prop_assert_eq!(nets(&late), nets(&all));
    }
}
