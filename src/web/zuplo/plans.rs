//! Plans of a bucket and the meters that they count (routes Z10 to Z16).

use super::read::{Sent, node, whole};
use super::{list, made, only, present};
use crate::answer::Answer;
use crate::call::Call;
use crate::doc::{Doc, Field, Gives, QueryDoc, Type, field, member, needed, required};
use crate::json::Tree;
use crate::problem::{METER_NOT_FOUND, Problem};
use crate::route::Route;
use domain::api_key::Scope;
use domain::book_file::Node;
use domain::metered::{MeterLimit, Plan, TrialEnd};
use domain::query::Kind;
use http::{Method, StatusCode};
use operations::metered::{self, MeterView, PlanChanges, PlanView};
use std::collections::BTreeMap;

const METERS: &str = "an object: by key {label, max}";
/// A plan as it is answered.
const PLAN: &[Field] = &[
    field("id", Kind::Text, ""),
    field("label", Kind::Text, ""),
    field("planExternalId", Kind::Text, ""),
    member("meters", METERS_OF, ""),
    field("trialDays", Kind::Int, ""),
    field("trialEndStatus", Kind::Text, ""),
    field("isTrialCollectPayment", Kind::Flag, ""),
    field("hasSubscriptions", Kind::Flag, ""),
    field("createdOn", Kind::Instant, ""),
    field("updatedOn", Kind::Instant, ""),
];
const METERS_OF: Type = Type::Named(&Type::Object(&[
    field("label", Kind::Text, ""),
    required("max", Kind::Int, "how much of it a cycle lets through"),
]));
const METER_OF: &[Field] = &[
    field("key", Kind::Text, ""),
    field("label", Kind::Text, ""),
    member("planIds", Type::Values(Kind::Text), ""),
];
const PAGE: Doc = Doc::new("Plans of a bucket", Gives::Listed(PLAN)).query(QueryDoc::Offset);
const ADD: Doc = Doc::new("Make a plan; the product plan of its external id bills it", Gives::Fields(PLAN))
    .takes(&[
        required("label", Kind::Text, ""),
        required(
            "planExternalId",
            Kind::Text,
            "SKU or RefKey of a product plan; else the plan is a quota alone",
        ),
        needed("meters", METERS_OF, METERS),
        field("trialDays", Kind::Int, ""),
        field("trialEndStatus", Kind::Text, "paused or canceled"),
        field("isTrialCollectPayment", Kind::Flag, ""),
    ])
    .success(201);
const ONE: Doc = Doc::new("A plan", Gives::Fields(PLAN));
const CHANGE: Doc = Doc::new("Change a plan; its quotas stay as long as anybody has it", Gives::Fields(PLAN))
    .takes(&[
        field("label", Kind::Text, ""),
        member("meters", METERS_OF, METERS),
        field("trialDays", Kind::Int, ""),
        field("trialEndStatus", Kind::Text, "paused or canceled"),
        field("isTrialCollectPayment", Kind::Flag, ""),
    ]);
const DELETE: Doc = Doc::new("Delete a plan that nobody has", Gives::Nothing).success(204);
const METER_PAGE: Doc =
    Doc::new("Meters that the plans of a bucket count", Gives::Listed(METER_OF)).query(QueryDoc::Offset);
const METER: Doc = Doc::new("A meter", Gives::Fields(METER_OF));

pub fn routes() -> Vec<Route> {
    const ALL: &str = "/v1/metering/{bucketId}/plans";
    const ONE_PATH: &str = "/v1/metering/{bucketId}/plans/{planId}";
    vec![
        Route::new(Method::GET, ALL, Scope::Read, PAGE, page),
        Route::new(Method::POST, ALL, Scope::Write, ADD, add)
            .answered_by(|call| async move { shown_new(&call, &made(&call)?).await }),
        Route::new(Method::GET, ONE_PATH, Scope::Read, ONE, one),
        Route::new(Method::PATCH, ONE_PATH, Scope::Write, CHANGE, change).shown_by(one),
        Route::new(Method::DELETE, ONE_PATH, Scope::Write, DELETE, |call| async move {
            let (bucket, plan) = (call.part("bucketId"), call.part("planId"));
            metered::delete_plan(call.ctx(), &call.actor(), bucket, plan).await?;
            Ok(Answer::empty(StatusCode::NO_CONTENT))
        }),
        Route::new(Method::GET, "/v1/metering/{bucketId}/meters", Scope::Read, METER_PAGE, meters),
        Route::new(Method::GET, "/v1/metering/{bucketId}/meters/{meterKey}", Scope::Read, METER, meter),
    ]
}

fn tree(view: &PlanView) -> Tree {
    let PlanView { plan, has_subscriptions } = view;
    let meter = |(key, limit): (&String, &MeterLimit)| {
        let max = Tree::Exact(limit.max.to_string());
        (key.clone().into(), Tree::object([("label", Tree::text(&limit.label)), ("max", max)]))
    };
    present(vec![
        ("id", Some(Tree::text(&plan.id))),
        ("label", Some(Tree::text(&plan.body.label))),
        ("planExternalId", Some(Tree::text(&plan.external_id))),
        ("meters", Some(Tree::Object(plan.body.meters.iter().map(meter).collect()))),
        ("trialDays", plan.body.trial_days.map(|days| Tree::Int(days.into()))),
        ("trialEndStatus", plan.body.trial_end.map(|end| Tree::text(end.name()))),
        ("isTrialCollectPayment", plan.body.collects_payment.map(Tree::Bool)),
        ("hasSubscriptions", Some(Tree::Bool(*has_subscriptions))),
        ("createdOn", Some(Tree::instant(plan.created_at))),
        ("updatedOn", Some(Tree::instant(plan.updated_at))),
    ])
}

async fn page(call: Call) -> Result<Answer, Problem> {
    only(&call, &["limit", "offset"])?;
    list(&call, &metered::plans(call.ctx(), call.part("bucketId")).await?, tree)
}

async fn one(call: Call) -> Result<Answer, Problem> {
    Ok(Answer::ok(tree(&metered::plan(call.ctx(), call.part("bucketId"), call.part("planId")).await?)))
}

async fn shown_new(call: &Call, id: &str) -> Result<Answer, Problem> {
    let bucket = call.part("bucketId");
    let plan = metered::plan(call.ctx(), bucket, id).await?;
    Ok(Answer::ok(tree(&plan)).located(&format!("/v1/metering/{bucket}/plans/{id}")))
}

/// `{key: {label, max}}`.
fn limits(sent: &mut Sent<'_>) -> Option<BTreeMap<String, MeterLimit>> {
    let members = match sent.get("meters")? {
        Node::Object(members) => members,
        other => {
            sent.wrong("meters", format!("is {}, not an object", other.noun()));
            return None;
        }
    };
    let mut meters = BTreeMap::new();
    for (key, value) in members {
        let max = value.member("max").and_then(whole).filter(|max| i64::try_from(*max).is_ok());
        let Some(max) = max else {
            sent.wrong(&format!("meters/{key}/max"), "is not a whole number from 0");
            continue;
        };
        let label = match value.member("label") {
            Some(Node::Text(label)) => label.clone(),
            _ => key.clone(),
        };
        meters.insert(key.clone(), MeterLimit { label, max });
    }
    if members.is_empty() {
        sent.wrong("meters", "has no meter");
    }
    Some(meters)
}

fn trial_days(sent: &mut Sent<'_>) -> Option<u32> {
    let days = sent.whole("trialDays")?;
    let days = u32::try_from(days).ok().filter(|days| *days <= 3_650);
    if days.is_none() {
        sent.wrong("trialDays", "is more than 3,650");
    }
    days
}

fn trial_end(sent: &mut Sent<'_>) -> Option<TrialEnd> {
    sent.word("trialEndStatus", TrialEnd::parse, "paused, canceled")
}

async fn add(call: Call) -> Result<Answer, Problem> {
    let node = node(&call)?;
    let mut sent = Sent::of(&node)?;
    let external_id = sent.required("planExternalId");
    let plan = Plan {
        label: sent.required("label"),
        meters: limits(&mut sent).unwrap_or_default(),
        trial_days: trial_days(&mut sent),
        trial_end: trial_end(&mut sent),
        collects_payment: sent.flag("isTrialCollectPayment"),
    };
    if sent.get("meters").is_none() {
        sent.wrong("meters", "is missing");
    }
    sent.faults.check()?;
    let id = metered::add_plan(call.ctx(), &call.actor(), call.part("bucketId"), &external_id, plan).await?;
    shown_new(&call, &id).await
}

async fn change(call: Call) -> Result<Answer, Problem> {
    let node = node(&call)?;
    let mut sent = Sent::of(&node)?;
    let says = |name: &str| node.member(name).is_some();
    let changes = PlanChanges {
        label: sent.text("label"),
        meters: limits(&mut sent),
        trial_days: says("trialDays").then(|| trial_days(&mut sent)),
        trial_end: says("trialEndStatus").then(|| trial_end(&mut sent)),
        collects_payment: says("isTrialCollectPayment").then(|| sent.flag("isTrialCollectPayment")),
    };
    sent.faults.check()?;
    let (bucket, plan) = (call.part("bucketId"), call.part("planId"));
    metered::change_plan(call.ctx(), &call.actor(), bucket, plan, changes).await?;
    one(call).await
}

fn meter_tree(meter: &MeterView) -> Tree {
    Tree::object([
        ("key", Tree::text(&meter.key)),
        ("label", Tree::text(&meter.label)),
        ("planIds", Tree::List(meter.plans.iter().map(|plan| Tree::text(plan)).collect())),
    ])
}

async fn meters(call: Call) -> Result<Answer, Problem> {
    only(&call, &["limit", "offset"])?;
    list(&call, &metered::meters(call.ctx(), call.part("bucketId")).await?, meter_tree)
}

async fn meter(call: Call) -> Result<Answer, Problem> {
    let key = call.part("meterKey");
    let all = metered::meters(call.ctx(), call.part("bucketId")).await?;
    let found = all.iter().find(|meter| meter.key == key);
    let found = found.ok_or_else(|| Problem::new(METER_NOT_FOUND, format!("no plan has a meter `{key}`")))?;
    Ok(Answer::ok(meter_tree(found)))
}
