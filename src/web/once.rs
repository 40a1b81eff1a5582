//! `Idempotency-Key`: a repeat gets the stored answer instead of a second effect.

use crate::answer::Rendered;
use crate::call::Call;
use crate::problem::{
    BAD_IDEMPOTENCY_KEY, CHANGED, IDEMPOTENCY_MISMATCH, IDEMPOTENCY_RUNNING, INTERNAL, Problem,
};
use crate::respond::RequestInfo;
use crate::route::Route;
use domain::api_key::Numbers;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use operations::idempotency::{self, Answered, Named, RequestStart};
use uuid::Uuid;

const KEY: &str = "idempotency-key";
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Headers that belong to an answer as it was given first.
const KEPT_HEADERS: [HeaderName; 3] = [header::CONTENT_TYPE, header::LOCATION, header::ETAG];
/// Answers to what may be put right and asked again under the same key.
const NOT_KEPT: [u16; 6] = [400, 401, 403, 413, 415, 429];

/// The Idempotency-Key of a request that changes something; none if it has none.
pub fn key(method: &Method, headers: &HeaderMap) -> Result<Option<Uuid>, Problem> {
    let changes = [Method::POST, Method::PUT, Method::PATCH].contains(method);
    let Some(value) = headers.get(KEY).filter(|_| changes) else { return Ok(None) };
    let key = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    key.map(Some).ok_or_else(|| Problem::new(BAD_IDEMPOTENCY_KEY, "the Idempotency-Key is not a UUID"))
}

/// Answers a request, once if it has an Idempotency-Key.
pub async fn answer(route: &Route, call: Call, asked: &RequestInfo, numbers: Numbers) -> Rendered {
    // A file is known by its bytes.
    let is_known_otherwise = call.received.is_some();
    let (key, api_key) = match (key(&asked.method, &call.headers), &call.key) {
        (Ok(_), _) if is_known_otherwise => return plain(route, call, asked, numbers).await,
        (Ok(Some(key)), Some(api_key)) => (key, api_key.id),
        (Ok(_), _) => return plain(route, call, asked, numbers).await,
        (Err(problem), _) => return problem.rendered(asked),
    };
    match once(route, call, asked, numbers, Named { api_key, key }).await {
        Ok(rendered) => rendered,
        Err(error) => Problem::from(error).rendered(asked),
    }
}

async fn plain(route: &Route, call: Call, asked: &RequestInfo, numbers: Numbers) -> Rendered {
    if let Some(changed) = changed(route, &call, numbers).await {
        return changed.rendered(asked);
    }
    match route.call(call).await {
        Ok(answer) => answer.rendered(numbers).tagged(route.answers_one()),
        Err(problem) => problem.rendered(asked),
    }
}

/// Why a request that holds to a state of its object is not done, if that is another one by now.
async fn changed(route: &Route, call: &Call, numbers: Numbers) -> Option<Problem> {
    let wanted = call.headers.get(header::IF_MATCH)?.to_str().ok()?.trim().to_owned();
    if wanted == "*" || call.made.is_some() {
        return None;
    }
    let now = match route.show(call.clone())?.await {
        Ok(answer) => answer.rendered(numbers).tag(),
        Err(problem) => return Some(problem),
    };
    let is_meant = wanted.split(',').any(|tag| tag.trim().trim_start_matches("W/") == now);
    (!is_meant).then(|| Problem::new(CHANGED, format!("the object is not as it was read: it is {now} now")))
}

async fn once(
    route: &Route,
    call: Call,
    asked: &RequestInfo,
    numbers: Numbers,
    named: Named,
) -> anyhow::Result<Rendered> {
    let ctx = call.ctx().clone();
    let fingerprint = idempotency::fingerprint(asked.method.as_str(), &asked.url, &call.body);
    let (claim, rendered) = match idempotency::begin(&ctx, named, &fingerprint).await? {
        RequestStart::Ours(claim) => {
            (claim, idempotency::marking(named, claim, plain(route, call, asked, numbers)).await)
        }
        RequestStart::Effected { claim, made } => {
            (claim, shown(route, Call { made, ..call }, asked, numbers).await)
        }
        RequestStart::Answered(answered) => return Ok(replayed(answered)),
        RequestStart::Running => {
            let problem =
                Problem::new(IDEMPOTENCY_RUNNING, "the first request with this key is still being worked on");
            return Ok(problem.retry_after(1).rendered(asked));
        }
        RequestStart::Mismatch => {
            let message = "something else was asked with this Idempotency-Key before: take a new one";
            return Ok(Problem::new(IDEMPOTENCY_MISMATCH, message).rendered(asked));
        }
    };
    if rendered.status >= 500 || NOT_KEPT.contains(&rendered.status) {
        idempotency::release(&ctx, named, claim).await?;
    } else {
        idempotency::answer(&ctx, named, claim, &kept(&rendered)).await?;
    }
    Ok(rendered)
}

/// What was done is there: how it stands is the answer.
async fn shown(route: &Route, call: Call, asked: &RequestInfo, numbers: Numbers) -> Rendered {
    match route.show(call) {
        Some(answer) => match answer.await {
            Ok(answer) => answer.rendered(numbers),
            Err(problem) => problem.rendered(asked),
        },
        None => Problem::new(INTERNAL, "it was done; its answer was lost with the server that did it")
            .rendered(asked),
    }
}

fn kept(rendered: &Rendered) -> Answered {
    let header = |name: &HeaderName| {
        let value = rendered.headers.get(name)?.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    };
    Answered {
        status: rendered.status.into(),
        headers: KEPT_HEADERS.iter().filter_map(header).collect(),
        body: String::from_utf8_lossy(&rendered.body).into_owned(),
    }
}

fn replayed(answered: Answered) -> Rendered {
    let mut headers = HeaderMap::new();
    for (name, value) in answered.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    Rendered {
        status: u16::try_from(answered.status).unwrap_or(500),
        headers,
        body: answered.body.into_bytes(),
    }
}
