//! What is given back, and money that comes twice: the same in `simulate` and on the command line, on both databases.
//! The scenarios of `tests/golden/credits.ndjson` have the net and VAT of each document, and the steps that are refused.

use super::golden::simulated;
use crate::support::postgres::PgHome;
use crate::support::{Answer, Home, files_below};
use serde_json::{Value, json};
use std::path::Path;

fn scenarios() -> Vec<(String, Value)> {
    let read = |line: &str| {
        let scenario: Value = serde_json::from_str(line).unwrap();
        (scenario["name"].as_str().unwrap().to_owned(), scenario)
    };
    include_str!("../golden/credits.ndjson").lines().map(read).collect()
}

/// What a command asks of a step.
fn asked(step: &Value, events: &Path) -> Vec<String> {
    let day = step["on"].as_str().unwrap();
    let text = |name: &str| step[name].as_str().map(str::to_owned);
    let mut args: Vec<String> = Vec::new();
    let mut add = |list: &[&str]| args.extend(list.iter().map(|arg| (*arg).to_owned()));
    let verb = text("do").unwrap_or_default();
    if let Some(place) = step["invoice"].as_u64() {
        add(&["invoices", &verb, &format!("INV-{place:07}")]);
        add(&[if verb == "credit" { "--as-of" } else { "--on" }, day]);
        text("amount").into_iter().for_each(|amount| add(&["--amount", &amount]));
        for line in step["lines"].as_array().into_iter().flatten() {
            let amount = line["amount"].as_str().map(|amount| format!("={amount}")).unwrap_or_default();
            add(&["--line", &format!("{}{amount}", line["line"])]);
        }
    } else if let Some(code) = text("discount") {
        add(&["discounts", &verb, &code, "--customer", &text("customer").unwrap(), "--on", day]);
    } else if let Some(number) = text("subscription") {
        add(&["subscriptions", &verb, &number, "--on", day]);
        for name in ["option", "refund", "charge", "amount"] {
            text(name).into_iter().for_each(|value| add(&[&format!("--{name}"), &value]));
        }
        if step["prorate"] == true {
            add(&["--prorate", "true"]);
        }
    } else if step["ingest"].is_array() {
        add(&["ingest", events.to_str().unwrap()]);
    } else {
        add(&["run", "--as-of", day, "--skip", "render,send"]);
    }
    args
}

/// Plays a scenario by commands; net and VAT of every document, and the codes of what was refused.
fn played(scenario: &Value, home: &Home, run: &dyn Fn(&[&str]) -> Answer) -> (Vec<[Value; 2]>, Vec<Value>) {
    let json = |args: &[&str]| run(&[&["--json"], args].concat());
    let book = home.file("book.json", scenario["book"].to_string());
    json(&["load", book.to_str().unwrap()]).exits(0);
    let mut refused = Vec::new();
    for (number, step) in scenario["timeline"].as_array().unwrap().iter().enumerate() {
        let events = step["ingest"].as_array().into_iter().flatten();
        let events: String = events.map(|event| format!("{event}\n")).collect();
        let events = home.file(&format!("events-{number}.ndjson"), events);
        let args = asked(step, &events);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let answer = json(&args);
        match answer.code {
            0 | 3 => {} // nobody mails from this seller: what is sent is set aside
            _ => refused.push(answer.exits(1).error()["code"].clone()),
        }
    }
    let verified = json(&["verify"]).exits(0).json();
    let checks: Vec<&Value> =
        verified["checks"].as_array().unwrap().iter().filter(|c| c["name"] == "credited lines").collect();
    assert_eq!(checks.len(), 1, "{verified}");
    let mut documents: Vec<Value> = json(&["invoices"]).exits(0).json().as_array().unwrap().clone();
    documents.sort_by_key(|i| (i["IsCreditNote"] == true, i["InvoiceNumber"].to_string()));
    (documents.iter().map(|i| [i["Total"].clone(), i["TotalVat"].clone()]).collect(), refused)
}

#[test]
fn what_is_given_back_is_the_same_in_memory_and_on_both_databases() {
    let scenarios = scenarios();
    let answers = simulated(&scenarios);
    for ((name, scenario), answer) in scenarios.iter().zip(&answers) {
        let totals = answer["invoices"].as_array().unwrap().iter();
        let totals: Vec<Value> = totals.map(|i| json!([i["Total"], i["TotalVat"]])).collect();
        let steps = answer["steps"].as_array().unwrap().iter().filter(|step| step["ok"] == false);
        let refused: Vec<Value> = steps.map(|step| step["error"]["code"].clone()).collect();
        assert_eq!(Value::Array(totals), scenario["expect"], "{name}: {answer}");
        assert_eq!(Value::Array(refused), scenario["refused"], "{name}");

        let home = Home::new();
        let sqlite = played(scenario, &home, &|args| home.run(args));
        assert_eq!(json!(sqlite.0), scenario["expect"], "{name}");
        assert_eq!(json!(sqlite.1), scenario["refused"], "{name}");
        if scenario["timeline"].as_array().unwrap().iter().any(|step| step["do"] == "credit") {
            let postgres = PgHome::new();
            assert_eq!(played(scenario, &postgres.home, &|args| postgres.run(args)), sqlite, "{name}");
        }
    }
}

/// Two payers who owe 100.00 at once, on two lines; a reminder a day later.
fn reminded_book() -> Value {
    let charge = |sku: &str, price: &str| {
        json!({"sku": sku, "anchorcode": sku, "fullname": sku, "chargetype": "recurring", "pricingmodel": "flat",
               "billingperiod": "annually", "billingperiodalignment": "subscription_start", "taxable": true,
               "pricings": [{"currencycode": "DKK", "price": price}]})
    };
    let customer = |n: u32| {
        json!({"accountnumber": format!("C-{n}"), "fullname": format!("Buyer {n}"), "currencycode": "DKK",
               "country": "DK", "paymentterm": 0, "primaryemail": format!("buyer{n}@buyer.example")})
    };
    let subscription = |n: u32| {
        json!({"subscriptionnumber": format!("S-{n}"), "customer": format!("C-{n}"), "productplan": "P",
               "startdate": "2026-01-01", "status": "active"})
    };
    json!({
        "tenant": {"fullname": "Seller ApS", "currencycode": "DKK", "timezone": "Europe/Copenhagen", "country": "DK",
                   "email": "billing@seller.example", "iban": "DK5000400440116243"},
        "productplans": [{"sku": "P", "fullname": "P", "currencycode": "DKK",
                          "charges": [charge("A", "60.00"), charge("B", "40.00")]}],
        "customers": [customer(1), customer(2)],
        "subscriptions": [subscription(1), subscription(2)],
        "dunningpolicies": [{"refkey": "std", "default": true, "manual": true,
                             "steps": [{"days": 1, "action": "mail"}]}],
    })
}

#[test]
fn every_demand_asks_for_what_is_open_and_says_how_to_pay_it() {
    let home = Home::new();
    home.load(&reminded_book());
    home.json(&["run", "--as-of", "2026-01-01"]);
    home.json(&["invoices", "credit", "INV-0000001", "--line", "2", "--as-of", "2026-01-01"]);
    home.json(&["invoices", "markpaid", "INV-0000002", "--amount", "99.99", "--on", "2026-01-01"]);
    home.json(&["payments", "retry", "--as-of", "2026-01-02"]);
    let mails: Vec<String> = files_below(&home.path(), "eml")
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap().replace("=\r\n", "").replace("=C2=A0", " "))
        .filter(|mail| mail.contains("Subject: Reminder"))
        .collect();
    let asks = |open: &str| {
        mails.iter().any(|mail| {
            mail.contains(&format!("Please pay {open} now")) && mail.contains("DK50 0040 0440 1162 43")
        })
    };
    assert_eq!(mails.len(), 2);
    assert!(asks("DKK 60.00") && asks("DKK 0.01"), "{mails:?}");
}

#[test]
fn money_that_comes_twice_is_the_payers_credit_and_pays_the_next_invoice() {
    let plays = |json: &dyn Fn(&[&str]) -> Value, run: &dyn Fn(&[&str]) -> Answer| {
        json(&["run", "--as-of", "2026-01-01", "--skip", "render,send"]);
        let twice = ["invoices", "markpaid", "INV-0000001", "--amount", "100", "--on", "2026-01-05"];
        json(&twice);
        let paid = json(&twice);
        assert_eq!((&paid["PaymentStatus"], &paid["SettlementStatus"]), (&json!(20), &json!(4)));
        let other = json(&["invoices", "show", "INV-0000002"]);
        assert_eq!(other["SettlementStatus"], 4, "it pays what else is open: {other}");
        let third = json(&twice);
        assert_eq!((&third["PaymentStatus"], &third["SettlementStatus"]), (&json!(20), &json!(8)));
        assert_eq!(json(&["invoices", "show", "INV-0000001"])["OpenAmount"], "-100.00");
        let bare = run(&["--json", "invoices", "markpaid", "INV-0000001", "--on", "2026-01-05"]).exits(1);
        assert_eq!(bare.error()["code"], "nothing_open");
        json(&["run", "--as-of", "2027-01-01", "--skip", "render,send"]);
        let next = json(&["invoices", "show", "INV-0000003"]);
        assert_eq!((&next["PaymentStatus"], &next["Transactions"]), (&json!(20), &json!([])));
        let spent = run(&["--json", "invoices", "refund", "INV-0000001", "--on", "2027-01-02"]).exits(1);
        assert_eq!(spent.error()["code"], "nothing_owed");
        assert_eq!(json(&["verify"])["ok"], true);
    };
    let mut book = reminded_book();
    book["subscriptions"][1]["customer"] = json!("C-1");
    let (home, postgres) = (Home::new(), PgHome::new());
    home.load(&book);
    plays(&|args| home.json(args), &|args| home.run(args));
    let file = postgres.home.file("book.json", book.to_string());
    postgres.json(&["load", file.to_str().unwrap()]);
    plays(&|args| postgres.json(args), &|args| postgres.run(args));
}
