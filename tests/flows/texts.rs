//! Whatever people type into keys, codes and patterns stays text in a ledger.

use crate::support::{Home, book, counterpart};
use serde_json::json;

const CELLS: &str = "
import csv, sys
for row in csv.reader(open(sys.argv[1], newline='', encoding='latin-1'), delimiter=sys.argv[2]):
    for cell in row: print(repr(cell))
";

#[test]
fn no_cell_of_a_ledger_begins_a_formula_and_no_tag_a_date() {
    let home = Home::new();
    let mut book = book(1);
    book["tenant"]["invoicenumberpattern"] = json!("=1+{seq:03}");
    book["businessunits"] = json!([{"refkey": "u", "accountingcode": "=cmd|' /C calc'!A0"}]);
    book["productplans"][0]["charges"][0]["sku"] = json!("@SUM(1) [2020-01-01] date:2020-01-01");
    book["productplans"][0]["charges"][0]["invoicetext"] = json!("+1+1");
    book["customers"][0]["accountnumber"] = json!("-2+3");
    book["customers"][0]["fullname"] = json!("=1+1");
    book["customers"][0]["businessunit"] = json!("u");
    book["subscriptions"][0]["customer"] = json!("-2+3");
    home.load(&book);
    home.json(&["run", "--as-of", "2026-01-01"]);
    let at = |name: &str| home.path().parent().unwrap().join(name).display().to_string();
    let export = |format: &str| {
        home.run(&["export", "ledger", "--format", format, "--out", &at(format)]).exits(0);
        std::fs::read_to_string(at(format)).unwrap()
    };
    // Quotation marks keep no spreadsheet from running what is between them.
    for (format, delimiter, least) in
        [("csv", ",", 5), ("datev", ";", 3), ("economic", ";", 1), ("xero", ",", 3)]
    {
        home.run(&["export", "ledger", "--format", format, "--out", &at(format)]).exits(0);
        let cells = counterpart("python3", &["-c", CELLS, &at(format), delimiter]);
        let mut guarded = 0;
        for cell in cells.lines() {
            let text = cell.trim_matches(|c| c == '\'' || c == '"');
            let is_amount = text
                .strip_prefix('-')
                .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit() || b".,".contains(&byte)));
            let is_text = is_amount || !text.starts_with(['=', '+', '-', '@', '＝']);
            assert!(is_text || cell.starts_with("\"'"), "{format}: {cell}");
            guarded += u32::from(cell.starts_with("\"'"));
        }
        assert!(guarded >= least, "{format}: {cells}");
    }
    for format in ["hledger", "ledger"] {
        let text = export(format);
        let tags = text.lines().filter(|line| line.contains(';') && line.contains("sku:"));
        for line in tags {
            assert!(!line.contains('[') && !line.contains("date:"), "{format}: {line}");
        }
    }
}
