//! Usage as it stands: listed, queried, corrected (routes 114 to 118).

use super::objects::{body, path_id};
use super::query::{self, PageRequest};
use super::usage::not_taken;
use super::view;
use crate::answer::Answer;
use crate::body::{Body, Faults};
use crate::call::Call;
use crate::doc::{Doc, Gives, QueryDoc, Type, field, member};
use crate::json::Tree;
use crate::once;
use crate::problem::{BAD_QUERY, MALFORMED, Problem, USAGE_NOT_FOUND};
use crate::route::Route;
use chrono::SecondsFormat;
use domain::api_key::Scope;
use domain::book_file::Node;
use domain::query::{Comparison, Entity, Filter, Kind, Operand, Path, Record, Value, property};
use domain::{DateTime, Utc};
use http::Method;
use operations::lists::{self, RecordPage};
use operations::usage::list::{self, UsageFilter, UsageRecord};
use operations::usage::live::{NewUsage, RecordOutcome, Together};
use std::ops::ControlFlow;
use uuid::Uuid;

static USAGE: Entity = Entity {
    name: "UsageData",
    properties: &[
        property("ID", Kind::Guid),
        property("Amount", Kind::Exact),
        property("EntryDate", Kind::Instant),
        property("ReferenceID", Kind::Guid),
        property("SubscriptionChargeID", Kind::Guid),
        property("Subject", Kind::Text),
        property("Meter", Kind::Text),
        property("RefKey", Kind::Text),
        property("Source", Kind::Text),
        property("Version", Kind::Int),
        property("Properties", Kind::Text),
    ],
    objects: &[],
    lists: &[],
};

/// Days that a query may span where it names nobody's usage.
const DAYS_MAX: i64 = 90;
/// Records that a query looks at.
const LOOKED_AT_MAX: usize = 1_000_000;

const PAGE: Doc =
    Doc::new("Usage as it stands, newest import last", Gives::Records(|| &USAGE)).query(QueryDoc::Counted);
const QUERY: Doc = Doc::new(
    "Usage that passes a query; 90 days at most unless ReferenceID, Subject or RefKey is given",
    Gives::Records(|| &USAGE),
)
.query(QueryDoc::OData);
const ONE: Doc = Doc::new("One record of usage, in its newest version", Gives::Record(|| &USAGE));
const BY_REFKEY: Doc =
    Doc::new("The record of an event's own id, those sent here first", Gives::Record(|| &USAGE));
const PATCH: Doc = Doc::new("Correct a record; 0 takes it out", Gives::Record(|| &USAGE)).takes(&[
    field("Amount", Kind::Exact, ""),
    field("EntryDate", Kind::Instant, ""),
    member("Properties", Type::Any, "an object"),
]);

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/v3/usagedata", Scope::Read, PAGE, page),
        Route::new(Method::GET, "/v3/usagedata/query", Scope::Read, QUERY, queried),
        Route::new(Method::GET, "/v3/usagedata/{usageDataId}", Scope::Read, ONE, one),
        Route::new(Method::PATCH, "/v3/usagedata/{usageDataId}", Scope::Write, PATCH, correct).shown_by(one),
        Route::new(Method::GET, "/v3/usagedata/byrefkey/{refKey}", Scope::Read, BY_REFKEY, by_refkey),
    ]
}

fn record(usage: &UsageRecord) -> Record {
    let values = vec![
        Value::Guid(usage.id),
        Value::Exact(usage.amount),
        Value::Instant(instant(usage.time_us)),
        usage.charge.map_or(Value::Null, Value::Guid),
        Value::Null,
        usage.subject.as_str().into(),
        usage.meter.as_str().into(),
        usage.event.as_str().into(),
        usage.source.as_str().into(),
        Value::Int(usage.version.into()),
        Some(usage.properties.as_str()).filter(|text| !text.is_empty()).into(),
    ];
    Record { values, ..Record::default() }
}

fn instant(us: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(us).unwrap_or_default()
}

/// A record with its properties as an object.
fn tree(usage: &UsageRecord) -> Tree {
    match view::whole(&USAGE, &record(usage)) {
        Tree::Object(mut members) => {
            if let Some((_, value)) = members.iter_mut().find(|(name, _)| name == "Properties") {
                *value = Tree::written_json(&usage.properties);
            }
            Tree::Object(members)
        }
        other => other,
    }
}

async fn page(call: Call) -> Result<Answer, Problem> {
    let page = query::paged(&call)?;
    let wants_count = call.asked("$inlinecount").is_some_and(|text| text.eq_ignore_ascii_case("allpages"));
    let asked = UsageFilter::default();
    let found = list::list(call.ctx(), &asked, page.skip(), page.size).await?;
    let total = if wants_count { Some(count(&call, &asked).await?) } else { None };
    let items = found.iter().map(tree).collect();
    Ok(Answer::ok(paged(items, page, total)))
}

async fn count(call: &Call, asked: &UsageFilter) -> Result<u64, Problem> {
    let one_more = |count: &mut u64, _| {
        *count += 1;
        ControlFlow::Continue(())
    };
    Ok(list::fold(call.ctx(), asked, 0_u64, one_more).await?)
}

fn paged(items: Vec<Tree>, page: PageRequest, total: Option<u64>) -> Tree {
    let number = |n: Option<u64>| n.map_or(Tree::Null, |n| Tree::Int(i64::try_from(n).unwrap_or(i64::MAX)));
    let size = u64::try_from(page.size.max(1)).unwrap_or(u64::MAX);
    Tree::object([
        ("Items", Tree::List(items)),
        ("PageNumber", Tree::count(page.number)),
        ("PageSize", Tree::count(page.size)),
        ("TotalItems", number(total)),
        ("TotalPages", number(total.map(|total| total.div_ceil(size)))),
    ])
}

async fn queried(call: Call) -> Result<Answer, Problem> {
    let (query, page, shown) = query::odata(&call, &USAGE)?;
    let asked = query.filter.as_ref().map(pushed_down).unwrap_or_default();
    let names_somebody =
        asked.charge.is_some() || asked.subject.is_some() || asked.event.is_some() || asked.id.is_some();
    let span = asked.from_us.zip(asked.to_us).map(|(from, to)| (to - from) / 86_400_000_000);
    if !names_somebody && query.filter.is_some() && span.is_none_or(|days| days > DAYS_MAX) {
        let message = format!(
            "name a ReferenceID, Subject or RefKey, or at most {DAYS_MAX} days of EntryDate (ge and lt)"
        );
        return Err(Problem::new(BAD_QUERY, message).at("$filter", "asks for too much"));
    }
    let gather = |records: &mut Vec<Record>, usage: UsageRecord| {
        records.push(record(&usage));
        if records.len() < LOOKED_AT_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let records = list::fold(call.ctx(), &asked, Vec::new(), gather).await?;
    let found: RecordPage = lists::sifted(records, &query);
    Ok(Answer::ok(view::shown(&call, &USAGE, &found, page, &shown).await?))
}

/// What of a filter the usage store answers.
fn pushed_down(filter: &Filter) -> UsageFilter {
    let value = |name: &str| USAGE.property(name).and_then(|place| filter.narrowed(place));
    let guid = |name: &str| match value(name) {
        Some(Value::Guid(id)) => Some(*id),
        _ => None,
    };
    let text = |name: &str| match value(name) {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let mut asked = UsageFilter {
        id: guid("ID"),
        charge: guid("ReferenceID"),
        subject: text("Subject"),
        meter: text("Meter"),
        source: text("Source"),
        event: text("RefKey"),
        ..UsageFilter::default()
    };
    bounds(filter, &mut asked);
    asked
}

/// The first and last instants that a filter lets through.
fn bounds(filter: &Filter, asked: &mut UsageFilter) {
    let Some(place) = USAGE.property("EntryDate") else { return };
    match filter {
        Filter::And(parts) => parts.iter().for_each(|part| bounds(part, asked)),
        Filter::Compare(Operand::Path(path), comparison, Operand::Literal(Value::Instant(at)))
            if *path == Path::own(place) =>
        {
            let us = at.timestamp_micros();
            match comparison {
                Comparison::Ge => asked.from_us = Some(asked.from_us.map_or(us, |known| known.max(us))),
                Comparison::Gt => {
                    asked.from_us = Some(asked.from_us.map_or(us + 1, |known| known.max(us + 1)))
                }
                Comparison::Lt => asked.to_us = Some(asked.to_us.map_or(us, |known| known.min(us))),
                Comparison::Le => asked.to_us = Some(asked.to_us.map_or(us + 1, |known| known.min(us + 1))),
                Comparison::Eq => (asked.from_us, asked.to_us) = (Some(us), Some(us + 1)),
                Comparison::Ne => {}
            }
        }
        _ => {}
    }
}

async fn found(call: &Call, id: Uuid) -> Result<UsageRecord, Problem> {
    let asked = UsageFilter { id: Some(id), ..UsageFilter::default() };
    let found = list::list(call.ctx(), &asked, 0, 1).await?.pop();
    found.ok_or_else(|| Problem::new(USAGE_NOT_FOUND, format!("there is no usagedata {id}")))
}

async fn one(call: Call) -> Result<Answer, Problem> {
    Ok(Answer::ok(tree(&found(&call, path_id(&call)?).await?)))
}

async fn by_refkey(call: Call) -> Result<Answer, Problem> {
    let refkey = call.part("refKey").to_owned();
    for source in [Some("api".to_owned()), None] {
        let asked = UsageFilter { event: Some(refkey.clone()), source, ..UsageFilter::default() };
        if let Some(usage) = list::list(call.ctx(), &asked, 0, 1).await?.pop() {
            return Ok(Answer::ok(tree(&usage)));
        }
    }
    Err(Problem::new(USAGE_NOT_FOUND, format!("there is no usagedata {refkey}")))
}

/// Route 117: a correcting event with the same id here and one version more.
async fn correct(call: Call) -> Result<Answer, Problem> {
    let node = body(&call)?;
    let sent = Body::of(&node, "")?;
    let mut faults = Faults::default();
    let known: Vec<&'static str> =
        USAGE.properties.iter().map(|property| property.name).chain(["Late", "Corrects"]).collect();
    sent.only(&known, &mut faults);
    let (amount, time) = (sent.plain(&["Amount"], &mut faults), sent.plain(&["EntryDate"], &mut faults));
    let properties = match sent.get(&["Properties"]) {
        None => None,
        Some(node @ Node::Object(_)) => Some(node.to_value().to_string()),
        Some(other) => {
            faults.add(sent.at("Properties"), MALFORMED.word, format!("is {}, not an object", other.noun()));
            None
        }
    };
    faults.check()?;
    let id = path_id(&call)?;
    let now = found(&call, id).await?;
    let is_same_amount = amount.as_ref().is_none_or(|text| text.parse() == Ok(now.amount));
    let written = instant(now.time_us).to_rfc3339_opts(SecondsFormat::Micros, true);
    let is_same_time = time.as_ref().is_none_or(|text| {
        DateTime::parse_from_rfc3339(text).is_ok_and(|at| at.timestamp_micros() == now.time_us)
    });
    if is_same_amount && is_same_time && properties.is_none() {
        return Ok(Answer::ok(tree(&now)));
    }
    let event = match (once::key(&Method::PATCH, &call.headers)?, &call.key) {
        (Some(key), Some(api_key)) => Uuid::new_v5(&key, api_key.id.as_bytes()),
        _ => Uuid::new_v4(),
    };
    let correction = NewUsage {
        id: Some(event.to_string()),
        subject: Some(now.charge.map_or_else(|| now.subject.clone(), |charge| charge.to_string())),
        meter: Some(now.meter.clone()),
        quantity: Some(amount.unwrap_or_else(|| now.amount.to_string())),
        time: Some(time.unwrap_or(written)),
        source: Some(now.source.clone()),
        corrects: Some(now.event.clone()),
        properties: properties.or_else(|| Some(now.properties.clone()).filter(|text| !text.is_empty())),
    };
    let mut taken =
        call.app.usage.take("api", vec![correction], Together::Each, None).await.map_err(not_taken)?;
    match taken.pop() {
        Some(RecordOutcome::Rejected(reject)) => Err(super::usage::refused(reject)),
        _ => Ok(Answer::ok(tree(&found(&call, id).await?))),
    }
}
