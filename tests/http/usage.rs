//! Usage over HTTP: counted once, whatever else brings it in, and billed by the next run.

use crate::support::books::{Books, both};
use crate::support::http::{Client, Server, key};
use crate::support::{Home, book, counterpart, node_modules};
use serde_json::{Value, json};
use std::path::Path;

fn record(id: &str, amount: Value) -> Value {
    json!({"RefKey": id, "Amount": amount, "EntryDate": "2026-01-10T10:00:00Z", "Subject": "SUB-0001", "Meter": "api_calls"})
}

fn loaded(books: Books) -> Books {
    let file = books.file("book.json", book(2).to_string());
    books.run(&["load", &file]).exits(0);
    books
}

/// What January comes to for the first customer, as `invoices` tells it.
fn billed(books: &Books) -> Value {
    books.run(&["run", "--as-of", "2026-02-01", "--skip", "render,send,collect"]).exits(0);
    books.json(&["invoices", "--customer", "CU-0001"])
}

/// Events that a run has rated for the first customer.
fn rated(books: &Books) -> String {
    let invoices = billed(books);
    let lines = invoices.as_array().unwrap().iter().flat_map(|i| i["InvoiceLines"].as_array().unwrap());
    let api: Vec<&Value> = lines.filter(|line| line["SKU"] == "PRO-API").collect();
    assert_eq!(api.len(), 1, "{invoices}");
    api[0]["RatedQuantity"].as_str().unwrap().to_owned()
}

/// Amounts and lines, without what differs between two homes.
fn amounts(invoices: &Value) -> Vec<Value> {
    let lines = |invoice: &Value| invoice["InvoiceLines"].clone();
    invoices.as_array().unwrap().iter().map(|i| json!([i["TotalAmount"], lines(i)])).collect()
}

#[test]
fn a_record_is_taken_once_and_says_what_became_of_it() {
    for books in both().map(loaded) {
        let usage = key(&books, "meter", &["usage"]);
        let server = Server::start(&books, &["--no-work"]);
        let client = server.with(&usage);
        let made = client.post("/v3/usagedata", &record("e-1", json!(1300.5))).is(201);
        assert!(made.text().contains("\"Amount\":1300.5,"), "{}", made.text());
        let same = client.post("/v3/usagedata", &record("e-1", json!("1300.50"))).is(200).json();
        assert_eq!(same["ID"], made.json()["ID"]);
        let told = client.post("/v3/usagedata", &record("e-1", json!(7))).refused(409, "usage_conflict");
        assert_eq!(told["Errors"][0]["Pointer"], "/RefKey");

        let mut nobody = record("e-2", json!(1));
        nobody["subject"] = json!("SUB-9");
        nobody.as_object_mut().unwrap().remove("Subject");
        let told = client.post("/v3/usagedata", &nobody).refused(400, "invalid");
        assert_eq!(told["Errors"][0]["Code"], "unknown_subject");
        let mut wrong = record("e-3", json!(1));
        wrong["Amout"] = json!(1);
        let told = client.post("/v3/usagedata", &wrong).refused(400, "unknown_field");
        assert_eq!(told["Errors"][0]["Hint"], "did you mean `Amount`?");
        let twice = br#"{"RefKey":"e-4","refkey":"e-5","Amount":1}"#;
        let json = client.clone().header("Content-Type", "application/json");
        assert_eq!(
            json.send("POST", "/v3/usagedata", Some(twice)).refused(400, "malformed")["ErrorCode"],
            40000
        );
        let xml = client.clone().header("Content-Type", "text/xml");
        xml.send("POST", "/v3/usagedata", Some(b"<a/>")).refused(415, "media_type");
        let deep = [vec![b'['; 5_000], vec![b']'; 5_000]].concat();
        json.send("POST", "/v3/usagedata", Some(&deep)).refused(400, "malformed");

        let list: Vec<Value> = vec![
            record("e-1", json!("1300.5")),
            record("e-6", json!(1)),
            record("e-6", json!(1)),
            record("e-7", json!("a")),
            record("e-6", json!(2)),
        ];
        let answer = client.post("/v3/usagedata", &json!(list)).is(201).json();
        let counts = ["Read", "Accepted", "Duplicate", "Rejected"].map(|n| answer[n].as_u64().unwrap());
        assert_eq!(counts, [5, 1, 2, 2], "{answer}");
        assert_eq!(answer["Items"][3]["Code"], "bad_quantity");
        assert_eq!(answer["Items"][4]["Code"], "conflict");
        client.post("/v3/usagedata", &json!([record("e-6", json!(3))])).is(400);
        let many: Vec<Value> = (0..1_001).map(|n| record(&format!("m-{n}"), json!(1))).collect();
        client.post("/v3/usagedata", &json!(many)).refused(413, "too_large");

        let corrected = json!({"RefKey": "e-8", "Corrects": "e-6", "Amount": 4, "EntryDate": "2026-01-10T10:00:00Z",
                               "Subject": "SUB-0001", "Meter": "api_calls"});
        client.post("/v3/usagedata", &corrected).is(201);
        let mut stale = corrected.clone();
        stale["RefKey"] = json!("e-9");
        client.post("/v3/usagedata", &stale).refused(409, "usage_conflict");

        // A file with the same ids adds nothing but what is new.
        let file = "id,subject,meter,quantity,time,source\n\
                    e-1,SUB-0001,api_calls,1300.5,2026-01-10T10:00:00Z,api\n\
                    e-1,SUB-0001,api_calls,9,2026-01-10T10:00:00Z,other\n";
        let file = books.file("usage.csv", file);
        let ingested = books.json(&["ingest", &file]);
        assert_eq!(
            (ingested["files"][0]["accepted"].clone(), ingested["files"][0]["duplicate"].clone()),
            (json!(1), json!(1))
        );
        client.post("/v3/usagedata", &record("e-1", json!("1300.5"))).is(200);
    }
}

#[test]
fn what_was_answered_outlives_a_kill_and_is_billed_like_a_file() {
    for (books, twin) in both().map(loaded).into_iter().zip(both().map(loaded)) {
        let usage = key(&books, "meter", &["usage"]);
        let events: Vec<Value> = (0..50).map(|n| record(&format!("e-{n}"), json!(7 + n))).collect();
        let server = Server::start(&books, &["--no-work"]);
        server.with(&usage).post("/v3/usagedata", &json!(events)).is(201);
        server.signal("-KILL");
        drop(server);
        let rows: String =
            (0..50).map(|n| format!("e-{n},SUB-0001,api_calls,{},2026-01-10T10:00:00Z\n", 7 + n)).collect();
        let file = twin.file("usage.csv", format!("id,subject,meter,quantity,time\n{rows}"));
        twin.run(&["ingest", &file]).exits(0);
        assert_eq!(amounts(&billed(&books)), amounts(&billed(&twin)));
        books.run(&["verify"]).exits(0);
    }
}

#[test]
fn requests_files_and_runs_at_once_count_everything_once() {
    for books in both().map(loaded) {
        let usage = key(&books, "meter", &["usage"]);
        let servers = [Server::start(&books, &["--no-work"]), Server::start(&books, &["--no-work"])];
        let name = |n: usize| format!("e-{n:04}");
        std::thread::scope(|scope| {
            for worker in 0..8 {
                let client: Client<'_> = servers[worker % 2].with(&usage);
                scope.spawn(move || {
                    for n in 0..40 {
                        // Each event comes from several at once.
                        let event = record(&name((n * 7 + worker) % 100), json!(1));
                        let status = client.post("/v3/usagedata", &event).status;
                        assert!([200, 201].contains(&status), "{status}");
                    }
                });
            }
            let books = &books;
            scope.spawn(move || {
                for part in 0..4 {
                    let rows: String = (part * 30..part * 30 + 30)
                        .map(|n| format!("{},SUB-0001,api_calls,1,2026-01-10T10:00:00Z,api\n", name(n)))
                        .collect();
                    let file = format!("id,subject,meter,quantity,time,source\n{rows}");
                    let file = books.file(&format!("part-{part}.csv"), file);
                    books.run(&["ingest", &file]).exits(0);
                }
            });
        });
        assert_eq!(rated(&books), "120");
        books.run(&["verify"]).exits(0);
    }
}

#[test]
fn imports_at_once_move_what_waits_once() {
    for books in both().map(loaded) {
        let usage = key(&books, "meter", &["usage"]);
        let server = Server::start(&books, &["--no-work"]);
        for round in 0..5 {
            let events: Vec<Value> =
                (0..1_000).map(|n| record(&format!("w-{round}-{n}"), json!(1))).collect();
            server.with(&usage).post("/v3/usagedata", &json!(events)).is(201);
            // Each first moves what waits, all of them the same.
            std::thread::scope(|scope| {
                for part in 0..4 {
                    let client: Client<'_> = server.with(&usage);
                    let row = format!("f-{round}-{part},SUB-0001,api_calls,1,2026-01-10T10:00:00Z");
                    scope.spawn(move || {
                        let file = format!("id,subject,meter,quantity,time\n{row}\n");
                        client.send("POST", "/v3/usagedata/import?source=crm", Some(file.as_bytes())).is(201);
                    });
                }
            });
        }
        assert_eq!(rated(&books), "5020");
        books.run(&["verify"]).exits(0);
    }
}

#[test]
fn emitters_of_cloudevents_and_lago_send_what_they_always_sent() {
    for books in both().map(loaded) {
        let usage = key(&books, "meter", &["usage"]);
        let server = Server::start(&books, &["--no-work"]);
        let client = server.with(&usage);
        let event = |id: &str, data: Value| {
            json!({"id": id, "source": "@openmeter/sdk", "specversion": "1.0", "type": "api_calls", "subject": "SUB-0001",
                   "time": "2026-01-15T00:00:00.000Z", "data": data})
        };
        let as_event = |media: &str| client.clone().header("Content-Type", media);
        as_event("application/cloudevents+json")
            .post("/api/v1/events", &event("o-1", json!({"total": 5})))
            .is(204);
        let batch =
            json!([event("o-1", json!({"total": 5})), event("o-2", json!({"value": "2.5", "region": "eu"}))]);
        as_event("application/cloudevents-batch+json").post("/api/v1/events", &batch).is(204);
        as_event("application/json; charset=utf-8")
            .post("/api/v1/events", &event("o-3", Value::Null))
            .is(204);
        let binary = client
            .clone()
            .header("ce-id", "o-4")
            .header("ce-source", "py")
            .header("ce-type", "api_calls")
            .header("ce-specversion", "1.0")
            .header("ce-subject", "SUB-0001")
            .header("ce-time", "2026-01-15T00:00:00.123456+00:00");
        binary.send("POST", "/api/v1/events", Some(br#"{"total": 1}"#)).is(204);
        // All or nothing.
        let mixed = json!([event("o-5", json!({"total": 1})), event("o-1", json!({"total": 6}))]);
        let refused = as_event("application/cloudevents-batch+json").post("/api/v1/events", &mixed).is(400);
        assert_eq!(refused.header("content-type"), Some("application/problem+json"));
        let told = refused.json();
        assert_eq!(told["extensions"]["validationErrors"][0]["field"], "/1", "{told}");
        assert!(told["instance"].as_str().unwrap().starts_with("urn:request:"));
        as_event("application/json").post("/api/v1/events", &event("o-5", json!({"total": 2}))).is(204);

        let lago = |id: &str, value: Value| {
            json!({"event": {"transaction_id": id, "external_subscription_id": "SUB-0001", "code": "api_calls",
                             "timestamp": "1768435200", "precise_total_amount_cents": null, "properties": {"value": value}}})
        };
        let answer = client.post("/lago/api/v1/events", &lago("l-1", json!(3))).is(200).json();
        assert_eq!(answer["event"]["timestamp"], "2026-01-15T00:00:00Z", "{answer}");
        client.post("/lago/api/v1/events", &lago("l-1", json!(3))).is(200);
        let told = client.post("/lago/api/v1/events", &lago("l-1", json!(4))).is(422).json();
        assert_eq!(told["error_details"]["transaction_id"][0], "value_already_exist", "{told}");
        let batch = json!({"events": [lago("l-2", json!(1))["event"], lago("l-3", json!("0.5"))["event"]]});
        assert_eq!(
            client.post("/lago/api/v1/events/batch", &batch).is(200).json()["events"][1]["transaction_id"],
            "l-3"
        );

        // 5 + 2.5 + 1 + 1 + 2 from events, 3 + 1 + 0.5 from Lago's.
        assert_eq!(rated(&books), "16");
    }
}

#[test]
fn published_clients_bring_usage_in() {
    let books = loaded(Books::Sqlite(Home::new()));
    let usage = key(&books, "meter", &["usage"]);
    let server = Server::start(&books, &["--no-work"]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/clients.py");
    let told = counterpart("python3", &[script, &format!("http://{}", server.address), &usage]);
    assert_eq!(told, "openmeter\ncloudevents\nlago\n");
    // Three times 5, twice 2, twice 3.
    assert_eq!(rated(&books), "25");
}

#[test]
fn published_clients_for_node_bring_usage_in_and_read_it() {
    let books = loaded(Books::Sqlite(Home::new()));
    let keys = key(&books, "meter", &["usage", "read"]);
    let server = Server::start(&books, &["--no-work"]);
    // Modules are looked for beside the script.
    let script = books.file("clients.mjs", include_str!("clients.mjs"));
    std::os::unix::fs::symlink(node_modules(), Path::new(&script).with_file_name("node_modules")).unwrap();
    let told = counterpart("node", &[&script, &format!("http://{}", server.address), &keys]);
    assert_eq!(told, "openmeter\ncloudevents\n");
    // Twice 5, twice 2.
    assert_eq!(rated(&books), "14");
}

#[test]
fn usage_is_read_as_it_stands_corrected_and_counted_by_window() {
    for books in both().map(loaded) {
        let all = key(&books, "meter", &["usage", "read", "write"]);
        let server = Server::start(&books, &["--no-work"]);
        let client = server.with(&all);
        let rows: String = (0..30)
            .map(|n| format!("f-{n},SUB-0001,api_calls,2,2026-01-{:02}T10:00:00Z\n", n % 28 + 1))
            .collect();
        let file =
            format!("id,subject,meter,quantity,time\n{rows}x,nobody,api_calls,1,2026-01-01T10:00:00Z\n");
        let import = |client: &Client<'_>| {
            client.send("POST", "/v3/usagedata/import?source=crm", Some(file.as_bytes()))
        };
        let first = import(&client).is(201).json();
        let counts = ["Read", "Accepted", "Rejected"].map(|name| first[name].as_u64().unwrap());
        assert_eq!(counts, [31, 30, 1], "{first}");
        assert_eq!(import(&client).is(200).json()["Duplicate"], 30);
        let unreadable = client.send("POST", "/v3/usagedata/import", Some(b"\x00\x01\x02"));
        unreadable.refused(400, "unreadable");

        // What waits is read like what is in segments.
        let made = client.post("/v3/usagedata", &record("e-1", json!(7))).is(201).json();
        let id = made["ID"].as_str().unwrap();
        assert_eq!(client.get(&format!("/v3/usagedata/{id}")).is(200).json()["Amount"], 7);
        assert_eq!(client.get("/v3/usagedata/byrefkey/f-3").is(200).json()["Source"], "crm");
        let listed =
            client.get("/v3/usagedata?pagesize=10&pagenumber=4&$inlinecount=allpages").is(200).json();
        assert_eq!((&listed["TotalItems"], &listed["Items"][0]["ID"]), (&json!(31), &json!(id)), "{listed}");
        let filter = "/v3/usagedata/query?$filter=Subject%20eq%20'SUB-0001'%20and%20Amount%20gt%202";
        assert_eq!(client.get(filter).is(200).json()["Items"].as_array().unwrap().len(), 1);
        client.get("/v3/usagedata/query?$filter=Amount%20gt%202").refused(400, "bad_query");

        // A correction is one version more of the same record.
        let corrected = client.patch(&format!("/v3/usagedata/{id}"), &json!({"Amount": 9})).is(200).json();
        assert_eq!(
            (&corrected["ID"], &corrected["Amount"], &corrected["Version"]),
            (&json!(id), &json!(9), &json!(2))
        );
        client.patch(&format!("/v3/usagedata/{id}"), &json!({"Amount": 9})).is(200);
        let twice = client.patch(&format!("/v3/usagedata/{id}"), &json!({"Amount": "10.5"})).is(200).json();
        assert_eq!((&twice["Version"], &twice["RefKey"] != "e-1"), (&json!(3), true));
        let by_its_name = client.get("/v3/usagedata/byrefkey/e-1").is(200).json();
        assert_eq!((&by_its_name["ID"], &by_its_name["Version"]), (&json!(id), &json!(3)), "{by_its_name}");

        let asked = client.get("/api/v1/meters/api_calls/query").is(200);
        assert!(asked.text().contains("\"value\":70.5,"), "{}", asked.text());
        let days =
            client.get("/api/v1/meters/api_calls/query?windowSize=DAY&subject=SUB-0001").is(200).json();
        assert_eq!(days["data"].as_array().unwrap().len(), 28, "{days}");
        assert_eq!(client.get("/api/v1/events?limit=2").is(200).json().as_array().unwrap().len(), 2);
        assert!(
            client
                .get("/api/v1/meters")
                .json()
                .as_array()
                .unwrap()
                .iter()
                .any(|meter| meter["slug"] == "api_calls")
        );
        client.get("/api/v1/meters/nothing/query").is(404);
        assert_eq!(rated(&books), "70.5");
    }
}
