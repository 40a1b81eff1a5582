//! The routes of the contract: every one answers, or stands in a list of those that are not there yet, with the reason.

use crate::support::books::Books;
use crate::support::http::{Server, key};
use crate::support::{Home, book};
use std::collections::BTreeSet;

/// What the contract names and this version does not answer.
const NOT_YET: &[(&str, &str)] = &[
    ("111", "hold of one charge: an act that the timeline does not have yet"),
    ("112", "resume of one charge, as 111"),
];

#[test]
fn every_route_of_the_contract_is_answered_or_named_as_missing() {
    let books = Books::Sqlite(Home::new());
    let file = books.file("book.json", book(1).to_string());
    books.run(&["load", &file]).exits(0);
    let all = key(&books, "all", &["read", "write", "usage", "operate"]);
    let server = Server::start(&books, &["--no-work"]);
    let client = server.with(&all);
    let document = client.get("/openapi.json").is(200).json();
    let known: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            let path = path.trim_end_matches('/').to_ascii_lowercase();
            methods.as_object().unwrap().keys().map(move |method| (method.to_ascii_uppercase(), path.clone()))
        })
        .collect();
    let contract = include_str!("routes.csv");
    let mut missing = Vec::new();
    for line in contract.lines().skip(1) {
        let [number, method, path] = line.splitn(3, ',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let is_excused = NOT_YET.iter().any(|(n, _)| *n == number);
        let shape = path.trim_end_matches('/').to_ascii_lowercase();
        let is_there = known.contains(&(method.to_owned(), shape.clone()));
        assert!(!(is_there && is_excused), "{number} {method} {path} is answered: take it off the list");
        if !is_there && !is_excused {
            missing.push(format!("{number} {method} {path}"));
            continue;
        }
        if is_excused || method != "GET" {
            continue;
        }
        // Whatever stands in the path, an answer is never a fault of ours, and never an unknown path.
        let asked = path.split('/').map(|part| match part.starts_with('{') {
            true => "00000000-0000-4000-8000-000000000000",
            false => part,
        });
        let reply = client.get(&asked.collect::<Vec<_>>().join("/"));
        assert!(reply.status < 500, "{number} {method} {path}: {} {}", reply.status, reply.text());
        let is_no_route = reply.status == 404 && reply.text().contains("no_route");
        assert!(!is_no_route && reply.status != 405, "{number} {method} {path}: {}", reply.text());
    }
    assert!(missing.is_empty(), "not answered, and not excused:\n{}", missing.join("\n"));
}
