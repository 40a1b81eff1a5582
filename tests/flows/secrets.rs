//! Secrets from files, the audit log for a log store, and a night that did not happen.

use crate::support::{Home, answer, book, january};
use serde_json::Value;

#[test]
fn a_secret_is_read_from_a_file_that_the_settings_or_the_environment_name() {
    let home = Home::new();
    home.run(&["init"]).exits(0);
    let secret = home.file("secret", "hunter2\n");
    let settings = format!("[mail]\npassword_file = {:?}\n", secret.display().to_string());
    std::fs::write(home.path().join("tallybook.toml"), settings).unwrap();
    let shown = home.run(&["config"]).exits(0).stdout;
    assert!(shown.contains(&secret.display().to_string()) && !shown.contains("hunter2"), "{shown}");

    let url = home.file("url", "mysql://u:hunter2@host/db");
    let ask = |path: &str| {
        let mut command = home.command(&["--json", "runs"]);
        answer(command.env("TALLYBOOK_DATABASE_URL_FILE", path).output().unwrap()).exits(1)
    };
    let refused = ask(url.to_str().unwrap());
    assert!(
        refused.stderr.contains("is not a postgres:// URL") && !refused.stderr.contains("hunter2"),
        "{refused:?}"
    );
    let gone = ask("/nowhere/secret");
    assert_eq!(gone.error()["faults"][0]["pointer"], "database_url_file", "{gone:?}");
    let empty = home.file("empty", "\n");
    assert!(ask(empty.to_str().unwrap()).stderr.contains("is empty"));
}

/// The settings file that `init` writes names the files of secrets: each is taken, and none is ever shown.
#[test]
fn every_secret_has_a_file_and_is_shown_nowhere() {
    let home = Home::new();
    home.run(&["init"]).exits(0);
    let path = home.path().join("tallybook.toml");
    let commented = std::fs::read_to_string(&path).unwrap();
    let file_of = |line: &str| {
        let (_, rest) = line.split_once("_file or ")?;
        rest.split_once(" name a file").map(|(variable, _)| variable.to_owned())
    };
    let variables: Vec<String> = commented.lines().filter_map(file_of).collect();
    assert!(variables.len() >= 7, "{variables:?}");
    // Whatever sounds like a secret is one; the key of a certificate is the path of a file.
    let sounds = |name: &str| ["PASSWORD", "SECRET", "TOKEN"].iter().any(|word| name.contains(word));
    let named = commented.lines().filter_map(|line| line.split_once("(env ")).map(|(_, rest)| rest);
    for variable in
        named.map(|rest| rest.split([')', ';']).next().unwrap().trim()).filter(|name| sounds(name))
    {
        assert!(variables.contains(&format!("{variable}_FILE")), "{variable} has no file");
    }
    for variable in &variables {
        let secret = match variable.as_str() {
            name if name.starts_with("TALLYBOOK_PING") => "https://monitor.example/hunter2",
            "TALLYBOOK_DATABASE_URL_FILE" => "postgres://books:hunter2@localhost/books",
            _ => "hunter2",
        };
        let held = home.file("held", format!("{secret}\n"));
        let shown = home.command(&["config"]).env(variable, &held).output().unwrap();
        let shown = answer(shown).exits(0);
        assert!(shown.stdout.contains(held.to_str().unwrap()), "{variable}: {}", shown.stdout);
        assert!(!format!("{shown:?}").contains("hunter2"), "{variable}: {shown:?}");
        let empty = home.file("held", "");
        let refused = home.command(&["config"]).env(variable, &empty).output().unwrap();
        assert!(answer(refused).exits(1).stderr.contains("is empty"), "{variable}");
    }
}

#[test]
fn a_night_without_a_run_is_noticed_and_the_audit_log_goes_to_a_log_store() {
    let home = Home::new();
    // Something else waits for a person, too: it does not look like a missing night, nor the other way round.
    home.load(&book(1));
    let (good, broken) =
        (home.file("good.csv", january(1)), home.file("broken.csv", "what,is,this\n1,2,3\n"));
    home.run(&["ingest", good.to_str().unwrap(), broken.to_str().unwrap()]).exits(3);
    let last_run = |args: &[&str]| home.run(&[&["--json", "doctor", "--only"], args].concat());
    last_run(&["last-run", "--since", "26h"]).exits(3);
    home.run(&["run", "--as-of", "2026-01-01"]).exits(3);
    home.run(&["doctor", "--since", "26h"]).exits(3);
    let answer_of = last_run(&["last-run", "--since", "26h"]).exits(0).json();
    assert_eq!(answer_of["findings"].as_array().unwrap().len(), 1, "{answer_of}");
    assert_eq!(answer_of["findings"][0]["check"], "last-run");
    last_run(&["last-run"]).exits(1);
    last_run(&["last-nun", "--since", "26h"]).exits(1);
    let both = last_run(&["refused-files,last-run", "--since", "26h"]).exits(3).json();
    assert_eq!(both["findings"].as_array().unwrap().len(), 2, "{both}");
    let mut later = home.command(&["doctor", "--since", "26h", "--only", "last-run"]);
    answer(later.env("TALLYBOOK_NOW", "2036-01-01T00:00:00Z").output().unwrap()).exits(3);
    home.run(&["doctor", "--since", "soon"]).exits(1);

    let lines = home.run(&["audit", "--lines"]).exits(0).stdout;
    let records: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(records.len() >= 2);
    for (place, record) in records.iter().enumerate() {
        assert_eq!(record["ordinal"], place + 1);
        assert_eq!(record["hash"].as_str().unwrap().len(), 64);
    }
    let rest = home.run(&["audit", "--lines", "--after", "1"]).exits(0).stdout;
    assert_eq!(rest.lines().count(), records.len() - 1);
}
