//! What a reminder costs: an invoice of its own, asked for in the letter, in the ledger and in a simulation (rules Y9).

use crate::support::bank_files::statement;
use crate::support::books::both;
use crate::support::{Home, book, counterpart, files_below};
use serde_json::{Value, json};

/// Two payers by transfer. The first reminder is free, the next two cost 100.00 and 8.15 % a year.
fn costly_book() -> Value {
    let mut book = book(2);
    book["tenant"]["iban"] = json!("DK50 0040 0440 1162 43");
    book["tenant"]["accounts"] =
        json!({"revenue_by_sku": {"REMINDER-FEE": {"code": "4090", "name": "Rykkergebyrer"}}});
    let costly = |days: u32| {
        json!({"days": days, "action": "mail", "fee": {"DKK": "100.00", "EUR": "13"}, "feetext": "Rykkergebyr",
               "interest": "8.15", "interesttext": "Morarente"})
    };
    book["dunningpolicies"] = json!([{"refkey": "costly", "default": true, "manual": true,
        "steps": [{"days": 3, "action": "mail"}, costly(10), costly(20)]}]);
    for customer in book["customers"].as_array_mut().unwrap() {
        customer["paymentmethods"] = json!([]);
    }
    book
}

const MORNINGS: [&str; 4] = ["2026-01-18", "2026-01-25", "2026-02-04", "2026-02-05"];

/// Number, total and payment status of every invoice.
fn told(invoices: &Value) -> Vec<(String, String, u64)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = |i: &Value| {
        (text(&i["InvoiceNumber"]), text(&i["TotalAmount"]), i["PaymentStatus"].as_u64().unwrap_or_default())
    };
    let mut all: Vec<_> = invoices.as_array().unwrap().iter().map(of).collect();
    all.sort();
    all
}

#[test]
fn a_reminder_costs_what_its_step_says_and_one_transfer_pays_all_of_it() {
    for books in both() {
        let book = books.file("book.json", costly_book().to_string());
        books.json(&["load", &book]);
        books.json(&["run", "--as-of", "2026-01-01"]);
        books.json(&["payments", "retry", "--as-of", MORNINGS[0]]);
        for _ in 0..2 {
            books.json(&["payments", "retry", "--as-of", MORNINGS[1]]);
        }
        books.json(&["invoices", "markpaid", "INV-0000002", "--amount", "100", "--on", "2026-01-30"]);
        for morning in &MORNINGS[2..] {
            books.json(&["payments", "retry", "--as-of", morning]);
        }
        // 248.75 × 8.15 % × 10 ÷ 365 = 0.555; then the same ten days on, and of 148.75 0.332.
        let open = [
            ("INV-0000001", "248.75", 100),
            ("INV-0000002", "248.75", 100),
            ("INV-0000003", "100.56", 0),
            ("INV-0000004", "100.56", 0),
            ("INV-0000005", "100.56", 0),
            ("INV-0000006", "100.33", 0),
        ];
        let rows = |of: &[(&str, &str, u64)]| -> Vec<(String, String, u64)> {
            of.iter().map(|(number, total, state)| ((*number).into(), (*total).into(), *state)).collect()
        };
        assert_eq!(told(&books.json(&["invoices"])), rows(&open));
        let mut scenario = vec![json!({"on": "2026-01-01", "run": {}})];
        scenario.extend(MORNINGS[..2].iter().map(|on| json!({"on": on, "payments": "retry"})));
        scenario
            .push(json!({"on": "2026-01-30", "invoice": "INV-0000002", "do": "markpaid", "amount": "100"}));
        scenario.extend(MORNINGS[2..].iter().map(|on| json!({"on": on, "payments": "retry"})));
        let scenario = json!({"name": "costly", "book": costly_book(), "timeline": scenario});
        let scenario = books.file("scenario.json", scenario.to_string());
        let simulated = books.run(&["simulate", &scenario]).exits(0).json();
        assert_eq!(told(&simulated["invoices"]), rows(&open));

        let entry = "<Ntry><Amt Ccy=\"DKK\">449.87</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-02-06</Dt>\
                     </BookgDt><AcctSvcrRef>A1</AcctSvcrRef><NtryDtls><TxDtls><RmtInf><Ustrd>INV-0000001</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>";
        let file = books.file("bank.xml", statement("camt.053", entry));
        books.json(&["payments", "import", &file]);
        let after = told(&books.json(&["invoices"]));
        let paid = |number: &str| after.iter().find(|i| i.0 == number).map(|i| i.2);
        assert_eq!([1, 3, 5].map(|n| paid(&format!("INV-000000{n}"))), [Some(20); 3]);
        assert_eq!(paid("INV-0000004"), Some(0));
        let ledger = books.run(&["export", "ledger", "--format", "csv"]).exits(0).stdout;
        let row = |account: &str| {
            ledger.lines().find(|line| line.contains("INV-0000003") && line.contains(account))
        };
        for account in ["4090", "4000"] {
            assert!(row(account).is_some_and(|row| row.contains(",O,0,")), "{account}: {ledger}");
        }
        books.run(&["report", "vat", "--period", "2026-01"]).exits(0);
        books.json(&["verify"]);
    }
}

#[test]
fn the_letter_asks_for_invoice_and_costs_in_one_sum() {
    let home = Home::new();
    home.load(&costly_book());
    home.run(&["run", "--as-of", "2026-01-01"]).exits(0);
    for morning in MORNINGS {
        home.run(&["payments", "retry", "--as-of", morning]).exits(0);
    }
    let folder = home.path().join("letters");
    std::fs::create_dir(&folder).unwrap();
    for mail in files_below(&home.path().join("mail"), "eml") {
        counterpart(
            "python3",
            &["-c", super::letters::TAKE_OUT, mail.to_str().unwrap(), folder.to_str().unwrap()],
        );
    }
    let letter = super::letters::words(&folder.join("Reminder-3-INV-0000001.pdf"));
    for said in [
        "Amount due DKK 248.75",
        "Fee and interest, invoice INV-0000003 DKK 100.56",
        "Fee and interest, invoice INV-0000005 DKK 100.56",
        "To pay in all DKK 449.87",
        "Please pay DKK 449.87 and state the payment",
    ] {
        assert!(letter.contains(said), "{said}: {letter}");
    }
    let cost = super::letters::words(&folder.join("INV-0000003.pdf"));
    for said in ["Rykkergebyr", "Morarente", "DKK 248.75 × 8.15 % × 10 / 365", "Concerns invoice INV-0000001"]
    {
        assert!(cost.contains(said), "{said}: {cost}");
    }
}

/// What spoils a step.
type Change = fn(&mut Value);

#[test]
fn what_a_step_cannot_cost_is_refused_with_its_place() {
    let spoilt: [(Change, &str, &str); 4] = [
        (|s| s["fee"] = json!("100"), "/steps/1/fee", "says no currency"),
        (|s| s["fee"] = json!({"DKK": "1.005"}), "/steps/1/fee", "no amount of DKK"),
        (|s| s["interest"] = json!("815"), "/steps/1/interest", "more than 100 % a year"),
        (|s| s["action"] = json!("hold"), "/steps/1/action", "only a reminder has a fee"),
    ];
    let home = Home::new();
    for (change, place, message) in spoilt {
        let mut book = costly_book();
        change(&mut book["dunningpolicies"][0]["steps"][1]);
        let path = home.file("book.json", book.to_string());
        let answer = home.run(&["load", path.to_str().unwrap()]).exits(1);
        let told = format!("{}{}", answer.stdout, answer.stderr);
        assert!(told.contains(place) && told.contains(message), "{place} {message}: {told}");
    }
}
