//! Two processes at one object at once, on both databases: both changes stand, or one is refused. The first process is
//! stopped right before it commits, so that the second one meets it in the middle of its transaction.

use crate::support::books::{Books, both};
use crate::support::{Answer, answer, book};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const QUIET: [&str; 2] = ["--skip", "render,send,collect"];

/// Two plans, PRO with an optional charge, and a code that may be applied once.
fn a_book() -> Value {
    let mut book = book(2);
    let base = json!({"sku": "PRO-BASE", "anchorcode": "base", "fullname": "Base fee", "chargetype": "recurring",
        "pricingmodel": "per_unit", "billingperiod": "monthly", "billingperiodalignment": "subscription_start",
        "defaultamount": "1", "taxable": true, "pricings": [{"currencycode": "DKK", "price": "199.00"}]});
    let mut extra = base.clone();
    extra["sku"] = json!("PRO-EXTRA");
    extra["anchorcode"] = json!("extra");
    extra["chargesetup"] = json!("optional");
    book["productplans"][0]["charges"] = json!([base, extra]);
    let mut big = book["productplans"][0].clone();
    big["sku"] = json!("BIG");
    for charge in big["charges"].as_array_mut().unwrap() {
        charge["sku"] = json!(charge["sku"].as_str().unwrap().replace("PRO", "BIG"));
    }
    book["productplans"].as_array_mut().unwrap().push(big);
    book["discounts"] = json!([{"refkey": "launch", "fullname": "Launch", "type": "percentage", "amount": "0.10",
        "codes": [{"codeprefix": "LAUNCH", "code": "A1", "redemption": 1}]}]);
    book
}

fn loaded(books: &Books) {
    let path = books.file("book.json", a_book().to_string());
    books.json(&["load", &path]);
}

/// A file that changes a part of the book.
fn changed(books: &Books, name: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut book = a_book();
    change(&mut book);
    books.file(name, book.to_string())
}

fn is_stopped(child: &mut Child) -> bool {
    assert!(child.try_wait().unwrap().is_none(), "it ended before it came to its commit");
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    stat.rsplit(") ").next().unwrap().starts_with('T')
}

fn wake(child: &Child) {
    assert!(Command::new("kill").args(["-CONT", &child.id().to_string()]).status().unwrap().success());
}

/// The second command begins while the first one stands before its commit.
fn meet(books: &Books, first: &[&str], second: &[&str]) -> (Answer, Answer) {
    let spawn = |args: &[&str], stop: Option<&str>| {
        let mut command = books.command(&[&["--json"], args].concat());
        if let Some(door) = stop {
            command.env("TALLYBOOK_FREEZE_AT", door);
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut one = spawn(first, Some("store.commit"));
    while !is_stopped(&mut one) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let two = spawn(second, None);
    std::thread::sleep(Duration::from_millis(400));
    wake(&one);
    (answer(one.wait_with_output().unwrap()), answer(two.wait_with_output().unwrap()))
}

#[track_caller]
fn both_stand((first, second): (Answer, Answer)) {
    first.exits(0);
    second.exits(0);
}

#[track_caller]
fn only_the_first((first, second): (Answer, Answer)) {
    first.exits(0);
    second.exits(1);
}

#[test]
fn an_act_that_comes_while_a_file_is_read_is_not_lost() {
    for books in both() {
        loaded(&books);
        let mut load = books.command(&["load", "/dev/stdin"]);
        let mut load =
            load.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(600));
        let act = [
            "subscriptions",
            "setamount",
            "SUB-0001",
            "--charge",
            "base",
            "--amount",
            "3",
            "--on",
            "2026-01-11",
        ];
        books.run(&act).exits(0);
        books
            .run(&["discounts", "apply", "LAUNCH-A1", "--customer", "CU-0001", "--on", "2026-01-05"])
            .exits(0);
        let mut changed = a_book();
        changed["subscriptions"][0]["subscriptionreference"] = json!("PO 1");
        changed["customers"][0]["city"] = json!("Odense");
        load.stdin.take().unwrap().write_all(changed.to_string().as_bytes()).unwrap();
        answer(load.wait_with_output().unwrap()).exits(0);
        let shown = books.json(&["subscriptions", "show", "SUB-0001"]).to_string();
        assert!(shown.contains("setamount") && shown.contains("PO 1"), "{shown}");
        let codes = books.json(&["discounts"]);
        assert_eq!(codes[0]["redeemed"], 1);
        let again = ["discounts", "apply", "LAUNCH-A1", "--customer", "CU-0002", "--on", "2026-01-05"];
        books.run(&again).exits(1);
    }
}

#[test]
fn one_subscription_and_one_customer_keep_what_two_processes_do_to_them() {
    for books in both() {
        loaded(&books);
        let reference = changed(&books, "reference.json", |b| {
            b["subscriptions"][0]["subscriptionreference"] = json!("PO 1")
        });
        let city = changed(&books, "city.json", |b| b["customers"][0]["city"] = json!("Odense"));
        let amount = |n: &'static str, on: &'static str| {
            ["subscriptions", "setamount", "SUB-0001", "--charge", "base", "--amount", n, "--on", on]
        };
        both_stand(meet(&books, &amount("2", "2026-01-10"), &["load", &reference]));
        both_stand(meet(&books, &["load", &city], &amount("3", "2026-01-11")));
        both_stand(meet(&books, &amount("4", "2026-01-12"), &amount("5", "2026-01-13")));
        let shown = books.json(&["subscriptions", "show", "SUB-0001"]);
        let acts = shown.to_string().matches("setamount").count();
        assert!(acts >= 4, "{shown:#}");

        let apply = |account: &'static str| {
            ["discounts", "apply", "LAUNCH-A1", "--customer", account, "--on", "2026-01-01"]
        };
        let street =
            changed(&books, "street.json", |b| b["customers"][0]["addressline1"] = json!("Algade 7"));
        only_the_first(meet(&books, &apply("CU-0001"), &apply("CU-0002")));
        both_stand(meet(
            &books,
            &["load", &street],
            &["discounts", "clear", "--customer", "CU-0001", "--on", "2026-03-01"],
        ));
        books.json(&["run", "--as-of", "2026-01-01", "--skip", "render,send,collect"]);
        let bill = books.json(&["invoices", "--customer", "CU-0001"]);
        assert!(bill.to_string().contains("179.10"), "199.00 less 10 %: {bill:#}");
        let number = bill[0]["InvoiceNumber"].as_str().unwrap();
        let xml = books.run(&["invoices", "xml", number]).exits(0).stdout;
        assert!(xml.contains("Algade 7"), "{xml}");
    }
}

#[test]
fn one_object_keeps_what_two_processes_patch_of_it() {
    for books in both() {
        loaded(&books);
        let patch = |field: &str, value: &str| -> Vec<String> {
            let set = json!({field: value}).to_string();
            ["book", "patch", "customer", "CU-0001", "--set", &set].map(str::to_owned).to_vec()
        };
        fn words(owned: &[String]) -> Vec<&str> {
            owned.iter().map(String::as_str).collect()
        }
        let (city, street) = (patch("city", "Odense"), patch("addressline1", "Algade 7"));
        both_stand(meet(&books, &words(&city), &words(&street)));
        let postal = changed(&books, "postal.json", |b| b["customers"][1]["postalcode"] = json!("5000"));
        let other = patch("companyname", "Kunde");
        both_stand(meet(&books, &words(&other), &["load", &postal]));
        let shown = books.json(&["book", "show", "customer", "CU-0001"])["document"].clone();
        let kept =
            ["city", "addressline1", "companyname"].map(|field| shown[field].as_str().unwrap().to_owned());
        assert_eq!(kept, ["Odense", "Algade 7", "Kunde"]);
        let reference =
            ["book", "patch", "subscription", "SUB-0001", "--set", r#"{"subscriptionreference": "PO 1"}"#];
        let amount = [
            "subscriptions",
            "setamount",
            "SUB-0001",
            "--charge",
            "base",
            "--amount",
            "3",
            "--on",
            "2026-01-11",
        ];
        both_stand(meet(&books, &reference, &amount));
        let shown = books.json(&["subscriptions", "show", "SUB-0001"]).to_string();
        assert!(shown.contains("setamount") && shown.contains("PO 1"), "{shown}");
        // A customer without a subscription gets one while it is set aside.
        let lone = json!({"customers": [{"accountnumber": "CU-9", "fullname": "Nine", "country": "DK"}]});
        let lone = books.file("lone.json", lone.to_string());
        books.json(&["load", &lone]);
        let first = json!({"subscriptions": [{"subscriptionnumber": "SUB-9", "customer": "CU-9", "productplan": "PRO", "startdate": "2026-01-01"}]});
        let first = books.file("first.json", first.to_string());
        only_the_first(meet(&books, &["book", "deactivate", "customer", "CU-9"], &["load", &first]));
    }
}

#[test]
fn one_plan_keeps_what_two_processes_do_to_it() {
    for books in both() {
        loaded(&books);
        let price = changed(&books, "price.json", |b| {
            b["productplans"][0]["charges"][0]["pricings"][0]["price"] = json!("250.00");
        });
        let other = json!({"productplans": [a_book()["productplans"][1]]});
        let mut other = other;
        other["productplans"][0]["fullname"] = json!("Big, for all");
        let other = books.file("other.json", other.to_string());
        both_stand(meet(&books, &["load", &price], &["load", &other]));

        let narrow = changed(&books, "narrow.json", |b| {
            b["productplans"][0]["charges"][0]["pricings"][0]["price"] = json!("250.00");
            b["productplans"][0]["charges"].as_array_mut().unwrap().truncate(1);
        });
        let add =
            ["subscriptions", "addoptionalcharge", "SUB-0001", "--charge", "PRO-EXTRA", "--on", "2026-01-10"];
        only_the_first(meet(&books, &add, &["load", &narrow]));
        books.json(&["run", "--as-of", "2026-01-01", "--skip", "render,send,collect"]);
        let bill = books.json(&["invoices", "--customer", "CU-0002"]);
        assert_eq!(bill[0]["Total"], "250.00", "{bill:#}");
    }
}

#[test]
fn one_draft_is_changed_dropped_or_booked_and_never_two_of_them_by_halves() {
    for books in both() {
        loaded(&books);
        books.json(&[&["run", "--as-of", "2026-01-01", "--review"], &QUIET[..]].concat());
        let drafts = books.json(&["invoices", "--state", "draft"]);
        let id = |n: usize| drafts[n]["ID"].as_str().unwrap().to_owned();
        let edit = books.file("edit.json", json!({"lines": [{"line": 1, "amount": "150.00"}]}).to_string());
        let book = |id: &str| ["invoices", "book", id, "--as-of", "2026-01-01"].map(str::to_owned);
        let first = id(0);
        let book_first = book(&first);
        let book_first: Vec<&str> = book_first.iter().map(String::as_str).collect();
        both_stand(meet(&books, &["invoices", "edit", &first, &edit], &book_first));
        let booked = books.json(&["invoices", "show", &first]);
        assert_eq!(booked["Total"], "150.00", "{booked:#}");

        let second = id(1);
        let book_second = book(&second);
        let book_second: Vec<&str> = book_second.iter().map(String::as_str).collect();
        only_the_first(meet(&books, &book_second, &["invoices", "edit", &second, &edit]));
        assert_eq!(books.json(&["verify"])["ok"], true);

        // The next month: one booked while it is dropped, one dropped while it is booked.
        books.json(&["runs", "approve", "1"]);
        books.json(&[&["run", "--as-of", "2026-02-01", "--review"], &QUIET[..]].concat());
        let drafts = books.json(&["invoices", "--state", "draft"]);
        let ids: Vec<&str> = (0..2).map(|n| drafts[n]["ID"].as_str().unwrap()).collect();
        let as_of = "2026-02-01";
        only_the_first(meet(
            &books,
            &["invoices", "book", ids[0], "--as-of", as_of],
            &["invoices", "cancel", ids[0]],
        ));
        only_the_first(meet(
            &books,
            &["invoices", "cancel", ids[1]],
            &["invoices", "book", ids[1], "--as-of", as_of],
        ));
        assert_eq!(books.json(&["invoices"]).as_array().unwrap().len(), 3);
        assert_eq!(books.json(&["verify"])["ok"], true);
    }
}

#[test]
fn one_run_is_approved_or_cancelled() {
    for (first, second) in [("approve", "cancel"), ("cancel", "approve")] {
        for books in both() {
            loaded(&books);
            books.json(&[&["run", "--as-of", "2026-01-01", "--review"], &QUIET[..]].concat());
            let (one, two) = meet(&books, &["runs", first, "1"], &["runs", second, "1"]);
            for answer in [&one, &two] {
                assert!([0, 1].contains(&answer.code), "{answer:?}");
            }
            let [approved, cancelled] =
                ["approve", "cancel"].map(|verb| if verb == first { one.code == 0 } else { two.code == 0 });
            assert!(approved || cancelled, "{one:?} {two:?}");
            // What is approved and has booked nothing yet may still be cancelled; what is cancelled stays so.
            let booked = books.json(&["invoices"]).as_array().unwrap().len();
            assert_eq!(booked, if cancelled { 0 } else { 2 }, "{first}: {one:?} {two:?}");
            let state = &books.json(&["runs"])[0]["state"];
            assert_eq!(state, if cancelled { "cancelled" } else { "closed" });
            assert_eq!(books.json(&["verify"])["ok"], true);
        }
    }
}
