//! Faults of a book file: all of them, each with its place.

use crate::refusal::WayOut;
use std::collections::HashSet;
use std::fmt;

/// Faults kept of one load; the rest is counted and said.
const FAULTS_MAX: usize = 10_000;

/// One thing that is wrong with a book file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file's name as it was given.
    pub file: String,
    /// JSON pointer (RFC 6901), for example `/customers/3/currencycode`; for NDJSON `line 17 /customer/currencycode`.
    pub pointer: String,
    /// What is wrong, in lower case, without the pointer.
    pub message: String,
    /// What to do about it.
    pub hint: Option<WayOut>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.file, self.pointer, self.message)
    }
}

/// Where something stands: a file and a pointer into it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Index of the file.
    pub file: usize,
    /// Pointer of the thing itself.
    pub pointer: String,
}

impl Place {
    pub fn new(file: usize, pointer: impl Into<String>) -> Self {
        Self { file, pointer: pointer.into() }
    }

    /// The place of a member.
    pub fn member(&self, name: &str) -> Self {
        if name.bytes().any(|byte| matches!(byte, b'~' | b'/')) {
            let escaped = name.replace('~', "~0").replace('/', "~1");
            return Self { file: self.file, pointer: format!("{}/{escaped}", self.pointer) };
        }
        Self { file: self.file, pointer: [self.pointer.as_str(), "/", name].concat() }
    }

    /// The place of an element.
    pub fn element(&self, index: usize) -> Self {
        Self { file: self.file, pointer: format!("{}/{index}", self.pointer) }
    }
}

/// Gathers faults in the order in which they are met.
#[derive(Debug, Default)]
pub(super) struct Faults {
    files: Vec<String>,
    /// Each with the object that it is of, by its ordinal; none if it is of the file or of how objects go together.
    list: Vec<(Option<usize>, Fault)>,
    met: usize,
    object: Option<usize>,
}

impl Faults {
    /// Registers a file; its index goes into places.
    pub fn file(&mut self, name: &str) -> usize {
        self.files.push(name.to_owned());
        self.files.len() - 1
    }

    /// Notes a fault.
    pub fn add(&mut self, place: &Place, message: impl Into<String>) {
        self.push(place, message.into(), None);
    }

    /// Notes a fault and what to do about it.
    pub fn hinted(&mut self, place: &Place, message: impl Into<String>, hint: impl Into<WayOut>) {
        self.push(place, message.into(), Some(hint.into()));
    }

    /// Notes a fault with a hint, if there is one.
    pub fn note(&mut self, place: &Place, message: String, hint: Option<String>) {
        self.push(place, message, hint.map(WayOut::from));
    }

    fn push(&mut self, place: &Place, message: String, hint: Option<WayOut>) {
        self.met += 1;
        if self.list.len() < FAULTS_MAX {
            let file = self.files.get(place.file).cloned().unwrap_or_default();
            let pointer = place.pointer.trim_end().to_owned();
            self.list.push((self.object, Fault { file, pointer, message, hint }));
        }
    }

    /// What is met from now on is of this object itself.
    pub fn of_object(&mut self, object: Option<usize>) {
        self.object = object;
    }

    /// Takes back the faults of some objects, `met` in all.
    pub fn forgive(&mut self, objects: &HashSet<usize>, met: usize) {
        self.list.retain(|(object, _)| object.is_none_or(|object| !objects.contains(&object)));
        self.met -= met;
    }

    /// A place in words: its pointer, with the file's name before it if there are several.
    pub fn told(&self, place: &Place) -> String {
        let pointer = place.pointer.trim_end();
        match self.files.get(place.file).filter(|_| self.files.len() > 1) {
            Some(file) => format!("{file} {pointer}"),
            None => pointer.to_owned(),
        }
    }

    /// Faults met so far; what is built between two equal counts is sound.
    pub fn met(&self) -> usize {
        self.met
    }

    /// All faults; the last one says how many more there were.
    pub fn into_list(self) -> Vec<Fault> {
        let hidden = self.met - self.list.len();
        let mut list: Vec<Fault> = self.list.into_iter().map(|(_, fault)| fault).collect();
        if hidden > 0 {
            let file = list.last().map(|f| f.file.clone()).unwrap_or_default();
            let message = format!("{hidden} further faults are not shown");
            list.push(Fault { file, pointer: String::new(), message, hint: None });
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_escaped() {
        assert_eq!(Place::new(0, "/a").member("b/c~d").element(3).pointer, "/a/b~1c~0d/3");
    }

    #[test]
    fn meeting_the_bound_is_said() {
        let mut faults = Faults::default();
        let file = faults.file("book.json");
        for _ in 0..FAULTS_MAX + 5 {
            faults.add(&Place::new(file, "/x"), "is wrong");
        }
        let list = faults.into_list();
        assert_eq!(list.len(), FAULTS_MAX + 1);
        assert_eq!(list[FAULTS_MAX].message, "5 further faults are not shown");
    }
}
