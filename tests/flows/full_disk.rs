//! A disk that is full. For a moment, below a process that goes on: it answers that it could not, and once there is room again
//! it does what it is asked, without a restart. For good, below a run: it ends, and the same command goes on later.

use crate::support::books::Books;
use crate::support::http::{Server, key};
use crate::support::{Home, book};
use crate::timelines::disk::Disk;
use serde_json::json;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A run that nothing can end would be waited for the whole night.
const ENDS_WITHIN: Duration = Duration::from_secs(300);

#[test]
fn a_run_on_a_disk_that_stays_full_ends_and_the_next_one_finishes() {
    for write in [60, 125] {
        let home = Home::new();
        home.load(&book(12));
        let log = home.path().parent().unwrap().join("log");
        let mut command = home.command(&["--json", "run", "--as-of", "2026-02-01"]);
        Disk::Full.below(&mut command, &home.path(), write, &log.with_extension("seen"));
        command.stdout(Stdio::null()).stderr(std::fs::File::create(&log).unwrap());
        let mut run = command.spawn().unwrap();
        let begun = Instant::now();
        let ended = loop {
            if let Some(ended) = run.try_wait().unwrap() {
                break ended;
            }
            if begun.elapsed() > ENDS_WITHIN {
                drop(run.kill());
                panic!(
                    "full from write {write} on, it does not end: {}",
                    std::fs::read_to_string(&log).unwrap()
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        let said = std::fs::read_to_string(&log).unwrap();
        assert_eq!(ended.code(), Some(2), "full from write {write} on: {said}");
        assert!(log.with_extension("seen").exists() && said.contains("full"), "{said}");
        home.run(&["run", "--as-of", "2026-02-01"]).exits(0);
        assert_eq!(home.json(&["verify"])["ok"], true);
    }
}

#[test]
fn a_server_whose_disk_was_full_for_a_moment_writes_again() {
    let home = Home::new();
    home.load(&book(1));
    let books = Books::Sqlite(home);
    let key = key(&books, "shop", &["read", "write"]);
    let full = books.home().path().parent().unwrap().join("full");
    let mut command = books.command(&["serve", "--listen", "127.0.0.1:0"]);
    Disk::Full.below(&mut command, &books.home().path(), 1, &full.with_extension("seen"));
    let server = Server::started({
        command.env("FAULTY_DISK_WHILE", &full);
        command
    });
    let client = server.with(&key);
    let write = |name: &str| client.post("/v3/customers", &json!({"FullName": name, "Country": "DK"}));
    write("Before").is(201);
    // Which of a transaction's writes meets the full disk is not the same each time.
    for round in 0..3 {
        std::fs::write(&full, "").unwrap();
        let refused = write(&format!("Meanwhile {round}"));
        assert!(refused.status >= 500, "{}: {}", refused.status, refused.text());
        client.get("/v3/customers").is(200);
        std::fs::remove_file(&full).unwrap();
        write(&format!("Afterwards {round}")).is(201);
    }
    let names = client.get("/v3/customers").is(200).text();
    assert!(names.contains("Afterwards 2") && !names.contains("Meanwhile"), "{names}");
    server.signal("-TERM");
    drop(server);
    assert_eq!(books.json(&["verify"])["ok"], true);
}
