//! Direct debits: files for the bank, judged by the schemas of others, and the bank's answers, months later too (rules Y8).

use crate::support::bank_files::{credited, given_back, rejected, statement, sum};
use crate::support::books::{Books, both};
use crate::support::{Home, book, counterpart, files_below};
use serde_json::{Value, json};

const CREDITOR: &str = "DE98ZZZ09999999999";

/// Payers in euros, who owe 248.75 each on the first of January, and the bank may fetch it on the fifteenth.
fn a_book(payers: usize) -> Value {
    let mut book = book(payers);
    let tenant = &mut book["tenant"];
    tenant["currencycode"] = json!("EUR");
    tenant["iban"] = json!("DE89 3704 0044 0532 0130 00");
    tenant["creditorid"] = json!(CREDITOR);
    let plan = &mut book["productplans"][0];
    plan["currencies"] = json!(["EUR"]);
    for charge in plan["charges"].as_array_mut().unwrap() {
        for price in charge["pricings"].as_array_mut().unwrap() {
            price["currencycode"] = json!("EUR");
        }
    }
    for (n, customer) in (1..).zip(book["customers"].as_array_mut().unwrap()) {
        customer["currencycode"] = json!("EUR");
        customer["fullname"] = json!(format!("Bjørn & Søn {n}"));
        customer["paymentmethods"] = json!([{"refkey": "debit", "type": "sepa", "iban": "AT61 1904 3002 3457 3201",
            "mandateid": format!("M-{n}"), "mandatedate": "2025-11-30", "makedefault": true}]);
    }
    book
}

fn billed(books: &Books, payers: usize) {
    let path = books.file("book.json", a_book(payers).to_string());
    books.json(&["load", &path]);
    books.run(&["run", "--as-of", "2026-01-01", "--skip", "render,send"]).exits(0);
}

fn export(books: &Books, as_of: &str) -> Value {
    books.json(&["payments", "export", "--as-of", as_of])
}

fn content(file: &Value) -> String {
    std::fs::read_to_string(file["path"].as_str().unwrap()).unwrap()
}

/// Refused by the schema that others ship, or whole.
fn judged(xml: &str, home: &Home, version: &str) {
    let find = format!(
        "import sepaxml, os; print(os.path.join(os.path.dirname(sepaxml.__file__), 'schemas', 'pain.008.001.{version}.xsd'), end='')"
    );
    let schema = counterpart("python3", &["-c", &find]);
    let path = home.file("judged.xml", xml);
    counterpart("xmllint", &["--noout", "--nonet", "--schema", &schema, path.to_str().unwrap()]);
}

/// What stands between these tags, in order.
fn all<'x>(xml: &'x str, tag: &str) -> Vec<&'x str> {
    let open = format!("<{tag}>");
    xml.split(&open).skip(1).map(|rest| rest.split('<').next().unwrap()).collect()
}

fn import(books: &Books, name: &str, text: &str) -> Value {
    let path = books.file(name, text);
    books.json(&["payments", "import", &path])["files"][0].clone()
}

fn invoice(books: &Books, number: &str) -> Value {
    books.json(&["invoices", "show", number])
}

fn verified(books: &Books) {
    let verified = books.json(&["verify"]);
    assert!(verified["ok"].as_bool().unwrap(), "{verified}");
}

#[test]
fn what_is_due_goes_to_the_bank_once_and_its_answers_settle_or_open_again() {
    for books in both() {
        billed(&books, 4);
        // The notice has not been out for two weeks by any day of the next one.
        let early = export(&books, "2026-01-02");
        assert_eq!((early["files"].as_array().unwrap().len(), &early["waiting"]), (0, &json!(4)));
        let made = export(&books, "2026-01-09");
        let file = &made["files"][0];
        assert_eq!((&file["debits"], &file["sum"]), (&json!(4), &json!("995.00")), "{made}");
        assert_eq!(file["batches"][0]["collecton"], "2026-01-15");
        let xml = content(file);
        judged(&xml, books.home(), "08");
        assert_eq!((all(&xml, "SeqTp"), all(&xml, "CtrlSum")), (vec!["FRST"], vec!["995.00"; 2]));
        assert_eq!(all(&xml, "Nm")[2], "Bjoern + Soen 1");
        assert_eq!(export(&books, "2026-01-09")["files"], json!([]), "each debit is in one file");
        let again = books.json(&["payments", "export", "--file", "1"]);
        assert_eq!((content(&again["files"][0]), &again["files"][0]["again"]), (xml.clone(), &json!(true)));

        // One was not carried out, the others came in one sum, told twice.
        let (message, batch) = (all(&xml, "MsgId")[0].to_owned(), all(&xml, "PmtInfId")[0].to_owned());
        let debits: Vec<String> = all(&xml, "EndToEndId").into_iter().map(str::to_owned).collect();
        let told =
            import(&books, "pain002.xml", &rejected((&message, &batch, &debits[0]), "AM04", "2026-01-14"));
        assert_eq!(
            (&told["returned"][0]["invoice"], &told["returned"][0]["became"]),
            (&json!("INV-0000001"), &json!("declined"))
        );
        assert_eq!(invoice(&books, "INV-0000001")["PaymentStatus"], 90, "it will be tried again");
        let paid =
            import(&books, "camt053.xml", &statement("camt.053", &sum("746.25", &batch, "2026-01-15")));
        assert_eq!((&paid["read"], &paid["placed"]), (&json!(1), &json!(1)), "{paid}");
        let twice =
            import(&books, "camt054.xml", &statement("camt.054", &sum("746.25", &batch, "2026-01-15")));
        assert_eq!((&twice["known"], &twice["placed"]), (&json!(1), &json!(0)), "{twice}");
        assert_eq!(
            (
                &invoice(&books, "INV-0000002")["PaymentStatus"],
                &invoice(&books, "INV-0000002")["PaymentDate"]
            ),
            (&json!(20), &json!("2026-01-15"))
        );
        verified(&books);

        // Ten months later one comes back, with a fee, and the mandate is not used again.
        let back = statement("camt.053", &given_back("253.75", &debits[1], "MD06", "2026-11-20"));
        let told = import(&books, "back.xml", &back);
        assert_eq!(
            (&told["returned"][0]["fee"], &told["returned"][0]["became"]),
            (&json!("5.00"), &json!("returned")),
            "{told}"
        );
        let again = import(&books, "back-again.xml", &back.replace("<Id>S<", "<Id>T<"));
        assert_eq!((&again["known"], &again["returned"]), (&json!(1), &json!([])), "{again}");
        let open = invoice(&books, "INV-0000002");
        assert_eq!((&open["PaymentStatus"], &open["SettlementStatus"]), (&json!(80), &json!(0)), "{open}");
        let balance = books.json(&["report", "trial-balance", "--period", "2026-11"]);
        let fees = balance["rows"].as_array().unwrap().iter().find(|row| row["account"] == "6100");
        assert_eq!(fees.unwrap()["debit"], "5.00", "the fee is an expense: {balance}");
        verified(&books);
        // Its dunning goes on with the next step, and nothing is fetched with a mandate that was taken back.
        books.run(&["payments", "retry", "--as-of", "2026-11-21"]).exits(0);
        let next = books.run(&["--json", "payments", "export", "--as-of", "2026-11-23"]).json();
        let wanted: Vec<&str> =
            next["files"].as_array().unwrap().iter().map(|f| f["sum"].as_str().unwrap()).collect();
        assert_eq!(wanted, ["248.75"], "only the one without money is tried again: {next}");
        verified(&books);
    }
}

#[test]
fn a_mandate_is_used_first_then_again_once_or_not_at_all() {
    let books = Books::Sqlite(Home::new());
    let mut book = a_book(4);
    book["customers"][1]["paymentmethods"][0]["mandatesequence"] = json!("one_off");
    book["customers"][2]["paymentmethods"][0]["mandatedate"] = json!("2022-12-31");
    book["customers"][3]["paymentmethods"][0]["mandatescheme"] = json!("b2b");
    let path = books.file("book.json", book.to_string());
    books.json(&["load", &path]);
    books.run(&["run", "--as-of", "2026-01-01", "--skip", "render,send"]).exits(0);
    let first = books.run(&["--json", "payments", "export", "--as-of", "2026-01-09"]).exits(3).json();
    assert!(first["aside"][0].as_str().unwrap().contains("36 months"), "{first}");
    let xml = content(&first["files"][0]);
    judged(&xml, books.home(), "08");
    assert_eq!(all(&xml, "SeqTp"), ["FRST", "OOFF", "FRST"]);
    books.run(&["run", "--as-of", "2026-02-01", "--skip", "render,send"]);
    let second =
        books.run(&["--json", "payments", "export", "--as-of", "2026-02-12", "--format", "pain008-02"]);
    let second = second.exits(3).json();
    assert!(second["aside"][0].as_str().unwrap().contains("one debit"), "{second}");
    let xml = content(&second["files"][0]);
    judged(&xml, books.home(), "02");
    assert_eq!(all(&xml, "SeqTp"), ["RCUR", "RCUR"]);
    assert_eq!(
        (all(&xml, "Cd")[1], all(&xml, "ReqdColltnDt")[0]),
        ("CORE", "2026-02-16"),
        "the fifteenth is a Sunday"
    );
}

#[test]
fn what_a_bank_says_and_cannot_mean_changes_nothing() {
    for books in both() {
        billed(&books, 2);
        let xml = content(&export(&books, "2026-01-09")["files"][0]);
        let (message, batch, debit) =
            (all(&xml, "MsgId")[0], all(&xml, "PmtInfId")[0], all(&xml, "EndToEndId")[0]);
        let before = books.json(&["invoices"]);
        let report = rejected((message, batch, debit), "AM04", "2026-01-14");
        for (text, code) in [
            (report.replace(message, "TB999999-0"), "unknown_file"),
            (report.replace(debit, "00000000000000000000000000000000"), "file_damaged"),
            (report[..report.len() / 2].to_owned(), "file_truncated"),
            (statement("camt.053", &given_back("1.00", debit, "MD06", "2026-01-20")), "file_damaged"),
        ] {
            let path = books.file("bad.xml", &text);
            let error = books.run(&["--json", "payments", "import", &path]).exits(1).error();
            assert_eq!(error["code"], code, "{error}");
            assert!(error["hint"].is_string(), "{error}");
        }
        assert_eq!(books.json(&["invoices"]), before);
        // A sum that is not that of its debits waits for a person; a batch of somebody else is passed by.
        let path = books.file(
            "short.xml",
            statement("camt.053", &(sum("400.00", batch, "2026-01-15") + &sum("9.00", "X", "2026-01-15"))),
        );
        let read = books.run(&["--json", "payments", "import", &path]).exits(3).json();
        let read = &read["files"][0];
        assert_eq!(
            (&read["open"], &read["batches"], &read["payments"][0]["why"]),
            (&json!(1), &json!(1), &json!("debits_differ")),
            "{read}"
        );
        // A person puts it where it belongs.
        let number = read["payments"][0]["payment"].to_string();
        let wrong = books
            .run(&["--json", "payments", "allocate", &number, "--invoice", "INV-0000001"])
            .exits(1)
            .error();
        assert_eq!(wrong["code"], "payment_under_way", "{wrong}");
        for verb in ["markpaid", "recharge"] {
            let refused = books.run(&["--json", "invoices", verb, "INV-0000001"]).exits(1).error();
            let hint = refused["hint"].as_str().unwrap();
            assert!(refused["code"] == "payment_under_way" && hint.contains("payments import"), "{refused}");
        }
        let put =
            books.json(&["payments", "allocate", &number, "--invoice", "INV-0000001", "--amount", "248.75"]);
        assert_eq!(put["left"], "151.25");
        assert_eq!(invoice(&books, "INV-0000001")["PaymentStatus"], 20);
        // Whoever pays before the file is made is not debited.
        books.run(&["run", "--as-of", "2026-02-01", "--skip", "render,send"]).exits(0);
        books.json(&["invoices", "markpaid", "INV-0000003"]);
        assert_eq!(export(&books, "2026-02-12")["files"][0]["debits"], 1);
        verified(&books);
    }
}

#[test]
fn money_for_a_debit_that_waits_for_none_is_on_a_list() {
    for books in both() {
        billed(&books, 2);
        let xml = content(&export(&books, "2026-01-09")["files"][0]);
        let (message, batch, debits) =
            (all(&xml, "MsgId")[0], all(&xml, "PmtInfId")[0], all(&xml, "EndToEndId"));
        import(&books, "pain002.xml", &rejected((message, batch, debits[0]), "AM04", "2026-01-14"));
        let credit = |name: &str, debit: usize, reference: &str, on: &str| {
            let text = statement("camt.053", &credited("248.75", debits[debit], reference, on));
            let path = books.file(name, text);
            books.run(&["--json", "payments", "import", &path]).json()["files"][0].clone()
        };
        let counts = |file: &Value| ["known", "placed", "open"].map(|count| file[count].as_u64().unwrap());
        // The bank has said that it would not come, and it came.
        assert_eq!(counts(&credit("declined.xml", 0, "C-1", "2026-01-15")), [0, 0, 1]);
        // Told again under another name it is the same money; after it went back it is other money.
        assert_eq!(counts(&credit("paid.xml", 1, "C-2", "2026-01-15")), [0, 1, 0]);
        import(
            &books,
            "back.xml",
            &statement("camt.053", &given_back("248.75", debits[1], "MD06", "2026-01-20")),
        );
        assert_eq!(counts(&credit("again.xml", 1, "C-3", "2026-01-15")), [1, 0, 0]);
        assert_eq!(counts(&credit("anew.xml", 1, "C-4", "2026-01-22")), [0, 0, 1]);
        let waiting = books.json(&["payments", "received", "--state", "open"]);
        let waiting: Vec<[&str; 2]> = waiting
            .as_array()
            .unwrap()
            .iter()
            .map(|payment| ["left", "why"].map(|field| payment[field].as_str().unwrap()))
            .collect();
        assert_eq!(waiting, [["248.75", "debits_differ"]; 2]);
        // A person puts it where it belongs.
        books.json(&["payments", "allocate", "1", "--invoice", "INV-0000001"]);
        assert_eq!(invoice(&books, "INV-0000001")["PaymentStatus"], 20);
        verified(&books);
    }
}

#[test]
fn two_at_once_and_death_between_record_and_file_ask_the_bank_once() {
    for books in both() {
        billed(&books, 3);
        let args = ["--json", "payments", "export", "--as-of", "2026-01-09"];
        let start = || {
            let mut command = books.command(&args);
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
        };
        let running = [start(), start()];
        let made: usize = running
            .into_iter()
            .map(|child| {
                let answer = crate::support::answer(child.wait_with_output().unwrap()).exits(0).json();
                answer["files"].as_array().unwrap().iter().filter(|file| file["again"] == false).count()
            })
            .sum();
        assert_eq!(made, 1);
        verified(&books);
    }
    let ready = || {
        let books = Books::Sqlite(Home::new());
        billed(&books, 3);
        books
    };
    let args = ["--json", "payments", "export", "--as-of", "2026-01-09"];
    let counted = |books: &Books, name: &str, value: &str| {
        books
            .command(&args)
            .env(name, value)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap()
    };
    let books = ready();
    let count = books.home().path().join("count");
    assert!(counted(&books, "TALLYBOOK_CRASH_COUNT", count.to_str().unwrap()).success());
    let places: u64 = std::fs::read_to_string(&count).unwrap().trim().parse().unwrap();
    assert!(places >= 6, "the program under test has no crash points: {places}");
    for place in 1..=places {
        let books = ready();
        counted(&books, "TALLYBOOK_CRASH_AT", &place.to_string());
        books.run(&args).exits(0);
        let files = files_below(&books.home().path().join("exports"), "xml");
        assert_eq!(files.len(), 1, "after death at place {place} of {places}");
        let xml = std::fs::read_to_string(&files[0]).unwrap();
        assert_eq!(all(&xml, "EndToEndId").len(), 3);
        let again = books.json(&["payments", "export", "--file", "1"]);
        assert_eq!(content(&again["files"][0]), xml);
    }
}

#[test]
fn the_invoice_and_its_mail_say_when_and_by_which_mandate() {
    let home = Home::new();
    home.load(&a_book(1));
    home.run(&["run", "--as-of", "2026-01-01"]).exits(0);
    let told =
        "SEPA direct debit from the account AT61…3201 (mandate M-1, creditor identifier DE98ZZZ09999999999)";
    let pdf = &files_below(&home.path().join("documents"), "pdf")[0];
    let text = counterpart("pdftotext", &["-layout", pdf.to_str().unwrap(), "-"]);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(told) && words.contains("on 15 Jan 2026 or shortly after"), "{words}");
    let mail = std::fs::read(&files_below(&home.path().join("mail"), "eml")[0]).unwrap();
    let read = counterpart(
        "python3",
        &[
            "-c",
            "
import email, email.policy, sys
message = email.message_from_binary_file(open(sys.argv[1], 'rb'), policy=email.policy.default)
print(' '.join(message.get_body(('plain',)).get_content().split()), end='')
",
            files_below(&home.path().join("mail"), "eml")[0].to_str().unwrap(),
        ],
    );
    assert!(read.contains(told), "{read} {}", mail.len());
}

#[test]
fn a_method_without_its_mandate_is_refused_with_its_place() {
    let home = Home::new();
    let mut book = a_book(1);
    book["customers"][0]["paymentmethods"][0] =
        json!({"refkey": "debit", "type": "sepa", "iban": "AT611904300234573202", "mandateid": "/x"});
    book["tenant"]["creditorid"] = json!("DE97ZZZ09999999999");
    let path = home.file("book.json", book.to_string());
    let error = home.run(&["--json", "load", path.to_str().unwrap()]).exits(1).error();
    let mut places: Vec<&str> =
        error["faults"].as_array().unwrap().iter().map(|f| f["pointer"].as_str().unwrap()).collect();
    places.sort_unstable();
    let of = |name: &str| format!("/customers/0/paymentmethods/0/{name}");
    assert_eq!(
        places,
        [&of("iban"), &of("mandatedate"), &of("mandateid"), "/tenant/creditorid"]
            .map(String::from)
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>(),
        "{error}"
    );
}
