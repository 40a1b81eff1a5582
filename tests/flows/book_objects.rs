//! Objects of the book one by one: what is put or patched is what a load of the same content makes, the export loads back
//! unchanged, and what cannot be done is refused with the way out and changes nothing.

use crate::support::books::{Books, both};
use crate::support::{Answer, Home, book};
use serde_json::{Value, json};
use std::path::Path;

/// Three customers, a second plan, and a code that may be applied often.
fn a_book() -> Value {
    let mut book = book(3);
    let mut big = book["productplans"][0].clone();
    big["sku"] = json!("BIG");
    book["productplans"].as_array_mut().unwrap().push(big);
    book["productfamilies"] = json!([{"refkey": "cloud", "fullname": "Cloud"}]);
    book["businessunits"] = json!([{"refkey": "dk", "fullname": "Denmark"}]);
    book["rates"] = json!([{"currencycode": "EUR", "date": "2026-01-30", "rate": 7.4690, "source": "ECB"}]);
    book["discounts"] = json!([{"refkey": "launch", "fullname": "Launch", "type": "percentage", "amount": "0.10",
        "codes": [{"codeprefix": "LAUNCH", "code": "A1"}, {"codeprefix": "LAUNCH", "code": "A2"}]}]);
    book
}

fn loaded(books: &Books) {
    let path = books.file("book.json", a_book().to_string());
    books.json(&["load", &path]);
}

fn export(books: &Books) -> String {
    books.run(&["book", "export"]).exits(0).stdout
}

/// How many objects a load has created or changed.
fn changes(report: &Value) -> u64 {
    let of =
        |part: &str| -> u64 { report[part].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum() };
    of("created") + of("updated")
}

/// All that the program says of the book and of what it would bill.
fn told(books: &Books) -> Vec<String> {
    let mut told = vec![export(books)];
    for args in
        [&["subscriptions"][..], &["payers"], &["discounts"], &["run", "--preview", "--as-of", "2026-02-01"]]
    {
        told.push(books.json(args).to_string());
    }
    for number in ["SUB-0001", "SUB-0002", "SUB-0003"] {
        told.push(books.json(&["subscriptions", "show", number]).to_string());
    }
    told
}

#[test]
fn what_is_put_or_patched_is_what_a_load_makes() {
    for (one, other) in both().into_iter().zip(both()) {
        loaded(&one);
        loaded(&other);
        let mut changed = a_book();
        changed["customers"][0]["city"] = json!("Odense");
        changed["customers"][0]["contacts"] = json!([]);
        changed["customers"][0]["primaryemail"] = json!("new@kunde1.example");
        changed["subscriptions"][1]["subscriptionreference"] = json!("PO 7");
        changed["productplans"][0]["charges"][0]["pricings"][0]["price"] = json!("250.00");
        changed["taxrules"][0]["taxpct"] = json!("24");
        changed["uoms"][0]["fullname"] = json!("API call");
        changed["tenant"]["invoicenote"] = json!("Thanks\nagain");
        changed["rates"]
            .as_array_mut()
            .unwrap()
            .push(json!({"currencycode": "SEK", "date": "2026-01-30", "rate": "0.65"}));
        let path = one.file("changed.json", changed.to_string());
        one.json(&["load", &path]);

        let patch = |kind: &str, key: &str, patch: Value| {
            let done = other.json(&["book", "patch", kind, key, "--set", &patch.to_string()]);
            assert_eq!(done["outcome"], "updated", "{done}");
        };
        patch(
            "customer",
            "CU-0001",
            json!({"City": "Odense", "contacts": [], "email": "new@kunde1.example"}),
        );
        patch("subscriptions", "SUB-0002", json!({"subscriptionreference": "PO 7"}));
        patch("uom", "call", json!({"fullname": "API call"}));
        patch("tenant", "tenant", json!({"invoicenote": "Thanks\nagain"}));
        patch("taxrule", "DK VAT|DK|*|*|", json!({"taxpct": "24"}));
        let plan = other.file("plan.json", changed["productplans"][0].to_string());
        other.json(&["book", "put", "productplan", "PRO", "--file", &plan]);
        let rate = other.file("rate.json", changed["rates"][1].to_string());
        let put = other.json(&["book", "put", "rate", "SEK 2026-01-30", "--file", &rate]);
        assert_eq!(put["outcome"], "created");
        let mut theirs = told(&other);
        let ours = told(&one);
        // A patch adds fields at the end of a document; a file has them where it likes.
        let sorted = |export: &str| -> Vec<Value> {
            export.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        assert_eq!(sorted(&theirs[0]), sorted(&ours[0]));
        theirs[0].clone_from(&ours[0]);
        assert_eq!(theirs, ours);
        // The file of before is still what was loaded last (rules S6); the one of now is what is kept.
        let before = other.file("book.json", a_book().to_string());
        assert_eq!(changes(&other.json(&["load", &before])), 0);
        assert_eq!(changes(&other.json(&["load", &other.file("changed.json", changed.to_string())])), 0);
        let again = other.json(&["book", "patch", "uom", "call", "--set", r#"{"fullname": "API call"}"#]);
        assert_eq!(again["outcome"], "unchanged");
        let records = other.json(&["audit", "--object", "customer CU-0001"]);
        assert_eq!(
            (&records[0]["action"], records.as_array().unwrap().len()),
            (&json!("book.patch"), 1),
            "{records}"
        );
        let shown = other.json(&["book", "show", "customer", "CU-0001"]);
        assert_eq!(shown["document"]["paymentmethods"][0]["token"], "(hidden)", "{shown}");
        assert_eq!((&shown["status"], shown["modified"].is_null()), (&json!("active"), false), "{shown}");
    }
}

/// Every book that the tests have as a file.
fn fixtures() -> Vec<(String, Value)> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut books = vec![("a_book".to_owned(), a_book())];
    let sample = std::fs::read_to_string(here.join("src/domain/book_file/tests/sample.json")).unwrap();
    books.push(("sample".to_owned(), serde_json::from_str(&sample).unwrap()));
    let mut scenarios: Vec<_> =
        std::fs::read_dir(here.join("tests/golden/scenarios")).unwrap().map(|f| f.unwrap().path()).collect();
    scenarios.sort();
    for path in scenarios {
        let text = std::fs::read_to_string(&path).unwrap();
        let scenario: Value = serde_json::from_str(&text).unwrap();
        books.push((path.display().to_string(), scenario["book"].clone()));
    }
    books
}

#[test]
fn the_export_of_every_book_loads_back_unchanged() {
    for (name, book) in fixtures() {
        let home = Home::new();
        home.load(&book);
        let first = home.run(&["book", "export"]).exits(0).stdout;
        let path = home.file("export.ndjson", &first);
        let report = home.json(&["load", path.to_str().unwrap()]);
        assert_eq!(changes(&report), 0, "{name}: {report}");
        let fresh = Home::new();
        let path = fresh.file("export.ndjson", &first);
        fresh.json(&["load", path.to_str().unwrap()]);
        assert_eq!(fresh.run(&["book", "export"]).exits(0).stdout, first, "{name}");
    }
}

#[test]
fn the_export_loads_back_unchanged_after_verbs_and_discounts_and_a_patch_keeps_them() {
    for books in both() {
        loaded(&books);
        for act in [
            &["subscriptions", "hold", "SUB-0001", "--on", "2026-02-01"][..],
            &["subscriptions", "switchplan", "SUB-0002", "--plan", "BIG", "--on", "2026-02-01"],
            &["discounts", "apply", "LAUNCH-A1", "--customer", "CU-0001", "--on", "2026-01-01"],
            &["subscriptions", "applydiscount", "SUB-0003", "--code", "LAUNCH-A2", "--on", "2026-01-01"],
        ] {
            books.run(act).exits(0);
        }
        let path = books.file("export.ndjson", "");
        books.json(&["book", "export", "--out", &path]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), export(&books));
        let rights = std::fs::metadata(&path).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&rights) & 0o777, 0o600, "it holds tokens");
        assert_eq!(changes(&books.json(&["load", &path])), 0);
        books.json(&["book", "patch", "customer", "CU-0001", "--set", r#"{"city": "Odense"}"#]);
        books.json(&[
            "book",
            "patch",
            "subscription",
            "SUB-0002",
            "--set",
            r#"{"subscriptionreference": "PO 1"}"#,
        ]);
        let codes = books.json(&["discounts"]).to_string();
        assert_eq!(codes.matches(r#""redeemed":1"#).count(), 2, "{codes}");
        let shown = books.json(&["subscriptions", "show", "SUB-0002"]).to_string();
        assert!(shown.contains("switchplan") && shown.contains("PO 1"), "{shown}");

        // Of two discounts on one customer, the one that was put stands as long as the file says of it what it said.
        books.json(&[
            "book",
            "patch",
            "customer",
            "CU-0002",
            "--set",
            r#"{"discount": {"code": "LAUNCH-A1", "from": "2026-01-01"}}"#,
        ]);
        books
            .run(&["discounts", "apply", "LAUNCH-A2", "--customer", "CU-0002", "--on", "2026-02-01"])
            .exits(0);
        books.json(&["book", "patch", "customer", "CU-0002", "--set", r#"{"city": "Odense"}"#]);
        books.run(&["discounts", "clear", "--customer", "CU-0002", "--on", "2026-03-01"]).exits(0);
        let path = books.file("export.ndjson", export(&books));
        assert_eq!(changes(&books.json(&["load", &path])), 0);
    }
}

#[track_caller]
fn refused(books: &Books, args: &[&str], code: &str, told: &str) {
    let before = (export(books), books.json(&["audit"]));
    let answer: Answer = books.run(&[&["--json"], args].concat()).exits(1);
    let error = answer.error();
    assert_eq!(error["code"], code, "{args:?}: {error}");
    let all = error.to_string();
    assert!(all.contains(told), "{args:?}: {told}: {all}");
    assert!(error["hint"].is_string(), "{args:?}: {all}");
    assert_eq!((export(books), books.json(&["audit"])), before, "{args:?} changed something");
}

#[test]
fn what_cannot_be_done_is_refused_with_the_way_out_and_changes_nothing() {
    for books in both() {
        loaded(&books);
        let empty = books.file("empty.json", "");
        for (args, code, told) in [
            (&["book", "show", "custommer", "CU-0001"][..], "unknown_kind", "did you mean `customer`?"),
            (&["book", "show", "customer", "CU-001"], "unknown_object", "did you mean `CU-0001`?"),
            (&["book", "delete", "uom", "hour"], "unknown_object", "book list uom"),
            (
                &["book", "patch", "customer", "CU-0001", "--set", r#"{"street": "X"}"#],
                "book",
                "`addressline1` here",
            ),
            (
                &["book", "patch", "customer", "CU-0001", "--set", r#"{"country": "Denmark"}"#],
                "book",
                "ISO 3166",
            ),
            (
                &["book", "patch", "customer", "CU-0001", "--set", r#"{"fullname": null}"#],
                "book",
                "is missing",
            ),
            (&["book", "patch", "customer", "CU-0001", "--set", "[]"], "book", "null takes a field away"),
            (&["book", "patch", "customer", "CU-0001", "--set", "{"], "book", "ends too early"),
            (&["book", "put", "customer", "CU-0001", "--file", &empty], "book", "ends too early"),
            (
                &["book", "patch", "customer", "CU-0001", "--set", r#"{"accountnumber": "CU-9"}"#],
                "name_changes",
                "CU-9",
            ),
            (
                &["book", "patch", "subscription", "SUB-0001", "--set", r#"{"productplan": "BIG"}"#],
                "book",
                "switchplan",
            ),
            (
                &["book", "patch", "productplan", "PRO", "--set", r#"{"charges": []}"#],
                "book",
                "SUB-0001 has it",
            ),
            (&["book", "deactivate", "customer", "CU-0001"], "book", "the subscription SUB-0001 goes on"),
            (
                &["book", "deactivate", "subscription", "SUB-0001"],
                "conflict",
                "subscriptions cancel SUB-0001",
            ),
            (&["book", "deactivate", "taxrule", "DK VAT|DK|*|*|"], "conflict", "validto"),
            (&["book", "deactivate", "tenant"], "conflict", "change it instead"),
            (&["book", "delete", "tenant"], "in_use", "new home"),
            (&["book", "delete", "customer", "CU-0001"], "in_use", "book deactivate customer CU-0001"),
            (&["book", "delete", "subscription", "SUB-0001"], "in_use", "subscriptions cancel SUB-0001"),
            (&["book", "delete", "productplan", "PRO"], "in_use", "book deactivate productplan PRO"),
            (&["book", "delete", "uom", "call"], "in_use", "the plan"),
        ] {
            refused(&books, args, code, told);
        }
        books.json(&["run", "--as-of", "2026-01-01", "--review", "--skip", "render,send,collect"]);
        for args in [
            &["book", "patch", "taxrule", "DK VAT|DK|*|*|", "--set", r#"{"taxpct": "24"}"#][..],
            &["book", "delete", "taxrule", "DK VAT|DK|*|*|"],
            &["book", "patch", "tenant", "--set", r#"{"paymentterm": 30}"#],
            &["book", "deactivate", "productplan", "PRO"],
        ] {
            refused(&books, args, "run_stands", "runs approve 1");
        }
        // What moves no price goes in, and sets nobody's draft aside.
        books.json(&["book", "patch", "uom", "call", "--set", r#"{"fullname": "API call"}"#]);
        books.json(&["book", "deactivate", "productfamily", "cloud"]);
        let approved = books.json(&["runs", "approve", "1"]);
        assert_eq!((&approved["invoiced"], &approved["failed"]), (&json!(3), &json!(0)), "{approved}");
    }
}

#[test]
fn what_is_inactive_goes_on_and_is_used_by_nothing_new_and_what_is_deleted_keeps_its_name() {
    for books in both() {
        loaded(&books);
        let extra = json!({"uoms": [{"refkey": "hour"}], "productplans": [a_book()["productplans"][1]],
            "customers": [{"accountnumber": "CU-9", "fullname": "Nine", "country": "DK"}],
            "subscriptions": [{"subscriptionnumber": "SUB-9", "customer": "CU-9", "productplan": "BIG", "startdate": "2026-01-01"}]});
        let path = books.file("extra.json", extra.to_string());
        books.json(&["load", &path]);
        for (kind, key) in
            [("productplan", "PRO"), ("discount", "launch"), ("uom", "hour"), ("businessunit", "dk")]
        {
            assert_eq!(books.json(&["book", "deactivate", kind, key])["outcome"], "updated", "{kind}");
            assert_eq!(books.json(&["book", "deactivate", kind, key])["outcome"], "unchanged", "{kind}");
        }
        let new = json!({"customers": [{"accountnumber": "CU-8", "fullname": "Eight", "country": "DK", "businessunit": "dk",
                                        "discount": {"code": "LAUNCH-A1", "from": "2026-01-01"}}],
            "subscriptions": [{"subscriptionnumber": "SUB-8", "customer": "CU-8", "productplan": "PRO", "startdate": "2026-01-01", "status": "active"}]});
        let path = books.file("new.json", new.to_string());
        let faults = books.run(&["--json", "load", &path]).exits(1).error()["faults"].clone();
        let places: Vec<&str> =
            faults.as_array().unwrap().iter().map(|f| f["pointer"].as_str().unwrap()).collect();
        assert_eq!(
            places,
            ["/customers/0/businessunit", "/customers/0/discount/code", "/subscriptions/0/productplan"],
            "{faults}"
        );
        books
            .run(&["discounts", "apply", "LAUNCH-A1", "--customer", "CU-0001", "--on", "2026-01-01"])
            .exits(1);
        books.json(&["run", "--as-of", "2026-01-01", "--skip", "render,send,collect"]);
        assert_eq!(books.json(&["invoices"]).as_array().unwrap().len(), 3, "who has the plan is billed");
        books.json(&["book", "activate", "productplan", "PRO"]);

        books.json(&["book", "delete", "subscription", "SUB-9"]);
        books.run(&["subscriptions", "activate", "SUB-9"]).exits(1);
        books.json(&["book", "delete", "uom", "hour"]);
        let listed = books.json(&["book", "list", "uom"]);
        assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
        assert_eq!(books.json(&["book", "list", "uom", "--status", "deleted"])[0]["key"], "hour");
        assert!(!export(&books).contains("SUB-9"));
        // The file that once brought them brings them no more, and no other file either.
        let path = books.file("extra.json", extra.to_string());
        assert_eq!(changes(&books.json(&["load", &path])), 0);
        let again = json!({"uoms": [{"refkey": "hour", "fullname": "an hour"}]});
        let again = books.file("again.json", again.to_string());
        let refused = books.run(&["--json", "load", &again]).exits(1).error().to_string();
        assert!(refused.contains("its name stays taken"), "{refused}");
        assert_eq!(books.json(&["verify"])["ok"], true);
    }
}

#[test]
fn the_reference_page_is_what_the_program_reads() {
    let home = Home::new();
    let page = home.run(&["book", "reference"]).exits(0).stdout;
    let kept = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/book-reference.md"));
    assert!(
        page == kept.unwrap_or_default(),
        "`tallybook book reference > docs/book-reference.md` brings it up to date"
    );
    let schema: Value = serde_json::from_str(&home.run(&["book", "schema"]).exits(0).stdout).unwrap();
    assert_eq!(schema["$defs"]["customer"]["required"], json!(["accountnumber", "fullname"]));
}

#[test]
fn the_sample_of_init_runs_to_an_invoice() {
    let home = Home::new();
    let made = home.json(&["init", "--sample"]);
    let files: Vec<&str> =
        made["sample"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    let loaded = home.json(&["load", files[0]]);
    assert_eq!(loaded["warnings"], json!([]), "{loaded}");
    home.json(&["ingest", files[1]]);
    home.run(&["run", "--as-of", "2026-02-01"]).exits(0);
    let invoices = home.json(&["invoices", "--customer", "CU-0001"]);
    let mut totals: Vec<&str> =
        invoices.as_array().unwrap().iter().map(|i| i["Total"].as_str().unwrap()).collect();
    totals.sort_unstable();
    assert_eq!(totals, ["199.00", "214.00"], "a fee; then a fee and 300 calls of 0.05: {invoices}");
    std::fs::write(files[1], "mine").unwrap();
    home.json(&["init", "--sample"]);
    assert_eq!(std::fs::read_to_string(files[1]).unwrap(), "mine");
}
