//! Pages of other origins: refused by browsers unless `api.cors_origins` names them.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
const HEADERS: HeaderValue =
    HeaderValue::from_static("Authorization, Content-Type, Idempotency-Key, If-Match, Request-Id");
const SHOWN: HeaderValue = HeaderValue::from_static("ETag, Location, Request-Id, Retry-After");
/// Seconds for which a browser need not ask again.
const KEPT: HeaderValue = HeaderValue::from_static("600");

/// The origin of a request, if it is one that may ask.
pub fn origin(allowed: &[String], headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    allowed.iter().any(|known| known.as_bytes() == origin.as_bytes()).then(|| origin.clone())
}

/// The answer to a browser that asks whether it may ask; none if this is no such question, or of a stranger.
pub fn preflight<B>(allowed: &[String], request: &Request<B>) -> Option<Response> {
    let headers = request.headers();
    let asks =
        request.method() == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if !asks || origin(allowed, headers).is_none() {
        return None;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
    response.headers_mut().insert(header::ACCESS_CONTROL_MAX_AGE, KEPT);
    Some(response)
}

/// Lets the page of this origin read the answer.
pub fn allow(origin: Option<HeaderValue>, headers: &mut HeaderMap) {
    let Some(origin) = origin else { return };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, SHOWN);
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}
