//! Answers that do not arrive: a full disk is never exit code 0, a reader who has seen enough is no fault, and files that
//! are named with `--out` are written as a shell would write them.

use crate::support::{Home, answer, book, january};
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::process::Stdio;

/// A home with one billed month.
fn billed() -> Home {
    let home = Home::new();
    home.load(&book(2));
    home.ingest("january.csv", &january(2)).exits(0);
    home.json(&["run", "--as-of", "2026-02-01"]);
    home
}

/// Every command that has an answer, as people read it and as scripts do.
const COMMANDS: [&[&str]; 34] = [
    &["export", "ledger"],
    &["export", "ledger", "--out", "-"],
    &["invoices"],
    &["invoices", "--state", "paid"],
    &["invoices", "show", "INV-0000001"],
    &["invoices", "xml", "INV-0000001"],
    &["invoices", "xml", "INV-0000001", "--out", "-"],
    &["invoices", "pdf", "INV-0000001", "--out", "-"],
    &["invoices", "pdf", "INV-0000001"],
    &["runs"],
    &["runs", "show", "1"],
    &["runs", "report", "1"],
    &["runs", "report", "1", "--format", "html"],
    &["runs", "report", "1", "--format", "html", "--out", "-"],
    &["run", "--preview", "--as-of", "2026-03-01"],
    &["run", "--as-of", "2026-02-01"],
    &["subscriptions"],
    &["subscriptions", "show", "SUB-0001"],
    &["payments", "retry", "--as-of", "2026-02-02"],
    &["payers"],
    &["payers", "CU-0001"],
    &["mails", "send"],
    &["verify"],
    &["audit"],
    &["schedule"],
    &["config"],
    &["doctor"],
    &["why", "INV-0000001"],
    &["simulate", "scenario.json"],
    &["completions", "bash"],
    &["man"],
    &["--help"],
    &["--version"],
    &["invoices", "markdelivered", "INV-0000001"],
];

#[test]
fn a_full_disk_is_told_by_every_command() {
    let home = billed();
    let scenario = serde_json::json!({"book": book(1), "timeline": [{"on": "2026-01-01", "run": {}}]});
    home.file("scenario.json", scenario.to_string());
    for command in COMMANDS {
        for json in [&[][..], &["--json"]] {
            let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
            let args: Vec<&str> = json.iter().chain(command).copied().collect();
            let told = answer(home.command(&args).stdout(full).output().unwrap());
            assert_eq!(told.code, 2, "{args:?}: {told:?}");
            assert!(told.stderr.contains("standard output"), "{args:?}: {told:?}");
        }
    }
}

#[test]
fn a_reader_who_has_seen_enough_is_no_fault() {
    let home = billed();
    for command in COMMANDS {
        let mut child = home.command(command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let told = answer(child.wait_with_output().unwrap());
        let is_quiet = !told.stderr.contains("panicked") && !told.stderr.contains("error");
        let is_scenario = command[0] == "simulate"; // its file is not there
        assert!(is_scenario || (matches!(told.code, 0 | 3) && is_quiet), "{command:?}: {told:?}");
    }
}

#[test]
fn out_writes_through_links_devices_and_pipes_and_beside_nobody() {
    let home = billed();
    let ledger = home.run(&["export", "ledger"]).exits(0).stdout;
    assert_eq!(home.run(&["export", "ledger", "--out", "-"]).exits(0).stdout, ledger);
    let (real, link, neighbour) =
        (home.file("real.csv", "old"), home.path().join("link.csv"), home.file("real.csv.part", "mine"));
    std::os::unix::fs::symlink(&real, &link).unwrap();
    home.run(&["export", "ledger", "--out", link.to_str().unwrap()]).exits(0);
    assert_eq!(std::fs::read_to_string(&real).unwrap(), ledger);
    assert!(link.is_symlink());
    assert_eq!(std::fs::read_to_string(neighbour).unwrap(), "mine");

    home.run(&["export", "ledger", "--out", "/dev/null"]).exits(0);
    assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
    for args in [
        &["export", "ledger"][..],
        &["invoices", "xml", "INV-0000001"],
        &["invoices", "pdf", "INV-0000001"],
        &["runs", "report", "1", "--format", "html"],
    ] {
        let full = home.run(&[args, &["--out", "/dev/full"]].concat()).exits(2);
        assert!(full.stderr.contains("/dev/full"), "{full:?}");
        let pipe = home.path().join("pipe");
        drop(std::fs::remove_file(&pipe));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || {
                let mut bytes = Vec::new();
                File::open(pipe).unwrap().read_to_end(&mut bytes).unwrap();
                bytes.len()
            }
        });
        home.run(&[args, &["--out", pipe.to_str().unwrap()]].concat()).exits(0);
        assert!(reader.join().unwrap() > 100, "{args:?}");
    }
}
