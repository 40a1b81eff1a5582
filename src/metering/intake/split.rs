//! Splitting text into records and fields after RFC 4180, so that one bad record never takes its neighbours with it.
//!
//! A record ends at a line end outside quotes. A quote opens a field only at the field's start; anywhere else it is
//! a character. When a quoted field is not closed within [`RECORD_BYTES_MAX`], or something stands between its
//! closing quote and the next delimiter, the first line of the record is broken, and reading goes on with the next
//! line. So what is a record depends on the bytes alone, not on how they were read.

use memchr::{memchr, memchr2};
use std::borrow::Cow;

/// Longest record that may hold quoted line ends, in bytes.
pub(crate) const RECORD_BYTES_MAX: usize = 64 << 10;
/// Fields of a record; no sheet has more columns.
const FIELDS_MAX: usize = 1 << 14;

/// What stands at a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    /// A record up to `end`, without its line end; the next one starts at `next`.
    Whole { end: usize, next: usize },
    /// A line up to `end` that is not a record.
    Broken { end: usize, next: usize },
    /// More bytes are needed to tell.
    Partial,
}

/// The record at `start`. `is_last`: no bytes follow.
pub(crate) fn next_record(bytes: &[u8], start: usize, delimiter: u8, is_last: bool) -> Record {
    let line_end = memchr(b'\n', &bytes[start..]).map(|at| start + at);
    let line = &bytes[start..line_end.unwrap_or(bytes.len())];
    if memchr(b'"', line).is_some() {
        return quoted_record(bytes, start, delimiter, is_last);
    }
    match line_end {
        Some(end) => whole(bytes, start, end, end + 1),
        None if is_last => whole(bytes, start, bytes.len(), bytes.len()),
        None => Record::Partial,
    }
}

fn whole(bytes: &[u8], start: usize, end: usize, next: usize) -> Record {
    let end = if end > start && bytes[end - 1] == b'\r' { end - 1 } else { end };
    Record::Whole { end, next }
}

fn quoted_record(bytes: &[u8], start: usize, delimiter: u8, is_last: bool) -> Record {
    let mut at = start;
    loop {
        if bytes.get(at) == Some(&b'"') {
            match closing_quote(bytes, at + 1, start + RECORD_BYTES_MAX, is_last) {
                Closing::At(quote) => at = quote + 1,
                Closing::Never => return broken(bytes, start, is_last),
                Closing::Unknown => return Record::Partial,
            }
            match &bytes[at..] {
                [] if is_last => return Record::Whole { end: at, next: at },
                [] | [b'\r'] if !is_last => return Record::Partial,
                [b'\n', ..] => return Record::Whole { end: at, next: at + 1 },
                [b'\r', b'\n', ..] => return Record::Whole { end: at, next: at + 2 },
                [b'\r'] => return Record::Whole { end: at, next: at + 1 },
                [byte, ..] if *byte == delimiter => at += 1,
                _ => return broken(bytes, start, is_last),
            }
        } else {
            match memchr2(delimiter, b'\n', &bytes[at..]).map(|offset| at + offset) {
                Some(end) if bytes[end] == b'\n' => return whole(bytes, start, end, end + 1),
                Some(end) => at = end + 1,
                None if is_last => return whole(bytes, start, bytes.len(), bytes.len()),
                None => return Record::Partial,
            }
        }
    }
}

enum Closing {
    At(usize),
    Never,
    Unknown,
}

/// The quote that closes a field opened before `from`; a doubled quote stands for one.
fn closing_quote(bytes: &[u8], from: usize, limit: usize, is_last: bool) -> Closing {
    let stop = limit.min(bytes.len());
    let mut at = from;
    while let Some(offset) = bytes.get(at..stop).and_then(|rest| memchr(b'"', rest)) {
        let quote = at + offset;
        match bytes.get(quote + 1) {
            Some(b'"') => at = quote + 2,
            None if !is_last => return Closing::Unknown,
            _ => return Closing::At(quote),
        }
    }
    if is_last || bytes.len() >= limit { Closing::Never } else { Closing::Unknown }
}

fn broken(bytes: &[u8], start: usize, is_last: bool) -> Record {
    match memchr(b'\n', &bytes[start..]).map(|at| start + at) {
        Some(end) => {
            let Record::Whole { end, next } = whole(bytes, start, end, end + 1) else {
                return Record::Partial;
            };
            Record::Broken { end, next }
        }
        None if is_last => Record::Broken { end: bytes.len(), next: bytes.len() },
        None => Record::Partial,
    }
}

/// The fields of a whole record.
pub(crate) fn fields(record: &str, delimiter: u8) -> Result<Vec<Cow<'_, str>>, &'static str> {
    let mut fields = Vec::new();
    fields_into(record, delimiter, &mut fields)?;
    Ok(fields)
}

/// Replaces `fields` by the fields of a whole record. The error says what is wrong with it.
pub(crate) fn fields_into<'a>(
    record: &'a str,
    delimiter: u8,
    fields: &mut Vec<Cow<'a, str>>,
) -> Result<(), &'static str> {
    fields.clear();
    let bytes = record.as_bytes();
    let mut at = 0;
    loop {
        if fields.len() == FIELDS_MAX {
            return Err("it has more than 16384 fields");
        }
        if bytes.get(at) == Some(&b'"') {
            let Closing::At(quote) = closing_quote(bytes, at + 1, usize::MAX, true) else {
                return Err("a quote is left open");
            };
            fields.push(unquoted(&record[at + 1..quote]));
            at = quote + 1;
            match bytes.get(at) {
                None => return Ok(()),
                Some(byte) if *byte == delimiter => at += 1,
                Some(_) => return Err("something follows a closing quote"),
            }
        } else {
            let end = memchr(delimiter, &bytes[at..]).map_or(bytes.len(), |offset| at + offset);
            fields.push(Cow::Borrowed(&record[at..end]));
            if end == bytes.len() {
                return Ok(());
            }
            at = end + 1;
        }
    }
}

fn unquoted(field: &str) -> Cow<'_, str> {
    if field.contains("\"\"") { Cow::Owned(field.replace("\"\"", "\"")) } else { Cow::Borrowed(field) }
}

/// Appends a field, quoted if it has to be.
pub(crate) fn push_field(line: &mut Vec<u8>, field: &[u8], delimiter: u8) {
    let plain = !field.iter().any(|b| matches!(b, b'"' | b'\n' | b'\r') || *b == delimiter);
    if plain {
        line.extend_from_slice(field);
        return;
    }
    line.push(b'"');
    for &byte in field {
        if byte == b'"' {
            line.push(b'"');
        }
        line.push(byte);
    }
    line.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn records(text: &str) -> Vec<(bool, &str)> {
        let mut list = Vec::new();
        let mut at = 0;
        while at < text.len() {
            match next_record(text.as_bytes(), at, b',', true) {
                Record::Whole { end, next } => {
                    list.push((true, &text[at..end]));
                    at = next;
                }
                Record::Broken { end, next } => {
                    list.push((false, &text[at..end]));
                    at = next;
                }
                Record::Partial => panic!("partial at the end"),
            }
        }
        list
    }

    #[test]
    fn line_ends_inside_quotes_belong_to_the_record() {
        assert_eq!(records("a,\"b\nc\",d\r\ne\n"), [(true, "a,\"b\nc\",d"), (true, "e")]);
        assert_eq!(records("a,\"b \"\"x\"\" c\"\nd"), [(true, "a,\"b \"\"x\"\" c\""), (true, "d")]);
    }

    #[test]
    fn an_open_quote_breaks_one_line_only() {
        assert_eq!(records("a,\"b\nc,d\ne,f\n"), [(false, "a,\"b"), (true, "c,d"), (true, "e,f")]);
        assert_eq!(records("a,\"b\nc,\"d\"\n"), [(false, "a,\"b"), (true, "c,\"d\"")]);
        assert_eq!(records("a,\"b\"x\nc\n"), [(false, "a,\"b\"x"), (true, "c")]);
    }

    #[test]
    fn a_quote_inside_a_field_is_a_character() {
        assert_eq!(records("a,5\" disk\nb\n"), [(true, "a,5\" disk"), (true, "b")]);
        assert_eq!(fields("a,5\" disk", b',').unwrap(), ["a", "5\" disk"]);
    }

    #[test]
    fn fields_are_unquoted() {
        assert_eq!(fields("a,\"b \"\"x\"\"\",,\"\"", b',').unwrap(), ["a", "b \"x\"", "", ""]);
        assert!(fields("a,\"b", b',').is_err());
    }

    proptest! {
        /// Cutting the bytes anywhere gives the same records, as long as a partial one is read again with more bytes.
        #[test]
        fn records_do_not_depend_on_how_the_bytes_arrive(text in "[ab,\"\n\r]{0,60}", cut in 0_usize..60) {
            let whole = records(&text);
            let cut = cut.min(text.len());
            let mut list = Vec::new();
            let mut at = 0;
            while at < cut {
                match next_record(&text.as_bytes()[..cut], at, b',', false) {
                    Record::Whole { end, next } => { list.push((true, &text[at..end])); at = next; }
                    Record::Broken { end, next } => { list.push((false, &text[at..end])); at = next; }
                    Record::Partial => break,
                }
            }
            prop_assert!(whole.starts_with(&list), "{:?} {:?}", whole, list);
            list.extend(records(&text[at..]));
            prop_assert_eq!(whole, list);
        }

        #[test]
        fn written_fields_read_back(values in proptest::collection::vec("[a,;\"\n\r ]{0,6}", 1..5)) {
            let mut line = Vec::new();
            for (n, value) in values.iter().enumerate() {
                if n > 0 { line.push(b','); }
                push_field(&mut line, value.as_bytes(), b',');
            }
            let text = String::from_utf8(line).unwrap();
            prop_assert_eq!(fields(&text, b',').unwrap(), values);
        }
    }
}
