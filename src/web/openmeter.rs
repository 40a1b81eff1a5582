//! Usage as OpenMeter's clients and emitters of CloudEvents send it (route C1): one event or a list, structured or in
//! headers. All of a request is taken, or nothing.

use crate::answer::Answer;
use crate::body::{Body, Faults, flat};
use crate::call::{Call, media_type};
use crate::doc::{Doc, Field, Gives, Type, field, member, required};
use crate::problem::{INVALID, Problem, TOO_LARGE};
use crate::route::{Reads, Route};
use crate::upodi::usage::{LIST_BYTES_MAX, LIST_MAX, not_taken};
use chrono::SecondsFormat;
use domain::api_key::Scope;
use domain::book_file::Node;
use domain::query::Kind;
use http::{HeaderMap, Method, StatusCode};
use operations::usage::live::{NewUsage, RecordOutcome, Together};

/// Source of events: CloudEvents name one each.
const SOURCE: &str = "cloudevents";

/// A CloudEvent.
pub const EVENT: &[Field] = &[
    required("id", Kind::Text, ""),
    required("source", Kind::Text, ""),
    required("specversion", Kind::Text, "1.0"),
    required("type", Kind::Text, "the meter"),
    required("subject", Kind::Text, "number of a subscription, or of an account"),
    field("time", Kind::Instant, "now unless given"),
    member("data", Type::Any, "total or value is how much; 1 unless given"),
];
const INGEST: Doc = Doc::new("Bring in CloudEvents: one, a list, or one in headers", Gives::Nothing)
    .takes(EVENT)
    .or_lists()
    .success(204);

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/api/v1/events", Scope::Usage, INGEST, ingest)
            .reads(Reads::Whole(LIST_BYTES_MAX)),
    ]
}

async fn ingest(call: Call) -> Result<Answer, Problem> {
    let mut faults = Faults::default();
    let events = read(&call, &mut faults)?;
    faults.check()?;
    if events.len() > LIST_MAX {
        let message = format!("{} events at once; {LIST_MAX} are taken", events.len());
        return Err(Problem::new(TOO_LARGE, message));
    }
    let taken = call.app.usage.take(SOURCE, events, Together::All, None).await.map_err(not_taken)?;
    let mut faults = Faults::default();
    for (at, taken) in taken.into_iter().enumerate() {
        if let RecordOutcome::Rejected(reject) = taken {
            faults.add(format!("/{at}"), reject.code.code(), reject.text);
        }
    }
    faults.check()?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

fn read(call: &Call, faults: &mut Faults) -> Result<Vec<NewUsage>, Problem> {
    let now = (call.ctx().now)().to_rfc3339_opts(SecondsFormat::Micros, true);
    let is_binary = call.headers.contains_key("ce-specversion");
    let is_structured =
        media_type(&call.headers).is_some_and(|media| media.starts_with("application/cloudevents"));
    if is_binary && !is_structured {
        let data = call.json()?.unwrap_or(Node::Null);
        return Ok(vec![from_headers(&call.headers, &data, &now, faults)]);
    }
    match call.json()? {
        None => Err(Problem::new(INVALID, "an event is needed, or a list of events")),
        Some(Node::List(list)) => list
            .iter()
            .enumerate()
            .map(|(at, node)| structured(node, &format!("/{at}"), &now, faults))
            .collect(),
        Some(one) => Ok(vec![structured(&one, "", &now, faults)?]),
    }
}

/// One event as JSON.
fn structured(node: &Node, pointer: &str, now: &str, faults: &mut Faults) -> Result<NewUsage, Problem> {
    let body = Body::of(node, pointer)?;
    for name in ["id", "source", "type", "subject"] {
        if body.get(&[name]).is_none() {
            faults.add(body.at(name), "missing", format!("`{name}` is missing"));
        }
    }
    if body.plain(&["specversion"], faults).as_deref() != Some("1.0") {
        faults.add(body.at("specversion"), INVALID.word, "`specversion` is not 1.0");
    }
    let data = body.get(&["data"]).cloned().unwrap_or(Node::Null);
    let subject = body.plain(&["subscription"], faults).or_else(|| body.plain(&["subject"], faults));
    let event = NewUsage {
        id: body.plain(&["id"], faults),
        source: body.plain(&["source"], faults),
        meter: body.plain(&["type"], faults),
        subject,
        time: body.plain(&["time"], faults).or_else(|| Some(now.to_owned())),
        corrects: body.plain(&["corrects"], faults),
        ..NewUsage::default()
    };
    Ok(with_data(event, &data, &body.at("data"), faults))
}

/// One event whose attributes are headers and whose data is the body.
fn from_headers(headers: &HeaderMap, data: &Node, now: &str, faults: &mut Faults) -> NewUsage {
    let attribute = |name: &str| {
        let text = headers.get(format!("ce-{name}"))?.to_str().ok()?;
        Some(percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned())
    };
    for name in ["id", "source", "type", "subject"] {
        if attribute(name).is_none() {
            faults.add(format!("ce-{name}"), "missing", format!("the header `ce-{name}` is missing"));
        }
    }
    if attribute("specversion").as_deref() != Some("1.0") {
        faults.add("ce-specversion".to_owned(), INVALID.word, "`ce-specversion` is not 1.0");
    }
    let event = NewUsage {
        id: attribute("id"),
        source: attribute("source"),
        meter: attribute("type"),
        subject: attribute("subscription").or_else(|| attribute("subject")),
        time: attribute("time").or_else(|| Some(now.to_owned())),
        corrects: attribute("corrects"),
        ..NewUsage::default()
    };
    with_data(event, data, "", faults)
}

/// The quantity is `data.total`, else `data.value`, else 1; the other plain members are properties.
fn with_data(event: NewUsage, data: &Node, pointer: &str, faults: &mut Faults) -> NewUsage {
    if *data == Node::Null {
        return NewUsage { quantity: Some("1".to_owned()), ..event };
    }
    let Ok(body) = Body::of(data, pointer) else {
        faults.add(pointer.to_owned(), INVALID.word, format!("is {}, not an object", data.noun()));
        return event;
    };
    let named = ["total", "value"].into_iter().find(|name| body.get(&[name]).is_some());
    let quantity = named.and_then(|name| body.plain(&[name], faults)).or_else(|| Some("1".to_owned()));
    let properties = flat(data, named.as_slice()).filter(|text| text != "{}");
    NewUsage { quantity, properties, ..event }
}
