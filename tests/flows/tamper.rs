//! Somebody, or a dying disk, changes what is written: `verify` tells of every such change, and what is damaged does
//! not bill.

use crate::support::postgres::PgHome;
use crate::support::{Home, book, counterpart, files_below, january};
use std::path::{Path, PathBuf};

/// A change behind the program, and the check that tells of it. Plain SQL of both databases.
const CHANGES: &[(&str, &str)] = &[
    ("delete from billed_line where line in (select id from invoice_line where number = 1)", "lines_billed"),
    ("delete from invoice_line where number = 2", "periods_invoiced"),
    ("update invoice set number = 'INV-9999999' where sequence = 1", "invoice_heads"),
    ("update invoice set number = 'INV-9999999' where sequence = 1", "invoice_numbers"),
    ("update invoice set account_number = 'CU-9999' where sequence = 1", "invoice_heads"),
    ("update invoice set invoice_date = '2026-01-02' where sequence = 1", "invoice_heads"),
    ("update invoice set net_minor = net_minor + 1 where sequence = 1", "invoice_receivable"),
    ("update invoice_line set subtotal_minor = subtotal_minor + 1 where number = 1", "lines_in_ledger"),
    ("update invoice_line set quantity = '2' where number = 1", "printed_lines"),
    ("update invoice_line set unit_price = '1' where number = 1", "printed_lines"),
    ("update invoice_line set rated_quantity = '7' where number = 1", "printed_lines"),
    ("delete from settlement_part where kind = 'payment'", "settlements"),
    ("delete from invoice_settlement where settled_minor <> 0", "invoices_settled"),
    ("update settlement_part set source = invoice where kind = 'payment'", "payments_asked"),
    (
        "update settlement_part set amount_minor = amount_minor - 1 where kind = 'payment'",
        "settled_in_ledger",
    ),
    ("update payment_attempt set state = 'technical'", "payments_asked"),
    ("delete from ledger_posting where line is not null", "entries_balance"),
    ("delete from journal", "journal chain"),
    ("delete from journal where ordinal = 2", "journal chain"),
    ("delete from journal where ordinal > 1", "journal chain"),
    ("update journal set actor = 'somebody' where ordinal = 2", "journal chain"),
    ("update journal set action = 'nothing' where ordinal = 2", "journal chain"),
    ("update journal set detail = '{}' where ordinal = 2", "journal chain"),
    ("update journal set hash = null, salt = null, content_hash = null where ordinal = 3", "journal chain"),
];

/// A home with two booked runs, a reject file and a payment.
fn booked() -> Home {
    let home = Home::new();
    home.load(&book(3));
    let usage = format!("{}x,SUB-9999,api_calls,1,2026-01-05T10:00:00Z\n", january(3));
    home.ingest("january.csv", &usage).exits(3);
    home.json(&["run", "--as-of", "2026-02-01"]);
    assert_eq!(home.json(&["verify"])["ok"], true);
    home
}

/// The same home in another place.
fn copy_of(home: &Home) -> Home {
    let copy = Home::new();
    counterpart("cp", &["-a", home.path().to_str().unwrap(), copy.path().to_str().unwrap()]);
    copy
}

fn sqlite(home: &Home, statement: &str) -> String {
    let database = home.path().join("tallybook.db");
    let unlocked = "select 'drop trigger ' || name || ';' from sqlite_master where type = 'trigger'";
    let drops = counterpart("sqlite3", &[database.to_str().unwrap(), unlocked]);
    counterpart("sqlite3", &[database.to_str().unwrap(), &format!("{drops} {statement};")])
}

/// Names of the checks that tell of a difference.
fn told(home: &Home) -> Vec<String> {
    let answer = home.run(&["--json", "verify"]).exits(2).json();
    let checks = answer["checks"].as_array().unwrap().clone();
    let differing = checks.iter().filter(|check| check["ok"] == false);
    differing.map(|check| check["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_change_behind_the_program_is_told_on_sqlite() {
    let home = booked();
    for (change, check) in CHANGES {
        let copy = copy_of(&home);
        sqlite(&copy, change);
        let told = told(&copy);
        assert!(told.iter().any(|name| name == check), "{change}: {told:?}");
    }
}

#[test]
fn every_change_behind_the_program_is_told_on_postgresql() {
    let pg = PgHome::new();
    pg.fill(&book(3), &january(3));
    pg.json(&["run", "--as-of", "2026-02-01"]);
    assert_eq!(pg.json(&["verify"])["ok"], true);
    for (change, check) in CHANGES {
        // Each in a database of its own, copied while nobody is connected.
        let name = pg.url.rsplit('/').next().unwrap();
        let other = format!("{name}_changed");
        pg.sql(&format!("drop database if exists {other}")).unwrap();
        let template = PgHome { home: Home::new(), url: pg.url.replace(name, "postgres") };
        template.sql(&format!("create database {other} template {name}")).unwrap();
        let changed = PgHome { home: Home::new(), url: pg.url.replace(name, &other) };
        counterpart("cp", &["-a", pg.home.path().to_str().unwrap(), changed.home.path().to_str().unwrap()]);
        changed.sql(&format!("set session_replication_role = replica; {change}")).unwrap();
        let answer = changed.run(&["--json", "verify"]).exits(2).json();
        let checks = answer["checks"].as_array().unwrap();
        let is_told = checks.iter().any(|found| found["ok"] == false && found["name"] == *check);
        assert!(is_told, "{change}: {answer}");
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = at.min(bytes.len() - 1);
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

fn only(home: &Home, folder: &str, ending: &str) -> PathBuf {
    files_below(&home.path().join(folder), ending).pop().unwrap()
}

#[test]
fn a_flipped_bit_of_a_file_is_told_and_does_not_bill() {
    let home = booked();
    for (folder, ending, check) in [
        ("usage/segments", "parquet", "usage_files"),
        ("usage/keys", "keys", "usage_files"),
        ("rejects", "csv", "usage_files"),
        ("documents", "pdf", "document hashes"),
    ] {
        let copy = copy_of(&home);
        flip(&only(&copy, folder, ending), 100);
        assert_eq!(told(&copy), [check], "{folder}");
    }

    let copy = copy_of(&home);
    flip(&only(&copy, "usage/keys", "keys"), 100);
    let refused = copy
        .ingest("more.csv", "id,subject,meter,quantity,time\nz,SUB-0001,api_calls,1,2026-02-05T10:00:00Z\n");
    assert!(refused.exits(2).stderr.contains("is damaged"), "a damaged key run lets nothing in");
}

#[test]
fn usage_that_was_damaged_before_it_was_billed_stops_the_run_until_it_is_put_back() {
    let home = Home::new();
    home.load(&book(2));
    home.ingest("january.csv", &january(2)).exits(0);
    let segment = only(&home, "usage/segments", "parquet");
    let sound = std::fs::read(&segment).unwrap();
    for at in [10, sound.len() / 2, sound.len() - 6] {
        flip(&segment, at);
        let refused = home.run(&["--json", "run", "--as-of", "2026-02-01"]).exits(2);
        assert!(refused.stderr.contains("is damaged"), "byte {at}: {}", refused.stderr);
        std::fs::write(&segment, &sound).unwrap();
    }
    home.json(&["run", "--as-of", "2026-02-01"]);
    assert_eq!(home.json(&["verify"])["ok"], true);
}

#[test]
fn a_reject_file_that_was_mended_where_it_lay_and_brought_in_is_whole() {
    let home = booked();
    let rejects = only(&home, "rejects", "csv");
    let mended = std::fs::read_to_string(&rejects).unwrap().replace("SUB-9999", "SUB-0001");
    std::fs::write(&rejects, mended).unwrap();
    assert_eq!(told(&home), ["usage_files"]);
    home.run(&["--json", "ingest", rejects.to_str().unwrap()]).exits(0);
    assert_eq!(home.json(&["verify"])["ok"], true);
}

#[test]
fn a_zeroed_page_of_the_database_is_told() {
    let home = booked();
    let database = home.path().join("tallybook.db");
    sqlite(&home, "pragma wal_checkpoint(truncate)");
    let pages: usize = std::fs::metadata(&database).unwrap().len().try_into().unwrap();
    let pages = pages / 4096;
    let mut told_by_verify = 0;
    for page in (3..pages).step_by(pages / 12) {
        let copy = copy_of(&home);
        let path = copy.path().join("tallybook.db");
        let mut bytes = std::fs::read(&path).unwrap();
        if bytes[page * 4096..(page + 1) * 4096].iter().all(|byte| *byte == 0) {
            continue;
        }
        bytes[page * 4096..(page + 1) * 4096].fill(0);
        std::fs::write(&path, bytes).unwrap();
        let answer = copy.run(&["--json", "verify"]);
        assert_ne!(answer.code, 0, "page {page}: {answer:?}");
        told_by_verify += u32::from(answer.stdout.contains("database_file"));
    }
    assert!(told_by_verify > 3, "verify itself told of {told_by_verify}");
}
