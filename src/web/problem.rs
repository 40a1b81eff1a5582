//! What a request is answered when it cannot be done: a status, a stable number and word, all faults at once. The table
//! of codes is a contract (docs/api.md).

use crate::answer::{Answer, Rendered};
use crate::json::Tree;
use crate::respond::RequestInfo;
use domain::api_key::Numbers;
use domain::book_file::nearest;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::borrow::Cow;
use uuid::Uuid;

/// One line of the table of statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    pub status: u16,
    /// `ErrorCode` of the body.
    pub number: u32,
    /// `Code` of the body.
    pub word: &'static str,
}

const fn code(status: u16, number: u32, word: &'static str) -> Code {
    Code { status, number, word }
}

pub const MALFORMED: Code = code(400, 40000, "malformed");
pub const INVALID: Code = code(400, 40001, "invalid");
pub const BAD_IDEMPOTENCY_KEY: Code = code(400, 40005, "bad_idempotency_key");
pub const UNKNOWN_FIELD: Code = code(400, 40002, "unknown_field");
pub const BAD_QUERY: Code = code(400, 40003, "bad_query");
pub const BAD_ID: Code = code(400, 40004, "bad_id");
pub const NO_KEY: Code = code(401, 40100, "no_key");
pub const UNKNOWN_KEY: Code = code(401, 40101, "unknown_key");
pub const SCOPE: Code = code(403, 40300, "scope");
pub const NO_ROUTE: Code = code(404, 40400, "no_route");
pub const DECLINED: Code = code(402, 40200, "declined");
pub const CUSTOMER_NOT_FOUND: Code = code(404, 45301, "not_found");
pub const PLAN_NOT_FOUND: Code = code(404, 45302, "not_found");
pub const DISCOUNT_NOT_FOUND: Code = code(404, 45308, "not_found");
pub const UOM_NOT_FOUND: Code = code(404, 45311, "not_found");
pub const BUSINESS_UNIT_NOT_FOUND: Code = code(404, 45312, "not_found");
pub const TAX_RULE_NOT_FOUND: Code = code(404, 45313, "not_found");
pub const SUBSCRIPTION_NOT_FOUND: Code = code(404, 45303, "not_found");
pub const INVOICE_NOT_FOUND: Code = code(404, 45305, "not_found");
pub const TRANSACTION_NOT_FOUND: Code = code(404, 45314, "not_found");
pub const CHARGE_NOT_FOUND: Code = code(404, 45316, "not_found");
pub const SUBSCRIPTION_CHARGE_NOT_FOUND: Code = code(404, 45304, "not_found");
pub const CONTACT_NOT_FOUND: Code = code(404, 45306, "not_found");
pub const PAYMENT_METHOD_NOT_FOUND: Code = code(404, 45307, "not_found");
pub const CODE_NOT_FOUND: Code = code(404, 45309, "not_found");
pub const USAGE_NOT_FOUND: Code = code(404, 45310, "not_found");
pub const METER_NOT_FOUND: Code = code(404, 45310, "not_found");
pub const METADATA_NOT_FOUND: Code = code(404, 45315, "not_found");
pub const METHOD: Code = code(405, 40500, "method");
pub const TIMEOUT: Code = code(408, 40800, "timeout");
pub const IDEMPOTENCY_RUNNING: Code = code(409, 40901, "idempotency_running");
pub const IDEMPOTENCY_MISMATCH: Code = code(409, 40902, "idempotency_mismatch");
pub const USAGE_CONFLICT: Code = code(409, 40905, "usage_conflict");
pub const EMPTY_BOOK: Code = code(409, 40908, "empty_book");
pub const IMMUTABLE: Code = code(409, 40904, "immutable");
pub const NOT_ITS_OWN: Code = code(409, 40908, "not_its_own");
pub const NOT_ELIGIBLE: Code = code(409, 40908, "not_eligible");
pub const NOTHING_APPLIED: Code = code(409, 40908, "nothing_applied");
pub const NOT_CALLED: Code = code(409, 40908, "not_called");
pub const BOOKED: Code = code(409, 40900, "booked");
pub const BILLED: Code = code(409, 40900, "billed");
pub const INCOMPLETE: Code = code(409, 40908, "incomplete");
pub const UNKNOWN_GATEWAY: Code = code(400, 40006, "unknown_gateway");
pub const DUPLICATE: Code = code(422, 42200, "duplicate");
pub const CHANGED: Code = code(412, 41200, "changed");
pub const UNREADABLE: Code = code(400, 40008, "unreadable");
pub const TOO_LARGE: Code = code(413, 41300, "too_large");
pub const URL_TOO_LONG: Code = code(414, 41400, "url_too_long");
pub const HEAD_TOO_LARGE: Code = code(431, 43100, "head_too_large");
pub const MEDIA_TYPE: Code = code(415, 41500, "media_type");
/// Lago's word for everything that is wrong with what was sent.
pub const VALIDATION: Code = code(422, 42201, "validation_errors");
pub const TOO_MANY: Code = code(429, 42900, "too_many_requests");
pub const INTERNAL: Code = code(500, 50000, "internal");
pub const BUSY: Code = code(503, 50300, "busy");
pub const DRAINING: Code = code(503, 50301, "draining");
pub const OVERLOADED: Code = code(503, 50302, "overloaded");

/// One fault of a request, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// JSON pointer into the body, or the name of what stands in the path or query.
    pub pointer: String,
    pub code: &'static str,
    pub message: String,
    pub hint: Option<String>,
}

/// Why a request was not done.
#[derive(Debug)]
pub struct Problem {
    pub code: Code,
    pub message: String,
    pub faults: Vec<Fault>,
    /// Few problems have any.
    pub headers: Box<HeaderMap>,
}

/// The shape in which a part of the API tells its problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `{"Message", "Code", "ErrorCode", …}`.
    Upodi,
    /// RFC 9457, with code and faults in `extensions`.
    ProblemJson,
    /// `{"status", "error", "code", "error_details"}`.
    Lago,
}

impl Style {
    pub fn of(path: &str) -> Self {
        let below = |prefix: &str| path.get(..prefix.len()).is_some_and(|p| p.eq_ignore_ascii_case(prefix));
        match () {
            () if below("/v1/") || below("/api/") => Self::ProblemJson,
            () if below("/lago/") => Self::Lago,
            () => Self::Upodi,
        }
    }
}

/// A value of the query that cannot be meant.
pub fn bad_query(name: &str, message: String) -> Problem {
    Problem::new(BAD_QUERY, format!("{name}: {message}")).at(name, message)
}

/// Something is asked in the query that is not asked there; with what is nearest.
pub fn unknown_query(name: &str, known: &[&'static str]) -> Problem {
    let mut problem = bad_query(name, format!("`{name}` cannot be asked here"));
    problem.faults[0].hint =
        nearest(name, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
    problem
}

impl Problem {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), faults: Vec::new(), headers: Box::default() }
    }

    /// With one fault at a place.
    pub fn at(mut self, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        let code = self.code.word;
        self.faults.push(Fault { pointer: pointer.into(), code, message: message.into(), hint: None });
        self
    }

    /// With what to do instead, where no fault has said it yet.
    pub fn or(mut self, hint: impl Into<String>) -> Self {
        if self.faults.is_empty() {
            let told = self.code.word.replace('_', " ");
            self = self.at("", told);
        }
        if let Some(fault) = self.faults.first_mut().filter(|fault| fault.hint.is_none()) {
            fault.hint = Some(hint.into());
        }
        self
    }

    /// With all the faults that were found.
    pub fn with(mut self, faults: Vec<Fault>) -> Self {
        self.faults = faults;
        self
    }

    /// With a header of the answer.
    pub fn header(mut self, name: HeaderName, value: impl TryInto<HeaderValue>) -> Self {
        if let Ok(value) = value.try_into() {
            self.headers.insert(name, value);
        }
        self
    }

    /// With how many seconds to wait before asking again.
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    fn kind(&self) -> &'static str {
        if self.code.status < 500 { "Request" } else { "Api" }
    }

    /// The answer that tells it, in the shape of the part of the API that was asked.
    pub fn rendered(self, asked: &RequestInfo) -> Rendered {
        self.answer(asked.style, asked.request).rendered(Numbers::Digits)
    }

    fn answer(self, style: Style, request: Uuid) -> Answer {
        let status = StatusCode::from_u16(self.code.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let trace = request.simple().to_string();
        let (body, media) = match style {
            Style::Upodi => (self.upodi(trace), "application/json; charset=utf-8"),
            Style::ProblemJson => (self.problem_json(status, request), "application/problem+json"),
            Style::Lago => (self.lago(status), "application/json; charset=utf-8"),
        };
        let mut answer = Answer::json(status, body);
        answer.headers.extend(*self.headers);
        answer.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        answer
    }

    fn upodi(&self, trace: String) -> Tree {
        let faults = self.faults.iter().map(|fault| {
            Tree::object([
                ("Pointer", Tree::text(&fault.pointer)),
                ("Code", Tree::text(fault.code)),
                ("Message", Tree::text(&fault.message)),
                ("Hint", Tree::optional(fault.hint.as_deref())),
            ])
        });
        Tree::object([
            ("Message", Tree::text(&self.message)),
            ("Code", Tree::text(self.code.word)),
            ("ErrorCode", Tree::Int(self.code.number.into())),
            ("HttpStatusCode", Tree::Int(self.code.status.into())),
            ("Type", Tree::text(self.kind())),
            ("TraceId", Tree::Text(trace)),
            ("Errors", Tree::List(faults.collect())),
        ])
    }

    fn lago(&self, status: StatusCode) -> Tree {
        let details = self.faults.iter().map(|fault| {
            let field = fault.pointer.trim_start_matches('/').to_owned();
            (Cow::Owned(field), Tree::List(vec![Tree::text(fault.code)]))
        });
        Tree::object([
            ("status", Tree::Int(self.code.status.into())),
            ("error", Tree::text(status.canonical_reason().unwrap_or("Error"))),
            ("code", Tree::text(self.code.word)),
            ("message", Tree::text(&self.message)),
            ("error_details", Tree::Object(details.collect())),
        ])
    }

    fn problem_json(&self, status: StatusCode, request: Uuid) -> Tree {
        let faults = self.faults.iter().map(|fault| {
            Tree::object([
                ("code", Tree::text(fault.code)),
                ("message", Tree::text(&fault.message)),
                ("field", Tree::text(&fault.pointer)),
                ("hint", Tree::optional(fault.hint.as_deref())),
            ])
        });
        let extensions = Tree::object([
            ("code", Tree::text(self.code.word)),
            ("errorCode", Tree::Int(self.code.number.into())),
            ("validationErrors", Tree::List(faults.collect())),
        ]);
        Tree::object([
            ("type", Tree::text("about:blank")),
            ("title", Tree::text(status.canonical_reason().unwrap_or("Error"))),
            ("status", Tree::Int(self.code.status.into())),
            ("detail", Tree::text(&self.message)),
            ("instance", Tree::Text(format!("urn:request:{request}"))),
            ("extensions", extensions),
        ])
    }
}

/// Why a transaction was given up: what the request holds to is not so.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Unmet {
    code: Code,
    message: String,
}

impl Problem {
    pub fn unmet(self) -> Unmet {
        Unmet { code: self.code, message: self.message }
    }
}

/// What nobody expected: told to the log, not to the caller.
impl From<anyhow::Error> for Problem {
    fn from(error: anyhow::Error) -> Self {
        if let Some(unmet) = error.downcast_ref::<Unmet>() {
            return Self::new(unmet.code, unmet.message.clone());
        }
        if operations::context::is_transient(&error) {
            tracing::warn!(error = format!("{error:#}"), "the database was busy");
            return Self::new(BUSY, "the database is busy; ask again in a moment").retry_after(1);
        }
        tracing::error!(error = format!("{error:#}"), "a request failed");
        Self::new(
            INTERNAL,
            "something went wrong on our side; the log of the server has it under this TraceId",
        )
    }
}
