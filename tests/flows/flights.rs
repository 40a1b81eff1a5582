//! Real usage: every flight out of New York in 2013, against amounts computed without tallybook
//! (`tests/golden/flights/expected.py`).

use crate::support::{Home, counterpart, shared};
use std::collections::BTreeMap;

#[test]
fn a_year_of_flights_is_billed_to_the_cent() {
    let Some(folder) = shared("data/flights") else {
        println!("the flights data is not beside this checkout: nothing to compare");
        return;
    };
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let home = Home::new();
    home.json(&["load", &path("book.json")]);

    let files = home
        .run(&["--json", "ingest", &path("usage-2013-h1.csv.gz"), &path("usage-2013-h2.csv.gz")])
        .exits(3)
        .json();
    let sum = |field: &str| -> u64 {
        files["files"].as_array().unwrap().iter().map(|f| f[field].as_u64().unwrap()).sum()
    };
    assert_eq!((sum("read"), sum("rejected"), sum("accepted")), (673_552, 9_430, 664_122));

    let run = home.json(&["run", "--as-of", "2014-01-01", "--skip", "send,collect"]);
    assert_eq!(run["payers"], 16);
    assert_eq!(run["invoiced"], 16 * 13);

    let expected: BTreeMap<(String, String), (String, String)> =
        include_str!("../golden/flights/expected.csv")
            .lines()
            .skip(1)
            .map(|line| {
                let cells: Vec<String> = line.split(',').map(str::to_owned).collect();
                ((cells[0].clone(), cells[1].clone()), (cells[2].clone(), cells[3].clone()))
            })
            .collect();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let invoices = home.json(&["invoices"]);
    let billed: BTreeMap<_, _> = invoices
        .as_array()
        .unwrap()
        .iter()
        .map(|i| {
            (
                (text(&i["AccountNumber"]), text(&i["InvoiceDate"])[..10].to_owned()),
                (text(&i["Total"]), text(&i["TotalVat"])),
            )
        })
        .collect();
    assert_eq!(billed, expected);

    let journal = home.path().join("flights.journal");
    home.json(&["export", "ledger", "--format", "hledger", "--out", journal.to_str().unwrap()]);
    counterpart("hledger", &["-f", journal.to_str().unwrap(), "check", "-s", "ordereddates"]);
    assert_eq!(home.json(&["verify"])["ok"], true);
}
