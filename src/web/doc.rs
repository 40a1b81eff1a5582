//! What the document of the API says of a route; it stands beside the handler.

use domain::query::{Entity, Kind};
use operations::lists::Noun;

/// What a route takes and gives.
#[derive(Debug, Clone, Copy)]
pub struct Doc {
    pub summary: &'static str,
    /// Members of the body.
    pub takes: &'static [Field],
    pub query: QueryDoc,
    pub gives: Gives,
    /// Status of what is done.
    pub success: u16,
    /// And of what was there already.
    pub or: Option<u16>,
    /// Whether the body is what is answered, or a part of it.
    pub is_written: bool,
    /// Whether a list of such bodies is taken as well.
    pub takes_lists: bool,
    /// Media type of a body that is no JSON.
    pub media: Option<&'static str>,
}

/// A member of a body or of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    pub of: Type,
    pub required: bool,
    /// For whoever reads the document.
    pub about: &'static str,
}

/// What a member holds.
#[derive(Debug, Clone, Copy)]
pub enum Type {
    Value(Kind),
    /// A list of values.
    Values(Kind),
    Object(&'static [Field]),
    /// A list of objects.
    Objects(&'static [Field]),
    /// Records as they are listed.
    Records(fn() -> &'static Entity),
    /// An object whose members the caller names, each of one type.
    Named(&'static Type),
    /// JSON of the caller's.
    Any,
}

/// What stands behind the `?`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryDoc {
    Nothing,
    Page,
    OData,
    /// `?preview=true`.
    Preview,
    /// Whose file it is, and whether it is only looked at.
    Import,
    /// A code beside the path, for clients that send no body with DELETE.
    Code,
    /// Pages of what is not counted unless that is asked for.
    Counted,
    /// A page of what has a text under a key.
    Metadata,
    /// `limit` and `offset`.
    Offset,
    /// The same of subscriptions to plans that carry quotas.
    Metered,
    /// `?detail=true`.
    Detail,
    /// Some time, cut into windows.
    Windows,
    /// Some time, cut into windows as OpenMeter's clients ask for them.
    MeterWindows,
    /// Events of a time, a subject or an id.
    Events,
}

/// What is answered.
#[derive(Debug, Clone, Copy)]
pub enum Gives {
    Nothing,
    /// A page of all of them, as their list shows them.
    Rows(Noun),
    Page(Noun),
    Object(Noun),
    /// A record of a thing that is listed elsewhere.
    Record(fn() -> &'static Entity),
    /// A page of them.
    Records(fn() -> &'static Entity),
    Fields(&'static [Field]),
    /// A page of such objects.
    PageOf(&'static [Field]),
    /// Such objects as Zuplo's lists have them.
    Listed(&'static [Field]),
    /// A list of such objects and nothing around it.
    List(&'static [Field]),
    /// An object whose members the caller has named.
    Named(&'static Type),
    /// One of two objects, as it was asked.
    Either(&'static [Field], &'static [Field]),
    /// Something that is no JSON.
    Media(&'static str),
    /// JSON of somebody else's shape.
    Free,
}

impl Doc {
    pub const fn new(summary: &'static str, gives: Gives) -> Self {
        Self {
            summary,
            takes: &[],
            query: QueryDoc::Nothing,
            gives,
            success: 200,
            or: None,
            is_written: false,
            takes_lists: false,
            media: None,
        }
    }

    pub const fn takes(self, takes: &'static [Field]) -> Self {
        Self { takes, ..self }
    }

    pub const fn query(self, query: QueryDoc) -> Self {
        Self { query, ..self }
    }

    pub const fn success(self, success: u16) -> Self {
        Self { success, ..self }
    }

    /// Another status, of what was there or is asked otherwise.
    pub const fn or(self, status: u16) -> Self {
        Self { or: Some(status), ..self }
    }

    /// What is answered is what is sent, as far as it is sent.
    pub const fn written(self) -> Self {
        Self { is_written: true, ..self }
    }

    pub const fn or_lists(self) -> Self {
        Self { takes_lists: true, ..self }
    }

    pub const fn media(self, media: &'static str) -> Self {
        Self { media: Some(media), ..self }
    }
}

pub const fn field(name: &'static str, kind: Kind, about: &'static str) -> Field {
    member(name, Type::Value(kind), about)
}

pub const fn required(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, of: Type::Value(kind), required: true, about }
}

/// A member that is more than a value.
pub const fn member(name: &'static str, of: Type, about: &'static str) -> Field {
    Field { name, of, required: false, about }
}

/// The same, and it must be there.
pub const fn needed(name: &'static str, of: Type, about: &'static str) -> Field {
    Field { name, of, required: true, about }
}
