//! Mail through a real SMTP server that the test starts (`aiosmtpd`), with the faults that relays have.

use crate::support::{Answer, Home, answer, book, counterpart, files_below};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Accepts mail into a folder. Recipients decide: `gone@…` is refused for good, `later@…` for now the first time,
/// `drop@…` loses the connection after DATA the first time although the mail is kept, `slow@…` takes its time.
const SERVER: &str = r#"
import asyncio, sys
from aiosmtpd.smtp import SMTP

folder = sys.argv[1]
seen = {}

class Relay:
    count = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        local = address.split("@")[0]
        if local.startswith("gone"):
            return "550 5.1.1 no such user"
        if local.startswith("later") and not seen.setdefault(address, False):
            seen[address] = True
            return "451 4.7.1 greylisted, come back"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        Relay.count += 1
        with open(f"{folder}/{Relay.count:05}.eml", "wb") as file:
            file.write(envelope.content)
        local = envelope.rcpt_tos[0].split("@")[0]
        if local.startswith("slow"):
            await asyncio.sleep(0.5)
        if local.startswith("drop") and not seen.setdefault(local, False):
            seen[local] = True
            server.transport.abort()
        return "250 2.0.0 kept"

async def main():
    loop = asyncio.get_running_loop()
    # Port 0: the kernel chooses, the first line says which.
    server = await loop.create_server(lambda: SMTP(Relay(), hostname="relay.example"), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)

asyncio.run(main())
"#;

pub struct Relay {
    process: Child,
    pub port: u16,
    folder: tempfile::TempDir,
}

impl Relay {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new("python3")
            .args(["-c", SERVER, folder.path().to_str().unwrap()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("python3; `./scripts/test` installs it");
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let Ok(port) = line.trim().parse() else {
            let mut why = String::new();
            process.stderr.as_mut().unwrap().read_to_string(&mut why).unwrap();
            panic!("no SMTP server: {why}; `./scripts/test` installs python3-aiosmtpd");
        };
        Self { process, port, folder }
    }

    /// What arrived, as text, by arrival.
    pub fn arrived(&self) -> Vec<String> {
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(self.folder.path()).unwrap().map(|e| e.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|p| std::fs::read_to_string(p).unwrap()).collect()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Runs a command whose mails go to this port.
pub fn through(home: &Home, port: u16, args: &[&str]) -> Answer {
    let mut all = vec!["--json"];
    all.extend(args);
    let mut command = home.command(&all);
    answer(to_relay(&mut command, port).output().unwrap())
}

/// Sends the mails of a command to this port.
pub fn to_relay(command: &mut Command, port: u16) -> &mut Command {
    command
        .env("TALLYBOOK_MAIL_TRANSPORT", "smtp")
        .env("TALLYBOOK_MAIL_HOST", "127.0.0.1")
        .env("TALLYBOOK_MAIL_PORT", port.to_string())
        .env("TALLYBOOK_MAIL_TIMEOUT_S", "2")
}

/// A book whose customers get their invoices at these addresses.
pub fn addressed(addresses: &[&str]) -> Value {
    let mut book = book(addresses.len());
    for (customer, address) in book["customers"].as_array_mut().unwrap().iter_mut().zip(addresses) {
        customer["contacts"][0]["primaryemail"] = Value::from(*address);
    }
    book
}

fn header<'a>(mail: &'a str, name: &str) -> &'a str {
    mail.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_else(|| panic!("no {name} in {mail}")).trim()
}

fn deliveries(home: &Home, account: &str) -> Value {
    let invoices = home.json(&["invoices", "--customer", account]);
    home.json(&["invoices", "show", invoices[0]["InvoiceNumber"].as_str().unwrap()])["Deliveries"].clone()
}

#[test]
fn a_relay_refuses_one_greylists_another_drops_a_third_and_the_rest_go_out() {
    let relay = Relay::start();
    let home = Home::new();
    home.load(&addressed(&[
        "a@kunde.example",
        "gone@kunde.example",
        "later@kunde.example",
        "drop@kunde.example",
        "b@kunde.example",
    ]));
    let run = through(&home, relay.port, &["run", "--as-of", "2026-01-01"]).exits(3).json();
    assert_eq!((run["invoiced"].as_u64(), run["failed"].as_u64()), (Some(5), Some(1)), "{run:#}");

    let arrived = relay.arrived();
    let to = |who: &str| arrived.iter().filter(|m| header(m, "To:").contains(who)).collect::<Vec<_>>();
    assert_eq!((to("a@").len(), to("b@").len(), to("later@").len(), to("gone@").len()), (1, 1, 1, 0));
    let twice = to("drop@");
    assert_eq!(twice.len(), 2, "at least once: the relay's word was lost");
    assert_eq!(header(twice[0], "Message-ID:"), header(twice[1], "Message-ID:"));
    assert!(twice[0].contains("application/pdf"));

    let refused = &deliveries(&home, "CU-0002")[0];
    assert_eq!(refused["State"], "failed");
    assert!(refused["Reason"].as_str().unwrap().contains("550"), "{refused}");
    assert_eq!(deliveries(&home, "CU-0003")[0]["State"], "sent");
    assert_eq!(deliveries(&home, "CU-0004")[0]["State"], "sent");
    through(&home, relay.port, &["run", "--as-of", "2026-01-01"]);
    assert_eq!(relay.arrived().len(), arrived.len(), "a second run sends nothing more");
    let number =
        home.json(&["invoices", "--customer", "CU-0002"])[0]["InvoiceNumber"].as_str().unwrap().to_owned();
    through(&home, relay.port, &["invoices", "send", &number, "--to", "c@kunde.example"]).exits(0);
    assert_eq!(relay.arrived().len(), arrived.len() + 1);
}

#[test]
fn without_a_relay_mails_wait_and_go_out_later() {
    let home = Home::new();
    home.load(&addressed(&["a@kunde.example", "b@kunde.example"]));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let run = through(&home, closed, &["run", "--as-of", "2026-01-01"]).exits(3).json();
    assert_eq!((run["state"].as_str(), run["failed"].as_u64()), (Some("closed"), Some(0)), "{run:#}");
    let waits = &deliveries(&home, "CU-0001")[0];
    assert_eq!(waits["State"], "pending");
    assert!(waits["Reason"].as_str().unwrap().contains("127.0.0.1"), "{waits}");
    let invoices = home.json(&["invoices"]);
    assert!(invoices.as_array().unwrap().iter().all(|i| i["PaymentStatus"] == 20), "collected all the same");

    let relay = Relay::start();
    let mut later = home.command(&["--json", "payments", "retry", "--as-of", "2026-01-02"]);
    later
        .env("TALLYBOOK_MAIL_TRANSPORT", "smtp")
        .env("TALLYBOOK_MAIL_HOST", "127.0.0.1")
        .env("TALLYBOOK_MAIL_PORT", relay.port.to_string())
        .env("TALLYBOOK_NOW", "2099-01-01T09:00:00Z");
    answer(later.output().unwrap()).exits(0);
    assert_eq!(relay.arrived().len(), 2);
    assert_eq!(deliveries(&home, "CU-0001")[0]["State"], "sent");
}

#[test]
fn a_relay_that_never_answers_does_not_hold_up_the_run() {
    let home = Home::new();
    let addresses: Vec<String> = (1..=40).map(|n| format!("k{n}@kunde.example")).collect();
    home.load(&addressed(&addresses.iter().map(String::as_str).collect::<Vec<_>>()));
    // Accepts connections by the kernel's backlog and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let started = std::time::Instant::now();
    let run = through(&home, silent.local_addr().unwrap().port(), &["run", "--as-of", "2026-01-01"])
        .exits(3)
        .json();
    assert_eq!(run["failed"], 0, "{run:#}");
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    let waits = &deliveries(&home, "CU-0040")[0];
    assert_eq!((waits["State"].as_str(), waits["Attempts"].as_u64()), (Some("pending"), Some(1)), "{waits}");
}

#[test]
fn a_declined_payment_is_told_once_per_attempt_in_the_payers_language() {
    let home = Home::new();
    let mut book = book(1);
    book["customers"][0]["paymentmethods"][0]["token"] = serde_json::json!("tok_soft_decline");
    book["customers"][0]["language"] = serde_json::json!("da");
    home.load(&book);
    let declined = || -> Vec<String> {
        let mails = files_below(&home.path().join("mail"), "eml");
        let mut found: Vec<String> =
            mails.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
        // The invoice has its document attached under its number and comes first; what is left speaks of the payment.
        let about = |mail: &String| counterpart_subject(mail);
        found.retain(|mail| about(mail).starts_with("Betaling"));
        found
    };
    home.run(&["run", "--as-of", "2026-01-01"]);
    assert_eq!(declined().len(), 1, "one mail for the first attempt");
    home.run(&["run", "--as-of", "2026-01-01"]);
    assert_eq!(declined().len(), 1, "nothing is said twice");
    home.run(&["payments", "retry", "--as-of", "2026-01-17"]);
    assert_eq!(declined().len(), 2, "one more for the next attempt");
    let ids = |mail: &String| mail.lines().find(|l| l.starts_with("Message-ID")).unwrap().to_owned();
    let ids: std::collections::BTreeSet<String> = declined().iter().map(ids).collect();
    assert_eq!(ids.len(), 2);
}

#[test]
fn mails_are_signed_for_others_to_check_and_what_comes_back_is_on_the_list_again() {
    let home = Home::new();
    home.load(&book(2));
    let key = home.path().join("dkim.pem");
    let public = home.path().join("public.pem");
    let (key_path, public_path) = (key.to_str().unwrap(), public.to_str().unwrap());
    let signing = |home: &Home, args: &[&str], key: &str| {
        answer(home.command(args).env("TALLYBOOK_MAIL_DKIM_KEY", key).output().unwrap())
    };
    let absent = signing(&home, &["run", "--as-of", "2026-01-01"], key_path).exits(1);
    assert!(
        absent.stderr.contains("mail.dkim_key") && absent.stderr.contains("dkim.pem"),
        "{}",
        absent.stderr
    );
    counterpart("openssl", &["genrsa", "-out", key_path, "2048"]);
    counterpart("openssl", &["rsa", "-in", key_path, "-pubout", "-out", public_path]);
    signing(&home, &["run", "--as-of", "2026-01-01"], "dkim.pem").exits(0);
    let mails = files_below(&home.path().join("mail"), "eml");
    assert_eq!(mails.len(), 2);
    const CHECK: &str = r#"
import sys, dkim
lines = open(sys.argv[1]).read().splitlines()
record = b"v=DKIM1; k=rsa; p=" + "".join(lines[1:-1]).encode()
for path in sys.argv[2:]:
    raw = open(path, "rb").read()
    asked = []
    assert dkim.verify(raw, dnsfunc=lambda name, timeout=5: asked.append(name) or record), path
    assert asked == [b"tallybook._domainkey.nordlys.example."], asked
    assert not dkim.verify(raw.replace(b"Subject: ", b"Subject: x"), dnsfunc=lambda name, timeout=5: record)
    assert not dkim.verify(raw.rstrip() + b"\\r\\nmore\\r\\n", dnsfunc=lambda name, timeout=5: record)
"#;
    let mut args = vec!["-c", CHECK, public_path];
    args.extend(mails.iter().map(|path| path.to_str().unwrap()));
    counterpart("python3", &args);

    let sent = std::fs::read_to_string(&mails[0]).unwrap();
    let id = sent.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap().trim().to_owned();
    let report = |id: &str, action: &str| {
        format!(
            "Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n--b\r\n\
             Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; r.example\r\n\r\n\
             Final-Recipient: rfc822; x@y.example\r\nAction: {action}\r\nStatus: 5.1.1\r\n\
             Diagnostic-Code: smtp; 550 nobody of that name\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n\
             Message-ID: {id}\r\n\r\n--b--\r\n"
        )
    };
    let maildir = home.path().join("bounces/new");
    std::fs::create_dir_all(&maildir).unwrap();
    for (name, text) in [
        ("1", report(&id, "failed")),
        ("2", report(&id, "delayed")),
        ("3", report("<of@another.example>", "failed")),
        ("4", "Subject: Tak\r\n\r\nHej".to_owned()),
    ] {
        std::fs::write(maildir.join(name), text).unwrap();
    }
    let folder = home.path().join("bounces");
    let read = |code| home.run(&["--json", "mails", "bounces", folder.to_str().unwrap()]).exits(code).json();
    let first = read(3);
    assert_eq!(first["bounced"].as_array().unwrap().len(), 1, "{first:#}");
    assert!(first["bounced"][0]["reason"].as_str().unwrap().contains("nobody of that name"), "{first:#}");
    assert_eq!((first["passing"].as_u64(), first["others"].as_u64()), (Some(1), Some(2)), "{first:#}");
    let again = read(0);
    assert_eq!((again["bounced"].as_array().unwrap().len(), again["known"].as_u64()), (0, Some(1)));
    let open = home.json(&["mails"]);
    assert_eq!(open[0]["state"], "refused", "{open:#}");
    assert!(open[0]["reason"].as_str().unwrap().starts_with("came back: 5.1.1"), "{open:#}");
    home.run(&["mails", "send", "--refused"]).exits(0);
    assert_eq!(home.json(&["mails"]), serde_json::json!([]));
    home.run(&["mails", "bounces", "absent"]).exits(1);
}

/// The subject of a mail, decoded by another program's hands.
fn counterpart_subject(mail: &str) -> String {
    const DECODE: &str = "import sys, email, email.policy; print(email.message_from_string(sys.stdin.read(), policy=email.policy.default)['Subject'])";
    let mut child = Command::new("python3")
        .args(["-c", DECODE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), mail.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}
