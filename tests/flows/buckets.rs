//! Usage and documents in an S3-compatible bucket: machines that share no folder book what one machine books.

use crate::support::bucket::TestBucket;
use crate::support::postgres::fresh_database;
use crate::support::{Answer, Home, answer, book, files_below, january};
use serde_json::Value;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const PAYERS: usize = 60;
const RUN: [&str; 3] = ["run", "--as-of", "2026-02-01"];

/// A machine: a home folder of its own, and settings that it shares with others.
struct Machine {
    home: Home,
    settings: Vec<(&'static str, String)>,
}

impl Machine {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.home.command(args);
        command.env("TALLYBOOK_SLICE_PAYERS", "10").envs(self.settings.iter().cloned());
        command
    }

    fn run(&self, args: &[&str]) -> Answer {
        answer(self.command(args).output().unwrap())
    }

    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        let all: Vec<&str> = std::iter::once("--json").chain(args.iter().copied()).collect();
        self.run(&all).exits(0).json()
    }

    fn spawn(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    #[track_caller]
    fn load(&self) {
        self.json(&["load", self.home.file("book.json", book(PAYERS).to_string()).to_str().unwrap()]);
    }

    #[track_caller]
    fn ingest(&self) -> Value {
        self.json(&["ingest", self.home.file("usage.csv", january(PAYERS)).to_str().unwrap()])
    }

    fn booked(&self) -> (Value, Value) {
        let ledger = self.json(&["export", "ledger", "--format", "csv"]);
        (self.json(&["invoices"]), ledger["content"].clone())
    }
}

/// Machines with one database and one bucket. The provider of the sandbox is a file of the home: they share it, as they
/// would share a provider.
fn machines(count: usize, bucket: &TestBucket) -> Vec<Machine> {
    let mut settings = bucket.settings();
    settings.push(("TALLYBOOK_DATABASE_URL", fresh_database()));
    let machines: Vec<Machine> =
        (0..count).map(|_| Machine { home: Home::new(), settings: settings.clone() }).collect();
    let provider = machines[0].home.path().join("sandbox-payments.ndjson");
    let private = |folder: &Path| std::fs::DirBuilder::new().mode(0o700).create(folder).unwrap();
    private(&machines[0].home.path());
    std::fs::write(&provider, "").unwrap();
    for machine in &machines[1..] {
        private(&machine.home.path());
        std::os::unix::fs::symlink(&provider, machine.home.path().join("sandbox-payments.ndjson")).unwrap();
    }
    machines
}

fn alone() -> (Value, Value) {
    let machine = Machine { home: Home::new(), settings: Vec::new() };
    machine.load();
    machine.ingest();
    machine.json(&RUN);
    machine.booked()
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn what_one_machine_ingests_another_bills_and_a_third_reads() {
    let bucket = TestBucket::new("three-machines");
    let machines = machines(3, &bucket);
    let [first, second, third] = machines.as_slice() else { unreachable!() };
    first.load();
    assert_eq!(first.json(&["doctor"])["ok"], true);
    first.ingest();
    second.json(&RUN);
    assert_eq!(third.booked(), alone());

    let pdf = third.home.path().join("read.pdf");
    third.run(&["invoices", "pdf", "INV-0000001", "--out", pdf.to_str().unwrap()]).exits(0);
    assert!(std::fs::read(&pdf).unwrap().starts_with(b"%PDF-"));
    let why = third.json(&["why", "INV-0000061"]);
    let text = why.to_string();
    assert!(text.contains("usage.csv"), "{text}");
    third.json(&["export", "ledger", "--format", "csv", "--next"]);
    assert_eq!(second.json(&["verify"])["ok"], true);

    // What is lost or changed in the bucket is found, also by who has a copy.
    let lost = files_below(&bucket.folder(), "pdf").remove(0);
    std::fs::remove_file(&lost).unwrap();
    let verified = second.run(&["--json", "verify"]).exits(2).json();
    let differing: Vec<&str> = verified["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["ok"] == false)
        .map(|check| check["name"].as_str().unwrap())
        .collect();
    assert_eq!(differing, ["objects in buckets"]);
}

#[test]
fn workers_of_two_machines_of_whom_one_is_killed_book_what_one_machine_books() {
    let bucket = TestBucket::new("two-workers");
    let machines = machines(3, &bucket);
    machines[0].load();
    machines[0].ingest();
    let mut workers: Vec<Child> = machines[..2].iter().map(|machine| machine.spawn(&["worker"])).collect();
    std::thread::sleep(Duration::from_millis(800));
    let mut run = machines[2].spawn(&RUN);
    std::thread::sleep(Duration::from_millis(900));
    workers[0].kill().unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(0));
    signal(&workers[1], "-TERM");
    assert_eq!(workers[1].wait().unwrap().code(), Some(0));
    workers[0].wait().unwrap();
    assert_eq!(machines[0].booked(), alone());
    for machine in &machines {
        assert_eq!(machine.json(&["verify"])["ok"], true);
    }
}

#[test]
fn a_bucket_that_does_not_answer_keeps_nothing_and_the_next_try_goes_through() {
    let bucket = TestBucket::new("dead-server");
    let mut machine = Machine { home: Home::new(), settings: Vec::new() };
    machine.load();
    machine.settings = bucket.settings_of_a_dead_server();
    let usage = machine.home.file("usage.csv", january(PAYERS));
    let refused = machine.run(&["--json", "ingest", usage.to_str().unwrap()]).exits(2);
    assert_eq!(refused.error()["code"], "bucket");
    assert!(refused.error()["message"].as_str().unwrap().contains("s3://dead-server"), "{refused:?}");
    machine.settings = bucket.settings();
    let done = machine.json(&["upkeep"]);
    assert_eq!(done["imports"], 0, "it was given up at once");
    assert!(done["files"].as_u64() > Some(0), "{done}: what it had written is gone");
    assert_eq!(machine.ingest()["files"][0]["accepted"], 2 * PAYERS);
    machine.json(&RUN);
    assert_eq!(machine.booked(), alone());
}

#[test]
fn hourly_imports_are_bundled_and_bill_the_same() {
    let bucket = TestBucket::new("hourly");
    let machines = machines(2, &bucket);
    machines[0].load();
    let (header, lines) = (january(PAYERS), january(PAYERS));
    let header = header.lines().next().unwrap();
    let lines: Vec<&str> = lines.lines().skip(1).collect();
    for (hour, lines) in lines.chunks(8).enumerate() {
        let file = machines[0].home.file(&format!("{hour}.csv"), format!("{header}\n{}\n", lines.join("\n")));
        machines[0].json(&["ingest", file.to_str().unwrap()]);
    }
    let preview = ["run", "--preview", "--as-of", "2026-02-01"];
    let before = machines[1].json(&preview);
    let files = || files_below(&bucket.folder().join("usage"), "parquet").len();
    assert_eq!(files(), 15);
    let done = machines[0].json(&["upkeep"]);
    assert_eq!(done["compacted"], 21, "15 segments became 1, and of 15 key runs 8 are left");
    assert_eq!(files(), 16, "the old ones stay for a day");
    assert_eq!(machines[1].json(&preview)["hash"], before["hash"]);
    machines[1].json(&RUN);
    assert_eq!(machines[1].booked(), alone());
    machines[0].json(&["upkeep"]);
    assert_eq!(files(), 1);
    let fresh = Machine { home: Home::new(), settings: machines[0].settings.clone() };
    let why = fresh.json(&["why", "INV-0000061"]).to_string();
    assert!(why.contains(".csv"), "{why}");
    let again = machines[0].home.file("again.csv", january(PAYERS).replace("T10:00:00Z", "T10:00:00.0Z"));
    let again = fresh.json(&["ingest", again.to_str().unwrap()]);
    assert_eq!(again["files"][0]["duplicate"], 2 * PAYERS, "merged key runs know every event");
    assert_eq!(fresh.json(&["verify"])["ok"], true);
}
