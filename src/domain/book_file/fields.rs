//! The fields of one object: read by name in any case, each with its fault; what nobody asked for is unknown.

use super::fault::{Faults, Place};
use super::json::Node;
use super::nearest::did_you_mean;
use super::tables::{Shape, Table, our_word};
use crate::refusal::WayOut;

/// Bytes of an ordinary text.
const TEXT_BYTES_MAX: usize = 255;
/// Bytes of a note.
const NOTE_BYTES_MAX: usize = 4_000;

/// An object being read. Names are given as `name` or `name|other name`; the first is the one that messages use.
pub(super) struct Fields<'n, 'f> {
    pub(super) members: &'n [(String, Node)],
    taken: Vec<&'static str>,
    /// What the fields of such an object are; none where there is no table of them.
    table: Option<&'static Table>,
    pub place: Place,
    pub faults: &'f mut Faults,
}

/// A reference to another object by one of its names, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Ref {
    pub name: String,
    pub place: Place,
}

impl<'n, 'f> Fields<'n, 'f> {
    /// Reads an object with `reader` and then complains about the fields that it did not ask for.
    pub fn read<T>(
        node: &'n Node,
        place: Place,
        faults: &'f mut Faults,
        reader: impl FnOnce(&mut Fields<'n, '_>) -> T,
    ) -> Option<T> {
        Self::of(None, node, place, faults, reader)
    }

    /// As [`Self::read`], of an object whose fields are in a table.
    pub fn of<T>(
        table: Option<&'static Table>,
        node: &'n Node,
        place: Place,
        faults: &'f mut Faults,
        reader: impl FnOnce(&mut Fields<'n, '_>) -> T,
    ) -> Option<T> {
        let Node::Object(members) = node else {
            faults.add(&place, format!("is {}, an object was expected", node.noun()));
            return None;
        };
        let mut fields = Fields { members, taken: Vec::new(), table, place, faults };
        let value = reader(&mut fields);
        fields.refuse_unknown();
        #[cfg(test)]
        fields.compare_with_table();
        Some(value)
    }

    fn refuse_unknown(&mut self) {
        for (key, _) in self.members {
            if !self.taken.iter().any(|names| is_named(names, key)) {
                let names = self.taken.iter().flat_map(|names| names.split('|'));
                let object = self.table.map_or("", |table| table.name);
                let hint = match our_word(key, names.clone(), object) {
                    Some(ours) => Some(format!("it is called `{ours}` here")),
                    None => did_you_mean(key, names),
                };
                self.faults.note(&self.place.member(key), format!("unknown field `{key}`"), hint);
            }
        }
    }

    /// The table holds what the reader asks for, no more and no less.
    #[cfg(test)]
    fn compare_with_table(&self) {
        let Some(table) = self.table else { return };
        for taken in &self.taken {
            let is_there = super::tables::SET_BY_SERVERS.contains(taken)
                || table.fields.iter().any(|field| field.names == *taken);
            assert!(is_there, "the table of {} lacks `{taken}`", table.name);
        }
        for field in table.fields {
            assert!(self.taken.contains(&field.names), "{} does not read `{}`", table.name, field.names);
        }
    }

    /// The table of the objects within a field.
    fn table_of(&self, names: &'static str) -> Option<&'static Table> {
        match self.table?.fields.iter().find(|field| field.names == names)?.shape {
            Shape::Object(table) | Shape::TextOr(table) | Shape::List(table) => Some(table),
            _ => None,
        }
    }

    /// The field's key as written and its value; `null` and empty texts count as absent.
    pub(super) fn take(&mut self, names: &'static str) -> Option<(&'n str, &'n Node)> {
        self.taken.push(names);
        let mut found: Option<(&'n str, &'n Node)> = None;
        for (key, node) in self.members {
            if is_absent(node) || !is_named(names, key) {
                continue;
            }
            if let Some((first, _)) = found {
                self.faults.add(&self.place.member(key), format!("`{key}` and `{first}` are the same field"));
                continue;
            }
            found = Some((key, node));
        }
        found
    }

    /// The place of a field, as written if it is there.
    pub fn at(&self, names: &'static str) -> Place {
        let written = self.members.iter().find(|(key, _)| is_named(names, key));
        match written {
            Some((key, _)) => self.place.member(key),
            None => self.place.member(names.split('|').next().unwrap_or(names)),
        }
    }

    /// Whether the field is there and neither null nor empty.
    pub fn has(&mut self, names: &'static str) -> bool {
        self.taken.push(names);
        self.members.iter().any(|(key, node)| !is_absent(node) && is_named(names, key))
    }

    /// Notes a fault of a field.
    pub fn fault(&mut self, names: &'static str, message: impl Into<String>) {
        let place = self.at(names);
        self.faults.add(&place, message);
    }

    /// Notes a fault of a field with a hint.
    pub fn hinted(&mut self, names: &'static str, message: impl Into<String>, hint: impl Into<WayOut>) {
        let place = self.at(names);
        self.faults.hinted(&place, message, hint);
    }

    pub(super) fn wrong_type(&mut self, key: &str, node: &Node, expected: &str) {
        self.faults.add(&self.place.member(key), format!("is {}, {expected} was expected", node.noun()));
    }

    pub(super) fn missing(&mut self, names: &'static str) {
        self.fault(names, "is missing");
    }

    /// Reads fields that Upodi has and tallybook does not keep.
    pub fn ignore(&mut self, names: &[&'static str]) {
        self.taken.extend_from_slice(names);
    }

    /// A text of up to 255 bytes without control characters.
    pub fn text(&mut self, names: &'static str) -> Option<String> {
        let (key, node) = self.take(names)?;
        self.checked_text(key, node, TEXT_BYTES_MAX)
    }

    /// A text of up to 4 000 bytes that may have several lines.
    pub fn note(&mut self, names: &'static str) -> Option<String> {
        let (key, node) = self.take(names)?;
        self.checked_text(key, node, NOTE_BYTES_MAX)
    }

    fn checked_text(&mut self, key: &str, node: &Node, bytes_max: usize) -> Option<String> {
        let Node::Text(text) = node else {
            self.wrong_type(key, node, "a text");
            return None;
        };
        match text_fault(text, bytes_max) {
            Some(fault) => {
                self.faults.add(&self.place.member(key), fault);
                None
            }
            None => Some(text.clone()),
        }
    }

    /// A text within a list or an object, by the rules of an ordinary text.
    fn part(&mut self, node: &Node, place: &Place) -> Option<String> {
        let (Node::Text(text) | Node::Number(text)) = node else {
            self.faults.add(place, format!("is {}, a text was expected", node.noun()));
            return None;
        };
        match text_fault(text, TEXT_BYTES_MAX) {
            Some(fault) => {
                self.faults.add(place, fault);
                None
            }
            None => Some(text.clone()),
        }
    }

    /// A text that must be there.
    pub fn required_text(&mut self, names: &'static str) -> Option<String> {
        let faults_before = self.faults.met();
        let text = self.text(names);
        if text.is_none() && self.faults.met() == faults_before {
            self.missing(names);
        }
        text
    }

    /// A name by which others refer to the object: no spaces around it.
    pub fn key(&mut self, names: &'static str) -> Option<String> {
        let key = self.required_text(names)?;
        if key.trim() != key {
            self.fault(names, "begins or ends with a space");
            return None;
        }
        Some(key)
    }

    /// A reference to another object.
    pub fn reference(&mut self, names: &'static str) -> Option<Ref> {
        let place = self.at(names);
        self.text(names).map(|name| Ref { name, place })
    }

    /// A reference that must be there.
    pub fn required_reference(&mut self, names: &'static str) -> Option<Ref> {
        let place = self.at(names);
        self.required_text(names).map(|name| Ref { name, place })
    }

    /// Notes a required field that is absent; use after reading one that has no `required_` form.
    pub fn require<T>(&mut self, names: &'static str, value: Option<T>) -> Option<T> {
        if value.is_none() && !self.has(names) {
            self.missing(names);
        }
        value
    }

    /// Texts as a list, or one text with commas between.
    pub fn texts(&mut self, names: &'static str) -> Vec<Ref> {
        let Some((key, node)) = self.take(names) else { return Vec::new() };
        let place = self.place.member(key);
        let list = match node {
            Node::Text(text) => {
                if let Some(fault) = text_fault(text, NOTE_BYTES_MAX) {
                    self.faults.add(&place, fault);
                    return Vec::new();
                }
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                return parts.map(|part| Ref { name: part.to_owned(), place: place.clone() }).collect();
            }
            Node::List(list) => list,
            other => {
                self.wrong_type(key, other, "a list");
                return Vec::new();
            }
        };
        let mut texts = Vec::with_capacity(list.len());
        for (index, part) in list.iter().enumerate() {
            let place = place.element(index);
            texts.extend(self.part(part, &place).map(|name| Ref { name, place }));
        }
        texts
    }

    /// Lists of texts by name: `{"property": ["value"]}`.
    pub fn texts_by_name(&mut self, names: &'static str) -> Vec<(String, Vec<String>)> {
        let Some((key, node)) = self.take(names) else { return Vec::new() };
        let place = self.place.member(key);
        let Node::Object(members) = node else {
            self.wrong_type(key, node, "an object");
            return Vec::new();
        };
        let mut result = Vec::with_capacity(members.len());
        for (name, value) in members {
            let at = place.member(name);
            if let Some(fault) = text_fault(name, TEXT_BYTES_MAX) {
                self.faults.add(&at, format!("its name {fault}"));
                continue;
            }
            let mut texts = Vec::new();
            match value {
                Node::List(list) => {
                    for (index, part) in list.iter().enumerate() {
                        texts.extend(self.part(part, &at.element(index)));
                    }
                }
                single => texts.extend(self.part(single, &at)),
            }
            result.push((name.clone(), texts));
        }
        result
    }

    /// The value for a library that reads `serde_json`.
    pub fn value(&mut self, names: &'static str) -> Option<serde_json::Value> {
        self.take(names).map(|(_, node)| node.to_value())
    }

    /// Whether the field holds a text and not an object or a list.
    pub fn is_text(&self, names: &'static str) -> bool {
        self.members.iter().any(|(key, node)| is_named(names, key) && matches!(node, Node::Text(_)))
    }

    /// Whether the field holds a number.
    pub fn is_number(&self, names: &'static str) -> bool {
        self.members.iter().any(|(key, node)| is_named(names, key) && matches!(node, Node::Number(_)))
    }

    /// An object within the object.
    pub fn object<T>(
        &mut self,
        names: &'static str,
        reader: impl FnOnce(&mut Fields<'n, '_>) -> T,
    ) -> Option<T> {
        let (key, node) = self.take(names)?;
        Fields::of(self.table_of(names), node, self.place.member(key), self.faults, reader)
    }

    /// A list of objects; those that are not objects are left out with a fault.
    pub fn each<T>(
        &mut self,
        names: &'static str,
        mut reader: impl FnMut(&mut Fields<'n, '_>, usize) -> T,
    ) -> Vec<T> {
        let Some((key, node)) = self.take(names) else { return Vec::new() };
        let place = self.place.member(key);
        let Node::List(list) = node else {
            self.wrong_type(key, node, "a list");
            return Vec::new();
        };
        let table = self.table_of(names);
        let mut values = Vec::with_capacity(list.len());
        for (index, part) in list.iter().enumerate() {
            values.extend(Fields::of(table, part, place.element(index), self.faults, |fields| {
                reader(fields, index)
            }));
        }
        values
    }
}

/// What is wrong with a text: its length, or a control character; a note may have several lines.
fn text_fault(text: &str, bytes_max: usize) -> Option<String> {
    let several_lines = bytes_max == NOTE_BYTES_MAX;
    let is_refused = |c: char| c.is_control() && !(several_lines && matches!(c, '\n' | '\r' | '\t'));
    if text.len() > bytes_max {
        return Some(format!("is longer than {bytes_max} bytes"));
    }
    text.contains(is_refused).then(|| "has a control character".to_owned())
}

fn is_absent(node: &Node) -> bool {
    match node {
        Node::Null => true,
        Node::Text(text) => text.trim().is_empty(),
        _ => false,
    }
}

/// Whether `key` is one of `name|other name`, in any case.
pub(super) fn is_named(names: &str, key: &str) -> bool {
    // Most fields have one name: do not search for a bar where none can be.
    if names.len() <= key.len() {
        return names.eq_ignore_ascii_case(key);
    }
    let mut names = names.as_bytes().split(|byte| *byte == b'|');
    names.any(|name| name.eq_ignore_ascii_case(key.as_bytes()))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::book_file::json;
    use crate::refusal::Phrase;

    fn words(hint: &WayOut) -> &str {
        match &hint.0[..] {
            [Phrase::Words(words)] => words,
            _ => panic!("a hint in words, not {hint:?}"),
        }
    }

    pub(in crate::book_file) fn faults_of(text: &str, reader: impl FnOnce(&mut Fields)) -> Vec<String> {
        let mut faults = Faults::default();
        let place = Place::new(faults.file("f"), "/x");
        let node = json::parse(text, 1, &place, &mut faults).unwrap();
        Fields::read(&node, place, &mut faults, |fields| reader(fields));
        faults
            .into_list()
            .into_iter()
            .map(|f| {
                format!(
                    "{} {}{}",
                    f.pointer,
                    f.message,
                    f.hint.map(|hint| format!(" | {}", words(&hint))).unwrap_or_default()
                )
            })
            .collect()
    }

    #[test]
    fn an_unknown_field_is_refused_with_what_was_meant() {
        let faults = faults_of(r#"{"Currencycod": "DKK"}"#, |f| {
            f.text("currencycode");
        });
        assert_eq!(faults, ["/x/Currencycod unknown field `Currencycod` | did you mean `currencycode`?"]);
    }

    #[test]
    fn two_names_of_one_field_are_a_fault() {
        let faults = faults_of(r#"{"email": "a@b", "primaryemail": "c@d"}"#, |f| {
            f.text("primaryemail|email");
        });
        assert_eq!(faults, ["/x/primaryemail `primaryemail` and `email` are the same field"]);
    }
}
