//! Scenarios with payments, credits, refunds, write-offs and dunning, three times: in memory, on SQLite and on PostgreSQL.
//! Invoices, what has settled them, payments and the ledger are the same.

use super::golden::simulated;
use crate::support::books::{Books, both};
use crate::support::counterpart;
use serde_json::{Value, json};

/// A monthly fee of 100.00 and VAT, to be paid within so many days, with these methods and policies.
fn book(term: u32, methods: &Value, policies: &Value) -> Value {
    let plan = |sku: &str, policy: Option<&str>| {
        let mut plan = json!({"sku": sku, "fullname": sku, "currencycode": "DKK", "changehandle": 1, "charges": [
            {"sku": format!("{sku}-FEE"), "fullname": "Fee", "chargetype": "recurring", "pricingmodel": "per_unit", "billingperiod": "monthly",
             "billingperiodalignment": "subscription_start", "defaultamount": "2", "taxable": true,
             "pricings": [{"currencycode": "DKK", "price": "50.00"}]}]});
        if let Some(policy) = policy {
            plan["dunningpolicy"] = json!(policy);
        }
        plan
    };
    let subscription = |number: &str, plan: &str| json!({"subscriptionnumber": number, "customer": "C-1", "productplan": plan, "startdate": "2026-01-01", "status": "active", "autorenew": true});
    json!({
        "tenant": {"fullname": "Seller", "companyvat": "DK12345678", "currencycode": "DKK", "timezone": "Europe/Copenhagen", "country": "DK"},
        "taxrules": [{"fullname": "VAT", "country": "*", "state": "*", "ruletype": "*", "priority": 10, "taxpct": "25", "category": "S"}],
        "productplans": [plan("P", None), plan("Q", policies[1]["refkey"].as_str())],
        "customers": [{"accountnumber": "C-1", "fullname": "Buyer", "currencycode": "DKK", "country": "DK", "autobill": true,
                       "primaryemail": "buyer@example.com", "paymentterm": term, "paymentmethods": methods}],
        "subscriptions": [subscription("S-1", "P"), subscription("S-2", "Q")],
        "dunningpolicies": policies,
    })
}

fn method(refkey: &str, token: &str, default: bool) -> Value {
    json!({"refkey": refkey, "type": "token", "gateway": "sandbox", "token": token, "makedefault": default})
}

fn policy(refkey: &str, default: bool, manual: bool, steps: &[(u32, &str)]) -> Value {
    let steps: Vec<Value> =
        steps.iter().map(|(days, action)| json!({"days": days, "action": action})).collect();
    json!({"refkey": refkey, "default": default, "manual": manual, "steps": steps})
}

fn on(day: &str, step: Value) -> Value {
    let mut step = step;
    step["on"] = json!(day);
    step
}

fn run(day: &str) -> Value {
    on(day, json!({"run": {}}))
}

fn retry(day: &str) -> Value {
    on(day, json!({"payments": "retry"}))
}

fn invoice(day: &str, place: usize, verb: &str, more: Value) -> Value {
    let mut step = on(day, json!({"invoice": place, "do": verb}));
    step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    step
}

/// A second customer, with a subscription of its own.
fn two_payers() -> Value {
    let mut book = book(8, &json!([]), &json!([]));
    book["productplans"][0]["changehandle"] = json!(0);
    let second = |list: &str, key: &str, name: &str, from: &Value| {
        let mut second = from[list][0].clone();
        second[key] = json!(name);
        second
    };
    let customer = second("customers", "accountnumber", "C-2", &book);
    let mut subscription = second("subscriptions", "subscriptionnumber", "S-3", &book);
    subscription["customer"] = json!("C-2");
    book["customers"].as_array_mut().unwrap().push(customer);
    book["subscriptions"].as_array_mut().unwrap().push(subscription);
    book
}

fn scenarios() -> Vec<(String, Value)> {
    let verbs = json!([
        policy("k", true, true, &[(3, "mail"), (10, "hold"), (20, "write_off")]),
        policy("own", false, true, &[(5, "expire")])
    ]);
    let cards = json!([method("card", "tok_soft_decline", true), method("spare", "tok_ok_fee", false)]);
    let climbing = json!([
        policy("k", true, false, &[(0, "retry"), (1, "retry"), (3, "other_method")]),
        policy("own", false, false, &[(1, "retry"), (2, "mail"), (4, "cancel"), (9, "write_off")])
    ]);
    let made = [
        (
            "money from elsewhere, more than is open, credits, refunds, a write-off",
            book(8, &json!([]), &json!([])),
            vec![
                run("2026-01-01"),
                invoice("2026-01-05", 1, "markpaid", json!({"amount": "200.00"})),
                invoice("2026-01-06", 2, "markpaid", json!({"amount": "20.00"})),
                invoice("2026-01-07", 2, "writeoff", json!({"amount": "5.00"})),
                invoice("2026-01-08", 1, "credit", json!({"lines": [{"line": 1, "amount": "40.00"}]})),
                invoice("2026-01-09", 3, "refund", json!({})),
                run("2026-02-01"),
                invoice("2026-02-02", 4, "credit", json!({})),
                invoice("2026-02-03", 5, "markpaid", json!({})),
                invoice("2026-02-04", 5, "credit", json!({})),
                invoice("2026-02-05", 7, "refund", json!({"amount": "30.00"})),
                run("2026-03-01"),
                invoice("2026-03-02", 8, "writeoff", json!({})),
            ],
        ),
        (
            "given up, then paid, credited by a person and by a run",
            book(8, &json!([]), &json!([])),
            vec![
                run("2026-01-01"),
                invoice("2026-01-10", 1, "writeoff", json!({})),
                invoice("2026-01-11", 1, "markpaid", json!({"amount": "25.00"})),
                invoice("2026-01-12", 1, "credit", json!({"lines": [{"line": 1, "amount": "40.00"}]})),
                invoice("2026-01-13", 2, "writeoff", json!({})),
                invoice("2026-01-14", 2, "credit", json!({})),
                run("2026-02-01"),
                invoice("2026-02-02", 5, "writeoff", json!({})),
                on("2026-02-10", json!({"subscription": "S-1", "do": "expire", "refund": "prorated"})),
                on("2026-02-10", json!({"subscription": "S-2", "do": "expire", "refund": "prorated"})),
                run("2026-02-11"),
                invoice("2026-02-12", 1, "markpaid", json!({"amount": "80.00"})),
            ],
        ),
        (
            "nobody to charge, dunned",
            book(0, &json!([]), &verbs),
            vec![
                run("2026-01-01"),
                retry("2026-01-02"),
                retry("2026-01-04"),
                retry("2026-01-06"),
                retry("2026-01-11"),
                retry("2026-01-21"),
                run("2026-02-01"),
            ],
        ),
        (
            "cards that are declined, dunned",
            book(0, &cards, &climbing),
            vec![
                run("2026-01-01"),
                retry("2026-01-02"),
                retry("2026-01-03"),
                retry("2026-01-04"),
                retry("2026-01-05"),
                retry("2026-01-10"),
                invoice("2026-01-11", 1, "credit", json!({"lines": [{"line": 1, "amount": "40.00"}]})),
                run("2026-02-01"),
                invoice("2026-02-01", 4, "recharge", json!({})),
                retry("2026-02-02"),
            ],
        ),
        (
            "a run approved in part, cancelled, reversed and billed anew; a change billed with what it amends",
            two_payers(),
            vec![
                on("2026-01-01", json!({"run": {"review": true}})),
                on("2026-01-01", json!({"runs": 1, "do": "approve", "customer": "C-2"})),
                on("2026-01-02", json!({"runs": 1, "do": "cancel"})),
                run("2026-01-03"),
                on("2026-01-04", json!({"runs": 2, "do": "reverse", "rebill": true})),
                run("2026-01-05"),
                on(
                    "2026-02-10",
                    json!({"subscription": "S-1", "do": "setamount", "charge": "P-FEE", "amount": "1"}),
                ),
                run("2026-03-01"),
                on("2026-04-01", json!({"run": {"review": true}})),
                on(
                    "2026-04-01",
                    json!({"subscription": "S-3", "do": "setamount", "charge": "P-FEE", "amount": "3"}),
                ),
                on("2026-04-01", json!({"runs": 5, "do": "approve"})),
                on("2026-04-01", json!({"runs": 5, "do": "rerun"})),
                on("2026-04-01", json!({"runs": 5, "do": "approve"})),
            ],
        ),
    ];
    made.into_iter()
        .map(|(name, book, timeline)| {
            (name.to_owned(), json!({"name": name, "book": book, "timeline": timeline}))
        })
        .collect()
}

#[test]
fn memory_and_both_databases_collect_credit_refund_and_dun_alike() {
    let scenarios = scenarios();
    let answers = simulated(&scenarios);
    for ((name, scenario), answer) in scenarios.iter().zip(&answers) {
        let done: Vec<&Value> =
            answer["steps"].as_array().unwrap().iter().filter(|step| step["ok"] == false).collect();
        assert!(done.is_empty(), "{name}: {done:#?}");
        assert!(answer["ledger"].as_array().unwrap().len() > 2, "{name}: {answer:#}");
        for books in both() {
            play(&books, scenario, answer);
            let steps = scenario["timeline"].as_array().unwrap();
            let last = steps[steps.len() - 1]["on"].as_str().unwrap();
            let listed = books.json(&["invoices", "--as-of", last]);
            assert_eq!(invoices(&listed), invoices(&answer["invoices"]), "{name}");
            states_are_filters(&books, last, &listed);
            assert_eq!(transactions(&books, answer), told(&answer["transactions"]), "{name}");
            assert_eq!(ledger(&books), entries(&answer["ledger"]), "{name}");
            assert_eq!(books.json(&["verify"])["ok"], true, "{name}");
        }
    }
}

/// Each state that an invoice reads is a filter of the list.
fn states_are_filters(books: &Books, as_of: &str, all: &Value) {
    for state in ["paid", "credited", "written_off"] {
        let found = invoices(&books.json(&["invoices", "--as-of", as_of, "--state", state]));
        let mut expected = invoices(all);
        expected.retain(|invoice| invoice["State"] == state);
        assert_eq!(found, expected, "{state}");
    }
}

/// The steps as they are typed.
fn play(books: &Books, scenario: &Value, answer: &Value) {
    let file = books.file("book.json", scenario["book"].to_string());
    books.json(&["load", &file]);
    for step in scenario["timeline"].as_array().unwrap() {
        let day = step["on"].as_str().unwrap();
        let typed = |typed: &[&str]| {
            let done = books.run(&[&["--json"], typed].concat());
            assert!(done.code == 0 || done.code == 3, "{typed:?}: {done:?}");
        };
        if step["run"].is_object() || step["payments"].is_string() {
            typed(&["payments", "retry", "--as-of", day]);
        }
        if step["run"].is_object() {
            let review = step["run"]["review"] == true;
            typed(
                &[&["run", "--as-of", day, "--skip", "render,send"], &["--review"][..usize::from(review)]]
                    .concat(),
            );
        } else if step["runs"].is_u64() {
            let number = step["runs"].to_string();
            let verb = step["do"].as_str().unwrap();
            let mut words = vec!["runs", verb, &number];
            words.extend(step["customer"].as_str().iter().flat_map(|account| ["--customer", account]));
            words.extend(["--failed"].iter().filter(|_| verb == "rerun"));
            words.extend(["--yes", "--rebill", "--as-of", day].iter().filter(|_| verb == "reverse"));
            typed(&words);
        } else if let Some(number) = step["subscription"].as_str() {
            let mut words = vec!["subscriptions", step["do"].as_str().unwrap(), number, "--on", day];
            let given = ["refund", "charge", "amount"].map(|name| (format!("--{name}"), step[name].as_str()));
            for (name, value) in &given {
                words.extend(value.iter().flat_map(|value| [name.as_str(), value]));
            }
            typed(&words);
        } else if step["invoice"].is_u64() {
            let place = usize::try_from(step["invoice"].as_u64().unwrap()).unwrap();
            let number = answer["invoices"][place - 1]["InvoiceNumber"].as_str().unwrap();
            let verb = step["do"].as_str().unwrap();
            let dated = if ["credit", "recharge"].contains(&verb) { "--as-of" } else { "--on" };
            let mut words = vec![
                "invoices".to_owned(),
                verb.to_owned(),
                number.to_owned(),
                dated.to_owned(),
                day.to_owned(),
            ];
            words.extend(
                step["amount"]
                    .as_str()
                    .iter()
                    .flat_map(|amount| ["--amount".to_owned(), (*amount).to_owned()]),
            );
            for line in step["lines"].as_array().into_iter().flatten() {
                words.extend([
                    "--line".to_owned(),
                    format!("{}={}", line["line"], line["amount"].as_str().unwrap()),
                ]);
            }
            typed(&words.iter().map(String::as_str).collect::<Vec<&str>>());
        }
    }
}

/// What they are and how far they are settled, without ids.
fn invoices(list: &Value) -> Vec<Value> {
    // Drafts that were dropped are told in memory alone.
    let mut list: Vec<Value> =
        list.as_array().unwrap().iter().filter(|i| i["InvoiceNumber"].is_string()).cloned().collect();
    for invoice in &mut list {
        invoice.as_object_mut().unwrap().remove("ID");
    }
    list.sort_by_key(|invoice| invoice["InvoiceNumber"].to_string());
    list
}

fn told(transactions: &Value) -> Vec<String> {
    let mut told: Vec<String> = transactions
        .as_array()
        .unwrap()
        .iter()
        .filter(|t| t["Type"] != 16) // a refund stands in the ledger
        .map(|t| {
            format!(
                "{} {} {} {} {}",
                t["InvoiceNumber"], t["Date"], t["StateCode"], t["Type"], t["TotalAmount"]
            )
        })
        .collect();
    told.sort();
    told
}

fn transactions(books: &Books, answer: &Value) -> Vec<String> {
    let mut all = Vec::new();
    let numbers = answer["invoices"].as_array().unwrap().iter().filter_map(|i| i["InvoiceNumber"].as_str());
    for number in numbers {
        let shown = books.json(&["invoices", "show", number]);
        all.extend(shown["Transactions"].as_array().unwrap().clone());
    }
    told(&Value::Array(all))
}

/// Rows of the CSV as lists.
const ROWS: &str = "
import csv, json, sys
with open(sys.argv[1], newline='') as file:
    print(json.dumps([[r[n] for n in ('voucher_no', 'kind', 'voucher_date', 'posting_date', 'account', 'debit', 'credit')] for r in csv.DictReader(file)]))";

fn ledger(books: &Books) -> Vec<String> {
    let csv = books.json(&["export", "ledger", "--format", "csv"]);
    let path = books.file("ledger.csv", csv["content"].as_str().unwrap());
    let rows: Value = serde_json::from_str(&counterpart("python3", &["-c", ROWS, &path])).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rows = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row.as_array().unwrap().iter().map(text).collect::<Vec<_>>());
    sorted(rows.filter(|row| row[1] != "recognition").map(|row| row.join(" ")))
}

fn entries(ledger: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let side = |value: &Value| if value == "0.00" { String::new() } else { text(value) };
    let rows = ledger.as_array().unwrap().iter().flat_map(|entry| {
        let head =
            ["document", "kind", "documentdate", "postingdate"].map(|name| text(&entry[name])).join(" ");
        let postings = entry["postings"].as_array().unwrap().iter();
        postings.map(move |p| {
            format!("{head} {} {} {}", text(&p["account"]), side(&p["debit"]), side(&p["credit"]))
        })
    });
    sorted(rows)
}

fn sorted(rows: impl Iterator<Item = String>) -> Vec<String> {
    let mut rows: Vec<String> = rows.collect();
    rows.sort();
    rows
}
