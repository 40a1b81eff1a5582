//! What is left of quotas, and what takes from them (routes Z17 to Z19).

use super::only;
use super::read::{Sent, node, whole};
use crate::answer::Answer;
use crate::call::Call;
use crate::doc::{Doc, Gives, QueryDoc, Type, field, member, needed};
use crate::json::Tree;
use crate::once;
use crate::problem::{Problem, bad_query};
use crate::route::{Again, Route};
use domain::api_key::Scope;
use domain::book_file::Node;
use domain::query::Kind;
use http::Method;
use operations::metered::{self, Consumption, Windows};
use std::collections::BTreeMap;
use uuid::Uuid;

const QUOTAS: Doc =
    Doc::new("What is left, by meter; with ?detail=true the whole of it", Gives::Named(&Type::Any))
        .query(QueryDoc::Detail);
const CONSUME: Doc = Doc::new(
    "Take from the quotas, or be told that nothing is left",
    Gives::Fields(&[
        field("allowed", Kind::Flag, ""),
        member(
            "meters",
            Type::Named(&Type::Object(&[field("max", Kind::Int, ""), field("available", Kind::Int, "")])),
            "",
        ),
    ]),
)
.takes(&[
    needed("meters", Type::Named(&Type::Value(Kind::Int)), "by key how much; 0 only asks"),
    field("id", Kind::Text, "the same again adds nothing"),
    field("time", Kind::Instant, "now unless given"),
    field("force", Kind::Flag, "count it even beyond the quota"),
]);
const CONSUMED: Doc = Doc::new(
    "What was used, window by window",
    Gives::Fields(&[
        field("from", Kind::Instant, ""),
        field("to", Kind::Instant, ""),
        member(
            "data",
            Type::Objects(&[
                field("meter", Kind::Text, ""),
                field("windowStart", Kind::Instant, ""),
                field("windowEnd", Kind::Instant, ""),
                field("value", Kind::Exact, ""),
            ]),
            "",
        ),
    ]),
)
.query(QueryDoc::Windows);

pub fn routes() -> Vec<Route> {
    const QUOTAS_PATH: &str = "/v1/metering/{bucketId}/subscriptions/{subscriptionId}/quotas";
    const PATH: &str = "/v1/metering/{bucketId}/subscriptions/{subscriptionId}/consumption";
    vec![
        Route::new(Method::GET, QUOTAS_PATH, Scope::Read, QUOTAS, quotas),
        Route::new(Method::POST, PATH, Scope::Usage, CONSUME, consume).again(Again::Resume),
        Route::new(Method::GET, PATH, Scope::Read, CONSUMED, consumed),
    ]
}

fn count(number: u64) -> Tree {
    Tree::Exact(number.to_string())
}

async fn quotas(call: Call) -> Result<Answer, Problem> {
    only(&call, &["detail"])?;
    let (bucket, id) = (call.part("bucketId"), call.part("subscriptionId"));
    let quotas = metered::quotas(call.ctx(), bucket, id).await?;
    if !call.flag("detail")? {
        let left = quotas.into_iter().map(|quota| (quota.meter.into(), count(quota.available)));
        return Ok(Answer::ok(Tree::Object(left.collect())));
    }
    let one = |quota: metered::QuotaView| {
        Tree::object([
            ("meter", Tree::text(&quota.meter)),
            ("max", count(quota.max)),
            ("used", count(quota.used)),
            ("available", count(quota.available)),
            ("overage", count(quota.overage)),
            ("periodStart", Tree::instant(quota.from)),
            ("periodEnd", Tree::instant(quota.until)),
        ])
    };
    Ok(Answer::ok(Tree::object([("data", Tree::List(quotas.into_iter().map(one).collect()))])))
}

async fn consume(call: Call) -> Result<Answer, Problem> {
    let node = node(&call)?;
    let asked = read(&call, &node)?;
    let (bucket, id) = (call.part("bucketId"), call.part("subscriptionId"));
    let left = metered::consume(call.ctx(), &call.app.usage, bucket, id, &asked).await?;
    let meter = |meter: metered::Meter| {
        let state = Tree::object([("max", count(meter.max)), ("available", count(meter.available))]);
        (meter.key.into(), state)
    };
    Ok(Answer::ok(Tree::object([
        ("allowed", Tree::Bool(true)),
        ("meters", Tree::Object(left.meters.into_iter().map(meter).collect())),
    ])))
}

fn read(call: &Call, node: &Node) -> Result<Consumption, Problem> {
    let mut sent = Sent::of(node)?;
    let mut meters = BTreeMap::new();
    match sent.get("meters") {
        Some(Node::Object(members)) if !members.is_empty() => {
            for (key, value) in members {
                match whole(value).filter(|amount| i64::try_from(*amount).is_ok()) {
                    Some(amount) => drop(meters.insert(key.clone(), amount)),
                    None => sent.wrong(&format!("meters/{key}"), "is not a whole number from 0"),
                }
            }
        }
        Some(_) => sent.wrong("meters", "is not an object with meters"),
        None => sent.wrong("meters", "is missing"),
    }
    let (id, at, force) = (sent.text("id"), sent.instant("time"), sent.flag("force"));
    if id.as_ref().is_some_and(|id| id.is_empty() || id.len() > 200) {
        sent.wrong("id", "is empty, or longer than 200 bytes");
    }
    sent.faults.check()?;
    let id = match (id, once::key(&Method::POST, &call.headers)?, &call.key) {
        (Some(id), ..) => id,
        (None, Some(key), Some(api_key)) => Uuid::new_v5(&key, api_key.id.as_bytes()).to_string(),
        (None, ..) => Uuid::new_v4().to_string(),
    };
    let at = at.unwrap_or_else(|| (call.ctx().now)());
    Ok(Consumption { meters, id, at, force: force.unwrap_or(false) })
}

async fn consumed(call: Call) -> Result<Answer, Problem> {
    only(&call, &["from", "to", "windowSize", "meter"])?;
    let size = match call.asked("windowSize").unwrap_or("DAY").to_ascii_uppercase().as_str() {
        "HOUR" => Windows::Hour,
        "DAY" => Windows::Day,
        "MONTH" => Windows::Month,
        other => return Err(bad_query("windowSize", format!("`{other}` is none of HOUR, DAY, MONTH"))),
    };
    let span = (call.instant("from")?, call.instant("to")?);
    let (bucket, id) = (call.part("bucketId"), call.part("subscriptionId"));
    let (from, until, windows) =
        metered::windows(call.ctx(), bucket, id, span, (size, call.asked("meter"))).await?;
    let window = |window: metered::Window| {
        Tree::object([
            ("meter", Tree::text(&window.meter)),
            ("windowStart", Tree::instant(window.from)),
            ("windowEnd", Tree::instant(window.until)),
            ("value", Tree::Exact(window.value.normalize().to_string())),
        ])
    };
    Ok(Answer::ok(Tree::object([
        ("from", Tree::instant(from)),
        ("to", Tree::instant(until)),
        ("data", Tree::List(windows.into_iter().map(window).collect())),
    ])))
}
