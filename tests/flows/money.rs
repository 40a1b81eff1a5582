//! The second half of a run: documents, mails, payments with declines and retries, credit notes and refunds, and the
//! ledger with the money in it.

use crate::support::{Answer, Home, book, counterpart};
use serde_json::{Value, json};
use std::path::PathBuf;

/// What each of the eight customers pays with; the last has no method.
const TOKENS: [&str; 8] = [
    "tok_ok",
    "tok_ok_fee",
    "tok_soft_decline",
    "tok_hard_decline",
    "tok_expired",
    "tok_ok_after_2",
    "tok_timeout_once",
    "",
];
/// Upodi's payment statuses.
const NOT_PAID: u64 = 0;
const PAID: u64 = 20;
const DECLINED: u64 = 80;
const PENDING_RETRY: u64 = 90;
const FAILED: u64 = 1024;

/// A home whose customers pay with [`TOKENS`]; each is billed 199.00 + 25 % = 248.75 on 2026-01-01.
fn home() -> Home {
    let home = Home::new();
    home.load(&tokens(book(TOKENS.len())));
    home
}

fn tokens(mut book: Value) -> Value {
    for (customer, token) in book["customers"].as_array_mut().unwrap().iter_mut().zip(TOKENS) {
        if token.is_empty() {
            customer["paymentmethods"] = json!([]);
        } else {
            customer["paymentmethods"][0]["token"] = json!(token);
        }
    }
    book
}

fn statuses(home: &Home) -> Vec<u64> {
    let mut invoices = home.json(&["invoices"]).as_array().unwrap().clone();
    invoices.sort_by_key(|i| i["AccountNumber"].as_str().unwrap().to_owned());
    invoices.iter().map(|i| i["PaymentStatus"].as_u64().unwrap()).collect()
}

fn files(home: &Home, folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(home.path().join(folder))
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == extension))
        .collect();
    files.sort();
    files
}

/// Lines of the sandbox's own books.
fn provider(home: &Home) -> Vec<Value> {
    let text = std::fs::read_to_string(home.path().join("sandbox-payments.ndjson")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn charges_paid(home: &Home) -> usize {
    provider(home).iter().filter(|r| r["kind"] == "charge" && r["outcome"].get("paid").is_some()).count()
}

fn number_of(home: &Home, account: &str) -> String {
    let invoices = home.json(&["invoices", "--customer", account]);
    invoices[0]["InvoiceNumber"].as_str().unwrap().to_owned()
}

#[track_caller]
fn assert_ledger_is_sound(home: &Home) {
    let verified = home.json(&["verify"]);
    assert_eq!(verified["ok"], true, "{verified:#}");
    let journal = home.path().join("out.journal");
    let path = journal.to_str().unwrap();
    home.json(&["export", "ledger", "--format", "hledger", "--out", path]);
    counterpart("hledger", &["-f", path, "check", "-s", "ordereddates"]);
}

/// Balance of an account in the ledger, for example `497.50 DKK`; `0` if there is none.
fn balance(home: &Home, account: &str) -> String {
    let journal = home.path().join("out.journal");
    let text = counterpart("hledger", &["-f", journal.to_str().unwrap(), "balance", "-N", "--flat", account]);
    text.split("  ").map(str::trim).find(|cell| !cell.is_empty()).unwrap_or("0").to_owned()
}

fn retry(home: &Home, day: &str) -> Value {
    home.run(&["--json", "payments", "retry", "--as-of", day]).exits(0).json()
}

#[test]
fn a_run_leaves_documents_mails_and_payments() {
    let home = home();
    let run = home.json(&["run", "--as-of", "2026-01-01"]);
    assert_eq!((run["invoiced"].as_u64(), run["failed"].as_u64()), (Some(8), Some(0)), "{run:#}");

    let documents = files(&home, "documents/2026", "pdf");
    assert_eq!(documents.len(), 8);
    let text = counterpart("pdftotext", &["-layout", documents[0].to_str().unwrap(), "-"]);
    assert!(text.contains("INV-0000001") && text.contains("Nordlys Cloud ApS"), "{text}");
    let mails = files(&home, "mail", "eml");
    assert_eq!(mails.len(), 8 + 4, "every invoice, and what four declines say");
    let mail = std::fs::read_to_string(&mails[0]).unwrap();
    assert!(mail.contains("Message-ID: <") && mail.contains("application/pdf"), "{mail}");

    let expected =
        [PAID, PAID, PENDING_RETRY, DECLINED, DECLINED, PENDING_RETRY, PAID, NOT_PAID].map(|status| status);
    assert_eq!(statuses(&home), expected);
    assert_eq!(charges_paid(&home), 3, "an answer that was lost is not a second charge");
    let lost = home.json(&["invoices", "show", &number_of(&home, "CU-0007")]);
    assert_eq!(lost["Transactions"].as_array().unwrap().len(), 1);

    assert_ledger_is_sound(&home);
    // Three payments of 248.75, less a fee of 1.4 %: 3.48.
    assert_eq!(balance(&home, "assets:clearing"), "742.77 DKK");
    assert_eq!(balance(&home, "expenses:payment-fees"), "3.48 DKK");
}

#[test]
fn a_second_run_sends_and_charges_nothing_more() {
    let home = home();
    home.json(&["run", "--as-of", "2026-01-01"]);
    let (mails, money, marks) = (files(&home, "mail", "eml"), provider(&home), statuses(&home));
    let written = |home: &Home| -> Vec<_> {
        let files = files(home, "documents/2026", "pdf");
        files.iter().map(|f| std::fs::metadata(f).unwrap().modified().unwrap()).collect()
    };
    let before = written(&home);
    home.json(&["run", "--as-of", "2026-01-01"]);
    assert_eq!(files(&home, "mail", "eml"), mails);
    assert_eq!(provider(&home), money);
    assert_eq!(statuses(&home), marks);
    assert_eq!(written(&home), before);
}

#[test]
fn declined_payments_are_retried_on_the_days_of_the_ladder() {
    let home = home();
    home.json(&["run", "--as-of", "2026-01-01"]);
    let soft = number_of(&home, "CU-0003");
    // 14 days net: the ladder counts from 15 January.
    let shown = home.json(&["invoices", "show", &soft]);
    assert_eq!((&shown["NextRetry"], &shown["DunningStep"]), (&json!("2026-01-15"), &json!(0)));
    assert_eq!(retry(&home, "2026-01-14")["tried"], json!([]));

    let first = retry(&home, "2026-01-15");
    assert_eq!((first["declined"].as_u64(), first["notcalled"].as_u64()), (Some(2), Some(2)), "{first:#}");
    assert_eq!(retry(&home, "2026-01-15")["tried"], json!([]), "one step a day");
    // The card that pays after two declines pays at its third attempt.
    let second = retry(&home, "2026-01-16");
    assert_eq!((second["paid"].as_u64(), second["declined"].as_u64()), (Some(1), Some(1)), "{second:#}");
    for day in ["2026-01-18", "2026-01-20", "2026-01-23", "2026-01-28"] {
        assert_eq!(retry(&home, day)["declined"], 1, "{day}");
    }
    assert_eq!(retry(&home, "2026-02-28")["tried"], json!([]), "the ladder is climbed");
    let expected = [PAID, PAID, FAILED, DECLINED, DECLINED, PAID, PAID, NOT_PAID];
    assert_eq!(statuses(&home), expected);
    let hard = home.json(&["invoices", "show", &number_of(&home, "CU-0004")]);
    assert_eq!(hard["Transactions"].as_array().unwrap().len(), 1, "a hard decline is never retried");
    assert_ledger_is_sound(&home);
}

#[test]
fn a_new_card_is_charged_at_the_next_step_or_on_request() {
    let home = home();
    home.json(&["run", "--as-of", "2026-01-01"]);
    let mut changed = tokens(book(TOKENS.len()));
    changed["customers"][3]["paymentmethods"][0]["token"] = json!("tok_ok");
    changed["customers"][4]["paymentmethods"][0]["token"] = json!("tok_ok");
    home.load(&changed);
    let asked = home.json(&["invoices", "recharge", &number_of(&home, "CU-0005"), "--as-of", "2026-01-05"]);
    assert_eq!(asked["outcome"], "paid", "{asked:#}");
    retry(&home, "2026-01-15");
    assert_eq!((statuses(&home)[3], statuses(&home)[4]), (PAID, PAID));
}

#[test]
fn a_credit_note_settles_its_invoice_and_what_was_paid_goes_back() {
    let home = home();
    home.json(&["run", "--as-of", "2026-01-01"]);
    let (open, paid) = (number_of(&home, "CU-0008"), number_of(&home, "CU-0001"));

    let note = home.json(&["invoices", "credit", &open, "--as-of", "2026-01-10"]);
    assert_eq!((&note["TotalAmount"], &note["SettlementStatus"]), (&json!("-248.75"), &json!(4)), "{note:#}");
    assert_eq!(home.json(&["invoices", "show", &open])["OpenAmount"], "0.00");
    let refused = home.run(&["--json", "invoices", "credit", &open, "--as-of", "2026-01-10"]).exits(1);
    assert_eq!(refused.error()["code"], "nothing_left");

    let note = home.json(&["invoices", "credit", &paid, "--as-of", "2026-01-10"]);
    let number = note["InvoiceNumber"].as_str().unwrap();
    assert_eq!(note["SettlementStatus"], 0, "nothing was open: it waits to be paid back");
    let back = home.json(&["invoices", "refund", number, "--on", "2026-01-11"]);
    assert_eq!((&back["SettlementStatus"], &back["PaymentStatus"]), (&json!(4), &json!(PAID)));
    assert_eq!(provider(&home).iter().filter(|r| r["kind"] == "refund").count(), 1);
    home.run(&["invoices", "refund", number]).exits(1);
    assert_eq!(files(&home, "documents/2026", "pdf").len(), 10);

    assert_ledger_is_sound(&home);
    assert_eq!(balance(&home, "assets:refunds"), "-248.75 DKK");
}

#[test]
fn a_credit_is_set_against_the_next_invoice_before_it_is_collected() {
    let home = home();
    home.json(&["run", "--as-of", "2026-01-01"]);
    home.json(&["invoices", "credit", &number_of(&home, "CU-0001"), "--as-of", "2026-01-10"]);
    home.json(&["run", "--as-of", "2026-02-01"]);
    let before = charges_paid(&home);
    let invoices = home.json(&["invoices", "--customer", "CU-0001"]);
    assert!(invoices.as_array().unwrap().iter().all(|i| i["SettlementStatus"] == 4), "{invoices:#}");
    // January: three; February: the fee and the time-out once more, but not the one who had a credit.
    assert_eq!(before, 5);
    assert_ledger_is_sound(&home);
}

#[test]
fn a_payment_made_outside_ends_dunning_and_is_made_once() {
    let home = home();
    home.json(&["run", "--as-of", "2026-01-01"]);
    let number = number_of(&home, "CU-0003");
    let refused = home.run(&["--json", "invoices", "markpaid", &number, "--amount", "248.755"]).exits(1);
    assert_eq!(refused.error()["code"], "amount");
    let part = home.json(&["invoices", "markpaid", &number, "--amount", "100", "--on", "2026-01-05"]);
    assert_eq!((&part["PaymentStatus"], &part["SettlementStatus"]), (&json!(PENDING_RETRY), &json!(2)));
    let whole = home.json(&["invoices", "markpaid", &number, "--on", "2026-01-06"]);
    assert_eq!((&whole["PaymentStatus"], &whole["PaymentDate"]), (&json!(PAID), &json!("2026-01-06")));
    let again = home.run(&["--json", "invoices", "markpaid", &number]).exits(1);
    assert_eq!(again.error()["code"], "nothing_open");
    assert_eq!(retry(&home, "2026-01-15")["tried"].as_array().unwrap().len(), 3);
    assert_ledger_is_sound(&home);
}

#[test]
fn drafts_for_review_are_booked_or_dropped() {
    let home = Home::new();
    let mut review = book(2);
    for customer in review["customers"].as_array_mut().unwrap() {
        customer["autobill"] = json!(false);
    }
    home.load(&review);
    home.json(&["run", "--as-of", "2026-01-01"]);
    let drafts = home.json(&["invoices", "--state", "draft"]);
    let id = |n: usize| drafts[n]["ID"].as_str().unwrap().to_owned();
    assert_eq!(drafts.as_array().unwrap().len(), 2);

    let booked = home.json(&["invoices", "book", &id(0), "--as-of", "2026-01-03"]);
    assert_eq!(
        (&booked["InvoiceNumber"], &booked["PaymentStatus"]),
        (&json!("INV-0000001"), &json!(PAID)),
        "charged at booking, whoever books"
    );
    assert_eq!(charges_paid(&home), 1);
    assert_eq!(files(&home, "mail", "eml").len(), 1);
    home.run(&["invoices", "cancel", "INV-0000001"]).exits(1);
    home.json(&["invoices", "cancel", &id(1), "--release"]);
    assert_eq!(home.json(&["invoices", "--state", "draft"]), json!([]));
    home.json(&["run", "--as-of", "2026-01-03"]);
    assert_eq!(home.json(&["invoices", "--state", "draft"]).as_array().unwrap().len(), 1, "due again");
    let draft_pdf = home.path().join("draft.pdf");
    let id = home.json(&["invoices", "--state", "draft"])[0]["ID"].as_str().unwrap().to_owned();
    home.json(&["invoices", "pdf", &id, "--out", draft_pdf.to_str().unwrap()]);
    counterpart("qpdf", &["--check", draft_pdf.to_str().unwrap()]);
}

#[test]
fn what_cannot_be_rendered_or_charged_is_set_aside_and_a_rerun_makes_it_up() {
    let home = Home::new();
    let mut wrong = book(3);
    wrong["customers"][1]["paymentmethods"][0]["gateway"] = json!("stripe");
    wrong["customers"][2]["contacts"] = json!([]);
    home.load(&wrong);
    let run: Answer = home.run(&["--json", "run", "--as-of", "2026-01-01"]).exits(3);
    assert_eq!((run.json()["invoiced"].as_u64(), run.json()["failed"].as_u64()), (Some(3), Some(2)));
    let shown = home.run(&["--json", "runs", "show", "1"]).exits(3).json();
    let reasons = shown["aside"].to_string();
    assert!(reasons.contains("stripe") && reasons.contains("CU-0003 has no e-mail address"), "{shown:#}");
    assert_eq!(statuses(&home), [PAID, NOT_PAID, PAID], "the rest went on");

    home.load(&book(3));
    home.json(&["runs", "rerun", "1", "--failed"]);
    assert_eq!(statuses(&home), [PAID, PAID, PAID]);
    assert_eq!(files(&home, "mail", "eml").len(), 3);
    assert_eq!(charges_paid(&home), 3);
    assert_ledger_is_sound(&home);
}

#[test]
fn a_broken_template_stops_the_step_with_its_name_and_the_run_goes_on_once_it_is_mended() {
    let home = home();
    let templates = home.path().join("templates/email/invoice/en");
    std::fs::create_dir_all(&templates).unwrap();
    std::fs::write(templates.join("subject.txt.j2"), "{{ invoice.number").unwrap();
    let failed = home.run(&["run", "--as-of", "2026-01-01"]).exits(2);
    assert!(failed.stderr.contains("subject.txt.j2"), "{failed:?}");
    std::fs::remove_dir_all(home.path().join("templates")).unwrap();
    home.json(&["run", "--as-of", "2026-01-01"]);
    assert_eq!(files(&home, "documents/2026", "pdf").len(), 8);
    assert_eq!(files(&home, "mail", "eml").len(), 8 + 4, "every invoice, and what four declines say");
}

#[test]
fn an_invoice_of_zero_is_booked_paid_and_sent() {
    let home = Home::new();
    let mut free = book(1);
    free["productplans"][0]["charges"][0]["pricings"][0]["price"] = json!("0");
    home.load(&free);
    home.json(&["run", "--as-of", "2026-01-01"]);
    assert_eq!(statuses(&home), [PAID]);
    assert_eq!(provider(&home), Vec::<Value>::new());
    assert_eq!(files(&home, "mail", "eml").len(), 1);
}

#[test]
fn without_an_answer_for_long_an_invoice_is_overdue() {
    let home = home();
    home.json(&["run", "--as-of", "2026-01-01"]);
    let overdue =
        |day: &str| home.json(&["invoices", "--state", "overdue", "--as-of", day]).as_array().unwrap().len();
    assert_eq!((overdue("2026-01-15"), overdue("2026-01-16")), (0, 5));
}
