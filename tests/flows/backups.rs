//! Backups of a home at work, on both databases, and the way back.

use crate::support::postgres::{PgHome, fresh_database};
use crate::support::{Home, answer, book, january};
use serde_json::Value;
use std::process::Stdio;

/// What must be the same in a home that came back.
fn books(json: impl Fn(&[&str]) -> Value) -> (Value, Value, Value) {
    let ledger = json(&["export", "ledger", "--format", "csv"]);
    (json(&["invoices"]), ledger["content"].clone(), json(&["audit"]))
}

#[test]
fn a_home_at_work_is_backed_up_and_comes_back_on_sqlite() {
    let home = Home::new();
    home.load(&book(60));
    home.ingest("january.csv", &january(60)).exits(0);
    let mut run = home
        .command(&["--json", "run", "--as-of", "2026-02-01"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let beside = home.path().parent().unwrap().to_owned();
    let at = |name: &str| beside.join(name).display().to_string();
    for n in 0..3 {
        home.run(&["backup", &at(&format!("at-work-{n}"))]).exits(0);
    }
    run.wait().unwrap();
    home.run(&["backup", &at("whole")]).exits(0);
    let found = home.json(&["doctor"]);
    let findings = found["findings"].as_array().unwrap();
    let last = findings.iter().find(|finding| finding["what"] == "last good backup").unwrap();
    assert!(last["found"].as_str().unwrap().contains("whole"), "{last}");

    // Whatever the moment was, the run goes on from it and ends as the other one.
    let expected = books(|args| home.json(args));
    for backup in ["at-work-0", "at-work-2", "whole"] {
        let back = Home::new();
        // A restore that died has left half a home under another name: it is begun anew.
        let half = back.path().with_file_name("home.restoring");
        std::fs::create_dir_all(half.join("usage/segments")).unwrap();
        std::fs::write(half.join("tallybook.db"), "half").unwrap();
        std::fs::write(half.join("usage/segments/strange"), "").unwrap();
        back.run(&["restore", &at(backup), "--to", back.path().to_str().unwrap()]).exits(0);
        assert!(!half.exists() && !back.path().join("usage/segments/strange").exists());
        back.json(&["run", "--as-of", "2026-02-01"]);
        let (invoices, ledger, _) = books(|args| back.json(args));
        assert_eq!((&invoices, &ledger), (&expected.0, &expected.1), "{backup}");
        assert_eq!(back.json(&["verify"])["ok"], true, "{backup}");
    }
}

#[test]
fn a_home_without_any_usage_comes_back_too() {
    let home = Home::new();
    home.load(&book(1));
    let backup = home.path().with_file_name("backup").display().to_string();
    home.run(&["backup", &backup]).exits(0);
    let back = Home::new();
    home.run(&["restore", &backup, "--to", back.path().to_str().unwrap()]).exits(0);
    assert_eq!(back.json(&["run", "--as-of", "2026-02-01"])["invoiced"], 2);
}

#[test]
fn books_in_postgresql_are_backed_up_proved_and_brought_into_another_database() {
    let pg = PgHome::new();
    pg.fill(&book(5), &january(5));
    pg.json(&["run", "--as-of", "2026-02-01"]);
    let expected = books(|args| pg.json(args));
    let beside = pg.home.path().parent().unwrap().to_owned();
    let backup = beside.join("backup").display().to_string();
    // A proof that died has left its schema, with all the books in it.
    pg.sql("create schema tallybook_check_00ff create table invoice (number text)").unwrap();
    pg.run(&["backup", &backup]).exits(0);
    let schemas = pg.sql("select count(*) from pg_namespace where nspname like 'tallybook_check%'").unwrap();
    assert_eq!(schemas, "0", "the schema of the proof is gone");

    // Without a database the files are compared, and that is said.
    let checked = pg.home.run(&["--json", "restore", "--check", &backup]).exits(0).json();
    assert_eq!((&checked["ok"], &checked["opened"]), (&Value::Bool(true), &Value::Bool(false)));
    let back = PgHome { home: Home::new(), url: fresh_database() };
    let home = back.home.path().display().to_string();
    assert_eq!(pg.home.run(&["restore", &backup, "--to", &home]).code, 1, "it needs a database");
    pg.home.run(&["restore", &backup, "--to", &home, "--database", &pg.url]).exits(2);
    assert!(!back.home.path().exists(), "no home without its books");
    pg.home.run(&["restore", &backup, "--to", &home, "--database", &back.url]).exits(0);
    assert_eq!(books(|args| back.json(args)), expected);
    assert_eq!(back.json(&["verify"])["ok"], true);
    // What came back goes on: triggers are awake, counters stand where they stood.
    back.json(&["run", "--as-of", "2026-03-01"]);
    assert_eq!(back.json(&["verify"])["ok"], true);
    assert!(back.sql("delete from invoice").is_err(), "booked rows are append-only again");

    let changed = beside.join("backup/database/invoice.copy");
    let text = std::fs::read_to_string(&changed).unwrap();
    std::fs::write(&changed, text.replacen("INV-0000001", "INV-0000009", 1)).unwrap();
    let command = pg.command(&["restore", "--check", &backup]).output().unwrap();
    assert_eq!(answer(command).code, 2, "a changed table is told");
}
