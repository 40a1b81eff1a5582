//! The members of one JSON object, values left as written: numbers never pass through a float, so that a quantity
//! with 21 digits stays exact.

use domain::usage::shown;
use std::borrow::Cow;

/// How deep a value may nest; deeper is refused rather than followed.
const DEPTH_MAX: usize = 32;

/// A value of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Unescaped.
    Text(Cow<'a, str>),
    /// As written.
    Number(&'a str),
    /// As written, with its braces.
    Object(&'a str),
    Null,
    /// An array, `true` or `false`, as written.
    Other(&'a str),
}

/// Replaces `members` by the members of the one object that `text` is. The error says what is wrong.
pub(crate) fn members<'a>(text: &'a str, members: &mut Vec<(Cow<'a, str>, Value<'a>)>) -> Result<(), String> {
    members.clear();
    let mut scan = Scan { text, at: 0 };
    scan.object(|name, value| members.push((name, value)), 0)?;
    scan.space();
    if scan.at < text.len() { Err(scan.fault("nothing more")) } else { Ok(()) }
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn object(&mut self, mut take: impl FnMut(Cow<'a, str>, Value<'a>), depth: usize) -> Result<(), String> {
        self.expect(b'{')?;
        if self.skip_if(b'}') {
            return Ok(());
        }
        loop {
            self.space();
            let name = self.string()?;
            self.expect(b':')?;
            let value = self.value(depth)?;
            take(name, value);
            if self.skip_if(b'}') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>, String> {
        self.space();
        let start = self.at;
        match self.peek() {
            Some(b'"') => Ok(Value::Text(self.string()?)),
            Some(b'{') if depth < DEPTH_MAX => {
                self.object(|_, _| {}, depth + 1)?;
                Ok(Value::Object(&self.text[start..self.at]))
            }
            Some(b'[') if depth < DEPTH_MAX => {
                self.array(depth + 1)?;
                Ok(Value::Other(&self.text[start..self.at]))
            }
            Some(b'{' | b'[') => Err(format!("values are nested more than {DEPTH_MAX} deep")),
            _ => self.word(),
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), String> {
        self.expect(b'[')?;
        if self.skip_if(b']') {
            return Ok(());
        }
        loop {
            self.value(depth)?;
            if self.skip_if(b']') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, String> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        if bytes.get(start) != Some(&b'"') {
            return Err(self.fault("a string"));
        }
        let mut at = start + 1;
        let mut is_plain = true;
        loop {
            match memchr::memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()).map(|offset| at + offset)
            {
                Some(quote) if bytes[quote] == b'"' => {
                    self.at = quote + 1;
                    let inside = &self.text[start + 1..quote];
                    if is_plain && !inside.bytes().any(|b| b < b' ') {
                        return Ok(Cow::Borrowed(inside));
                    }
                    let quoted = &self.text[start..=quote];
                    let text = serde_json::from_str(quoted);
                    return text
                        .map(Cow::Owned)
                        .map_err(|_| format!("{} is not a JSON string", shown(quoted)));
                }
                Some(backslash) => {
                    is_plain = false;
                    at = backslash + 2;
                }
                None => return Err("a string does not end".to_owned()),
            }
        }
    }

    fn word(&mut self) -> Result<Value<'a>, String> {
        let rest = &self.text[self.at..];
        let end = rest.find([',', '}', ']', ' ', '\t', '\r', '\n']).unwrap_or(rest.len());
        let word = &rest[..end];
        let value = match word {
            "null" => Value::Null,
            "true" | "false" => Value::Other(word),
            _ if is_number(word.as_bytes()) => Value::Number(word),
            _ => return Err(self.fault("a value")),
        };
        self.at += end;
        Ok(value)
    }

    fn space(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')).count();
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_if(&mut self, byte: u8) -> bool {
        self.space();
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.skip_if(byte) { Ok(()) } else { Err(self.fault(&format!("`{}`", char::from(byte)))) }
    }

    #[cold]
    fn fault(&self, expected: &str) -> String {
        match self.text.get(self.at..).unwrap_or_default() {
            "" => format!("{expected} expected, found the end"),
            rest => format!("{expected} expected, found {}", shown(rest)),
        }
    }
}

/// `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`
fn is_number(text: &[u8]) -> bool {
    let digits = |bytes: &[u8]| bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    let rest = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest[0] == b'0') {
        return false;
    }
    let mut rest = &rest[whole..];
    if let [b'.', fraction @ ..] = rest {
        let count = digits(fraction);
        if count == 0 {
            return false;
        }
        rest = &fraction[count..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = match exponent {
            [b'+' | b'-', unsigned @ ..] => unsigned,
            _ => exponent,
        };
        let count = digits(exponent);
        return count > 0 && count == exponent.len();
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Vec<(String, Value<'_>)>, String> {
        let mut list = Vec::new();
        members(text, &mut list)?;
        Ok(list.into_iter().map(|(name, value)| (name.into_owned(), value)).collect())
    }

    #[test]
    fn values_stay_as_written() {
        let text = r#" {"q": 123456789012.123456789, "s": "a\"\u00e6", "o": {"a": [1, {}]}, "n": null, "b": true, "e": {}} "#;
        let expected = [
            ("q", Value::Number("123456789012.123456789")),
            ("s", Value::Text("a\"æ".into())),
            ("o", Value::Object(r#"{"a": [1, {}]}"#)),
            ("n", Value::Null),
            ("b", Value::Other("true")),
            ("e", Value::Object("{}")),
        ];
        assert_eq!(read(text).unwrap(), expected.map(|(name, value)| (name.to_owned(), value)));
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(read(r#"{"a": 1"#), Err("`,` expected, found the end".into()));
        assert_eq!(read(r#"{"a": 01}"#), Err("a value expected, found `01}`".into()));
        assert_eq!(read(r#"{"a": "x}"#), Err("a string does not end".into()));
        assert!(read(&format!("{{\"a\":{}", "[".repeat(100_000))).unwrap_err().contains("nested"));
    }

    proptest! {
        #[test]
        fn takes_what_serde_takes(text in r#"[{}\[\]",:\\ a1.e\-0trulnfs]{0,24}"#) {
            let text = format!("{{{text}}}");
            let ours = read(&text).is_ok();
            let theirs = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            prop_assert_eq!(ours, theirs, "{}", text);
        }
    }
}
