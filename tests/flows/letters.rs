//! Letters to payers: what is open and how to pay it, on paper (rules Y3).

use crate::support::{Home, book, counterpart, files_below};
use serde_json::json;
use std::path::Path;

/// Writes the attachments of a mail into a folder, with a library of others; their names.
pub(super) const TAKE_OUT: &str = "
import email, email.policy, os, sys
message = email.message_from_binary_file(open(sys.argv[1], 'rb'), policy=email.policy.default)
for part in message.iter_attachments():
    open(os.path.join(sys.argv[2], part.get_filename()), 'wb').write(part.get_content())
    print(part.get_filename())
";

pub(super) fn words(pdf: &Path) -> String {
    let text = counterpart("pdftotext", &["-layout", pdf.to_str().unwrap(), "-"]);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn reminders_go_out_as_letters_by_level_and_language_and_a_statement_says_what_is_open() {
    let home = Home::new();
    let mut book = book(2);
    book["tenant"]["iban"] = json!("DK50 0040 0440 1162 43");
    book["dunningpolicies"] = json!([{"refkey": "letters", "fullname": "Letters", "default": true, "manual": true,
        "steps": [{"days": 3, "action": "mail"}, {"days": 10, "action": "mail"}]}]);
    for (customer, language) in book["customers"].as_array_mut().unwrap().iter_mut().zip(["en", "da"]) {
        customer["paymentmethods"] = json!([]);
        customer["language"] = json!(language);
    }
    home.load(&book);
    home.run(&["run", "--as-of", "2026-01-01"]).exits(0);
    home.run(&["invoices", "markpaid", "INV-0000002", "--amount", "100"]).exits(0);
    for day in ["2026-01-18", "2026-01-25"] {
        home.run(&["payments", "retry", "--as-of", day]).exits(0);
    }
    let folder = home.path().join("letters");
    std::fs::create_dir(&folder).unwrap();
    for mail in files_below(&home.path().join("mail"), "eml") {
        counterpart("python3", &["-c", TAKE_OUT, mail.to_str().unwrap(), folder.to_str().unwrap()]);
    }
    let letter = |name: &str| words(&folder.join(name));
    let first = letter("Reminder-1-INV-0000001.pdf");
    for told in [
        "Reminder",
        "18 Jan 2026",
        "Kunde 1",
        "3 days ago",
        "Amount due DKK 248.75",
        "DK50 0040 0440 1162 43",
        "Please pay DKK 248.75 and state the payment",
        "INV-0000001",
    ] {
        assert!(first.contains(told), "{told}: {first}");
    }
    assert!(!first.contains("Final reminder"));
    assert!(letter("Reminder-2-INV-0000001.pdf").contains("Final reminder"));
    let danish = letter("Påmindelse-2-INV-0000002.pdf");
    for told in ["Sidste påmindelse", "Betalt eller krediteret", "148,75"] {
        assert!(danish.contains(told), "{told}: {danish}");
    }
    let path = home.file("statement.pdf", "");
    std::fs::remove_file(&path).unwrap();
    home.run(&["payers", "statement", "CU-0002", "--to", "2099-12-31", "--pdf", path.to_str().unwrap()])
        .exits(0);
    let statement = words(&path);
    for told in [
        "Kontoudtog",
        "Faktura INV-0000002 248,75 248,75",
        "-100,00 148,75",
        "Ultimosaldo",
        "148,75",
        "DK50 0040 0440 1162 43",
    ] {
        assert!(statement.contains(told), "{told}: {statement}");
    }
    counterpart("qpdf", &["--check", path.to_str().unwrap()]);
}
