//! Zuplo's metering: what nothing bills is a quota with a clock of its own; what the book bills is billed from the same
//! usage, and its state is that of the book.

use crate::support::book;
use crate::support::books::{Books, both};
use crate::support::http::{Client, Server, key};
use serde_json::{Value, json};

/// A bucket with a plan that is a quota alone, and one that the product plan PRO bills.
struct Metering {
    bucket: String,
}

impl Metering {
    fn new(client: &Client<'_>) -> Self {
        let bucket = client.post("/v1/metering", &json!({"label": "try"})).is(201).json();
        let bucket = bucket["id"].as_str().unwrap().to_owned();
        assert!(bucket.starts_with("mtr_") && bucket.len() == 28, "{bucket}");
        let it = Self { bucket };
        let meters = |max| json!({"requests": {"label": "Requests", "max": max}});
        for (name, max) in [("prod_free", 10), ("prod_big", 100)] {
            let plan = json!({"label": name, "planExternalId": name, "meters": meters(max), "trialDays": 14, "trialEndStatus": "paused"});
            client.post(&it.path("/plans"), &plan).is(201);
        }
        let billed = json!({"label": "Pro", "planExternalId": "PRO", "meters": {"api_calls": {"label": "Calls", "max": 1000}}});
        client.post(&it.path("/plans"), &billed).is(201);
        it
    }

    fn path(&self, more: &str) -> String {
        format!("/v1/metering/{}{more}", self.bucket)
    }

    fn body(&self, name: &str, plan: &str, more: Value) -> Value {
        let mut body = json!({
            "planExternalIds": [plan], "status": "active", "type": "periodic", "renewalStrategy": "monthly",
            "region": "us-central1", "customerKey": format!("key-{name}"), "subscriptionExternalId": name,
            "customerExternalId": format!("cus-{name}"),
        });
        for (member, value) in more.as_object().unwrap() {
            body[member] = value.clone();
        }
        body
    }

    fn subscribe(&self, client: &Client<'_>, name: &str, plan: &str, more: Value) -> Value {
        client.post(&self.path("/subscriptions"), &self.body(name, plan, more)).is(201).json()
    }

    fn of(&self, subscription: &Value, more: &str) -> String {
        self.path(&format!("/subscriptions/{}{more}", subscription["id"].as_str().unwrap()))
    }
}

fn served(books: &Books) -> (Server, String) {
    let file = books.file("book.json", book(1).to_string());
    books.run(&["load", &file]).exits(0);
    let all = key(books, "all", &["read", "write", "usage"]);
    (Server::start(books, &["--no-work"]), all)
}

#[test]
fn a_quota_is_used_up_counted_once_and_changed_with_its_plan() {
    for books in both() {
        let (server, all) = served(&books);
        let client = server.with(&all);
        let it = Metering::new(&client);
        let anchor = json!({"quotaResetAnchor": "2024-01-31T10:00:00+02:00"});
        let one = it.subscribe(&client, "sub_1", "prod_free", anchor.clone());
        assert_eq!(
            (&one["status"], &one["quotaResetAnchor"]),
            (&json!("active"), &json!("2024-01-31T08:00:00Z"))
        );
        assert!(one["nextBillingCycle"].is_string(), "{one}");

        // The same again is the same one; another body, or another one of the same customer, is none.
        let again =
            client.post(&it.path("/subscriptions"), &it.body("sub_1", "prod_free", anchor)).is(200).json();
        assert_eq!(again["id"], one["id"]);
        let other = it.body("sub_1", "prod_big", json!({}));
        assert_eq!(client.post(&it.path("/subscriptions"), &other).is(409).json()["status"], 409);
        let second = it.body("sub_2", "prod_big", json!({"customerKey": "key-sub_1"}));
        client.post(&it.path("/subscriptions"), &second).is(409);

        let use_it = |n: u64, id: &str| {
            client.post(&it.of(&one, "/consumption"), &json!({"meters": {"requests": n}, "id": id}))
        };
        assert_eq!(
            use_it(4, "a").is(200).json(),
            json!({"allowed": true, "meters": {"requests": {"max": 10, "available": 6}}})
        );
        assert_eq!(use_it(4, "a").is(200).json()["meters"]["requests"]["available"], 6);
        use_it(5, "a").is(409);
        use_it(7, "b").is(429);
        assert_eq!(client.get(&it.of(&one, "/quotas")).is(200).json(), json!({"requests": 6}));
        client
            .post(&it.of(&one, "/consumption"), &json!({"meters": {"requests": 7}, "id": "c", "force": true}))
            .is(200);
        let detail = client.get(&it.of(&one, "/quotas?detail=true")).is(200).json()["data"][0].clone();
        assert_eq!(
            (&detail["used"], &detail["available"], &detail["overage"]),
            (&json!(11), &json!(0), &json!(1))
        );
        use_it(0, "d").is(429);
        client.post(&it.of(&one, "/consumption"), &json!({"meters": {"other": 1}})).is(403);
        let used = client.get(&it.of(&one, "/consumption?windowSize=MONTH")).is(200).json();
        let sum: i64 =
            used["data"].as_array().unwrap().iter().map(|window| window["value"].as_i64().unwrap()).sum();
        assert_eq!(sum, 11, "{used}");

        // Plans that somebody has keep what they let through; a new plan swaps it, or begins a part of the cycle.
        let plan = it.path(&format!("/plans/{}", one["planIds"][0].as_str().unwrap()));
        let told =
            client.patch(&plan, &json!({"meters": {"requests": {"label": "R", "max": 11}}})).is(409).json();
        assert_eq!(told["extensions"]["code"], "hasSubscriptions");
        client.patch(&plan, &json!({"label": "Free"})).is(200);
        client.delete(&plan).is(409);
        client.patch(&it.of(&one, ""), &json!({"prorate": 0.5})).is(400);
        let changed =
            client.patch(&it.of(&one, ""), &json!({"planExternalIds": ["prod_big"]})).is(200).json();
        assert_eq!(changed["planExternalIds"], json!(["prod_big"]));
        assert_eq!(client.get(&it.of(&one, "/quotas")).json(), json!({"requests": 89}));
        client.patch(&it.of(&one, ""), &json!({"planExternalIds": ["prod_free"], "prorate": 0.5})).is(200);
        assert_eq!(client.get(&it.of(&one, "/quotas")).json(), json!({"requests": 5}));

        let patch = json!({"metadata": {"a": 1, "b": {"c": 2}}});
        client.patch(&it.of(&one, ""), &patch).is(200);
        let merged = client.patch(&it.of(&one, ""), &json!({"metadata": {"a": null}})).is(200).json();
        assert_eq!(merged["metadata"], json!({"b": {"c": 2}}));
        let ended = client.patch(&it.of(&one, ""), &json!({"status": "canceled"})).is(200).json();
        assert_eq!((&ended["status"], ended.get("nextBillingCycle")), (&json!("canceled"), None));
        client.patch(&it.of(&one, ""), &json!({"status": "active"})).is(409);
        use_it(1, "e").is(403);

        // Time ends a trial: without a method of payment as the plan says.
        let trial = json!({"status": "trialing", "trialStartDate": "2024-01-01T00:00:00Z"});
        let over = it.subscribe(&client, "sub_3", "prod_free", trial);
        assert_eq!(
            (&over["status"], &over["trialEndDate"]),
            (&json!("inactive"), &json!("2024-01-15T00:00:00Z"))
        );
        let begun = it.subscribe(&client, "sub_4", "prod_free", json!({"status": "trialing"}));
        assert_eq!(begun["status"], "trialing");
        client.delete(&it.of(&begun, "")).is(204);
        client.get(&it.of(&begun, "")).is(404);
        let page = client.get(&it.path("/subscriptions?limit=1&offset=1&status=inactive")).is(200).json();
        assert_eq!((&page["total"], &page["data"], &page["limit"]), (&json!(1), &json!([]), &json!(1)));
        for (member, wrong) in [
            ("status", json!("alive")),
            ("type", json!("once")),
            ("planExternalIds", json!(["none"])),
            ("trialEndDate", json!("tomorrow")),
            ("customerKey", json!("")),
        ] {
            let told =
                client.post(&it.path("/subscriptions"), &it.body("w", "prod_free", json!({member: wrong})));
            let told = told.is(400).json();
            let field = told["extensions"]["validationErrors"][0]["field"].as_str().unwrap();
            assert!(field.starts_with(&format!("/{member}")), "{told}");
        }
        client.get("/v1/metering/mtr_none/subscriptions").is(404);
        client.get(&it.path("/meters/requests")).is(200);
        client.delete(&it.path("")).is(204);
        client.get(&it.path("")).is(404);
    }
}

#[test]
fn what_the_book_bills_is_billed_from_the_same_usage_and_stands_as_the_book_says() {
    for books in both() {
        let (server, all) = served(&books);
        let client = server.with(&all);
        let it = Metering::new(&client);
        let named = client.header("Idempotency-Key", "0191f8a4-7d1c-4abc-8def-0123456789ab");
        let body = it.body("stripe_1", "PRO", json!({"customerKey": "CU-0001"}));
        let first = named.post(&it.path("/subscriptions"), &body).is(201);
        let again = named.post(&it.path("/subscriptions"), &body).is(201);
        assert_eq!((again.header("idempotency-replayed"), &again.body), (Some("true"), &first.body));
        let one = first.json();
        let own = books.json(&["subscriptions", "show", "stripe_1"]);
        assert_eq!((&own["customer"], &own["state"]), (&json!("CU-0001"), &json!("active")), "{own}");
        assert!(one["nextBillingCycle"].is_string(), "{one}");

        let client = server.with(&all);
        client.post(&it.of(&one, "/consumption"), &json!({"meters": {"api_calls": 300}, "id": "a"})).is(200);
        let again =
            client.post(&it.of(&one, "/consumption"), &json!({"meters": {"api_calls": 300}, "id": "a"}));
        assert_eq!(again.is(200).json()["meters"]["api_calls"], json!({"max": 1000, "available": 700}));
        let usage = client.get("/v3/usagedata").is(200).json();
        assert_eq!(usage["Items"][0]["Source"], format!("zuplo:{}", it.bucket), "{usage}");
        // What came in otherwise takes from the same quota.
        let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        let event = json!({"Amount": 100, "EntryDate": now, "Subject": "stripe_1", "Meter": "api_calls"});
        client.post("/v3/usagedata", &event).is(201);
        assert_eq!(client.get(&it.of(&one, "/quotas")).is(200).json(), json!({"api_calls": 600}));

        let status = |wanted: &str| client.patch(&it.of(&one, ""), &json!({"status": wanted}));
        assert_eq!(status("inactive").is(200).json()["status"], "inactive");
        assert_eq!(books.json(&["subscriptions", "show", "stripe_1"])["state"], "hold");
        client.post(&it.of(&one, "/consumption"), &json!({"meters": {"api_calls": 1}})).is(403);
        assert_eq!(status("active").is(200).json()["status"], "active");
        status("past-due").is(409);
        books.run(&["run", "--skip", "render,send,collect"]).exits(0);
        assert_eq!(client.delete(&it.of(&one, "")).is(409).json()["extensions"]["code"], "billed");
        assert_eq!(status("canceled").is(200).json()["status"], "canceled");
        assert_eq!(books.json(&["subscriptions", "show", "stripe_1"])["state"], "cancelled");
        assert_eq!(books.json(&["verify"])["ok"], true);
    }
}

#[test]
fn an_id_stands_for_one_use_within_a_bucket() {
    for books in both() {
        let (server, all) = served(&books);
        let client = server.with(&all);
        let it = Metering::new(&client);
        let subscriptions = [
            it.subscribe(&client, "s_1", "prod_free", json!({})),
            it.subscribe(&client, "s_2", "prod_free", json!({})),
        ];
        let use_it = |place: usize, more: Value| {
            let mut body = json!({"meters": {"requests": 2}, "id": "a"});
            for (member, value) in more.as_object().unwrap() {
                body[member] = value.clone();
            }
            client.post(&it.of(&subscriptions[place], "/consumption"), &body)
        };
        use_it(0, json!({})).is(200);
        let told = use_it(1, json!({})).is(409).json();
        assert!(told["detail"].as_str().unwrap().contains("counted before"), "{told}");
        assert_eq!(client.get(&it.of(&subscriptions[1], "/quotas")).json(), json!({"requests": 10}));
        // Told again with a time of another cycle it is the same use still.
        let before = json!({"time": "2024-01-01T00:00:00Z"});
        assert_eq!(use_it(0, before).is(200).json()["meters"]["requests"]["available"], 10);
        use_it(0, json!({"time": "2024-01-01T00:00:00Z", "meters": {"requests": 3}})).is(409);
        assert_eq!(client.get(&it.of(&subscriptions[0], "/quotas")).json(), json!({"requests": 8}));
        use_it(1, json!({"id": "b"})).is(200);
        assert_eq!(client.get(&it.of(&subscriptions[1], "/quotas")).json(), json!({"requests": 8}));

        // What is billed has its ids in the bucket too.
        let billed =
            [it.subscribe(&client, "b_1", "PRO", json!({})), it.subscribe(&client, "b_2", "PRO", json!({}))];
        let body = json!({"meters": {"api_calls": 2}, "id": "c"});
        client.post(&it.of(&billed[0], "/consumption"), &body).is(200);
        client.post(&it.of(&billed[1], "/consumption"), &body).is(409);
    }
}

#[test]
fn a_billed_plan_that_comes_later_is_billed_from_when_it_comes() {
    for books in both() {
        let (server, all) = served(&books);
        drop(server);
        let on = |day: &str| {
            let mut command = books.command(&["serve", "--listen", "127.0.0.1:0", "--no-work"]);
            command.env("TALLYBOOK_NOW", format!("{day}T12:00:00Z"));
            Server::started(command)
        };
        let server = on("2026-01-10");
        let client = server.with(&all);
        let it = Metering::new(&client);
        let trial = json!({"status": "trialing"});
        let quota = it.subscribe(&client, "later_1", "prod_free", json!({}));
        let tried = it.subscribe(&client, "later_2", "prod_free", trial.clone());
        let short = it.subscribe(&client, "later_3", "prod_free", trial);
        let add = |client: &Client<'_>, subscription: &Value| {
            let plans = json!({"planExternalIds": ["prod_free", "PRO"]});
            client.patch(&it.of(subscription, ""), &plans).is(200);
        };
        drop(client);
        drop(server);

        let server = on("2026-01-20");
        add(&server.with(&all), &short);
        drop(server);
        let server = on("2026-03-10");
        add(&server.with(&all), &quota);
        add(&server.with(&all), &tried);
        for (number, start, trial_end) in [
            ("later_1", "2026-03-10", json!(null)),
            ("later_2", "2026-03-10", json!(null)),
            ("later_3", "2026-01-20", json!("2026-01-24")),
        ] {
            let own = books.json(&["subscriptions", "show", number]);
            assert_eq!((&own["startdate"], &own["trialend"]), (&json!(start), &trial_end), "{own}");
        }
    }
}

#[test]
fn plans_that_are_gone_leave_what_they_billed() {
    for books in both() {
        let (server, all) = served(&books);
        let client = server.with(&all);
        let it = Metering::new(&client);
        let plans = |names: &[&str]| json!({"planExternalIds": names, "customerKey": "CU-0001"});
        let one = it.subscribe(&client, "gone_1", "", plans(&["prod_free", "PRO"]));
        client.post(&it.of(&one, "/consumption"), &json!({"meters": {"api_calls": 5}})).is(200);
        books.run(&["run", "--skip", "render,send,collect"]).exits(0);
        client.patch(&it.of(&one, ""), &json!({"planExternalIds": ["prod_free"]})).is(200);
        assert_eq!(books.json(&["subscriptions", "show", "gone_1"])["state"], "cancelled");
        let used = client.get(&it.of(&one, "/consumption?meter=api_calls")).is(200).json();
        let sum: i64 =
            used["data"].as_array().unwrap().iter().map(|window| window["value"].as_i64().unwrap()).sum();
        assert_eq!(sum, 5, "{used}");
        assert_eq!(client.delete(&it.of(&one, "")).is(409).json()["extensions"]["code"], "billed");
    }
}

#[test]
fn of_two_changes_that_hold_to_the_same_state_one_is_made() {
    for books in both() {
        let (server, all) = served(&books);
        let client = server.with(&all);
        let it = Metering::new(&client);
        let one = it.subscribe(&client, "held_1", "prod_free", json!({}));
        let path = it.of(&one, "");
        let other =
            client.clone().header("If-Match", "\"other\"").patch(&path, &json!({"metadata": {"n": 9}}));
        let told = other.is(412).json()["detail"].as_str().unwrap().to_owned();
        let tag = format!("\"{}\"", told.split('"').nth(1).unwrap());
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let changes: Vec<_> = (0..6)
                .map(|n| {
                    let (server, all, path, tag) = (&server, &all, &path, &tag);
                    scope.spawn(move || {
                        let holding = server.with(all).header("If-Match", tag);
                        holding.patch(path, &json!({"metadata": {"n": n}})).status
                    })
                })
                .collect();
            changes.into_iter().map(|change| change.join().unwrap()).collect()
        });
        let is = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
        assert_eq!((is(200), is(412)), (1, 5), "{statuses:?}");
    }
}

/// Two processes share the books: what is left is left for all of them together.
#[test]
fn two_servers_give_no_more_than_the_quota() {
    for books in both() {
        let (server, all) = served(&books);
        let other = Server::start(&books, &["--no-work"]);
        let it = Metering::new(&server.with(&all));
        let one = it.subscribe(&server.with(&all), "shared_1", "prod_free", json!({}));
        let path = it.of(&one, "/consumption");
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let asking: Vec<_> = (0..24)
                .map(|n| {
                    let (server, all, path) = (if n % 2 == 0 { &server } else { &other }, &all, &path);
                    let body = json!({"meters": {"requests": 1}, "id": format!("use-{n}")});
                    scope.spawn(move || server.with(all).post(path, &body).status)
                })
                .collect();
            asking.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let is = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
        assert_eq!((is(200), is(429)), (10, 14), "{statuses:?}");
        assert_eq!(server.with(&all).get(&it.of(&one, "/quotas")).is(200).json()["requests"], 0);
    }
}
