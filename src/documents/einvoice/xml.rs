//! Elements written one after the other, indented.

use domain::money::{Currency, Money};
use std::borrow::Cow;
use std::fmt::Write;

pub(super) struct Xml {
    pub text: String,
    pub depth: usize,
    pub currency: Currency,
    /// A credit note's amounts have the other sign.
    pub mirrored: bool,
    /// Of elements that hold others, and of those that hold a value.
    prefixes: (&'static str, &'static str),
}

impl Xml {
    /// UBL's two prefixes.
    pub fn new(currency: Currency, mirrored: bool) -> Self {
        Self { text: String::new(), depth: 0, currency, mirrored, prefixes: ("cac", "cbc") }
    }

    /// One prefix for all; a name that brings its own keeps it.
    pub fn of_prefix(prefix: &'static str, currency: Currency, mirrored: bool) -> Self {
        Self { prefixes: (prefix, prefix), ..Self::new(currency, mirrored) }
    }

    pub fn within(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        let indent = "  ".repeat(self.depth);
        let name = prefixed(self.prefixes.0, name);
        let _ = writeln!(self.text, "{indent}<{name}>");
        self.depth += 1;
        content(self);
        self.depth -= 1;
        let _ = writeln!(self.text, "{indent}</{name}>");
    }

    pub fn leaf(&mut self, name: &str, value: &str) {
        self.leaf_with(name, &[], value);
    }

    /// An element that would be empty is left out: no receiver takes one (PEPPOL-EN16931-R008).
    pub fn leaf_with(&mut self, name: &str, attributes: &[(&str, &str)], value: &str) {
        let value = escaped(value);
        if value.trim().is_empty() {
            return;
        }
        let indent = "  ".repeat(self.depth);
        let attributes: String =
            attributes.iter().map(|(name, value)| format!(" {name}=\"{}\"", escaped(value))).collect();
        let name = prefixed(self.prefixes.1, name);
        let _ = writeln!(self.text, "{indent}<{name}{attributes}>{value}</{name}>");
    }

    pub fn amount(&mut self, name: &str, minor: i64) {
        self.amount_in(name, minor, self.currency);
    }

    /// An amount that does not repeat its currency.
    pub fn plain_amount(&mut self, name: &str, minor: i64) {
        let text = self.decimal(minor, self.currency);
        self.leaf(name, &text);
    }

    pub fn amount_in(&mut self, name: &str, minor: i64, currency: Currency) {
        let text = self.decimal(minor, currency);
        self.leaf_with(name, &[("currencyID", currency.code())], &text);
    }

    fn decimal(&self, minor: i64, currency: Currency) -> String {
        Money::new(if self.mirrored { -minor } else { minor }, currency).decimal().to_string()
    }
}

fn prefixed<'n>(prefix: &str, name: &'n str) -> Cow<'n, str> {
    if name.contains(':') { Cow::Borrowed(name) } else { Cow::Owned(format!("{prefix}:{name}")) }
}

/// Text as XML holds it; characters that XML cannot hold are left out.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_hold_is_escaped_or_left_out() {
        assert_eq!(escaped("Kaffe & <Co>\u{0} \"æ\""), "Kaffe &amp; &lt;Co&gt; &quot;æ&quot;");
        let mut xml = Xml::new(Currency::EUR, false);
        xml.leaf("Name", " \u{1} ");
        assert_eq!(xml.text, "");
    }
}
