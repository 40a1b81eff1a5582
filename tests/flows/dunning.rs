//! What happens to invoices that are not paid: the steps of a policy, morning by morning, on both databases.

use crate::support::postgres::PgHome;
use crate::support::{Home, book, counterpart, files_below};
use serde_json::{Value, json};
use std::path::Path;

/// Four payers who owe 248.75 by 15 January: one with two methods of which the second pays, one whose only method is
/// declined, one who pays by transfer, and one on a plan with a policy of its own.
fn dunned_book() -> Value {
    let mut book = book(4);
    let method = |refkey: &str, token: &str| json!({"refkey": refkey, "type": "token", "gateway": "sandbox", "token": token, "makedefault": refkey == "card"});
    let methods = [
        json!([method("card", "tok_soft_decline"), method("spare", "tok_ok")]),
        json!([method("card", "tok_soft_decline")]),
        json!([]),
        json!([]),
    ];
    for (customer, methods) in book["customers"].as_array_mut().unwrap().iter_mut().zip(methods) {
        customer["paymentmethods"] = methods;
    }
    let step = |days: u32, action: &str| json!({"days": days, "action": action});
    book["dunningpolicies"] = json!([
        {"refkey": "strict", "default": true, "manual": true, "steps": [
            step(0, "retry"), step(3, "other_method"), step(5, "mail"), step(10, "hold"), step(20, "write_off")]},
        {"refkey": "gentle", "manual": true, "steps": [step(2, "mail"), step(30, "expire")]},
    ]);
    let mut gentle = book["productplans"][0].clone();
    (gentle["sku"], gentle["dunningpolicy"]) = (json!("GENTLE"), json!("gentle"));
    book["productplans"].as_array_mut().unwrap().push(gentle);
    book["subscriptions"][3]["productplan"] = json!("GENTLE");
    book
}

/// Subject, text, and kinds of the parts of a mail.
const READ_MAIL: &str = "
import email, sys
from email import policy
mail = email.message_from_binary_file(open(sys.argv[1], 'rb'), policy=policy.default)
print(mail['Subject'], mail.get_body(('plain',)).get_content(), [part.get_content_type() for part in mail.walk()])";

/// Last two digits of the account, outcome and reason of a step.
type Step<T> = (T, T, T);
/// What spoils a book.
type Change = fn(&mut Value);

/// The steps of a morning; done a second time it does nothing.
fn morning(json: &dyn Fn(&[&str]) -> Value, day: &str) -> Vec<Step<String>> {
    let retry = ["payments", "retry", "--as-of", day];
    let tried = |answer: Value| -> Vec<Step<String>> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let of = |t: &Value| (text(&t["account"])[5..].to_owned(), text(&t["outcome"]), text(&t["reason"]));
        let mut tried: Vec<_> = answer["tried"].as_array().unwrap().iter().map(of).collect();
        tried.sort();
        tried
    };
    let first = tried(json(&retry));
    assert_eq!(tried(json(&retry)), [], "a second time on {day}");
    first
}

fn steps(of: &[Step<&str>]) -> Vec<Step<String>> {
    of.iter()
        .map(|(account, outcome, reason)| ((*account).into(), (*outcome).into(), (*reason).into()))
        .collect()
}

fn plays(json: &dyn Fn(&[&str]) -> Value, home: &Path) {
    json(&["run", "--as-of", "2026-01-01"]);
    let declined = "insufficient_funds";
    let table: [(&str, &[Step<&str>]); 9] = [
        ("2026-01-14", &[]),
        ("2026-01-15", &[("01", "declined", declined), ("02", "declined", declined)]),
        ("2026-01-17", &[("04", "acted", "mail")]),
        ("2026-01-18", &[("01", "paid", ""), ("02", "declined", declined)]),
        ("2026-01-20", &[("02", "acted", "mail"), ("03", "acted", "mail")]),
        ("2026-01-25", &[("02", "acted", "hold"), ("03", "acted", "hold")]),
        ("2026-02-03", &[]),
        ("2026-02-04", &[("02", "acted", "write_off"), ("03", "acted", "write_off")]),
        ("2026-02-14", &[("04", "acted", "expire")]),
    ];
    for (day, expected) in table {
        assert_eq!(morning(json, day), steps(expected), "{day}");
    }

    let state = |number: &str| json(&["subscriptions", "show", number])["state"].clone();
    assert_eq!([state("SUB-0001"), state("SUB-0002"), state("SUB-0004")], ["active", "hold", "expired"]);
    let first_of = |account: &str| {
        let invoices = json(&["invoices", "--customer", account]);
        json(&["invoices", "show", invoices[0]["InvoiceNumber"].as_str().unwrap()])
    };
    let paid = first_of("CU-0001");
    assert_eq!(paid["PaymentStatus"], 20, "{paid}");
    let given_up = first_of("CU-0003");
    assert_eq!(
        (&given_up["PaymentStatus"], &given_up["State"], &given_up["NextRetry"]),
        (&json!(1024), &json!("written_off"), &Value::Null),
        "{given_up}"
    );

    let mails = files_below(&home.join("mail"), "eml");
    let reminders: Vec<String> = mails
        .iter()
        .map(|path| counterpart("python3", &["-c", READ_MAIL, path.to_str().unwrap()]))
        .filter(|mail| mail.contains("Reminder: invoice"))
        .collect();
    assert!(reminders.iter().all(|mail| mail.contains("application/pdf")), "with the invoice");
    let days =
        |days: &str| reminders.iter().filter(|mail| mail.contains(&format!("({days} days ago)"))).count();
    assert_eq!((reminders.len(), days("2"), days("5")), (3, 1, 2), "{reminders:#?}");

    // What is on hold is not billed on.
    json(&["run", "--as-of", "2026-02-15"]);
    let invoices = |account: &str| json(&["invoices", "--customer", account]).as_array().unwrap().len();
    assert_eq!([invoices("CU-0001"), invoices("CU-0002"), invoices("CU-0003")], [2, 1, 1]);

    let audit = json(&["audit"]).to_string();
    assert!(audit.contains("subscription.hold") && audit.contains("\"dunning\""), "{audit}");
    assert_eq!(json(&["verify"])["ok"], true);
    let journal = home.join("out.journal");
    let path = journal.to_str().unwrap();
    json(&["export", "ledger", "--format", "hledger", "--out", path]);
    counterpart("hledger", &["-f", path, "check", "-s", "ordereddates"]);
    let loss = counterpart("hledger", &["-f", path, "balance", "-N", "--flat", "expenses"]);
    assert!(loss.contains("497.50 DKK"), "two invoices of 248.75 are given up: {loss}");
}

#[test]
fn a_policy_is_followed_step_by_step() {
    let home = Home::new();
    home.load(&dunned_book());
    plays(&|args| home.json(args), &home.path());
}

#[test]
fn a_policy_is_followed_step_by_step_on_postgresql() {
    let home = PgHome::new();
    let book = home.home.file("book.json", dunned_book().to_string());
    home.json(&["load", book.to_str().unwrap()]);
    plays(&|args| home.json(args), &home.home.path());
}

#[test]
fn a_policy_that_cannot_be_followed_is_refused_at_load() {
    let home = Home::new();
    let refused = |change: Change| {
        let mut book = dunned_book();
        change(&mut book);
        let file = home.file("book.json", book.to_string());
        home.run(&["--json", "load", file.to_str().unwrap()]).exits(1).error()["faults"].clone()
    };
    let table: [(Change, &str, &str); 5] = [
        (
            |b| b["dunningpolicies"][0]["steps"][1]["days"] = json!(0),
            "/dunningpolicies/0/steps/1/days",
            "no later than",
        ),
        (
            |b| b["dunningpolicies"][0]["steps"][1]["action"] = json!("write_off"),
            "/dunningpolicies/0/steps/2",
            "cannot follow",
        ),
        (
            |b| b["dunningpolicies"][0]["steps"][0]["action"] = json!("sue"),
            "/dunningpolicies/0/steps/0/action",
            "sue",
        ),
        (
            |b| b["dunningpolicies"][1]["default"] = json!(true),
            "/dunningpolicies/1/default",
            "both be the default",
        ),
        (
            |b| b["productplans"][1]["dunningpolicy"] = json!("gentel"),
            "/productplans/1/dunningpolicy",
            "gentel",
        ),
    ];
    for (change, pointer, words) in table {
        let faults = refused(change);
        assert_eq!(faults.as_array().unwrap().len(), 1, "{faults}");
        assert_eq!(faults[0]["pointer"], pointer, "{faults}");
        assert!(faults[0]["message"].as_str().unwrap().contains(words), "{faults}");
    }
}
