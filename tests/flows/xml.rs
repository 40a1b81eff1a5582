//! Invoices as UBL, read by the schemas and the official EN 16931 rules.

use crate::support::{Home, book, counterpart, january};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Two rates and an exempt line, a discount, another currency, reverse charge, gross prices, and a name that needs care.
fn a_book() -> Value {
    let mut book = book(4);
    book["tenant"]["iban"] = json!("DK50 0040 0440 1162 43");
    book["taxrules"].as_array_mut().unwrap().push(json!(
        {"fullname": "EU business", "country": "*", "state": "*", "ruletype": "business", "priority": 20, "taxpct": "0", "category": "AE",
         "reason": "Reverse charge, article 196"}
    ));
    let plan = &mut book["productplans"][0];
    plan["currencies"] = json!(["DKK", "EUR"]);
    for charge in plan["charges"].as_array_mut().unwrap() {
        let euro: Vec<Value> = charge["pricings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|price| {
                let mut price = price.clone();
                price["currencycode"] = json!("EUR");
                price
            })
            .collect();
        charge["pricings"].as_array_mut().unwrap().extend(euro);
    }
    plan["charges"].as_array_mut().unwrap().push(json!(
        {"sku": "BOOK", "anchorcode": "book", "fullname": "Handbook", "chargetype": "recurring", "pricingmodel": "per_unit", "billingperiod": "monthly",
         "billingperiodalignment": "subscription_start", "defaultamount": "3", "taxable": false, "exemptreason": "Exempt: education",
         "pricings": [{"currencycode": "DKK", "price": "33.3333"}, {"currencycode": "EUR", "price": "4.4449"}]}
    ));
    book["rates"] = json!([{"currencycode": "EUR", "date": "2026-01-01", "rate": "7.4690", "source": "ECB"}]);
    book["discounts"] = json!([{"refkey": "launch", "fullname": "Launch", "type": "percentage", "amount": "0.10", "invoicetext": "Launch 10 %",
                                "codes": [{"codeprefix": "LAUNCH", "code": "A1", "redemption": 0}]}]);
    let customers = book["customers"].as_array_mut().unwrap();
    customers[0]["fullname"] = json!("Kaffe & <Kage> ApS");
    customers[0]["discount"] = json!({"code": "LAUNCH-A1", "from": "2026-01-01"});
    customers[1]["companyvat"] = json!("DE123456789");
    customers[1]["country"] = json!("DE");
    customers[1]["currencycode"] = json!("EUR");
    customers[2]["companyvat"] = json!("DK87654321");
    book
}

#[test]
fn every_invoice_and_credit_note_is_valid_ubl() {
    let home = Home::new();
    home.load(&a_book());
    home.ingest("january.csv", &january(4)).exits(0);
    home.json(&["run", "--as-of", "2026-02-01", "--skip", "render,send,collect"]);
    home.json(&["invoices", "credit", "INV-0000001", "--as-of", "2026-02-02"]);
    home.json(&["invoices", "credit", "INV-0000006", "--line", "1", "--as-of", "2026-02-02"]);
    home.run(&["invoices", "markpaid", "INV-0000002", "--amount", "10.00"]).exits(0);
    let invoices = home.json(&["invoices"]);
    let mut paths: Vec<PathBuf> = Vec::new();
    for invoice in invoices.as_array().unwrap() {
        let number = invoice["InvoiceNumber"].as_str().unwrap();
        let path = home.file(&format!("{number}.xml"), "");
        home.run(&["invoices", "xml", number, "--out", path.to_str().unwrap()]).exits(0);
        let xml = std::fs::read_to_string(&path).unwrap();
        let minor = |text: &str| text.replace(['-', '.'], "").parse::<i64>().unwrap();
        let gross = minor(invoice["TotalAmount"].as_str().unwrap());
        let amount = |name: &str| {
            let tail = xml.split(&format!("<cbc:{name} ")).nth(1).and_then(|tail| tail.split_once('>'));
            tail.map_or(0, |(_, tail)| minor(tail.split('<').next().unwrap()))
        };
        let (prepaid, payable) = (amount("PrepaidAmount"), amount("PayableAmount"));
        let expected = match number {
            "INV-0000001" => gross,
            "INV-0000002" => 1_000,
            _ => prepaid,
        };
        assert_eq!(prepaid, expected, "{number} asks for what is open (rules Y3): {xml}");
        assert_eq!(payable, gross - prepaid, "{number} is not {gross}: {xml}");
        paths.push(path);
    }
    assert!(paths.len() >= 10, "{invoices}");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/check_ubl.py");
    let mut args = vec![script];
    args.extend(paths.iter().map(|p| p.to_str().unwrap()));
    println!("{}", counterpart("python3", &args));
}

#[test]
fn a_draft_has_no_xml_and_says_what_to_do() {
    let home = Home::new();
    home.load(&book(1));
    home.run(&["run", "--as-of", "2026-01-01", "--review"]).exits(0);
    let draft = home.json(&["invoices", "--state", "draft"])[0]["ID"].as_str().unwrap().to_owned();
    let refused = home.run(&["--json", "invoices", "xml", &draft]).exits(1).error();
    assert_eq!(refused["code"], "not_booked");
}
