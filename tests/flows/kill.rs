//! A run that is killed, again and again, and a second run beside it.

use crate::support::{Home, answer, book, files_below, january};
use serde_json::Value;
use std::process::Stdio;
use std::time::Duration;

const PAYERS: usize = 300;

fn ready() -> Home {
    let home = Home::new();
    home.load(&book(PAYERS));
    home.ingest("january.csv", &january(PAYERS)).exits(0);
    home
}

/// Everything that was booked, sent and charged, without what may differ between two homes.
fn dump(home: &Home) -> (Value, Value, usize, usize) {
    let invoices = home.json(&["invoices"]);
    let ledger = home.json(&["export", "ledger", "--format", "csv"]);
    let count = |folder: &str, ending: &str| files_below(&home.path().join(folder), ending).len();
    (invoices, ledger["content"].clone(), count("documents", "pdf"), count("mail", "eml"))
}

#[test]
fn a_run_that_is_killed_again_and_again_ends_as_an_undisturbed_one() {
    let undisturbed = ready();
    undisturbed.json(&["run", "--as-of", "2026-02-01"]);

    let killed = ready();
    for round in 1..=12_u64 {
        let mut child = killed
            .command(&["--json", "run", "--as-of", "2026-02-01"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(40 * round));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    killed.json(&["run", "--as-of", "2026-02-01"]);
    assert_eq!(dump(&killed), dump(&undisturbed));
    assert_eq!(killed.json(&["verify"])["ok"], true);
    let charges = std::fs::read_to_string(killed.path().join("sandbox-payments.ndjson")).unwrap();
    let expected = std::fs::read_to_string(undisturbed.path().join("sandbox-payments.ndjson")).unwrap();
    assert_eq!(charges.lines().count(), expected.lines().count(), "one charge at the provider per attempt");
}

#[test]
fn a_second_run_at_the_same_time_is_refused_with_the_others_number() {
    let home = ready();
    let mut first = home
        .command(&["--json", "run", "--as-of", "2026-02-01"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut refused = None;
    for _ in 0..200 {
        let second = home.run(&["--json", "run", "--as-of", "2026-02-01"]);
        if second.code == 1 {
            refused = Some(second);
            break;
        }
        if first.try_wait().unwrap().is_some() {
            break;
        }
    }
    first.wait().unwrap();
    if let Some(refused) = refused {
        let message = refused.error()["message"].as_str().unwrap().to_owned();
        assert!(message.contains("run 1"), "{message}");
    }
    assert_eq!(home.json(&["invoices"]).as_array().unwrap().len(), 2 * PAYERS, "nothing is billed twice");
    assert_eq!(home.json(&["verify"])["ok"], true);
}

#[test]
fn an_interrupted_run_says_how_to_go_on_and_goes_on() {
    let home = ready();
    let child = home
        .command(&["--json", "run", "--as-of", "2026-02-01"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Once the run stands in the books, the program listens for signals.
    for _ in 0..6_000 {
        if home.json(&["runs"]).as_array().is_some_and(|runs| !runs.is_empty()) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = child.id().to_string();
    std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap();
    let interrupted = answer(child.wait_with_output().unwrap());
    assert!(interrupted.code == 2 || interrupted.code == 0, "{interrupted:?}");
    if interrupted.code == 2 {
        assert_eq!(interrupted.error()["code"], "interrupted");
    }
    home.json(&["run", "--as-of", "2026-02-01"]);
    assert_eq!(home.json(&["invoices"]).as_array().unwrap().len(), 2 * PAYERS);
    assert_eq!(home.json(&["verify"])["ok"], true);
}

#[test]
fn a_worker_ends_on_sigterm() {
    let home = ready();
    let child =
        home.command(&["--json", "worker"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let pid = child.id().to_string();
    std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    answer(child.wait_with_output().unwrap()).exits(0);
}

#[test]
fn a_full_disk_is_said_and_the_run_goes_on_when_there_is_room() {
    let home = ready();
    // A file size limit stands for a full disk: nobody has to be root for it.
    let database = std::fs::metadata(home.path().join("tallybook.db")).unwrap().len() / 1024 + 64;
    let program = env!("CARGO_BIN_EXE_tallybook");
    let script = format!(
        "trap '' XFSZ; ulimit -f {database}; exec {program} --home {} --json run --as-of 2026-02-01",
        home.path().display()
    );
    let full = answer(std::process::Command::new("bash").args(["-c", &script]).output().unwrap());
    assert_eq!(full.code, 2, "{full:?}");
    assert!(
        full.stderr.contains("full") || full.stderr.contains("large") || full.stderr.contains("I/O"),
        "{full:?}"
    );
    home.json(&["run", "--as-of", "2026-02-01"]);
    assert_eq!(home.json(&["invoices"]).as_array().unwrap().len(), 2 * PAYERS);
    assert_eq!(home.json(&["verify"])["ok"], true);
}
