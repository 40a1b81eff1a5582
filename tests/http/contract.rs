//! The routes of the contract (`routes.csv`): each is in the document with its status, and answered by the router; and what
//! there is besides stands in a list.

use crate::support::book;
use crate::support::books::{Books, both};
use crate::support::http::{Server, key};
use serde_json::Value;
use std::collections::BTreeMap;

/// Routes beyond the contract: of this program alone.
const BESIDES: &[(&str, &str)] = &[("POST", "/stripe/events")];

/// A method and a path, in lower case and without names of places.
type Shape = (String, String);

fn shape(method: &str, path: &str) -> Shape {
    let path = path.trim_end_matches('/').to_ascii_lowercase();
    let part = |part: &str| if part.starts_with('{') { "{}".to_owned() } else { part.to_owned() };
    (method.to_ascii_uppercase(), path.split('/').map(part).collect::<Vec<_>>().join("/"))
}

/// Operations of the document by shape.
fn documented(document: &Value) -> BTreeMap<Shape, Value> {
    let paths = document["paths"].as_object().unwrap().iter();
    let all = paths.flat_map(|(path, operations)| {
        let operations = operations.as_object().unwrap().iter();
        operations.map(move |(method, operation)| (shape(method, path), operation.clone()))
    });
    all.collect()
}

#[test]
fn every_route_of_the_contract_is_documented_and_answered_and_none_is_there_unnamed() {
    for books in both() {
        answers(&books);
    }
}

fn answers(books: &Books) {
    let file = books.file("book.json", book(1).to_string());
    books.run(&["load", &file]).exits(0);
    let all = key(books, "all", &["read", "write", "usage", "operate"]);
    let server = Server::start(books, &["--no-work"]);
    let client = server.with(&all).header("Content-Type", "application/json");
    let mut known = documented(&client.get("/openapi.json").is(200).json());
    let mut wrong = Vec::new();
    for line in include_str!("routes.csv").lines().skip(1) {
        let [number, method, path, success] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let Some(operation) = known.remove(&shape(method, path)) else {
            wrong.push(format!("{number} {method} {path} is not in the document"));
            continue;
        };
        let responses = operation["responses"].as_object().unwrap();
        for status in success.split('|').filter(|status| !responses.contains_key(*status)) {
            wrong.push(format!("{number} {method} {path}: {status} is not in the document"));
        }
        // Whatever stands in the path and the body, an answer is never a fault of ours, and never an unknown path.
        let parts = path.split('/').map(|part| match part.starts_with('{') {
            true => "00000000-0000-4000-8000-000000000000",
            false => part,
        });
        let body: Option<&[u8]> = (method != "GET").then_some(b"{");
        let reply = client.send(method, &parts.collect::<Vec<_>>().join("/"), body);
        let is_no_route = reply.status == 404 && reply.text().contains("no_route");
        if reply.status >= 500 || reply.status == 405 || is_no_route {
            wrong.push(format!("{number} {method} {path}: {} {}", reply.status, reply.text()));
        }
    }
    let unnamed = known.into_keys().filter(|route| !BESIDES.iter().any(|(m, p)| *route == shape(m, p)));
    wrong.extend(unnamed.map(|(method, path)| format!("{method} {path} is in no contract")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
