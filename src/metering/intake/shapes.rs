//! Files as people and their programs write them: what is read, and what is refused in a sentence that helps.

use super::tests::{HEADER, Home, accepted, counts, gzip, line, subjects};
use super::*;
use polars::prelude::{ChunkFull, DataFrame, IntoColumn, ParquetWriter, StringChunked};
use std::process::Command;

const ROWS: [[&str; 5]; 2] = [
    ["a", "SUB-1", "api_calls", "5", "2026-03-15T10:00:00Z"],
    ["b", "SUB-1", "api_calls", "2.5", "2026-03-15T10:00:00Z"],
];

fn table(delimiter: &str, end: &str, above: &str, tail: &str) -> String {
    let mut text = format!("{above}{}{tail}{end}", HEADER.trim_end().replace(',', delimiter));
    for row in ROWS {
        text += &format!("{}{tail}{end}", row.join(delimiter));
    }
    text
}

fn utf16(text: &str, big_endian: bool) -> Vec<u8> {
    let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
    units.flat_map(|unit| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

#[test]
fn what_spreadsheets_and_shells_write_is_read() {
    let plain = table(";", "\r\n", "", "");
    let comma = plain.replace("2.5", "2,5");
    let padded = [gzip(plain.as_bytes()), vec![0; 70_000]].concat();
    let shapes: Vec<(&str, Vec<u8>)> = vec![
        ("a decimal comma between semicolons", comma.clone().into()),
        ("a decimal comma between tabs", table("\t", "\r\n", "", "").replace("2.5", "2,5").into()),
        ("a quoted decimal comma", plain.replace("2.5", "\"2,5\"").into()),
        ("sep= above", table(";", "\r\n", "sep=;\r\n", "").into()),
        ("sep= in capitals and quotes", table(",", "\n", "\"SEP=,\"\n", "").into()),
        ("sep= with a tab", table("\t", "\n", "sep=\t\n", "").into()),
        ("a byte order mark and sep=", format!("\u{feff}{}", table(";", "\r\n", "sep=;\r\n", "")).into()),
        ("columns without a name", table(";", "\r\n", "", ";;").into()),
        (
            "a header without the empty columns of its rows",
            table(",", "\n", "", ",").replacen(",\n", "\n", 1).into(),
        ),
        ("rows that are empty", format!("{plain};;;;\r\n;;;;;;\r\n").into()),
        ("UTF-16 as Windows writes it", utf16(&comma, false)),
        ("UTF-16 the other way", utf16(&table("\t", "\n", "", ""), true)),
        ("UTF-16, packed", gzip(&utf16(&plain, false))),
        ("gzip filled up with zeros", padded.clone()),
        (
            "gzip of several members, filled up",
            [gzip(&plain.as_bytes()[..30]), gzip(&plain.as_bytes()[30..]), vec![0; 9]].concat(),
        ),
        ("gzip in gzip", gzip(&gzip(plain.as_bytes()))),
        ("zstd in gzip", gzip(&zstd(plain.as_bytes()))),
        ("filled up, in zstd", zstd(&padded)),
    ];
    for (what, bytes) in shapes {
        let mut home = Home::new();
        let staged = home.ingest(&bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(counts(&staged), (2, 2, 0, 0), "{what}");
        let found: Vec<(String, i128)> = accepted(&staged).into_iter().map(|e| (e.0, e.1)).collect();
        assert_eq!(found, [("a".to_owned(), 5_000_000_000), ("b".to_owned(), 2_500_000_000)], "{what}");
    }
}

#[test]
fn line_numbers_are_those_of_the_file() {
    let text = format!("sep=;\n{}x;SUB-9;api_calls;1;2026-03-15T10:00:00Z\n", table(";", "\n", "", ";"));
    for bytes in [text.clone().into_bytes(), utf16(&text, false), gzip(text.as_bytes())] {
        let mut home = Home::new();
        let staged = home.ingest(&bytes).unwrap();
        assert_eq!(home.codes(&staged), [(5, "unknown_subject".to_owned())]);
        assert_eq!(accepted(&staged)[0].5, 3);
    }
}

#[test]
fn what_only_looks_like_a_number_is_refused_and_a_reject_can_be_mended() {
    let quantities = ["1.234,5", "1,2,3", ",5", "5,", "1 234", "0,1234567891"];
    let rows =
        quantities.map(|quantity| format!("q{quantity};SUB-1;api_calls;{quantity};2026-03-15T10:00:00Z\r\n"));
    let mut home = Home::new();
    let staged = home
        .ingest(format!("{}\r\n{}", HEADER.trim_end().replace(',', ";"), rows.concat()).as_bytes())
        .unwrap();
    assert_eq!(home.codes(&staged).len(), quantities.len());
    let path = staged.reject_file.unwrap().path;
    let mended = std::fs::read_to_string(&path).unwrap().replace(";1.234,5;", ";1234,5;");
    std::fs::write(&path, mended).unwrap();
    assert_eq!(accepted(&home.ingest_file(&path, false).unwrap())[0].1, 1_234_500_000_000);
    // Between commas a comma is none.
    let staged = Home::new()
        .ingest(format!("{HEADER}a,SUB-1,api_calls,\"2,5\",2026-03-15T10:00:00Z\n").as_bytes())
        .unwrap();
    assert_eq!(counts(&staged), (1, 0, 0, 1));
}

#[test]
fn a_count_needs_no_quantity_and_nothing_else_goes_without() {
    let mut home = Home::new();
    let without = "id,subject,meter,time\na,SUB-1,logins,2026-03-15T10:00:00Z\nb,SUB-1,api_calls,2026-03-15T10:00:00Z\n";
    assert_eq!(home.ingest(without.as_bytes()).unwrap_err().code().word(), "column_missing");
    home.subjects = subjects();
    home.subjects.add_meter("logins");
    home.subjects.set_only_counted("logins");
    let staged = home.ingest(without.as_bytes()).unwrap();
    assert_eq!(home.codes(&staged), [(3, "missing_quantity".to_owned())]);
    assert_eq!(accepted(&staged)[0].1, 1_000_000_000);
    let same =
        r#"{"id":"a","subject":"SUB-1","meter":"logins","time":"2026-03-15T10:00:00Z","quantity":null}"#;
    assert_eq!(counts(&home.ingest(same.as_bytes()).unwrap()), (1, 0, 1, 0));
    let empty =
        format!("{HEADER}a,SUB-1,logins, ,2026-03-15T10:00:00Z\nc,SUB-1,logins,2,2026-03-15T10:00:00Z\n");
    assert_eq!(counts(&home.ingest(empty.as_bytes()).unwrap()), (2, 1, 1, 0));
}

#[test]
fn what_is_no_usage_file_is_refused_whole_in_a_sentence() {
    let object = "{\n  \"id\": \"a\",\n  \"subject\": \"SUB-1\",\n  \"meter\": \"api_calls\",\n  \"quantity\": 5,\n  \"time\": \"2026-03-15T10:00:00Z\"\n}\n";
    let long = format!("{{\n{}", "  \"id\": \"a\",\n".repeat(40_000));
    let workbook = [b"PK\x03\x04\x14\0".as_slice(), b"[Content_Types].xml and xl/workbook.xml"].concat();
    let shapes: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        ("an object over lines", object.into(), "over several lines", "jq -c ."),
        ("two of them", object.repeat(2).into(), "over several lines", "jq -c ."),
        ("one that is cut", object[..60].into(), "over several lines", "jq -c ."),
        ("one that is long", long.into(), "over several lines", "jq -c ."),
        ("an array", format!("[{object}]").into(), "JSON array", "jq -c '.[]'"),
        ("an array on one line", b"[{\"id\":\"a\"}]".to_vec(), "JSON array", "jq -c '.[]'"),
        ("carriage returns alone", table(";", "\r", "", "").into(), "carriage returns", "tr "),
        ("the same in JSON", b"{\"id\":\"a\"}\r{\"id\":\"b\"}\r".to_vec(), "carriage returns", "tr "),
        ("a workbook", workbook, "Excel workbook", "save the sheet as CSV"),
        ("an old workbook", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1rest".to_vec(), "Excel workbook", "CSV"),
        ("an archive", b"PK\x03\x04\x14\0usage.csv".to_vec(), "ZIP archive", "unpack"),
        ("bzip2", b"BZh91AY&SY".to_vec(), "bzip2", "bunzip2"),
        ("a web page", b"<!DOCTYPE html><html>".to_vec(), "web page", "error page"),
        ("another separator", table("|", "\n", "sep=|\n", "").into(), "\"|\"", "separated by"),
        (
            "UTF-16 without its mark",
            utf16(&table(";", "\n", "", ""), false)[2..].to_vec(),
            "zero bytes",
            "UTF-8",
        ),
        (
            "the same of Windows",
            utf16(&table(";", "\r\n", "", ""), false)[2..].to_vec(),
            "zero bytes",
            "UTF-8",
        ),
        ("packed three times", gzip(&gzip(&gzip(b"x"))), "more than twice", "unpack"),
    ];
    for (what, bytes, reason, hint) in shapes {
        let error = Home::new().ingest(&bytes).unwrap_err();
        assert_eq!(error.code().word(), "file_unsupported", "{what}: {error}");
        assert!(
            error.to_string().contains(reason) && format!("{:?}", error.way_out()).contains(hint),
            "{what}: {error} {:?}",
            error.way_out()
        );
        assert!(error.is_of_the_file(), "{what}");
    }
    let followed = [gzip(table(",", "\n", "", "").as_bytes()), b"\0\0rest".to_vec()].concat();
    assert_eq!(Home::new().ingest(&followed).unwrap_err().code().word(), "file_damaged");
}

#[test]
fn one_broken_line_of_json_is_a_reject() {
    for first in ["{\"id\": \n", "{\"id\": \"a\", \"x\n", "{\n"] {
        let good =
            r#"{"id":"b","subject":"SUB-1","meter":"api_calls","quantity":1,"time":"2026-03-15T10:00:00Z"}"#;
        let staged = Home::new().ingest(format!("{first}{good}\n{good}\n").as_bytes()).unwrap();
        assert_eq!(counts(&staged), (3, 1, 1, 1), "{first}");
    }
}

#[test]
fn a_small_file_that_unpacks_without_end_is_refused() {
    let row = "x".repeat(40_000);
    let texts =
        |name: &str, value: &str, rows: usize| StringChunked::full(name.into(), value, rows).into_column();
    let rows = 20_000;
    let columns = vec![
        texts("id", "a", rows),
        texts("subject", "SUB-1", rows),
        texts("meter", "api_calls", rows),
        texts("quantity", "1", rows),
        texts("time", "2026-03-15T10:00:00Z", rows),
        texts("properties.note", &row, rows),
    ];
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut DataFrame::new(rows, columns).unwrap()).unwrap();
    assert!(bytes.len() < 500_000, "{}", bytes.len());
    let mut home = Home::new();
    home.bounds.unpacked_bytes = 8 << 20;
    let error = home.ingest(&bytes).unwrap_err();
    assert!(
        error.code().word() == "file_unsupported" && error.to_string().contains("unpacks to more"),
        "{error}"
    );
    // Text that never ends its line, and a bomb of zstd.
    let endless = zstd::encode_all(std::io::repeat(b'a').take(40 << 20), 1).unwrap();
    let text = [zstd(HEADER.as_bytes()), endless].concat();
    home.bounds = BOUNDS;
    let error = home.ingest(&text).unwrap_err();
    assert!(error.to_string().contains("does not end within 4 MiB"), "{error}");
    for folder in [&home.out.segments, &home.out.rejects, &home.out.temp] {
        assert_eq!(std::fs::read_dir(folder).map_or(0, Iterator::count), 0, "{}", folder.display());
    }
}

#[test]
fn a_pipe_is_copied_and_read_and_one_without_a_writer_is_not_waited_for() {
    let home = Home::new();
    let (silent, pipe) = (home.folder.path().join("silent"), home.folder.path().join("pipe"));
    assert!(Command::new("mkfifo").args([&silent, &pipe]).status().unwrap().success());
    assert_eq!(open(&silent).unwrap_err().code().word(), "file_unsupported");
    let error = open_or_copy(&silent, &home.out.temp).unwrap_err();
    assert!(error.to_string().contains("nobody writes"), "{error}");
    let (to, text) = (pipe.clone(), format!("{HEADER}{}", line("a", "1")));
    let bytes = text.len() as u64;
    let writer = std::thread::spawn(move || std::fs::write(to, text));
    let input = open_or_copy(&pipe, &home.out.temp).unwrap();
    writer.join().unwrap().unwrap();
    assert_eq!((input.name().as_str(), input.bytes(), input.format_name()), ("pipe", bytes, "csv"));
    drop(input);
    assert_eq!(std::fs::read_dir(&home.out.temp).unwrap().count(), 0);
    assert_eq!(open(std::path::Path::new("/dev/zero")).unwrap_err().code().word(), "file_unsupported");
}
