//! One request as a handler sees it.

use crate::answer::Answer;
use crate::app::App;
use crate::body::flag_word;
use crate::problem::{BAD_ID, Fault, MALFORMED, MEDIA_TYPE, Problem, bad_query};
use crate::route::{Answering, Handler};
use bytes::Bytes;
use domain::book_file::Node;
use domain::{DateTime, Utc};
use http::{HeaderMap, header};
use operations::Context;
use operations::keys::ApiKey;
use operations::usage::stream::Received;
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// A request whose key, pace and size are in order.
#[derive(Clone)]
pub struct Call {
    pub app: Arc<App>,
    /// None on routes that need no key.
    pub key: Option<Arc<ApiKey>>,
    pub headers: HeaderMap,
    /// What follows the `?`, decoded, in order.
    pub query: Vec<(String, String)>,
    pub parts: Vec<(&'static str, String)>,
    pub body: Bytes,
    /// The body, where a route wants it in a file.
    pub received: Option<Arc<Received>>,
    /// What this very request has made.
    pub made: Option<Uuid>,
    /// How a handler wants what it does to be answered.
    pub own_answer: OwnAnswer,
}

/// Set by a handler before it asks its operation.
pub type OwnAnswer = Arc<Mutex<Option<Handler>>>;

impl Call {
    pub fn ctx(&self) -> &Context {
        &self.app.ctx
    }

    /// Says how what is about to be done is answered: in the transaction that does it, from what is in the books then.
    pub fn answer_with<F, Fut>(&self, answer: F)
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Answer, Problem>> + Send + 'static,
    {
        let answer = move |call| -> Answering { Box::pin(answer(call)) };
        *self.own_answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(answer));
    }

    /// The same of what has an id that is no GUID.
    pub fn made_called(&self) -> Option<String> {
        operations::idempotency::at_work()?.called()
    }

    pub fn own_answer(&self) -> Option<Handler> {
        self.own_answer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The part of the path that the route calls so.
    pub fn part(&self, name: &str) -> &str {
        self.parts.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    /// The same as an id.
    pub fn id(&self, name: &str) -> Result<Uuid, Problem> {
        let text = self.part(name);
        text.parse()
            .map_err(|_| Problem::new(BAD_ID, format!("`{text}` is not an id")).at(name, "is not a GUID"))
    }

    /// A value of the query by name, in any case.
    pub fn asked(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The same as a flag; false if it is not there. A word that is neither is refused: to take it for false might do what was
    /// only to be shown.
    pub fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.asked(name) {
            None => Ok(false),
            Some("") => Ok(true),
            Some(text) => {
                flag_word(text).ok_or_else(|| bad_query(name, format!("`{text}` is neither true nor false")))
            }
        }
    }

    /// The same as an instant.
    pub fn instant(&self, name: &str) -> Result<Option<DateTime<Utc>>, Problem> {
        let Some(text) = self.asked(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        let read = DateTime::parse_from_rfc3339(text).map(|at| at.with_timezone(&Utc));
        read.map(Some)
            .map_err(|_| bad_query(name, format!("`{text}` is not an instant such as 2026-01-31T12:00:00Z")))
    }

    /// The body as JSON; none if there is none: clients send nothing, `null` or `false` where nothing is to be said.
    pub fn json(&self) -> Result<Option<Node>, Problem> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        self.insist_on_json()?;
        let text = std::str::from_utf8(&self.body).map_err(|e| {
            Problem::new(MALFORMED, format!("the body is not UTF-8 at byte {}", e.valid_up_to()))
        })?;
        match domain::book_file::read_body(text) {
            Ok(Node::Null | Node::Bool(false)) => Ok(None),
            Ok(node) => Ok(Some(node)),
            Err(faults) => Err(Problem::new(MALFORMED, "the body is not JSON as it is read here").with(
                faults
                    .into_iter()
                    .map(|f| Fault {
                        pointer: f.pointer,
                        code: MALFORMED.word,
                        message: f.message,
                        hint: f.hint.as_ref().map(crate::wording::words),
                    })
                    .collect(),
            )),
        }
    }

    /// JSON of any kind, or no word about it.
    fn insist_on_json(&self) -> Result<(), Problem> {
        let coding = self.headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
        if let Some(coding) = coding.filter(|coding| !coding.trim().eq_ignore_ascii_case("identity")) {
            let message = format!("the body is coded as `{coding}`; it is read as it is here");
            return Err(Problem::new(MEDIA_TYPE, message).or("send it without Content-Encoding"));
        }
        let Some(media) = media_type(&self.headers) else { return Ok(()) };
        if media == "application/json" || media.ends_with("+json") {
            return Ok(());
        }
        Err(Problem::new(
            MEDIA_TYPE,
            format!("the body is `{media}`; JSON is read here (`application/json`)"),
        ))
    }
}

/// The media type of a body without its parameters, in lower case; none if it is not said.
pub fn media_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let media = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    Some(media).filter(|media| !media.is_empty())
}

/// The pairs of a query, decoded: `+` is a blank.
pub fn query(text: &str) -> Vec<(String, String)> {
    let decode = |part: &str| {
        percent_encoding::percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned()
    };
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}
