//! From a request to its answer: it gets an id, a place among those worked on, and a path in the form of the router; a
//! handler that panics is a 500 with a TraceId, and the server goes on.

use crate::app::App;
use crate::cors;
use crate::problem::{HEAD_TOO_LARGE, INTERNAL, METHOD, NO_ROUTE, OVERLOADED, Problem, Style, URL_TOO_LONG};
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use domain::book_file::nearest;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;
use tower::ServiceExt;
use uuid::Uuid;

/// Bytes of a path with its query.
const URL_MAX: usize = 8 * 1024;
/// Bytes of a request's headers.
pub const HEAD_MAX: usize = 16 * 1024;
/// The request's own id, in and out.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// What is known of a request from its first line on.
#[derive(Debug, Clone)]
pub struct RequestInfo {
    pub request: Uuid,
    /// As it was sent, but for a slash at its end.
    pub path: String,
    /// Path and query as they were sent.
    pub url: String,
    pub method: Method,
    pub style: Style,
}

impl RequestInfo {
    fn of<B>(request: &Request<B>) -> Self {
        let path = request.uri().path();
        let trimmed = path.trim_end_matches('/');
        Self {
            request: sent_id(request.headers()).unwrap_or_else(Uuid::new_v4),
            url: request.uri().path_and_query().map_or_else(String::new, ToString::to_string),
            path: if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() },
            method: request.method().clone(),
            style: Style::of(path),
        }
    }

    /// A request that nothing is known of.
    pub fn nobody() -> Self {
        let request = Uuid::new_v4();
        Self { request, path: String::new(), url: String::new(), method: Method::GET, style: Style::Upodi }
    }
}

/// The id that the caller has given the request, if it is one.
fn sent_id(headers: &HeaderMap) -> Option<Uuid> {
    headers.get(REQUEST_ID)?.to_str().ok()?.parse().ok()
}

/// Answers one request.
pub async fn respond(app: Arc<App>, router: Router, request: Request<Body>) -> Response {
    let began = Instant::now();
    let asked = RequestInfo::of(&request);
    let preflight = cors::preflight(&app.settings.cors_origins, &request);
    let origin = cors::origin(&app.settings.cors_origins, request.headers());
    let mut response = match preflight {
        Some(response) => response,
        None => placed(&app, router, &asked, request).await,
    };
    cors::allow(origin, response.headers_mut());
    if let Ok(id) = HeaderValue::from_str(&asked.request.to_string()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    tracing::debug!(
        request.id = asked.request.to_string(),
        method = asked.method.as_str(),
        status = response.status().as_u16(),
        duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        "answered"
    );
    response
}

/// Works on it, if there is a place.
async fn placed(app: &Arc<App>, router: Router, asked: &RequestInfo, mut request: Request<Body>) -> Response {
    let length = request.uri().path_and_query().map_or(0, |url| url.as_str().len());
    if length > URL_MAX {
        let problem = Problem::new(URL_TOO_LONG, format!("path and query are longer than {URL_MAX} bytes"));
        return told(problem, asked);
    }
    let head: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if head > HEAD_MAX {
        let problem = Problem::new(HEAD_TOO_LARGE, format!("the headers are longer than {HEAD_MAX} bytes"));
        return told(problem, asked);
    }
    let Ok(_place) = app.places.try_acquire() else {
        let problem = Problem::new(OVERLOADED, "too many requests at once; ask again in a moment");
        return told(problem.retry_after(1), asked);
    };
    if let Some(uri) = in_form(request.uri(), &asked.path) {
        *request.uri_mut() = uri;
    }
    request.extensions_mut().insert(asked.clone());
    match AssertUnwindSafe(router.oneshot(request)).catch_unwind().await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => {
            tracing::error!(request.id = asked.request.to_string(), "a handler panicked");
            told(
                Problem::new(INTERNAL, "something went wrong on our side; the log has it under this TraceId"),
                asked,
            )
        }
    }
}

/// The path in lower case and without a slash at its end: fixed parts are read in any case.
fn in_form(uri: &Uri, path: &str) -> Option<Uri> {
    let path = path.to_ascii_lowercase();
    let text = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    Uri::builder().path_and_query(text).build().ok()
}

/// A problem in the shape of this part of the API.
pub fn told(problem: Problem, asked: &RequestInfo) -> Response {
    problem.rendered(asked).response()
}

/// No route has this path.
pub async fn no_route(request: Request<Body>) -> Response {
    let asked = request.extensions().get::<RequestInfo>().cloned().unwrap_or_else(RequestInfo::nobody);
    let hint = match nearest_path(&asked.path) {
        Some(path) => format!("did you mean `{path}`?"),
        None => "`GET /openapi.json` lists what there is".to_owned(),
    };
    told(Problem::new(NO_ROUTE, format!("there is no `{}`", asked.path)).or(hint), &asked)
}

/// The beginning of a path, which is the same for all routes of an object, that is nearest to what was asked.
fn nearest_path(asked: &str) -> Option<String> {
    let beginning = |path: &str| path.split('/').take(3).collect::<Vec<_>>().join("/");
    let known: BTreeSet<String> = crate::routes::all().iter().map(|route| beginning(route.path)).collect();
    let asked = beginning(asked);
    let others = known.iter().map(String::as_str).filter(|path| *path != asked);
    nearest(&asked, others).map(str::to_owned)
}

/// A route has this path, with another method.
pub async fn other_method(request: Request<Body>) -> Response {
    let asked = request.extensions().get::<RequestInfo>().cloned().unwrap_or_else(RequestInfo::nobody);
    let problem = Problem::new(METHOD, format!("`{}` does not answer {}", asked.path, asked.method));
    told(problem.or("`GET /openapi.json` lists what it answers"), &asked)
}
