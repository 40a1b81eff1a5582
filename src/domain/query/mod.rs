//! What is asked of a list of objects: the subset of OData v3 that Upodi's clients use, read into a tree and decided on
//! plain records. Pure: whoever loads the records may leave out what [`Filter::narrowed`] rules out, and no more.

mod decide;
mod lex;
mod parse;
#[cfg(test)]
mod tests;
mod value;

pub use decide::{Record, compare};
pub use parse::{Fault, filter, order, paths};
pub use value::{Kind, Value};

/// One property of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Property {
    pub name: &'static str,
    pub kind: Kind,
}

/// A property, as the tables of objects declare it.
pub const fn property(name: &'static str, kind: Kind) -> Property {
    Property { name, kind }
}

/// An object as it can be asked for. Its first property is its id.
#[derive(Debug)]
pub struct Entity {
    pub name: &'static str,
    pub properties: &'static [Property],
    /// Objects that it belongs to, one each.
    pub objects: &'static [(&'static str, &'static Entity)],
    /// Objects that belong to it.
    pub lists: &'static [(&'static str, &'static Entity)],
}

impl Entity {
    /// The place of a property, by its name in any case.
    pub fn property(&self, name: &str) -> Option<usize> {
        self.properties.iter().position(|property| property.name.eq_ignore_ascii_case(name))
    }

    /// The place of an object, by its name in any case.
    pub fn object(&self, name: &str) -> Option<usize> {
        self.objects.iter().position(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// The place of a list, by its name in any case.
    pub fn list(&self, name: &str) -> Option<usize> {
        self.lists.iter().position(|(known, _)| known.eq_ignore_ascii_case(name))
    }
}

/// A condition on a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Compare(Operand, Comparison, Operand),
    Test(Test, Operand, Operand),
    /// A flag that is set.
    Is(Path),
    /// Of the objects in a list.
    Some {
        list: usize,
        quantity: Quantifier,
        of: Option<Box<Filter>>,
    },
}

/// How many of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantifier {
    Any,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

/// Questions about texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    StartsWith,
    EndsWith,
    Contains,
}

/// Something that has a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    Path(Path),
    Literal(Value),
    Call(Function, Box<Operand>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    ToLower,
    ToUpper,
    Trim,
    Length,
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

/// Way to a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    /// Of the object inside `any` or `all`, instead of the record itself.
    pub inner: bool,
    /// By way of an object that it belongs to.
    pub object: Option<usize>,
    pub property: usize,
}

impl Path {
    /// A property of the record itself.
    pub fn own(property: usize) -> Self {
        Self { inner: false, object: None, property }
    }
}

/// A key of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderKey {
    pub path: Path,
    pub descending: bool,
}

impl Filter {
    /// Values that a property of the record itself must have for the filter to hold: every record that is left out
    /// because it has another one would not have passed.
    pub fn narrowed(&self, property: usize) -> Option<&Value> {
        match self {
            Self::And(parts) => parts.iter().find_map(|part| part.narrowed(property)),
            Self::Compare(Operand::Path(path), Comparison::Eq, Operand::Literal(value))
            | Self::Compare(Operand::Literal(value), Comparison::Eq, Operand::Path(path)) => {
                (*path == Path::own(property) && *value != Value::Null).then_some(value)
            }
            _ => None,
        }
    }
}
