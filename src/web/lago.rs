//! Usage as Lago's clients send it (routes C5, C6), below `/lago`. All of a request is taken, or nothing.

use crate::answer::Answer;
use crate::body::{Body, Faults, flat};
use crate::call::Call;
use crate::doc::{Doc, Field, Gives, Type, field, member, needed, required};
use crate::json::Tree;
use crate::problem::{Problem, TOO_LARGE, VALIDATION};
use crate::route::Route;
use crate::upodi::usage::not_taken;
use chrono::SecondsFormat;
use domain::api_key::Scope;
use domain::book_file::Node;
use domain::query::Kind;
use domain::{DateTime, Decimal, Utc};
use http::Method;
use operations::usage::live::{NewUsage, RecordOutcome, Together};
use rust_decimal::prelude::ToPrimitive;
use uuid::Uuid;

/// Events of one batch.
const BATCH_MAX: usize = 100;
/// Lago's events name no source.
const SOURCE: &str = "lago";

/// An event as Lago's clients send it.
const SENT: &[Field] = &[
    required("transaction_id", Kind::Text, "the event's own id"),
    field("external_subscription_id", Kind::Text, ""),
    required("code", Kind::Text, "the meter"),
    field("timestamp", Kind::Exact, "Unix time; now unless given"),
    field("precise_total_amount_cents", Kind::Exact, ""),
    member("properties", Type::Any, "value is how much; 1 unless given"),
];
/// And as it is answered.
const TAKEN: &[Field] = &[
    field("lago_id", Kind::Guid, ""),
    field("transaction_id", Kind::Text, ""),
    field("lago_customer_id", Kind::Guid, ""),
    field("code", Kind::Text, ""),
    field("timestamp", Kind::Instant, ""),
    field("precise_total_amount_cents", Kind::Exact, ""),
    member("properties", Type::Any, ""),
    field("lago_subscription_id", Kind::Guid, ""),
    field("external_subscription_id", Kind::Text, ""),
    field("created_at", Kind::Instant, ""),
];
const ONE: Doc =
    Doc::new("Bring in one event of Lago's", Gives::Fields(&[member("event", Type::Object(TAKEN), "")]))
        .takes(&[needed("event", Type::Object(SENT), "")]);
const BATCH: Doc = Doc::new(
    "Bring in up to 100 events of Lago's",
    Gives::Fields(&[member("events", Type::Objects(TAKEN), "")]),
)
.takes(&[needed("events", Type::Objects(SENT), "")]);

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/lago/api/v1/events", Scope::Usage, ONE, one),
        Route::new(Method::POST, "/lago/api/v1/events/batch", Scope::Usage, BATCH, batch),
    ]
}

async fn one(call: Call) -> Result<Answer, Problem> {
    let body = call.json()?.unwrap_or(Node::Null);
    let Some(event) = body.member("event") else { return Err(missing("event")) };
    let mut taken = take(&call, std::slice::from_ref(event)).await?;
    Ok(Answer::ok(Tree::object([("event", taken.pop().unwrap_or(Tree::Null))])))
}

async fn batch(call: Call) -> Result<Answer, Problem> {
    let body = call.json()?.unwrap_or(Node::Null);
    let Some(Node::List(events)) = body.member("events") else { return Err(missing("events")) };
    if events.len() > BATCH_MAX {
        return Err(Problem::new(
            TOO_LARGE,
            format!("{} events in a batch; {BATCH_MAX} are taken", events.len()),
        ));
    }
    Ok(Answer::ok(Tree::object([("events", Tree::List(take(&call, events).await?))])))
}

/// Takes all of them in; each as it is answered.
async fn take(call: &Call, events: &[Node]) -> Result<Vec<Tree>, Problem> {
    let now = (call.ctx().now)();
    let mut faults = Faults::default();
    let read = events.iter().map(|event| read(event, now, &mut faults)).collect::<Result<Vec<_>, _>>()?;
    faults.check().map_err(as_lago)?;
    let records = read.iter().map(|event| event.usage.clone()).collect();
    let taken = call.app.usage.take(SOURCE, records, Together::All, None).await.map_err(not_taken)?;
    let mut faults = Faults::default();
    let mut answers = Vec::with_capacity(taken.len());
    for (taken, event) in taken.into_iter().zip(&read) {
        match taken {
            RecordOutcome::Accepted { usage } | RecordOutcome::Duplicate { usage } => {
                answers.push(event.view(usage.key, now))
            }
            RecordOutcome::Rejected(reject) => {
                let (field, code) = told(reject.code);
                faults.add(field.to_owned(), code, reject.text);
            }
        }
    }
    faults.check().map_err(as_lago)?;
    Ok(answers)
}

/// An event as it was sent.
struct Event {
    usage: NewUsage,
    at: DateTime<Utc>,
    properties: Tree,
    cents: Tree,
}

impl Event {
    fn view(&self, key: u128, now: DateTime<Utc>) -> Tree {
        Tree::object([
            ("lago_id", Tree::Text(Uuid::from_u128(key).to_string())),
            ("transaction_id", Tree::optional(self.usage.id.as_deref())),
            ("lago_customer_id", Tree::Null),
            ("code", Tree::optional(self.usage.meter.as_deref())),
            ("timestamp", Tree::Text(self.at.to_rfc3339_opts(SecondsFormat::AutoSi, true))),
            ("precise_total_amount_cents", self.cents.clone()),
            ("properties", self.properties.clone()),
            ("lago_subscription_id", Tree::Null),
            ("external_subscription_id", Tree::optional(self.usage.subject.as_deref())),
            ("created_at", Tree::instant(now)),
        ])
    }
}

fn read(node: &Node, now: DateTime<Utc>, faults: &mut Faults) -> Result<Event, Problem> {
    let body = Body::of(node, "")?;
    for name in ["transaction_id", "external_subscription_id", "code"] {
        if body.get(&[name]).is_none() {
            faults.add(name.to_owned(), "value_is_mandatory", format!("`{name}` is missing"));
        }
    }
    let at = match body.plain(&["timestamp"], faults) {
        None => now,
        Some(text) => instant(&text).unwrap_or_else(|| {
            faults.add("timestamp".to_owned(), "invalid_format", format!("`{text}` is no Unix time"));
            now
        }),
    };
    let properties = body.get(&["properties"]).cloned().unwrap_or(Node::Null);
    let cents = body.plain(&["precise_total_amount_cents"], faults);
    let value = match properties.member("value") {
        Some(Node::Text(text) | Node::Number(text)) => Some(text.clone()),
        _ => None,
    };
    let without: &[&str] = if value.is_some() { &["value"] } else { &[] };
    let usage = NewUsage {
        id: body.plain(&["transaction_id"], faults),
        subject: body.plain(&["external_subscription_id"], faults),
        meter: body.plain(&["code"], faults),
        quantity: value.or_else(|| cents.clone()).or_else(|| Some("1".to_owned())),
        time: Some(at.to_rfc3339_opts(SecondsFormat::Micros, true)),
        properties: flat(&properties, without).filter(|text| text != "{}"),
        ..NewUsage::default()
    };
    let properties = Tree::of(&properties);
    Ok(Event { usage, at, properties, cents: Tree::optional(cents.as_deref()) })
}

/// Seconds since 1970, also with a fraction; ISO 8601 too.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    let Ok(seconds) = text.parse::<Decimal>() else { return text.parse().ok() };
    let micros = seconds.checked_mul(Decimal::from(1_000_000))?.trunc().to_i64()?;
    DateTime::from_timestamp_micros(micros)
}

/// The field and Lago's word for a reject.
fn told(code: domain::usage::RejectCode) -> (&'static str, &'static str) {
    use domain::usage::RejectCode::{
        AmbiguousSubject, BadQuantity, Conflict, MissingQuantity, UnknownMeter, UnknownSubject,
    };
    match code {
        Conflict => ("transaction_id", "value_already_exist"),
        UnknownSubject | AmbiguousSubject => ("external_subscription_id", "not_found"),
        UnknownMeter => ("code", "not_found"),
        BadQuantity | MissingQuantity => ("properties", "value_is_invalid"),
        other => ("event", other.code()),
    }
}

fn missing(name: &str) -> Problem {
    let mut problem = Problem::new(VALIDATION, format!("`{name}` is missing")).at(name, "is missing");
    problem.faults[0].code = "value_is_mandatory";
    problem
}

/// Everything that is wrong with what was sent is 422 there.
fn as_lago(problem: Problem) -> Problem {
    Problem { code: VALIDATION, ..problem }
}
