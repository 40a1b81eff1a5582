//! What the document of the API says of a route; it stands beside the handler.

use domain::query::Kind;
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
}

/// A member of a body or of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
    /// For whoever reads the document.
    pub about: &'static str,
}

/// What stands behind the `?`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryDoc {
    Nothing,
    Page,
    OData,
    /// `?preview=true`.
    Preview,
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
}

/// What is answered.
#[derive(Debug, Clone, Copy)]
pub enum Gives {
    Nothing,
    Page(Noun),
    Object(Noun),
    Fields(&'static [Field]),
    /// Something that is no JSON.
    Media(&'static str),
    /// JSON of somebody else's shape.
    Free,
}

impl Doc {
    pub const fn new(summary: &'static str, gives: Gives) -> Self {
        Self { summary, takes: &[], query: QueryDoc::Nothing, gives, success: 200 }
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
}

pub const fn field(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, required: false, about }
}

pub const fn required(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, required: true, about }
}
