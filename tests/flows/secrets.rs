//! Secrets from files, the audit log for a log store, and a night that did not happen.

use crate::support::{Home, answer, book};
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

#[test]
fn a_night_without_a_run_is_noticed_and_the_audit_log_goes_to_a_log_store() {
    let home = Home::new();
    home.load(&book(1));
    assert_eq!(home.run(&["doctor", "--since", "26h"]).code, 3, "no run yet");
    home.json(&["run", "--as-of", "2026-01-01"]);
    home.run(&["doctor", "--since", "26h"]).exits(0);
    let mut later = home.command(&["--json", "doctor", "--since", "26h"]);
    let days_on = answer(later.env("TALLYBOOK_NOW", "2036-01-01T00:00:00Z").output().unwrap());
    assert_ne!(days_on.code, 0, "{days_on:?}");
    let finding = &days_on.json()["findings"];
    let night = finding.as_array().unwrap().iter().find(|f| f["what"] == "last closed run").unwrap();
    assert_eq!(night["ok"], false);
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
