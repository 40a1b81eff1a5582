//! A payer's own data: out as one document, and erased as far as bookkeeping law allows.

use crate::support::books::{Books, all};
use crate::support::{book, files_below, january};
use serde_json::Value;

/// Two customers; the first is served until March, and a line of its usage was refused with its name in it.
fn a_home(books: &Books) {
    let mut book = book(2);
    book["subscriptions"][0]["enddate"] = "2026-03-01".into();
    book["subscriptions"][0]["autorenew"] = false.into();
    book["subscriptions"][0]["subscriptionreference"] = "PO of Frida Holm".into();
    book["customers"][0]["fullname"] = "Frida Holm".into();
    book["customers"][0]["phone"] = "+45 55 55 12 34".into();
    book["customers"][0]["contacts"][0]["primaryemail"] = "frida@holm.example".into();
    books.json(&["load", &books.file("book.json", book.to_string())]);
    let usage = january(2)
        + "y1,SUB-0001,api_calls,2000,2026-02-10T10:00:00Z\nx1,SUB-0001,api_calls,frida@holm.example,2026-01-10\nx2,SUB-0002,api_calls,no number,2026-01-10\n";
    books.run(&["--json", "ingest", &books.file("usage.csv", usage)]).exits(3);
    books.json(&["run", "--as-of", "2026-02-01"]);
}

fn on(books: &Books, day: &str, args: &[&str]) -> crate::support::Answer {
    let mut command = books.command(&[&["--json"], args].concat());
    crate::support::answer(command.env("TALLYBOOK_NOW", format!("{day}T08:00:00Z")).output().unwrap())
}

/// What the home's own files and tables still hold of her, but for what the law asks for.
fn left(books: &Books) -> Vec<String> {
    let mut left = Vec::new();
    let exported = on(books, "2026-06-01", &["payers", "export", "CU-0001"]).exits(0).json();
    for part in ["customer", "subscriptions", "mails", "journal"] {
        let text = exported[part].to_string();
        left.extend(
            ["Frida", "frida@", "55 55 12 34", "tok_ok"]
                .iter()
                .filter(|w| text.contains(**w))
                .map(|w| format!("{part}: {w}")),
        );
    }
    // The buyer of a booked invoice keeps its address for invoices as long as the law asks for it.
    for (ending, words) in
        [("eml", &["frida@holm.example"][..]), ("csv", &["frida@holm.example"]), ("db", &["55 55 12 34"])]
    {
        for path in books.folders().iter().flat_map(|folder| files_below(folder, ending)) {
            let bytes = std::fs::read(&path).unwrap();
            let holds = |word: &str| bytes.windows(word.len()).any(|found| found == word.as_bytes());
            left.extend(words.iter().filter(|w| holds(w)).map(|w| format!("{}: {w}", path.display())));
        }
    }
    left
}

#[test]
fn a_payer_that_owes_nothing_is_erased_and_the_books_stay_whole() {
    for books in all("erased") {
        a_home(&books);
        let refused = on(&books, "2026-02-02", &["payers", "erase", "CU-0001", "--yes"]).exits(1).error();
        assert_eq!(refused["code"], "still_open", "{refused:#}");
        assert!(refused["faults"].to_string().contains("SUB-0001 has not ended"), "{refused:#}");
        let refused = on(&books, "2026-06-01", &["payers", "erase", "CU-0001", "--yes"]).exits(1).error();
        assert!(refused["faults"].to_string().contains("due and not billed"), "{refused:#}");
        books.json(&["run", "--as-of", "2026-03-01"]);

        let exported = on(&books, "2026-06-01", &["payers", "export", "CU-0001"]).exits(0).json();
        let text = exported.to_string();
        for held in ["Frida Holm", "frida@holm.example", "+45 55 55 12 34", "usage.csv", "Torvet 1"] {
            assert!(text.contains(held), "{held}: {exported:#}");
        }
        assert!(!text.contains("tok_ok"), "a token is a key to money, and not hers to have");
        assert!(!text.contains("Kunde 2"));

        let invoices = books.json(&["invoices"]);
        let shown = on(&books, "2026-06-01", &["payers", "erase", "CU-0001"]).exits(0).json();
        assert_eq!(shown["erased"], false);
        assert!(shown["words"]["mails"].as_u64() >= Some(2), "{shown:#}");
        assert_eq!(shown["kept"][0]["until"], "2036-12-31", "{shown:#}");
        assert_eq!(on(&books, "2026-06-01", &["payers", "export", "CU-0001"]).json(), exported, "only shown");

        let done = on(&books, "2026-06-01", &["payers", "erase", "CU-0001", "--yes"]).exits(0).json();
        assert_eq!(done["erased"], true);
        assert_eq!(left(&books), Vec::<String>::new());
        for folder in books.folders() {
            let mut rejects = files_below(&folder, "csv");
            rejects.retain(|path| path.to_string_lossy().contains(".rejects."));
            assert_eq!(rejects.len(), 1, "{rejects:?}");
            let rejects = std::fs::read_to_string(&rejects[0]).unwrap();
            assert!(rejects.contains("SUB-0002") && !rejects.contains("SUB-0001"), "{rejects}");
        }
        assert_eq!(books.json(&["verify"])["ok"], true);
        let after: Value = books.json(&["invoices"]);
        let numbers = |list: &Value| -> Vec<Value> {
            list.as_array().unwrap().iter().map(|i| i["InvoiceNumber"].clone()).collect()
        };
        assert_eq!(numbers(&after), numbers(&invoices));

        let old = books.home().path().with_file_name("book.json");
        // The old book file does not bring her back; a night later all is as it was.
        let again = books.run(&["--json", "load", old.to_str().unwrap()]).exits(1).error();
        assert!(again["faults"].to_string().contains("CU-0001 was erased on 2026-06-01"), "{again:#}");
        books.json(&["run", "--as-of", "2026-06-01"]);
        assert_eq!(left(&books), Vec::<String>::new());
        on(&books, "2026-06-01", &["payers", "erase", "CU-0001", "--yes"]).exits(0);
        assert_eq!(books.json(&["verify"])["ok"], true);
    }
}

#[test]
fn once_its_years_are_over_an_invoice_forgets_who_bought() {
    for books in all("forgotten") {
        a_home(&books);
        books.json(&["run", "--as-of", "2026-03-01"]);
        on(&books, "2026-06-01", &["payers", "erase", "CU-0001", "--yes"]).exits(0);
        let exported = on(&books, "2037-01-01", &["payers", "export", "CU-0001"]).exits(0).json();
        assert!(exported["invoices"].to_string().contains("Frida Holm"));
        on(&books, "2036-12-31", &["payers", "erase", "CU-0001", "--yes"]).exits(0);
        let exported = on(&books, "2037-01-01", &["payers", "export", "CU-0001"]).exits(0).json();
        assert!(exported["invoices"].to_string().contains("Frida Holm"), "still asked for on the last day");

        let done = on(&books, "2037-01-01", &["payers", "erase", "CU-0001", "--yes"]).exits(0).json();
        assert!(done["invoices"].as_u64() > Some(0) && done["documents"].as_u64() > Some(0), "{done:#}");
        let exported = on(&books, "2037-01-01", &["payers", "export", "CU-0001"]).exits(0).json();
        for gone in ["Frida", "Torvet", "frida@"] {
            assert!(!exported.to_string().contains(gone), "{gone}: {exported:#}");
        }
        assert_eq!(books.json(&["verify"])["ok"], true);
    }
}
