//! What was served by a month's end and is on no invoice of it (rules L9).

use crate::support::books::both;
use crate::support::{book, january};
use serde_json::{Value, json};

/// Account, charge, quantity and amount of each line.
fn lines(report: &Value) -> Vec<[String; 4]> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let row = |row: &Value| ["account", "sku", "quantity", "net"].map(|name| text(&row[name]));
    report["rows"].as_array().unwrap().iter().map(row).collect()
}

#[test]
fn usage_between_two_invoices_is_unbilled_at_the_month_s_end_also_when_it_was_billed_later() {
    for books in both() {
        let mut book = book(2);
        // 10 January to 9 February, and so on.
        book["subscriptions"][0]["startdate"] = json!("2026-01-10");
        let path = books.file("book.json", book.to_string());
        books.json(&["load", &path]);
        let path = books.file("january.csv", january(2));
        books.run(&["ingest", &path]).exits(0);
        books.json(&["run", "--as-of", "2026-02-01"]);
        let january = ["report", "unbilled", "--period", "2026-01"];
        let first = books.json(&january);
        // 300 calls beyond the thousand that cost nothing; the other payer's January is on an invoice of 31 January.
        let line = |account: &str, sku: &str, quantity: &str, net: &str| {
            [account, sku, quantity, net].map(str::to_owned)
        };
        let told = lines(&first);
        assert_eq!(told[0], line("CU-0001", "PRO-API", "1300", "15.00"), "{first}");
        assert_eq!((told.len(), told[1][3].as_str()), (2, "15.00"), "a line and its sum: {first}");
        books.json(&["run", "--as-of", "2026-03-01"]);
        assert_eq!(
            books.json(&january)["rows"],
            first["rows"],
            "what was billed since is January's all the same"
        );
        let page =
            books.run(&["report", "unbilled", "--period", "2026-01", "--format", "html"]).exits(0).stdout;
        assert!(page.contains("<svg") && page.contains("end of 2026-01-31"), "{page}");
    }
}
