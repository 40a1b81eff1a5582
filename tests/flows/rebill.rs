//! Billing anew what was credited: one invoice or a whole run, from the command line as in a scenario.

use crate::support::postgres::PgHome;
use crate::support::{Home, book, counterpart, january};
use serde_json::{Value, json};
use std::io::Write;
use std::process::Stdio;

const QUIET: &str = "render,send,collect";

/// Number, net and VAT of every invoice, by number.
fn totals(invoices: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut list: Vec<_> = invoices
        .as_array()
        .unwrap()
        .iter()
        .map(|i| (text(&i["InvoiceNumber"]), text(&i["Total"]), text(&i["TotalVat"])))
        .collect();
    list.sort();
    list
}

fn run(home: &Home, day: &str) -> Value {
    home.json(&["run", "--as-of", day, "--skip", QUIET])
}

#[track_caller]
fn is_sound(home: &Home) {
    let verified = home.json(&["verify"]);
    assert_eq!(verified["ok"], true, "{verified:#}");
    let journal = home.path().join("out.journal");
    let path = journal.to_str().unwrap();
    home.json(&["export", "ledger", "--format", "hledger", "--out", path]);
    counterpart("hledger", &["-f", path, "check", "-s", "ordereddates"]);
}

/// A customer abroad who gave the VAT number late: with VAT at first, without when billed anew.
fn abroad(vat_number: Option<&str>) -> Value {
    let mut book = book(1);
    book["taxrules"].as_array_mut().unwrap().push(json!({"fullname": "EU", "country": "DE", "state": "*",
        "ruletype": "business", "priority": 5, "taxpct": "0", "category": "AE", "reason": "Reverse charge"}));
    book["taxrules"]
        .as_array_mut()
        .unwrap()
        .push(json!({"fullname": "EU consumers", "country": "DE", "state": "*",
        "ruletype": "consumer", "priority": 6, "taxpct": "19", "category": "S"}));
    let customer = &mut book["customers"][0];
    customer["country"] = json!("DE");
    customer["paymentmethods"] = json!([]);
    if let Some(number) = vat_number {
        customer["companyvat"] = json!(number);
    }
    book
}

#[test]
fn an_invoice_credited_for_a_rebill_is_billed_anew_as_in_a_scenario() {
    let home = Home::new();
    home.load(&abroad(None));
    home.ingest("january.csv", &january(1));
    run(&home, "2026-02-01");
    home.load(&abroad(Some("DE136695976")));
    // INV-1: the fee of January; INV-2: the fee of February and the usage of January.
    let credited = home.json(&["invoices", "credit", "INV-0000002", "--rebill", "--as-of", "2026-02-10"]);
    assert_eq!(credited["Total"], "-214.00", "{credited:#}");
    let again = home
        .run(&["--json", "invoices", "credit", "INV-0000002", "--rebill", "--as-of", "2026-02-10"])
        .exits(1);
    assert_eq!(again.error()["code"], "nothing_to_rebill");
    // Credited without a rebill: nothing is due again, until somebody says so.
    home.json(&["invoices", "credit", "INV-0000001", "--as-of", "2026-02-10"]);
    run(&home, "2026-02-09");
    assert_eq!(totals(&home.json(&["invoices"])).len(), 4, "not before the credit");
    let preview = home.json(&["run", "--as-of", "2026-02-11", "--preview"]);
    let billed = run(&home, "2026-02-11");
    assert_eq!((&billed["hash"], &billed["invoiced"]), (&preview["hash"], &json!(1)));
    home.run(&["invoices", "credit", "INV-0000001", "--rebill", "--as-of", "2026-02-12"]).exits(0);
    run(&home, "2026-02-12");
    run(&home, "2026-02-13");

    let expected = [
        ("CN-0000001", "-214.00", "-40.66"),
        ("CN-0000002", "-199.00", "-37.81"),
        ("INV-0000001", "199.00", "37.81"),
        ("INV-0000002", "214.00", "40.66"),
        ("INV-0000003", "214.00", "0.00"),
        ("INV-0000004", "199.00", "0.00"),
    ];
    let expected = expected.map(|(n, net, vat)| (n.to_owned(), net.to_owned(), vat.to_owned())).to_vec();
    assert_eq!(totals(&home.json(&["invoices"])), expected);
    let shown = home.json(&["invoices", "show", "INV-0000003"]);
    let starts: Vec<&Value> =
        shown["InvoiceLines"].as_array().unwrap().iter().map(|line| &line["PeriodStart"]).collect();
    assert_eq!(
        (&shown["InvoiceDate"], starts),
        (&json!("2026-02-09"), vec![&json!("2026-02-01"), &json!("2026-01-01")]),
        "charged on the day of the credit, for the months they serve"
    );
    let why = home.run(&["why", "INV-0000003"]).exits(0);
    assert!(why.stdout.contains("january.csv"), "{}", why.stdout);
    is_sound(&home);

    let events: Vec<Value> = ["1000", "300"]
        .iter()
        .enumerate()
        .map(|(n, quantity)| {
            json!({"id": format!("e{n}"), "subject": "SUB-0001", "meter": "api_calls", "quantity": quantity,
                   "time": "2026-01-10T10:00:00Z"})
        })
        .collect();
    let scenario = json!({"name": "rebill", "book": abroad(None), "timeline": [
        {"on": "2026-02-01", "ingest": events}, {"on": "2026-02-01", "run": {}},
        {"on": "2026-02-01", "load": abroad(Some("DE136695976"))},
        {"on": "2026-02-10", "invoice": "INV-0000002", "do": "credit", "rebill": true},
        {"on": "2026-02-10", "invoice": "INV-0000001", "do": "credit"},
        {"on": "2026-02-11", "run": {}},
        {"on": "2026-02-12", "invoice": "INV-0000001", "do": "credit", "rebill": true},
        {"on": "2026-02-12", "run": {}}]});
    let mut child =
        home.command(&["simulate", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{scenario}").unwrap();
    let answer: Value = serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(totals(&answer["invoices"]), expected, "{:#}", answer["steps"]);
}

#[test]
fn late_usage_on_another_invoice_goes_first() {
    let home = Home::new();
    home.load(&book(1));
    home.ingest("january.csv", &january(1));
    run(&home, "2026-02-01");
    home.ingest(
        "late.csv",
        "id,subject,meter,quantity,time\nlate,SUB-0001,api_calls,200,2026-01-15T10:00:00Z\n",
    );
    run(&home, "2026-03-01");
    // INV-2: the fee of February and the usage of January; INV-3: the fee of March and what came late.
    let rebill = |number: &str| {
        home.run(&["--json", "invoices", "credit", number, "--rebill", "--as-of", "2026-03-05"])
    };
    let refused = rebill("INV-0000002").exits(1);
    assert_eq!(refused.error()["code"], "late_usage_stands");
    assert!(refused.error()["hint"].as_str().unwrap().contains("INV-0000003"), "{}", refused.error());
    rebill("INV-0000003").exits(0);
    rebill("INV-0000002").exits(0);
    run(&home, "2026-03-05");
    let shown = home.json(&["invoices", "show", "INV-0000004"]);
    assert_eq!(shown["Total"], "423.00", "two fees, and 1,500 calls on one line: {shown:#}");
    assert_eq!(shown["InvoiceLines"].as_array().unwrap().len(), 3);
    run(&home, "2026-04-01");
    let sum: f64 =
        totals(&home.json(&["invoices"])).iter().map(|(_, net, _)| net.parse::<f64>().unwrap()).sum();
    assert!((sum - (4.0 * 199.0 + 25.0)).abs() < 0.001, "{sum}");
    is_sound(&home);
}

#[test]
fn late_usage_alone_is_billed_anew() {
    let home = Home::new();
    home.load(&book(1));
    home.ingest("january.csv", &january(1));
    run(&home, "2026-02-01");
    home.ingest(
        "late.csv",
        "id,subject,meter,quantity,time\nlate,SUB-0001,api_calls,200,2026-01-15T10:00:00Z\n",
    );
    run(&home, "2026-03-01");
    home.json(&["invoices", "credit", "INV-0000003", "--rebill", "--as-of", "2026-03-05"]);
    run(&home, "2026-03-05");
    run(&home, "2026-04-01");
    let list = totals(&home.json(&["invoices"]));
    let nets: Vec<&str> = list.iter().map(|(_, net, _)| net.as_str()).collect();
    // The fee of March again, and the late line once more with the charge's next charge date.
    assert_eq!(nets, ["-209.00", "199.00", "214.00", "209.00", "199.00", "209.00"]);
    is_sound(&home);
}

#[test]
fn a_run_reversed_for_a_rebill_is_made_again_once() {
    let home = PgHome::new();
    home.fill(&book(3), &january(3));
    let bill = |day: &str| home.json(&["run", "--as-of", day, "--skip", QUIET]);
    bill("2026-02-01");
    let first = totals(&home.json(&["invoices"]));
    let reversed = home.json(&["runs", "reverse", "1", "--yes", "--rebill", "--as-of", "2026-02-03"]);
    assert_eq!((&reversed["creditnotes"], &reversed["reopened"]), (&json!(6), &json!(9)), "{reversed:#}");
    let twice = home.json(&["runs", "reverse", "1", "--yes", "--rebill", "--as-of", "2026-02-03"]);
    assert_eq!(
        (&twice["creditnotes"], &twice["already"], &twice["reopened"]),
        (&json!(0), &json!(6), &json!(0))
    );
    assert_eq!(bill("2026-02-03")["invoiced"], 3, "all of a payer is due on one day now");
    assert_eq!(bill("2026-02-04")["invoiced"], 0);
    let net = |list: &[(String, String, String)]| -> f64 {
        list.iter().map(|(_, n, _)| n.parse::<f64>().unwrap()).sum()
    };
    let last = totals(&home.json(&["invoices"]));
    assert!((net(&last) - net(&first)).abs() < 0.001, "{last:?}");
    assert_eq!(home.json(&["verify"])["ok"], true);
}
