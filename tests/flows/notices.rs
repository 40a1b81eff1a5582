//! What is told of a run once it has ended: the report by mail through a real SMTP server, and pings of a real HTTP server,
//! in clear and over TLS. Neither changes what became of the run.

use crate::flows::mail::{Relay, addressed, to_relay};
use crate::support::books::{Books, both};
use crate::support::postgres::fresh_database;
use crate::support::{Answer, Home, answer, book, counterpart, january};
use chrono::{Months, NaiveDate};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Writes each call into a file of its own, and answers 200; with a certificate it speaks TLS alone.
const MONITOR: &str = r#"
import http.server, ssl, sys

folder, certificate = sys.argv[1], sys.argv[2]

class Monitor(http.server.BaseHTTPRequestHandler):
    count = 0

    def do_POST(self):
        Monitor.count += 1
        words = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        with open(f"{folder}/{Monitor.count:03}.call", "w") as file:
            file.write(f"{self.path} {words}")
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Monitor)
if certificate:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
"#;

struct Monitor {
    process: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Monitor {
    fn start(certificate: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new("python3")
            .args(["-c", MONITOR, folder.path().to_str().unwrap(), certificate])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Self { process, port: line.trim().parse().unwrap(), folder }
    }

    /// Path and words of each call, by time.
    fn calls(&self) -> Vec<String> {
        let calls = crate::support::files_below(self.folder.path(), "call");
        calls.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Runs a command whose mails go to this relay and whose report goes to the operator.
fn night(home: &Home, relay: u16, ping: &str, args: &[&str]) -> Answer {
    let mut all = vec!["--json"];
    all.extend(args);
    let mut command = home.command(&all);
    to_relay(&mut command, relay)
        .env("TALLYBOOK_REPORT_MAIL_TO", "ops@nordlys.example, chef@nordlys.example")
        .env("TALLYBOOK_PING_URL", ping);
    answer(command.output().unwrap())
}

fn reports(relay: &Relay) -> Vec<String> {
    let mails = relay.arrived().into_iter();
    mails
        .filter(|m| m.contains("To: ops@") || m.contains("To: chef@"))
        .map(|m| m.replace("=\r\n", "").replace("=3D", "="))
        .collect()
}

#[test]
fn the_operator_and_the_monitor_are_told_of_each_run_once() {
    let (relay, monitor) = (Relay::start(), Monitor::start(""));
    let url = format!("http://127.0.0.1:{}/hc/5f0c", monitor.port);
    let home = Home::new();
    home.load(&addressed(&["a@kunde.example", "b@kunde.example"]));
    night(&home, relay.port, &url, &["run", "--as-of", "2026-01-01"]).exits(0);
    night(&home, relay.port, &url, &["mails", "send"]).exits(0);
    let told = reports(&relay);
    assert_eq!(told.len(), 2, "one to each address, once: {told:#?}");
    for words in [
        "2 invoice(s) in DKK: net 398.00 + VAT 99.50 = 497.50",
        "Mails: 2 sent",
        "Payments: 2 taken",
        "Nothing needs a person.",
        "tallybook runs show 1",
    ] {
        assert!(told[0].contains(words), "{words}: {}", told[0]);
    }
    assert_eq!(monitor.calls(), ["/hc/5f0c run 1 as of 2026-01-01: closed, 2 invoice(s)"]);

    // A night that leaves something to a person: one address is gone, and a file was refused.
    let mut book = addressed(&["gone@kunde.example", "b@kunde.example"]);
    book["customers"][1]["paymentmethods"][0]["token"] = "tok_declined".into();
    home.load(&book);
    let good = home.file("good.csv", january(1));
    let broken = home.file("broken.csv", "what,is,this\n1,2,3\n");
    home.run(&["ingest", good.to_str().unwrap(), broken.to_str().unwrap()]).exits(3);
    night(&home, relay.port, &url, &["run", "--as-of", "2026-02-01"]).exits(3);
    let told = reports(&relay);
    assert_eq!(told.len(), 4);
    for words in
        ["1 mail(s) refused: tallybook mails --state refused", "usage file refused", "Needs a person"]
    {
        assert!(told[3].contains(words), "{words}: {}", told[3]);
    }
    let calls = monitor.calls();
    assert_eq!(
        calls[1],
        "/hc/5f0c/fail run 2 as of 2026-02-01: closed, 2 invoice(s), something needs a person"
    );
    let shown = home.run(&["--json", "runs", "show", "2"]).exits(3).json();
    assert_eq!(shown["notices"].as_array().unwrap().len(), 3);
}

#[test]
fn a_dead_relay_and_a_dead_monitor_change_no_run_and_lose_no_report() {
    for database in [None, Some(fresh_database())] {
        let home = Home::new();
        let go = |relay: u16, ping: &str, args: &[&str]| {
            let mut command = home.command(&[&["--json"], args].concat());
            to_relay(&mut command, relay).env("TALLYBOOK_PING_URL", ping);
            command.env("TALLYBOOK_REPORT_MAIL_TO", "ops@nordlys.example");
            if let Some(url) = &database {
                command.env("TALLYBOOK_DATABASE_URL", url);
            }
            answer(command.output().unwrap())
        };
        let mut book = book(1);
        book["customers"][0]["delivery"] = "none".into();
        let path = home.file("book.json", book.to_string());
        go(1, "", &["load", path.to_str().unwrap()]).exits(0);
        let ended = go(1, "http://127.0.0.1:1/very-secret", &["run", "--as-of", "2026-01-01"]).exits(0);
        assert_eq!(ended.json()["state"], "closed");
        assert!(!ended.stderr.contains("very-secret"), "{}", ended.stderr);

        let doctor = go(1, "http://127.0.0.1:1/very-secret", &["doctor"]);
        let found = doctor.json()["findings"].to_string();
        for code in ["report_unsent", "ping_unanswered"] {
            assert!(found.contains(code), "{code}: {found}");
        }
        assert!(!found.contains("very-secret"), "{found}");

        let (relay, monitor) = (Relay::start(), Monitor::start(""));
        let url = format!("http://127.0.0.1:{}/up", monitor.port);
        go(relay.port, &url, &["mails", "send"]).exits(0);
        assert_eq!(reports(&relay).len(), 1);
        assert_eq!(monitor.calls().len(), 1);
        let found = go(relay.port, &url, &["doctor"]).json()["findings"].to_string();
        assert!(!found.contains("report_unsent") && !found.contains("ping_unanswered"), "{found}");
    }
}

/// Places before the end of a run at which it is made to die: its close, and what it tells then.
const LAST_PLACES: u64 = 18;

/// A run that dies between the claim and the sending of a notice, or before it has noted that it was sent: the next command
/// finds the claim of a process that is gone, and tells it. Twice only where the first may have gone out.
#[test]
fn a_death_while_a_run_is_told_loses_no_report_and_no_ping() {
    for books in both() {
        let (relay, monitor) = (Relay::start(), Monitor::start(""));
        let command = |args: &[&str]| told_to(&books, &relay, &monitor, args);
        let mut book = book(1);
        book["customers"][0]["delivery"] = "none".into();
        answer(command(&["load", &books.file("book.json", book.to_string())]).output().unwrap()).exits(0);

        let count = books.file("places", "");
        let mut undisturbed = command(&["run", "--as-of", "2026-01-01"]);
        answer(undisturbed.env("TALLYBOOK_CRASH_COUNT", &count).output().unwrap()).exits(0);
        let places: u64 = std::fs::read_to_string(&count).unwrap().trim().parse().unwrap();
        let mut deaths = 0;
        for (month, place) in (1..).zip(places - LAST_PLACES..=places) {
            let day = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap() + Months::new(month);
            let run = ["run", "--as-of", &day.to_string()];
            let died = command(&run).env("TALLYBOOK_CRASH_AT", place.to_string()).output().unwrap();
            deaths += u64::from(answer(died).code == -1);
            // A run that was closed is told now; one that was not is ended and told then.
            answer(command(&["mails", "send"]).output().unwrap()).exits(0);
            answer(command(&run).output().unwrap()).exits(0);
        }
        assert!(deaths >= LAST_PLACES / 2, "{deaths} deaths");
        let repeats = told_of_each_run(&books, &relay, &monitor);
        assert!((1..=4).contains(&repeats), "only a death behind the sending repeats it: {repeats}");
        let found = answer(command(&["doctor"]).output().unwrap()).json()["findings"].to_string();
        assert!(!found.contains("report_unsent") && !found.contains("ping_unanswered"), "{found}");
    }
}

/// Every run was told to both, under one Message-ID; how often more than once.
fn told_of_each_run(books: &Books, relay: &Relay, monitor: &Monitor) -> usize {
    let (mails, calls, mut told) = (reports(relay), monitor.calls(), 0);
    let runs = books.json(&["runs"]).as_array().unwrap().len();
    for run in 1..=runs {
        let of_run: Vec<&String> =
            mails.iter().filter(|mail| mail.contains(&format!("runs show {run}\r\n"))).collect();
        let ids: BTreeSet<&str> = of_run.iter().filter_map(|mail| message_id(mail)).collect();
        let pings = calls.iter().filter(|call| call.contains(&format!("run {run} as of "))).count();
        assert!((1..=2).contains(&of_run.len()), "reports of run {run}: {of_run:#?}");
        assert_eq!(ids.len(), 1, "one report, however often it went out: {of_run:#?}");
        assert!((1..=2).contains(&pings), "run {run}: {calls:#?}");
        told += of_run.len() + pings;
    }
    told - 2 * runs
}

/// A command in these books, whose reports go to this relay and whose pings to this monitor.
fn told_to(books: &Books, relay: &Relay, monitor: &Monitor, args: &[&str]) -> Command {
    let mut command = books.command(&[&["--json"], args].concat());
    to_relay(&mut command, relay.port)
        .env("TALLYBOOK_REPORT_MAIL_TO", "ops@nordlys.example")
        .env("TALLYBOOK_PING_URL", format!("http://127.0.0.1:{}/up", monitor.port));
    command
}

fn message_id(mail: &str) -> Option<&str> {
    mail.lines().find(|line| line.starts_with("Message-ID:"))
}

#[test]
fn a_run_that_stands_still_is_told_and_a_monitor_over_tls_is_called() {
    let home = Home::new();
    let at = |name: &str| home.path().parent().unwrap().join(name).display().to_string();
    certificate(&at("ca"), &at("server"));
    let monitor = Monitor::start(&at("server.pem"));
    let url = format!("https://localhost:{}/hc", monitor.port);
    home.load(&book(1));
    home.ingest("usage.csv", &january(1)).exits(0);
    let run = |authority: &str| {
        let mut command = home.command(&["--json", "run", "--as-of", "2026-02-01"]);
        command.env("TALLYBOOK_PING_URL", &url).env("SSL_CERT_FILE", authority);
        answer(command.output().unwrap())
    };
    // Documents cannot be written: the run stands still.
    let documents = home.path().join("documents/2026");
    std::fs::write(&documents, "in the way").unwrap();
    run(&at("ca.pem")).exits(2);
    assert!(monitor.calls()[0].starts_with("/hc/fail run 1 as of 2026-02-01: open"), "{:?}", monitor.calls());
    std::fs::remove_file(&documents).unwrap();
    run(&at("ca.pem")).exits(0);
    assert!(monitor.calls()[1].starts_with("/hc run 1 as of 2026-02-01: closed"), "{:?}", monitor.calls());

    // An authority that did not sign it: not called, and no harm done.
    let other = Home::new();
    other.load(&book(1));
    let mut command = other.command(&["--json", "run", "--as-of", "2026-02-01"]);
    command.env("TALLYBOOK_PING_URL", &url).env("SSL_CERT_FILE", at("other.pem"));
    std::fs::write(at("other.pem"), "").unwrap();
    answer(command.output().unwrap()).exits(0);
    assert_eq!(monitor.calls().len(), 2);
}

/// An authority, and a server called `localhost` that it has signed: certificate and key in one file.
fn certificate(authority: &str, server: &str) {
    let script = format!(
        "set -e
         openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj '/CN=tallybook test' \
            -addext keyUsage=critical,keyCertSign -keyout {authority}.key -out {authority}.pem
         openssl req -new -newkey rsa:2048 -nodes -subj /CN=localhost -keyout {server}.key -out {server}.csr
         printf 'subjectAltName=DNS:localhost\\nbasicConstraints=CA:FALSE\\n' > {server}.names
         openssl x509 -req -in {server}.csr -CA {authority}.pem -CAkey {authority}.key -CAcreateserial -days 30 \
            -extfile {server}.names -out {server}.pem
         cat {server}.key >> {server}.pem"
    );
    counterpart("sh", &["-c", &format!("({script}) 2>/dev/null")]);
    assert!(Path::new(&format!("{server}.pem")).exists());
}

#[test]
fn settings_that_cannot_work_are_refused_without_telling_secrets() {
    let home = Home::new();
    for (variable, value) in [
        ("TALLYBOOK_REPORT_MAIL_TO", "ops"),
        ("TALLYBOOK_PING_URL", "hc-ping.example/very-secret"),
        ("TALLYBOOK_PING_FAIL_URL", "ftp://very-secret"),
    ] {
        let refused = answer(home.command(&["config"]).env(variable, value).output().unwrap()).exits(1);
        assert!(!refused.stderr.contains("very-secret"), "{}", refused.stderr);
    }
    let shown =
        home.command(&["config"]).env("TALLYBOOK_PING_URL", "https://hc/very-secret").output().unwrap();
    let shown = answer(shown).exits(0);
    assert!(!shown.stdout.contains("very-secret") && shown.stdout.contains("ping.url"), "{}", shown.stdout);
}
