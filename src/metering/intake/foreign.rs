//! Files that are no usage file at all, told by how they begin. People hand in what they have: each is answered with what
//! it is and how to make a usage file of it.

use super::error::IntakeError;
use std::path::Path;

/// How a kind of file begins, what it is, and what to do.
struct Kind {
    begins: &'static [u8],
    what: &'static str,
    hint: &'static str,
}

const SAVE_AS_CSV: &str = "open it and save the sheet as CSV (UTF-8)";
const UNPACK: &str = "unpack it and hand in the usage files inside; of a workbook save the sheet as CSV";

const KINDS: [Kind; 8] = [
    Kind { begins: b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", what: "an Excel workbook", hint: SAVE_AS_CSV },
    Kind { begins: b"BZh", what: "packed with bzip2", hint: "unpack it: `bunzip2 FILE`" },
    Kind { begins: b"\xFD7zXZ\0", what: "packed with xz", hint: "unpack it: `unxz FILE`" },
    Kind { begins: b"7z\xBC\xAF\x27\x1C", what: "a 7z archive", hint: UNPACK },
    Kind { begins: b"%PDF", what: "a PDF document", hint: "ask its sender for CSV" },
    Kind { begins: b"Obj\x01", what: "an Avro file", hint: "write it as Parquet or NDJSON" },
    Kind { begins: b"SQLite format 3\0", what: "a SQLite database", hint: "export the table as CSV" },
    Kind { begins: b"<", what: "a web page or XML", hint: "was the download answered with an error page?" },
];

/// Refuses what is no usage file.
pub(super) fn refuse_foreign(path: &Path, head: &[u8]) -> Result<(), IntakeError> {
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        let is_workbook = ["xl/", "[Content_Types].xml"]
            .iter()
            .any(|part| memchr::memmem::find(head, part.as_bytes()).is_some());
        let (what, hint) = if is_workbook {
            ("an Excel workbook", SAVE_AS_CSV)
        } else {
            ("a ZIP archive or a workbook", UNPACK)
        };
        return Err(unsupported(path, format!("is {what}, not a usage file"), hint));
    }
    match KINDS.iter().find(|kind| head.starts_with(kind.begins)) {
        Some(kind) => Err(unsupported(path, format!("is {}, not a usage file", kind.what), kind.hint)),
        None => Ok(()),
    }
}

/// Refuses JSON that is not one object per line: `head` begins with `{` or `[`.
pub(super) fn refuse_spread_json(path: &Path, head: &[u8], is_whole: bool) -> Result<(), IntakeError> {
    let shown = path.display();
    if head.starts_with(b"[") {
        let hint = format!("write one object per line: `jq -c '.[]' {shown} > usage.ndjson`");
        return Err(unsupported(path, "is one JSON array; usage is one JSON object per line".into(), &hint));
    }
    let hint = format!("write one object per line: `jq -c . {shown} > usage.ndjson`");
    let line_end = memchr::memchr(b'\n', head).unwrap_or(head.len());
    if head[..line_end.saturating_sub(1)].contains(&b'\r') {
        return Err(bare_returns(path));
    }
    if is_spread(head, line_end, is_whole) {
        let reason = "holds JSON objects over several lines; usage is one JSON object per line".into();
        return Err(unsupported(path, reason, &hint));
    }
    Ok(())
}

/// Whether the first object goes on behind the first line.
fn is_spread(head: &[u8], line_end: usize, is_whole: bool) -> bool {
    let first = |text: &[u8]| {
        let mut values = serde_json::Deserializer::from_slice(text).into_iter::<serde::de::IgnoredAny>();
        values.next().and_then(Result::err)
    };
    if !first(&head[..line_end]).is_some_and(|error| error.is_eof()) {
        return false;
    }
    let next_line = head[line_end..].trim_ascii_start();
    match first(head) {
        None => true,
        // Cut off, or longer than what was read: unless the next line begins an object of its own.
        Some(error) => error.is_eof() && !next_line.is_empty() && (!is_whole || !next_line.starts_with(b"{")),
    }
}

/// Lines that end as those of Macs did once.
pub(super) fn bare_returns(path: &Path) -> IntakeError {
    let hint = format!("write line ends: `tr '\\r' '\\n' < {0} > {0}.lines`", path.display());
    unsupported(path, "ends its lines in carriage returns alone".into(), &hint)
}

pub(super) fn unsupported(path: &Path, reason: String, hint: &str) -> IntakeError {
    IntakeError::Unsupported { path: path.to_owned(), reason, hint: hint.to_owned() }
}
