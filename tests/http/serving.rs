//! The server itself: bounds, wrong addresses, TLS, a stop in the middle of a request.

use crate::support::Home;
use crate::support::books::{Books, both};
use crate::support::http::{Server, key};
use std::io::{Read, Write};
use std::process::Command;
use std::time::{Duration, Instant};

#[test]
fn addresses_are_read_in_any_case_and_what_is_not_there_says_so() {
    for books in both() {
        let reader = key(&books, "reader", &["read"]);
        let server = Server::start(&books, &["--no-work"]);
        let client = server.with(&reader);
        for path in ["/v3/time", "/V3/Time", "/v3/time/", "/v3/TIME///"] {
            client.get(path).is(200);
        }
        assert_eq!(client.send("HEAD", "/v3/time", None).is(200).body, b"");
        client.get("/v3/time?a=b").refused(400, "bad_query");
        client.get("/v3/nothing").refused(404, "no_route");
        let method = client.delete("/v3/time");
        assert!(method.header("allow").unwrap().contains("GET"), "{method:?}");
        method.refused(405, "method");
        client.get("/v3/tenant/me").refused(409, "empty_book");

        let id = "0191f8a4-7d1c-7abc-8def-000000000001";
        let told = client.clone().header("Request-Id", id).get("/v3/nothing");
        assert_eq!(told.header("request-id"), Some(id));
        assert_eq!(told.json()["TraceId"], id.replace('-', ""));
        let own = client.header("Request-Id", "not an id").get("/v3/time");
        assert_eq!(own.header("request-id").unwrap().len(), 36);

        server.anybody().get("/health").is(200);
        server.anybody().get("/ready").is(200);
    }
}

#[test]
fn what_is_too_large_or_too_many_is_refused_and_the_server_goes_on() {
    let books = Books::Sqlite(Home::new());
    let reader = key(&books, "reader", &["read"]);
    let mut command = books.command(&["serve", "--listen", "127.0.0.1:0", "--no-work"]);
    command.env("TALLYBOOK_API_RATE_PER_SECOND", "1").env("TALLYBOOK_API_RATE_BURST", "5");
    let server = Server::started(command);

    let long = format!("/v3/time?a={}", "x".repeat(8 * 1024));
    server.with(&reader).get(&long).refused(414, "url_too_long");
    let wide = server.with(&reader).header("X-Wide", &"x".repeat(17 * 1024)).get("/v3/time");
    assert_eq!(wide.status, 431);
    let huge = b"GET /v3/time HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\nAuthorization: Bearer ";
    let huge = [huge.as_slice(), reader.as_bytes(), b"\r\n\r\n"].concat();
    server.raw(&huge).refused(413, "too_large");
    assert_eq!(server.raw(b"\x16\x03\x01 nonsense\r\n\r\n").status, 400);

    let statuses: Vec<u16> = (0..8).map(|_| server.with(&reader).get("/v3/time").status).collect();
    assert!(statuses.contains(&429), "{statuses:?}");
    let slow_down = server.with(&reader).get("/v3/time");
    assert!(slow_down.header("retry-after").is_some());
    slow_down.refused(429, "too_many_requests");
    server.anybody().get("/health").is(200);
}

#[test]
fn a_head_that_never_ends_is_hung_up_on() {
    let books = Books::Sqlite(Home::new());
    let server = Server::start(&books, &["--no-work"]);
    let mut half = server.connect();
    half.write_all(b"GET /health HTTP/1.1\r\nHost").unwrap();
    let mut silent = server.connect();
    let began = Instant::now();
    for stream in [&mut half, &mut silent] {
        drop(stream.read(&mut [0; 512]));
    }
    let waited = began.elapsed();
    assert!(waited > Duration::from_secs(8) && waited < Duration::from_secs(60), "{waited:?}");
    server.anybody().get("/health").is(200);
}

#[test]
fn a_stop_answers_what_was_asked_and_takes_nothing_more() {
    for books in both() {
        let mut server = Server::start(&books, &[]);
        let mut asking = server.connect();
        asking.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n").unwrap();
        std::thread::sleep(Duration::from_millis(200));
        server.signal("-TERM");
        std::thread::sleep(Duration::from_millis(200));
        asking.write_all(b"\r\n").unwrap();
        let mut answer = String::new();
        drop(asking.read_to_string(&mut answer));
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(std::net::TcpStream::connect(&server.address).is_err());
        assert_eq!(server.ended(Duration::from_secs(120)), Some(0));
    }
}

#[test]
fn plain_http_stays_on_this_machine_unless_it_is_meant() {
    let home = Home::new();
    let refused = home.run(&["--json", "serve", "--listen", "0.0.0.0:0"]).exits(1);
    assert_eq!(refused.error()["code"], "plain_http");
    assert!(refused.error()["hint"].as_str().unwrap().contains("--plain-http"));
    let books = Books::Sqlite(home);
    let server =
        Server::started(books.command(&["serve", "--listen", "0.0.0.0:0", "--plain-http", "--no-work"]));
    let taken = books.run(&["--json", "serve", "--listen", &server.address, "--plain-http"]).exits(1);
    assert_eq!(taken.error()["code"], "listen");
}

/// A certificate for `localhost` of its own.
fn certificate(books: &Books, name: &str) -> (String, String) {
    let (certificate, key) = (books.file(&format!("{name}.pem"), ""), books.file(&format!("{name}.key"), ""));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj"])
        .args([&format!("/CN={name}"), "-addext", "subjectAltName=DNS:localhost"])
        .args(["-keyout", &key, "-out", &certificate])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    (certificate, key)
}

#[test]
fn tls_speaks_both_versions_of_http_and_reads_its_certificate_anew() {
    let books = Books::Sqlite(Home::new());
    let (first, first_key) = certificate(&books, "first");
    let (second, second_key) = certificate(&books, "second");
    let server = Server::start(&books, &["--no-work", "--tls-cert", &first, "--tls-key", &first_key]);
    let url = format!("https://localhost:{}/health", server.address.rsplit(':').next().unwrap());
    let asked = |authority: &str, version: &str| {
        let curl = [
            "-sS",
            version,
            "--cacert",
            authority,
            "-o",
            "/dev/null",
            "-w",
            "%{http_code} %{http_version}",
            &url,
        ];
        let done = Command::new("curl").args(curl).output().unwrap();
        String::from_utf8_lossy(&done.stdout).into_owned()
    };
    assert_eq!(asked(&first, "--http1.1"), "200 1.1");
    assert_eq!(asked(&first, "--http2"), "200 2");
    assert!(asked(&second, "--http1.1").starts_with("000"));

    std::fs::copy(&second, &first).unwrap();
    std::fs::write(&first_key, "not a key").unwrap();
    server.signal("-HUP");
    std::thread::sleep(Duration::from_millis(300));
    let (old, _) = certificate(&books, "old");
    assert!(asked(&old, "--http1.1").starts_with("000"), "a certificate of nobody");
    assert!(asked(&second, "--http1.1").starts_with("000"), "half a pair is not taken");
    std::fs::copy(&second_key, &first_key).unwrap();
    server.signal("-HUP");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(asked(&second, "--http1.1"), "200 1.1");
}

#[test]
fn the_document_names_what_the_router_answers_and_nothing_else() {
    let books = Books::Sqlite(Home::new());
    let server = Server::start(&books, &["--no-work"]);
    let document = server.anybody().get("/openapi.json").is(200).json();
    assert_eq!(document["openapi"], "3.1.0");
    let id = "00000000-0000-0000-0000-000000000000";
    for (path, operations) in document["paths"].as_object().unwrap() {
        let asked: String =
            path.split('/').map(|p| if p.starts_with('{') { id } else { p }).collect::<Vec<_>>().join("/");
        for (method, operation) in operations.as_object().unwrap() {
            let reply = server.anybody().send(&method.to_uppercase(), &asked, None);
            let needs_key = !operation["security"].as_array().unwrap().is_empty();
            assert_eq!(reply.status == 401, needs_key, "{method} {path}: {}", reply.text());
        }
        assert_eq!(server.anybody().send("TRACE", &asked, None).status, 405, "{path}");
    }
}
