//! What payers state with a transfer: given at booking, on every document, and read by programs of others.

use crate::support::books::both;
use crate::support::{Home, book, counterpart, files_below};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Business units in five countries, each with its own kind of reference.
fn a_book() -> Value {
    let mut book = book(6);
    book["tenant"]["iban"] = json!("DK50 0040 0440 1162 43");
    book["tenant"]["paymentreference"] = json!("rf");
    book["businessunits"] = json!([
        {"refkey": "dk", "paymentreference": "fi71", "paymentcreditor": "12345678"},
        {"refkey": "no", "paymentreference": "kid", "paymentreferencelength": 12},
        {"refkey": "no11", "paymentreference": "kid11"},
        {"refkey": "se", "paymentreference": "ocr"},
        {"refkey": "fi", "paymentreference": "finnish"}
    ]);
    for (n, unit) in ["dk", "no", "no11", "se", "fi"].iter().enumerate() {
        book["customers"][n]["businessunit"] = json!(unit);
        book["customers"][n]["paymentmethods"] = json!([]);
    }
    book["customers"][5]["paymentmethods"] = json!([]);
    book
}

#[test]
fn every_invoice_has_a_reference_of_its_own_that_never_changes() {
    for books in both() {
        let load = |book: &Value| {
            let path = books.file("book.json", book.to_string());
            books.json(&["load", &path]);
        };
        load(&a_book());
        books.run(&["run", "--as-of", "2026-02-01", "--skip", "render,send,collect"]).exits(0);
        books.json(&["invoices", "credit", "INV-0000001", "--as-of", "2026-02-02"]);
        let references = || -> Vec<(String, Option<String>)> {
            let invoices = books.json(&["invoices"]);
            let of = |i: &Value| {
                let text = |name: &str| i[name].as_str().map(str::to_owned);
                (text("InvoiceNumber").unwrap(), text("PaymentReference"))
            };
            invoices.as_array().unwrap().iter().map(of).collect()
        };
        let given = references();
        let distinct: BTreeSet<&String> = given.iter().filter_map(|(_, r)| r.as_ref()).collect();
        assert_eq!((given.len(), distinct.len()), (13, 12), "{given:?}");
        let note = given.iter().find(|(number, _)| number.starts_with("CN-")).unwrap();
        assert_eq!(note.1, None, "nobody pays a credit note");
        // Another agreement with the bank is for the invoices to come.
        let mut other = a_book();
        other["tenant"]["paymentreference"] = json!("kid");
        load(&other);
        assert_eq!(references(), given);
        books.run(&["run", "--as-of", "2026-03-01", "--skip", "render,send,collect"]).exits(0);
        assert_eq!(references().iter().filter(|r| given.contains(r)).count(), given.len());
        assert!(books.json(&["verify"])["ok"].as_bool().unwrap());
    }
}

/// Check digits by a library of others, of every kind that it knows.
const CHECK: &str = "
import sys
from stdnum import iso11649, luhn
from stdnum.no import kontonr
for kind, reference in (arg.split(':') for arg in sys.argv[1:]):
    ok = {'rf': lambda r: iso11649.is_valid(r), 'luhn': luhn.is_valid}[kind](reference)
    assert ok, (kind, reference)
";

#[test]
fn paper_mail_and_xml_say_the_reference_and_others_find_its_check_digits_right() {
    let home = Home::new();
    home.load(&a_book());
    home.run(&["run", "--as-of", "2026-01-01"]).exits(0);
    let invoices = home.json(&["invoices"]);
    let of = |account: &str| {
        let own = invoices.as_array().unwrap().iter().find(|i| i["AccountNumber"] == account).unwrap();
        let text = |name: &str| own[name].as_str().unwrap().to_owned();
        (text("InvoiceNumber"), text("PaymentReference"))
    };
    let plain: Vec<(String, String)> = (1..=6).map(|n| of(&format!("CU-000{n}"))).collect();
    let kinds = ["luhn", "luhn", "", "luhn", "", "rf"];
    let judged = kinds.iter().zip(&plain).filter(|(kind, _)| !kind.is_empty());
    let judged: Vec<String> = judged.map(|(kind, (_, reference))| format!("{kind}:{reference}")).collect();
    let args: Vec<&str> = ["-c", CHECK].into_iter().chain(judged.iter().map(String::as_str)).collect();
    counterpart("python3", &args);
    assert_eq!(plain[0].1.len(), 15);
    assert_eq!(plain[1].1.len(), 12);
    let mails: Vec<String> =
        files_below(&home.path(), "eml").iter().map(|p| std::fs::read_to_string(p).unwrap()).collect();
    for (n, (number, reference)) in plain.iter().enumerate() {
        let xml = home.file("invoice.xml", "");
        home.run(&["invoices", "xml", number, "--out", xml.to_str().unwrap()]).exits(0);
        let xml = std::fs::read_to_string(&xml).unwrap();
        // Danish payment slips name their kind before the reference.
        let told = if n == 0 { format!("71#{reference}") } else { reference.clone() };
        assert!(xml.contains(&format!("<cbc:PaymentID>{told}</cbc:PaymentID>")), "{xml}");
        let pdf = home.file("invoice.pdf", "");
        home.run(&["invoices", "pdf", number, "--out", pdf.to_str().unwrap()]).exits(0);
        let paper = counterpart("pdftotext", &["-layout", pdf.to_str().unwrap(), "-"]);
        let shown = match n {
            0 => format!("+71<{reference}+12345678<"),
            4 => format!("{} {}", &reference[..5], &reference[5..]),
            5 => reference
                .as_bytes()
                .chunks(4)
                .map(|c| String::from_utf8_lossy(c))
                .collect::<Vec<_>>()
                .join(" "),
            _ => reference.clone(),
        };
        assert!(paper.contains(&shown), "{shown} is not on {paper}");
        // Mails are quoted-printable where they must be; the digits stand as they are.
        let tail = &shown[shown.len().saturating_sub(6)..];
        assert!(mails.iter().any(|mail| mail.contains(number.as_str()) && mail.contains(tail)), "{number}");
    }
}

#[test]
fn a_banking_app_reads_the_transfer_from_the_invoice() {
    let home = Home::new();
    let mut book = book(1);
    book["tenant"]["iban"] = json!("DE71 1102 2033 0123 4567 89");
    book["tenant"]["currencycode"] = json!("EUR");
    book["tenant"]["paymentreference"] = json!("rf");
    let plan = &mut book["productplans"][0];
    plan["currencycode"] = json!("EUR");
    plan["currencies"] = json!(["EUR"]);
    for charge in plan["charges"].as_array_mut().unwrap() {
        for price in charge["pricings"].as_array_mut().unwrap() {
            price["currencycode"] = json!("EUR");
        }
    }
    book["customers"][0]["currencycode"] = json!("EUR");
    book["customers"][0]["paymentmethods"] = json!([]);
    home.load(&book);
    home.run(&["run", "--as-of", "2026-01-01"]).exits(0);
    let read = |pdf: &std::path::Path| {
        let png = home.file("page", "");
        counterpart(
            "pdftoppm",
            &["-r", "200", "-png", "-singlefile", pdf.to_str().unwrap(), png.to_str().unwrap()],
        );
        counterpart("zbarimg", &["--quiet", "--raw", &format!("{}.png", png.display())])
    };
    let reference = home.json(&["invoices"])[0]["PaymentReference"].as_str().unwrap().to_owned();
    let pdf = home.file("invoice.pdf", "");
    home.run(&["invoices", "pdf", "INV-0000001", "--out", pdf.to_str().unwrap()]).exits(0);
    let said = read(&pdf);
    let expected =
        format!("BCD\n002\n1\nSCT\n\nNordlys Cloud ApS\nDE71110220330123456789\nEUR248.75\n\n{reference}");
    assert_eq!(said.trim_end(), expected);
}

#[test]
fn a_rule_that_no_bank_would_take_is_refused_with_its_place() {
    let home = Home::new();
    for (rule, pointer) in [
        (json!({"paymentreference": "fi71"}), "/tenant/paymentcreditor"),
        (json!({"paymentreference": "kid", "paymentreferencelength": 40}), "/tenant/paymentreferencelength"),
        (json!({"paymentreferencelength": 12}), "/tenant/paymentreferencelength"),
        (json!({"paymentreference": "giro"}), "/tenant/paymentreference"),
    ] {
        let mut book = book(1);
        for (name, value) in rule.as_object().unwrap() {
            book["tenant"][name] = value.clone();
        }
        let path = home.file("bad.json", book.to_string());
        let error = home.run(&["--json", "load", path.to_str().unwrap()]).exits(1).error();
        let faults = error["faults"].as_array().unwrap();
        assert!(faults.iter().any(|f| f["pointer"].as_str().unwrap().ends_with(pointer)), "{rule}: {error}");
    }
}
