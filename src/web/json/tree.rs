//! What is answered, before it is text.

use chrono::SecondsFormat;
use domain::api_key::Numbers;
use domain::book_file::Node;
use domain::{DateTime, Utc};
use std::borrow::Cow;

/// A JSON value to be written.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    Null,
    Bool(bool),
    Int(i64),
    /// An amount, price or quantity: its digits as the command line shows them.
    Exact(String),
    Text(String),
    List(Vec<Tree>),
    /// Members in the order in which they are answered.
    Object(Vec<(Cow<'static, str>, Tree)>),
}

impl Tree {
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    pub fn optional(text: Option<&str>) -> Self {
        text.map_or(Self::Null, Self::text)
    }

    /// UTC, to the second if that is all there is.
    pub fn instant(at: DateTime<Utc>) -> Self {
        Self::Text(at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }

    pub fn count(number: usize) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }

    /// What was sent, to be sent back.
    pub fn of(node: &Node) -> Self {
        match node {
            Node::Null => Self::Null,
            Node::Bool(flag) => Self::Bool(*flag),
            Node::Number(digits) => Self::Exact(digits.clone()),
            Node::Text(text) => Self::text(text),
            Node::List(list) => Self::List(list.iter().map(Self::of).collect()),
            Node::Object(members) => Self::Object(
                members.iter().map(|(name, node)| (Cow::Owned(name.clone()), Self::of(node))).collect(),
            ),
        }
    }

    /// A view of an operation.
    pub fn value(value: &serde_json::Value) -> Self {
        use serde_json::Value;
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Number(number) => Self::Exact(number.to_string()),
            Value::String(text) => Self::text(text),
            Value::Array(list) => Self::List(list.iter().map(Self::value).collect()),
            Value::Object(members) => Self::Object(
                members.iter().map(|(name, value)| (Cow::Owned(name.clone()), Self::value(value))).collect(),
            ),
        }
    }

    /// The view with its amounts as numbers: views of operations hold them as texts.
    pub fn with_amounts(self) -> Self {
        match self {
            Self::List(list) => Self::List(list.into_iter().map(Self::with_amounts).collect()),
            Self::Object(members) => {
                let member = |(name, value): (Cow<'static, str>, Self)| {
                    let is_amount = AMOUNTS.iter().any(|known| known.eq_ignore_ascii_case(&name));
                    let value = match value {
                        Self::Text(text) if is_amount && is_number(&text) => Self::Exact(text),
                        other => other.with_amounts(),
                    };
                    (name, value)
                };
                Self::Object(members.into_iter().map(member).collect())
            }
            other => other,
        }
    }

    /// JSON text that we have written ourselves; null if it is empty.
    pub fn written_json(text: &str) -> Self {
        domain::book_file::read_body(text).map_or(Self::Null, |node| Self::of(&node))
    }

    pub fn object<const N: usize>(members: [(&'static str, Tree); N]) -> Self {
        Self::Object(members.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect())
    }

    /// The text of it; `numbers` says how exact numbers are written.
    pub fn written(&self, numbers: Numbers) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        self.write(numbers, &mut out);
        out
    }

    fn write(&self, numbers: Numbers, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            Self::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Self::Exact(digits) if numbers == Numbers::Digits => out.extend_from_slice(digits.as_bytes()),
            Self::Exact(text) | Self::Text(text) => quoted(text, out),
            Self::List(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    item.write(numbers, out);
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    quoted(name, out);
                    out.push(b':');
                    value.write(numbers, out);
                }
                out.push(b'}');
            }
        }
    }
}

/// Members of views that hold amounts, prices and quantities.
const AMOUNTS: [&str; 19] = [
    "Net",
    "Vat",
    "Gross",
    "Before",
    "Now",
    "After",
    "Total",
    "TotalVat",
    "TotalAmount",
    "Quantity",
    "RatedQuantity",
    "UnitPrice",
    "SubTotal",
    "Discount",
    "DiscountAmount",
    "TaxPct",
    "TotalPrice",
    "Amount",
    "Open",
];

/// Whether a text is a JSON number as amounts are written.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all(whole) && all(fraction) && (whole.len() == 1 || !whole.starts_with('0'))
}

fn quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for character in text.chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            // Pages that show an answer inside a script cannot be ended by it.
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' | '\u{7f}' => {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes());
            }
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_of_views_are_numbers_and_nothing_else_is() {
        let text = |text: &str| Tree::text(text);
        let view = Tree::object([
            ("Totals", Tree::List(vec![Tree::object([("Net", text("-19504.90")), ("Number", text("17"))])])),
            ("Discount", text("007")),
            ("Open", text("some")),
        ]);
        let written = String::from_utf8(view.with_amounts().written(Numbers::Digits)).unwrap();
        assert_eq!(written, r#"{"Totals":[{"Net":-19504.90,"Number":"17"}],"Discount":"007","Open":"some"}"#);
    }

    #[test]
    fn amounts_keep_their_digits_and_texts_are_read_back_as_they_were() {
        let nasty = "a\"b\\c\n\t\u{1}</script>\u{2028}æ🦀";
        let tree = Tree::object([
            ("Total", Tree::Exact("12.50".to_owned())),
            ("Text", Tree::text(nasty)),
            ("None", Tree::Null),
            ("List", Tree::List(vec![Tree::Int(-1), Tree::Bool(true)])),
        ]);
        let digits = String::from_utf8(tree.written(Numbers::Digits)).unwrap();
        assert!(digits.starts_with(r#"{"Total":12.50,"#), "{digits}");
        let text = String::from_utf8(tree.written(Numbers::Text)).unwrap();
        assert!(text.starts_with(r#"{"Total":"12.50","#), "{text}");
        let read: serde_json::Value = serde_json::from_str(&digits).unwrap();
        assert_eq!(read["Text"], nasty);
    }
}
