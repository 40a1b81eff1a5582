//! The members of an object that was sent: names in any case, numbers with their digits, every fault with its pointer.

use crate::problem::{Fault, INVALID, MALFORMED, Problem, UNKNOWN_FIELD};
use domain::book_file::{Node, nearest};

/// One object of a body.
pub struct Body<'n> {
    members: &'n [(String, Node)],
    pointer: String,
}

/// Gathers what is wrong, to tell all of it at once.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    pub fn add(&mut self, pointer: String, code: &'static str, message: impl Into<String>) {
        self.0.push(Fault { pointer, code, message: message.into(), hint: None });
    }

    pub fn hinted(
        &mut self,
        pointer: String,
        code: &'static str,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        self.0.push(Fault { pointer, code, message: message.into(), hint });
    }

    /// Everything, if there was anything.
    pub fn check(self) -> Result<(), Problem> {
        let Some(first) = self.0.first() else { return Ok(()) };
        let only_unknown = self.0.iter().all(|fault| fault.code == UNKNOWN_FIELD.word);
        let code = if only_unknown { UNKNOWN_FIELD } else { INVALID };
        let told = match first.pointer.as_str() {
            "" => format!("the body {}", first.message),
            pointer => format!("{pointer}: {}", first.message),
        };
        let message = match self.0.len() {
            1 => told,
            n => format!("{n} fields cannot be taken; the first one: {told}"),
        };
        Err(Problem::new(code, message).with(self.0))
    }
}

impl<'n> Body<'n> {
    /// An object; `pointer` is where it stands in the body.
    pub fn of(node: &'n Node, pointer: &str) -> Result<Self, Problem> {
        match node {
            Node::Object(members) => Ok(Self { members, pointer: pointer.to_owned() }),
            other => Err(Problem::new(MALFORMED, format!("an object is needed here, not {}", other.noun()))
                .at(pointer, "is not an object")),
        }
    }

    /// Tells every member that is none of these names.
    pub fn only(&self, names: &[&'static str], faults: &mut Faults) {
        for (name, _) in self.members {
            if names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                continue;
            }
            let hint = nearest(name, names.iter().copied()).map(|near| format!("did you mean `{near}`?"));
            faults.0.push(Fault {
                pointer: self.at(name),
                code: UNKNOWN_FIELD.word,
                message: format!("unknown field `{name}`"),
                hint,
            });
        }
    }

    /// The first of these names that is there and not null.
    pub fn get(&self, names: &[&str]) -> Option<&'n Node> {
        let found =
            names.iter().find_map(|name| self.members.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)));
        found.map(|(_, node)| node).filter(|node| **node != Node::Null)
    }

    /// A text, or a number as its digits.
    pub fn plain(&self, names: &[&str], faults: &mut Faults) -> Option<String> {
        match self.get(names)? {
            Node::Text(text) | Node::Number(text) => Some(text.clone()),
            other => {
                faults.add(
                    self.at(names[0]),
                    INVALID.word,
                    format!("is {}, not a text or a number", other.noun()),
                );
                None
            }
        }
    }

    /// Whether a flag is set; none if it is not there. Flags may be text.
    pub fn flag(&self, names: &[&str], faults: &mut Faults) -> Option<bool> {
        let sent = self.get(names)?;
        let flag = flag(sent);
        if flag.is_none() {
            let told = match sent {
                Node::Text(text) | Node::Number(text) => format!("`{text}` is neither true nor false"),
                other => format!("is {}, not true or false", other.noun()),
            };
            faults.add(self.at(names[0]), INVALID.word, told);
        }
        flag
    }

    /// A list of texts, or one text with commas between; numbers are their digits.
    pub fn texts(&self, name: &str, faults: &mut Faults) -> Vec<String> {
        match self.get(&[name]) {
            None => Vec::new(),
            Some(Node::List(list)) => {
                let mut texts = Vec::with_capacity(list.len());
                for (place, part) in list.iter().enumerate() {
                    match part {
                        Node::Text(text) | Node::Number(text) => texts.push(text.clone()),
                        other => faults.add(
                            format!("{}/{place}", self.at(name)),
                            INVALID.word,
                            format!("is {}, not a text", other.noun()),
                        ),
                    }
                }
                texts
            }
            Some(Node::Text(text)) => text.split(',').map(|part| part.trim().to_owned()).collect(),
            Some(other) => {
                faults.add(self.at(name), INVALID.word, format!("is {}, not a list", other.noun()));
                Vec::new()
            }
        }
    }

    /// The pointer of a member, by the name under which it was sent.
    pub fn at(&self, name: &str) -> String {
        let sent = self.members.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map_or(name, |(n, _)| n);
        format!("{}/{}", self.pointer, sent.replace('~', "~0").replace('/', "~1"))
    }
}

/// Whether a flag is set, if it is one.
pub fn flag(node: &Node) -> Option<bool> {
    match node {
        Node::Bool(flag) => Some(*flag),
        Node::Text(text) | Node::Number(text) => flag_word(text),
        Node::Null | Node::List(_) | Node::Object(_) => None,
    }
}

/// The same of a word.
pub fn flag_word(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// A flat object of plain values as canonical JSON text; members named in `without` are left out.
pub fn flat(node: &Node, without: &[&str]) -> Option<String> {
    let Node::Object(members) = node else { return None };
    let kept = members.iter().filter(|(name, _)| !without.contains(&name.as_str()));
    let values = kept.filter_map(|(name, value)| {
        let text = match value {
            Node::Text(text) | Node::Number(text) => text.clone(),
            Node::Bool(flag) => flag.to_string(),
            Node::Null | Node::List(_) | Node::Object(_) => return None,
        };
        Some((name.clone(), serde_json::Value::String(text)))
    });
    Some(serde_json::Value::Object(values.collect()).to_string())
}
