//! What stands before every handler: key, scope, pace, size and time.

use crate::answer::Rendered;
use crate::app::App;
use crate::call::{Call, OwnAnswer, query};
use crate::caller::insist;
use crate::doc::QueryDoc;
use crate::once;
use crate::openapi::queries;
use crate::problem::{DRAINING, MALFORMED, OVERLOADED, Problem, TIMEOUT, TOO_LARGE, unknown_query};
use crate::respond::{RequestInfo, told};
use crate::route::{Access, Reads, Route};
use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use domain::api_key::{Numbers, Scope};
use http::request::Parts;
use http::{HeaderMap, Request, header};
use http_body_util::BodyExt;
use operations::keys::ApiKey;
use operations::usage::stream::Received;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// A body of which nothing comes for so long is aborted.
const BODY_IDLE: Duration = Duration::from_secs(30);
/// A whole request, body included.
const WHOLE: Duration = Duration::from_secs(30);

/// Answers a request that a route was found for.
pub async fn answer(app: Arc<App>, route: Arc<Route>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let Some(asked) = parts.extensions.get::<RequestInfo>().cloned() else {
        // Every request comes through `respond`.
        return told(Problem::from(anyhow::anyhow!("a request without an id")), &RequestInfo::nobody());
    };
    let key = match admitted(&app, &route, &parts.headers).await {
        Ok(key) => key,
        Err(problem) => return told(problem, &asked),
    };
    let numbers = key.as_ref().map_or(Numbers::Digits, |key| key.numbers);
    let handled = handled(&app, &route, &asked, key, numbers, parts, body);
    let handled = match route.reads {
        Reads::Whole(_) => timeout(WHOLE, handled).await,
        Reads::Received(_) => Ok(handled.await),
    };
    let outcome = handled.unwrap_or_else(|_| {
        let message = format!("the request took longer than {} seconds and was aborted", WHOLE.as_secs());
        Err(Problem::new(OVERLOADED, message).retry_after(5))
    });
    match outcome {
        Ok(rendered) => rendered.response(),
        Err(problem) => told(problem, &asked),
    }
}

/// The key, if it may ask this now.
async fn admitted(app: &App, route: &Route, headers: &HeaderMap) -> Result<Option<Arc<ApiKey>>, Problem> {
    let Access::Key(scope) = route.access else { return Ok(None) };
    let key = app.callers.find(&app.ctx, headers).await?;
    insist(&key, scope)?;
    // What was used must come in, however much it is.
    if scope != Scope::Usage {
        app.pace.take(key.id, Instant::now())?;
    }
    if app.is_draining() {
        return Err(Problem::new(DRAINING, "this server is being stopped; ask another one").retry_after(1));
    }
    Ok(Some(key))
}

async fn handled(
    app: &Arc<App>,
    route: &Arc<Route>,
    asked: &RequestInfo,
    key: Option<Arc<ApiKey>>,
    numbers: Numbers,
    parts: Parts,
    body: Body,
) -> Result<Rendered, Problem> {
    let (body, received) = match route.reads {
        Reads::Whole(most) => (whole(&parts.headers, body, most).await?, None),
        Reads::Received(most) => {
            (Bytes::new(), Some(Arc::new(receive(app, &parts.headers, body, most).await?)))
        }
    };
    let query = query(parts.uri.query().unwrap_or_default());
    only_known(route, &query)?;
    let call = Call {
        app: Arc::clone(app),
        key,
        headers: parts.headers,
        query,
        parts: route.parts(&asked.path),
        body,
        received,
        made: None,
        own_answer: OwnAnswer::default(),
    };
    Ok(once::answer(route, call, asked, numbers).await)
}

/// What Upodi's routes are asked behind the `?` is what they know: `?preveiw=true` must not do what was only to be shown.
fn only_known(route: &Route, query: &[(String, String)]) -> Result<(), Problem> {
    // Pages and queries see to it themselves.
    let doc = match route.doc.query {
        QueryDoc::Page | QueryDoc::OData | QueryDoc::Metadata => return Ok(()),
        doc => doc,
    };
    if query.is_empty() || !route.path.starts_with("/v3/") {
        return Ok(());
    }
    let known: Vec<&str> = queries(doc).into_iter().map(|(name, ..)| name).collect();
    let is_known = |name: &str| {
        let plain = name.trim_start_matches('$');
        known.iter().any(|known| known.trim_start_matches('$').eq_ignore_ascii_case(plain))
    };
    match query.iter().find(|(name, _)| !is_known(name)) {
        Some((name, _)) => Err(unknown_query(name, &known)),
        None => Ok(()),
    }
}

/// The body in a file, piece by piece: memory does not grow with it.
async fn receive(app: &App, headers: &HeaderMap, mut body: Body, most: u64) -> Result<Received, Problem> {
    let too_large = || Problem::new(TOO_LARGE, format!("the body is larger than {most} bytes"));
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > most) {
        return Err(too_large());
    }
    let received = Received::new(&app.ctx).map_err(anyhow::Error::from)?;
    let mut file = tokio::fs::File::create_new(&received.path).await.map_err(anyhow::Error::from)?;
    let mut bytes = 0_u64;
    loop {
        let frame = timeout(BODY_IDLE, body.frame()).await.map_err(|_| {
            Problem::new(TIMEOUT, format!("nothing of the body came for {} seconds", BODY_IDLE.as_secs()))
        })?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|e| Problem::new(MALFORMED, format!("the body was cut off: {e}")))?;
        if let Ok(data) = frame.into_data() {
            bytes += data.len() as u64;
            if bytes > most {
                return Err(too_large());
            }
            file.write_all(&data).await.map_err(anyhow::Error::from)?;
        }
    }
    file.flush().await.map_err(anyhow::Error::from)?;
    Ok(received)
}

/// The whole body, if it is not larger than `most` bytes.
async fn whole(headers: &HeaderMap, mut body: Body, most: usize) -> Result<Bytes, Problem> {
    let too_large = || Problem::new(TOO_LARGE, format!("the body is larger than {most} bytes"));
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > u64::try_from(most).unwrap_or(u64::MAX)) {
        return Err(too_large());
    }
    let mut bytes = BytesMut::new();
    loop {
        let frame = timeout(BODY_IDLE, body.frame()).await.map_err(|_| {
            Problem::new(TIMEOUT, format!("nothing of the body came for {} seconds", BODY_IDLE.as_secs()))
        })?;
        let Some(frame) = frame else { return Ok(bytes.freeze()) };
        let frame = frame.map_err(|e| Problem::new(MALFORMED, format!("the body was cut off: {e}")))?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > most {
                return Err(too_large());
            }
            bytes.extend_from_slice(&data);
        }
    }
}
