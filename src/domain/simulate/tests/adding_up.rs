//! What must hold of every invoice, credit note and ledger entry, whatever was agreed and done: sums, VAT groups,
//! balances, and that a preview is what is posted (rules M2, I7, L1).

use super::*;
use proptest::prelude::*;
use rust_decimal::{Decimal, RoundingStrategy};
use std::collections::BTreeMap;

const START: &str = "2026-01-31";

fn number(value: &Value) -> Decimal {
    value.as_str().unwrap().parse().unwrap()
}

/// Prices and quantities that do not divide, two VAT rates, a minimum, tiers, groups, and all three ends of a period.
fn scenario(cents: u32, seats_agreed: u32, is_inclusive: bool, change_handle: u8) -> Scenario {
    let price = |factor: u32| Decimal::new(i64::from(cents * factor), 2).to_string();
    let arrears = but(
        base(&price(3)),
        json!({"sku": "ARREARS", "anchorcode": "arrears", "billingperiodalignment": "period_end"}),
    );
    let exempt = but(
        base(&price(2)),
        json!({"sku": "EXEMPT", "anchorcode": "exempt", "taxable": false, "billingperiod": "weekly"}),
    );
    let tiered = but(
        calls("0"),
        json!({"groupby": "region", "pricingmodel": "tiered", "minimumamount": "20", "pricings": [
            {"currencycode": "DKK", "segment": 1, "tierto": "10", "price": price(1), "flatprice": "0.33"},
            {"currencycode": "DKK", "segment": 2, "price": "0.0777"}]}),
    );
    let discount = json!({"refkey": "d", "fullname": "D", "amount": "0.125", "expiryperiod": "days",
                          "expiryperiodinterval": 45, "codes": [{"codeprefix": "A", "code": "B"}]});
    Scenario::new(
        START,
        vec![base(&price(7)), seats(&price(1), &seats_agreed.to_string()), arrears, exempt, tiered],
    )
    .with("/productplans/0/taxinclusive", json!(is_inclusive))
    .with("/productplans/0/changehandle", json!(change_handle))
    .with("/discounts", json!([discount]))
    .with("/subscriptions/0/discount", json!({"code": "A-B", "from": START}))
}

fn day(n: u64) -> String {
    (START.parse::<chrono::NaiveDate>().unwrap() + chrono::Days::new(n)).to_string()
}

/// What is done by number; refused verbs are part of the game.
fn done(scenario: Scenario, on: &str, number: u8, amount: u32) -> Scenario {
    let invoice =
        |verb: &str, more: Value| but(json!({"on": on, "invoice": 1 + amount % 4, "do": verb}), more);
    let set = |prorate: Value| json!({"charge": "SEATS", "amount": amount.to_string(), "prorate": prorate});
    match number {
        0 => scenario.act(on, "setamount", set(Value::Null)),
        1 => scenario.act(on, "setamount", set(json!(true))),
        2 => scenario.act(on, "cancel", json!({"option": "immediately", "refund": "prorated"})),
        3 => scenario.step(invoice("credit", json!({}))),
        4 => scenario.step(invoice("credit", json!({"lines": [{"line": 1, "amount": "1.11"}]}))),
        5 => scenario.step(invoice("credit", json!({"lines": [1 + amount % 2]}))),
        6 => scenario.step(invoice("markpaid", json!({}))),
        7 => scenario.step(invoice("refund", json!({}))),
        _ => scenario.step(json!({"on": on, "ingest": [
            {"id": format!("{on}-{amount}"), "subject": "SUB-1", "meter": "calls", "quantity": format!("{amount}.5"),
             "properties": {"region": if amount.is_multiple_of(2) { "eu" } else { "us" }}, "time": format!("{START}T12:00:00Z")}]})),
    }
}

/// rules M2: totals are the sums of the lines.
fn check_sums(invoice: &Value) -> Result<(), TestCaseError> {
    let lines = invoice["InvoiceLines"].as_array().unwrap();
    let sum = |field: &str| lines.iter().map(|line| number(&line[field])).sum::<Decimal>();
    prop_assert_eq!(number(&invoice["Total"]), sum("SubTotal"));
    prop_assert_eq!(number(&invoice["TotalVat"]), sum("TotalVat"));
    prop_assert_eq!(number(&invoice["TotalAmount"]), sum("TotalPrice"));
    Ok(())
}

/// rules M2: VAT of a group is that of its net, rounded once. Notes that were asked for take what is left (M3), and
/// prices with VAT have rounded their gross (M4).
fn check_groups(invoice: &Value) -> Result<(), TestCaseError> {
    let lines = invoice["InvoiceLines"].as_array().unwrap();
    let mut groups: BTreeMap<Decimal, (Decimal, Decimal)> = BTreeMap::new();
    for line in lines {
        let group = groups.entry(number(&line["TaxPct"])).or_default();
        group.0 += number(&line["SubTotal"]);
        group.1 += number(&line["TotalVat"]);
    }
    for (pct, (net, vat)) in groups {
        let exact = net * pct / Decimal::ONE_HUNDRED;
        let rounded = exact.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
        prop_assert_eq!(vat, rounded, "{}", invoice);
    }
    Ok(())
}

fn check_ledger(answer: &Value) -> Result<(), TestCaseError> {
    let entries = answer["ledger"].as_array().unwrap();
    prop_assert!(!entries.is_empty());
    for entry in entries {
        let postings = entry["postings"].as_array().unwrap();
        let side = |name: &str| postings.iter().map(|posting| number(&posting[name])).sum::<Decimal>();
        prop_assert_eq!(side("debit"), side("credit"), "{}", entry);
    }
    Ok(())
}

/// Date, lines and amounts, which a draft and its invoice share.
fn content(invoices: &[Value]) -> Vec<String> {
    let fields = ["AccountNumber", "InvoiceDate", "Total", "TotalVat", "TotalAmount", "InvoiceLines"];
    let shown = |invoice: &Value| fields.map(|field| invoice[field].to_string()).join(" ");
    let mut list: Vec<String> = invoices.iter().map(shown).collect();
    list.sort();
    list
}

/// Each case plays some twenty runs.
const CASES: u32 = if cfg!(debug_assertions) { 8 } else { 128 };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn every_invoice_and_every_entry_adds_up_and_every_preview_is_posted(
        mut acts in proptest::collection::vec((1_u64..100, 0_u8..12, 1_u32..9), 0..10),
        cents in 1_u32..999,
        agreed in 1_u32..9,
        is_inclusive in any::<bool>(),
        change_handle in 0_u8..3,
    ) {
        acts.sort_by_key(|(on, ..)| *on);
        let mut scenario = scenario(cents, agreed, is_inclusive, change_handle);
        let mut acts = acts.into_iter().peekable();
        for n in (0..=100).step_by(5) {
            while let Some((on, number, amount)) = acts.next_if(|(on, ..)| *on <= n) {
                scenario = done(scenario, &day(on), number, amount);
            }
            scenario = scenario.step(json!({"on": day(n), "run": {"preview": true}})).run(&day(n));
        }
        let answer = scenario.answer();
        let invoices = answer["invoices"].as_array().unwrap();
        for invoice in invoices {
            check_sums(invoice)?;
        }
        check_ledger(&answer)?;
        let previews = answer["steps"].as_array().unwrap().iter().filter_map(|step| step["preview"]["invoices"].as_array());
        let previewed: Vec<Value> = previews.flatten().cloned().collect();
        for draft in previewed.iter().filter(|_| !is_inclusive) {
            check_groups(draft)?;
        }
        let mut posted = content(invoices);
        for draft in content(&previewed) {
            let at = posted.iter().position(|invoice| *invoice == draft);
            prop_assert!(at.is_some(), "not posted: {}", draft);
            posted.remove(at.unwrap());
        }
        prop_assert_eq!(posted.len(), credits(&scenario, &answer), "posted without a preview: {:?}", posted);
    }
}

/// Credit notes that were asked for and made.
fn credits(scenario: &Scenario, answer: &Value) -> usize {
    let steps = scenario.timeline.iter().zip(answer["steps"].as_array().unwrap());
    steps.filter(|(step, done)| step["do"] == "credit" && done["ok"] == true).count()
}
