//! The rules of the project that a compiler does not check.

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

/// Source without comments and without its module of tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let opens_tests = |at: usize| {
        lines[at].starts_with("#[cfg(test)]")
            && lines.get(at + 1).is_some_and(|next| next.contains("mod ") && next.ends_with('{'))
    };
    let end = (0..lines.len()).find(|at| opens_tests(*at)).unwrap_or(lines.len());
    lines[..end].iter().map(|l| l.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
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
        ("reqwest", "gateways"),
        ("axum", "web"),
        ("hyper", "web"),
        ("quick-xml", "banking"),
        ("qrcode", "documents"),
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
    for leaf in ["store", "metering", "documents", "ledger", "gateways", "banking"] {
        assert_eq!(uses(leaf), BTreeSet::from(["domain"]), "{leaf}");
    }
    assert!(!uses("operations").contains("jobs") && !uses("operations").contains("tallybook"));
    assert!(!uses("jobs").contains("tallybook"));
    assert_eq!(uses("web"), BTreeSet::from(["domain", "operations"]));
}

/// What something is stands in `operations`; a front end parses, asks, and shows the view. So a second front end has nothing to copy.
#[test]
fn the_command_line_asks_operations_alone() {
    let uses = &dependencies()["tallybook"];
    for below in ["store", "metering", "gateways", "banking"] {
        assert!(!uses.contains(below), "the program depends on {below}");
    }
    for path in rust_files(&root().join("src/cli")) {
        let code = code(&path);
        assert!(!code.contains("json!("), "{} makes an answer of its own", path.display());
        assert!(!code.contains(".begin()"), "{} opens a transaction", path.display());
    }
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
fn the_audit_log_is_written_in_one_place() {
    let mut writers = Vec::new();
    for path in ["src", "jobs"].iter().flat_map(|folder| rust_files(&root().join(folder))) {
        let code = code(&path);
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        let is_test = name.contains("conformance");
        if !is_test && (code.contains("audit::record(") || code.contains("audit::Record")) {
            writers.push(name.clone());
        }
        let inserts = code.contains("Bulk::into(\"journal\"") || code.contains("insert into journal");
        assert!(!inserts || name == "src/store/audit.rs", "{name} writes the audit log past its own file");
    }
    assert_eq!(writers, ["src/operations/context.rs"], "acts are noted by `Context::note`");
}

/// Folders of `src/operations` stand on floors: each imports only from those before it.
#[test]
fn operations_stand_on_floors() {
    let floors = [
        "files",
        "settings",
        "aside",
        "refusal",
        "actor",
        "context",
        "act",
        "keys",
        "idempotency",
        "webhooks",
        "delivery",
        "usage",
        "payments",
        "ledger",
        "home",
        "invoices",
        "payers",
        "runs",
        "reports",
        "periods",
        "subscriptions",
        "dunning",
        "book",
        "health",
        "lists",
        "metered",
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
            let is_whole = |rest: &&str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
            if code.split(&format!("crate::{name}")).skip(1).any(|rest| is_whole(&rest)) {
                backwards.push(format!("{} imports {name} ({higher} over {floor})", path.display()));
            }
        }
    }
    assert!(backwards.is_empty(), "{backwards:#?}");
}

/// What is typed is known by the command line alone: below it, a way out is data.
#[test]
fn only_faces_know_what_is_typed() {
    // The first lines of what is hashed.
    let hashed =
        ["tallybook journal 1", "tallybook journal content 1", "tallybook entry 1", "tallybook entry 2"];
    let below = ["domain", "store", "metering", "documents", "ledger", "banking", "gateways", "operations"];
    let folders = below.iter().map(|folder| format!("src/{folder}")).chain(["jobs".to_owned()]);
    let mut told = Vec::new();
    for path in folders.flat_map(|folder| rust_files(&root().join(folder))).filter(|path| !is_test(path)) {
        for line in code(&path).lines().filter(|line| line.contains("tallybook ")) {
            if !hashed.iter().any(|first| line.contains(first)) {
                told.push(format!("{}: {}", path.display(), line.trim()));
            }
        }
    }
    assert!(told.is_empty(), "{told:#?}");
}

/// Words that say nothing of what a type is: they stood for several things at once, and a reader had to know which.
const EMPTY_NAMES: &[&str] = &[
    "About", "Aside", "Asked", "Becomes", "Begun", "Brought", "Desk", "Found", "Gathered", "Kept", "Known",
    "Landed", "Left", "Look", "Made", "Packed", "Part", "Rest", "Said", "Shelf", "Sight", "Standing",
    "Story", "Summed", "Taken", "Told", "Touch", "Wanted", "Which", "Why", "Wish",
];

#[test]
fn a_type_is_named_by_what_it_is() {
    let mut empty = Vec::new();
    for path in ["src", "jobs"].iter().flat_map(|folder| rust_files(&root().join(folder))) {
        let code = code(&path);
        let words: Vec<&str> = code.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let named = words.windows(2).filter(|pair| ["struct", "enum", "trait", "type"].contains(&pair[0]));
        let riddles = named.map(|pair| pair[1]).filter(|name| EMPTY_NAMES.contains(name));
        empty.extend(riddles.map(|name| format!("{name} in {}", path.display())));
    }
    assert!(empty.is_empty(), "name these types by what they are: {empty:#?}");
}

/// Files that are there for tests.
fn is_test(path: &Path) -> bool {
    let in_folder = |name: &str| path.iter().any(|part| part == name);
    let named = |name: &str| path.file_name().is_some_and(|own| own == name);
    let in_crate = path.parent().is_some_and(|folder| !folder.ends_with("src"));
    let by_name =
        ["tests.rs", "sample.rs", "speed.rs", "golden.rs", "relay.rs"].iter().any(|name| named(name));
    in_folder("conformance") || in_folder("tests") || (in_crate && by_name)
}

/// A function that nobody calls but its own tests is a promise that nobody asked for.
#[test]
fn every_public_function_has_a_caller() {
    let mut defined: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut said: BTreeMap<String, usize> = BTreeMap::new();
    for path in ["src", "jobs", "fuzz"].iter().flat_map(|folder| rust_files(&root().join(folder))) {
        if is_test(&path) {
            continue;
        }
        let code = code(&path);
        let words: Vec<&str> =
            code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect();
        for (at, word) in words.iter().enumerate() {
            *said.entry((*word).to_owned()).or_default() += 1;
            let is_public = *word == "fn"
                && words[..at]
                    .iter()
                    .rev()
                    .take_while(|w| !["fn", "struct", "impl"].contains(w))
                    .take(4)
                    .any(|w| *w == "pub");
            if let (true, Some(name)) = (is_public, words.get(at + 1)) {
                defined.entry((*name).to_owned()).or_default().push(path.display().to_string());
            }
        }
    }
    let uncalled: Vec<_> = defined
        .iter()
        .filter(|(name, at)| said[*name] <= at.len() && !AWAITED.contains(&name.as_str()))
        .collect();
    assert!(uncalled.is_empty(), "called by nobody: {uncalled:#?}");
}

/// What is ready before its command: differences too small to collect.
const AWAITED: &[&str] = &["rounding_entry"];

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

/// Lines of a function at most. Most are a tenth of it; those that come near are tables: columns, routes, verbs.
const FUNCTION_LINES_MAX: usize = 75;

#[test]
fn a_function_fits_a_screen() {
    let mut long = Vec::new();
    for path in ["src", "jobs"].iter().flat_map(|folder| rust_files(&root().join(folder))) {
        if is_test(&path) {
            continue;
        }
        let code = code(&path);
        let lines: Vec<&str> = code.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let indent = &line[..line.len() - line.trim_start().len()];
            let head = line.trim_start().split('(').next().unwrap_or_default();
            // `fn name`, and not a field that holds a function.
            let before = head.split_once("fn ").map(|(before, _)| before);
            let is_function = before.is_some_and(|b| b.is_empty() || b.ends_with(' ')) && !head.contains('"');
            let end = lines[at..].iter().position(|line| line.trim_end() == format!("{indent}}}"));
            if let Some(length) = end.filter(|length| is_function && length + 1 > FUNCTION_LINES_MAX) {
                long.push(format!("{} {}: {} lines", path.display(), head.trim(), length + 1));
            }
        }
    }
    assert!(long.is_empty(), "decide in one, compute in others: {long:#?}");
}

#[test]
fn no_drawer_for_odds_and_ends() {
    for path in rust_files(&root().join("src")) {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        assert!(!["utils", "util", "common", "misc", "helpers"].contains(&stem), "{}", path.display());
    }
}
