//! The audit log tells what was done, and nothing of what was refused.

use crate::support::books::{Books, both};
use crate::support::{book, january};
use serde_json::{Value, json};

fn audit_log(books: &Books) -> Vec<Value> {
    books.json(&["audit", "--limit", "1000"]).as_array().unwrap().clone()
}

/// Two customers, run 1 closed, run 2 in review; the first invoice is paid, the second draft of run 2 is dropped.
fn a_home(books: &Books) -> (String, String) {
    let path = books.file("book.json", book(2).to_string());
    books.json(&["load", &path]);
    let usage = books.file("usage.csv", january(2));
    books.json(&["ingest", &usage]);
    books.json(&["run", "--as-of", "2026-01-01", "--skip", "render,send"]);
    books.json(&["run", "--as-of", "2026-02-01", "--review", "--skip", "render,send,collect"]);
    let dropped = books.json(&["invoices", "--state", "draft"])[1]["ID"].as_str().unwrap().to_owned();
    books.run(&["invoices", "cancel", &dropped]).exits(0);
    let paid = books.json(&["invoices"])[0]["InvoiceNumber"].as_str().unwrap().to_owned();
    (paid, dropped)
}

#[test]
fn a_refused_verb_leaves_the_audit_log_as_it_was() {
    for books in both() {
        let (paid, dropped) = a_home(&books);
        let bad_book = books.file("bad.json", json!({"customers": [{"accountnumber": "CU-9"}]}).to_string());
        let bad_usage = books.file("bad.csv", "nothing,of,the,kind\n1,2,3,4\n");
        let edit = books.file("edit.json", json!({"reference": "x"}).to_string());
        let custom = json!({"customer": "CU-9", "date": "2026-02-01", "lines": [{"title": "x", "quantity": "1", "unitprice": "1"}]});
        let custom = books.file("custom.json", custom.to_string());
        let (paid, dropped) = (paid.as_str(), dropped.as_str());
        let refused: Vec<Vec<&str>> = vec![
            vec!["load", &bad_book],
            vec!["load", "nowhere.json"],
            vec!["ingest", &bad_usage],
            vec!["run", "--as-of", "2025-12-01"],
            vec!["run", "--as-of", "2026-03-01", "--customer", "CU-9"],
            vec!["runs", "approve", "1"],
            vec!["runs", "cancel", "1"],
            vec!["runs", "rerun", "2", "--failed"],
            vec!["runs", "reverse", "2"],
            vec!["invoices", "create", &custom],
            vec!["invoices", "edit", dropped, &edit],
            vec!["invoices", "edit", paid, &edit],
            vec!["invoices", "cancel", dropped],
            vec!["invoices", "cancel", paid],
            vec!["invoices", "book", dropped],
            vec!["invoices", "book", paid],
            vec!["invoices", "markpaid", paid],
            vec!["invoices", "writeoff", paid],
            vec!["invoices", "refund", paid],
            vec!["invoices", "recharge", paid],
            vec!["invoices", "credit", paid, "--line", "9"],
            vec!["subscriptions", "resume", "SUB-0001", "--option", "today"],
            vec!["subscriptions", "hold", "SUB-9"],
            vec!["subscriptions", "applydiscount", "SUB-0001", "--code", "NONE-1"],
            vec!["discounts", "apply", "NONE-1", "--customer", "CU-0001"],
            vec!["discounts", "apply", "NONE-1", "--customer", "CU-9"],
            vec!["discounts", "clear", "--customer", "CU-0001"],
        ];
        let before = audit_log(&books);
        for command in refused {
            books.run(&command).exits(1);
            assert_eq!(audit_log(&books), before, "{command:?}");
        }
    }
}

#[test]
fn what_is_done_is_told_once_and_what_changes_nothing_is_not_told() {
    for books in both() {
        let (paid, dropped) = a_home(&books);
        let told: Vec<String> = audit_log(&books)
            .iter()
            .rev()
            .map(|r| format!("{} {}", r["action"].as_str().unwrap(), r["object"].as_str().unwrap()))
            .collect();
        let expected = ["book.load book", "usage.ingest import 1", "run.open run 1", "run.open run 2"];
        let cancelled = format!("draft.cancel draft {dropped}");
        assert_eq!(told, [&expected[..], &[&cancelled]].concat());
        let same = books.file("book.json", book(2).to_string());
        books.json(&["load", &same]);
        assert_eq!(audit_log(&books).len(), told.len(), "nothing was new");
        books.run(&["invoices", "credit", &paid, "--as-of", "2026-02-03"]).exits(0);
        let newest = &audit_log(&books)[0];
        assert_eq!(newest["action"], "invoice.credit");
    }
}
