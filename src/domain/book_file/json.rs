//! JSON as it was written: numbers keep their digits, keys their order, and a key that occurs twice is a fault.
//!
//! `serde_json::Value` would read `0.05` as a binary float and round a number of 40 digits in silence. So a text is
//! cut into [`RawValue`]s level by level, and a number stays text until [`crate::decimal::parse`] has seen it.

use super::fault::{Fault, Faults, Place};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Levels of nesting; the deepest field of a book is at 7.
const DEPTH_MAX: usize = 32;
/// Members of one object; the widest of a book has some thirty.
const MEMBERS_MAX: usize = 10_000;
/// Significant digits that a binary float surely carries.
const FLOAT_DIGITS: usize = 15;

/// A JSON value as it was written.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    Null,
    Bool(bool),
    /// The number's own text.
    Number(String),
    Text(String),
    List(Vec<Node>),
    /// Members in order, keys as written; no two keys are equal but for case.
    Object(Vec<(String, Node)>),
}

impl Node {
    /// The word for messages.
    pub fn noun(&self) -> &'static str {
        match self {
            Node::Null => "null",
            Node::Bool(_) => "true or false",
            Node::Number(_) => "a number",
            Node::Text(_) => "a text",
            Node::List(_) => "a list",
            Node::Object(_) => "an object",
        }
    }

    /// The member of this name in any case.
    pub fn member(&self, name: &str) -> Option<&Node> {
        let Node::Object(members) = self else { return None };
        members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, node)| node)
    }

    /// Gives a member this value, under the name that it has or gets.
    pub fn set(&mut self, name: &str, value: Node) {
        let Node::Object(members) = self else { return };
        match members.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(name)) {
            Some((_, old)) => *old = value,
            None => members.push((name.to_owned(), value)),
        }
    }

    /// Takes the member of this name out.
    pub fn take(&mut self, name: &str) -> Option<Node> {
        let Node::Object(members) = self else { return None };
        let at = members.iter().position(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(members.remove(at).1)
    }

    /// The list under this name, made if there is none.
    pub fn list_mut(&mut self, name: &str) -> Option<&mut Vec<Node>> {
        if !matches!(self.member(name), Some(Node::List(_))) {
            self.set(name, Node::List(Vec::new()));
        }
        let Node::Object(members) = self else { return None };
        match members.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(name)) {
            Some((_, Node::List(list))) => Some(list),
            _ => None,
        }
    }

    /// As JSON text, numbers as they were written.
    pub fn written(&self) -> String {
        super::settle::text(self)
    }

    /// The same for types that read `serde_json`, keys as written; numbers become strings.
    pub fn to_value(&self) -> serde_json::Value {
        use serde_json::Value;
        match self {
            Node::Null => Value::Null,
            Node::Bool(b) => Value::Bool(*b),
            Node::Number(text) | Node::Text(text) => Value::String(text.clone()),
            Node::List(list) => Value::Array(list.iter().map(Node::to_value).collect()),
            Node::Object(members) => {
                Value::Object(members.iter().map(|(k, v)| (k.clone(), v.to_value())).collect())
            }
        }
    }
}

/// Way to a part of the text; written out only for a fault.
#[derive(Clone, Copy)]
struct Path<'p> {
    place: &'p Place,
    step: Option<(&'p Path<'p>, Step<'p>)>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Member(&'p str),
    Element(usize),
}

impl<'p> Path<'p> {
    fn new(place: &'p Place) -> Self {
        Self { place, step: None }
    }

    fn member(&'p self, key: &'p str) -> Path<'p> {
        Path { place: self.place, step: Some((self, Step::Member(key))) }
    }

    fn element(&'p self, index: usize) -> Path<'p> {
        Path { place: self.place, step: Some((self, Step::Element(index))) }
    }

    fn written(&self) -> Place {
        match self.step {
            None => self.place.clone(),
            Some((parent, Step::Member(key))) => parent.written().member(key),
            Some((parent, Step::Element(index))) => parent.written().element(index),
        }
    }
}

/// Reads one JSON text. Syntax faults give line and column, counted from `first_line`; `None` if there was one.
pub(super) fn parse(text: &str, first_line: usize, place: &Place, faults: &mut Faults) -> Option<Node> {
    if let Some(node) = plain(text) {
        return Some(node);
    }
    let mut reader = Reader { text, first_line, faults };
    let raw: &RawValue = match serde_json::from_str(text) {
        Ok(raw) => raw,
        Err(error) => {
            reader.syntax(text, &error, &Path::new(place));
            return None;
        }
    };
    reader.node(raw.get(), &Path::new(place), 0)
}

/// The value in one pass, if nothing is wrong with it and no number has a fraction or an exponent; books write those as
/// texts, mostly.
pub(super) fn plain(text: &str) -> Option<Node> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let node = Plain { depth: 0 }.deserialize(&mut reader).ok()?;
    reader.end().ok().map(|()| node)
}

/// Reads a value at a depth; what it cannot read exactly is an error, and read again by the long way.
#[derive(Clone, Copy)]
struct Plain {
    depth: usize,
}

impl Plain {
    fn below<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == DEPTH_MAX { Err(E::custom("too deep")) } else { Ok(Self { depth: self.depth + 1 }) }
    }
}

impl<'de> DeserializeSeed<'de> for Plain {
    type Value = Node;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Plain {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without fractions")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Node, E> {
        Ok(Node::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Node, A::Error> {
        let below = self.below()?;
        let mut list = Vec::new();
        while let Some(part) = parts.next_element_seed(below)? {
            list.push(part);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut parts: A) -> Result<Node, A::Error> {
        use serde::de::Error;
        let below = self.below()?;
        let mut members: Vec<(String, Node)> = Vec::new();
        while let Some(key) = parts.next_key::<String>()? {
            // The long way tells where.
            if members.len() == MEMBERS_MAX || is_repeated(&members, &key) {
                return Err(A::Error::custom("a fault"));
            }
            members.push((key, parts.next_value_seed(below)?));
        }
        Ok(Node::Object(members))
    }
}

/// Reads the body of a request: pointers are relative to it.
pub fn read_body(text: &str) -> Result<Node, Vec<Fault>> {
    let mut faults = Faults::default();
    let file = faults.file("");
    let node = parse(text, 1, &Place::new(file, ""), &mut faults);
    match node {
        Some(node) if faults.met() == 0 => Ok(node),
        _ => Err(faults.into_list()),
    }
}

/// Whether the text is one complete JSON value.
pub(super) fn is_complete(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Takes over a value that somebody else has parsed. A float of more than 15 digits may have been rounded by then
/// and is refused.
pub(super) fn from_value(value: &serde_json::Value, place: &Place, faults: &mut Faults) -> Node {
    take_over(value, &Path::new(place), faults)
}

fn take_over(value: &serde_json::Value, path: &Path<'_>, faults: &mut Faults) -> Node {
    use serde_json::Value;
    match value {
        Value::Null => Node::Null,
        Value::Bool(b) => Node::Bool(*b),
        Value::String(text) => Node::Text(text.clone()),
        Value::Number(number) => {
            let text = number.to_string();
            let is_whole = number.is_i64() || number.is_u64();
            if !is_whole && significant_digits(&text) > FLOAT_DIGITS {
                let message = format!("the number {text} has too many digits to be exact");
                faults.hinted(&path.written(), message, "write it as a string");
            }
            Node::Number(text)
        }
        Value::Array(list) => {
            Node::List(list.iter().enumerate().map(|(i, v)| take_over(v, &path.element(i), faults)).collect())
        }
        Value::Object(map) => {
            let mut members: Vec<(String, Node)> = Vec::with_capacity(map.len());
            for (key, value) in map {
                if is_repeated(&members, key) {
                    faults.add(&path.member(key).written(), format!("the field `{key}` occurs twice"));
                    continue;
                }
                let node = take_over(value, &path.member(key), faults);
                members.push((key.clone(), node));
            }
            Node::Object(members)
        }
    }
}

/// Line and column, both from 1, of a byte offset.
pub(super) fn line_and_column(bytes: &[u8], offset: usize) -> (usize, usize) {
    let before = &bytes[..offset.min(bytes.len())];
    let line = 1 + before.iter().filter(|&&b| b == b'\n').count();
    let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    let characters = String::from_utf8_lossy(&before[line_start..]).chars().count();
    (line, characters + 1)
}

fn is_repeated(members: &[(String, Node)], key: &str) -> bool {
    members.iter().any(|(other, _)| other.eq_ignore_ascii_case(key))
}

fn significant_digits(text: &str) -> usize {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').len()
}

struct Reader<'s, 'f> {
    text: &'s str,
    first_line: usize,
    faults: &'f mut Faults,
}

impl<'s> Reader<'s, '_> {
    fn node(&mut self, raw: &'s str, path: &Path<'_>, depth: usize) -> Option<Node> {
        if depth > DEPTH_MAX {
            let message = format!("is nested deeper than {DEPTH_MAX} levels{}", self.where_is(raw));
            self.faults.add(&path.written(), message);
            return None;
        }
        match raw.as_bytes().first() {
            Some(b'{') => self.object(raw, path, depth),
            Some(b'[') => self.list(raw, path, depth),
            Some(b'"') => self.read::<String>(raw, path).map(Node::Text),
            Some(b't' | b'f') => self.read::<bool>(raw, path).map(Node::Bool),
            Some(b'n') => Some(Node::Null),
            _ => Some(Node::Number(raw.to_owned())),
        }
    }

    fn object(&mut self, raw: &'s str, path: &Path<'_>, depth: usize) -> Option<Node> {
        let parts: Members<'s> = self.read(raw, path)?;
        if parts.0.len() > MEMBERS_MAX {
            let message = format!("has more than {MEMBERS_MAX} fields{}", self.where_is(raw));
            self.faults.add(&path.written(), message);
            return None;
        }
        let mut members: Vec<(String, Node)> = Vec::with_capacity(parts.0.len());
        for (key, value) in parts.0 {
            if is_repeated(&members, &key) {
                let message = format!("the field `{key}` occurs twice{}", self.where_is(value.get()));
                self.faults.add(&path.member(&key).written(), message);
                continue;
            }
            let node = self.node(value.get(), &path.member(&key), depth + 1)?;
            members.push((key, node));
        }
        Some(Node::Object(members))
    }

    fn list(&mut self, raw: &'s str, path: &Path<'_>, depth: usize) -> Option<Node> {
        let parts: Vec<&'s RawValue> = self.read(raw, path)?;
        let mut list = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            list.push(self.node(part.get(), &path.element(index), depth + 1)?);
        }
        Some(Node::List(list))
    }

    fn read<T: Deserialize<'s>>(&mut self, raw: &'s str, path: &Path<'_>) -> Option<T> {
        match serde_json::from_str(raw) {
            Ok(value) => Some(value),
            Err(error) => {
                self.syntax(raw, &error, path);
                None
            }
        }
    }

    /// A syntax fault inside `raw`, a part of the text.
    fn syntax(&mut self, raw: &str, error: &serde_json::Error, path: &Path<'_>) {
        let place = path.written();
        let (line, column) = self.position(raw, error.line(), error.column());
        let at = format!("line {line}, column {column}");
        if error.is_eof() {
            let hint = "the file is cut off, or a bracket or a quote is not closed";
            self.faults.hinted(&place, format!("the JSON ends too early, at {at}"), hint);
        } else {
            let full = error.to_string();
            let reason = full.rsplit_once(" at line ").map_or(full.as_str(), |(reason, _)| reason);
            self.faults.add(&place, format!("is not valid JSON at {at}: {reason}"));
        }
    }

    /// ` (line 3, column 7)` of a part of the text.
    fn where_is(&self, raw: &str) -> String {
        let (line, column) = self.position(raw, 1, 1);
        format!(" (line {line}, column {column})")
    }

    /// Line and column in the whole file of a line and column inside a part of the text.
    fn position(&self, raw: &str, line: usize, column: usize) -> (usize, usize) {
        let offset = (raw.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let (base_line, base_column) = line_and_column(self.text.as_bytes(), offset);
        let column = if line <= 1 { base_column + column.saturating_sub(1) } else { column };
        (self.first_line + base_line + line.max(1) - 2, column.max(1))
    }
}

/// The members of an object, unread, repeats included.
struct Members<'s>(Vec<(String, &'s RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<Node>, Vec<String>) {
        let mut faults = Faults::default();
        let file = faults.file("f");
        let node = parse(text, 1, &Place::new(file, ""), &mut faults);
        (node, faults.into_list().into_iter().map(|f| format!("{}: {}", f.pointer, f.message)).collect())
    }

    #[test]
    fn a_number_keeps_its_digits() {
        let (node, faults) = read(r#"{"a": 0.05, "b": [1234567890123456789012345678901234567890.10]}"#);
        assert!(faults.is_empty());
        let node = node.unwrap();
        assert_eq!(node.member("A"), Some(&Node::Number("0.05".into())));
        assert_eq!(
            node.member("b"),
            Some(&Node::List(vec![Node::Number("1234567890123456789012345678901234567890.10".into())]))
        );
    }

    #[test]
    fn the_short_way_reads_what_the_long_way_reads() {
        let deep = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
        let texts = [
            r#"{"a": [1, -2, 18446744073709551615], "B": {"c": null, "d": true, "e": "\u00e6\n"}, "f": {}}"#,
            r#" "text" "#,
            "-9223372036854775808",
            "[]",
        ];
        for text in texts.map(str::to_owned).into_iter().chain([deep(DEPTH_MAX)]) {
            let mut faults = Faults::default();
            let place = Place::new(0, "");
            let mut reader = Reader { text: &text, first_line: 1, faults: &mut faults };
            let long = reader.node(text.trim(), &Path::new(&place), 0);
            assert!(long.is_some() && plain(&text) == long, "{text}");
        }
        for text in [
            "1.0",
            "1e2",
            "-0",
            "18446744073709551616",
            r#"{"a": 1, "A": 2}"#,
            "[1",
            "1 2",
            &deep(DEPTH_MAX + 1),
        ] {
            assert_eq!(plain(text), None, "{text}");
        }
    }

    #[test]
    fn faults_say_line_and_column() {
        let table = [
            (
                "{\n \"a\": {\"SKU\": 1,\n  \"sku\": 2}}",
                "/a/sku: the field `sku` occurs twice (line 3, column 10)",
            ),
            ("{\"a\": [1, 2", ": the JSON ends too early, at line 1, column 11"),
            ("{\"a\": 1,\n ]", ": is not valid JSON at line 2, column 2: key must be a string"),
            ("{\n\"a\": [1,\n \"\\ud800\"]}", "/a/1: is not valid JSON at line 3, column 9: "),
            ("{} {}", ": is not valid JSON at line 1, column 4: trailing characters"),
        ];
        for (text, expected) in table {
            let (_, faults) = read(text);
            assert_eq!(faults.len(), 1, "{text}: {faults:?}");
            assert!(faults[0].starts_with(expected), "{text}: {faults:?}");
        }
    }

    #[test]
    fn deep_nesting_is_a_fault_and_not_a_crash() {
        let (node, faults) = read(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)));
        assert!(node.is_none());
        assert!(faults[0].contains("nested deeper"), "{faults:?}");
    }

    #[test]
    fn a_parsed_float_of_too_many_digits_is_refused() {
        let mut faults = Faults::default();
        let file = faults.file("f");
        let text = r#"{"a": 0.05, "b": 123456789.123456789, "c": 18446744073709551615, "d": 1e-7}"#;
        let value = serde_json::from_str(text).unwrap();
        let node = from_value(&value, &Place::new(file, ""), &mut faults);
        assert_eq!(node.member("a"), Some(&Node::Number("0.05".into())));
        let faults = faults.into_list();
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].pointer, "/b");
    }
}
