//! What an accountant signs: VAT on every row, reports that agree with the sealed ledger, months that are closed.

use crate::support::books::{Books, both};
use crate::support::{Home, answer, counterpart};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

const QUIET: [&str; 2] = ["--skip", "render,send"];

/// A Danish seller with buyers at home, in Sweden (business), Germany (consumer) and the United States, billed on the first of
/// each month and, the last one, once a year.
fn book(accounts: &Value) -> Value {
    let rule = |name: &str, country: &str, kind: &str, pct: &str, category: &str| json!({"fullname": name, "country": country, "state": "*", "ruletype": kind, "priority": 10, "taxpct": pct, "category": category, "reason": name});
    let plan = |sku: &str, period: &str, interval: u32, dkk: &str, eur: &str| {
        json!({
        "sku": sku, "fullname": sku, "currencycode": "DKK", "currencies": ["DKK", "EUR", "USD"], "changehandle": 1,
        "charges": [{"sku": format!("{sku}-FEE"), "fullname": "Fee", "chargetype": "recurring", "pricingmodel": "flat",
            "billingperiod": period, "billingperiodinterval": interval, "billingperiodalignment": "subscription_start",
            "defaultamount": "1", "taxable": true,
            "pricings": [{"currencycode": "DKK", "price": dkk}, {"currencycode": "EUR", "price": eur}, {"currencycode": "USD", "price": eur}]}]})
    };
    let customer = |account: &str, country: &str, currency: &str, vat: Option<&str>| {
        let mut customer = json!({"accountnumber": account, "fullname": format!("Buyer {account}"), "currencycode": currency,
            "country": country, "autobill": true, "paymentterm": 14, "delivery": "none", "paymentmethods": []});
        if let Some(vat) = vat {
            customer["companyvat"] = json!(vat);
        }
        customer
    };
    let subscription = |account: &str, plan: &str| {
        json!({"subscriptionnumber": format!("S-{account}"), "customer": account,
        "productplan": plan, "startdate": "2026-01-01", "status": "active", "autorenew": true})
    };
    json!({
        "tenant": {"fullname": "Nordlys Cloud ApS", "companyvat": "DK12345674", "currencycode": "DKK", "timezone": "Europe/Copenhagen",
            "country": "DK", "accounts": accounts},
        "taxrules": [rule("DK VAT", "DK", "*", "25", "S"), rule("Reverse charge", "SE", "business", "0", "AE"),
            rule("DE VAT", "DE", "consumer", "19", "S"), rule("Export", "US", "*", "0", "G")],
        "rates": [{"currencycode": "EUR", "date": "2025-12-31", "rate": "7.4690", "source": "ECB"}],
        "productplans": [plan("PRO", "monthly", 1, "199.00", "26.90"), plan("YEAR", "annually", 1, "1200.00", "160.00")],
        "customers": [customer("C-DK", "DK", "DKK", Some("DK87654325")), customer("C-SE", "SE", "EUR", Some("SE556036079301")),
            customer("C-DE", "DE", "EUR", None), customer("C-YEAR", "DK", "DKK", None)],
        "subscriptions": [subscription("C-DK", "PRO"), subscription("C-SE", "PRO"), subscription("C-DE", "PRO"),
            subscription("C-YEAR", "YEAR")],
    })
}

fn loaded(books: &Books, book: &Value) {
    let path = books.file("book.json", book.to_string());
    books.json(&["load", &path]);
}

fn run(books: &Books, as_of: &str) {
    books.run(&[&["--json", "run", "--as-of", as_of][..], &QUIET].concat()).exits(0);
}

/// A report's rows by their first columns, its amounts as they are written.
fn rows(books: &Books, args: &[&str], columns: &[&str]) -> Vec<String> {
    let report = books.json(&[&["report"], args].concat());
    assert_eq!(report["ok"], true, "{report:#}");
    assert!(!report["reconciled"].as_array().unwrap().is_empty(), "{args:?} is compared with nothing");
    let told = |row: &Value| {
        let cell = |column: &&str| match &row[*column] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        columns.iter().map(cell).collect::<Vec<_>>().join(" ")
    };
    report["rows"].as_array().unwrap().iter().map(told).collect()
}

/// The ledger as CSV, a map per row.
fn ledger(books: &Books) -> Vec<BTreeMap<String, String>> {
    let csv = books.json(&["export", "ledger", "--format", "csv"]);
    let content = csv["content"].as_str().unwrap();
    let mut lines = content.lines();
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    lines
        .map(|line| head.iter().map(|h| (*h).to_owned()).zip(line.split(',').map(str::to_owned)).collect())
        .collect()
}

#[test]
fn vat_is_on_every_row_and_the_return_agrees_with_it() {
    for books in both() {
        loaded(&books, &book(&json!({})));
        run(&books, "2026-01-01");
        let told: Vec<String> = ledger(&books)
            .iter()
            .filter(|row| row["customer_no"] == "C-SE" || row["customer_no"] == "C-DE")
            .map(|row| {
                [
                    "customer_no",
                    "kind",
                    "account",
                    "vat_code",
                    "vat_rate",
                    "vat_base",
                    "country",
                    "vat_number",
                    "due_date",
                    "base_currency",
                    "base_rate",
                    "base_amount",
                ]
                .map(|c| row[c].as_str())
                .join(" ")
            })
            .collect();
        assert_eq!(
            told,
            [
                "C-DE invoice 1100    DE  2026-01-15 DKK 7.469 239.09",
                "C-DE invoice 2610 S 19 26.90 DE  2026-01-15 DKK 7.469 -38.17",
                "C-DE invoice 4000 S 19 26.90 DE  2026-01-15 DKK 7.469 -200.92",
                "C-SE invoice 1100    SE SE556036079301 2026-01-15 DKK 7.469 200.92",
                "C-SE invoice 4000 AE 0 26.90 SE SE556036079301 2026-01-15 DKK 7.469 -200.92",
            ]
        );
        let filled = |args: &[&str], columns: &[&str]| {
            rows(&books, &[args, &["--period", "2026-01"]].concat(), columns)
        };
        assert_eq!(
            filled(&["vat"], &["box", "net", "vat"]),
            [
                "OSS 200.92 38.17",
                "Salgsmoms  349.75",
                "Rubrik B-varer 0.00 ",
                "Rubrik B-ydelser 200.92 ",
                "Rubrik C 0.00 ",
                "- 0.00 "
            ]
        );
        assert_eq!(filled(&["oss"], &["country", "rate", "net", "vat"]), ["DE 19 200.92 38.17"]);
        let list = filled(&["sales-list"], &["country", "vatnumber", "kind", "net"]);
        assert_eq!(list, ["SE SE556036079301 services 200.92"]);
        assert_eq!(rows_of(&books, "2026-02"), 0, "nothing was invoiced in February");

        // The accountant's own table: what it has no box for is told, and a line that cannot be read is named.
        let own = books.home().path().join("vat/DK.csv");
        std::fs::create_dir_all(own.parent().unwrap()).unwrap();
        let table = "box;text;amount;categories;rates;place;buyer\nA;Alt;both;S;*;*;*\n";
        std::fs::write(&own, table).unwrap();
        let left = books.run(&["--json", "report", "vat", "--period", "2026-01"]).exits(3).json();
        assert_eq!(left["rows"][0]["vat"], "387.92");
        assert_eq!(left["rows"][1]["text"], "IN NO BOX: AE 0 %, SE, business");
        std::fs::write(&own, format!("{table}B;x;all;S;*;*;*\n")).unwrap();
        let error = books.run(&["--json", "report", "vat", "--period", "2026-01"]).exits(1).error();
        assert_eq!(error["code"], "vat_table");
        assert!(error["message"].as_str().unwrap().contains("line 3"), "{error}");
    }
}

fn rows_of(books: &Books, period: &str) -> usize {
    let report = books.json(&["report", "vat", "--period", period]);
    report["rows"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["vat"] != "0.00" && !row["vat"].is_null())
        .count()
}

#[test]
fn a_rate_that_is_missing_is_named_and_can_be_loaded_later() {
    let books = Books::Sqlite(Home::new());
    let mut book = book(&json!({}));
    book["rates"] = json!([]);
    loaded(&books, &book);
    run(&books, "2026-01-01");
    let error = books.run(&["--json", "report", "vat", "--period", "2026-01"]).exits(1).error();
    assert_eq!(error["code"], "no_rate");
    assert!(error["message"].as_str().unwrap().contains("EUR"), "{error}");
    book["rates"] = json!([{"currencycode": "EUR", "date": "2025-12-31", "rate": "7.4690", "source": "ECB"}]);
    loaded(&books, &book);
    let oss = rows(&books, &["oss", "--period", "2026-01"], &["country", "rate", "net", "vat"]);
    assert_eq!(oss, ["DE 19 200.92 38.17"]);
    // The invoice stays as it was booked.
    assert!(ledger(&books).iter().all(|row| row["base_currency"].is_empty()));
}

#[test]
fn every_report_agrees_with_the_ledger_in_every_form() {
    for books in both() {
        loaded(&books, &book(&json!({"clearing_by_gateway": {"manual": {"code": "1950", "name": "Bank"}}})));
        run(&books, "2026-01-01");
        let numbers: BTreeMap<String, String> = books
            .json(&["invoices"])
            .as_array()
            .unwrap()
            .iter()
            .map(|i| {
                (
                    i["AccountNumber"].as_str().unwrap().to_owned(),
                    i["InvoiceNumber"].as_str().unwrap().to_owned(),
                )
            })
            .collect();
        books
            .run(&["invoices", "markpaid", &numbers["C-DK"], "--amount", "100.00", "--on", "2026-01-20"])
            .exits(0);
        books.run(&["invoices", "credit", &numbers["C-SE"], "--as-of", "2026-01-25"]).exits(0);
        run(&books, "2026-02-01");

        let aged = rows(
            &books,
            &["aging", "--as-of", "2026-02-10"],
            &["account", "currency", "notdue", "days30", "credit", "total"],
        );
        assert_eq!(
            aged,
            [
                "C-DE EUR 32.01 32.01 0.00 64.02",
                "C-DK DKK 248.75 148.75 0.00 397.50",
                "C-SE EUR 26.90 0.00 0.00 26.90",
                "C-YEAR DKK 0.00 1500.00 0.00 1500.00",
                "total DKK 248.75 1648.75 0.00 1897.50",
                "total EUR 58.91 32.01 0.00 90.92",
            ]
        );
        let statement = ["statement", "--account", "C-DK", "--period", "2026-Q1"];
        assert_eq!(
            rows(&books, &statement, &["date", "document", "kind", "debit", "credit", "balance"]),
            [
                format!("2026-01-01 {} invoice 248.75  248.75", numbers["C-DK"]),
                format!("2026-01-20 {} payment  100.00 148.75", numbers["C-DK"]),
                "2026-02-01 INV-0000006 invoice 248.75  397.50".to_owned(),
            ]
        );
        let clearing = rows(
            &books,
            &["clearing", "--period", "2026-01"],
            &["account", "name", "day", "payments", "balance"],
        );
        assert_eq!(clearing, ["1950 Bank 2026-01-20 100.00 100.00"]);
        let mrr = ["mrr", "--period", "2026-Q1"];
        let columns = ["month", "currency", "subscriptions", "opening", "new", "churn", "closing"];
        let mrr = rows(&books, &mrr, &columns);
        assert_eq!(mrr[0], "2026-01 DKK 2 0.00 299.00 0.00 299.00");
        assert_eq!(mrr[1], "2026-01 EUR 1 0.00 26.90 0.00 26.90", "what is credited whole is no revenue");
        assert_eq!(mrr[2], "2026-02 DKK 2 299.00 0.00 0.00 299.00");
        // Account by account, summed here once more from the CSV.
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        for row in ledger(&books) {
            let minor = |text: &str| text.replace('.', "").parse::<i64>().unwrap_or(0);
            let key = format!("{} {}", row["account"], row["currency"]);
            *sums.entry(key).or_default() += minor(&row["debit"]) - minor(&row["credit"]);
        }
        let balance =
            rows(&books, &["trial-balance", "--period", "2026-02"], &["account", "currency", "closing"]);
        let summed: Vec<String> = sums
            .iter()
            .map(|(key, minor)| {
                let sign = if *minor < 0 { "-" } else { "" };
                format!("{key} {sign}{}.{:02}", minor.abs() / 100, minor.abs() % 100)
            })
            .collect();
        assert_eq!(balance, summed);

        for name in [
            "vat",
            "oss",
            "sales-list",
            "aging",
            "trial-balance",
            "customer-ledger",
            "clearing",
            "revenue",
            "mrr",
        ] {
            for format in ["table", "csv", "html"] {
                let told = books.run(&["report", name, "--period", "2026-Q1", "--format", format]).exits(0);
                assert!(told.stdout.lines().count() > 1, "{name} as {format}: {}", told.stdout);
            }
        }
        let page = books.home().path().parent().unwrap().join("page.html");
        books
            .run(&["report", "mrr", "--period", "2026", "--format", "html", "--out", page.to_str().unwrap()])
            .exits(0);
        counterpart("xmllint", &["--html", "--noout", page.to_str().unwrap()]);
        assert_eq!(books.run(&["--json", "report", "profit"]).exits(1).error()["code"], "unknown_report");
        assert_eq!(
            books.run(&["--json", "report", "statement"]).exits(1).error()["code"],
            "missing_argument"
        );
        assert_eq!(
            books.run(&["--json", "report", "vat", "--period", "2026-1"]).exits(1).error()["code"],
            "dates"
        );
        assert_eq!(books.json(&["verify"])["ok"], true);
    }
}

#[test]
fn deferred_revenue_is_earned_by_runs_month_by_month_on_credit_notes_too() {
    for books in both() {
        loaded(&books, &book(&json!({"defer": true})));
        let deferred = |books: &Books| -> BTreeMap<String, i64> {
            let mut sums = BTreeMap::new();
            for row in ledger(books).iter().filter(|row| {
                row["customer_no"] == "C-YEAR" && ["2100", "4000"].contains(&row["account"].as_str())
            }) {
                let minor = |text: &str| text.replace('.', "").parse::<i64>().unwrap_or(0);
                *sums.entry(format!("{} {}", &row["posting_date"][..7], row["account"])).or_default() +=
                    minor(&row["credit"]) - minor(&row["debit"]);
            }
            sums.retain(|_, minor| *minor != 0);
            sums
        };
        let expected = |list: &[(&str, i64)]| {
            list.iter().map(|(key, minor)| ((*key).to_owned(), *minor)).collect::<BTreeMap<_, _>>()
        };
        run(&books, "2026-01-01");
        assert_eq!(deferred(&books), expected(&[("2026-01 2100", 120_000)]));
        // Two months at once; 31 and 59 of 365 days of 1 200.00.
        run(&books, "2026-03-01");
        let months = [
            ("2026-01 2100", 109_808),
            ("2026-01 4000", 10_192),
            ("2026-02 2100", -9_205),
            ("2026-02 4000", 9_205),
        ];
        assert_eq!(deferred(&books), expected(&months));
        run(&books, "2026-03-15");
        assert_eq!(books.json(&["books"])["recognizeduntil"], "2026-03-01");
        let waterfall =
            rows(&books, &["deferred", "--period", "2026-02"], &["month", "currency", "amount", "left"]);
        let of_year: Vec<_> = waterfall.iter().filter(|row| row.contains("DKK")).collect();
        assert_eq!(of_year.len(), 10, "{waterfall:?}");
        assert_eq!(*of_year[0], "2026-03 DKK 101.92 904.11");
        assert_eq!(*of_year[9], "2026-12 DKK 101.92 0.00");
        // Credited whole in March: what was earned by February leaves revenue, the rest was never earned.
        let invoice = books.json(&["invoices", "--customer", "C-YEAR"])[0]["InvoiceNumber"]
            .as_str()
            .unwrap()
            .to_owned();
        books.run(&["invoices", "credit", &invoice, "--as-of", "2026-03-20"]).exits(0);
        run(&books, "2026-04-01");
        let all = deferred(&books);
        assert_eq!(all["2026-03 4000"], -19_397, "{all:?}");
        let on = |account: &str| -> i64 {
            all.iter().filter(|(key, _)| key.ends_with(account)).map(|(_, m)| m).sum()
        };
        assert_eq!((on("2100"), on("4000")), (0, 0), "{all:?}");
        assert_eq!(books.json(&["verify"])["ok"], true);
    }
}

#[test]
fn a_closed_month_stays_as_it_is_and_what_comes_late_falls_into_the_open_one() {
    for books in both() {
        loaded(&books, &book(&json!({"defer": true})));
        run(&books, "2026-01-01");
        let refused = |now: &str, args: &[&str]| {
            let mut command = books.command(&[&["--json", "books"], args].concat());
            answer(command.env("TALLYBOOK_NOW", now).output().unwrap()).exits(1).error()["code"].clone()
        };
        assert_eq!(refused("2026-01-31T12:00:00Z", &["close", "2026-01"]), "not_over");
        assert_eq!(refused("2026-05-01T12:00:00Z", &["close", "2026-02"]), "period_before");
        assert_eq!(refused("2026-05-01T12:00:00Z", &["close", "2026-Q1"]), "dates");
        assert_eq!(books.json(&["books"])["periods"], json!([]));

        let closed = books.json(&["books", "close", "2026-01"]);
        let file = books.home().path().join(closed["file"].as_str().unwrap());
        let kept = std::fs::read(&file).unwrap();
        assert_eq!(refused("2026-05-01T12:00:00Z", &["close", "2026-01"]), "period_closed");
        // An invoice dated in January, a payment and a credit note of January: all in February.
        let late = books.file(
            "late.json",
            json!({"customer": "C-DK", "date": "2026-01-15", "lines": [
            {"title": "Late", "quantity": "1", "unitprice": "10.00"}]})
            .to_string(),
        );
        books.run(&["invoices", "create", &late, "--book", "--as-of", "2026-01-20"]).exits(0);
        let first =
            books.json(&["invoices", "--customer", "C-DE"])[0]["InvoiceNumber"].as_str().unwrap().to_owned();
        books.run(&["invoices", "markpaid", &first, "--on", "2026-01-20"]).exits(0);
        run(&books, "2026-02-01");
        let month: Vec<_> =
            ledger(&books).into_iter().filter(|row| row["posting_date"].starts_with("2026-01")).collect();
        assert_eq!(month.len(), String::from_utf8_lossy(&kept).lines().count() - 1);
        let moved = ledger(&books);
        let moved =
            moved.iter().filter(|row| row["voucher_date"] == "2026-01-15" || row["kind"] == "payment");
        assert!(moved.map(|row| row["posting_date"].as_str()).all(|day| day == "2026-02-01"));
        // The month again, byte for byte.
        let again = books.file("again.csv", "");
        books
            .run(&["export", "ledger", "--from", "2026-01-01", "--to", "2026-01-31", "--out", &again])
            .exits(0);
        assert_eq!(std::fs::read(&again).unwrap(), kept);
        assert_eq!(books.json(&["verify"])["ok"], true);
        books.run(&["books", "close", "2026-02"]).exits(0);
        assert_eq!(books.json(&["books"])["openfrom"], "2026-03-01");
        std::fs::write(&file, "").unwrap();
        books.run(&["verify"]).exits(2);
    }
}

#[test]
fn a_month_that_does_not_reconcile_is_not_closed() {
    let home = Home::new();
    let books = Books::Sqlite(home);
    loaded(&books, &book(&json!({})));
    run(&books, "2026-01-01");
    let database = books.home().path().join("tallybook.db");
    let drops = counterpart(
        "sqlite3",
        &[
            database.to_str().unwrap(),
            "select 'drop trigger ' || name || ';' from sqlite_master where type = 'trigger'",
        ],
    );
    let change = "update ledger_posting set credit_minor = credit_minor + 1 where account = '2610' and credit_minor > 0";
    counterpart("sqlite3", &[database.to_str().unwrap(), &format!("{drops} {change};")]);
    let error = books.run(&["--json", "books", "close", "2026-01"]).exits(1).error();
    assert_eq!(error["code"], "not_reconciled");
    assert!(error["faults"].as_array().unwrap().len() > 1, "{error}");
    assert_eq!(books.json(&["books"])["periods"], json!([]));
}

/// A close that meets a posting in the midst of its transaction waits for it, and has it in its file; a posting that meets a
/// close falls into the next month.
#[test]
fn a_close_and_a_posting_at_once_leave_nothing_in_between() {
    for books in both() {
        loaded(&books, &book(&json!({})));
        run(&books, "2026-01-01");
        let first =
            books.json(&["invoices", "--customer", "C-DK"])[0]["InvoiceNumber"].as_str().unwrap().to_owned();
        let pay = ["--json", "invoices", "markpaid", &first, "--amount", "1.00", "--on", "2026-01-20"];
        let mut pay = books.command(&pay);
        pay.env("TALLYBOOK_FREEZE_AT", "store.commit").stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut paying = pay.spawn().unwrap();
        while !is_stopped(paying.id()) {
            assert!(paying.try_wait().unwrap().is_none(), "it ended before it came to its commit");
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut close = books.command(&["--json", "books", "close", "2026-01"]);
        let closing = close.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(600));
        counterpart("kill", &["-CONT", &paying.id().to_string()]);
        answer(paying.wait_with_output().unwrap()).exits(0);
        let closed = answer(closing.wait_with_output().unwrap()).exits(0).json();
        let file =
            std::fs::read_to_string(books.home().path().join(closed["file"].as_str().unwrap())).unwrap();
        assert!(file.contains(",payment,"), "the payment stands in January and not in its file");
        books.run(&["invoices", "markpaid", &first, "--amount", "1.00", "--on", "2026-01-20"]).exits(0);
        let days: Vec<String> = ledger(&books)
            .iter()
            .filter(|row| row["kind"] == "payment" && row["account"] == "1100")
            .map(|row| row["posting_date"].clone())
            .collect();
        assert_eq!(days, ["2026-01-20", "2026-02-01"]);
        assert_eq!(books.json(&["verify"])["ok"], true);
    }
}

fn is_stopped(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|state| state.starts_with('T'))
}
