//! A disk that is full for a moment, below a process that goes on: it answers that it could not, and once there is room again
//! it does what it is asked, without a restart.

use crate::support::books::Books;
use crate::support::http::{Server, key};
use crate::support::{Home, book};
use crate::timelines::disk::Disk;
use serde_json::json;

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
