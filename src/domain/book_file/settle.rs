//! A document as it is kept: what was written, with each field under the one name that the tables give it. And the change of
//! a document by another one (RFC 7396).

use super::content::ObjectKind;
use super::fault::{Faults, Place};
use super::json::{self, Node};
use super::tables::{Shape, Table};
use std::fmt::Write;

/// What becomes of members that are null.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nulls {
    /// They say nothing.
    LeftOut,
    /// They take a field away.
    Kept,
}

/// The document of an object, and whether a name in it is another one than was written.
pub(super) fn document(node: &Node, kind: ObjectKind) -> (Node, bool) {
    let mut is_renamed = false;
    let settled = settle(node, Some(kind.table()), Nulls::LeftOut, &mut is_renamed);
    (settled, is_renamed)
}

/// A member of a document that is kept.
pub(super) fn member(document: &str, name: &str) -> Option<Node> {
    let node = json::parse(document, 1, &Place::new(0, ""), &mut Faults::default())?;
    node.member(name).cloned()
}

/// What a stored document becomes by a merge patch; the patch may use any name of a field.
///
/// # Errors
/// What is wrong with the patch itself.
pub(super) fn patched(
    kind: ObjectKind,
    stored: &str,
    patch: &str,
    place: &Place,
    faults: &mut Faults,
) -> Option<Node> {
    let stored = json::parse(stored, 1, place, faults)?;
    let patch = json::parse(patch, 1, place, faults)?;
    if !matches!(patch, Node::Object(_)) {
        let hint = "for example {\"city\": \"Odense\"}; null takes a field away";
        faults.hinted(place, format!("is {}, an object was expected", patch.noun()), hint);
        return None;
    }
    let patch = settle(&patch, Some(kind.table()), Nulls::Kept, &mut false);
    Some(merge(stored, patch))
}

/// What a document becomes by a merge patch that is a tree already.
pub(super) fn merged(kind: ObjectKind, stored: Node, patch: &Node) -> Node {
    merge(stored, settle(patch, Some(kind.table()), Nulls::Kept, &mut false))
}

fn settle(node: &Node, table: Option<&'static Table>, nulls: Nulls, is_renamed: &mut bool) -> Node {
    let Node::Object(members) = node else { return node.clone() };
    let mut settled: Vec<(String, Node)> = Vec::with_capacity(members.len());
    for (key, value) in members {
        if *value == Node::Null && nulls == Nulls::LeftOut {
            continue;
        }
        let field = table.and_then(|table| table.field(key));
        let name = field.map_or(key.as_str(), |field| field.name());
        *is_renamed |= !name.eq_ignore_ascii_case(key);
        let value = match field.map(|field| field.shape) {
            Some(Shape::Object(inner) | Shape::TextOr(inner)) => {
                settle(value, Some(inner), nulls, is_renamed)
            }
            Some(Shape::List(inner)) => each(value, inner, is_renamed),
            _ => value.clone(),
        };
        settled.push((name.to_owned(), value));
    }
    Node::Object(settled)
}

/// A list is replaced whole by a patch: what is null in it says nothing.
fn each(list: &Node, table: &'static Table, is_renamed: &mut bool) -> Node {
    let Node::List(list) = list else { return list.clone() };
    Node::List(list.iter().map(|part| settle(part, Some(table), Nulls::LeftOut, is_renamed)).collect())
}

/// RFC 7396. Names are compared as they are: both sides are settled.
fn merge(target: Node, patch: Node) -> Node {
    let Node::Object(changes) = patch else { return patch };
    let mut members = match target {
        Node::Object(members) => members,
        _ => Vec::new(),
    };
    for (key, change) in changes {
        let at = members.iter().position(|(name, _)| name.eq_ignore_ascii_case(&key));
        match (at, change) {
            (Some(at), Node::Null) => drop(members.remove(at)),
            (None, Node::Null) => {}
            (Some(at), change) => {
                let old = std::mem::replace(&mut members[at].1, Node::Null);
                members[at].1 = merge(old, change);
            }
            (None, change) => members.push((key, merge(Node::Null, change))),
        }
    }
    Node::Object(members)
}

/// A document as text, numbers as they were written.
pub(super) fn text(node: &Node) -> String {
    let mut out = String::with_capacity(256);
    write(node, &mut out);
    out
}

fn write(node: &Node, out: &mut String) {
    match node {
        Node::Null => out.push_str("null"),
        Node::Bool(true) => out.push_str("true"),
        Node::Bool(false) => out.push_str("false"),
        Node::Number(text) => out.push_str(text),
        Node::Text(text) => quoted(text, out),
        Node::List(list) => {
            out.push('[');
            for (index, part) in list.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(part, out);
            }
            out.push(']');
        }
        Node::Object(members) => {
            out.push('{');
            for (index, (key, value)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                quoted(key, out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
    }
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(kind: ObjectKind, text_of: &str) -> String {
        let mut faults = Faults::default();
        let node = json::parse(text_of, 1, &Place::new(0, ""), &mut faults).unwrap();
        text(&document(&node, kind).0)
    }

    fn change(stored: &str, patch: &str) -> String {
        let mut faults = Faults::default();
        let place = Place::new(0, "");
        text(&patched(ObjectKind::Customer, stored, patch, &place, &mut faults).unwrap())
    }

    #[test]
    fn each_field_has_one_name_and_numbers_keep_their_digits() {
        let written = r#"{"AccountNumber":"A","Email":"a@b.example","Contacts":[{"FullName":"X","email":"x@b.example"}],"Fax":null}"#;
        let kept = r#"{"accountnumber":"A","primaryemail":"a@b.example","contacts":[{"fullname":"X","primaryemail":"x@b.example"}]}"#;
        assert_eq!(settled(ObjectKind::Customer, written), kept);
        assert_eq!(
            settled(ObjectKind::Rate, r#"{"exchangerate":7.4600,"Note":"a\"\\\u0001\n"}"#),
            r#"{"rate":7.4600,"Note":"a\"\\\u0001\n"}"#
        );
    }

    #[test]
    fn a_patch_follows_rfc_7396_under_any_name_of_a_field() {
        let stored = r#"{"accountnumber":"A","city":"Aarhus","primaryemail":"a@b.example","discount":{"code":"X-1","from":"2026-01-01"},"contacts":[{"fullname":"X"}]}"#;
        let patch = r#"{"City":"Odense","email":null,"discount":{"from":"2026-02-01"},"contacts":[{"fullname":"Y"}],"country":"DK","fax":null}"#;
        assert_eq!(
            change(stored, patch),
            r#"{"accountnumber":"A","city":"Odense","discount":{"code":"X-1","from":"2026-02-01"},"contacts":[{"fullname":"Y"}],"country":"DK"}"#
        );
        assert_eq!(
            change(r#"{"discount":"X-1"}"#, r#"{"discount":{"code":"Y-1"}}"#),
            r#"{"discount":{"code":"Y-1"}}"#
        );
    }
}
