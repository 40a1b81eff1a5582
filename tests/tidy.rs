//! The house rules that a compiler does not check.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn metadata() -> serde_json::Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Package → names of what it depends on outside tests.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let names = package["dependencies"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|d| d["kind"].is_null())
                .map(|d| d["name"].as_str().unwrap().to_owned())
                .collect();
            (package["name"].as_str().unwrap().to_owned(), names)
        })
        .collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Source without comments and without what follows `#[cfg(test)]`.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap_or("");
    text.lines().map(|l| l.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

#[test]
fn each_heavy_library_is_named_in_one_manifest() {
    let dependencies = dependencies();
    for (library, owner) in [
        ("polars", "metering"),
        ("sqlx", "store"),
        ("printpdf", "documents"),
        ("lettre", "gateways"),
        ("object_store", "gateways"),
    ] {
        let users: Vec<&String> =
            dependencies.iter().filter(|(_, d)| d.contains(library)).map(|(p, _)| p).collect();
        assert_eq!(users, [owner], "who names {library}");
    }
}

#[test]
fn arrows_point_one_way() {
    let dependencies = dependencies();
    let ours: BTreeSet<&str> = dependencies.keys().map(String::as_str).collect();
    let uses = |package: &str| -> BTreeSet<&str> {
        dependencies[package].iter().map(String::as_str).filter(|d| ours.contains(d)).collect()
    };
    assert_eq!(uses("domain"), BTreeSet::new());
    for leaf in ["store", "metering", "documents", "ledger", "gateways"] {
        assert_eq!(uses(leaf), BTreeSet::from(["domain"]), "{leaf}");
    }
    assert!(!uses("operations").contains("jobs") && !uses("operations").contains("tallybook"));
    assert!(!uses("jobs").contains("tallybook"));
}

#[test]
fn the_domain_has_no_floats_and_no_clock() {
    for folder in ["src/domain", "src/ledger"] {
        let tests = |path: &PathBuf| path.iter().any(|part| part == "tests") || path.ends_with("tests.rs");
        for path in rust_files(&root().join(folder)).into_iter().filter(|path| !tests(path)) {
            let code = code(&path);
            for word in ["f32", "f64", "now()", "SystemTime", "std::fs", "async fn"] {
                let found = code
                    .split(|c: char| !c.is_alphanumeric() && !"_():".contains(c))
                    .any(|token| token.contains(word));
                assert!(!found, "{} says {word}", path.display());
            }
        }
    }
}

#[test]
fn both_databases_have_the_same_migrations() {
    let names = |folder: &str| -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(root().join("migrations").join(folder))
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("sqlite"), names("postgres"));
    assert!(!names("sqlite").is_empty());
}

#[test]
fn every_job_file_is_registered_and_documented() {
    let registry = fs::read_to_string(root().join("jobs/lib.rs")).unwrap();
    for path in rust_files(&root().join("jobs")) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//!"), "{} opens without a word about itself", path.display());
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let in_runtime = path.parent().is_some_and(|folder| folder.ends_with("runtime"));
        if stem != "lib" && !in_runtime {
            assert!(registry.contains(&format!("mod {stem};")), "jobs/lib.rs does not name {stem}");
        }
    }
}

#[test]
fn the_journal_is_written_in_one_place() {
    let mut writers = Vec::new();
    for path in ["src", "jobs"].iter().flat_map(|folder| rust_files(&root().join(folder))) {
        let code = code(&path);
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        let is_test = name.contains("conformance");
        if !is_test && (code.contains("journal::record(") || code.contains("journal::Record")) {
            writers.push(name.clone());
        }
        let inserts = code.contains("Bulk::into(\"journal\"") || code.contains("insert into journal");
        assert!(!inserts || name == "src/store/journal.rs", "{name} writes the journal past its own file");
    }
    assert_eq!(writers, ["src/operations/context.rs"], "acts are noted by `JobContext::note`");
}

/// Folders of `src/operations` stand on floors: each imports only from those before it.
#[test]
fn operations_stand_on_floors() {
    let floors = [
        "files",
        "settings",
        "aside",
        "refusal",
        "context",
        "act",
        "delivery",
        "usage",
        "payments",
        "ledger",
        "home",
        "invoices",
        "payers",
        "runs",
        "subscriptions",
        "dunning",
        "book",
    ];
    let folder = root().join("src/operations");
    let of = |path: &Path| -> Option<usize> {
        let first =
            path.strip_prefix(&folder).ok()?.iter().next()?.to_str()?.trim_end_matches(".rs").to_owned();
        floors.iter().position(|floor| *floor == first)
    };
    let mut backwards = Vec::new();
    for path in rust_files(&folder) {
        let Some(floor) = of(&path) else { continue };
        let code = code(&path);
        for (higher, name) in floors.iter().enumerate().skip(floor + 1) {
            // A demand says whether a method will be charged: the decision is pure and only asked.
            let code = code.replace("crate::payments::decide::is_collected", "");
            if code.contains(&format!("crate::{name}")) {
                backwards.push(format!("{} imports {name} ({higher} over {floor})", path.display()));
            }
        }
    }
    assert!(backwards.is_empty(), "{backwards:#?}");
}

/// Letters and numbers after the word, as in `rules M3, M5` or `rules Q3 to Q5`.
fn cited_rules(text: &str) -> BTreeSet<String> {
    let is_rule = |word: &str| {
        let mut letters = word.chars();
        letters.next().is_some_and(|first| first.is_ascii_uppercase())
            && !letters.as_str().is_empty()
            && letters.all(|c| c.is_ascii_digit())
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut cited = BTreeSet::new();
    for (at, word) in words.iter().enumerate() {
        if word.trim_start_matches(['(', '`']) != "rules" {
            continue;
        }
        for next in &words[at + 1..] {
            let bare = next.trim_matches(|c: char| !c.is_alphanumeric());
            if is_rule(bare) {
                cited.insert(bare.to_owned());
            } else if !["and", "to", "///", "//!", "//"].contains(next) {
                break;
            }
            if next.ends_with([')', '.', ';', ':']) {
                break;
            }
        }
    }
    cited
}

#[test]
fn every_cited_rule_is_an_entry_of_the_billing_rules() {
    let rules = fs::read_to_string(root().join("docs/billing-rules.md")).unwrap();
    let entries: BTreeSet<&str> = rules
        .lines()
        .filter_map(|line| line.strip_prefix("- **")?.split_once("**"))
        .flat_map(|(names, _)| names.split(", "))
        .collect();
    let mut seen = 0;
    for folder in ["src", "jobs", "tests"] {
        for path in rust_files(&root().join(folder)).into_iter().filter(|path| !path.ends_with("tidy.rs")) {
            let text = fs::read_to_string(&path).unwrap();
            assert!(
                !text.contains(" rules.md"),
                "{} names a page that the project does not have",
                path.display()
            );
            for rule in cited_rules(&text) {
                seen += 1;
                assert!(entries.contains(rule.as_str()), "{} cites rules {rule}", path.display());
            }
        }
    }
    assert!(seen > 100, "only {seen} rules are cited: are they still written `rules M3`?");
}

#[test]
fn files_are_read_in_one_sitting() {
    for folder in ["src", "jobs", "tests"] {
        for path in rust_files(&root().join(folder)) {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= 700, "{} has {lines} lines: is there a second story in it?", path.display());
        }
    }
}

#[test]
fn no_drawer_for_odds_and_ends() {
    for path in rust_files(&root().join("src")) {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        assert!(!["utils", "util", "common", "misc", "helpers"].contains(&stem), "{}", path.display());
    }
}
