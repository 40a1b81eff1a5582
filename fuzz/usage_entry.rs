//! A usage file as a stranger hands it in, apart from the other entries because it takes polars to build.

use chrono_tz::Europe::Copenhagen;
use metering::{IntakeContext, OutDirs, Subjects, intake, open};
use uuid::Uuid;

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
        rejects: "usage.rejects.csv",
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
