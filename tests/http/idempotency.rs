//! The same request twice, by impatience, by accident, or because a server died.

use crate::support::book;
use crate::support::books::{Books, both};
use crate::support::http::{Server, key};
use serde_json::json;
use std::collections::BTreeSet;

const KEY: &str = "0191f8a4-7d1c-4abc-8def-0123456789ab";

fn loaded(books: Books) -> Books {
    let file = books.file("book.json", book(1).to_string());
    books.run(&["load", &file]).exits(0);
    books
}

fn nameless() -> serde_json::Value {
    json!({"Amount": 5, "EntryDate": "2026-01-10T10:00:00Z", "Subject": "SUB-0001", "Meter": "api_calls"})
}

#[test]
fn a_repeat_gets_the_stored_answer_and_another_request_is_told_apart() {
    for books in both().map(loaded) {
        let usage = key(&books, "meter", &["usage"]);
        let other = key(&books, "other", &["usage"]);
        let server = Server::start(&books, &["--no-work"]);
        let client = server.with(&usage).header("Idempotency-Key", KEY);
        let first = client.post("/v3/usagedata", &nameless()).is(201);
        let again = client.post("/v3/usagedata", &nameless()).is(201);
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert_eq!(first.header("idempotency-replayed"), None);
        assert_eq!(again.body, first.body);
        let mut changed = nameless();
        changed["Amount"] = json!(6);
        client.post("/v3/usagedata", &changed).refused(409, "idempotency_mismatch");
        // Another key of the API has keys of its own.
        let foreign =
            server.with(&other).header("Idempotency-Key", KEY).post("/v3/usagedata", &nameless()).is(201);
        assert_ne!(foreign.json()["ID"], first.json()["ID"]);
        let wrong = server.with(&usage).header("Idempotency-Key", "not a key");
        wrong.post("/v3/usagedata", &nameless()).refused(400, "bad_idempotency_key");
        // What can be put right is not kept.
        let mended = server.with(&usage).header("Idempotency-Key", "0191f8a4-7d1c-4abc-8def-000000000002");
        mended.post("/v3/usagedata", &json!({"Amount": "x"})).is(400);
        mended.post("/v3/usagedata", &nameless()).is(201);
    }
}

#[test]
fn many_at_once_have_one_effect() {
    for books in both().map(loaded) {
        let usage = key(&books, "meter", &["usage"]);
        let servers = [Server::start(&books, &["--no-work"]), Server::start(&books, &["--no-work"])];
        let ids: BTreeSet<String> = std::thread::scope(|scope| {
            let asking: Vec<_> = (0..32)
                .map(|n| {
                    let client = servers[n % 2].with(&usage).header("Idempotency-Key", KEY);
                    scope.spawn(move || {
                        client.post("/v3/usagedata", &nameless()).is(201).json()["ID"].to_string()
                    })
                })
                .collect();
            asking.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(ids.len(), 1, "{ids:?}");
        books.run(&["run", "--as-of", "2026-02-01", "--skip", "render,send,collect"]).exits(0);
        let invoices = books.json(&["invoices"]);
        let lines = invoices.as_array().unwrap().iter().flat_map(|i| i["InvoiceLines"].as_array().unwrap());
        let api: Vec<_> = lines.filter(|line| line["SKU"] == "PRO-API").collect();
        assert_eq!(api.len(), 1, "{invoices}");
        assert_eq!(api[0]["RatedQuantity"], "5", "{invoices}");
    }
}
