//! Who may ask.

use crate::support::books::both;
use crate::support::http::{Server, key};
use crate::support::postgres;
use std::process::Command;
use std::time::Duration;

/// Base64 as `base64` writes it.
fn base64(text: &str) -> String {
    let done = Command::new("sh").args(["-c", "printf %s \"$0\" | base64 -w0", text]).output().unwrap();
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn a_key_opens_what_its_scopes_say_until_it_is_revoked() {
    for books in both() {
        let reader = key(&books, "reader", &["read"]);
        let writer = key(&books, "writer", &["write"]);
        let server = Server::start(&books, &["--no-work"]);

        assert!(server.with(&reader).get("/v3/time").is(200).json()["Time"].is_string());
        let encoded = base64(&reader);
        server.with(&encoded).get("/v3/time").is(200);
        server.with(encoded.trim_end_matches('=')).get("/v3/time").is(200);
        let lower = server.anybody().header("authorization", &format!("bearer {reader}"));
        lower.get("/v3/time").is(200);

        let refused = server.anybody().get("/v3/time");
        assert!(refused.header("www-authenticate").unwrap().starts_with("Bearer"));
        assert_eq!(refused.refused(401, "no_key")["ErrorCode"], 40100);
        assert_eq!(
            server.with("tally_nobody").get("/v3/time").refused(401, "unknown_key")["ErrorCode"],
            40101
        );
        let told = server.with(&writer).get("/v3/time").refused(403, "scope");
        assert!(told["Message"].as_str().unwrap().contains("`read`"), "{told}");

        books.run(&["keys", "revoke", "reader"]).exits(0);
        std::thread::sleep(Duration::from_millis(1_100));
        server.with(&reader).get("/v3/time").refused(401, "unknown_key");
        books.run(&["keys", "revoke", "reader"]).exits(0);
        let shown = books.json(&["keys", "list"]);
        assert_eq!(shown[0]["state"], "revoked", "{shown}");
        assert_eq!(shown[1]["state"], "active", "{shown}");
        assert!(!shown.to_string().contains(&reader));
        let audit_log = books.json(&["audit"]).to_string();
        assert!(audit_log.contains("key.create") && audit_log.contains("key.revoke"), "{audit_log}");
    }
}

#[test]
fn a_key_is_made_once_per_name_ends_on_its_day_and_stands_nowhere() {
    let home = postgres::PgHome::new();
    let made = home.json(&["keys", "create", "shop", "--scope", "read", "--expires", "2100-01-01"]);
    let shop = made["key"].as_str().unwrap();
    assert_eq!(made["scopes"], serde_json::json!(["read"]));
    let twice = home.run(&["--json", "keys", "create", "shop", "--scope", "write"]).exits(1);
    assert_eq!(twice.error()["code"], "duplicate");
    let past =
        home.run(&["--json", "keys", "create", "old", "--scope", "read", "--expires", "2020-01-01"]).exits(1);
    assert_eq!(past.error()["code"], "invalid");
    home.run(&["keys", "create", "shop2", "--scope", "everything"]).exits(1);
    let unknown = home.run(&["--json", "keys", "revoke", "nobody"]).exits(1);
    assert_eq!(unknown.error()["code"], "not_found");
    let rows = home.sql("select * from api_key").unwrap();
    assert_eq!(rows.lines().count(), 1);
    assert!(!rows.contains(shop.trim_start_matches("tally_")), "{rows}");

    let books = crate::support::books::Books::Postgres(home);
    let mut later = books.command(&["serve", "--listen", "127.0.0.1:0", "--no-work"]);
    later.env("TALLYBOOK_NOW", "2100-01-01T00:00:00Z");
    let server = Server::started(later);
    server.with(shop).get("/v3/time").refused(401, "unknown_key");
}
