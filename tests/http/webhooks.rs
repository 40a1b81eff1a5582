//! Endpoints are told what has changed, whoever changed it: signed, in order, again until they answer.

use crate::support::books::{Books, both};
use crate::support::http::{Server, key};
use crate::support::{Home, book};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What a receiver was sent: headers and body.
type Sent = Arc<Mutex<Vec<(Vec<(String, String)>, Value)>>>;

/// Somebody who is told: each request, by its place, its first line, headers and body, is answered with a status and more
/// headers, or never. Its address.
fn listening(
    mut answer: impl FnMut(usize, &str, Vec<(String, String)>, Value) -> Option<String> + Send + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for (at, stream) in listener.incoming().enumerate() {
            let mut reader = BufReader::new(stream.unwrap());
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if line.trim().is_empty() {
                    break;
                }
                lines.push(line.trim().to_owned());
            }
            let headers: Vec<(String, String)> = lines[1..]
                .iter()
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect();
            let length =
                headers.iter().find(|(n, _)| n == "content-length").map_or(0, |(_, v)| v.parse().unwrap());
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let Some(status) = answer(at, &lines[0], headers, serde_json::from_slice(&body).unwrap()) else {
                held.push(reader);
                continue;
            };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            drop(reader.get_mut().write_all(answer.as_bytes()));
        }
    });
    address
}

/// A receiver that answers the first requests with these statuses, and 204 afterwards.
fn receiver(first: &'static [u16]) -> (String, Sent) {
    let sent = Sent::default();
    let kept = Arc::clone(&sent);
    let address = listening(move |at, _, headers, body| {
        kept.lock().unwrap().push((headers, body));
        Some(format!("{} x", first.get(at).copied().unwrap_or(204)))
    });
    (format!("http://{address}/hook"), sent)
}

/// A server that may tell endpoints on this machine, and a key for it.
fn served(books: &Books) -> (Server, String) {
    let file = books.file("book.json", book(1).to_string());
    books.run(&["load", &file]).exits(0);
    let keys = key(books, "shop", &["read", "write"]);
    let mut command = books.command(&["serve", "--listen", "127.0.0.1:0", "--no-work"]);
    command.env("TALLYBOOK_WEBHOOKS_ALLOW_PRIVATE", "true");
    (Server::started(command), keys)
}

fn until(
    sent: &Sent,
    is_enough: impl Fn(&[(Vec<(String, String)>, Value)]) -> bool,
) -> Vec<(Vec<(String, String)>, Value)> {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let now = sent.lock().unwrap().clone();
        if is_enough(&now) {
            return now;
        }
        assert!(Instant::now() < until, "{now:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_changes_anywhere_is_told_signed_and_again_until_it_is_taken() {
    for books in both() {
        let (server, keys) = served(&books);
        let client = server.with(&keys);
        let (url, sent) = receiver(&[503]);
        let made = client
            .post("/v3/webhooks", &json!({"Url": url, "Events": ["Customer.*", "Invoice.book"]}))
            .is(201)
            .json();
        let secret = made["Secret"].as_str().unwrap().to_owned();
        let id = made["ID"].as_str().unwrap();
        assert!(client.get(&format!("/v3/webhooks/{id}")).is(200).json()["Secret"].is_null());
        client.post("/v3/webhooks", &json!({"Url": url, "Events": ["Invoice.boked"]})).is(400);

        let ada = client.post("/v3/customers", &json!({"FullName": "Ada"})).is(201).json();
        let ada = ada["ID"].as_str().unwrap().to_owned();
        client.patch(&format!("/v3/customers/{ada}"), &json!({"City": "Odense"})).is(200);
        // By the command line too, and by runs.
        books.run(&["run", "--as-of", "2026-02-01", "--skip", "render,send,collect"]).exits(0);
        let is_of_ada =
            |told: &&(Vec<(String, String)>, Value)| told.1["Issuer"]["Identifier"] == ada.as_str();
        let is_booked = |told: &(Vec<(String, String)>, Value)| told.1["Type"] == "Invoice";
        let told = until(&sent, |all| all.iter().filter(is_of_ada).count() >= 3 && all.iter().any(is_booked));
        let event = |told: &(Vec<(String, String)>, Value)| {
            format!("{}.{}", told.1["Type"], told.1["Action"]).replace('"', "")
        };
        // The first try was answered 503: it came again with the same id, before what followed of the same customer.
        let of_ada: Vec<_> =
            told.iter().filter(|told| told.1["Issuer"]["Identifier"] == ada.as_str()).collect();
        let names: Vec<String> = of_ada.iter().map(|told| event(told)).collect();
        assert_eq!(names, ["Customer.create", "Customer.create", "Customer.update"]);
        assert_eq!(of_ada[0].1["ID"], of_ada[1].1["ID"]);
        assert!(told.iter().any(|told| event(told) == "Invoice.book"), "{told:?}");
        assert!(told.iter().all(|told| {
            ["Customer.create", "Customer.update", "Invoice.book"].contains(&event(told).as_str())
        }));

        // Verified by a library of the receivers', as published.
        for (headers, body) in &told {
            let of = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()).unwrap();
            let text = serde_json::to_string(body).unwrap();
            let checked = Command::new("python3")
                .args([
                    "-c",
                    VERIFY,
                    &secret,
                    &of("webhook-id"),
                    &of("webhook-timestamp"),
                    &of("webhook-signature"),
                    &text,
                ])
                .output()
                .unwrap();
            assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
            assert_eq!(of("webhook-id"), body["ID"].as_str().unwrap());
        }

        let deliveries = client.get(&format!("/v3/webhooks/{id}/deliveries")).is(200).json();
        assert_eq!(deliveries["Items"][0]["Attempts"], 2, "{deliveries}");
        let before = sent.lock().unwrap().len();
        let replayed = client.post(&format!("/v3/webhooks/{id}/replay"), &json!({"From": 1})).is(202).json();
        let count = usize::try_from(replayed["Count"].as_u64().unwrap()).unwrap();
        until(&sent, |all| all.len() >= before + count);
        client.patch(&format!("/v3/webhooks/{id}"), &json!({"Active": false})).is(200);
        client.delete(&format!("/v3/webhooks/{id}")).is(204);
        client.get(&format!("/v3/webhooks/{id}")).refused(404, "unknown_webhook");
    }
}

/// Bodies are compact JSON in the order in which they were sent.
const VERIFY: &str = "
import sys
from standardwebhooks import Webhook
from datetime import datetime
import standardwebhooks.webhooks as w
secret, id, at, signature, text = sys.argv[1:6]
class Now(datetime):
    @classmethod
    def now(cls, tz=None): return datetime.fromtimestamp(int(at), tz)
w.datetime = Now
Webhook(secret).verify(text, {'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature})
";

#[test]
fn endpoints_in_the_house_are_refused_unless_they_are_allowed() {
    let books = Books::Sqlite(Home::new());
    let file = books.file("book.json", book(1).to_string());
    books.run(&["load", &file]).exits(0);
    let keys = key(&books, "shop", &["read", "write"]);
    let server = Server::start(&books, &["--no-work"]);
    for url in
        ["http://127.0.0.1:9/x", "http://169.254.169.254/latest", "http://[::1]/", "ftp://example.com/", "x"]
    {
        server.with(&keys).post("/v3/webhooks", &json!({"Url": url})).refused(400, "bad_url");
    }
    books.run(&["webhooks", "add", "http://10.0.0.1/"]).exits(1);
    let added = books.json(&["webhooks", "add", "https://hooks.example/x", "--event", "Invoice.*"]);
    assert!(added["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!(books.json(&["webhooks", "list"]).as_array().unwrap().len(), 1);
}

/// A receiver that does with its first request as it is told, and takes what follows; what it was asked for, line by line.
fn odd_receiver(first: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&asked);
    let address = listening(move |at, line, headers, body| {
        kept.lock().unwrap().push(format!("{line} {}", body["ID"].as_str().unwrap()));
        let host = headers.iter().find(|(name, _)| name == "host").map(|(_, host)| host.clone()).unwrap();
        match (at, first) {
            (0, "stalls") => None,
            (0, "redirects") => Some(format!("302 x\r\nLocation: http://{host}/elsewhere")),
            (_, "is gone") => Some("410 x".to_owned()),
            (_, "is slow and gone") => {
                std::thread::sleep(Duration::from_secs(3));
                Some("410 x".to_owned())
            }
            _ => Some("204 x".to_owned()),
        }
    });
    (format!("http://{address}/hook"), asked)
}

#[test]
fn a_receiver_that_stalls_redirects_or_is_gone_holds_nobody_up() {
    for books in both() {
        let (server, keys) = served(&books);
        let client = server.with(&keys);
        let receivers = ["stalls", "redirects", "is gone", "is well"].map(odd_receiver);
        let ids = receivers.each_ref().map(|(url, _)| {
            let made = client.post("/v3/webhooks", &json!({"Url": url, "Events": ["Customer.*"]})).is(201);
            made.json()["ID"].as_str().unwrap().to_owned()
        });
        client.post("/v3/customers", &json!({"FullName": "Ada"})).is(201);
        let asked = |of: usize| receivers[of].1.lock().unwrap().clone();
        let until = Instant::now() + Duration::from_secs(90);
        let is_told = || asked(0).len() >= 2 && asked(1).len() >= 2 && !asked(3).is_empty();
        while !is_told() {
            assert!(Instant::now() < until, "{:?}", [0, 1, 2, 3].map(asked));
            std::thread::sleep(Duration::from_millis(50));
        }
        // The same event again, at the address that was given.
        for of in [0, 1] {
            let lines = asked(of);
            assert_eq!(lines[0], lines[1]);
            assert!(lines.iter().all(|line| line.starts_with("POST /hook ")), "{lines:?}");
        }
        let gone = client.get(&format!("/v3/webhooks/{}", ids[2])).is(200).json();
        assert_eq!((&gone["Active"], asked(2).len()), (&json!(false), 1), "{gone}");
        assert!(gone["Disabled"].is_string(), "{gone}");
        let well = client.get(&format!("/v3/webhooks/{}/deliveries", ids[3])).is(200).json();
        assert_eq!((&well["Items"][0]["Attempts"], asked(3).len()), (&json!(1), 1), "{well}");
    }
}

#[test]
fn what_the_former_address_answers_says_nothing_of_the_new_one() {
    for books in both() {
        let (server, keys) = served(&books);
        let client = server.with(&keys);
        let [(former, asked), (new, told)] = ["is slow and gone", "is well"].map(odd_receiver);
        let made = client.post("/v3/webhooks", &json!({"Url": former, "Events": ["Customer.*"]})).is(201);
        let at = format!("/v3/webhooks/{}", made.json()["ID"].as_str().unwrap());
        client.post("/v3/customers", &json!({"FullName": "Ada"})).is(201);
        let until = Instant::now() + Duration::from_secs(60);
        let waits = |of: &Mutex<Vec<String>>| {
            while of.lock().unwrap().is_empty() {
                assert!(Instant::now() < until, "{}", client.get(&format!("{at}/deliveries")).text());
                std::thread::sleep(Duration::from_millis(50));
            }
        };
        waits(&asked);
        client.patch(&at, &json!({"Url": new})).is(200);
        waits(&told);
        assert_eq!(asked.lock().unwrap()[0], told.lock().unwrap()[0]);
        assert_eq!(client.get(&at).is(200).json()["Active"], true);
    }
}

/// What belongs to an object has events of its own, whoever changes it; and a verb that is asked for many tells of each.
#[test]
fn contacts_ways_to_pay_and_charges_are_told_too() {
    for books in both() {
        let (server, keys) = served(&books);
        let client = server.with(&keys);
        let kinds = ["Contact.*", "PaymentMethod.*", "SubscriptionCharge.*", "Subscription.setamount"];
        let made =
            client.post("/v3/webhooks", &json!({"Url": "http://127.0.0.1:1/x", "Events": kinds})).is(201);
        let deliveries = format!("/v3/webhooks/{}/deliveries", made.json()["ID"].as_str().unwrap());
        let told = |from: usize| -> Vec<(String, String)> {
            let all = client.get(&deliveries).is(200).json()["Items"].clone();
            let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
            let events = all.as_array().unwrap().iter().skip(from);
            events
                .map(|item| {
                    (format!("{}.{}", text(item, "Type"), text(item, "Action")), text(item, "Object"))
                })
                .collect()
        };
        let ada = client.post("/v3/customers", &json!({"FullName": "Ada"})).is(201).json()["ID"].clone();
        let contact = json!({"CustomerID": ada, "FullName": "Bob"});
        let bob = client.post("/v3/contacts", &contact).is(201).json()["ID"].as_str().unwrap().to_owned();
        client.patch(&format!("/v3/contacts/{bob}"), &json!({"Note": "x"})).is(200);
        let method = json!({"Type": 64, "PureToken": {"Token": "tok_ok", "PaymentGateway": "sandbox"}, "MakeDefault": true});
        let at = format!("/v3/paymentmethods/{}", ada.as_str().unwrap());
        let method = client.post(&at, &method).is(201).json()["ID"].as_str().unwrap().to_owned();
        client.delete(&format!("/v3/contacts/{bob}")).is(204);
        let expected = [
            ("Contact.create", &bob),
            ("Contact.update", &bob),
            ("PaymentMethod.create", &method),
            ("Contact.delete", &bob),
        ];
        let expected: Vec<(String, String)> =
            expected.iter().map(|(event, id)| ((*event).to_owned(), (*id).clone())).collect();
        assert_eq!(told(0), expected);

        // By a book file, one verb, and the same verb of a table.
        let file = books.file("more.json", book(2).to_string());
        books.run(&["load", &file]).exits(0);
        let names = |from: usize| told(from).into_iter().map(|(event, _)| event).collect::<Vec<_>>();
        let mut of_the_second = names(4);
        of_the_second.sort_unstable();
        let charge = "SubscriptionCharge.create";
        assert_eq!(of_the_second, ["Contact.create", "PaymentMethod.create", charge, charge]);
        let verb = ["--charge", "PRO-BASE", "--amount", "3"];
        books.run(&[&["subscriptions", "setamount", "SUB-0001"], &verb[..]].concat()).exits(0);
        let both = ["Subscription.setamount", "SubscriptionCharge.update"];
        assert_eq!(names(8), both);
        let table =
            books.file("many.csv", "subscription,charge,amount\nSUB-0001,PRO-BASE,4\nSUB-0002,PRO-BASE,5\n");
        books.run(&["subscriptions", "bulk", "setamount", &table]).exits(0);
        assert_eq!(names(10), [both, both].concat());
    }
}
