//! Bad input gets a clear message and the right exit code, and leaves everything as it was.

use crate::support::{Home, answer, book, january};
use serde_json::json;

#[test]
fn a_missing_file_is_the_users_fault_and_has_a_hint() {
    let home = Home::new();
    for command in ["load", "ingest"] {
        let error = home.run(&["--json", command, "no-such-file"]).exits(1).error();
        assert!(error["message"].as_str().unwrap().contains("no-such-file"), "{error}");
        assert!(error["hint"].is_string(), "{error}");
    }
}

#[test]
fn every_fault_of_a_book_is_reported_at_once_with_its_pointer() {
    let home = Home::new();
    let mut bad = book(2);
    bad["customers"][1]["currencycode"] = json!("DKR");
    bad["subscriptions"][0]["productplan"] = json!("PRU");
    bad["productplans"][0]["charges"][0]["pricings"][0]["price"] = json!("-1");
    bad["customers"][0]["ful_name"] = json!("x");
    let path = home.file("bad.json", bad.to_string());
    let error = home.run(&["--json", "load", path.to_str().unwrap()]).exits(1).error();
    let pointers: Vec<&str> =
        error["faults"].as_array().unwrap().iter().map(|f| f["pointer"].as_str().unwrap()).collect();
    for wanted in [
        "/customers/1/currencycode",
        "/subscriptions/0/productplan",
        "/productplans/0/charges/0/pricings/0/price",
        "/customers/0/ful_name",
    ] {
        assert!(pointers.iter().any(|p| p.ends_with(wanted)), "{wanted} is not among {pointers:?}");
    }
    let good = home.file("good.json", book(2).to_string());
    let created = home.json(&["load", good.to_str().unwrap()]);
    assert_eq!(created["created"]["customers"], 2, "nothing of the bad file was kept");
}

#[test]
fn a_book_that_cannot_be_billed_is_refused_at_load() {
    let pricing = "/productplans/0/charges/1/pricings";
    let cases = [
        ("tiers with a gap", format!("{pricing}/0/tierto"), json!("-5")),
        ("40 digits", format!("{pricing}/1/price"), json!("1234567890123456789012345678901234567890")),
        ("a date that does not exist", "/subscriptions/0/startdate".to_owned(), json!("2026-02-30")),
        ("a charge without a price in either currency", format!("{pricing}/1/currencycode"), json!("EUR")),
        ("the same account number twice", "/customers/1/accountnumber".to_owned(), json!("CU-0001")),
    ];
    for (what, pointer, value) in cases {
        let home = Home::new();
        let mut bad = book(2);
        *bad.pointer_mut(&pointer).unwrap() = value;
        let path = home.file("bad.json", bad.to_string());
        let error = home.run(&["--json", "load", path.to_str().unwrap()]).exits(1).error();
        assert!(!error["faults"].as_array().unwrap().is_empty(), "{what}: {error}");
    }
}

#[test]
fn an_unreadable_usage_file_is_refused_whole_and_a_bad_line_alone() {
    let home = Home::new();
    home.load(&book(1));
    for (what, name, bytes) in [
        ("a wrong header", "header.csv", b"id,subject,quantity\n1,SUB-0001,5\n".to_vec()),
        ("not UTF-8", "latin1.csv", b"id,subj\xe6ct,meter,quantity,time\n".to_vec()),
        ("a truncated gzip", "cut.csv.gz", gzip(january(1).as_bytes())[..40].to_vec()),
    ] {
        let path = home.file(name, bytes);
        let error = home.run(&["--json", "ingest", path.to_str().unwrap()]).exits(1).error();
        assert!(error["message"].as_str().unwrap().contains(name), "{what}: {error}");
    }
    let text = "id,subject,meter,quantity,time\n\
                1,SUB-0001,api_calls,1234567890123456789012345678901234567890,2026-01-05T10:00:00Z\n\
                2,SUB-0001,api_calls,5,2026-01-05T10:00:00Z\n\
                3,SUB-9999,api_calls,5,2026-01-05T10:00:00Z\n\
                4,SUB-0001,api_kalls,5,2026-01-05T10:00:00Z\n\
                5,SUB-0001,api_calls,5,1066-10-14T10:00:00Z\n\
                2,SUB-0001,api_calls,6,2026-01-05T10:00:00Z\n\
                2,SUB-0001,api_calls,5.0,2026-01-05T11:00:00+01:00\n";
    let answer = home.ingest("mixed.csv", text).exits(3).json();
    let file = &answer["files"][0];
    assert_eq!(
        [&file["read"], &file["accepted"], &file["duplicate"], &file["rejected"]]
            .map(|v| v.as_u64().unwrap()),
        [7, 1, 1, 5],
        "{file}"
    );
    let rejects = std::fs::read_to_string(home.path().join(file["rejectfile"].as_str().unwrap())).unwrap();
    for code in ["bad_quantity", "unknown_subject", "unknown_meter", "time_out_of_bounds", "conflict"] {
        assert!(rejects.contains(code), "{code} is not in {rejects}");
    }
}

#[test]
fn an_as_of_before_a_later_run_leaves_its_payers_out_by_name() {
    let home = Home::new();
    home.load(&book(1));
    home.json(&["run", "--as-of", "2026-02-01"]);
    let early = home.json(&["run", "--as-of", "2026-01-31"]);
    assert_eq!(early["leftout"], serde_json::json!(["CU-0001"]), "{early}");
    let shown = home.json(&["runs", "show", "2"]);
    assert!(shown["aside"][0]["reason"].as_str().unwrap().contains("2026-02-01"), "{shown}");
}

#[test]
fn a_database_of_a_newer_version_is_refused_with_a_way_out() {
    let home = Home::new();
    home.load(&book(1));
    let database = home.path().join("tallybook.db");
    crate::support::counterpart(
        "sqlite3",
        &[
            database.to_str().unwrap(),
            "insert into _sqlx_migrations (version, description, success, checksum, execution_time) values (9999, 'later', 1, x'00', 0)",
        ],
    );
    let error = home.run(&["--json", "run"]).exits(1).error();
    assert!(error["message"].as_str().unwrap().contains("newer"), "{error}");
}

#[test]
fn settings_are_checked_all_at_once() {
    let home = Home::new();
    let mut command = home.command(&["--json", "config"]);
    command.env("TALLYBOOK_THREADS", "many").env("TALLYBOOK_MAIL_TRANSPORT", "pigeon");
    let error = answer(command.output().unwrap()).exits(1).error();
    assert_eq!(error["faults"].as_array().unwrap().len(), 2, "{error}");
}

#[test]
fn a_job_that_the_timetable_does_not_have_is_named_beside_those_it_has() {
    let home = Home::new();
    home.run(&["init"]).exits(0);
    std::fs::write(home.path().join("tallybook.toml"), "[jobs]\nnightly_rum = \"0 3 * * *\"\n").unwrap();
    let mut command = home.command(&["--json", "config"]);
    command.env("TALLYBOOK_JOBS_EXPORT", "off");
    let error = answer(command.output().unwrap()).exits(1).error();
    let told: Vec<&str> =
        error["faults"].as_array().unwrap().iter().map(|f| f["message"].as_str().unwrap()).collect();
    assert_eq!(told.len(), 2, "{error}");
    assert!(told[0].contains("did you mean `jobs.nightly_run`?"), "{error}");
    assert!(told.iter().all(|m| m.contains("there are nightly_run, ingest_inbox, retry_mails")), "{error}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut child = std::process::Command::new("gzip")
        .arg("-c")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    child.wait_with_output().unwrap().stdout
}
