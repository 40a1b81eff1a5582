//! Taking over from another system: the book says from which day on, open items come in as a file (rules S7). That a
//! home which takes over bills what one would have that billed all the time is played day by day in
//! `domain/simulate/tests/taking_over.rs`.

use crate::support::books::{Books, both};
use crate::support::{Home, book, january};
use serde_json::{Value, json};

const DAY: &str = "2026-03-01";

/// A book of one customer, taken over on 1 March.
fn taken_over() -> Value {
    let mut book = book(1);
    book["subscriptions"][0]["billedthrough"] = json!(DAY);
    book["tenant"]["firstinvoicenumber"] = json!("INV-0004712");
    book
}

/// Lines, periods and amounts of the invoices from a date on.
fn billed(home: &Home, from: &str) -> Vec<Value> {
    let invoices = home.json(&["invoices"]);
    let of_day = |invoice: &&Value| invoice["InvoiceDate"].as_str().unwrap() >= from;
    let lines = |invoice: &Value| {
        let lines = invoice["InvoiceLines"].as_array().unwrap().iter();
        let names = ["SKU", "Quantity", "UnitPrice", "SubTotal", "TotalPrice", "PeriodStart", "PeriodEnd"];
        let told = lines.map(|line| names.map(|name| line[name].clone()));
        json!([invoice["InvoiceDate"], invoice["DueDate"], invoice["TotalAmount"], told.collect::<Vec<_>>()])
    };
    invoices.as_array().unwrap().iter().filter(of_day).map(lines).collect()
}

#[test]
fn a_home_that_takes_over_bills_on_with_the_next_number() {
    let usage = january(1).replace("2026-01", "2026-02");
    let always = Home::new();
    always.load(&book(1));
    always.ingest("usage.csv", &usage).exits(0);
    for day in ["2026-01-01", "2026-02-01", DAY, "2026-04-01"] {
        always.run(&["run", "--as-of", day, "--skip", "render,send"]).exits(0);
    }
    let late = Home::new();
    late.load(&taken_over());
    late.ingest("usage.csv", &usage).exits(0);
    let ran = late.json(&["run", "--as-of", DAY, "--skip", "render,send"]);
    assert_eq!((&ran["invoiced"], &ran["parked"]), (&json!(1), &json!(0)), "{ran}");
    late.run(&["run", "--as-of", "2026-04-01", "--skip", "render,send"]).exits(0);
    let (all, taken) = (billed(&always, "2026-02-28"), billed(&late, "2026-01-01"));
    assert_eq!(taken, all);
    assert_eq!(taken.len(), 2);
    let numbers = late.json(&["invoices"]);
    let numbers: Vec<&Value> = numbers.as_array().unwrap().iter().map(|i| &i["InvoiceNumber"]).collect();
    assert_eq!(numbers, ["INV-0004712", "INV-0004713"]);
    late.run(&["verify"]).exits(0);
}

#[test]
fn the_day_is_corrected_until_something_is_billed_and_not_after_that() {
    let home = Home::new();
    let mut book = taken_over();
    home.load(&book);
    assert_eq!(home.load(&book)["unchanged"]["subscriptions"], 1);
    book["subscriptions"][0]["billedthrough"] = json!("2026-02-01");
    assert_eq!(home.load(&book)["updated"]["subscriptions"], 1);
    home.run(&["run", "--as-of", "2026-02-01", "--skip", "render,send,collect"]).exits(0);
    book["subscriptions"][0]["billedthrough"] = json!(DAY);
    book["tenant"]["firstinvoicenumber"] = json!("INV-0009000");
    let path = home.file("later.json", book.to_string());
    let refused = home.run(&["--json", "load", path.to_str().unwrap()]).exits(1).error();
    let places: Vec<&Value> = refused["faults"].as_array().unwrap().iter().map(|f| &f["pointer"]).collect();
    assert_eq!(places, ["/tenant/firstinvoicenumber", "/subscriptions/0/billedthrough"], "{refused}");
}

const OPEN_ITEMS: &str = "customer,number,date,due,amount,subscription\n\
    CU-0001,INV-0004650,2026-02-15,2026-03-01,248.75,SUB-0001\n\
    CU-0001,2025-1187,2025-12-01,2025-12-15,99.50,\n\
    CU-0002,CN-0000311,2026-01-20,,-120.00,\n\
    CU-0002,4701,2026-02-20,,200.00,\n";

/// What is open of a document, and its state of payment.
fn open(books: &Books, number: &str) -> (Value, Value) {
    let shown = books.json(&["invoices", "show", number]);
    (shown["OpenAmount"].clone(), shown["PaymentStatus"].clone())
}

#[test]
fn open_items_are_paid_credited_written_off_dunned_and_never_sent() {
    for books in both() {
        let mut book = book(2);
        book["tenant"]["firstinvoicenumber"] = json!("INV-0004712");
        book["tenant"]["firstcreditnotenumber"] = json!("CN-0000312");
        book["dunningpolicies"] = json!([{"refkey": "std", "default": true, "manual": true,
            "steps": [{"days": 0, "action": "retry"}, {"days": 5, "action": "mail"}, {"days": 10, "action": "hold"}]}]);
        for place in 0..2 {
            book["subscriptions"][place]["billedthrough"] = json!("2026-04-01");
            book["customers"][place]["paymentmethods"] = json!([]);
        }
        let path = books.file("book.json", book.to_string());
        books.json(&["load", &path]);
        let items = books.file("open.csv", OPEN_ITEMS);
        let preview = books.json(&["invoices", "takeover", &items, "--on", DAY, "--preview"]);
        assert_eq!(books.json(&["invoices"]), json!([]));
        let taken = books.json(&["invoices", "takeover", &items, "--on", DAY]);
        assert_eq!(preview, taken);
        assert_eq!(taken["totals"], json!([{"currencycode": "DKK", "owed": "548.25", "credit": "120.00"}]));
        let again = books.json(&["invoices", "takeover", &items, "--on", DAY]);
        assert_eq!([&again["invoices"], &again["credits"], &again["unchanged"]], [0, 0, 4]);

        // 120.00 is set against 200.00; nothing waits to be mailed; what another system sent is not made again.
        assert_eq!(open(&books, "CN-0000311"), (json!("0.00"), json!(20)));
        assert_eq!(open(&books, "4701").0, "80.00");
        assert_eq!(books.json(&["mails"]), json!([]));
        for verb in [["invoices", "pdf", "4701"], ["invoices", "xml", "4701"], ["invoices", "send", "4701"]] {
            books.run(&verb).exits(1);
        }
        assert_eq!(books.json(&["run", "--as-of", DAY])["invoiced"], 0);

        // Steps of the past were the other system's: the invoice of December is left alone, that of February is next.
        let morning = |day: &str| books.json(&["payments", "retry", "--as-of", day])["tried"].clone();
        let tried = morning("2026-03-06");
        let told: Vec<[&Value; 2]> =
            tried.as_array().unwrap().iter().map(|t| [&t["invoice"], &t["outcome"]]).collect();
        assert!(told.iter().all(|t| t[0] != "2025-1187"), "{tried}");
        morning("2026-03-07");
        let mail = crate::support::files_below(&books.home().path().join("mail"), "eml");
        let mail = std::fs::read_to_string(mail.last().unwrap()).unwrap();
        // The letter that reminds of it, but not the invoice, which another system made.
        assert!(mail.contains("INV-0004650"), "{mail}");
        assert!(mail.contains("Reminder-1-INV-0004650.pdf") && !mail.contains("\"INV-0004650.pdf"), "{mail}");
        for day in ["2026-03-11", "2026-03-12"] {
            morning(day);
        }
        let held = books.json(&["subscriptions", "show", "SUB-0001"]);
        assert_eq!(held["acts"][0]["verb"]["do"], "hold", "{held}");

        // Paid, credited by line with its VAT, given up.
        books.run(&["invoices", "markpaid", "INV-0004650", "--on", "2026-03-13"]).exits(0);
        let note = books.json(&["invoices", "credit", "4701", "--line", "1=50.00", "--as-of", "2026-03-13"]);
        let told = ["InvoiceNumber", "Total", "TotalVat"].map(|name| note[name].clone());
        assert_eq!(told, ["CN-0000312", "-40.00", "-10.00"], "{note}");
        books.run(&["invoices", "writeoff", "2025-1187", "--on", "2026-03-13"]).exits(0);
        assert_eq!(open(&books, "4701").0, "30.00");
        let ledger = books.run(&["export", "ledger", "--format", "csv"]).exits(0).stdout;
        assert_eq!(ledger.lines().filter(|line| line.contains("opening")).count(), 8, "{ledger}");
        books.run(&["verify"]).exits(0);
        let acts = books.json(&["audit"]);
        let named = |act: &&Value| act["action"] == "invoices.takeover";
        assert_eq!(acts.as_array().unwrap().iter().filter(named).count(), 1, "{acts}");
    }
}

#[test]
fn every_fault_of_the_file_is_told_and_nothing_is_taken_over() {
    let home = Home::new();
    home.load(&taken_over());
    home.run(&["run", "--as-of", DAY, "--skip", "render,send,collect"]).exits(0);
    let items = "customer;number;date;due;amount;currency;vat\n\
        CU-0001;A1;2026-02-01;;12,50;;\n\
        CU-9999;A2;2026-02-01;;12,50;;\n\
        CU-0001;A3;2026-02-30;;12,505;;\n\
        CU-0001;A1;2026-02-01;2026-01-01;0;;\n\
        CU-0001;INV-0004713;2026-02-01;;1;;\n\
        CU-0001;INV-0004712;2026-02-01;;1;;\n\
        CU-0001;;2026-02-01;;1;XXX;250\n";
    let path = home.file("open.csv", items);
    let refused = home.run(&["--json", "invoices", "takeover", path.to_str().unwrap()]).exits(1).error();
    let mut places: Vec<&str> =
        refused["faults"].as_array().unwrap().iter().map(|f| f["pointer"].as_str().unwrap()).collect();
    places.sort_unstable();
    assert_eq!(
        places,
        [
            "open.csv:3 (customer)",
            "open.csv:4 (amount)",
            "open.csv:4 (date)",
            "open.csv:5 (amount)",
            "open.csv:5 (due)",
            "open.csv:6 (number)",
            "open.csv:7 (number)",
            "open.csv:8 (currency)",
            "open.csv:8 (number)",
            "open.csv:8 (vat)",
        ],
        "{refused}"
    );
    assert_eq!(home.json(&["invoices"]).as_array().unwrap().len(), 1);
}
