//! Whole files, clean and dirty, through the intake.

use super::*;
use crate::segment::{ColumnSelection, Opener};
use chrono_tz::Europe::Copenhagen;
use domain::ids::ChargeReference;
use flate2::Compression as GzLevel;
use flate2::write::GzEncoder;
use polars::prelude::{
    DataFrame, DataType, Int64Chunked, Int128Chunked, IntoColumn, NewChunkedArray, ParquetWriter,
    StringChunked, TimeUnit, TimeZone,
};
use std::io::Write;
use tempfile::TempDir;

pub(super) const HEADER: &str = "id,subject,meter,quantity,time\n";

/// A home with the usage that has been committed so far.
pub(super) struct Home {
    pub(super) folder: TempDir,
    pub(super) out: OutDirs,
    pub(super) subjects: Subjects,
    pub(super) history: Vec<PathBuf>,
    pub(super) bounds: MemoryLimits,
    pub(super) imports: u128,
}

/// What a test looks at: id, quantity at scale 9, time, properties, corrects, line.
pub(super) type Accepted = (String, i128, i64, String, String, u64);

impl Home {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let out =
            OutDirs { segments: at("segments"), keys: at("keys"), rejects: at("rejects"), temp: at("temp") };
        Self { folder, out, subjects: subjects(), history: Vec::new(), bounds: BOUNDS, imports: 0 }
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(super) fn ingest(&mut self, bytes: &[u8]) -> Result<Staged, IntakeError> {
        let path = self.write(&format!("usage-{}", self.imports), bytes);
        self.ingest_file(&path, false)
    }

    /// Takes a file in and counts it as committed.
    pub(super) fn ingest_file(&mut self, path: &Path, dry_run: bool) -> Result<Staged, IntakeError> {
        self.imports += 1;
        let input = open(path)?;
        let context = IntakeContext {
            zone: Copenhagen,
            source: None,
            subjects: &self.subjects,
            history: &self.history,
            seed: 7,
            out: &self.out,
            import: Uuid::from_u128(self.imports),
            rejects: &format!("{}.rejects.csv", self.imports),
            dry_run,
            threads: 2,
            progress: &|_| {},
        };
        let staged = intake_within(self.bounds, &input, &context)?;
        self.history.extend(staged.key_runs.iter().map(|run| run.path.clone()));
        Ok(staged)
    }

    pub(super) fn rejects(&self, staged: &Staged) -> Vec<Vec<String>> {
        let Some(file) = &staged.reject_file else { return Vec::new() };
        let bytes = std::fs::read(&file.path).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut list = Vec::new();
        let mut at = 0;
        while let split::Record::Whole { end, next } = split::next_record(text.as_bytes(), at, b',', true) {
            if at == text.len() {
                break;
            }
            list.push(split::fields(&text[at..end], b',').unwrap().into_iter().map(String::from).collect());
            at = next;
        }
        list
    }

    /// Codes of the rejects, in the order of the file, with their lines.
    pub(super) fn codes(&self, staged: &Staged) -> Vec<(u64, String)> {
        self.rejects(staged).into_iter().skip(2).map(|r| (r[1].parse().unwrap(), r[2].clone())).collect()
    }
}

pub(super) fn subjects() -> Subjects {
    let mut subjects = Subjects::new();
    for (number, name, account) in [(1, "SUB-1", "CU-1"), (2, "SUB-2", "CU-2"), (3, "SUB-3", "CU-2")] {
        subjects.add_subscription(number, name, account);
        subjects.add_charge(charge(name), number, number * 10, "api_calls");
    }
    subjects.add_meter("storage_gb");
    subjects
}

fn charge(subscription: &str) -> ChargeReference {
    ChargeReference::of(subscription)
}

pub(super) fn accepted(staged: &Staged) -> Vec<Accepted> {
    let wanted = ColumnSelection { keys: true, properties: true, corrects: true, line: true };
    let mut list = Vec::new();
    for file in &staged.segments {
        let open = Opener::default().open(&file.committed(1)).unwrap();
        for range in open.ranges() {
            let rows = open.read(range, wanted).unwrap();
            list.extend((0..rows.len()).map(|row| {
                let (properties, corrects) = (rows.properties(row).to_owned(), rows.corrects(row).to_owned());
                (
                    rows.id(row).to_owned(),
                    rows.quantities[row],
                    rows.times_us[row],
                    properties,
                    corrects,
                    rows.line(row),
                )
            }));
        }
    }
    list.sort_by_key(|event| event.5);
    list
}

fn ids(staged: &Staged) -> Vec<String> {
    accepted(staged).into_iter().map(|event| event.0).collect()
}

pub(super) fn counts(staged: &Staged) -> (u64, u64, u64, u64) {
    (staged.read, staged.accepted, staged.duplicate, staged.rejected)
}

pub(super) fn line(id: &str, quantity: &str) -> String {
    format!("{id},SUB-1,api_calls,{quantity},2026-03-15T10:00:00Z\n")
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), GzLevel::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_clean_file_is_accepted_whole() {
    let mut home = Home::new();
    let text = format!("{HEADER}{}{}", line("a", "1.5"), line("b", "-2"));
    let staged = home.ingest(text.as_bytes()).unwrap();
    assert_eq!(counts(&staged), (2, 2, 0, 0));
    assert_eq!(
        accepted(&staged)[0],
        ("a".into(), 1_500_000_000, 1_773_568_800_000_000, String::new(), String::new(), 2)
    );
    assert_eq!((staged.segments.len(), staged.key_runs.len()), (1, 1));
    assert_eq!(staged.segments[0].month, "2026-03");
    assert_eq!(staged.reject_file, None);
    assert_eq!(staged.sha256, open(&home.folder.path().join("usage-0")).unwrap().sha256().unwrap());
}

#[test]
fn the_same_file_twice_changes_nothing() {
    let mut home = Home::new();
    let text = format!("{HEADER}{}{}", line("a", "1.5"), line("b", "-2"));
    home.ingest(text.as_bytes()).unwrap();
    let again = home.ingest(text.as_bytes()).unwrap();
    assert_eq!(counts(&again), (2, 0, 2, 0));
    assert!(again.segments.is_empty() && again.key_runs.is_empty() && again.reject_file.is_none());
}

#[test]
fn layouts_of_one_and_the_same_file() {
    let rows = [("a", "eu"), ("b", "")];
    let csv = |delimiter: &str, end: &str| {
        let mut text =
            ["id", "SUBJECT", " Meter ", "time", "properties.region", "quantity"].join(delimiter) + end;
        for (id, region) in rows {
            let cells = [id, "SUB-1", "api_calls", "2026-03-15T10:00:00Z", region, "1"];
            text += &(cells.join(delimiter) + end);
        }
        text
    };
    let json = |members: &str, id: &str| format!("{{{},\"id\":\"{id}\"}}\n", members);
    let ours = r#""subject":"SUB-1","meter":"api_calls","quantity":1.000,"time":"2026-03-15T11:00:00+01:00""#;
    let cloud = r#""specversion":"1.0","source":"file","type":"api_calls","subject":"SUB-1","time":"2026-03-15T10:00:00Z""#;
    let upodi = r#""subscriptionchargeid":"X","amount":"1","entrydate":"2026-03-15T11:00:00""#;
    let upodi = |id: &str, region: &str| {
        let members = upodi.replace('X', &charge("SUB-1").to_string());
        format!("{{{members},\"RefKey\":\"{id}\",\"properties\":{{{region}}}}}\n")
    };
    let quoted = csv(",", "\n").replace("SUB-1", "\"SUB-1\"");
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("csv", csv(",", "\n").into()),
        ("semicolons", csv(";", "\n").into()),
        ("crlf", csv(",", "\r\n").into()),
        ("no last line end", csv(",", "\n").trim_end().into()),
        ("bom", format!("\u{feff}{}", csv(",", "\n")).into()),
        ("blank lines", csv(",", "\n").replace('\n', "\n\n").into()),
        ("quoted", quoted.into()),
        ("gzip", gzip(csv(",", "\n").as_bytes())),
        (
            "two members",
            [gzip(&csv(",", "\n").as_bytes()[..20]), gzip(&csv(",", "\n").as_bytes()[20..])].concat(),
        ),
        ("zstd", zstd::encode_all(csv(",", "\n").as_bytes(), 1).unwrap()),
        (
            "ndjson",
            [json(&format!("{ours},\"properties\":{{\"region\":\"eu\"}}"), "a"), json(ours, "b")]
                .concat()
                .into(),
        ),
        (
            "dotted",
            [json(&format!("{ours},\"properties.region\":\"eu\""), "a"), json(ours, "b")].concat().into(),
        ),
        (
            "cloud events",
            [
                json(&format!("{cloud},\"data\":{{\"total\":1,\"region\":\"eu\"}}"), "a"),
                json(&format!("{cloud},\"data\":{{\"total\":\"1\"}}"), "b"),
            ]
            .concat()
            .into(),
        ),
        ("upodi", [upodi("a", r#""region":"eu""#), upodi("b", "")].concat().into()),
    ];
    for (name, bytes) in table {
        let mut home = Home::new();
        let staged = home.ingest(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(counts(&staged), (2, 2, 0, 0), "{name}");
        let found: Vec<_> = accepted(&staged).into_iter().map(|e| (e.0, e.1, e.2, e.3)).collect();
        let at = |id: &str, properties: &str| {
            (id.to_owned(), 1_000_000_000, 1_773_568_800_000_000, properties.to_owned())
        };
        assert_eq!(found, [at("a", r#"{"region":"eu"}"#), at("b", "")], "{name}");
    }
}

#[test]
fn all_layouts_say_the_same_and_so_are_duplicates() {
    let mut home = Home::new();
    let csv = "id;subject;meter;quantity;time;properties\na;SUB-1;api_calls;1.0;2026-03-15T11:00:00;\"{\"\"b\"\":2,\"\"a\"\":\"\"x\"\"}\"\n";
    home.ingest(csv.as_bytes()).unwrap();
    let json = r#"{"id":"a","subject":"SUB-1","meter":"api_calls","quantity":"1","time":"2026-03-15T10:00:00.000Z","properties":{"a":"x","b":"2"}}"#;
    assert_eq!(counts(&home.ingest(json.as_bytes()).unwrap()), (1, 0, 1, 0));
}

#[test]
fn a_bad_record_is_a_reject_and_its_neighbours_are_not() {
    let dirty: Vec<(&[u8], &str)> = vec![
        (b"x,SUB-1,api_calls,1\n", "malformed"),
        (b"x,SUB-1,api_calls,1,2026-03-15T10:00:00Z,more\n", "malformed"),
        (b"x,\"SUB-1,api_calls,1,2026-03-15T10:00:00Z\n", "malformed"),
        (b"x,\"SUB-1\"!,api_calls,1,2026-03-15T10:00:00Z\n", "malformed"),
        (b"x\xE6,SUB-1,api_calls,1,2026-03-15T10:00:00Z\n", "not_utf8"),
        (b",SUB-1,api_calls,1,2026-03-15T10:00:00Z\n", "missing_id"),
        (b"x,,api_calls,1,2026-03-15T10:00:00Z\n", "missing_subject"),
        (b"x,SUB-1,,1,2026-03-15T10:00:00Z\n", "missing_meter"),
        (b"x,SUB-1,api_calls,,2026-03-15T10:00:00Z\n", "missing_quantity"),
        (b"x,SUB-1,api_calls,1,\n", "missing_time"),
        (
            b"x,SUB-1,api_calls,1234567890123456789012345678901234567890,2026-03-15T10:00:00Z\n",
            "bad_quantity",
        ),
        (b"x,SUB-1,api_calls,0.1234567891,2026-03-15T10:00:00Z\n", "bad_quantity"),
        (b"x,SUB-1,api_calls,\"1,5\",2026-03-15T10:00:00Z\n", "bad_quantity"),
        (b"x,SUB-1,api_calls,1,15/3 2026\n", "bad_time"),
        (b"x,SUB-1,api_calls,1,2026-03-29T02:30:00\n", "no_such_time"),
        (b"x,SUB-1,api_calls,1,2200-01-01T00:00:00Z\n", "time_out_of_bounds"),
        (b"x,SUB-9,api_calls,1,2026-03-15T10:00:00Z\n", "unknown_subject"),
        (b"x,CU-2,api_calls,1,2026-03-15T10:00:00Z\n", "ambiguous_subject"),
        (b"x,SUB-1,disk,1,2026-03-15T10:00:00Z\n", "unknown_meter"),
    ];
    let mut whole = HEADER.as_bytes().to_vec();
    let mut expected = Vec::new();
    for (n, (bytes, code)) in dirty.iter().enumerate() {
        whole.extend_from_slice(line(&format!("before-{n}"), "1").as_bytes());
        whole.extend_from_slice(bytes);
        expected.push((2 * n as u64 + 3, (*code).to_owned()));
    }
    let mut home = Home::new();
    let staged = home.ingest(&whole).unwrap();
    assert_eq!(home.codes(&staged), expected);
    let bad = dirty.len() as u64;
    assert_eq!(counts(&staged), (2 * bad, bad, 0, bad));
    assert_eq!(ids(&staged), (0..dirty.len()).map(|n| format!("before-{n}")).collect::<Vec<_>>());
}

#[test]
fn a_doubled_hour_takes_the_first() {
    let mut home = Home::new();
    let staged =
        home.ingest(format!("{HEADER}a,SUB-1,api_calls,1,2026-10-25T02:30:00\n").as_bytes()).unwrap();
    assert_eq!(accepted(&staged)[0].2, 1_792_888_200_000_000, "2026-10-25T00:30:00Z");
}

#[test]
fn quoted_line_ends_keep_the_line_numbers_right() {
    let mut home = Home::new();
    let text = "id,subject,meter,quantity,time,properties.note\n\
                a,SUB-1,api_calls,1,2026-03-15T10:00:00Z,\"two\nlines\"\n\
                b,SUB-1,api_calls,1,2026-03-15T10:00:00Z,\n";
    let staged = home.ingest(text.as_bytes()).unwrap();
    let found: Vec<(u64, String)> = accepted(&staged).into_iter().map(|event| (event.5, event.3)).collect();
    assert_eq!(found, [(2, "{\"note\":\"two\\nlines\"}".to_owned()), (4, String::new())]);
}

#[test]
fn a_file_that_cannot_be_read_says_so_and_keeps_nothing() {
    let mut home = Home::new();
    let csv = format!("{HEADER}{}", (0..20_000).map(|n| line(&n.to_string(), "1")).collect::<String>());
    let packed = gzip(csv.as_bytes());
    let mut flipped = packed.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xFF;
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("file_empty", Vec::new()),
        ("file_empty", b"\xEF\xBB\xBF \n\n".to_vec()),
        ("file_empty", gzip(b"")),
        ("file_truncated", packed[..packed.len() - 20].to_vec()),
        ("file_damaged", flipped),
        ("file_not_utf8", b"id,subject,meter,quantity,time,properties.gr\xF8n\n".to_vec()),
        ("column_missing", b"id,subject,meter,time\n".to_vec()),
        ("column_unknown", b"id,subject,meter,quantity,time,price\n".to_vec()),
        ("column_repeated", b"id,subject,meter,quantity,time,ID\n".to_vec()),
        ("file_unsupported", b"[{\"id\":\"a\"}]".to_vec()),
        ("file_unsupported", b"id,\"subject\n".to_vec()),
        ("file_damaged", b"PAR1 and then nothing of the kind".to_vec()),
    ];
    for (code, bytes) in table {
        let error = home.ingest(&bytes).unwrap_err();
        assert_eq!(error.code().word(), code, "{error}");
        assert!(error.is_input() && !error.way_out().0.is_empty() && !error.to_string().is_empty());
    }
    assert_eq!(open(&home.folder.path().join("none")).unwrap_err().code().word(), "file_missing");
    assert_eq!(open(home.folder.path()).unwrap_err().code().word(), "file_is_folder");
    for folder in [&home.out.segments, &home.out.keys, &home.out.rejects, &home.out.temp] {
        let left = std::fs::read_dir(folder).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{}", folder.display());
    }
}

#[test]
fn a_file_with_a_header_only_has_no_events() {
    let staged = Home::new().ingest(HEADER.as_bytes()).unwrap();
    assert_eq!((counts(&staged), staged.paths().count()), ((0, 0, 0, 0), 0));
}

#[test]
fn the_first_line_wins_inside_a_file_and_against_history() {
    let mut home = Home::new();
    let text = format!("{HEADER}{}{}{}", line("a", "1"), line("a", "1.0"), line("a", "2"));
    let staged = home.ingest(text.as_bytes()).unwrap();
    assert_eq!(counts(&staged), (3, 1, 1, 1));
    assert_eq!(home.codes(&staged), [(4, "conflict".to_owned())]);
    let text = format!("{HEADER}{}{}{}", line("a", "2"), line("a", "1"), line("b", "3"));
    let staged = home.ingest(text.as_bytes()).unwrap();
    assert_eq!((counts(&staged), ids(&staged)), ((3, 1, 1, 1), vec!["b".to_owned()]));
    assert_eq!(home.codes(&staged), [(2, "conflict".to_owned())]);
}

#[test]
fn the_same_id_of_another_source_is_another_event() {
    let mut home = Home::new();
    let text = "id,source,subject,meter,quantity,time\n\
                a,,SUB-1,api_calls,1,2026-03-15T10:00:00Z\n\
                a,meter-7,SUB-1,api_calls,2,2026-03-15T10:00:00Z\n\
                a,file,SUB-1,api_calls,1,2026-03-15T10:00:00Z\n";
    assert_eq!(counts(&home.ingest(text.as_bytes()).unwrap()), (3, 2, 1, 0));
}

#[test]
fn a_correction_names_the_latest_accepted_version() {
    let header = "id,subject,meter,quantity,time,corrects\n";
    let event = |id: &str, quantity: &str, corrects: &str| {
        format!("{id},SUB-1,api_calls,{quantity},2026-03-15T10:00:00Z,{corrects}\n")
    };
    let mut home = Home::new();
    let first = [
        event("a", "1", ""),
        event("a2", "2", "a"),
        event("a3", "3", "a"),  // stale: a2 is the latest
        event("a4", "4", "a2"), // accepted
        event("b2", "2", "b"),  // stale: b comes later
        event("b", "1", ""),
        event("a2", "2", "a"), // duplicate
        event("a2", "9", "a"), // conflict
        event("c", "1", "c"),  // stale: itself
        event("a3", "3", ""),  // a rejected id is free
    ];
    let staged = home.ingest(format!("{header}{}", first.concat()).as_bytes()).unwrap();
    assert_eq!(ids(&staged), ["a", "a2", "a4", "b", "a3"]);
    let stale = "stale_correction".to_owned();
    let expected = [(4, stale.clone()), (6, stale.clone()), (9, "conflict".to_owned()), (10, stale.clone())];
    assert_eq!((home.codes(&staged), staged.duplicate), (expected.to_vec(), 1));
    assert_eq!(staged.segments[0].bounds.corrections, 2);

    let second =
        [event("x", "5", "a2"), event("y", "5", "a4"), event("b3", "0", "b"), event("a4", "4", "a2")];
    let staged = home.ingest(format!("{header}{}", second.concat()).as_bytes()).unwrap();
    assert_eq!(
        (ids(&staged), home.codes(&staged)),
        (vec!["y".to_owned(), "b3".to_owned()], vec![(2, stale.clone())])
    );
    assert_eq!(staged.duplicate, 1);

    let third = home.ingest(format!("{header}{}", event("b4", "7", "b")).as_bytes()).unwrap();
    assert_eq!(home.codes(&third), [(2, stale)]);
}

#[test]
fn late_events_are_counted_and_refused_by_policy_unless_they_are_duplicates() {
    let mut home = Home::new();
    let first = home.ingest(format!("{HEADER}{}", line("a", "1")).as_bytes()).unwrap();
    assert_eq!((first.accepted, first.late), (1, 0));
    let march_16 = 1_773_619_200_000_000;
    home.subjects.set_billed(
        1,
        "api_calls",
        Billed { late_before_us: march_16, refused_before_us: i64::MIN },
    );
    let late = home.ingest(format!("{HEADER}{}{}", line("a", "1"), line("b", "1")).as_bytes()).unwrap();
    assert_eq!((counts(&late), late.late), ((2, 1, 1, 0), 1));
    home.subjects = subjects();
    home.subjects.set_billed(
        1,
        "api_calls",
        Billed { late_before_us: march_16, refused_before_us: march_16 },
    );
    let refused = home.ingest(format!("{HEADER}{}{}", line("b", "1"), line("c", "1")).as_bytes()).unwrap();
    assert_eq!((counts(&refused), refused.late), ((2, 0, 1, 1), 0));
    assert_eq!(home.codes(&refused), [(3, "too_late".to_owned())]);
}

#[test]
fn a_reject_file_can_be_mended_and_fed_again() {
    let mut home = Home::new();
    let text = "id;subject;meter;quantity;time;properties.note\n\
                a;SUB-1;api_calls;1;2026-03-15T10:00:00Z;fine\n\
                b;SUB-8;api_calls;2;2026-03-15T10:00:00Z;\"says; \"\"hi\"\"\"\n\
                c;SUB-9;api_calls;3;2026-03-15T10:00:00Z;\n";
    let staged = home.ingest(text.as_bytes()).unwrap();
    assert_eq!(counts(&staged), (3, 1, 0, 2));
    let rejects = home.rejects(&staged);
    assert_eq!(rejects[0], ["file", "line", "code", "text", "raw"]);
    assert_eq!(
        rejects[1],
        ["usage-0", "1", "header", "file", "id;subject;meter;quantity;time;properties.note"]
    );
    assert_eq!(rejects[2][..3], ["usage-0", "3", "unknown_subject"]);
    assert_eq!(rejects[2][4], "b;SUB-8;api_calls;2;2026-03-15T10:00:00Z;\"says; \"\"hi\"\"\"");

    let path = staged.reject_file.unwrap().path;
    let mended = std::fs::read_to_string(&path).unwrap().replace("b;SUB-8", "b;SUB-1");
    std::fs::write(&path, mended).unwrap();
    let again = home.ingest_file(&path, false).unwrap();
    assert_eq!(counts(&again), (2, 1, 0, 1));
    assert_eq!(accepted(&again)[0].3, r#"{"note":"says; \"hi\""}"#);
    let rejects = home.rejects(&again);
    assert_eq!(rejects[1][4], "id;subject;meter;quantity;time;properties.note");
    assert_eq!(rejects[2][4], "c;SUB-9;api_calls;3;2026-03-15T10:00:00Z;");
}

#[test]
fn rejects_of_ndjson_keep_the_raw_line() {
    let mut home = Home::new();
    let raw = r#"{"id": "a", "subject": "SUB-1", "meter": "api_calls", "quantity": 123456789012345678901234567890.5, "time": "2026-03-15T10:00:00Z"}"#;
    let dirty = format!("{raw}\n{{\"id\": \n[1]\n{{\"id\": \"b\", \"prize\": 1}}\n");
    let staged = home.ingest(dirty.as_bytes()).unwrap();
    let codes: Vec<String> = home.codes(&staged).into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes, ["bad_quantity", "malformed", "malformed", "malformed"]);
    assert_eq!(home.rejects(&staged)[2][4], raw);
    let path = staged.reject_file.unwrap().path;
    let text = std::fs::read_to_string(&path).unwrap().replace("123456789012345678901234567890.5", "12.5");
    std::fs::write(&path, text).unwrap();
    assert_eq!(counts(&home.ingest_file(&path, false).unwrap()), (4, 1, 0, 3));
}

#[test]
fn a_dry_run_counts_and_leaves_nothing() {
    let mut home = Home::new();
    let path = home.write("usage.csv", format!("{HEADER}{}{}\n", line("a", "1"), line("a", "x")).as_bytes());
    let staged = home.ingest_file(&path, true).unwrap();
    assert_eq!((counts(&staged), staged.paths().count()), ((2, 1, 0, 1), 0));
    for folder in [&home.out.segments, &home.out.keys, &home.out.rejects, &home.out.temp] {
        assert_eq!(std::fs::read_dir(folder).map_or(0, Iterator::count), 0);
    }
}

#[test]
fn small_chunks_change_nothing_but_the_number_of_files() {
    let mut text = HEADER.to_owned();
    for n in 0..60_000_u32 {
        let id = n.wrapping_mul(2_654_435_761) % 45_000;
        let month = id % 3 + 1;
        text += &format!("{id},SUB-{},api_calls,{},2026-0{month}-15T10:00:00Z\n", id % 4, id % 7);
    }
    let mut whole = Home::new();
    let expected = whole.ingest(text.as_bytes()).unwrap();
    let mut chunked = Home::new();
    chunked.bounds = MemoryLimits { chunk_rows: 10_000, chunk_bytes: usize::MAX, keys: 15_000, ..BOUNDS };
    let found = chunked.ingest(text.as_bytes()).unwrap();
    assert_eq!(counts(&found), counts(&expected));
    assert_eq!(accepted(&found), accepted(&expected));
    assert_eq!(chunked.codes(&found), whole.codes(&expected));
    assert!(found.segments.len() > expected.segments.len() && found.key_runs.len() > 1);
    assert_eq!(expected.segments.len(), 3);
    assert!(expected.duplicate > 0 && expected.rejected > 0);
    assert_eq!(counts(&chunked.ingest(text.as_bytes()).unwrap()).1, 0);
}

#[test]
fn parquet_input_is_read_like_csv() {
    let texts = |name: &str, values: &[Option<&str>]| {
        StringChunked::from_iter_options(name.into(), values.iter().copied()).into_column()
    };
    let quantity = Int128Chunked::from_vec("quantity".into(), vec![1500, -5, 7]).into_decimal(20, 3).unwrap();
    let time = Int64Chunked::from_vec("time".into(), vec![1_773_568_800_000; 3])
        .into_datetime(TimeUnit::Milliseconds, Some(TimeZone::UTC));
    let columns = vec![
        texts("id", &[Some("a"), Some("b,\"c\""), None]),
        texts("subject", &[Some("SUB-1"); 3]),
        texts("meter", &[Some("api_calls"); 3]),
        quantity.into_column(),
        time.into_column(),
        texts("properties.region", &[None, Some("eu"), None]),
    ];
    let mut frame = DataFrame::new(3, columns).unwrap();
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame).unwrap();
    for packed in [bytes.clone(), gzip(&bytes)] {
        let mut home = Home::new();
        let staged = home.ingest(&packed).unwrap();
        let at = |id: &str, quantity, properties: &str, line| {
            (id.to_owned(), quantity, 1_773_568_800_000_000, properties.to_owned(), String::new(), line)
        };
        let expected = [at("a", 1_500_000_000, "", 1), at("b,\"c\"", -5_000_000, r#"{"region":"eu"}"#, 2)];
        assert_eq!(accepted(&staged), expected);
        assert_eq!(home.codes(&staged), [(3, "missing_id".to_owned())]);
        let path = staged.reject_file.unwrap().path;
        let mended = std::fs::read_to_string(&path).unwrap().replace(",SUB-1,", "c,SUB-1,");
        std::fs::write(&path, mended).unwrap();
        assert_eq!(ids(&home.ingest_file(&path, false).unwrap()), ["c"]);
    }

    let floats = frame.column("quantity").unwrap().cast(&DataType::Float64).unwrap();
    frame.with_column(floats).unwrap();
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame).unwrap();
    assert_eq!(Home::new().ingest(&bytes).unwrap_err().code().word(), "file_unsupported");
    let half = bytes.len() / 2;
    assert_eq!(Home::new().ingest(&bytes[..half]).unwrap_err().code().word(), "file_damaged");
}
