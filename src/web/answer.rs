//! What a handler gives back.

use crate::json::Tree;
use axum::body::Body;
use axum::response::Response;
use domain::api_key::Numbers;
use http::{HeaderMap, HeaderValue, StatusCode, header};

/// A status, headers and a body.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub content: Content,
    /// It tells a secret: a repeat is answered without.
    pub is_told_once: bool,
}

/// A body.
pub enum Content {
    Empty,
    Json(Tree),
    /// Anything else, with its media type.
    Bytes(&'static str, Vec<u8>),
}

impl Answer {
    fn of(status: StatusCode, content: Content) -> Self {
        Self { status, headers: HeaderMap::new(), content, is_told_once: false }
    }

    pub fn json(status: StatusCode, tree: Tree) -> Self {
        Self::of(status, Content::Json(tree))
    }

    /// 200 with an object.
    pub fn ok(tree: Tree) -> Self {
        Self::json(StatusCode::OK, tree)
    }

    pub fn empty(status: StatusCode) -> Self {
        Self::of(status, Content::Empty)
    }

    /// 200 with something that is no JSON.
    pub fn bytes(media: &'static str, bytes: Vec<u8>) -> Self {
        Self::of(StatusCode::OK, Content::Bytes(media, bytes))
    }

    /// 201 with where it is.
    pub fn located(mut self, path: &str) -> Self {
        self.status = StatusCode::CREATED;
        if let Ok(place) = HeaderValue::from_str(path) {
            self.headers.insert(header::LOCATION, place);
        }
        self
    }

    /// As it goes out.
    pub fn rendered(self, numbers: Numbers) -> Rendered {
        let (media, body) = match self.content {
            Content::Empty => (None, Vec::new()),
            Content::Json(tree) => (Some("application/json; charset=utf-8"), tree.written(numbers)),
            Content::Bytes(media, bytes) => (Some(media), bytes),
        };
        let mut headers = self.headers;
        if let Some(media) = media {
            headers.entry(header::CONTENT_TYPE).or_insert_with(|| HeaderValue::from_static(media));
        }
        Rendered { headers, is_told_once: self.is_told_once, ..Rendered::new(self.status.as_u16(), body) }
    }
}

/// An answer as bytes.
pub struct Rendered {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub is_told_once: bool,
    /// It is in the books already, together with what was done.
    pub is_kept: bool,
}

impl Rendered {
    pub fn new(status: u16, body: Vec<u8>) -> Self {
        Self { status, headers: HeaderMap::new(), body, is_told_once: false, is_kept: false }
    }

    /// What tells this state of an object from another.
    pub fn tag(&self) -> String {
        let hash = operations::idempotency::fingerprint("", "", &self.body);
        format!("\"{}\"", &hash[..32])
    }

    /// With its tag, if it is one object.
    pub fn tagged(mut self, is_one: bool) -> Self {
        if is_one
            && matches!(self.status, 200 | 201)
            && let Ok(tag) = HeaderValue::from_str(&self.tag())
        {
            self.headers.insert(header::ETAG, tag);
        }
        self
    }

    pub fn response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *response.headers_mut() = self.headers;
        response
    }
}
