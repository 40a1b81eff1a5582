//! What is asked of runs while a worker works the home, and what a worker does about work that stands still.

use crate::support::{Home, book, january};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const SKIP: &str = "render,send,collect";

/// A worker of a home, with nothing on its timetable; ended with the value.
struct Worker(Child);

impl Worker {
    fn start(home: &Home, metrics: Option<&str>) -> Self {
        let args = metrics.map_or(vec!["worker"], |at| vec!["worker", "--metrics", at]);
        let mut command = home.command(&args);
        for job in ["NIGHTLY_RUN", "INGEST_INBOX", "RETRY_MAILS", "RETRY_PAYMENTS", "EXPORT_LEDGER", "UPKEEP"]
        {
            command.env(format!("TALLYBOOK_JOBS_{job}"), "off");
        }
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        // It says so when it has the home.
        let mut said = [0; 7];
        child.stderr.as_mut().unwrap().read_exact(&mut said).unwrap();
        assert_eq!(&said, b"working");
        Self(child)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is() {
        assert!(since.elapsed() < Duration::from_secs(60), "waited a minute for: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn with_a_worker_at_work_every_verb_of_runs_is_handed_to_it() {
    let home = Home::new();
    home.load(&book(3));
    home.ingest("january.csv", &january(3)).exits(0);
    let worker = Worker::start(&home, None);
    let review = |day: &str| home.json(&["run", "--as-of", day, "--review", "--skip", SKIP]);
    assert_eq!(review("2026-01-01")["state"], "review");
    home.json(&["runs", "cancel", "1"]);
    assert_eq!(review("2026-01-01")["run"], 2);
    let approved = home.json(&["runs", "approve", "2", "--customer", "CU-0001"]);
    assert_eq!((&approved["state"], &approved["invoiced"]), (&json!("review"), &json!(1)));
    assert_eq!(home.run(&["--json", "runs", "approve", "1"]).exits(1).error()["code"], "wrong_state");
    // Asked, and the worker is killed before it can answer: who asks does it itself.
    drop(worker);
    assert_eq!(home.json(&["runs", "approve", "2"])["invoiced"], 3);
    let worker = Worker::start(&home, None);
    let refused = home.run(&["--json", "runs", "reverse", "2"]).exits(1).error();
    assert_eq!(refused["code"], "not_confirmed");
    assert!(refused["message"].as_str().unwrap().contains("746.25 DKK"), "{refused}");
    let weight = home.json(&["runs", "reverse", "2", "--preview"]);
    assert_eq!(
        (&weight["currencies"][0]["creditnotes"], &weight["mailed"]),
        (&json!(3), &json!(0)),
        "{weight:#}"
    );
    assert_eq!(home.json(&["invoices", "--state", "credit_note"]), json!([]), "only shown");
    let reversed = home.json(&["runs", "reverse", "2", "--yes", "--as-of", "2026-01-02"]);
    assert_eq!((&reversed["creditnotes"], &reversed["mails"]), (&json!(3), &json!(0)), "{reversed:#}");
    assert_eq!(home.json(&["runs", "show", "2"])["state"], "reversed");
    let mailed = home.json(&["runs", "reverse", "2", "--yes", "--as-of", "2026-01-02", "--mail"]);
    assert_eq!((&mailed["creditnotes"], &mailed["mails"]), (&json!(0), &json!(3)), "{mailed:#}");
    drop(worker);
    home.run(&["verify"]).exits(0);
}

#[test]
fn a_slice_that_failed_for_a_while_is_tried_again_and_monitors_are_told() {
    let home = Home::new();
    home.load(&book(2));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let _worker = Worker::start(&home, Some(&port));
    let health = || -> String {
        let mut stream = std::net::TcpStream::connect(&port).unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(health().starts_with("HTTP/1.1 200"));
    // The year's folder of documents cannot be made: a file is in its place.
    let year = home.path().join("documents/2026");
    std::fs::write(&year, "").unwrap();
    home.run(&["run", "--as-of", "2026-01-01", "--skip", "send,collect"]).exits(2);
    assert!(health().starts_with("HTTP/1.1 503"), "{}", health());
    assert!(health().contains("run 1 is stuck"), "{}", health());
    std::fs::remove_file(&year).unwrap();
    let state = || -> Value { home.run(&["--json", "runs", "show", "1"]).json()["state"].clone() };
    until("the run to be tried again", || state() == "closed");
    assert!(health().starts_with("HTTP/1.1 200"));
    assert_eq!(crate::support::files_below(&year, "pdf").len(), 2);
}

#[test]
fn a_worker_whose_clock_is_far_ahead_bills_nothing_and_says_what_to_type() {
    let home = Home::new();
    home.load(&book(1));
    let worker = |now: &str, seconds: u64| {
        let mut command = home.command(&["worker"]);
        command.env("TALLYBOOK_NOW", now).env("TALLYBOOK_BOUNDS_DAYS_AHEAD", "31");
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_secs(seconds));
        child.kill().unwrap();
        child.wait().unwrap();
    };
    let schedule = |now: &str, args: &[&str]| {
        let mut command = home.command(&[&["--json", "schedule"], args].concat());
        command.env("TALLYBOOK_NOW", now).env("TALLYBOOK_BOUNDS_DAYS_AHEAD", "31");
        crate::support::answer(command.output().unwrap())
    };
    let next = |answer: &Value| answer[0]["next"].as_str().unwrap().to_owned();
    worker("2026-01-01T12:00:00Z", 3);
    worker("2027-02-05T12:00:00Z", 3);
    assert_eq!(home.json(&["runs"]), json!([]), "the clock is not believed");
    let stands = schedule("2027-02-05T12:00:00Z", &[]).exits(3);
    assert_eq!(next(&stands.json()), "2026-01-02T02:00:00+01:00", "the time that is stored");
    let right = schedule("2026-01-01T12:00:00Z", &[]).exits(0);
    assert_eq!(next(&right.json()), "2026-01-02T02:00:00+01:00");
    // Three weeks ahead is believed, and planned anew when the clock is right again.
    worker("2026-01-22T12:00:00Z", 3);
    assert_eq!(next(&schedule("2026-01-02T03:00:00Z", &[]).json()), "2026-01-23T02:00:00+01:00");
    worker("2026-01-02T03:00:00Z", 3);
    assert_eq!(next(&schedule("2026-01-02T03:00:00Z", &[]).json()), "2026-01-03T02:00:00+01:00");
    // A home that nobody worked for a year goes on when a person says that the clock is right.
    schedule("2027-02-05T12:00:00Z", &["--go-on"]).exits(0);
    let runs = || home.run(&["--json", "runs"]).json();
    for _ in 0..10 {
        worker("2027-02-05T12:00:00Z", 6);
        if runs()[0]["asof"] == "2027-02-05" {
            return;
        }
    }
    panic!("{:#}", runs());
}
