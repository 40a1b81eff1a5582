//! Books on a PostgreSQL server that is asked over TLS.

use crate::support::tls::TlsServer;
use crate::support::{Answer, Home, answer, book, january};

fn run(home: &Home, url: &str, args: &[&str]) -> Answer {
    answer(home.command(args).env("TALLYBOOK_DATABASE_URL", url).output().unwrap())
}

#[test]
fn every_mode_of_tls_does_what_its_name_says() {
    let server = TlsServer::start();
    let authority = |path: std::path::PathBuf| format!("sslrootcert={}", path.display());
    let (own, other) = (authority(server.authority()), authority(server.other_authority()));
    let home = Home::new();
    for (host, parameters, is_open) in [
        ("localhost", "sslmode=disable".to_owned(), false),
        ("localhost", "sslmode=prefer".to_owned(), true),
        ("localhost", "sslmode=require".to_owned(), true),
        ("localhost", format!("sslmode=verify-full&{own}"), true),
        ("127.0.0.1", format!("sslmode=verify-ca&{own}"), true),
        ("127.0.0.1", format!("sslmode=verify-full&{own}"), false),
        ("localhost", format!("sslmode=verify-ca&{other}"), false),
        ("localhost", "sslmode=verify-ca".to_owned(), false),
    ] {
        let found = run(&home, &server.url(host, &parameters), &["--json", "runs"]);
        assert_eq!(found.code == 0, is_open, "{host} {parameters}: {found:?}");
        assert!(!found.stderr.contains("hunter2"), "{found:?}");
    }

    // A whole night: our pool, the session locks and the queue's workers.
    let url = server.url("localhost", &format!("sslmode=verify-full&{own}"));
    let path = |name: &str, text: String| home.file(name, text).display().to_string();
    run(&home, &url, &["load", &path("book.json", book(3).to_string())]).exits(0);
    run(&home, &url, &["ingest", &path("january.csv", january(3))]).exits(0);
    run(&home, &url, &["--json", "run", "--as-of", "2026-02-01"]).exits(0);
    run(&home, &url, &["--json", "verify"]).exits(0);
    let found = run(&home, &url, &["--json", "doctor"]).exits(0).json();
    let findings = found["findings"].as_array().unwrap();
    let link = findings.iter().find(|finding| finding["what"] == "database link").unwrap();
    assert_eq!(link["found"], "TLS, the server's certificate is checked");
}

#[test]
fn a_secret_that_does_not_parse_is_never_printed() {
    let home = Home::new();
    home.run(&["init"]).exits(0);
    for (settings, variable) in [
        ("[mail]\npassword = \"hunter2\n", None),
        ("[mail]\npassword = hunter2\n", None),
        ("[mail]\npassword = \"a\"\npassword = \"hunter2\"\n", None),
        ("database_url = \"mysql://u:hunter2@host/db\"\n", None),
        ("usage_url = \"s4://key:hunter2@bucket\"\n", None),
        ("", Some("postgres://u:hunter2@host:port/db")),
        ("", Some("postgres://u:hunter2@/db?sslmode=hunter2")),
        ("", Some("postgres://u:hunter2@127.0.0.1:1/db?passwort=hunter2")),
    ] {
        std::fs::write(home.path().join("tallybook.toml"), settings).unwrap();
        // Where nobody answers, asking takes half a minute.
        let is_refused_at_once = variable.is_none_or(|url| !url.contains(":1/"));
        let all = [&["--json", "config"][..], &["runs"], &["--json", "runs"], &["doctor"]];
        for args in all.into_iter().take(if is_refused_at_once { 4 } else { 1 }) {
            let mut command = home.command(args);
            command.env("TALLYBOOK_LOG", "debug");
            if let Some(url) = variable {
                command.env("TALLYBOOK_DATABASE_URL", url);
            }
            let found = answer(command.output().unwrap());
            assert!(!found.stderr.contains("hunter2"), "{settings}{variable:?} {args:?}: {}", found.stderr);
            assert!(!found.stdout.contains("hunter2"), "{settings}{variable:?} {args:?}: {}", found.stdout);
        }
    }
}
