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

/// A run that died while it was booking stands as one in review does; it cannot be approved or cancelled, and the way out is to run.
#[test]
fn a_price_waits_for_a_run_that_died_before_its_last_booking_until_it_is_run_to_its_end() {
    for books in both() {
        load(&books, &a_book()).exits(0);
        let run = ["run", "--as-of", "2026-01-01", "--skip", "render,send,collect"];
        let stands = || {
            let shown = books.run(&["--json", "runs", "show", "1"]);
            let steps = if shown.code == 0 { shown.json()["steps"].clone() } else { json!([]) };
            let is_open = |step: &Value| step["step"] == "book" && step["open"].as_u64().unwrap_or(0) > 0;
            steps.as_array().unwrap().iter().any(is_open)
        };
        // It goes on where it stood, and dies one place later each time.
        let died = (2..40).find(|place| {
            let mut command = books.command(&run);
            command.env("TALLYBOOK_CRASH_AT", place.to_string());
            let ended = crate::support::answer(command.output().unwrap());
            assert_ne!(ended.code, 0, "it came to its end without a moment between drafts and booking");
            stands()
        });
        assert!(died.is_some());
        let before = books.run(&["book", "export"]).stdout;
        let mut dearer = a_book();
        dearer["taxrules"][0]["taxpct"] = json!("24");
        let refused = load(&books, &dearer).exits(1).error();
        assert_eq!(refused["code"], "run_stands", "{refused}");
        assert!(refused["hint"].as_str().unwrap().contains("`tallybook run`"), "{refused}");
        assert_eq!(books.run(&["book", "export"]).stdout, before);
        books.run(&["--json", "run", "--as-of", "2026-01-01", "--skip", "render,send,collect"]).exits(0);
        load(&books, &dearer).exits(0);
        assert_eq!(books.json(&["verify"])["ok"], true);
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

/// rules B2, T6: who pays is taken as it stands when the draft is made.
#[test]
fn who_pays_from_today_on_is_not_billed_again_and_gets_what_comes_of_the_past() {
    for books in both() {
        let mut book = a_book();
        book["productplans"][0]["changehandle"] = json!(1);
        load(&books, &book).exits(0);
        books.json(&["run", "--as-of", "2026-01-01"]);
        let mut moved = book.clone();
        let customer = moved["customers"][0].as_object_mut().unwrap();
        customer.extend([("parent".to_owned(), json!("CU-0002")), ("billtoparent".to_owned(), json!(true))]);
        load(&books, &moved).exits(0);
        let usage = "id,subject,meter,quantity,time\nlate-1,SUB-0001,api_calls,100000,2026-01-05T10:00:00Z\n";
        let usage = books.file("usage.csv", usage);
        books.run(&["--json", "ingest", &usage]).exits(0);
        let cancel = ["subscriptions", "cancel", "SUB-0001", "--option", "on_date", "--date", "2026-02-15"];
        books.json(&[&cancel[..], &["--refund", "prorated", "--on", "2026-01-20"]].concat());
        let run = books.json(&["run", "--as-of", "2026-02-15"]);
        assert_eq!((&run["failed"], &run["parked"]), (&json!(0), &json!(0)), "{run}");
        let of = |account: &str| books.json(&["invoices", "--customer", account]);
        let (old, new) = (of("CU-0001"), of("CU-0002"));
        assert_eq!(old.as_array().unwrap().len(), 1, "January is billed once, to who paid then: {old:#}");
        let lines: Vec<&Value> =
            new.as_array().unwrap().iter().flat_map(|i| i["InvoiceLines"].as_array().unwrap()).collect();
        let january =
            lines.iter().filter(|line| line["PeriodStart"] == "2026-01-01" && line["SKU"] != "PRO-API");
        assert_eq!(january.count(), 1, "CU-0002's own: {new:#}");
        assert_eq!(books.json(&["verify"])["ok"], true);
    }
}
