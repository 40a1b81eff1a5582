//! One home and its operator: the clock of the day, what was handed in and done, and a diary of it.

use super::acts::{Act, Again, Step, WITH_DEBITS, bank};
use super::dice::Dice;
use super::disk::Disk;
use super::doors::{Door, Faults};
use super::oracle;
use super::processes::{HANGS, ended, pause, spawn};
use super::proxy::{self, Proxy};
use super::tally::Tally;
use super::workers::Worker;
use crate::flows::mail::{Relay, to_relay};
use crate::support::books::Books;
use crate::support::bucket::TestBucket;
use crate::support::postgres::{self, Cluster, PgHome, fresh_database_in};
use crate::support::{Answer, Home};
use chrono::{NaiveDate, TimeDelta};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Instant;

/// Where the books of a timeline are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    Sqlite,
    /// SQLite, with usage and documents in a bucket.
    Bucket,
    Postgres,
}

/// The server of timelines: it may fall without others noticing.
pub fn cluster() -> &'static Cluster {
    static OWN: OnceLock<Cluster> = OnceLock::new();
    OWN.get_or_init(postgres::start)
}

/// Tries of the same command until a fault of ours counts as one that bars.
const TRIES_MAX: usize = 3;

pub struct World {
    pub seed: u64,
    pub dice: Dice,
    pub site: Site,
    pub faults: Faults,
    pub books: Books,
    pub today: NaiveDate,
    /// Customers in the book, with a subscription each.
    pub customers: u64,
    /// The first book, and everything that was done since, as `simulate` takes it.
    pub book: Value,
    pub steps: Vec<Step>,
    /// Usage records that were handed in.
    pub handed_in: Vec<Value>,
    /// Files that were put into the inbox, with their records.
    pub inbox: BTreeMap<String, Value>,
    /// A folder that is in the way of a second try of the same command.
    pub away: Option<PathBuf>,
    /// Credit notes of reversals that nobody wanted mailed.
    pub unmailed: Vec<String>,
    /// Accounts whose people were erased.
    pub erased: BTreeSet<String>,
    /// The last statement of the bank.
    pub statement: Option<Vec<Value>>,
    /// What the bank said last of a debit, and the step of it.
    pub bank_said: Option<(String, Value)>,
    /// The last month that was closed, by its first day.
    pub closed: Option<NaiveDate>,
    /// Open items of another system that were handed in: number and amount.
    pub taken_over: BTreeMap<String, String>,
    /// Of the HTTP API, once it is asked.
    pub api_key: Option<String>,
    /// `invoices --json` as of the last look.
    pub invoices: Vec<Value>,
    /// How long each verb took last and at how many places it could have died, by its first word.
    takes: BTreeMap<String, (u64, u64)>,
    /// Whoever works the home beside us.
    pub worker: Option<Worker>,
    /// Mails go here; without one they are files.
    pub relay: Option<Relay>,
    line: Option<Proxy>,
    /// Settings of the bucket, if there is one.
    bucket: Vec<(&'static str, String)>,
    pub tally: Tally,
    diary: String,
    aloud: bool,
    files: u64,
}

impl World {
    pub fn new(seed: u64, site: Site, faults: Faults, start: NaiveDate, aloud: bool) -> Self {
        let mut bucket = Vec::new();
        let (books, line) = match site {
            Site::Sqlite => (Books::Sqlite(Home::new()), None),
            Site::Bucket => {
                bucket = TestBucket::new(&format!("timeline-{seed}")).settings();
                let endpoint = bucket.iter_mut().find(|(name, _)| *name == "TALLYBOOK_S3_ENDPOINT").unwrap();
                let line = Proxy::before_port(endpoint.1.rsplit(':').next().unwrap().parse().unwrap());
                endpoint.1 = format!("http://localhost:{}", line.at);
                (Books::Sqlite(Home::new()), Some(line))
            }
            Site::Postgres => {
                let mut home = PgHome { home: Home::new(), url: fresh_database_in(cluster()) };
                let (socket, _) = proxy::through(&home.url, "");
                let line = Proxy::before_socket(socket);
                home.url = proxy::through(&home.url, &line.at).1;
                (Books::Postgres(home), Some(line))
            }
        };
        let mut dice = Dice::of(seed);
        let relay = dice.chance(30).then(Relay::start);
        Self {
            seed,
            dice,
            site,
            faults,
            books,
            today: start,
            customers: 0,
            book: Value::Null,
            steps: Vec::new(),
            handed_in: Vec::new(),
            inbox: BTreeMap::new(),
            away: None,
            unmailed: Vec::new(),
            erased: BTreeSet::new(),
            statement: None,
            bank_said: None,
            closed: None,
            taken_over: BTreeMap::new(),
            api_key: None,
            invoices: Vec::new(),
            takes: BTreeMap::new(),
            worker: None,
            relay,
            line,
            bucket,
            tally: Tally::default(),
            diary: String::new(),
            aloud,
            files: 0,
        }
    }

    pub fn home(&self) -> PathBuf {
        self.books.home().path()
    }

    /// The program at noon of the day, not yet started.
    pub fn command(&self, args: &[String]) -> Command {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut command = self.books.command(&[&["--json"], &args[..]].concat());
        command
            .env("TALLYBOOK_NOW", self.noon(0))
            .env("TALLYBOOK_BOUNDS_DAYS_AHEAD", "31")
            .env("TALLYBOOK_SLICE_PAYERS", "2")
            .envs(self.bucket.iter().cloned());
        bank::settings(&mut command, if self.seed >= WITH_DEBITS { "EUR" } else { "DKK" });
        if let Some(relay) = &self.relay {
            to_relay(&mut command, relay.port);
        }
        command
    }

    /// Noon of the day, or of so many days later.
    pub fn noon(&self, days: i64) -> String {
        format!("{}T11:00:00Z", self.today + TimeDelta::days(days))
    }

    /// What lies between the program and its database or bucket.
    pub fn line(&self) -> Option<&Proxy> {
        self.line.as_ref()
    }

    /// Runs a command on a disk that fails; whether it failed.
    pub fn on_a_faulty_disk(&mut self, mut command: Command, disk: Disk, at: u64) -> (Answer, bool) {
        let seen = PathBuf::from(self.file("seen", ""));
        std::fs::remove_file(&seen).unwrap();
        let folder = match disk {
            // Other files carry no sums of ours: the database's pages, the books of the sandbox, which is no part of us.
            Disk::Flipped => self.home().join(*self.dice.pick(&["usage", "documents"])),
            _ => self.home(),
        };
        disk.below(&mut command, &folder, at, &seen);
        let answer = ended(spawn(command));
        assert!(
            disk != Disk::Short || [0, 1, 3].contains(&answer.code),
            "short reads are no fault: {answer:?}"
        );
        (answer, seen.exists())
    }

    /// A command that only looks; it must not fail.
    #[track_caller]
    pub fn look(&self, args: &[&str]) -> Value {
        let answer = self.asked(args);
        assert_eq!(answer.code, 0, "{args:?}: {answer:?}");
        answer.json()
    }

    /// The booked documents as they stand now.
    pub fn look_at_invoices(&mut self) {
        self.invoices = self.look(&["invoices"]).as_array().unwrap().clone();
    }

    /// The same in another home, of the same bucket.
    #[track_caller]
    pub fn look_at(&self, home: &str, args: &[&str]) -> Value {
        let asked = self.command(&[]);
        let mut command = Command::new(asked.get_program());
        command.args(["--home", home, "--json"]).args(args);
        command.envs(asked.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let answer = ended(spawn(command));
        assert_eq!(answer.code, 0, "{args:?} at {home}: {answer:?}");
        answer.json()
    }

    /// A command that may answer with any code.
    pub fn asked(&self, args: &[&str]) -> Answer {
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        ended(spawn(self.command(&args)))
    }

    /// After it fell and was started again.
    pub fn until_the_server_answers(&self) {
        let Books::Postgres(home) = &self.books else { return };
        let since = Instant::now();
        while home.sql("select 1").is_err() {
            assert!(since.elapsed() < HANGS, "the database server does not come back");
            pause(50);
        }
    }

    pub fn is_sqlite(&self) -> bool {
        self.site != Site::Postgres
    }

    /// Whether the timetable waits for a person.
    pub fn schedule_stands(&self) -> bool {
        let answer = self.asked(&["schedule"]);
        assert!([0, 3].contains(&answer.code), "{answer:?}");
        answer.code == 3
    }

    /// Does it, once, whatever befalls it. Returns the last answer; its steps go into the scenario.
    #[track_caller]
    pub fn act(&mut self, act: &Act, door: &Door) -> Answer {
        let verb = act.args[0].clone();
        let looked = (act.again == Again::Look && *door != Door::Open).then(|| self.audit_log(0).len());
        let (mut answer, befell) = door.meet(self, act);
        self.tally.act(&verb, door, befell);
        let mut told = format!(
            "{} [{}{}] → {}",
            act.args.join(" "),
            door.name(),
            if befell { "" } else { ", missed" },
            answer.code
        );
        let mut tries = 0;
        while self.is_to_be_done_again(act, door, &answer, tries) {
            assert!([1, 2, -1].contains(&answer.code), "no exit code of ours: {told}: {answer:?}");
            let is_undisturbed = *door == Door::Open && self.worker.as_ref().is_none_or(|w| !w.is_mortal());
            assert!(!is_undisturbed || answer.code != 2, "without any fault: {told}: {answer:?}");
            assert!(tries < TRIES_MAX, "barred: {told}: {answer:?}");
            if let Some(before) = looked {
                let since = self.audit_log(before);
                if let Some(done) = since.iter().find(|line| is_of(line, act)) {
                    told += &format!(", done as {}", done["action"]);
                    answer.code = 0;
                    break;
                }
            }
            if let Some(away) = &self.away {
                drop(std::fs::remove_dir_all(away));
            }
            answer = Door::Open.meet(self, act).0;
            told += &format!(", again → {}", answer.code);
            if answer.code == 1 && act.done_says.is_some_and(|code| answer.error()["code"] == code) {
                answer.code = 0;
                told += ", as it was done";
            }
            tries += 1;
        }
        if answer.code == 1 {
            told += &format!(" ({})", answer.error()["code"].as_str().unwrap_or_default());
        }
        let refused = answer.code == 1;
        if !(refused && act.may_be_refused) {
            self.steps.extend(act.steps.iter().map(|step| match act.steps.len() {
                1 => Step { done: Some(!refused), ..step.clone() },
                _ => step.clone(),
            }));
        }
        self.say(&told);
        answer
    }

    /// Whether an operator types it once more.
    fn is_to_be_done_again(&self, act: &Act, door: &Door, answer: &Answer, tries: usize) -> bool {
        match answer.code {
            0 | 3 => false,
            // It is done and answered, and only its mails wait.
            2 if !answer.stdout.trim().is_empty() => false,
            // Refused, perhaps because of the fault: who else was at it, what day it is.
            1 => {
                tries == 0
                    && (matches!(door, Door::Clock { .. })
                        || (*door != Door::Open && act.again == Again::Quiet))
            }
            _ => true,
        }
    }

    /// The audit log behind so many lines.
    pub fn audit_log(&self, after: usize) -> Vec<Value> {
        let answer = self.asked(&["audit", "--lines", "--after", &after.to_string()]);
        assert_eq!(answer.code, 0, "{answer:?}");
        answer.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The number of some customer who was not erased; of everybody if all were.
    pub fn someone(&mut self) -> u64 {
        let is_there = |number: &u64| !self.erased.contains(&account(*number));
        let there: Vec<u64> = (1..=self.customers).filter(is_there).collect();
        if there.is_empty() { self.dice.within(1, self.customers) } else { *self.dice.pick(&there) }
    }

    /// A customer as it was handed in last.
    pub fn customer(&self, account: &str) -> Value {
        let loads = self.steps.iter().rev().filter_map(|step| step.value.get("load"));
        let mut customers =
            loads.chain([&self.book]).filter_map(|book| book["customers"].as_array()).flatten();
        customers.find(|c| c["accountnumber"] == account).unwrap().clone()
    }

    /// Runs a command to its end, and learns how long it takes and at how many places it could die.
    pub fn undisturbed(&mut self, mut command: Command, verb: &str) -> Answer {
        let count = PathBuf::from(self.file("places", "1"));
        command.env("TALLYBOOK_CRASH_COUNT", &count);
        let since = Instant::now();
        let answer = ended(spawn(command));
        let places = std::fs::read_to_string(&count).unwrap().trim().parse().unwrap();
        self.takes.insert(verb.to_owned(), (u64::try_from(since.elapsed().as_millis()).unwrap(), places));
        std::fs::remove_file(count).unwrap();
        answer
    }

    /// Milliseconds that a verb takes, for a fault in the midst of it.
    pub fn takes_ms(&self, verb: &str) -> u64 {
        self.takes.get(verb).map_or(150, |(ms, _)| *ms).min(3_000)
    }

    /// Places at which a verb may die.
    pub fn places(&self, verb: &str) -> u64 {
        self.takes.get(verb).map_or(10, |(_, places)| *places)
    }

    /// A file with a name of its own.
    pub fn file(&mut self, name: &str, content: &str) -> String {
        self.files += 1;
        self.books.file(&format!("{:03}-{name}", self.files), content)
    }

    pub fn say(&mut self, what: &str) {
        let line = format!("{}  {what}", self.today);
        if self.aloud {
            eprintln!("{line}");
        }
        writeln!(self.diary, "{line}").unwrap();
    }
}

/// The account of the n-th customer.
pub fn account(number: u64) -> String {
    format!("CU-{number:04}")
}

/// Whether a line of the audit log is of this act: `invoice.credit` of `invoices credit N`, `subscription.hold` of
/// `subscriptions hold N`.
fn is_of(line: &Value, act: &Act) -> bool {
    let Some(verb) = act.args.get(1) else { return false };
    let action = line["action"].as_str().unwrap_or_default();
    let done = action.rsplit('.').next().unwrap_or_default();
    // `discounts apply` is in the audit log as `applydiscount`, a credit that only bills anew as `rebill`.
    done.starts_with(verb.as_str()) || (verb == "credit" && done == "rebill")
}

impl World {
    /// What a timeline that failed leaves for whoever looks into it: the home, and the same days for `simulate`.
    fn keep(&self) -> PathBuf {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("timeline-{}", self.seed));
        drop(std::fs::remove_dir_all(&folder));
        drop(std::fs::create_dir_all(&folder));
        let scenario = folder.join("scenario.json");
        drop(std::fs::write(scenario, format!("{:#}", oracle::scenario(self))));
        drop(std::fs::write(folder.join("diary"), &self.diary));
        let copied = Command::new("cp").arg("-r").arg(self.home()).arg(folder.join("home")).status();
        drop(copied);
        folder
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let (kept, seed) = (self.keep().display().to_string(), self.seed);
        if !self.aloud {
            eprintln!("{}", self.diary);
        }
        eprintln!(
            "this was timeline {seed}; see it again with TIMELINE={seed}; its home and its scenario are kept in {kept}"
        );
    }
}
