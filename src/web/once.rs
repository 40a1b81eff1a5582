//! `Idempotency-Key`: a repeat gets the stored answer instead of a second effect.

use crate::answer::{Answer, Rendered};
use crate::call::Call;
use crate::problem::{
    BAD_IDEMPOTENCY_KEY, CHANGED, DECLINED, IDEMPOTENCY_MISMATCH, IDEMPOTENCY_RUNNING, INTERNAL, Problem,
};
use crate::respond::RequestInfo;
use crate::route::{Again, Route};
use domain::api_key::Numbers;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use operations::idempotency::{self, Answered, Answers, Holds, Named, Request, RequestStart};
use operations::usage::live::{Keeps, RecordOutcome};
use std::sync::Arc;
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
pub async fn answer(route: &Arc<Route>, call: Call, asked: &RequestInfo, numbers: Numbers) -> Rendered {
    let key = match key(&asked.method, &call.headers) {
        Ok(key) => key,
        Err(problem) => return problem.rendered(asked),
    };
    // A file is known by its bytes.
    let is_known_otherwise = call.received.is_some();
    let named = match (key, &call.key) {
        (Some(key), Some(api_key)) if !is_known_otherwise => Named { api_key: api_key.id, key },
        _ => return work(route, call, asked, numbers, None).await,
    };
    match once(route, call, asked, numbers, named).await {
        Ok(rendered) => rendered,
        Err(error) => Problem::from(error).rendered(asked),
    }
}

async fn once(
    route: &Arc<Route>,
    call: Call,
    asked: &RequestInfo,
    numbers: Numbers,
    named: Named,
) -> anyhow::Result<Rendered> {
    let ctx = call.ctx().clone();
    let app = Arc::clone(&call.app);
    let fingerprint = idempotency::fingerprint(asked.method.as_str(), &asked.url, &call.body);
    let (claim, rendered) = match idempotency::begin(&ctx, &app.presence, named, &fingerprint).await? {
        RequestStart::Ours(claim) => (claim, work(route, call, asked, numbers, Some((named, claim))).await),
        RequestStart::Effected { claim, made } => {
            let call = Call { made, ..call };
            let rendered = match route.again {
                Again::Resume => work(route, call, asked, numbers, Some((named, claim))).await,
                Again::Show => shown(route, call, asked, numbers).await,
            };
            (claim, rendered)
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
    } else if !rendered.is_kept {
        idempotency::answer(&ctx, named, claim, &kept(&rendered)).await?;
    }
    Ok(rendered)
}

/// Does what is asked. Under a claim, the answer is there as soon as the effect is: what was kept with it is answered.
async fn work(
    route: &Arc<Route>,
    call: Call,
    asked: &RequestInfo,
    numbers: Numbers,
    claim: Option<(Named, Uuid)>,
) -> Rendered {
    let wanted = wanted(&call);
    if let Some(wanted) = &wanted
        && let Err(problem) = insist(route, call.clone(), numbers, wanted).await
    {
        return problem.rendered(asked);
    }
    if claim.is_none() && wanted.is_none() {
        return called(route, call, asked, numbers).await;
    }
    let holds = wanted.map(|wanted| holds(route, &call, numbers, wanted));
    let answers = answers(route, &call, asked, numbers);
    let request = Arc::new(Request::new(claim, holds, answers));
    let rendered = idempotency::within(Arc::clone(&request), called(route, call, asked, numbers)).await;
    match request.answered() {
        // What is told this once is not kept.
        Some(_) if rendered.is_told_once => Rendered { is_kept: true, ..rendered },
        Some(answered) if rendered.status < 500 => Rendered { is_kept: true, ..again(answered) },
        _ => rendered,
    }
}

async fn called(route: &Route, call: Call, asked: &RequestInfo, numbers: Numbers) -> Rendered {
    match route.call(call).await {
        Ok(answer) => answer.rendered(numbers).tagged(route.answers_one()),
        Err(problem) => problem.rendered(asked),
    }
}

/// The states of its object that a request holds to; none if it takes any.
fn wanted(call: &Call) -> Option<String> {
    let wanted = call.headers.get(header::IF_MATCH)?.to_str().ok()?.trim();
    (wanted != "*" && call.made.is_none()).then(|| wanted.to_owned())
}

/// Whether the object is as it was read.
async fn insist(route: &Route, call: Call, numbers: Numbers, wanted: &str) -> Result<(), Problem> {
    let Some(shown) = route.show(call) else { return Ok(()) };
    let now = shown.await?.rendered(numbers).tag();
    if wanted.split(',').any(|tag| tag.trim().trim_start_matches("W/") == now) {
        return Ok(());
    }
    Err(Problem::new(CHANGED, format!("the object is not as it was read: it is {now} now")))
}

/// The same, where the transaction holds what it changes.
fn holds(route: &Arc<Route>, call: &Call, numbers: Numbers, wanted: String) -> Holds {
    let (route, call) = (Arc::clone(route), call.clone());
    Box::new(move || {
        let (route, call, wanted) = (Arc::clone(&route), call.clone(), wanted.clone());
        Box::pin(async move {
            insist(&route, call, numbers, &wanted)
                .await
                .map_err(|problem| anyhow::Error::new(problem.unmet()))
        })
    })
}

/// The answer to what a transaction has done, as it is to be kept.
fn answers(route: &Arc<Route>, call: &Call, asked: &RequestInfo, numbers: Numbers) -> Answers {
    let (route, call, asked) = (Arc::clone(route), call.clone(), asked.clone());
    Box::new(move |made| {
        let (route, call, asked) = (Arc::clone(&route), call.clone(), asked.clone());
        Box::pin(async move {
            let made = made.or(call.made);
            let answer = route.answer(Call { made, ..call })?.await;
            match answer {
                Ok(answer) => Some(kept(&answer.rendered(numbers).tagged(route.answers_one()))),
                Err(problem) if problem.code == DECLINED => Some(kept(&problem.rendered(&asked))),
                Err(problem) => {
                    tracing::warn!(
                        path = asked.path,
                        problem = problem.message,
                        "what was done cannot be shown"
                    );
                    None
                }
            }
        })
    })
}

/// What was done is there: how it stands is the answer.
async fn shown(route: &Route, call: Call, asked: &RequestInfo, numbers: Numbers) -> Rendered {
    match route.answer(call) {
        Some(answer) => match answer.await {
            Ok(answer) => answer.rendered(numbers).tagged(route.answers_one()),
            Err(problem) => problem.rendered(asked),
        },
        None => Problem::new(INTERNAL, "it was done; its answer was lost with the server that did it")
            .rendered(asked),
    }
}

/// The answer to usage, kept in the transaction that takes any of it in; none if the request has no Idempotency-Key.
pub fn keeps(
    call: &Call,
    render: impl Fn(&[RecordOutcome]) -> Option<Answer> + Send + Sync + 'static,
) -> Option<Keeps> {
    let numbers = call.key.as_ref().map_or(Numbers::Digits, |key| key.numbers);
    let request = idempotency::at_work()?;
    Some(Keeps { request, render: Box::new(move |taken| Some(kept(&render(taken)?.rendered(numbers)))) })
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
    let mut rendered = again(answered);
    rendered.headers.insert(REPLAYED, HeaderValue::from_static("true"));
    rendered
}

/// An answer as it was kept.
fn again(answered: Answered) -> Rendered {
    let mut headers = HeaderMap::new();
    for (name, value) in answered.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    let status = u16::try_from(answered.status).unwrap_or(500);
    Rendered { headers, ..Rendered::new(status, answered.body.into_bytes()) }
}
