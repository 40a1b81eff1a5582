//! Members of a body in this part of the API: those that nobody knows are passed over.

use crate::body::{Body, Faults};
use crate::call::Call;
use crate::problem::{INVALID, Problem};
use chrono::{DateTime, Utc};
use domain::book_file::Node;

/// An object of a body, and what is wrong with it.
pub struct Sent<'n> {
    body: Body<'n>,
    pub faults: Faults,
}

/// The object of a body; an empty one if there is none.
pub fn node(call: &Call) -> Result<Node, Problem> {
    Ok(call.json()?.unwrap_or(Node::Object(Vec::new())))
}

impl<'n> Sent<'n> {
    pub fn of(node: &'n Node) -> Result<Self, Problem> {
        Ok(Self { body: Body::of(node, "")?, faults: Faults::default() })
    }

    pub fn get(&self, name: &str) -> Option<&'n Node> {
        self.body.get(&[name])
    }

    pub fn wrong(&mut self, name: &str, message: impl Into<String>) {
        self.faults.add(self.body.at(name), INVALID.word, message);
    }

    pub fn text(&mut self, name: &str) -> Option<String> {
        match self.get(name)? {
            Node::Text(text) => Some(text.clone()),
            other => {
                self.wrong(name, format!("is {}, not a text", other.noun()));
                None
            }
        }
    }

    /// A text that must be there and say something.
    pub fn required(&mut self, name: &str) -> String {
        let is_there = self.get(name).is_some();
        let text = self.text(name).unwrap_or_default();
        if !is_there || matches!(self.get(name), Some(Node::Text(text)) if text.trim().is_empty()) {
            self.wrong(name, "is missing");
        }
        if text.len() > 255 || text.contains(char::is_control) {
            self.wrong(name, "is longer than 255 bytes, or has a control character");
        }
        text
    }

    pub fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        match self.get(name)? {
            Node::List(list) => {
                let mut texts = Vec::with_capacity(list.len());
                for (place, one) in list.iter().enumerate() {
                    match one {
                        Node::Text(text) => texts.push(text.clone()),
                        other => {
                            self.wrong(
                                &format!("{name}/{place}"),
                                format!("is {}, not a text", other.noun()),
                            );
                        }
                    }
                }
                Some(texts)
            }
            other => {
                self.wrong(name, format!("is {}, not a list", other.noun()));
                None
            }
        }
    }

    /// One of some words.
    pub fn word<T>(&mut self, name: &str, parse: impl Fn(&str) -> Option<T>, words: &str) -> Option<T> {
        let text = self.text(name)?;
        let parsed = parse(&text);
        if parsed.is_none() {
            self.wrong(name, format!("`{text}` is none of {words}"));
        }
        parsed
    }

    /// An instant with any offset, to the millisecond.
    pub fn instant(&mut self, name: &str) -> Option<DateTime<Utc>> {
        let text = self.text(name)?;
        let parsed = DateTime::parse_from_rfc3339(&text).ok();
        let at = parsed.and_then(|at| DateTime::from_timestamp_millis(at.timestamp_millis()));
        if at.is_none() {
            self.wrong(name, format!("`{text}` is not an instant such as 2026-01-31T12:00:00Z"));
        }
        at
    }

    pub fn flag(&mut self, name: &str) -> Option<bool> {
        match self.get(name)? {
            Node::Bool(flag) => Some(*flag),
            other => {
                self.wrong(name, format!("is {}, not true or false", other.noun()));
                None
            }
        }
    }

    /// A whole number from 0.
    pub fn whole(&mut self, name: &str) -> Option<u64> {
        let node = self.get(name)?;
        let number = whole(node);
        if number.is_none() {
            self.wrong(name, "is not a whole number from 0");
        }
        number
    }
}

pub fn whole(node: &Node) -> Option<u64> {
    match node {
        Node::Number(text) => text.parse::<domain::Decimal>().ok()?.normalize().to_string().parse().ok(),
        _ => None,
    }
}
