//! What a change of the book does to a run whose drafts are made: only bills that it may move are made anew.

use crate::support::book;
use crate::support::books::{Books, both};
use serde_json::{Value, json};

fn load(books: &Books, book: &Value) -> crate::support::Answer {
    let path = books.file("book.json", book.to_string());
    books.run(&["--json", "load", &path])
}

/// Two plans; CU-0001 has PRO, CU-0002 has BIG.
fn a_book() -> Value {
    let mut book = book(2);
    let mut big = book["productplans"][0].clone();
    big["sku"] = json!("BIG");
    book["productplans"].as_array_mut().unwrap().push(big);
    book["subscriptions"][1]["productplan"] = json!("BIG");
    book
}

#[test]
fn a_unit_of_measure_is_renamed_during_a_review_and_a_price_waits_for_the_run() {
    for books in both() {
        load(&books, &a_book()).exits(0);
        books.json(&["run", "--as-of", "2026-01-01", "--review", "--skip", "render,send,collect"]);
        let mut renamed = a_book();
        renamed["uoms"][0]["fullname"] = json!("API call");
        renamed["productfamilies"] = json!([{"refkey": "cloud", "fullname": "Cloud"}]);
        renamed["discounts"] = json!([{"refkey": "new", "fullname": "New", "amount": "0.10", "codes": [{"codeprefix": "N", "code": "1"}]}]);
        load(&books, &renamed).exits(0);

        let mut dearer = renamed.clone();
        let prices = dearer["productplans"][0]["charges"][0]["pricings"].as_array_mut().unwrap();
        prices.push(json!({"currencycode": "DKK", "price": "250.00", "validfrom": "2026-02-01"}));
        let mut taxed = renamed.clone();
        taxed["taxrules"][0]["taxpct"] = json!("24");
        for moved in [&dearer, &taxed] {
            let refused = load(&books, moved).exits(1).error();
            assert_eq!(refused["code"], "run_stands", "{refused}");
            assert!(refused["hint"].as_str().unwrap().contains("runs approve 1"), "{refused}");
        }
        let approved = books.json(&["runs", "approve", "1"]);
        assert_eq!((&approved["invoiced"], &approved["failed"]), (&json!(2), &json!(0)), "{approved}");
        load(&books, &dearer).exits(0);
        let preview = books.json(&["run", "--as-of", "2026-02-01", "--preview"]);
        assert_eq!(preview["totals"][0]["net"], "449.00", "250.00 for PRO and 199.00 for BIG: {preview}");
    }
}

#[test]
fn a_customer_who_moves_during_a_review_is_set_aside_and_nobody_else() {
    for books in both() {
        load(&books, &a_book()).exits(0);
        books.json(&["run", "--as-of", "2026-01-01", "--review", "--skip", "render,send,collect"]);
        let mut moved = a_book();
        moved["customers"][0]["city"] = json!("Odense");
        load(&books, &moved).exits(0);
        let approved = books.run(&["--json", "runs", "approve", "1"]).exits(3).json();
        assert_eq!((&approved["invoiced"], &approved["failed"]), (&json!(1), &json!(1)), "{approved}");
        books.run(&["--json", "runs", "rerun", "1", "--failed"]).exits(0);
        books.run(&["--json", "runs", "approve", "1"]).exits(0);
        assert_eq!(books.json(&["invoices"]).as_array().unwrap().len(), 2);
    }
}
