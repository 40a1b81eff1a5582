//! Properties of a usage event: from columns or a flat JSON object to name → value, and their one canonical text.

use super::{Properties, Reject, RejectCode, TEXT_BYTES_MAX, shown};

/// Longest canonical text of an event's properties, in bytes.
pub const PROPERTIES_BYTES_MAX: usize = 4_000;

/// Properties as a record carries them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RawProperties<'a> {
    #[default]
    Absent,
    /// Columns `properties.*`: name without the prefix, and cell.
    Pairs(&'a [(&'a str, &'a str)]),
    /// Text of a JSON object.
    Json(&'a str),
}

/// Reads properties. Values of a JSON object are strings, numbers (kept as written), `true` or `false`. An empty cell,
/// an empty string and `null` are an absent property (rules Q2).
///
/// Errors: `bad_properties` if they are not a flat object or name a property twice, `too_long` beyond 255 bytes of name
/// or [`PROPERTIES_BYTES_MAX`] in all.
///
/// ```
/// # use domain::usage::{RawProperties, read_properties, properties_text};
/// let properties = read_properties(RawProperties::Json(r#"{"tier": 2, "region": "eu", "note": null}"#)).unwrap();
/// assert_eq!(properties_text(&properties), r#"{"region":"eu","tier":"2"}"#);
/// ```
pub fn read_properties(raw: RawProperties<'_>) -> Result<Properties, Reject> {
    let mut properties = Properties::new();
    match raw {
        RawProperties::Absent => return Ok(properties),
        RawProperties::Pairs(pairs) => {
            for &(name, value) in pairs {
                insert(&mut properties, name.to_owned(), value.to_owned())?;
            }
        }
        RawProperties::Json(text) if text.trim_ascii().is_empty() => return Ok(properties),
        RawProperties::Json(text) => Object { text, at: 0 }.read(&mut properties)?,
    }
    if !properties.is_empty() && properties_text(&properties).len() > PROPERTIES_BYTES_MAX {
        let text = format!("properties are longer than {PROPERTIES_BYTES_MAX} bytes");
        return Err(Reject::new(RejectCode::TooLong, text));
    }
    Ok(properties)
}

/// The canonical text: a JSON object with sorted names, every value a string, no spaces; empty without properties.
/// Same content is same text, whatever file it came from (rules Q3).
pub fn properties_text(properties: &Properties) -> String {
    if properties.is_empty() {
        return String::new();
    }
    let mut text = String::with_capacity(32 * properties.len());
    for (name, value) in properties {
        text.push(if text.is_empty() { '{' } else { ',' });
        push_json_string(&mut text, name);
        text.push(':');
        push_json_string(&mut text, value);
    }
    text.push('}');
    text
}

/// Appends a JSON string: quote, backslash and control characters escaped, all else as it is.
fn push_json_string(text: &mut String, value: &str) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c if c < ' ' => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
}

fn insert(properties: &mut Properties, name: String, value: String) -> Result<(), Reject> {
    if name.is_empty() {
        return Err(bad("a property has no name".to_owned()));
    }
    if name.len() > TEXT_BYTES_MAX {
        let text = format!("property name {} is longer than {TEXT_BYTES_MAX} bytes", shown(&name));
        return Err(Reject::new(RejectCode::TooLong, text));
    }
    if name.contains('\0') || value.contains('\0') {
        return Err(bad(format!("property {} holds a NUL character", shown(&name))));
    }
    if value.is_empty() {
        return Ok(());
    }
    if properties.contains_key(&name) {
        return Err(bad(format!("property {} stands twice", shown(&name))));
    }
    properties.insert(name, value);
    Ok(())
}

#[cold]
fn bad(text: String) -> Reject {
    Reject::new(RejectCode::BadProperties, text)
}

/// A reader of one flat JSON object. Numbers stay text, so that nothing passes through a float.
struct Object<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Object<'a> {
    fn read(mut self, properties: &mut Properties) -> Result<(), Reject> {
        self.expect(b'{')?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return self.end();
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.fault("a property name in quotes"));
            }
            let name = self.string()?;
            self.expect(b':')?;
            let value = self.value(&name)?;
            insert(properties, name, value)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return self.end();
                }
                _ => return Err(self.fault("`,` or `}`")),
            }
        }
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let space = rest.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.at += space;
        rest.get(space).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), Reject> {
        if self.peek() != Some(byte) {
            return Err(self.fault(&format!("`{}`", char::from(byte))));
        }
        self.at += 1;
        Ok(())
    }

    fn end(mut self) -> Result<(), Reject> {
        if self.peek().is_some() { Err(self.fault("nothing more")) } else { Ok(()) }
    }

    fn value(&mut self, name: &str) -> Result<String, Reject> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'{' | b'[') => Err(bad(format!("property {} is not a plain value", shown(name)))),
            _ => self.word(),
        }
    }

    fn string(&mut self) -> Result<String, Reject> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut end = start + 1;
        while let Some(&byte) = bytes.get(end) {
            match byte {
                b'"' => {
                    self.at = end + 1;
                    // The quotes are one byte each and `\` skips a byte that cannot close the string, so both ends
                    // are borders of characters.
                    let quoted = self.text.get(start..self.at).unwrap_or_default();
                    return serde_json::from_str(quoted).map_err(|_| {
                        bad(format!("properties hold {}, which is not a JSON string", shown(quoted)))
                    });
                }
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
        Err(bad("properties end inside a string".to_owned()))
    }

    /// A number as written, `true`, `false`, or `null` as nothing.
    fn word(&mut self) -> Result<String, Reject> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let end = rest.find([',', '}', ' ', '\t', '\n', '\r']).unwrap_or(rest.len());
        let word = &rest[..end];
        let value = match word {
            "null" => "",
            "true" | "false" => word,
            _ if is_json_number(word.as_bytes()) => word,
            _ => return Err(self.fault("a value")),
        };
        self.at += end;
        Ok(value.to_owned())
    }

    #[cold]
    fn fault(&self, expected: &str) -> Reject {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let found = if rest.is_empty() { "the end".to_owned() } else { shown(rest) };
        bad(format!("properties are not a flat JSON object: {expected} expected, found {found}"))
    }
}

/// RFC 8259: `[-]int[.frac][e[+-]exp]`, no leading zeros.
fn is_json_number(word: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
    let rest = word.strip_prefix(b"-").unwrap_or(word);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest.first() == Some(&b'0')) {
        return false;
    }
    let mut rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let count = digits(fraction);
        if count == 0 {
            return false;
        }
        rest = &fraction[count..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent =
            exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let count = digits(exponent);
        return count > 0 && count == exponent.len();
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn json(text: &str) -> Result<String, RejectCode> {
        read_properties(RawProperties::Json(text)).map(|p| properties_text(&p)).map_err(|reject| reject.code)
    }

    #[test]
    fn same_content_is_same_text_from_columns_and_json() {
        let pairs = [("tier", "2"), ("region", "eu"), ("note", "")];
        let columns = read_properties(RawProperties::Pairs(&pairs)).unwrap();
        assert_eq!(
            json(r#" {"note": null, "region": "eu", "tier": 2} "#).unwrap(),
            properties_text(&columns)
        );
    }

    #[test]
    fn reads_flat_objects_and_says_what_is_wrong_with_others() {
        let long = format!(r#"{{"a": "{}"}}"#, "x".repeat(PROPERTIES_BYTES_MAX));
        let name = format!(r#"{{"{}": 1}}"#, "x".repeat(256));
        let table: [(&str, Result<&str, RejectCode>); 24] = [
            ("", Ok("")),
            ("{}", Ok("")),
            (r#"{"a": ""}"#, Ok("")),
            (r#"{"a": -1.50e+3, "b": true}"#, Ok(r#"{"a":"-1.50e+3","b":"true"}"#)),
            (r#"{"a": 12345678901234567890.123456789}"#, Ok(r#"{"a":"12345678901234567890.123456789"}"#)),
            (r#"{"a": "q\"\\\u00e6\n"}"#, Ok("{\"a\":\"q\\\"\\\\æ\\n\"}")),
            (r#"{"æ": "ø\u0001"}"#, Ok("{\"æ\":\"ø\\u0001\"}")),
            (r#"{"a": {"b": 1}}"#, Err(RejectCode::BadProperties)),
            (r#"{"a": [1]}"#, Err(RejectCode::BadProperties)),
            (r#"{"a": 01}"#, Err(RejectCode::BadProperties)),
            (r#"{"a": NaN}"#, Err(RejectCode::BadProperties)),
            (r#"{"a": 1.}"#, Err(RejectCode::BadProperties)),
            (r#"{"a": 1e}"#, Err(RejectCode::BadProperties)),
            (r#"{"a": 1, "a": 1}"#, Err(RejectCode::BadProperties)),
            (r#"{"a": 1,}"#, Err(RejectCode::BadProperties)),
            (r#"{"a" 1}"#, Err(RejectCode::BadProperties)),
            (r#"{"a": 1} x"#, Err(RejectCode::BadProperties)),
            (r#"{"a": "x"#, Err(RejectCode::BadProperties)),
            (r#"{"a": "x\"#, Err(RejectCode::BadProperties)),
            (r#"{"": 1}"#, Err(RejectCode::BadProperties)),
            (r#"{"a": "\u0000"}"#, Err(RejectCode::BadProperties)),
            ("[]", Err(RejectCode::BadProperties)),
            (&long, Err(RejectCode::TooLong)),
            (&name, Err(RejectCode::TooLong)),
        ];
        for (text, expected) in table {
            assert_eq!(json(text), expected.map(str::to_owned), "{text}");
        }
    }

    proptest! {
        #[test]
        fn canonical_text_is_json_that_reads_back(pairs in proptest::collection::btree_map("[^\0]{1,8}", "[^\0]{1,12}", 0..6)) {
            let text = properties_text(&pairs);
            prop_assert_eq!(read_properties(RawProperties::Json(&text)), Ok(pairs.clone()));
            if !pairs.is_empty() {
                let judged: Properties = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(judged, pairs);
            }
        }

        #[test]
        fn never_panics_and_takes_only_json(text in "[{}\":,\\\\a1e.\\- æ\\[\\]ntrul]{0,24}") {
            if read_properties(RawProperties::Json(&text)).is_ok() && !text.trim_ascii().is_empty() {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
            }
        }
    }
}
