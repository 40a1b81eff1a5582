//! What strangers hand to tallybook, as bytes: a book file, a scenario, a usage file. Whatever the bytes are, the
//! answer is a result or a refusal, never a panic; and what was read is accounted for.

use chrono_tz::Europe::Copenhagen;
use domain::book_file::{Known, read_text};
use metering::{IntakeContext, OutDirs, Subjects, intake, open};
use uuid::Uuid;

/// `tallybook load`.
pub fn book_file(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Err(faults) = read_text("book.json", &text, &Known::default()) {
        assert!(!faults.is_empty(), "refused without a reason");
    }
}

/// `tallybook simulate`, which loads, takes in usage, acts, bills, books and posts.
pub fn scenario(bytes: &[u8]) {
    let answer = domain::simulate::simulate(&String::from_utf8_lossy(bytes), |_| String::new());
    for step in answer["steps"].as_array().into_iter().flatten() {
        let is_told = step["ok"] == true || step["error"]["code"].is_string();
        assert!(is_told, "a step without an answer: {step}");
    }
}

/// `tallybook ingest`.
pub fn usage_file(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("usage"), bytes).expect("a temporary file");
    let mut subjects = Subjects::new();
    subjects.add_meter("calls");
    subjects.add_subscription(0, "SUB-1", "CU-1");
    let out =
        OutDirs { segments: at("segments"), keys: at("keys"), rejects: at("rejects"), temp: at("temp") };
    let context = IntakeContext {
        zone: Copenhagen,
        source: None,
        subjects: &subjects,
        history: &[],
        seed: 7,
        out: &out,
        import: Uuid::from_u128(1),
        dry_run: false,
        threads: 1,
        progress: &|_| {},
    };
    let staged = open(&at("usage")).and_then(|input| intake(&input, &context));
    match staged {
        Ok(staged) => {
            let accounted = staged.accepted + staged.duplicate + staged.rejected;
            assert_eq!(staged.read, accounted, "a record is lost");
            assert_eq!(staged.rejected, staged.rejects.values().sum::<u64>(), "a reject has no code");
        }
        Err(error) => assert!(error.is_input(), "not the file's fault: {error}"),
    }
}
