//! The usage store read in place by a program that nobody here wrote: DuckDB's sums are the quantities that were billed.

use crate::support::{Home, book, counterpart, files_below};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const CUSTOMERS: usize = 5;

/// What DuckDB finds in January of Copenhagen, in whole calls.
fn sums(home: &Home) -> BTreeMap<String, u64> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/sum_usage.py");
    let folder = home.path();
    let told = counterpart(
        "python3",
        &[script, folder.to_str().unwrap(), "2025-12-31T23:00:00Z", "2026-01-31T23:00:00Z"],
    );
    let told: BTreeMap<String, BTreeMap<String, String>> = serde_json::from_str(&told).unwrap();
    told.into_iter().map(|(number, meters)| (number, whole(&meters["api_calls"]))).collect()
}

fn whole(decimal: &str) -> u64 {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    assert!(fraction.bytes().all(|digit| digit == b'0'), "{decimal}");
    whole.parse().unwrap()
}

/// The quantities of the usage lines of each subscription's invoices, a month each.
fn billed(home: &Home) -> BTreeMap<String, Vec<u64>> {
    let mut billed: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for invoice in home.json(&["invoices"]).as_array().unwrap() {
        let shown = home.json(&["invoices", "show", invoice["InvoiceNumber"].as_str().unwrap()]);
        let lines = shown["InvoiceLines"].as_array().unwrap();
        for line in lines.iter().filter(|line| line["SKU"] == "PRO-API") {
            let number = shown["SubscriptionNumber"].as_str().unwrap().to_owned();
            billed.entry(number).or_default().push(whole(line["RatedQuantity"].as_str().unwrap()));
        }
    }
    billed
}

#[test]
fn duckdb_sums_what_is_billed() {
    let home = Home::new();
    home.load(&book(CUSTOMERS));
    // Many files, the borders of January in the tenant's time, an event twice, corrections of quantity and of the month.
    let header = "id,subject,meter,quantity,time,corrects\n";
    for day in (1..=14).chain([31]) {
        let mut text = header.to_owned();
        for n in 1..=CUSTOMERS {
            let _ = writeln!(
                text,
                "d{day}-{n},SUB-{n:04},api_calls,{},2026-01-{day:02}T22:59:59Z,",
                100 * n + day
            );
            let _ = writeln!(text, "e{day}-{n},SUB-{n:04},api_calls,7,2026-01-{day:02}T23:00:00Z,");
        }
        home.ingest(&format!("day-{day}.csv"), &text).exits(0);
    }
    let changes = "d1-1,SUB-0001,api_calls,101,2026-01-01T22:59:59Z,\n\
                   c1,SUB-0001,api_calls,5,2026-01-01T22:59:59Z,d1-1\n\
                   c2,SUB-0002,api_calls,205,2026-02-01T12:00:00Z,d5-2\n";
    home.ingest("changes.csv", &format!("{header}{changes}")).exits(0);

    let before = sums(&home);
    home.json(&["run", "--as-of", "2026-03-01", "--skip", "render,send,collect"]);
    let billed = billed(&home);
    assert_eq!(billed.len(), CUSTOMERS);
    // 23:00 of the 31st is February; of the first subscription one event became 5, of the second one left the month.
    let whole_month = |n: u64| (1..=14).chain([31]).map(|day| 100 * n + day).sum::<u64>() + 14 * 7;
    assert_eq!(before["SUB-0001"], whole_month(1) - 101 + 5);
    assert_eq!(before["SUB-0002"], whole_month(2) - 205);
    assert_eq!(before["SUB-0003"], whole_month(3));
    for (number, quantity) in &before {
        assert!(billed[number].contains(quantity), "{number}: {quantity} was measured, {billed:?} billed");
    }

    // Many segments of a month become one; those that were are not counted again.
    assert!(home.json(&["upkeep"])["compacted"].as_u64().unwrap() > 0);
    assert_eq!(sums(&home), before);
    assert!(files_below(&home.path().join("usage"), "parquet").len() > 1, "the old ones stay for a day");
}
