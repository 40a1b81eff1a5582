//! Stripe as the provider, against a server of others that speaks its API (`localstripe`).

use crate::support::{Home, answer, book, counterpart};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const KEY: &str = "sk_test_tallybook";

struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new("localstripe")
            .args(["--port", &port.to_string(), "--from-scratch"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("localstripe: {e}; `./scripts/test` installs it"));
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(started.elapsed() < Duration::from_secs(60), "localstripe does not listen");
            std::thread::sleep(Duration::from_millis(100));
        }
        Self { process, port }
    }

    fn ask(&self, method: &str, path: &str, form: &str) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
            form.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// A customer with a card, as a payment method's token.
    fn card(&self, number: &str) -> String {
        let id = |answer: Value| answer["id"].as_str().unwrap().to_owned();
        let customer = id(self.ask("POST", "/v1/customers", "description=x"));
        let card =
            format!("type=card&card[number]={number}&card[exp_month]=12&card[exp_year]=2035&card[cvc]=123");
        let method = id(self.ask("POST", "/v1/payment_methods", &card));
        self.ask("POST", &format!("/v1/payment_methods/{method}/attach"), &format!("customer={customer}"));
        format!("{customer}/{method}")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn invoices_are_charged_declined_and_refunded_over_the_wire() {
    let server = Server::start();
    let home = Home::new();
    let secret = home.file("stripe.key", format!("{KEY}\n"));
    let url = format!("http://127.0.0.1:{}", server.port);
    let run = |args: &[&str]| {
        let mut command = home.command(&[&["--json"], args].concat());
        command.env("TALLYBOOK_STRIPE_SECRET_KEY_FILE", &secret).env("TALLYBOOK_STRIPE_URL", &url);
        answer(command.output().unwrap())
    };
    let mut book = book(3);
    // Good, and one that takes the card and declines each charge.
    for (n, number) in ["4242424242424242", "4000000000000341"].into_iter().enumerate() {
        let method = &mut book["customers"][n]["paymentmethods"][0];
        method["gateway"] = json!("stripe");
        method["token"] = json!(server.card(number));
    }
    let path = home.file("book.json", book.to_string());
    run(&["load", path.to_str().unwrap()]).exits(0);
    let outcome = run(&["run", "--as-of", "2026-01-01", "--skip", "render,send"]).exits(0).json();
    assert_eq!((&outcome["payments"]["paid"], &outcome["payments"]["declined"]), (&json!(2), &json!(1)));
    let intents = server.ask("GET", "/v1/payment_intents?limit=100", "");
    let paid: Vec<&Value> =
        intents["data"].as_array().unwrap().iter().filter(|i| i["status"] == "succeeded").collect();
    assert_eq!(paid.len(), 1);
    assert_eq!((&paid[0]["amount"], &paid[0]["currency"]), (&json!(24_875), &json!("dkk")));
    assert!(paid[0]["metadata"]["tallybook_attempt"].is_string(), "{intents}");
    // A credit of what was paid goes back through Stripe.
    run(&["invoices", "credit", "INV-0000001", "--as-of", "2026-01-02"]).exits(0);
    run(&["invoices", "refund", "CN-0000001"]).exits(0);
    let refunds = server.ask("GET", "/v1/refunds?limit=100", "");
    assert_eq!(refunds["data"][0]["amount"], 24_875, "{refunds}");
    // The card that declines is tried again by its dunning, under another attempt.
    run(&["payments", "retry", "--as-of", "2026-01-15"]).exits(0);
    let tried = server.ask("GET", "/v1/payment_intents?limit=100", "");
    assert_eq!(tried["data"].as_array().unwrap().len(), 3, "{tried}");
    assert!(run(&["verify"]).exits(0).json()["ok"].as_bool().unwrap());
    let findings = run(&["doctor"]).json();
    let stripe = findings["findings"].as_array().unwrap().iter().find(|f| f["found"] == "stripe: answers");
    assert!(stripe.is_some_and(|finding| finding["ok"].as_bool().unwrap()), "{findings}");
    drop(server);
    let findings = run(&["doctor"]).json();
    let text = findings.to_string();
    assert!(text.contains("stripe: ") && !text.contains("stripe: answers"), "{text}");
    assert!(!text.contains(KEY) && !run(&["config"]).stdout.contains(KEY), "the key is never shown");
}

#[test]
fn a_method_of_a_provider_without_a_key_is_told_and_nobody_is_charged() {
    let home = Home::new();
    let mut book = book(1);
    book["customers"][0]["paymentmethods"][0]["gateway"] = json!("stripe");
    home.load(&book);
    home.run(&["run", "--as-of", "2026-01-01", "--skip", "render,send"]).exits(3);
    let told = home.run(&["--json", "runs", "show", "1"]).exits(3).stdout;
    assert!(told.contains("stripe"), "{told}");
    assert_eq!(home.json(&["invoices"])[0]["PaymentStatus"], 0);
    let mut command = home.command(&["--json", "doctor"]);
    command.env("TALLYBOOK_STRIPE_SECRET_KEY", KEY).env("TALLYBOOK_STRIPE_URL", "http://stripe.example");
    let error = answer(command.output().unwrap()).exits(1).error();
    assert_eq!(error["code"], "settings", "a key goes out in clear to nobody: {error}");
    assert!(!error.to_string().contains(KEY));
}

/// Signs as Stripe does, with a library of others.
const SIGN: &str = "
import hashlib, hmac, sys
secret, time, body = sys.argv[1:]
print(hmac.new(secret.encode(), f'{time}.{body}'.encode(), hashlib.sha256).hexdigest(), end='')
";

#[test]
fn an_event_is_believed_if_it_is_signed_and_asks_about_its_charge_once() {
    let server = Server::start();
    let home = Home::new();
    let url = format!("http://127.0.0.1:{}", server.port);
    let secret = "whsec_test";
    let run = |url: &str, args: &[&str]| {
        let mut command = home.command(&[&["--json"], args].concat());
        command
            .env("TALLYBOOK_STRIPE_SECRET_KEY", KEY)
            .env("TALLYBOOK_STRIPE_WEBHOOK_SECRET", secret)
            .env("TALLYBOOK_STRIPE_URL", url)
            .env("TALLYBOOK_NOW", "2026-01-01T03:00:00Z");
        answer(command.output().unwrap())
    };
    let mut book = book(1);
    book["customers"][0]["paymentmethods"][0]["gateway"] = json!("stripe");
    book["customers"][0]["paymentmethods"][0]["token"] = json!(server.card("4242424242424242"));
    let path = home.file("book.json", book.to_string());
    run(&url, &["load", path.to_str().unwrap()]).exits(0);
    // Nobody answers: the charge waits.
    run("http://127.0.0.1:1", &["run", "--as-of", "2026-01-01", "--skip", "render,send"]).exits(3);
    let shown = run(&url, &["invoices", "show", "INV-0000001"]).exits(0).json();
    let attempt = shown["Transactions"][0]["ID"].as_str().unwrap().to_owned();
    assert_eq!(shown["Transactions"][0]["StateCode"], 64);
    let body = json!({"id": "evt_1", "type": "payment_intent.succeeded",
                      "data": {"object": {"metadata": {"tallybook_attempt": attempt}}}})
    .to_string();
    let time = "1767236400"; // 2026-01-01T03:00:00Z
    let signature = counterpart("python3", &["-c", SIGN, secret, time, &body]);
    let import = |name: &str, header: &str, body: &str| {
        let path = home.file(name, format!("Stripe-Signature: {header}\r\n\r\n{body}"));
        run(&url, &["payments", "import", path.to_str().unwrap()])
    };
    let right = format!("t={time},v1={signature}");
    for (header, body) in [
        (right.replace("v1=", "v1=00"), body.clone()),
        (right.clone(), body.replace("evt_1", "evt_2")),
        (format!("t=1767230000,v1={signature}"), body.clone()),
    ] {
        assert_eq!(import("forged.txt", &header, &body).exits(1).error()["code"], "forged");
    }
    let old = "1767236000";
    let signed_then = counterpart("python3", &["-c", SIGN, secret, old, &body]);
    let error = import("old.txt", &format!("t={old},v1={signed_then}"), &body).exits(1).error();
    assert!(error["message"].as_str().unwrap().contains("400 seconds ago"), "{error}");
    assert_eq!(run(&url, &["invoices", "show", "INV-0000001"]).json()["Transactions"][0]["StateCode"], 64);
    let taken = import("event.txt", &right, &body).exits(0).json();
    assert_eq!(taken["files"][0]["event"]["became"], "asked", "{taken}");
    assert_eq!(run(&url, &["invoices"]).json()[0]["PaymentStatus"], 20);
    let again = import("again.txt", &right, &body).exits(0).json();
    assert_eq!(again["files"][0]["event"]["became"], "known");
    let intents = server.ask("GET", "/v1/payment_intents?limit=100", "");
    assert_eq!(intents["data"].as_array().unwrap().len(), 1, "{intents}");
}
