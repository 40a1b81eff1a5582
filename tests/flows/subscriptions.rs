//! Verbs on the command line: the same words and the same invoices as in `simulate`; what is refused changes nothing;
//! a preview shows what the next run bills.

use crate::support::{Home, book};
use serde_json::{Value, json};
use std::io::Write;
use std::process::Stdio;

fn a_book() -> Value {
    let mut book = book(1);
    let plan = &mut book["productplans"][0];
    plan["changehandle"] = json!(1);
    plan["charges"][0]["pricingmodel"] = json!("per_unit");
    plan["charges"].as_array_mut().unwrap().truncate(1);
    book["productplans"].as_array_mut().unwrap().push(json!({
        "sku": "BIG", "fullname": "Big", "currencycode": "DKK", "currencies": ["DKK"], "changehandle": 1,
        "charges": [{"sku": "BIG-BASE", "anchorcode": "base", "fullname": "Base fee", "chargetype": "recurring", "pricingmodel": "per_unit",
                     "billingperiod": "monthly", "billingperiodalignment": "subscription_start", "defaultamount": "1", "taxable": true,
                     "pricings": [{"currencycode": "DKK", "price": "350.00"}]}]}));
    book["discounts"] = json!([{"refkey": "launch", "fullname": "Launch", "type": "percentage", "amount": "0.10", "invoicetext": "Launch 10 %",
                                "codes": [{"codeprefix": "LAUNCH", "code": "A1", "redemption": 1}]}]);
    book
}

/// (day, verb, arguments of the step, flags of the command line)
fn verbs() -> Vec<(&'static str, &'static str, Value, Vec<&'static str>)> {
    vec![
        (
            "2026-01-11",
            "setamount",
            json!({"charge": "base", "amount": "3"}),
            vec!["--charge", "base", "--amount", "3"],
        ),
        // After that night's run: it decides the whole of February (rules R4).
        (
            "2026-02-01",
            "setamount",
            json!({"charge": "base", "amount": "2"}),
            vec!["--charge", "base", "--amount", "2"],
        ),
        ("2026-02-05", "applydiscount", json!({"code": "LAUNCH-A1"}), vec!["--code", "LAUNCH-A1"]),
        (
            "2026-02-10",
            "switchplan",
            json!({"plan": "BIG", "when": "now"}),
            vec!["--plan", "BIG", "--when", "now"],
        ),
        ("2026-03-05", "hold", json!({}), vec![]),
        ("2026-03-20", "resume", json!({"option": "today"}), vec!["--option", "today"]),
        (
            "2026-04-10",
            "cancel",
            json!({"option": "immediately", "refund": "prorated"}),
            vec!["--option", "immediately", "--refund", "prorated"],
        ),
    ]
}

const RUNS: [&str; 7] =
    ["2026-01-01", "2026-01-15", "2026-02-01", "2026-02-15", "2026-03-15", "2026-04-01", "2026-05-01"];

fn simulated() -> Vec<Value> {
    let mut timeline: Vec<Value> =
        RUNS.iter().map(|day| json!({"on": day, "run": {"skip": ["collect"]}})).collect();
    for (day, verb, mut step, _) in verbs() {
        step["on"] = json!(day);
        step["subscription"] = json!("SUB-0001");
        step["do"] = json!(verb);
        timeline.push(step);
    }
    timeline.sort_by_key(|step| step["on"].as_str().unwrap().to_owned());
    let home = Home::new();
    let mut child =
        home.command(&["simulate", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    writeln!(
        child.stdin.take().unwrap(),
        "{}",
        json!({"name": "verbs", "book": a_book(), "timeline": timeline})
    )
    .unwrap();
    let output = child.wait_with_output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    for step in answer["steps"].as_array().unwrap() {
        assert_eq!(step["ok"], true, "{step}");
    }
    answer["invoices"].as_array().unwrap().iter().map(billed).collect()
}

/// What an invoice bills.
fn billed(invoice: &Value) -> Value {
    let lines: Vec<Value> = invoice["InvoiceLines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| {
            json!([
                l["SKU"],
                l["PeriodStart"],
                l["PeriodEnd"],
                l["SubTotal"],
                l["TotalVat"],
                l["IsAmendment"]
            ])
        })
        .collect();
    json!([invoice["InvoiceNumber"], invoice["InvoiceDate"], invoice["TotalAmount"], lines])
}

fn invoices(home: &Home) -> Vec<Value> {
    let mut list: Vec<Value> = home.json(&["invoices"]).as_array().unwrap().iter().map(billed).collect();
    list.sort_by_key(|i| (i[1].to_string(), i[0].to_string()));
    list
}

#[test]
fn verbs_on_the_command_line_bill_what_they_bill_in_simulate() {
    let home = Home::new();
    home.load(&a_book());
    let mut acts: Vec<(&str, Vec<&str>)> =
        RUNS.iter().map(|day| (*day, vec!["run", "--as-of", day, "--skip", "render,send,collect"])).collect();
    for (day, verb, _, flags) in verbs() {
        let mut args = vec!["subscriptions", verb, "SUB-0001", "--on", day];
        args.extend(flags);
        acts.push((day, args));
    }
    acts.sort_by_key(|(day, _)| *day);
    for (_, args) in &acts {
        home.run(args).exits(0);
    }
    let mut expected = simulated();
    expected.sort_by_key(|i| (i[1].to_string(), i[0].to_string()));
    assert_eq!(invoices(&home), expected);
    assert!(expected.len() >= 6, "{expected:?}");
    home.run(&["verify"]).exits(0);
    let audit = home.json(&["audit", "--object", "subscription SUB-0001"]);
    assert_eq!(audit.as_array().unwrap().len(), verbs().len());
    let told = |entry: &Value| {
        entry["action"] == "subscription.setamount" && entry["detail"]["arguments"]["amount"].is_string()
    };
    assert!(audit.as_array().unwrap().iter().any(told), "{audit}");
}

#[test]
fn a_preview_shows_what_the_change_bills_and_changes_nothing() {
    let home = Home::new();
    home.load(&a_book());
    home.run(&["run", "--as-of", "2026-01-01", "--skip", "render,send,collect"]).exits(0);
    let before = home.json(&["subscriptions", "show", "SUB-0001"]);
    let change =
        ["subscriptions", "setamount", "SUB-0001", "--charge", "base", "--amount", "3", "--on", "2026-01-11"];
    let mut asked = change.to_vec();
    asked.push("--preview");
    let preview = home.json(&asked);
    assert_eq!(home.json(&["subscriptions", "show", "SUB-0001"]), before);
    assert_eq!(preview["without"], json!([]));
    home.run(&change).exits(0);
    home.run(&["run", "--as-of", preview["asof"].as_str().unwrap(), "--skip", "render,send,collect"])
        .exits(0);
    let posted = invoices(&home).pop().unwrap();
    let mut shown = billed(&preview["with"][0]);
    shown[0] = posted[0].clone();
    assert_eq!(posted, shown);
}

#[test]
fn what_is_refused_names_the_way_out_and_leaves_nothing() {
    let home = Home::new();
    home.load(&a_book());
    home.run(&["run", "--as-of", "2026-02-01", "--skip", "render,send,collect"]).exits(0);
    let before = home.json(&["subscriptions", "show", "SUB-0001"]);
    let table: [(&[&str], &str, &str); 6] = [
        (&["resume", "SUB-0001"], "conflict", "active"),
        (&["setamount", "SUB-0009", "--amount", "2"], "unknown_subscription", "SUB-0009"),
        (&["setamount", "SUB-0001", "--charge", "nope", "--amount", "2"], "unknown_charge", "nope"),
        (&["setamount", "SUB-0001", "--charge", "base", "--amount", "many"], "bad_argument", "many"),
        (&["applydiscount", "SUB-0001", "--code", "NO-CODE"], "unknown_code", "NO-CODE"),
        (
            &["removecharge", "SUB-0001", "--charge", "base", "--effective", "2026-01-10"],
            "before_booked",
            "2026-02-01",
        ),
    ];
    for (args, code, words) in table {
        let mut all = vec!["--json", "subscriptions"];
        all.extend(args);
        all.extend(["--on", "2026-02-10"]);
        let error = home.run(&all).exits(1).error();
        assert_eq!(error["code"], code, "{args:?}: {error}");
        assert!(error.to_string().contains(words), "{args:?}: {error}");
        assert!(error["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{error}");
    }
    assert_eq!(home.json(&["subscriptions", "show", "SUB-0001"]), before);
}

#[test]
fn a_code_of_a_customer_is_applied_and_ended() {
    let home = Home::new();
    home.load(&a_book());
    home.run(&["discounts", "apply", "LAUNCH-A1", "--customer", "CU-0001", "--on", "2026-01-01"]).exits(0);
    assert_eq!(home.json(&["discounts"])[0]["redeemed"], 1);
    home.run(&["discounts", "apply", "LAUNCH-A1", "--customer", "CU-0001", "--on", "2026-01-02"]).exits(1);
    home.run(&["discounts", "clear", "--customer", "CU-0001", "--on", "2026-02-01"]).exits(0);
    home.run(&["run", "--as-of", "2026-02-01", "--skip", "render,send,collect"]).exits(0);
    let totals: Vec<Value> = invoices(&home).iter().map(|i| i[2].clone()).collect();
    assert_eq!(totals, [json!("223.88"), json!("248.75")]); // 199.00 less 10 %, plus 25 % VAT; then without
}
