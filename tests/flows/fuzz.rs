//! The entry points of `fuzz/` for a bounded while: good input with some bytes changed, cut out or put in.

use proptest::prelude::*;
use std::path::PathBuf;

#[path = "../../fuzz/entry.rs"]
mod entry;
#[path = "../../fuzz/usage_entry.rs"]
mod usage_entry;

const CSV: &str = "source,id,subject,meter,quantity,time,properties.region,corrects\n\
    file,a,SUB-1,calls,12.5,2026-03-01T10:00:00Z,eu,\n\
    file,b,CU-1,calls,\"1\",2026-03-29T03:30:00,\"e\"\"u\",\n\
    file,b,SUB-1,calls,2,2026-03-02T10:00:00+02:00,,a\n\
    file,c,NOPE,calls,-3,1969-03-02,,\n";
const NDJSON: &str = "{\"id\":\"a\",\"subject\":\"SUB-1\",\"meter\":\"calls\",\"quantity\":12.5,\"time\":\"2026-03-01T10:00:00Z\",\"properties\":{\"region\":\"eu\"}}\n\
    {\"refkey\":\"b\",\"referenceid\":\"SUB-1\",\"meter\":\"calls\",\"amount\":\"7\",\"entrydate\":\"2026-03-01T10:00:00\"}\n\
    {\"specversion\":\"1.0\",\"id\":\"c\",\"source\":\"s\",\"type\":\"calls\",\"subject\":\"SUB-1\",\"data\":{\"total\":1},\"time\":\"2026-03-01T10:00:00Z\"}\n";

const PARQUET: &[u8] = include_bytes!("../golden/bombs/usual.parquet");

/// Every golden scenario as text, and the book in it.
fn golden() -> (Vec<String>, Vec<String>) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/scenarios");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| -> serde_json::Value {
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    let scenarios: Vec<serde_json::Value> = paths.into_iter().map(read).collect();
    let books = scenarios.iter().map(|scenario| scenario["book"].to_string()).collect();
    (scenarios.iter().map(ToString::to_string).collect(), books)
}

/// At a place (of 10 000ths), so many bytes go and these come.
type Edit = (usize, usize, Vec<u8>);

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let odd: Vec<Vec<u8>> = [
        "",
        "\"",
        "\n",
        ",",
        "{",
        "}",
        "[",
        "null",
        "-1",
        "0",
        "1e300",
        "999999999999.999999999",
        "9999-12-31",
        "2026-02-30",
        "true",
        "\u{feff}",
        "\u{0}",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .chain([vec![0xff], vec![0x1f, 0x8b, 8], vec![0x28, 0xb5, 0x2f, 0xfd], b"PAR1".to_vec()])
    .collect();
    let comes = prop_oneof![proptest::sample::select(odd), proptest::collection::vec(any::<u8>(), 0..4),];
    proptest::collection::vec((0_usize..=10_000, 0_usize..24, comes), 0..4)
}

fn edited(good: impl AsRef<[u8]>, edits: &[Edit]) -> Vec<u8> {
    let mut bytes = good.as_ref().to_vec();
    for (place, goes, comes) in edits {
        let from = bytes.len() * place / 10_000;
        let until = (from + goes).min(bytes.len());
        bytes.splice(from..until, comes.iter().copied());
    }
    bytes
}

/// As many in every run of the tests; `FUZZ_CASES=100000 cargo test --release --test tests -- flows::fuzz` for longer.
fn cases() -> u32 {
    std::env::var("FUZZ_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(192)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// What a damaged one says of its pages is held against what a machine can bear before it is unpacked.
    #[test]
    fn a_parquet_file_is_taken_in_or_refused(edits in edits()) {
        usage_entry::usage_file(&edited(PARQUET, &edits));
    }

    #[test]
    fn a_usage_file_is_taken_in_or_refused(edits in edits(), is_csv in any::<bool>()) {
        usage_entry::usage_file(&edited(if is_csv { CSV } else { NDJSON }, &edits));
    }

    #[test]
    fn a_book_file_and_a_scenario_are_answered(edits in edits(), number in any::<prop::sample::Index>()) {
        let (scenarios, books) = golden();
        entry::book_file(&edited(&books[number.index(books.len())], &edits));
        entry::scenario(&edited(&scenarios[number.index(scenarios.len())], &edits));
    }
}
