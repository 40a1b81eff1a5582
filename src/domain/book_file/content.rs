//! Kinds of objects in a book, and the hash of an object's content as it was written (rules S6).

use super::json::Node;
use crate::hex::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

macro_rules! object_kinds {
    ($($(#[$doc:meta])* $variant:ident = $singular:literal / $plural:literal,)*) => {
        /// A kind of object in a book file.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum ObjectKind { $($(#[$doc])* #[serde(rename = $plural)] $variant,)* }

        impl ObjectKind {
            /// Every kind, in the order in which they refer to one another.
            pub const ALL: &'static [ObjectKind] = &[$(Self::$variant),*];

            /// The name of one object, as in an NDJSON line: `customer`.
            pub fn singular(self) -> &'static str {
                match self { $(Self::$variant => $singular,)* }
            }

            /// The name of the list in a document, and the word in tables and reports: `customers`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $plural,)* }
            }

            /// Whether its objects belong to no payer.
            pub fn is_of_catalogue(self) -> bool {
                !matches!(self, Self::Customer | Self::Subscription)
            }

            /// Reads [`ObjectKind::name`] back.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($plural => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

object_kinds! {
    /// The one tenant; natural key: `tenant`.
    Tenant = "tenant" / "tenant",
    /// Natural key: refkey.
    DunningPolicy = "dunningpolicy" / "dunningpolicies",
    /// Natural key: refkey.
    BusinessUnit = "businessunit" / "businessunits",
    /// Natural key: full name, country, state, rule type and valid-from.
    TaxRule = "taxrule" / "taxrules",
    /// Natural key: currency and date.
    Rate = "rate" / "rates",
    /// Natural key: refkey.
    Uom = "uom" / "uoms",
    /// Natural key: refkey.
    ProductFamily = "productfamily" / "productfamilies",
    /// Natural key: SKU.
    ProductPlan = "productplan" / "productplans",
    /// Natural key: refkey.
    Discount = "discount" / "discounts",
    /// Natural key: account number.
    Customer = "customer" / "customers",
    /// Natural key: subscription number.
    Subscription = "subscription" / "subscriptions",
}

/// SHA-256 of an object's canonical form: keys in lower case and sorted, nulls left out, everything else as written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentHash(pub [u8; 32]);

/// The text is not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a content hash has 64 hexadecimal digits")]
pub struct NotAContentHash;

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ContentHash {
    type Err = NotAContentHash;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 64 || !text.is_ascii() {
            return Err(NotAContentHash);
        }
        let mut bytes = [0u8; 32];
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| NotAContentHash)?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for ContentHash {
    type Error = NotAContentHash;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ContentHash> for String {
    fn from(hash: ContentHash) -> Self {
        hash.to_string()
    }
}

/// The hash of an object's content.
pub(super) fn content_hash(node: &Node) -> ContentHash {
    let mut canonical = String::with_capacity(256);
    write_canonical(node, &mut canonical);
    ContentHash(Sha256::digest(canonical.as_bytes()).into())
}

/// Every part begins with its type and its length: no two contents share a form.
fn write_canonical(node: &Node, out: &mut String) {
    match node {
        Node::Null => out.push('-'),
        Node::Bool(true) => out.push('t'),
        Node::Bool(false) => out.push('f'),
        Node::Number(text) => sized(out, 'n', text),
        Node::Text(text) => sized(out, 's', text),
        Node::List(list) => {
            sized(out, 'l', &list.len().to_string());
            list.iter().for_each(|part| write_canonical(part, out));
        }
        Node::Object(members) => {
            let mut members: Vec<(Cow<'_, str>, &Node)> = members
                .iter()
                .filter(|(_, value)| *value != Node::Null)
                .map(|(key, value)| (folded(key), value))
                .collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            sized(out, 'o', &members.len().to_string());
            for (key, value) in members {
                sized(out, 'k', &key);
                write_canonical(value, out);
            }
        }
    }
}

fn folded(key: &str) -> Cow<'_, str> {
    if key.bytes().any(|b| b.is_ascii_uppercase()) {
        return Cow::Owned(key.to_ascii_lowercase());
    }
    Cow::Borrowed(key)
}

fn sized(out: &mut String, tag: char, text: &str) {
    out.push(tag);
    out.push_str(&text.len().to_string());
    out.push(':');
    out.push_str(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(t: &str) -> Node {
        Node::Text(t.into())
    }

    #[test]
    fn order_case_of_keys_and_nulls_do_not_matter_but_everything_else_does() {
        let a = Node::Object(vec![("SKU".into(), text("A")), ("Fullname".into(), text("B"))]);
        let b = Node::Object(vec![
            ("fullname".into(), text("B")),
            ("sku".into(), text("A")),
            ("x".into(), Node::Null),
        ]);
        assert_eq!(content_hash(&a), content_hash(&b));
        let c = Node::Object(vec![("fullname".into(), text("b")), ("sku".into(), text("A"))]);
        assert_ne!(content_hash(&a), content_hash(&c));
    }

    #[test]
    fn a_hash_reads_back_from_its_text() {
        let hash = content_hash(&text("x"));
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert!("zz".parse::<ContentHash>().is_err());
    }
}
