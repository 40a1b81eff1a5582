//! What an operator does to runs: reverse one, and reconcile one.

use crate::support::{Home, book, counterpart, january};
use serde_json::json;

const PAYERS: usize = 4;

fn closed() -> Home {
    let home = Home::new();
    home.load(&book(PAYERS));
    home.ingest("january.csv", &january(PAYERS)).exits(0);
    home.json(&["run", "--as-of", "2026-02-01"]);
    home
}

#[test]
fn a_run_is_reversed_once_and_every_invoice_of_it_is_credited() {
    let home = closed();
    let before = home.json(&["invoices"]);
    let number = before[0]["InvoiceNumber"].as_str().unwrap().to_owned();
    home.run(&["invoices", "credit", &number, "--as-of", "2026-02-02"]).exits(0);
    let reversed = home.json(&["runs", "reverse", "1", "--yes", "--as-of", "2026-02-03"]);
    assert_eq!(reversed["creditnotes"], json!(2 * PAYERS - 1), "{reversed}");
    assert_eq!(reversed["already"], 1);
    let again = home.json(&["runs", "reverse", "1", "--yes", "--as-of", "2026-02-04"]);
    assert_eq!((&again["creditnotes"], &again["already"]), (&json!(0), &json!(2 * PAYERS)));
    let notes = home.json(&["invoices", "--state", "credit_note"]);
    let sum = |list: &serde_json::Value| -> i64 {
        let minor = |i: &serde_json::Value| {
            i["TotalAmount"].as_str().unwrap().replace('.', "").parse::<i64>().unwrap()
        };
        list.as_array().unwrap().iter().map(minor).sum()
    };
    assert_eq!(sum(&notes), -sum(&before));
    home.run(&["verify"]).exits(0);
    let ledger = home.path().join("ledger.journal");
    let path = ledger.to_str().unwrap();
    home.run(&["export", "ledger", "--format", "hledger", "--out", path]).exits(0);
    counterpart("hledger", &["-f", path, "check"]);
}

#[test]
fn a_report_reconciles_a_run_in_three_forms() {
    let home = closed();
    let report = home.json(&["runs", "report", "1"]);
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(
        report["currencies"][0]["gross"], report["currencies"][0]["charged"],
        "every card pays: {report}"
    );
    assert_eq!(report["documents"]["count"], json!(2 * PAYERS));
    assert_eq!(report["mails"]["sent"], json!(2 * PAYERS));
    assert!(report["checks"].as_array().unwrap().len() >= 5);
    let page = home.path().join("report.html");
    home.run(&["runs", "report", "1", "--format", "html", "--out", page.to_str().unwrap()]).exits(0);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains(report["currencies"][0]["gross"].as_str().unwrap()), "{page}");
    assert!(page.contains("both ends agree") && !page.contains("{{"), "{page}");
    home.run(&["runs", "report", "9"]).exits(1);
}

#[test]
fn the_audit_log_says_who_did_what_to_a_run() {
    let home = Home::new();
    home.load(&book(1));
    home.run(&["run", "--as-of", "2026-02-01", "--review", "--skip", "render,send,collect"]).exits(0);
    home.run(&["runs", "approve", "1"]).exits(0);
    let audit = home.json(&["audit", "--object", "run 1"]);
    let done: Vec<&str> = audit.as_array().unwrap().iter().map(|r| r["action"].as_str().unwrap()).collect();
    assert_eq!(done, ["run.approve", "run.open"]);
}

#[test]
fn a_backup_of_a_home_that_is_being_worked_is_whole_and_becomes_a_home() {
    let home = closed();
    let mut run = home
        .command(&["--json", "run", "--as-of", "2026-03-01"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let folder = home.path().with_file_name("backup");
    let name = folder.to_str().unwrap();
    home.run(&["backup", name]).exits(0);
    assert_eq!(run.wait().unwrap().code(), Some(0));
    assert_eq!(home.run(&["--json", "backup", name]).exits(1).error()["code"], "backup_folder");
    assert_eq!(home.json(&["restore", "--check", name])["ok"], true);

    let again = home.path().with_file_name("again");
    let to = again.to_str().unwrap();
    home.run(&["restore", name, "--to", to]).exits(0);
    assert_eq!(home.run(&["--json", "restore", name, "--to", to]).exits(1).error()["code"], "home_exists");
    let of = |args: &[&str]| {
        let mut all = vec!["--json", "--home", to];
        all.extend(args);
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_tallybook"))
            .args(all)
            .env_remove("TALLYBOOK_DATABASE_URL")
            .output()
            .unwrap();
        crate::support::answer(output).exits(0).json()
    };
    assert_eq!(of(&["verify"])["ok"], true);
    // It goes on from where the copy was made, and ends like the home.
    of(&["run", "--as-of", "2026-03-01"]);
    assert_eq!(of(&["invoices"]), home.json(&["invoices"]));

    let pdf = std::fs::read_dir(folder.join("documents")).unwrap().next().unwrap().unwrap().path();
    let pdf =
        if pdf.is_dir() { std::fs::read_dir(&pdf).unwrap().next().unwrap().unwrap().path() } else { pdf };
    let mut bytes = std::fs::read(&pdf).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&pdf, bytes).unwrap();
    let damaged = home.run(&["--json", "restore", "--check", name]).exits(2).json();
    assert_eq!(damaged["ok"], false, "{damaged}");
    assert_eq!(home.run(&["--json", "restore", "--check", to]).exits(1).error()["code"], "not_a_backup");
}

#[test]
fn a_worker_answers_monitors_and_refuses_an_address_that_is_taken() {
    use std::io::{Read, Write};
    let home = closed();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = taken.local_addr().unwrap().to_string();
    assert_eq!(home.run(&["--json", "worker", "--metrics", &busy]).exits(1).error()["code"], "metrics");
    drop(taken);
    let mut worker =
        home.command(&["worker", "--metrics", &busy]).stderr(std::process::Stdio::null()).spawn().unwrap();
    let ask = |request: &str| -> String {
        for _ in 0..2_400 {
            if let Ok(mut stream) = std::net::TcpStream::connect(&busy) {
                stream.write_all(request.as_bytes()).unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                return answer;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("the worker does not listen");
    };
    let metrics = ask("GET /metrics HTTP/1.1\r\nhost: here\r\n\r\n");
    assert!(metrics.starts_with("HTTP/1.1 200 OK"), "{metrics}");
    for line in [
        "tallybook_queue_tasks{queue=\"rate_usage\"} 0",
        "tallybook_last_run_payers{state=\"done\"} 4",
        "tallybook_runs_unfinished 0",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    assert!(ask("GET /health HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 OK"));
    assert!(ask("POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
    let pid = worker.id().to_string();
    std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    assert_eq!(worker.wait().unwrap().code(), Some(0));
}

#[test]
fn a_preview_tells_every_payer_and_what_differs_from_the_last_run() {
    let home = closed();
    let mut grown = book(PAYERS + 1);
    grown["customers"].as_array_mut().unwrap().remove(0);
    grown["subscriptions"].as_array_mut().unwrap().remove(0);
    home.load(&grown);
    home.run(&["subscriptions", "cancel", "SUB-0001", "--option", "immediately", "--on", "2026-02-10"])
        .exits(0);
    home.ingest(
        "february.csv",
        "id,subject,meter,quantity,time\nf2,SUB-0002,api_calls,90000,2026-02-11T10:00:00Z\n",
    )
    .exits(0);
    let preview = home.json(&["run", "--as-of", "2026-03-01", "--preview"]);
    let payers: Vec<&str> =
        preview["payersdetail"].as_array().unwrap().iter().map(|p| p["account"].as_str().unwrap()).collect();
    assert_eq!(payers, ["CU-0002", "CU-0003", "CU-0004", "CU-0005"]);
    let told: Vec<(&str, &str)> = preview["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| (d["account"].as_str().unwrap(), d["difference"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            ("CU-0001", "gone"),
            ("CU-0002", "jump"),
            ("CU-0003", "jump"),
            ("CU-0004", "jump"),
            ("CU-0005", "new")
        ],
        "the last run billed two months: {preview}"
    );
    home.run(&["run", "--as-of", "2026-03-01", "--preview"]).exits(0);
}
