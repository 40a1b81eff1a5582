//! Drafts before they are booked: looked at, changed, approved.

use crate::support::books::both;
use crate::support::postgres::PgHome;
use crate::support::{Home, answer, book, counterpart, january};
use serde_json::{Value, json};

const QUIET: [&str; 2] = ["--skip", "send,collect"];

#[test]
fn a_draft_changed_in_review_is_booked_as_changed_and_its_periods_stay_taken() {
    let home = PgHome::new();
    home.fill(&book(2), &january(2));
    let run = |args: &[&str]| home.json(&[&["run"], args, &QUIET].concat());
    run(&["--as-of", "2026-01-01"]);
    run(&["--as-of", "2026-02-01", "--review"]);
    let drafts = home.json(&["invoices", "--state", "draft", "--customer", "CU-0001"]);
    let id = drafts[0]["ID"].as_str().unwrap().to_owned();
    assert_eq!(drafts[0]["Total"], "214.00", "the fee of February and the calls of January");

    let edit = json!({"reference": "PO 4711", "paymentterm": 30, "lines": [
        {"line": 1, "amount": "150.00", "title": "Pro, as agreed"}, {"line": 2, "remove": true},
        {"title": "On-site day", "quantity": "0.5", "unitprice": "1000"}]});
    let file = home.home.file("edit.json", edit.to_string());
    let file = file.to_str().unwrap();
    let shown = home.json(&["invoices", "edit", &id, file, "--dry-run"]);
    assert_eq!(home.json(&["invoices", "--state", "draft", "--customer", "CU-0001"]), drafts, "only shown");
    let edited = home.json(&["invoices", "edit", &id[..30], file]);
    assert_eq!(edited, shown);
    assert_eq!((&edited["Total"], &edited["TotalVat"]), (&json!("650.00"), &json!("162.50")), "{edited:#}");

    home.json(&["runs", "approve", "2"]);
    let booked = home.json(&["invoices", "--customer", "CU-0001"]);
    let booked = booked.as_array().unwrap().iter().find(|i| i["Total"] == "650.00").unwrap();
    assert_eq!((&booked["DueDate"], &booked["ID"]), (&json!("2026-03-02"), &json!(id)));
    let number = booked["InvoiceNumber"].as_str().unwrap();
    let pdf = home.json(&["invoices", "pdf", number]);
    let text = counterpart("pdftotext", &["-layout", pdf["path"].as_str().unwrap(), "-"]);
    assert!(text.contains("Pro, as agreed") && text.contains("PO 4711"), "{text}");
    let refused = home.run(&["--json", "invoices", "edit", number, file]).exits(1);
    assert_eq!(refused.error()["code"], "booked");

    // The line taken off is not billed later, nor is late usage of its month; the allowance stays one.
    let late = "id,subject,meter,quantity,time\nlate,SUB-0001,api_calls,500,2026-01-15T10:00:00Z\n";
    let late = home.home.file("late.csv", late);
    home.json(&["ingest", late.to_str().unwrap()]);
    run(&["--as-of", "2026-03-01"]);
    let march = home.json(&["invoices", "--run", "3", "--customer", "CU-0001"]);
    assert_eq!(march[0]["Total"], "199.00", "{march:#}");
    assert_eq!(home.json(&["verify"])["ok"], true);
    let audit = home.run(&["--json", "audit"]).exits(0).stdout;
    assert!(audit.contains("draft.edit") && audit.contains("PO 4711"), "{audit}");
}

#[test]
fn drafts_that_nobody_approves_for_days_are_found() {
    for home in both() {
        let mut book = book(2);
        book["customers"][1]["autobill"] = json!(false);
        let load = home.file("book.json", book.to_string());
        home.json(&["load", &load]);
        let on = |day: &str, args: &[&str]| {
            let mut command = home.command(args);
            answer(command.env("TALLYBOOK_NOW", format!("{day}T08:00:00Z")).output().unwrap())
        };
        let waiting = |day: &str, code: i32| {
            let found = on(day, &["--json", "doctor"]).exits(code).json();
            let drafts = found["findings"].as_array().unwrap().iter().filter(|f| f["what"] == "drafts");
            drafts.map(|f| f["found"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        on("2026-01-02", &["run", "--as-of", "2026-01-01", "--review", "--skip", "send"]).exits(0);
        assert_eq!(waiting("2026-01-04", 0), Vec::<String>::new(), "two days are no delay");
        assert_eq!(waiting("2026-01-05", 3), ["2 draft(s) of run 1 wait for approval since 2026-01-02"]);
        on("2026-01-05", &["runs", "approve", "1"]).exits(0);
        let hint = on("2026-01-05", &["doctor"]).exits(3).stdout;
        assert!(hint.contains("invoices --state draft --run 1"), "{hint}");
        assert_eq!(waiting("2026-01-05", 3), ["1 draft(s) of run 1 wait since 2026-01-02"]);
        let draft = home.json(&["invoices", "--state", "draft"]);
        on("2026-01-05", &["invoices", "book", draft[0]["ID"].as_str().unwrap()]).exits(0);
        assert_eq!(waiting("2026-01-09", 0), Vec::<String>::new());
    }
}

#[test]
fn the_last_line_tells_drafts_from_invoices() {
    let home = Home::new();
    home.load(&book(3));
    let last = |args: &[&str]| {
        let said = home.run(args).exits(0).stdout;
        said.lines().last().unwrap_or_default().to_owned()
    };
    assert_eq!(last(&["run", "--as-of", "2026-01-01", "--review"]), "3 draft(s) to review");
    let one = last(&["runs", "approve", "1", "--customer", "CU-0002"]);
    assert!(one.starts_with("1 invoice(s), 2 draft(s) to review, "), "{one}");
    assert_eq!(last(&["runs", "show", "1"]), one);
    let all = last(&["runs", "approve", "1"]);
    assert!(all.starts_with("3 invoice(s), ") && !all.contains("draft"), "{all}");
}

#[test]
fn a_draft_whose_book_has_changed_and_a_faulty_file_are_refused_with_a_way_out() {
    let home = Home::new();
    home.load(&book(1));
    home.json(&["run", "--as-of", "2026-01-01", "--review"]);
    let id = home.json(&["invoices", "--state", "draft"])[0]["ID"].as_str().unwrap().to_owned();
    let edit = |content: Value| {
        let file = home.file("edit.json", content.to_string());
        home.run(&["--json", "invoices", "edit", &id, file.to_str().unwrap()]).exits(1).error()
    };
    let faulty = edit(json!({"lines": [{"line": 1, "ammount": "5"}]}));
    assert!(faulty["faults"].to_string().contains("/lines/0/ammount"), "{faulty}");
    assert_eq!(edit(json!({"lines": [{"line": 9, "remove": true}]}))["code"], "unknown_line");
    let mut moved = book(1);
    moved["customers"][0]["city"] = json!("Odense");
    home.load(&moved);
    let refused = edit(json!({"reference": "x"}));
    assert_eq!(refused["code"], "changed_since_draft");
    assert!(refused["hint"].as_str().unwrap().contains("--release"), "{refused}");
    home.json(&["invoices", "cancel", &id, "--release"]);
}
