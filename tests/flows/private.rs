//! Who may read a home, and what a backup may write.

use crate::support::{Home, answer, book, january};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn rights(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn whatever_a_home_holds_is_its_owners_alone() {
    let home = Home::new();
    std::fs::create_dir(home.path()).unwrap();
    std::fs::set_permissions(home.path(), PermissionsExt::from_mode(0o755)).unwrap();
    home.run(&["init"]).exits(0);
    home.load(&book(2));
    let usage = format!("{}x,SUB-9999,api_calls,1,2026-01-05T10:00:00Z\n", january(2));
    home.ingest("january.csv", &usage).exits(3);
    home.json(&["run", "--as-of", "2026-02-01"]);
    home.json(&["export", "ledger", "--next"]);
    let mut folders = vec![home.path()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let expected = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(rights(&path), expected, "{}", path.display());
            seen += 1;
            folders.extend(path.is_dir().then_some(path));
        }
    }
    assert!(seen > 20, "{seen}");
    let found = home.run(&["--json", "doctor"]).exits(2).json();
    let findings = found["findings"].as_array().unwrap();
    let bad = findings.iter().find(|finding| finding["ok"] == false).unwrap();
    assert!(bad["found"].as_str().unwrap().contains("is 755: `chmod 700 "), "{bad}");
    std::fs::set_permissions(home.path(), PermissionsExt::from_mode(0o700)).unwrap();
    // The record that no subscription owns waits for somebody.
    home.run(&["ingest", "--forget", "january.csv.rejects.csv"]).exits(0);
    home.run(&["--json", "doctor"]).exits(0);
}

#[test]
fn a_backup_that_was_changed_writes_nothing_outside_the_new_home() {
    let home = Home::new();
    home.load(&book(1));
    home.json(&["run", "--as-of", "2026-01-01"]);
    let beside = home.path().parent().unwrap().to_owned();
    let backup = beside.join("backup");
    home.run(&["backup", backup.to_str().unwrap()]).exits(0);
    let manifest = std::fs::read_to_string(backup.join("backup.json")).unwrap();
    let secret = home.file("secret", b"secret");
    std::fs::copy(&secret, beside.join("escaped")).unwrap();
    let path = |name: &str| manifest.replacen("\"path\": \"documents/", &format!("\"path\": \"{name}/"), 1);
    let absolute = beside.join("absolute").display().to_string();
    let cases = [path("../outside"), path("documents/../../outside"), path(&absolute), path("./documents")];
    let refuse = |what: &str| {
        for args in [&["restore", "--check"][..], &["restore", "--to", "new"]] {
            let mut command = home.command(&[]);
            let at = args.iter().map(|arg| (*arg).to_owned()).chain([backup.display().to_string()]);
            let found = answer(command.args(at).output().unwrap());
            assert_ne!(found.code, 0, "{what}: {found:?}");
            let _ = std::fs::remove_dir_all(beside.join("new"));
            assert!(!beside.join("outside").exists() && !Path::new(&absolute).exists(), "{what}");
        }
    };
    for changed in cases {
        std::fs::write(backup.join("backup.json"), &changed).unwrap();
        refuse(&changed);
    }
    std::fs::write(backup.join("backup.json"), &manifest).unwrap();
    // The same bytes behind a link: the manifest agrees, the file is not in the backup.
    let toml = manifest.find("\"documents/").map(|at| &manifest[at + 1..]).unwrap();
    let document = backup.join(toml.split('"').next().unwrap());
    std::fs::rename(&document, beside.join("moved.pdf")).unwrap();
    std::os::unix::fs::symlink(beside.join("moved.pdf"), &document).unwrap();
    refuse("a link");
}
