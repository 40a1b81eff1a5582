//! Death of the server at any door while it works on a request under an Idempotency-Key: the same request again, to a
//! server that was started anew, has one effect in all, and one answer from then on.

use crate::support::book;
use crate::support::books::{Books, both};
use crate::support::http::{Client, Reply, Server, key};
use serde_json::{Value, json};
use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

/// Doors that one request may come to.
const DOORS_MAX: u64 = 40;

/// A home with a year of booked invoices of one customer, unpaid, and what is asked of it.
struct Scene {
    books: Books,
    key: String,
    /// Requests so far: each is another one.
    asked: Cell<u64>,
}

impl Scene {
    fn new(books: Books) -> Self {
        let file = books.file("book.json", book(1).to_string());
        books.run(&["load", &file]).exits(0);
        for month in 1..=12 {
            let day = &format!("2026-{month:02}-01");
            books.run(&["run", "--as-of", day, "--skip", "render,send,collect"]).exits(0);
        }
        let key = key(&books, "all", &["read", "write", "usage", "operate"]);
        Self { books, key, asked: Cell::new(0) }
    }

    /// A server that aborts after so many doors more than it has come to when it listens.
    fn server(&self, dies_after: Option<u64>) -> Server {
        let count = self.books.home().path().with_file_name("doors");
        let mut command = self.books.command(&["serve", "--listen", "127.0.0.1:0", "--no-work"]);
        if let Some(more) = dies_after {
            let begun = self.doors_of_a_start(&count);
            command.env("TALLYBOOK_CRASH_AT", (begun + more).to_string());
        }
        Server::started(command)
    }

    /// Doors that a server comes to before it listens.
    fn doors_of_a_start(&self, count: &Path) -> u64 {
        drop(std::fs::remove_file(count));
        let mut command = self.books.command(&["serve", "--listen", "127.0.0.1:0", "--no-work"]);
        command.env("TALLYBOOK_CRASH_COUNT", count);
        drop(Server::started(command));
        std::fs::read_to_string(count).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    fn client<'s>(&self, server: &'s Server, name: u64) -> Client<'s> {
        let key = format!("0191f8a4-7d1c-4abc-8def-{name:012x}");
        server.with(&self.key).header("Idempotency-Key", &key)
    }

    /// As below; and at one of the doors at least the effect was there and its answer with it.
    fn asks(&self, ask: impl Fn(&Client<'_>, u64) -> Reply, effects: impl Fn(u64) -> usize) {
        assert!(self.dies_at_doors(ask, effects) > 0, "the answer is not in the transaction of the effect");
    }

    /// Asks at every door, until the server answers before it would die; how many times the answer was kept with the
    /// effect.
    fn dies_at_doors(
        &self,
        ask: impl Fn(&Client<'_>, u64) -> Reply,
        effects: impl Fn(u64) -> usize,
    ) -> usize {
        let mut kept = 0;
        for door in 1..=DOORS_MAX {
            let n = self.asked.get() + 1;
            self.asked.set(n);
            let server = self.server(Some(door));
            let first = ask(&self.client(&server, n), n);
            drop(server);
            let server = self.server(None);
            let client = self.client(&server, n);
            let again = until_free(|| ask(&client, n));
            assert!((200..300).contains(&again.status), "door {door}: {} {}", again.status, again.text());
            let is_replayed = again.header("idempotency-replayed") == Some("true");
            kept += usize::from(first.status == 0 && is_replayed);
            let third = ask(&client, n);
            assert_eq!((third.status, &third.body), (again.status, &again.body), "door {door}");
            assert_eq!(third.header("idempotency-replayed"), Some("true"), "door {door}");
            assert_eq!(effects(n), 1, "door {door}: {}", third.text());
            if first.status != 0 {
                assert_eq!((first.status, &first.body), (third.status, &third.body), "door {door}");
                return kept;
            }
        }
        panic!("the server dies for ever");
    }
}

/// Asks again as long as the server that died still seems to be at it: a database server sees that late on a busy machine.
fn until_free(ask: impl Fn() -> Reply) -> Reply {
    let until = Instant::now() + Duration::from_secs(90);
    loop {
        let reply = ask();
        let is_held = reply.status == 409 && reply.text().contains("idempotency_running");
        if !is_held || Instant::now() > until {
            return reply;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn server_get(books: &Books, key: &str, path: &str) -> Value {
    let server = Server::start(books, &["--no-work"]);
    server.with(key).get(path).is(200).json()
}

fn items(books: &Books, key: &str, path: &str) -> Vec<Value> {
    server_get(books, key, path)["Items"].as_array().unwrap().clone()
}

/// The path of a subscription that has a quota and is not billed.
fn quota(books: &Books, key: &str) -> String {
    let server = Server::start(books, &["--no-work"]);
    let client = server.with(key);
    let bucket = client.post("/v1/metering", &json!({})).is(201).json();
    let path = format!("/v1/metering/{}", bucket["id"].as_str().unwrap());
    let plan = json!({"label": "Free", "planExternalId": "free", "meters": {"requests": {"label": "Requests", "max": 1000}}});
    client.post(&format!("{path}/plans"), &plan).is(201);
    let body = json!({
        "planExternalIds": ["free"], "status": "active", "type": "periodic", "renewalStrategy": "monthly",
        "region": "us-central1", "customerKey": "CU-0001", "subscriptionExternalId": "quota_1",
        "customerExternalId": "cus_1",
    });
    let one = client.post(&format!("{path}/subscriptions"), &body).is(201).json();
    format!("{path}/subscriptions/{}", one["id"].as_str().unwrap())
}

#[test]
fn a_server_that_dies_at_any_door_has_done_a_request_once_or_not_at_all() {
    for books in both() {
        let scene = Scene::new(books);
        let (books, api_key) = (&scene.books, scene.key.as_str());
        let acts = |action: &str| {
            books.json(&["audit"]).as_array().unwrap().iter().filter(|act| act["action"] == action).count()
        };
        let named = |path: &'static str, name: String| {
            items(books, api_key, path).iter().filter(|item| item["FullName"] == name.as_str()).count()
        };

        scene.asks(
            |client, n| client.post("/v3/customers", &json!({"FullName": format!("Ada {n}")})),
            |n| named("/v3/customers", format!("Ada {n}")),
        );

        let subscription = items(books, api_key, "/v3/subscriptions")[0]["ID"].as_str().unwrap().to_owned();
        let path = format!("/v3/subscriptions/{subscription}/setamount");
        let before = Cell::new(acts("subscription.setamount"));
        scene.asks(
            |client, n| client.put(&path, &json!({"Quantity": n, "All": true})),
            |_| {
                let now = acts("subscription.setamount");
                now - before.replace(now)
            },
        );

        scene.asks(
            |client, n| {
                let event = json!({"Amount": n, "EntryDate": "2026-05-10T10:00:00Z", "Subject": "SUB-0001", "Meter": "api_calls"});
                client.post("/v3/usagedata", &event)
            },
            |n| {
                let all = items(books, api_key, "/v3/usagedata?pagesize=1000");
                all.iter().filter(|usage| usage["Amount"].as_u64() == Some(n)).count()
            },
        );

        // What takes from a quota is counted once, and what is left is told anew.
        let quota = quota(books, api_key);
        let left = || server_get(books, api_key, &format!("{quota}/quotas"))["requests"].as_u64().unwrap();
        let before = Cell::new(left());
        scene.dies_at_doors(
            |client, _| client.post(&format!("{quota}/consumption"), &json!({"meters": {"requests": 1}})),
            |_| {
                let now = left();
                usize::try_from(before.replace(now) - now).unwrap()
            },
        );

        // The provider is asked for one attempt, whoever dies before or after it has answered.
        let open: Vec<String> = items(books, api_key, "/v3/invoices")
            .iter()
            .map(|invoice| invoice["ID"].as_str().unwrap().to_owned())
            .collect();
        let first = scene.asked.get() + 1;
        let invoice = |n: u64| &open[usize::try_from(n - first).unwrap()];
        let charges = || {
            let all = std::fs::read_to_string(books.home().path().join("sandbox-payments.ndjson"));
            all.map_or(0, |text| text.lines().count())
        };
        let before = Cell::new(0);
        scene.asks(
            |client, n| client.put(&format!("/v3/invoices/{}/recharge", invoice(n)), &json!({})),
            |_| {
                let now = charges();
                now - before.replace(now)
            },
        );
        assert_eq!(books.json(&["verify"])["ok"], true);
    }
}
