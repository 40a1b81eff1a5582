//! Money that comes to the bank account: files of banks, and where the money goes (rules Y6).

use crate::support::books::{Books, both};
use crate::support::{Answer, Home, book};
use serde_json::{Value, json};

/// One credit of a statement.
#[derive(Clone)]
struct Credit {
    minor: i64,
    currency: &'static str,
    name: &'static str,
    reference: String,
    text: String,
    id: String,
}

fn credit(minor: i64, text: &str, id: &str) -> Credit {
    Credit {
        minor,
        currency: "DKK",
        name: "Somebody",
        reference: String::new(),
        text: text.to_owned(),
        id: id.to_owned(),
    }
}

fn major(minor: i64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

/// A statement of these credits, with the sums that a bank gives.
fn statement(credits: &[Credit]) -> String {
    let entries: String = credits
        .iter()
        .map(|c| {
            let structured = if c.reference.is_empty() {
                String::new()
            } else {
                format!("<Strd><CdtrRefInf><Ref>{}</Ref></CdtrRefInf></Strd>", c.reference)
            };
            let text = if c.text.is_empty() { String::new() } else { format!("<Ustrd>{}</Ustrd>", c.text) };
            format!(
                "<Ntry><Amt Ccy=\"{}\">{}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>\
                 <BookgDt><Dt>2026-01-10</Dt></BookgDt><AcctSvcrRef>{}</AcctSvcrRef>\
                 <NtryDtls><TxDtls><RltdPties><Dbtr><Pty><Nm>{}</Nm></Pty></Dbtr></RltdPties>\
                 <RmtInf>{text}{structured}</RmtInf></TxDtls></NtryDtls></Ntry>\n",
                c.currency,
                major(c.minor),
                c.id,
                c.name
            )
        })
        .collect();
    let sum: i64 = credits.iter().map(|c| c.minor).sum();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.08\"><BkToCstmrStmt><Stmt><Id>S</Id>\
         <Acct><Id><IBAN>DK5000400440116243</IBAN></Id></Acct>\
         <TxsSummry><TtlCdtNtries><NbOfNtries>{}</NbOfNtries>{}</TtlCdtNtries></TxsSummry>\n{entries}\
         </Stmt></BkToCstmrStmt></Document>\n",
        credits.len(),
        if credits.iter().all(|c| c.currency == "DKK") {
            format!("<Sum>{}</Sum>", major(sum))
        } else {
            String::new()
        },
    )
}

/// Four payers without an online method, who owe 248.75 each from the first of January.
fn a_book() -> Value {
    let mut book = book(4);
    book["tenant"]["iban"] = json!("DK50 0040 0440 1162 43");
    book["tenant"]["paymentreference"] = json!("kid");
    for customer in book["customers"].as_array_mut().unwrap() {
        customer["paymentmethods"] = json!([]);
    }
    book["customers"][3]["fullname"] = json!("Boghandel Fire ApS");
    book
}

fn billed(books: &Books) {
    let path = books.file("book.json", a_book().to_string());
    books.json(&["load", &path]);
    books.run(&["run", "--as-of", "2026-01-01", "--skip", "render,send,collect"]).exits(0);
}

fn import(books: &Books, name: &str, text: &str) -> Answer {
    let path = books.file(name, text);
    books.run(&["--json", "payments", "import", &path])
}

/// Number, Upodi's payment and settlement status.
fn marks(books: &Books) -> Vec<(String, i64, i64)> {
    let invoices = books.json(&["invoices"]);
    let of = |i: &Value| {
        let number = i["InvoiceNumber"].as_str().unwrap().to_owned();
        (number, i["PaymentStatus"].as_i64().unwrap(), i["SettlementStatus"].as_i64().unwrap())
    };
    invoices.as_array().unwrap().iter().map(of).collect()
}

fn reference(books: &Books, number: &str) -> String {
    let invoices = books.json(&["invoices"]);
    let own = invoices.as_array().unwrap().iter().find(|i| i["InvoiceNumber"] == number).unwrap();
    own["PaymentReference"].as_str().unwrap().to_owned()
}

#[test]
fn what_says_its_invoice_is_placed_and_the_rest_waits_with_its_reason() {
    for books in both() {
        billed(&books);
        let credits = [
            Credit { reference: reference(&books, "INV-0000001"), ..credit(24_875, "", "1") },
            credit(10_000, "part of inv-0000002, the rest follows", "2"),
            credit(24_875, "INV-0000003 and INV-0000002", "3"),
            Credit { name: "BOGHANDEL FIRE", ..credit(24_875, "", "4") },
            Credit { reference: "1000000099".to_owned(), ..credit(700, "", "5") },
            Credit { reference: "RF19539007547034".to_owned(), ..credit(800, "", "6") },
            Credit { currency: "EUR", ..credit(900, "INV-0000003", "7") },
            credit(1_000, "hello", "8"),
        ];
        let file = import(&books, "january.xml", &statement(&credits)).exits(3).json();
        let file = &file["files"][0];
        let counts = ["read", "known", "placed", "likely", "open"].map(|n| file[n].as_i64().unwrap());
        // The third names two payers' invoices.
        assert_eq!(counts, [8, 0, 2, 1, 5], "{file}");
        let of = |n: usize| {
            let p = &file["payments"][n];
            (p["state"].as_str().unwrap(), p["why"].as_str(), p["proposed"].as_str())
        };
        assert_eq!(of(2), ("open", Some("ambiguous"), None));
        assert_eq!(of(3), ("likely", Some("amount_and_name"), Some("INV-0000004")));
        assert_eq!(of(4), ("open", Some("unknown_reference"), None));
        assert_eq!(of(5), ("open", Some("wrong_check_digits"), None));
        assert_eq!(of(6), ("open", Some("wrong_currency"), None));
        assert_eq!(of(7), ("open", Some("nothing"), None));
        let number = |n: usize| format!("INV-000000{n}");
        let expected = [(number(1), 20, 4), (number(2), 0, 2), (number(3), 0, 0), (number(4), 0, 0)];
        assert_eq!(marks(&books), expected);
        // A person says what the others are for.
        let likely = file["payments"][3]["payment"].to_string();
        let placed = books.json(&["payments", "allocate", &likely]);
        assert_eq!(
            (placed["state"].as_str(), placed["placed"][0]["invoice"].as_str()),
            (Some("placed"), Some("INV-0000004"))
        );
        let two = file["payments"][2]["payment"].to_string();
        books.json(&["payments", "allocate", &two, "--invoice", "INV-0000002", "--amount", "148.75"]);
        let rest = books.json(&["payments", "allocate", &two, "--invoice", "INV-0000003"]);
        assert_eq!((rest["state"].as_str(), rest["left"].as_str()), (Some("placed"), Some("0.00")));
        let back = file["payments"][7]["payment"].to_string();
        assert_eq!(books.json(&["payments", "refund", &back])["state"], "refunded");
        assert_eq!(
            marks(&books),
            [(number(1), 20, 4), (number(2), 20, 4), (number(3), 0, 2), (number(4), 20, 4)]
        );
        let verified = books.json(&["verify"]);
        assert!(verified["ok"].as_bool().unwrap(), "{verified}");
        for (args, code) in [
            (vec!["allocate", &two], "nothing_left"),
            (vec!["refund", &back], "nothing_left"),
            (vec!["allocate", "999"], "unknown_payment"),
        ] {
            let all: Vec<&str> = ["--json", "payments"].into_iter().chain(args).collect();
            assert_eq!(books.run(&all).exits(1).error()["code"], code);
        }
    }
}

#[test]
fn the_same_file_and_the_same_entry_change_nothing_the_second_time() {
    for books in both() {
        billed(&books);
        let first = [credit(24_875, "INV-0000001", "1"), credit(500, "?", "2")];
        import(&books, "a.xml", &statement(&first)).exits(3);
        let before = (marks(&books), books.json(&["payments", "received"]));
        let again = import(&books, "b.xml", &statement(&first)).exits(0).json();
        assert_eq!(again["files"][0]["known"], 2);
        assert!(again["files"][0]["import"].is_null());
        assert_eq!((marks(&books), books.json(&["payments", "received"])), before);
        // Another file that says the first entry once more, and one that is new.
        let more = [first[0].clone(), credit(24_875, "INV-0000002", "3")];
        let file = import(&books, "c.xml", &statement(&more)).exits(0).json();
        let counts = ["read", "known", "placed"].map(|n| file["files"][0][n].as_i64().unwrap());
        assert_eq!(counts, [2, 1, 1]);
        assert_eq!(books.json(&["payments", "received"]).as_array().unwrap().len(), 3);
        assert_eq!(
            marks(&books)[..2],
            [("INV-0000001".to_owned(), 20, 4), ("INV-0000002".to_owned(), 20, 4)]
        );
    }
}

#[test]
fn money_that_came_twice_pays_the_next_invoice_before_any_charge() {
    for books in both() {
        billed(&books);
        let twice = [credit(24_875, "INV-0000001", "1"), credit(30_000, "INV-0000001", "2")];
        import(&books, "a.xml", &statement(&twice)).exits(0);
        assert_eq!(marks(&books)[0], ("INV-0000001".to_owned(), 20, 8));
        books.run(&["run", "--as-of", "2026-02-01", "--skip", "render,send,collect"]).exits(0);
        let own = books.json(&["invoices", "--customer", "CU-0001"]);
        let marks: Vec<_> =
            own.as_array().unwrap().iter().map(|i| i["SettlementStatus"].as_i64().unwrap()).collect();
        assert_eq!(marks, [8, 4], "300.00 pay the 248.75 of February, and 51.25 stay the payer's");
        let error = books.run(&["--json", "payments", "refund", "--customer", "CU-0001", "--amount", "60"]);
        assert_eq!(error.exits(1).error()["code"], "more_than_open");
        let refunded = books.json(&["payments", "refund", "--customer", "CU-0001"]);
        assert_eq!(
            (&refunded["amount"], &refunded["invoices"][0]["invoice"]),
            (&json!("51.25"), &json!("INV-0000001"))
        );
        let error = books.run(&["--json", "payments", "refund", "--customer", "CU-0001"]).exits(1).error();
        assert_eq!(error["code"], "nothing_owed");
        // The statement tells the same: what was billed, what came, and what went back.
        let all = books.json(&["payers", "statement", "CU-0001", "--to", "2099-12-31"]);
        let line =
            |l: &Value| (l["what"].as_str().unwrap().to_owned(), l["balance"].as_str().unwrap().to_owned());
        let mut lines: Vec<_> = all[0]["lines"].as_array().unwrap().iter().map(line).collect();
        // Two payments of one day stand in an order of their own.
        assert_eq!(lines.remove(1).0, "payment");
        let expected =
            [("invoice", "248.75"), ("payment", "-300.00"), ("invoice", "-51.25"), ("refund", "0.00")];
        assert_eq!(lines, expected.map(|(what, balance)| (what.to_owned(), balance.to_owned())), "{all}");
        assert_eq!(all[0]["closing"], "0.00");
        let february =
            books.json(&["payers", "statement", "CU-0001", "--from", "2026-02-01", "--to", "2026-02-28"]);
        assert_eq!((&february[0]["opening"], &february[0]["closing"]), (&json!("-300.00"), &json!("-51.25")));
        assert!(books.json(&["verify"])["ok"].as_bool().unwrap());
    }
}

#[test]
fn a_file_that_is_not_whole_is_refused_and_nothing_of_it_is_taken() {
    for books in both() {
        billed(&books);
        let whole = statement(&[credit(24_875, "INV-0000001", "1"), credit(24_875, "INV-0000002", "2")]);
        let before = marks(&books);
        for (text, code) in [
            (whole[..whole.len() / 2].to_owned(), "file_truncated"),
            (whole.replace("<Sum>497.50</Sum>", "<Sum>497.51</Sum>"), "file_damaged"),
            (whole.replace("<NbOfNtries>2<", "<NbOfNtries>3<"), "file_damaged"),
            (whole.replace("camt.053.001.08", "pain.001.001.09"), "file_unsupported"),
            (whole.replacen('\n', "\n<!DOCTYPE Document [<!ENTITY a \"b\">]>\n", 1), "file_damaged"),
            (String::new(), "file_empty"),
            ("date,amount\n2026-01-01,1.00\n".to_owned(), "settings"),
        ] {
            let error = import(&books, "bad.xml", &text).exits(1).error();
            assert_eq!(error["code"], code, "{error}");
            assert!(error["hint"].is_string(), "{error}");
        }
        assert_eq!(marks(&books), before);
        assert_eq!(books.json(&["payments", "received"]), json!([]));
        import(&books, "good.xml", &whole).exits(0);
        // One bad file among good ones is named, and the others go in.
        let (bad, good) = (books.file("bad.xml", &whole[..99]), books.file("good.xml", &whole));
        let both = books.run(&["--json", "payments", "import", &bad, &good]).exits(3).json();
        assert_eq!(both["files"][0]["refused"]["code"], "file_truncated");
        assert_eq!(both["files"][1]["known"], 2);
    }
}

#[test]
fn a_simulation_places_as_the_program_does() {
    let home = Home::new();
    let scenario = json!({"name": "bank", "book": a_book(), "timeline": [
        {"on": "2026-01-01", "run": {}},
        {"on": "2026-01-10", "payments": "import", "entries": [
            {"amount": "248.75", "reference": "1000000016", "id": "1"},
            {"amount": "100.00", "text": "part of inv-0000002", "id": "2"},
            {"amount": "248.75", "name": "BOGHANDEL FIRE", "id": "3"},
            {"amount": "300.00", "text": "INV-0000001", "id": "4"},
            {"amount": "9.00", "currency": "EUR", "text": "INV-0000003", "id": "5"}]},
        {"on": "2026-01-11", "payments": "import", "entries": [{"amount": "100.00", "text": "part of inv-0000002", "date": "2026-01-10", "id": "2"}]},
        {"on": "2026-01-11", "payments": "allocate", "payment": 3},
        {"on": "2026-01-11", "payments": "refund", "payment": 5},
        {"on": "2026-02-01", "run": {}},
        {"on": "2026-02-02", "payments": "refund", "customer": "CU-0001", "amount": "60"},
        {"on": "2026-02-02", "payments": "refund", "customer": "CU-0001"}
    ]});
    let path = home.file("scenario.json", scenario.to_string());
    let answer: Value =
        serde_json::from_str(&home.run(&["simulate", path.to_str().unwrap()]).exits(0).stdout).unwrap();
    let steps = answer["steps"].as_array().unwrap();
    let said: Vec<&str> =
        steps[1]["received"].as_array().unwrap().iter().map(|r| r["state"].as_str().unwrap()).collect();
    assert_eq!(said, ["placed", "placed", "likely", "placed", "open"], "{answer}");
    assert_eq!(steps[2]["received"][0]["state"], "known");
    let ok: Vec<bool> = steps.iter().map(|step| step["ok"].as_bool().unwrap()).collect();
    assert_eq!(ok, [true, true, true, true, true, true, false, true], "only 51.25 is the payer's");
    let marks: Vec<(i64, i64)> = answer["invoices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| (i["PaymentStatus"].as_i64().unwrap(), i["SettlementStatus"].as_i64().unwrap()))
        .collect();
    assert_eq!(marks[..5], [(20, 4), (0, 2), (0, 0), (20, 4), (20, 4)], "{answer}");
}

#[test]
fn a_csv_file_is_read_by_the_mapping_of_the_settings() {
    let home = Home::new();
    home.load(&a_book());
    home.run(&["run", "--as-of", "2026-01-01", "--skip", "render,send,collect"]).exits(0);
    let file = home.file(
        "netbank.csv",
        "Bogført;Beløb;Tekst;Afsender\n10-01-2026;248,75;INV-0000001;Kunde 1\n11-01-2026;-40,00;Husleje;\n",
    );
    let mut command = home.command(&["--json", "payments", "import", file.to_str().unwrap()]);
    for (name, value) in [
        ("DATE", "Bogført"),
        ("AMOUNT", "Beløb"),
        ("TEXT", "Tekst"),
        ("NAME", "Afsender"),
        ("DATE_FORMAT", "DD-MM-YYYY"),
        ("DECIMAL", ","),
        ("DEFAULT_CURRENCY", "DKK"),
    ] {
        command.env(format!("TALLYBOOK_BANK_CSV_{name}"), value);
    }
    let answer = crate::support::answer(command.output().unwrap()).exits(0).json();
    let file = &answer["files"][0];
    let counts = ["read", "placed", "outgoing"].map(|n| file[n].as_i64().unwrap());
    assert_eq!((file["format"].as_str(), counts), (Some("csv"), [1, 1, 1]), "{file}");
    assert_eq!(file["payments"][0]["date"], "2026-01-10");
}

#[test]
fn two_processes_that_read_one_file_place_its_money_once() {
    for books in both() {
        billed(&books);
        let credits: Vec<Credit> =
            (1..=4).map(|n| credit(24_875, &format!("INV-000000{n}"), &n.to_string())).collect();
        let path = books.file("a.xml", statement(&credits));
        let args = ["--json", "payments", "import", path.as_str()];
        let start = || {
            let mut command = books.command(&args);
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
        };
        let running = [start(), start()];
        let placed: i64 = running
            .into_iter()
            .map(|child| {
                let answer = crate::support::answer(child.wait_with_output().unwrap()).exits(0).json();
                answer["files"][0]["placed"].as_i64().unwrap()
            })
            .sum();
        assert_eq!(placed, 4);
        assert!(marks(&books).iter().all(|(_, payment, settled)| (*payment, *settled) == (20, 4)));
        assert!(books.json(&["verify"])["ok"].as_bool().unwrap());
    }
}

/// The same as a notification.
fn notification(credits: &[Credit]) -> String {
    let text =
        statement(credits).replace("camt.053", "camt.054").replace("BkToCstmrStmt", "BkToCstmrDbtCdtNtfctn");
    text.replace("<Stmt>", "<Ntfctn>").replace("</Stmt>", "</Ntfctn>")
}

#[test]
fn whatever_meets_money_is_placed_once_and_too_much_is_the_payers() {
    for books in both() {
        let mut book = a_book();
        let card = json!([{"refkey": "card", "type": "token", "gateway": "sandbox", "token": "tok_ok", "makedefault": true}]);
        book["customers"][0]["paymentmethods"] = card;
        let path = books.file("book.json", book.to_string());
        books.json(&["load", &path]);
        books.run(&["run", "--as-of", "2026-01-01", "--skip", "render,send"]).exits(0);
        assert_eq!(marks(&books)[0].1, 20, "the card has paid");
        // The notification comes first, the statement tells it again, and another part follows.
        let part = [credit(10_000, "INV-0000002", "1"), credit(24_875, "INV-0000001", "2")];
        import(&books, "notification.xml", &notification(&part)).exits(0);
        let again = import(&books, "statement.xml", &statement(&part)).exits(0).json();
        assert_eq!((&again["files"][0]["known"], &again["files"][0]["placed"]), (&json!(2), &json!(0)));
        import(&books, "rest.xml", &statement(&[credit(14_875, "INV-0000002", "3")])).exits(0);
        assert_eq!(
            marks(&books)[..2],
            [("INV-0000001".to_owned(), 20, 8), ("INV-0000002".to_owned(), 20, 4)]
        );
        // What nobody can tell is put on a payer's oldest invoices, and what is over on the last.
        books.run(&["run", "--as-of", "2026-02-01", "--skip", "render,send,collect"]).exits(0);
        let unknown =
            import(&books, "unknown.xml", &statement(&[credit(50_000, "hello", "4")])).exits(3).json();
        let number = unknown["files"][0]["payments"][0]["payment"].to_string();
        let placed = books.json(&["payments", "allocate", &number, "--customer", "CU-0003"]);
        let on: Vec<(&str, &str)> = placed["placed"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| (p["invoice"].as_str().unwrap(), p["amount"].as_str().unwrap()))
            .collect();
        assert_eq!(on, [("INV-0000003", "248.75"), ("INV-0000007", "251.25")]);
        let credit_of = |account: &str| books.json(&["payers", account]);
        assert!(credit_of("CU-0003").to_string().contains("-2.50"), "{}", credit_of("CU-0003"));
        for (args, code) in [
            (vec!["allocate", &number, "--customer", "CU-0003"], "nothing_left"),
            (vec!["allocate", "--customer", "CU-0004"], "nothing_left"),
            (vec!["allocate", "--customer", "CU-9999"], "unknown_customer"),
        ] {
            let all: Vec<&str> = ["--json", "payments"].into_iter().chain(args).collect();
            assert_eq!(books.run(&all).exits(1).error()["code"], code);
        }
        assert!(books.json(&["verify"])["ok"].as_bool().unwrap());
    }
}

#[test]
fn death_at_any_effect_of_an_import_places_its_money_once() {
    let ready = || {
        let books = Books::Sqlite(Home::new());
        billed(&books);
        let credits =
            [credit(24_875, "INV-0000001", "1"), credit(30_000, "INV-0000002", "2"), credit(9, "?", "3")];
        let path = books.file("a.xml", statement(&credits));
        (books, path)
    };
    let ends = |books: &Books, path: &str, name: &str, value: &str| {
        let mut command = books.command(&["--json", "payments", "import", path]);
        let quiet = || std::process::Stdio::null();
        command.env(name, value).stdout(quiet()).stderr(quiet()).status().unwrap()
    };
    let (books, path) = ready();
    let count = books.home().path().join("count");
    assert_eq!(ends(&books, &path, "TALLYBOOK_CRASH_COUNT", count.to_str().unwrap()).code(), Some(3));
    let places: u64 = std::fs::read_to_string(&count).unwrap().trim().parse().unwrap();
    assert!(places >= 2, "the program under test has no crash points: {places}");
    let expected = (marks(&books), books.json(&["payments", "received"]));
    for place in 1..=places {
        let (books, path) = ready();
        ends(&books, &path, "TALLYBOOK_CRASH_AT", &place.to_string());
        ends(&books, &path, "UNUSED", "");
        assert_eq!(
            (marks(&books), books.json(&["payments", "received"])),
            expected,
            "after death at place {place}"
        );
        assert!(books.json(&["verify"])["ok"].as_bool().unwrap());
    }
}
