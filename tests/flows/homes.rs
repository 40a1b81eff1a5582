//! Homes of earlier versions open, go on and agree: finished ones, and ones that a kill left in the middle of a run.
//! `tests/homes/make` made them with the program of their time; each later migration meets them here.

use crate::support::postgres::{PgHome, fresh_database};
use crate::support::{Answer, Home, answer};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Versions that made homes, by the number of their last migration.
const VERSIONS: [&str; 1] = ["v0.1.0-14"];

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/homes").join(name)
}

fn shell(script: &str, args: &[&str]) {
    let mut command = Command::new("sh");
    let done = command.args(["-euc", script, "sh"]).args(args).stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
}

fn unpack(home: &Home, version: &str, name: &str) {
    let folder = home.path().parent().unwrap().to_owned();
    let archive = kept(&format!("{version}-{name}.tar.gz"));
    shell("tar -xzf \"$1\" -C \"$2\"", &[archive.to_str().unwrap(), folder.to_str().unwrap()]);
}

/// What was billed, by account and day, without what differs between two homes of one story.
fn billed(invoices: &Value) -> Vec<String> {
    let mut told: Vec<String> = invoices
        .as_array()
        .unwrap()
        .iter()
        .map(|i| {
            format!(
                "{} {} {} {} {}",
                i["InvoiceDate"], i["AccountNumber"], i["InvoiceNumber"], i["Total"], i["TotalAmount"]
            )
        })
        .collect();
    told.sort();
    told
}

/// Finishes March where it was begun, bills April, and proves it; returns what was billed.
fn goes_on(run: impl Fn(&[&str]) -> Answer) -> Vec<String> {
    let done = |args: &[&str]| -> Value {
        let answer = run(&[&["--json"], args].concat());
        assert!([0, 3].contains(&answer.code), "{args:?}: {answer:?}");
        answer.json()
    };
    let before = billed(&done(&["invoices"]));
    for as_of in ["2026-03-01", "2026-04-01"] {
        done(&["run", "--as-of", as_of]);
        let verified = done(&["verify"]);
        assert_eq!(verified["ok"], true, "after {as_of}: {verified}");
    }
    let after = billed(&done(&["invoices"]));
    let gone: Vec<&String> = before.iter().filter(|b| !after.contains(b) && !b.contains(" null ")).collect();
    assert!(gone.is_empty(), "booked before and not there any more: {gone:?}");
    // Again: nothing is left to bill.
    done(&["run", "--as-of", "2026-04-01"]);
    assert_eq!(billed(&done(&["invoices"])), after);
    after
}

#[test]
fn homes_of_earlier_versions_go_on_on_sqlite() {
    for version in VERSIONS {
        let [finished, midrun] = ["sqlite-finished", "sqlite-midrun"].map(|name| {
            let home = Home::new();
            unpack(&home, version, name);
            goes_on(|args| home.run(args))
        });
        assert_eq!(finished, midrun, "{version}");
        // Five payers on four days, one credit note; what the sixth owes stays a draft.
        assert_eq!(finished.len(), 5 * 4 + 1, "{finished:?}");
    }
}

#[test]
fn homes_of_earlier_versions_go_on_on_postgresql() {
    for version in VERSIONS {
        let [finished, midrun] = ["postgres-finished", "postgres-midrun"].map(|name| {
            let home = PgHome { home: Home::new(), url: fresh_database() };
            unpack(&home.home, version, name);
            let dump = kept(&format!("{version}-{name}.sql.gz"));
            shell(
                "gunzip -c \"$1\" | psql -qXv ON_ERROR_STOP=1 \"$2\" >/dev/null",
                &[dump.to_str().unwrap(), &home.url],
            );
            goes_on(|args| answer(home.command(args).output().unwrap()))
        });
        assert_eq!(finished, midrun, "{version}");
    }
}
