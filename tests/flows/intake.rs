//! Usage files on their way in: good ones beside bad ones, an inbox, a process that dies or stands still, pipes.

use crate::support::books;
use crate::support::postgres::PgHome;
use crate::support::{Answer, Home, answer, book, january};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const HEADER: &str = "id,subject,meter,quantity,time\n";
/// Enough to be killed in the middle.
const MANY: u64 = 400_000;

fn event(id: &str, quantity: u64) -> String {
    format!("{id},SUB-0001,api_calls,{quantity},2026-01-10T10:00:00Z\n")
}

fn many() -> String {
    let mut text = HEADER.to_owned();
    (0..MANY).for_each(|n| text.push_str(&event(&format!("event-{n:012}"), 1)));
    text
}

fn home() -> Home {
    let home = Home::new();
    home.load(&book(1));
    home
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Waits until something is so.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < Duration::from_secs(60), "{what} did not come about");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .map(|entries| entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect())
        .unwrap_or_default();
    names.sort();
    names
}

fn signal(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

/// What imports under way have written or locked so far.
fn under_way(home: &Path) -> Vec<String> {
    let is_own = |name: &String| name.ends_with(".part") || name.ends_with(".writer");
    names(&home.join("usage/temp")).into_iter().filter(is_own).collect()
}

/// Waits until a process does what it was started for, beside what dead ones have left.
fn until_it_writes(home: &Path, before: &[String]) {
    until("an import under way", || under_way(home).iter().any(|name| !before.contains(name)));
}

/// Starts to bring in a big file, and waits until that is under way.
fn started(mut command: Command, home: &Path) -> Child {
    let before = under_way(home);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until_it_writes(home, &before);
    child
}

/// A file whose first line is refused, so that the reject file shows that reading has begun.
fn big(home: &Home) -> PathBuf {
    home.file("many.csv", many().replacen("\n", "\nbad\n", 1))
}

fn is_brought_in_after_a_kill(home: &Path, file: &Path, command: impl Fn(&[&str]) -> Command) {
    for _ in 0..2 {
        let mut child = started(command(&["ingest", path(file)]), home);
        assert!(child.try_wait().unwrap().is_none(), "killed in the middle");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let json = |args: &[&str]| answer(command(args).output().unwrap());
    let again = json(&["--json", "ingest", path(file)]).exits(3).json();
    assert_eq!(again["files"][0]["accepted"], MANY, "{again}");
    let once_more = json(&["--json", "ingest", path(file)]).exits(3).json();
    assert_eq!(
        (&once_more["files"][0]["accepted"], &once_more["files"][0]["duplicate"]),
        (&0.into(), &MANY.into())
    );
    json(&["--json", "upkeep"]).exits(0);
    assert_eq!(names(&home.join("usage/temp")), Vec::<String>::new(), "what the dead left is gone");
    assert_eq!(json(&["--json", "verify"]).exits(0).json()["ok"], true);
}

#[test]
fn a_killed_ingest_is_made_up_for_at_once() {
    let home = home();
    let file = big(&home);
    is_brought_in_after_a_kill(&home.path(), &file, |args| home.command(args));
}

#[test]
fn a_killed_ingest_is_made_up_for_at_once_on_postgres() {
    let pg = PgHome::new();
    pg.fill(&book(1), &january(1));
    let file = big(&pg.home);
    is_brought_in_after_a_kill(&pg.home.path(), &file, |args| pg.command(args));
}

fn stands_still_and_is_not_taken_for_dead(home: &Path, file: &Path, command: impl Fn(&[&str]) -> Command) {
    let mut first = started(command(&["ingest", path(file)]), home);
    // Frozen inside a transaction it holds SQLite's own lock: it goes on a little, and is frozen again.
    let second = (0..10)
        .find_map(|_| {
            signal(&first, "-STOP");
            let second =
                answer(command(&["--json", "ingest", path(file)]).output().unwrap()).exits(2).error();
            if second["code"] == "import_in_progress" {
                return Some(second);
            }
            signal(&first, "-CONT");
            std::thread::sleep(std::time::Duration::from_millis(100));
            None
        })
        .expect("the file is held by the process that stands still");
    assert!(second["message"].as_str().unwrap().contains(&format!("process {}", first.id())), "{second}");
    signal(&first, "-CONT");
    assert_eq!(first.wait().unwrap().code(), Some(3));
    let third = answer(command(&["--json", "ingest", path(file)]).output().unwrap()).exits(3).json();
    assert_eq!(third["files"][0]["duplicate"], MANY);
}

#[test]
fn a_process_that_stands_still_is_not_taken_for_dead() {
    let home = home();
    let file = big(&home);
    stands_still_and_is_not_taken_for_dead(&home.path(), &file, |args| home.command(args));
    let pg = PgHome::new();
    pg.fill(&book(1), &january(1));
    stands_still_and_is_not_taken_for_dead(&pg.home.path(), &file, |args| pg.command(args));
}

#[test]
fn good_files_go_in_beside_a_bad_one_and_the_run_tells_that_it_is_missing() {
    let home = home();
    let one = home.file("one.csv", format!("{HEADER}{}", event("a", 1100)));
    let empty = home.file("two.csv", "");
    let three = home.file("three.csv", format!("{HEADER}{}", event("c", 5)));
    let given = [path(&one), path(&empty), path(&three)];
    let answer = home.run(&[&["--json", "ingest"], given.as_slice()].concat()).exits(3).json();
    let files = answer["files"].as_array().unwrap();
    assert_eq!((&files[0]["accepted"], &files[2]["accepted"]), (&1.into(), &1.into()), "{answer}");
    assert_eq!((&files[1]["file"], &files[1]["refused"]["code"]), (&"two.csv".into(), &"file_empty".into()));
    assert!(files[1]["refused"]["hint"].is_string() && files[1]["refused"]["message"].is_string());

    let run = home.run(&["--json", "run", "--as-of", "2026-02-01"]).exits(3).json();
    assert_eq!(run["refusedfiles"][0]["file"], path(&empty), "{run}");
    for seen_again in [["runs", "show", "1"], ["runs", "report", "1"]] {
        let told = home.run(&[&["--json"], &seen_again[..]].concat()).exits(3).json();
        assert_eq!(told["refusedfiles"], run["refusedfiles"], "{seen_again:?}: {told}");
    }
    let doctor = home.run(&["--json", "doctor"]).exits(3).json();
    assert!(doctor.to_string().contains("two.csv"), "{doctor}");
    assert!(home.run(&["ingest", "--refused"]).exits(0).stdout.contains("two.csv"));

    std::fs::write(&empty, format!("{HEADER}{}", event("b", 7))).unwrap();
    home.json(&["ingest", path(&empty)]);
    let run = home.json(&["run", "--as-of", "2026-03-01"]);
    assert_eq!(run["refusedfiles"], Value::Array(Vec::new()), "{run}");
    home.run(&["runs", "show", "1"]).exits(0);
}

#[test]
fn rejected_records_are_told_until_they_are_mended_or_nobody_waits_for_them() {
    for home in books::both() {
        let load = home.file("book.json", book(1).to_string());
        home.json(&["load", &load]);
        let bad = |id: &str| format!("{HEADER}{}", event(id, 1100).replace("SUB-0001", "SUB-9999"));
        let bring = |name: &str, text: &str| home.run(&["--json", "ingest", &home.file(name, text)]);
        bring("one.csv", &bad("a")).exits(3);
        bring("two.csv", &bad("b")).exits(3);

        let run = home.json(&["run", "--as-of", "2026-02-01"]);
        let open = run["openrejects"].as_array().unwrap();
        let told = |n: usize| (open[n]["rejectfile"].as_str().unwrap(), open[n]["rejected"].as_u64());
        assert_eq!(told(0), ("rejects/one.csv.rejects.csv", Some(1)), "{run}");
        assert_eq!(told(1), ("rejects/two.csv.rejects.csv", Some(1)), "{run}");
        let said = home.run(&["run", "--as-of", "2026-02-02"]).exits(0).stderr;
        assert!(said.contains("missing in it: 1 record(s) of one.csv: 1 unknown_subject"), "{said}");
        for command in [["runs", "show", "1"], ["runs", "report", "1"]] {
            assert_eq!(home.json(&command)["openrejects"], run["openrejects"], "{command:?}");
        }
        let doctor = home.run(&["--json", "doctor"]).exits(3).json().to_string();
        assert!(
            doctor.contains("usage_records_rejected") && doctor.contains("two.csv.rejects.csv"),
            "{doctor}"
        );
        assert!(home.run(&["ingest", "--refused"]).exits(0).stdout.contains("one.csv.rejects.csv"));

        // Mended where it lies. What is not mended in it is refused again, and waits with it.
        let rejects = home.home().path().join("rejects/one.csv.rejects.csv");
        let text = std::fs::read_to_string(&rejects).unwrap();
        let again = home.run(&["--json", "ingest", path(&rejects)]).exits(3).json();
        let again = again["files"][0]["rejectfile"].as_str().unwrap();
        let waiting = home.json(&["ingest", "--refused"]);
        assert_eq!(waiting.as_array().unwrap().len(), 2, "{waiting}");
        assert_eq!(waiting[1]["rejectfile"], again, "{waiting}");
        home.run(&["ingest", "--forget", again]).exits(0);
        std::fs::write(&rejects, text.replace("SUB-9999", "SUB-0001")).unwrap();
        home.json(&["ingest", path(&rejects)]);
        home.run(&["ingest", "--forget", "two.csv.rejects.csv", "--dry-run"]).exits(1);
        home.run(&["ingest", "--forget", "rejects/two.csv.rejects.csv"]).exits(0);
        home.run(&["ingest", "--forget", "two.csv.rejects.csv"]).exits(1);
        assert_eq!(home.json(&["ingest", "--refused"]), Value::Array(Vec::new()));
        let doctor = home.run(&["--json", "doctor"]).exits(0).json();
        assert_eq!(doctor["ok"], true, "{doctor}");
    }
}

#[test]
fn what_is_refused_of_a_file_lies_under_its_name_and_takes_nobody_elses() {
    for home in books::both() {
        let load = home.file("book.json", book(1).to_string());
        home.json(&["load", &load]);
        let folder = home.home().path().join("rejects");
        let bad = |id: &str| format!("{HEADER}{}", event(id, 1).replace("SUB-0001", "SUB-9999"));
        let bring = |name: &str, text: String| {
            let file = home.file(name, text);
            let answer = home.run(&["--json", "ingest", &file]).json();
            answer["files"][0]["rejectfile"].as_str().map(str::to_owned)
        };
        assert_eq!(bring("day.csv", bad("a")).unwrap(), "rejects/day.csv.rejects.csv");
        assert_eq!(bring("day.csv", format!("{HEADER}{}", event("b", 1))), None);
        assert_eq!(bring("day.csv", bad("c")).unwrap(), "rejects/day.csv.2.rejects.csv");

        let copy = folder.join("day.csv.3.rejects.csv");
        std::fs::copy(folder.join("day.csv.2.rejects.csv"), &copy).unwrap();
        let mended = std::fs::read_to_string(&copy).unwrap().replace("\"c,SUB-9999", "\"d,SUB-9998");
        std::fs::write(&copy, &mended).unwrap();
        let answer = home.run(&["--json", "ingest", path(&copy)]).exits(3).json();
        assert_eq!(answer["files"][0]["rejectfile"], "rejects/day.csv.4.rejects.csv", "{answer}");
        assert_eq!(std::fs::read_to_string(&copy).unwrap(), mended);
        assert_eq!(home.json(&["verify"])["ok"], true);
    }
}

#[test]
fn a_refused_file_is_forgotten_when_somebody_says_so() {
    let home = home();
    let good = home.file("good.csv", format!("{HEADER}{}", event("a", 1)));
    let bad = home.file("bad.csv", "");
    home.run(&["ingest", path(&good), path(&bad), "no-such-file"]).exits(3);
    assert_eq!(home.json(&["ingest", "--refused"]).as_array().unwrap().len(), 2);
    let error = home.run(&["--json", "ingest", "--forget", "bad.csv", "other.csv"]).exits(1).error();
    assert!(error["message"].as_str().unwrap().contains("other.csv"), "{error}");
    home.run(&["ingest", "--forget", "bad.csv", "no-such-file"]).exits(0);
    home.run(&["run", "--as-of", "2026-02-01"]).exits(0);
    assert!(home.run(&["audit"]).stdout.contains("usage.forget"));
}

#[test]
fn where_nothing_goes_in_nothing_is_changed() {
    let home = home();
    let (one, two) = (home.file("one.csv", ""), home.file("two.csv", "id\n"));
    let error = home.run(&["--json", "ingest", path(&one)]).exits(1).error();
    assert_eq!(error["code"], "file_empty");
    let error = home.run(&["--json", "ingest", path(&one), path(&two)]).exits(1).error();
    assert_eq!(error["faults"].as_array().unwrap().len(), 2, "{error}");
    assert_eq!(home.json(&["ingest", "--refused"]), Value::Array(Vec::new()));
    home.run(&["run", "--as-of", "2026-02-01"]).exits(0);
}

#[test]
fn the_cron_line_bills_after_0_and_3_and_stops_after_1_and_2() {
    let good = format!("{HEADER}{}", event("a", 1));
    let rejects = format!("{HEADER}{}x\n", event("a", 1));
    for (files, wall, bills) in [
        (vec![good.as_str()], false, true),
        (vec![rejects.as_str()], false, true),
        (vec![good.as_str(), ""], false, true),
        (vec![""], false, false),
        (vec![good.as_str()], true, false),
    ] {
        let home = home();
        let paths: Vec<PathBuf> =
            files.iter().zip(["one.csv", "two.csv"]).map(|(text, name)| home.file(name, text)).collect();
        let given: Vec<&str> = paths.iter().map(|p| path(p)).collect();
        if wall {
            // Where files should be written there is a wall: our fault, not the file's.
            std::fs::write(home.path().join("usage/temp"), "").unwrap();
        }
        let program = format!("{} --home {}", env!("CARGO_BIN_EXE_tallybook"), home.path().display());
        let line = format!(
            "{program} ingest {} || [ $? -eq 3 ] && {program} run --as-of 2026-02-01",
            given.join(" ")
        );
        Command::new("sh").args(["-c", &line]).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        let runs = home.json(&["runs"]).as_array().unwrap().len();
        assert_eq!(runs, usize::from(bills), "{files:?}");
    }
}

/// A worker that looks into its inbox all the time.
struct Worker(Child);

impl Worker {
    fn start(home: &Home, still_s: &str) -> Self {
        let mut command = home.command(&["worker"]);
        command.env("TALLYBOOK_JOBS_INGEST_INBOX", "* * * * * *").env("TALLYBOOK_INBOX_STILL_S", still_s);
        for job in ["NIGHTLY_RUN", "RETRY_MAILS", "RETRY_PAYMENTS", "EXPORT_LEDGER", "UPKEEP"] {
            command.env(format!("TALLYBOOK_JOBS_{job}"), "off");
        }
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn an_inbox_takes_what_is_whole_sets_aside_what_is_bad_and_destroys_nothing() {
    let home = home();
    let inbox = home.path().join("inbox");
    let put = |name: &str, text: &str| std::fs::write(inbox.join(name), text).unwrap();
    std::fs::create_dir_all(inbox.join("done")).unwrap();
    put("done/usage.csv", "of the month before");
    let growing = format!("{HEADER}{}", event("partial", 12));
    for name in [".usage.csv.x7Gh2k", "usage.csv.part", "usage.csv.tmp", "usage.csv.filepart"] {
        put(name, &growing);
    }
    put("usage.csv", &format!("{HEADER}{}", event("a", 1)));
    put("cut.csv", "");
    let worker = Worker::start(&home, "1");
    until("the inbox being emptied", || {
        !inbox.join("usage.csv").exists() && !inbox.join("cut.csv").exists() && inbox.join("refused").exists()
    });
    assert_eq!(names(&inbox.join("done")), ["usage.2.csv", "usage.csv"]);
    assert_eq!(std::fs::read_to_string(inbox.join("done/usage.csv")).unwrap(), "of the month before");
    assert_eq!(names(&inbox.join("refused")), ["cut.csv"]);
    until("the refused file being told", || {
        home.json(&["ingest", "--refused"]).to_string().contains("refused/cut.csv")
    });
    for name in [".usage.csv.x7Gh2k", "usage.csv.part", "usage.csv.tmp", "usage.csv.filepart"] {
        assert!(inbox.join(name).exists(), "{name} is left alone");
    }
    put("cut.csv", &format!("{HEADER}{}", event("c", 3)));
    until("the mended file being brought in", || {
        home.json(&["ingest", "--refused"]) == Value::Array(Vec::new())
    });
    drop(worker);
    let run = home.json(&["run", "--as-of", "2026-02-01"]);
    assert_eq!(run["usage"]["events"], 2, "{run}");
}

#[test]
fn a_file_that_grows_and_one_that_meets_our_fault_stay_in_the_inbox() {
    let home = home();
    let inbox = home.path().join("inbox");
    let wall = home.path().join("usage/temp");
    drop(std::fs::remove_dir_all(&wall));
    std::fs::write(&wall, "").unwrap();
    std::fs::write(inbox.join("good.csv"), format!("{HEADER}{}", event("a", 1))).unwrap();
    let worker = Worker::start(&home, "2");
    let mut growing = HEADER.to_owned();
    for n in 0..80 {
        growing.push_str(&event(&format!("g{n}"), 1));
        std::fs::write(inbox.join("growing.csv"), &growing).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        assert!(inbox.join("good.csv").exists() && inbox.join("growing.csv").exists());
    }
    assert!(!inbox.join("refused").exists());
    std::fs::remove_file(&wall).unwrap();
    until("both being brought in", || names(&inbox.join("done")) == ["good.csv", "growing.csv"]);
    drop(worker);
    assert_eq!(home.json(&["run", "--as-of", "2026-02-01"])["usage"]["events"], 81);
}

#[test]
fn a_killed_worker_leaves_its_file_in_the_inbox_and_the_next_one_brings_it_in() {
    let home = home();
    let inbox = home.path().join("inbox");
    std::fs::rename(big(&home), inbox.join("many.csv")).unwrap();
    for _ in 0..2 {
        let before = under_way(&home.path());
        let worker = Worker::start(&home, "0");
        until_it_writes(&home.path(), &before);
        drop(worker);
        assert!(inbox.join("many.csv").exists());
    }
    let worker = Worker::start(&home, "0");
    until("the file being brought in", || names(&inbox.join("done")) == ["many.csv"]);
    drop(worker);
    assert!(!inbox.join("refused").exists());
    assert_eq!(home.json(&["run", "--as-of", "2026-02-01"])["usage"]["events"], MANY);
}

#[test]
fn a_full_disk_is_our_fault_and_the_same_command_goes_on() {
    let home = home();
    let file = big(&home);
    // A file size limit stands for a full disk: nobody has to be root for it.
    let kilobytes = std::fs::metadata(home.path().join("tallybook.db")).unwrap().len() / 1024 + 2048;
    let program = env!("CARGO_BIN_EXE_tallybook");
    let script = format!(
        "trap '' XFSZ; ulimit -f {kilobytes}; exec {program} --home {} --json ingest {}",
        home.path().display(),
        file.display()
    );
    let full: Answer = answer(Command::new("bash").args(["-c", &script]).output().unwrap()).exits(2);
    assert!(["large", "full", "I/O"].iter().any(|word| full.stderr.contains(word)), "{full:?}");
    let again = home.run(&["--json", "ingest", path(&file)]).exits(3).json();
    assert_eq!(again["files"][0]["accepted"], MANY);
}

#[test]
fn pipes_are_read_and_nothing_without_an_end_is() {
    let home = home();
    let file = home.file("usage.csv", format!("{HEADER}{}", event("a", 1)));
    let program = format!("{} --home {}", env!("CARGO_BIN_EXE_tallybook"), home.path().display());
    let bash = |script: String| answer(Command::new("bash").args(["-c", &script]).output().unwrap());
    let piped = bash(format!("{program} --json ingest <(cat {})", file.display())).exits(0).json();
    assert_eq!(piped["files"][0]["accepted"], 1, "{piped}");
    let pipe = home.file("pipe", "");
    std::fs::remove_file(&pipe).unwrap();
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let waiting = ["load", "ingest", "simulate", "invoices create"].map(|command| {
        let script = format!("{program} --json {command} {}", pipe.display());
        let output =
            Command::new("bash").args(["-c", &script]).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn();
        (command, output.unwrap())
    });
    for (command, child) in waiting {
        let refused = answer(child.wait_with_output().unwrap()).exits(1);
        assert!(refused.stderr.contains("nobody writes"), "{command}: {refused:?}");
    }
    let big = home.file("big.json", format!("{{\"name\": \"{}\"}}", "x".repeat(40 << 20)));
    for (command, reason) in [
        (format!("{program} --json ingest /dev/zero"), "device"),
        (format!("{program} --json load /dev/zero"), "longer than"),
        (format!("{program} --json simulate /dev/zero"), "longer than"),
        (format!("{program} --json load {}", big.display()), "longer than"),
        (format!("{program} --json simulate {}", big.display()), "longer than"),
    ] {
        let refused = bash(format!("ulimit -v 4000000; {command}")).exits(1);
        assert!(refused.stderr.contains(reason), "{command}: {refused:?}");
    }
}
