//! Invoices that a person writes: from a file to a draft, a number, a mail and the ledger; refusals write nothing.

use crate::support::{Home, book, counterpart};
use serde_json::{Value, json};

fn a_home() -> Home {
    let home = Home::new();
    home.load(&book(2));
    home
}

/// 1.5 × 999.99 less 10 % is 1349.9865, plus 25 %; and 300.00 without VAT.
fn an_invoice() -> Value {
    json!({"customer": "CU-0001", "date": "2026-03-05", "lines": [
        {"title": "On-site day", "quantity": "1.5", "unitprice": "999.99", "discount": "0.10", "discounttext": "Friend"},
        {"sku": "TRAVEL", "title": "Travel", "quantity": "1", "unitprice": "300", "taxable": false, "exemptreason": "Outlay"}]})
}

fn file(home: &Home, invoice: &Value) -> String {
    home.file("invoice.json", invoice.to_string()).to_str().unwrap().to_owned()
}

fn drafts(home: &Home) -> usize {
    home.json(&["invoices", "--state", "draft"]).as_array().unwrap().len()
}

#[test]
fn a_file_becomes_a_draft_and_the_draft_an_invoice_as_it_was_shown() {
    let home = a_home();
    let path = file(&home, &an_invoice());
    let shown = home.json(&["invoices", "create", &path, "--dry-run"]);
    assert_eq!(drafts(&home), 0);
    let draft = home.json(&["invoices", "create", &path]);
    assert_eq!(draft, shown);
    assert_eq!(
        (&draft["Total"], &draft["TotalVat"], &draft["TotalAmount"]),
        (&json!("1649.99"), &json!("337.50"), &json!("1987.49"))
    );
    assert_eq!(draft["DueDate"], "2026-03-19");
    let id = draft["ID"].as_str().unwrap();
    let booked = home.json(&["invoices", "book", id, "--as-of", "2026-03-06"]);
    assert_eq!(booked["InvoiceNumber"], "INV-0000001");
    assert_eq!(booked["InvoiceLines"], shown["InvoiceLines"]);
    let known = home.json(&["invoices", "show", "INV-0000001"]);
    assert_eq!(known["Deliveries"][0]["Address"], "bogholder@kunde1.example");
    assert_eq!(known["Documents"].as_array().unwrap().len(), 1, "{known}");
    home.run(&["verify"]).exits(0);
    home.run(&["why", "INV-0000001"]).exits(0);
    let ledger = home.path().join("ledger.journal");
    let path = ledger.to_str().unwrap();
    home.run(&["export", "ledger", "--format", "hledger", "--out", path]).exits(0);
    counterpart("hledger", &["-f", path, "check"]);
}

#[test]
fn runs_and_custom_invoices_share_a_series_and_do_not_touch_each_other() {
    let home = a_home();
    let path = file(&home, &an_invoice());
    home.run(&["invoices", "create", &path]).exits(0);
    home.run(&["run", "--as-of", "2026-01-01", "--skip", "render,send,collect"]).exits(0);
    assert_eq!(drafts(&home), 1);
    let mut other = an_invoice();
    other["customer"] = json!("CU-0002");
    let path = file(&home, &other);
    let booked = home.json(&["invoices", "create", &path, "--book", "--as-of", "2026-03-06"]);
    assert_eq!(booked["InvoiceNumber"], "INV-0000003");
    home.run(&["run", "--as-of", "2026-02-01", "--skip", "render,send,collect"]).exits(0);
    assert_eq!(home.json(&["invoices"]).as_array().unwrap().len(), 5);
    home.run(&["invoices", "credit", "INV-0000003", "--as-of", "2026-03-07"]).exits(0);
    home.run(&["verify"]).exits(0);
}

#[test]
fn the_same_file_is_one_invoice_until_it_is_dropped() {
    let home = a_home();
    let path = file(&home, &an_invoice());
    let id = home.json(&["invoices", "create", &path])["ID"].as_str().unwrap().to_owned();
    for _ in 0..2 {
        let error = home.run(&["--json", "invoices", "create", &path]).exits(1).error();
        assert_eq!(error["code"], "exists");
        assert!(error["hint"].as_str().unwrap().contains(&id), "{error}");
        assert_eq!(drafts(&home), 1);
    }
    home.run(&["invoices", "cancel", &id]).exits(0);
    home.run(&["invoices", "create", &path, "--book", "--as-of", "2026-03-06"]).exits(0);
    home.run(&["invoices", "create", &path]).exits(1);
    let mut second = an_invoice();
    second["refkey"] = json!("second");
    home.run(&["invoices", "create", &file(&home, &second)]).exits(0);
}

#[test]
fn what_is_refused_names_its_place_and_writes_nothing() {
    let home = a_home();
    let changed = |change: fn(&mut Value)| {
        let mut invoice = an_invoice();
        change(&mut invoice);
        invoice.to_string()
    };
    let table = [
        (changed(|i| i["customer"] = json!("CU-9")), "unknown_customer", "CU-9"),
        (changed(|i| i["lines"][0]["unitprice"] = json!("-5000")), "below_zero", "credit"),
        (changed(|i| i["lines"][1]["quantiti"] = json!(1)), "invoice", "/lines/1/quantiti"),
        (changed(|i| i["lines"] = json!([])), "invoice", "/lines"),
        (changed(|i| i["date"] = json!("2026-02-30")), "invoice", "/date"),
        ("{\"customer\": ".to_owned(), "invoice", "line 1"),
    ];
    for (text, code, words) in table {
        let path = home.file("bad.json", &text);
        let error = home.run(&["--json", "invoices", "create", path.to_str().unwrap()]).exits(1).error();
        assert_eq!(error["code"], code, "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(error["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{error}");
    }
    home.run(&["invoices", "create", "nowhere.json"]).exits(1);
    assert_eq!(drafts(&home), 0);
}

#[test]
fn a_draft_whose_payer_has_changed_since_is_not_booked() {
    let home = a_home();
    let path = file(&home, &an_invoice());
    let id = home.json(&["invoices", "create", &path])["ID"].as_str().unwrap().to_owned();
    home.run(&["subscriptions", "hold", "SUB-0001", "--on", "2026-01-05"]).exits(0);
    let error = home.run(&["--json", "invoices", "book", &id]).exits(1).error();
    assert!(error["hint"].as_str().unwrap().contains("invoices create"), "{error}");
    home.run(&["invoices", "cancel", &id]).exits(0);
    home.run(&["invoices", "create", &path, "--book", "--as-of", "2026-03-06"]).exits(0);
}
