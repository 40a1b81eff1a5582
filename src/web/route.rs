//! One route: what it answers to, who may ask, and the handler.

use crate::answer::Answer;
use crate::call::Call;
use crate::doc::{Doc, Gives};
use crate::problem::Problem;
use domain::api_key::Scope;
use http::Method;
use std::pin::Pin;
use std::sync::Arc;

/// What a handler gives, later.
pub type Answering = Pin<Box<dyn Future<Output = Result<Answer, Problem>> + Send>>;

/// What a key must be allowed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// No key is asked for.
    Open,
    Key(Scope),
}

/// How much of a body is read, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// So many bytes at most, before the handler begins.
    Whole(usize),
    /// So many bytes at most, into a file of ours; however long it takes.
    Received(u64),
}

/// Most bodies.
pub const BODY_MAX: usize = 1 << 20;

/// One line of the table of routes.
#[derive(Clone)]
pub struct Route {
    pub method: Method,
    /// As documented: `/v3/customers/{customerId}`.
    pub path: &'static str,
    pub access: Access,
    pub reads: Reads,
    pub doc: Doc,
    handler: Handler,
    /// Shows what the handler has changed.
    shows: Option<Handler>,
    /// Answers what the handler has done, where that is more than how the object stands.
    tells: Option<Handler>,
    pub again: Again,
}

/// What is done for a request whose effect is there, and whose answer went with the server that was at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// What it has changed is shown.
    Show,
    /// The handler goes on where it was: what it has begun it does not begin again.
    Resume,
}

pub type Handler = Arc<dyn Fn(Call) -> Answering + Send + Sync>;

impl Route {
    /// A route that no key is needed for.
    pub fn open<F, Fut>(method: Method, path: &'static str, doc: Doc, handler: F) -> Self
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Answer, Problem>> + Send + 'static,
    {
        let handler = move |call| -> Answering { Box::pin(handler(call)) };
        Self {
            method,
            path,
            access: Access::Open,
            reads: Reads::Whole(BODY_MAX),
            doc,
            handler: Arc::new(handler),
            shows: None,
            tells: None,
            again: Again::Show,
        }
    }

    /// A route for keys of a scope.
    pub fn new<F, Fut>(method: Method, path: &'static str, scope: Scope, doc: Doc, handler: F) -> Self
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Answer, Problem>> + Send + 'static,
    {
        Self { access: Access::Key(scope), ..Self::open(method, path, doc, handler) }
    }

    pub fn reads(self, reads: Reads) -> Self {
        Self { reads, ..self }
    }

    /// Names the handler that shows what this one has changed.
    pub fn shown_by<F, Fut>(self, handler: F) -> Self
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Answer, Problem>> + Send + 'static,
    {
        let handler = move |call| -> Answering { Box::pin(handler(call)) };
        Self { shows: Some(Arc::new(handler)), ..self }
    }

    /// Names the handler that answers what this one has done, from what the books say of it.
    pub fn answered_by<F, Fut>(self, handler: F) -> Self
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Answer, Problem>> + Send + 'static,
    {
        let handler = move |call| -> Answering { Box::pin(handler(call)) };
        Self { tells: Some(Arc::new(handler)), ..self }
    }

    pub fn again(self, again: Again) -> Self {
        Self { again, ..self }
    }

    /// The answer to what was done: the books are read as they are now.
    pub fn answer(&self, call: Call) -> Option<Answering> {
        if let Some(own) = call.own_answer() {
            return Some(own(call));
        }
        self.tells.as_ref().or(self.shows.as_ref()).map(|tells| tells(call))
    }

    pub fn show(&self, call: Call) -> Option<Answering> {
        self.shows.as_ref().map(|shows| shows(call))
    }

    /// Whether the answer is one object, in the state that `If-Match` holds to.
    pub fn answers_one(&self) -> bool {
        matches!(self.doc.gives, Gives::Object(_))
    }

    pub fn call(&self, call: Call) -> Answering {
        (self.handler)(call)
    }

    /// The same path as the router wants it: fixed parts in lower case, and one name per place, whatever the
    /// documentation calls it.
    pub fn pattern(&self) -> String {
        let part = |(place, part): (usize, &str)| {
            if part.starts_with('{') { format!("{{p{place}}}") } else { part.to_ascii_lowercase() }
        };
        self.path.trim_end_matches('/').split('/').enumerate().map(part).collect::<Vec<_>>().join("/")
    }

    /// The parts of an asked path by the names in [`Self::path`], as they were sent and then decoded.
    pub fn parts(&self, asked: &str) -> Vec<(&'static str, String)> {
        let named = self.path.split('/').zip(asked.split('/'));
        named
            .filter_map(|(name, sent)| {
                let name = name.strip_prefix('{')?.strip_suffix('}')?;
                Some((name, percent_encoding::percent_decode_str(sent).decode_utf8_lossy().into_owned()))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Handlers that say themselves what is answered, or whose usage is kept with its answer.
    const THEMSELVES: &[&str] = &[
        "/v3/discounts/{discountId}/generatediscountcodes",
        "/v3/webhooks/{webhookId}/replay",
        "/v3/usagedata",
        "/v3/usagedata/import",
        "/v1/metering/{bucketId}/subscriptions/{subscriptionId}/consumption",
        // Nobody's key is asked for, and so no Idempotency-Key: events have names of their own.
        "/stripe/events",
        // All or nothing, and quiet by the ids of the events.
        "/api/v1/events",
        "/lago/api/v1/events",
        "/lago/api/v1/events/batch",
    ];

    #[test]
    fn whatever_changes_something_can_be_answered_in_the_transaction_that_does_it() {
        let changes = [Method::POST, Method::PUT, Method::PATCH];
        let all = crate::routes::all();
        let changing = all.iter().filter(|route| changes.contains(&route.method));
        let unanswered: Vec<&str> = changing
            .filter(|route| route.access != Access::Key(Scope::Read))
            .filter(|route| route.tells.is_none() && route.shows.is_none())
            .map(|route| route.path)
            .filter(|path| !THEMSELVES.contains(path))
            .collect();
        assert!(unanswered.is_empty(), "{unanswered:?}");
    }

    #[test]
    fn fixed_parts_are_read_in_any_case_and_values_as_they_were_sent() {
        const DOC: Doc = Doc::new("", crate::doc::Gives::Nothing);
        let route = Route::open(Method::GET, "/v3/customers/byRefKey/{refKey}/", DOC, |call| async move {
            Err(Problem::new(crate::problem::NO_ROUTE, call.part("refKey")))
        });
        assert_eq!(route.pattern(), "/v3/customers/byrefkey/{p4}");
        let parts = route.parts("/V3/Customers/BYREFKEY/Ab%2Fc%20D");
        assert_eq!(parts, [("refKey", "Ab/c D".to_owned())]);
    }
}
