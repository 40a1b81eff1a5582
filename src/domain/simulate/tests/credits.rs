//! One balance per billed line (rules M3): credit notes of people and of runs in any order.

use super::{Scenario, World, calls, seats};
use crate::billing::{CreditedLine, over_credited};
use crate::ids::LineId;
use crate::invoice::{Invoice, Line};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Seats in advance and calls in arrears, priced with VAT or without, less a discount or not.
fn scenario(price: &str, with_vat: bool, discount: &Value) -> Scenario {
    let charges = vec![seats(price, "3"), calls("0.07")];
    let scenario = Scenario::new("2026-01-01", charges).with("/productplans/0/taxinclusive", json!(with_vat));
    discounted(scenario, discount)
}

/// With a discount on the subscription.
fn discounted(scenario: Scenario, discount: &Value) -> Scenario {
    if discount.is_null() {
        return scenario;
    }
    let mut discount = discount.clone();
    for (name, value) in [("refkey", json!("d")), ("fullname", json!("d")), ("invoicetext", json!("d"))] {
        discount[name] = value;
    }
    discount["codes"] = json!([{"codeprefix": "D", "code": "1", "redemption": 0}]);
    scenario
        .with("/discounts", json!([discount]))
        .with("/subscriptions/0/discount", json!({"code": "D-1", "from": "2026-01-01"}))
}

fn ninety_off() -> Value {
    json!({"type": "fixed", "amount": "90.00", "currencycode": "DKK"})
}

#[test]
fn a_fixed_discount_stays_what_the_period_was_granted() {
    let changed = Scenario::new("2026-01-01", vec![seats("100.00", "2")]);
    let changed = discounted(changed, &ninety_off())
        .run("2026-01-01")
        .act("2026-01-16", "setamount", json!({"charge": "SEATS", "amount": "3"}))
        .run("2026-01-16");
    let told = changed.invoices();
    assert!(told[0].contains("SEATS 110.00 "), "{told:?}");
    assert!(told[1].contains("SEATS -56.77 ") && told[1].contains("SEATS 108.39 "), "{told:?}");

    let event = |id: &str, quantity: &str, corrects: Value| {
        json!([{"id": id, "subject": "SUB-1", "meter": "calls", "quantity": quantity, "time": "2026-01-10T12:00:00Z",
                "corrects": corrects}])
    };
    let corrected = Scenario::new("2026-01-01", vec![calls("1.00")]);
    let corrected = discounted(corrected, &ninety_off())
        .step(json!({"on": "2026-01-10", "ingest": event("a", "100", Value::Null)}))
        .run("2026-02-01")
        .step(json!({"on": "2026-02-02", "ingest": event("b", "60", json!("a"))}))
        .run("2026-03-01");
    let told = corrected.invoices();
    assert!(told[0].contains("CALLS 10.00 ") && told[1].contains("CALLS -10.00 "), "{told:?}");
}

#[test]
fn a_credit_that_is_credited_itself_counts_no_more() {
    // 31.00 for January; an upgrade on the 16th gives 16.00 back and charges 32.00 on one invoice.
    let upgraded = Scenario::new("2026-01-01", vec![seats("31.00", "1")])
        .run("2026-01-01")
        .act("2026-01-16", "setamount", json!({"charge": "SEATS", "amount": "2"}))
        .run("2026-01-16");
    let part = |scenario: Scenario, amount: &str| {
        let lines = json!([{"line": 1, "amount": amount}]);
        scenario.step(json!({"on": "2026-01-20", "invoice": 1, "do": "credit", "lines": lines}))
    };
    assert_eq!(part(upgraded, "15.01").refusals(), ["too_much"]);
    let taken_back = Scenario::new("2026-01-01", vec![seats("31.00", "1")])
        .run("2026-01-01")
        .act("2026-01-16", "setamount", json!({"charge": "SEATS", "amount": "2"}))
        .run("2026-01-16")
        .step(json!({"on": "2026-01-17", "invoice": 2, "do": "credit"}));
    assert_eq!(part(taken_back, "31.00").refusals(), [""; 0]);
}

/// One thing that happens on a day.
#[derive(Debug, Clone)]
enum Happening {
    Run,
    CreditWhole(usize),
    CreditLine(usize, u32, i64),
    Seats(u32),
    Calls(u32),
    /// An earlier event is corrected to this.
    Correction(u32),
    Cancel,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => Just(Happening::Run),
        2 => (1_usize..8).prop_map(Happening::CreditWhole),
        5 => (1_usize..8, 1_u32..4, 1_i64..40_000).prop_map(|(i, l, a)| Happening::CreditLine(i, l, a)),
        3 => (0_u32..6).prop_map(Happening::Seats),
        2 => (1_u32..900).prop_map(Happening::Calls),
        2 => (0_u32..900).prop_map(Happening::Correction),
        1 => Just(Happening::Cancel),
    ]
}

fn played(mut scenario: Scenario, happenings: &[(u64, Happening)]) -> World {
    let first = chrono::NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
    let (mut day, mut last_event) = (first, None);
    for (at, (days, happening)) in happenings.iter().enumerate() {
        day = day + chrono::Days::new(*days);
        let on = day.to_string();
        let event = |id: &str, quantity: u32| {
            json!({"id": id, "subject": "SUB-1", "meter": "calls", "quantity": quantity.to_string(),
                   "time": "2026-01-10T12:00:00Z"})
        };
        scenario = match happening {
            Happening::Run => scenario.run(&on),
            Happening::CreditWhole(place) => {
                scenario.step(json!({"on": on, "invoice": place, "do": "credit"}))
            }
            Happening::CreditLine(place, line, minor) => {
                let amount = format!("{}.{:02}", minor / 100, minor % 100);
                let lines = json!([{"line": line, "amount": amount}]);
                scenario.step(json!({"on": on, "invoice": place, "do": "credit", "lines": lines}))
            }
            Happening::Seats(amount) => scenario.act(
                &on,
                "setamount",
                json!({"charge": "SEATS", "amount": amount.to_string(), "prorate": true}),
            ),
            Happening::Calls(quantity) => {
                last_event = Some(format!("e{at}"));
                scenario.step(json!({"on": on, "ingest": [event(&format!("e{at}"), *quantity)]}))
            }
            Happening::Correction(quantity) => match last_event.replace(format!("e{at}")) {
                Some(corrected) => {
                    let mut event = event(&format!("e{at}"), *quantity);
                    event["corrects"] = json!(corrected);
                    scenario.step(json!({"on": on, "ingest": [event]}))
                }
                None => scenario.step(json!({"on": on, "ingest": [event(&format!("e{at}"), *quantity)]})),
            },
            Happening::Cancel => {
                scenario.act(&on, "cancel", json!({"option": "immediately", "refund": "prorated"}))
            }
        };
    }
    let end = (day + chrono::Days::new(40)).to_string();
    scenario.run(&end).world()
}

/// Every booked line, as its balance sees it.
fn lines_of(invoices: &[&Invoice]) -> Vec<CreditedLine> {
    let line_of = |invoice: &Invoice| {
        let (id, number) = (invoice.draft.id, invoice.number.clone());
        let charges: Vec<Line> =
            invoice.draft.lines.iter().filter(|line| line.credits.is_empty()).cloned().collect();
        let given_back: Vec<LineId> = invoice
            .draft
            .lines
            .iter()
            .flat_map(|line| line.credits.iter().map(|credit| credit.line))
            .collect();
        let lines = invoice.draft.lines.clone().into_iter();
        lines
            .map(move |line| {
                let group = (line.tax_category, line.tax_pct.normalize());
                let own = charges.iter().filter(|l| (l.tax_category, l.tax_pct.normalize()) == group);
                let group_vat_minor = own.map(|line| line.vat_minor).sum();
                let is_charge = line.credits.is_empty() && !given_back.contains(&line.id);
                CreditedLine {
                    line: line.id,
                    invoice: id,
                    invoice_number: number.clone(),
                    number: line.number,
                    priced_minor: line.priced_minor(),
                    group,
                    group_vat_minor: is_charge.then_some(group_vat_minor),
                }
            })
            .collect::<Vec<_>>()
    };
    invoices.iter().flat_map(|invoice| line_of(invoice)).collect()
}

/// rules B2, T6: who pays is taken as it stands when the draft is made. What is billed is not billed again to the new payer,
/// and late usage and credits of it are the new payer's.
#[test]
fn who_pays_from_today_on_is_not_billed_again_and_gets_what_comes_of_the_past() {
    let group = json!({"accountnumber": "CU-2", "fullname": "Group", "currencycode": "DKK", "autobill": true, "country": "DK"});
    let moved = json!({"customers": [{"accountnumber": "CU-1", "fullname": "Kaffe", "currencycode": "DKK", "autobill": true,
                                      "country": "DK", "parent": "CU-2", "billtoparent": true}]});
    let scenario = Scenario::new("2026-01-01", vec![seats("100.00", "3"), calls("1.00")])
        .with("/customers/-", group)
        .usage("2026-01-02", "e1", "calls", "10", "2026-01-02T10:00:00Z")
        .run("2026-02-01")
        .step(json!({"on": "2026-02-10", "load": moved}))
        .usage("2026-02-11", "e2", "calls", "5", "2026-01-03T10:00:00Z")
        .act("2026-02-15", "setamount", json!({"charge": "SEATS", "amount": "1", "prorate": true}))
        .step(json!({"on": "2026-02-16", "invoice": "INV-0000002", "do": "credit", "lines": [{"line": 1, "amount": "150.00"}]}))
        .run("2026-03-01");
    let answer = scenario.answer();
    let told: Vec<(&str, &str)> = answer["invoices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|invoice| (invoice["AccountNumber"].as_str().unwrap(), invoice["Total"].as_str().unwrap()))
        .collect();
    // 300.00 − 150.00 credited leaves 150.00 of the line: −200.00 × 14 ÷ 28 is −100.00, within it.
    assert_eq!(
        told,
        [
            ("CU-1", "300.00"),
            ("CU-1", "310.00"),
            ("CU-1", "-150.00"),
            ("CU-2", "-100.00"),
            ("CU-2", "105.00")
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn no_line_is_credited_beyond_itself_whoever_credits_it_and_when(
        price_minor in 1_i64..9_999,
        with_vat in any::<bool>(),
        discount in 0_usize..4,
        happenings in proptest::collection::vec((0_u64..25, happening()), 1..14),
    ) {
        let price = format!("{}.{:02}", price_minor / 100, price_minor % 100);
        let discounts = [
            Value::Null,
            json!({"type": "percentage", "amount": "0.15"}),
            json!({"type": "fixed", "amount": "7.77", "currencycode": "DKK"}),
            json!({"type": "fixed", "amount": "500.00", "currencycode": "DKK"}),
        ];
        let world = played(scenario(&price, with_vat, &discounts[discount]), &happenings);
        let invoices: Vec<&Invoice> =
            world.documents.iter().filter_map(|document| document.booked.as_ref()).collect();
        let over = over_credited(&lines_of(&invoices), &world.credited());
        prop_assert_eq!(over, None);
        let gross: i64 = invoices.iter().map(|invoice| invoice.draft.gross_minor()).sum();
        prop_assert!(gross >= 0, "{} was given back beyond what was billed", -gross);
    }
}
