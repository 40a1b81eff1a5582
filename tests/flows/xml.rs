//! Invoices as XML, read by the schemas, the official EN 16931 rules, and Peppol's and XRechnung's rules as others wrote them.

use crate::support::{Home, book, counterpart, files_below, january};
use en16931::profiles;
use en16931::validation::profile::Profile;
use en16931_formats::{Policy, Recommendation};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Two rates and an exempt line, a discount, another currency, reverse charge, goods within the Union, export, gross
/// prices, and a name that needs care.
fn a_book() -> Value {
    let mut book = book(6);
    book["tenant"]["iban"] = json!("DK50 0040 0440 1162 43");
    book["taxrules"].as_array_mut().unwrap().extend([
        json!({"fullname": "EU business", "country": "DE", "state": "*", "ruletype": "business", "priority": 20, "taxpct": "0", "category": "AE",
               "reason": "Reverse charge, article 196"}),
        json!({"fullname": "EU goods", "country": "SE", "state": "*", "ruletype": "business", "priority": 20, "taxpct": "0", "category": "K"}),
        json!({"fullname": "Export", "country": "NO", "state": "*", "ruletype": "*", "priority": 20, "taxpct": "0", "category": "G"}),
    ]);
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
    customers[0]["contacts"][0]["contacttype"] = json!(["invoice", "einvoice"]);
    customers[0]["contacts"][0]["gln"] = json!("5790000435951");
    for customer in customers.iter_mut().skip(1) {
        customer["contacts"][0]["contacttype"] = json!(["invoice"]);
    }
    customers[1]["companyvat"] = json!("DE123456788");
    customers[1]["country"] = json!("DE");
    customers[1]["currencycode"] = json!("EUR");
    customers[2]["companyvat"] = json!("DK10000157");
    customers[2]["buyerreference"] = json!("EAN-desk 7");
    customers[3]["electronicaddress"] = json!({"scheme": "0088", "value": "5790 0004 3595 1"});
    customers[4]["companyvat"] = json!("SE556732170701");
    customers[4]["country"] = json!("SE");
    customers[4]["deliverycountry"] = json!("FI");
    customers[5]["legalid"] = json!({"scheme": "0192", "value": "991825827"});
    customers[5]["electronicaddress"] = json!({"scheme": "0192", "value": "991825827"});
    customers[5]["country"] = json!("NO");
    book
}

/// Every document of the home as a file.
fn documents(home: &Home, format: &str) -> Vec<PathBuf> {
    let write = |invoice: &Value| {
        let number = invoice["InvoiceNumber"].as_str().unwrap();
        let path = home.file(&format!("{number}.{format}.xml"), "");
        home.run(&["invoices", "xml", number, "--format", format, "--out", path.to_str().unwrap()]).exits(0);
        path
    };
    home.json(&["invoices"]).as_array().unwrap().iter().map(write).collect()
}

/// The schemas, the official rules of EN 16931, and the rules of the profile find nothing.
#[track_caller]
fn assert_valid(paths: &[PathBuf], profile: &'static Profile) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/check_ubl.py");
    let mut args = vec![script];
    args.extend(paths.iter().map(|p| p.to_str().unwrap()));
    println!("{}", counterpart("python3", &args));
    let policy = Policy { require: Some(profile), ..Policy::default() };
    for path in paths {
        let judged = en16931_formats::receive(&std::fs::read(path).unwrap(), &policy);
        let accepted = judged.recommendation == Recommendation::Accept;
        assert!(
            accepted,
            "{}: {:#?}\n{}",
            path.display(),
            judged.reasons,
            std::fs::read_to_string(path).unwrap()
        );
    }
}

fn part<'x>(xml: &'x str, name: &str) -> &'x str {
    let tail = xml.split(&format!("<cbc:{name}")).nth(1).and_then(|tail| tail.split_once('>'));
    tail.map_or("", |(_, tail)| tail.split('<').next().unwrap())
}

#[test]
fn every_invoice_and_credit_note_is_valid_for_peppol() {
    let home = Home::new();
    home.load(&a_book());
    home.ingest("january.csv", &january(6)).exits(0);
    home.json(&["run", "--as-of", "2026-02-01", "--skip", "render,send,collect"]);
    home.json(&["invoices", "credit", "INV-0000001", "--as-of", "2026-02-02"]);
    home.json(&["invoices", "credit", "INV-0000006", "--line", "1", "--as-of", "2026-02-02"]);
    home.run(&["invoices", "markpaid", "INV-0000003", "--amount", "10.00"]).exits(0);
    let paths = documents(&home, "peppol");
    assert!(paths.len() >= 14, "{paths:?}");
    for (invoice, path) in home.json(&["invoices"]).as_array().unwrap().iter().zip(&paths) {
        let number = invoice["InvoiceNumber"].as_str().unwrap();
        let xml = std::fs::read_to_string(path).unwrap();
        let minor = |text: &str| text.replace(['-', '.'], "").parse::<i64>().unwrap_or(0);
        let gross = minor(invoice["TotalAmount"].as_str().unwrap());
        let (prepaid, payable) = (minor(part(&xml, "PrepaidAmount ")), minor(part(&xml, "PayableAmount ")));
        let expected = match number {
            "INV-0000001" => gross,
            "INV-0000003" => 1_000,
            _ => prepaid,
        };
        assert_eq!(prepaid, expected, "{number} asks for what is open (rules Y3): {xml}");
        assert_eq!(payable, gross - prepaid, "{number} is not {gross}: {xml}");
    }
    assert_valid(&paths, &profiles::PEPPOL_BIS_3);

    let of = |account: &str| {
        let invoices = home.json(&["invoices", "--customer", account]);
        let number = invoices[0]["InvoiceNumber"].as_str().unwrap().to_owned();
        home.run(&["invoices", "xml", &number]).exits(0).stdout
    };
    let buyer = |xml: &str| xml.split("AccountingCustomerParty").nth(1).unwrap().to_owned();
    assert!(buyer(&of("CU-0001")).contains("schemeID=\"0088\">5790000435951<"), "a contact's GLN");
    assert!(buyer(&of("CU-0002")).contains("schemeID=\"9930\">DE123456788<"), "a VAT number's scheme");
    let danish = of("CU-0003");
    assert!(buyer(&danish).contains("schemeID=\"0184\">DK10000157<"), "{danish}");
    assert_eq!(part(&danish, "BuyerReference"), "EAN-desk 7");
    let paid_to = ["PaymentMeansCode>42<", "ID>0440116243<", "ID>0040<"];
    assert!(paid_to.iter().all(|part| danish.contains(part)), "an account in Denmark: {danish}");
    let swedish = of("CU-0005");
    let place = swedish.split("DeliveryLocation").nth(1).unwrap_or_default();
    assert!(place.contains("FI") && swedish.contains("VATEX-EU-IC"), "{swedish}");
    assert!(of("CU-0006").contains("VATEX-EU-G"));
}

#[test]
fn the_demo_is_valid_for_peppol() {
    let home = Home::new();
    home.run(&["demo", "--customers", "13", "--events", "400"]).exits(0);
    let paths = documents(&home, "peppol");
    assert!(paths.len() >= 26, "{}", paths.len());
    assert_valid(&paths, &profiles::PEPPOL_BIS_3);
}

#[test]
fn a_german_seller_is_valid_for_xrechnung_and_peppol() {
    let home = Home::new();
    let mut book = book(2);
    book["tenant"] = json!({"fullname": "Nordlicht Cloud GmbH", "companyvat": "DE123456788", "currencycode": "EUR", "timezone": "Europe/Berlin",
        "paymentterm": 14, "addressline1": "Hafenstraße 1", "postalcode": "20095", "city": "Hamburg", "country": "DE",
        "email": "rechnung@nordlicht.example", "phone": "+49 40 1234567", "iban": "DE89370400440532013000", "bic": "COBADEFFXXX"});
    book["taxrules"] = json!([{"fullname": "USt", "country": "DE", "state": "*", "ruletype": "*", "priority": 10, "taxpct": "19", "category": "S"}]);
    for charge in book["productplans"][0]["charges"].as_array_mut().unwrap() {
        for price in charge["pricings"].as_array_mut().unwrap() {
            price["currencycode"] = json!("EUR");
        }
    }
    book["productplans"][0]["currencycode"] = json!("EUR");
    book["productplans"][0]["currencies"] = json!(["EUR"]);
    for customer in book["customers"].as_array_mut().unwrap() {
        customer["country"] = json!("DE");
        customer["contacts"][0]["contacttype"] = json!(["invoice"]);
        customer["currencycode"] = json!("EUR");
    }
    // An authority with its Leitweg-ID, and a customer who has nothing but a mail address.
    book["customers"][0]["buyerreference"] = json!("991-01234-44");
    book["customers"][0]["electronicaddress"] = json!({"scheme": "0204", "value": "991-01234-44"});
    home.load(&book);
    home.json(&["run", "--as-of", "2026-01-01", "--skip", "render,send,collect"]);
    home.json(&["invoices", "credit", "INV-0000001", "--as-of", "2026-01-02"]);
    let paths = documents(&home, "xrechnung");
    assert_eq!(paths.len(), 3);
    assert_valid(&paths, &profiles::XRECHNUNG);
    let refused = home.run(&["--json", "invoices", "xml", "INV-0000002"]).exits(1).error();
    assert_eq!(refused["code"], "not_valid", "Peppol's network has no mail addresses: {refused:#}");
    let path = home.file("peppol.xml", "");
    home.run(&["invoices", "xml", "INV-0000001", "--out", path.to_str().unwrap()]).exits(0);
    assert_valid(&[path], &profiles::PEPPOL_BIS_3);
}

#[test]
fn what_cannot_be_valid_is_refused_with_the_place_and_the_way_out() {
    let home = Home::new();
    let mut nameless = book(1);
    nameless["customers"][0]["contacts"][0]["contacttype"] = json!(["invoice"]);
    home.load(&nameless);
    home.json(&["run", "--as-of", "2026-01-01", "--skip", "render,send,collect"]);
    let path = home.path().join("never.xml");
    let asked = ["--json", "invoices", "xml", "INV-0000001", "--out", path.to_str().unwrap()];
    let refused = home.run(&asked).exits(1).error();
    assert_eq!(refused["code"], "not_valid", "{refused:#}");
    assert!(refused.to_string().contains("/customers/CU-0001/electronicaddress"), "{refused:#}");
    assert!(!path.exists());
    let mut mended = nameless.clone();
    mended["customers"][0]["electronicaddress"] = json!({"scheme": "0184", "value": "DK10000157"});
    home.load(&mended);
    home.run(&asked).exits(0);
    assert_valid(&[path], &profiles::PEPPOL_BIS_3);

    for (value, pointer) in [
        (json!({"scheme": "GLN", "value": "5790000435951"}), "/customers/0/electronicaddress/scheme"),
        (json!({"scheme": "0088", "value": "5790000435958"}), "/customers/0/electronicaddress/value"),
        (json!({"scheme": "0088"}), "/customers/0/electronicaddress/value"),
        (json!("5790000435951"), "/customers/0/electronicaddress"),
    ] {
        let mut faulty = book(1);
        faulty["customers"][0]["electronicaddress"] = value;
        let file = home.file("faulty.json", faulty.to_string());
        let refused = home.run(&["--json", "load", file.to_str().unwrap()]).exits(1).error();
        assert!(refused.to_string().contains(pointer), "{pointer}: {refused:#}");
    }
}

#[test]
fn a_pdf_for_the_archive_carries_the_invoice_for_who_wants_it() {
    let home = Home::new();
    let mut book = a_book();
    book["tenant"]["invoiceform"] = json!("facturx");
    book["customers"][2]["invoiceform"] = json!("pdf");
    home.load(&book);
    home.ingest("january.csv", &january(6)).exits(0);
    home.json(&["run", "--as-of", "2026-02-01", "--skip", "send,collect"]);
    home.json(&["invoices", "credit", "INV-0000001", "--as-of", "2026-02-02"]);
    home.json(&["invoices", "credit", "INV-0000006", "--line", "1", "--as-of", "2026-02-02"]);
    for number in ["CN-0000001", "CN-0000002"] {
        let path = home.path().join("credit.pdf");
        home.run(&["invoices", "pdf", number, "--out", path.to_str().unwrap()]).exits(0);
    }
    let paths = files_below(&home.path().join("documents"), "pdf");
    assert!(paths.len() >= 14, "{paths:?}");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/check_archive.py");
    let mut args = vec![script];
    args.extend(paths.iter().map(|path| path.to_str().unwrap()));
    println!("{}", counterpart("python3", &args));
    let plain = home.json(&["invoices", "--customer", "CU-0003"]);
    let plain: Vec<String> =
        plain.as_array().unwrap().iter().map(|one| one["InvoiceNumber"].to_string()).collect();
    let policy = Policy { require: Some(&profiles::EN16931), ..Policy::default() };
    for path in &paths {
        let bytes = std::fs::read(path).unwrap();
        let is_plain = plain.iter().any(|n| path.to_str().unwrap().contains(n.trim_matches('"')));
        if is_plain {
            assert!(!bytes.windows(12).any(|part| part == b"factur-x.xml"), "{}", path.display());
            continue;
        }
        let judged = en16931_formats::receive(&bytes, &policy);
        let accepted = judged.recommendation == Recommendation::Accept;
        assert!(accepted, "{}: {:#?}", path.display(), judged.reasons);
    }

    let nowhere = Home::new();
    book["customers"][0]["country"] = Value::Null;
    book["taxrules"].as_array_mut().unwrap().push(json!(
        {"fullname": "Anywhere", "country": "*", "state": "*", "ruletype": "*", "priority": 99, "taxpct": "25", "category": "S"}));
    nowhere.load(&book);
    let run =
        nowhere.run(&["--json", "run", "--as-of", "2026-01-01", "--skip", "send,collect"]).exits(3).json();
    assert_eq!((run["invoiced"].as_u64(), run["failed"].as_u64()), (Some(6), Some(1)), "{run:#}");
    let number =
        nowhere.json(&["invoices", "--customer", "CU-0001"])[0]["InvoiceNumber"].as_str().unwrap().to_owned();
    let refused = nowhere.run(&["--json", "invoices", "pdf", &number]).exits(1).stderr;
    assert!(refused.contains("\"not_valid\"") && refused.contains("/customers/CU-0001/country"), "{refused}");
    book["customers"][0]["invoiceform"] = json!("pdf");
    nowhere.load(&book);
    nowhere
        .run(&["invoices", "pdf", &number, "--out", nowhere.path().join("n.pdf").to_str().unwrap()])
        .exits(0);
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
