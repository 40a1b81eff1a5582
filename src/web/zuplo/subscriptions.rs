//! Subscriptions of a bucket (routes Z1 to Z5).

use super::read::{Sent, node};
use super::{listed, made, only, part, present};
use crate::answer::Answer;
use crate::call::Call;
use crate::doc::{Doc, Field, Gives, QueryDoc, Type, field, member, required};
use crate::json::Tree;
use crate::problem::{BAD_QUERY, Problem};
use crate::route::Route;
use domain::api_key::Scope;
use domain::book_file::Node;
use domain::metered::{Interval, Status, TrialEnd};
use domain::query::Kind;
use domain::{DateTime, Decimal, Utc};
use http::{Method, StatusCode};
use operations::metered::{self, Changes, NewSubscription, SubscriptionFilter, SubscriptionView};

const REGIONS: [&str; 3] = ["us-central1", "us-east1", "europe-west4"];
const STATUSES: &str =
    "active, inactive, incomplete, incomplete-expired, trialing, past-due, canceled, unpaid";

/// A subscription as it is answered.
const SUBSCRIPTION: &[Field] = &[
    field("id", Kind::Text, ""),
    field("createdOn", Kind::Instant, ""),
    field("updatedOn", Kind::Instant, ""),
    member("planIds", Type::Values(Kind::Text), ""),
    member("planExternalIds", Type::Values(Kind::Text), ""),
    field("status", Kind::Text, ""),
    field("type", Kind::Text, "periodic"),
    field("renewalStrategy", Kind::Text, "monthly or yearly"),
    field("region", Kind::Text, ""),
    field("customerKey", Kind::Text, ""),
    field("subscriptionExternalId", Kind::Text, ""),
    field("customerExternalId", Kind::Text, ""),
    field("quotaResetAnchor", Kind::Instant, ""),
    member("metadata", Type::Any, ""),
    field("trialEndStatus", Kind::Text, ""),
    field("trialStartDate", Kind::Instant, ""),
    field("trialEndDate", Kind::Instant, ""),
    field("nextBillingCycle", Kind::Instant, ""),
    field("productKey", Kind::Text, ""),
];
const PAGE: Doc = Doc::new("Subscriptions of a bucket", Gives::Listed(SUBSCRIPTION)).query(QueryDoc::Metered);
const CREATE: Doc =
    Doc::new("Make a subscription; the same again is the same one", Gives::Fields(SUBSCRIPTION))
        .takes(&[
            member("planIds", Type::Values(Kind::Text), "or planExternalIds, or both if they say the same"),
            member("planExternalIds", Type::Values(Kind::Text), ""),
            required("status", Kind::Text, STATUSES),
            required("type", Kind::Text, "periodic"),
            required("renewalStrategy", Kind::Text, "monthly or yearly"),
            required("region", Kind::Text, "us-central1, us-east1 or europe-west4"),
            required(
                "customerKey",
                Kind::Text,
                "RefKey or account number of a customer; made if there is none",
            ),
            required("subscriptionExternalId", Kind::Text, "the caller's own id"),
            required("customerExternalId", Kind::Text, ""),
            field("quotaResetAnchor", Kind::Instant, "where the cycles of quotas are counted from"),
            field("nextBillingCycle", Kind::Instant, "where the cycles of bills are counted from"),
            field("trialStartDate", Kind::Instant, ""),
            field("trialEndDate", Kind::Instant, ""),
            field(
                "trialEndStatus",
                Kind::Text,
                "paused or canceled: what becomes of a trial without a method to pay",
            ),
            member("metadata", Type::Any, "an object"),
            field("productKey", Kind::Text, ""),
        ])
        .success(201)
        .or(200);
const ONE: Doc = Doc::new("A subscription", Gives::Fields(SUBSCRIPTION));
const DELETE: Doc =
    Doc::new("Delete a subscription of which nothing was booked", Gives::Nothing).success(204);
const CHANGE: Doc = Doc::new("Change a subscription", Gives::Fields(SUBSCRIPTION)).takes(&[
    member("planExternalIds", Type::Values(Kind::Text), "the plans from now on"),
    field("prorate", Kind::Exact, "0 to 1: the part of the new quota that the rest of the cycle gets"),
    field("status", Kind::Text, STATUSES),
    member("metadata", Type::Any, "an object, merged; null takes a member away"),
    field("trialEndDate", Kind::Instant, ""),
]);

pub fn routes() -> Vec<Route> {
    const ALL: &str = "/v1/metering/{bucketId}/subscriptions";
    const ONE_PATH: &str = "/v1/metering/{bucketId}/subscriptions/{subscriptionId}";
    vec![
        Route::new(Method::GET, ALL, Scope::Read, PAGE, page),
        Route::new(Method::POST, ALL, Scope::Write, CREATE, create)
            .answered_by(|call| async move { shown_new(&call, &made(&call)?).await }),
        Route::new(Method::GET, ONE_PATH, Scope::Read, ONE, one),
        Route::new(Method::DELETE, ONE_PATH, Scope::Write, DELETE, |call| async move {
            let (bucket, id) = (call.part("bucketId"), call.part("subscriptionId"));
            metered::delete(call.ctx(), &call.actor(), bucket, id).await?;
            Ok(Answer::empty(StatusCode::NO_CONTENT))
        }),
        Route::new(Method::PATCH, ONE_PATH, Scope::Write, CHANGE, change).shown_by(one),
    ]
}

fn tree(view: &SubscriptionView) -> Tree {
    let body = &view.row.body;
    let texts = |all: &[String]| Tree::List(all.iter().map(|text| Tree::text(text)).collect());
    let instant = |at: Option<DateTime<Utc>>| at.map(Tree::instant);
    present(vec![
        ("id", Some(Tree::text(&view.row.id))),
        ("createdOn", Some(Tree::instant(view.row.created_at))),
        ("updatedOn", Some(Tree::instant(view.row.updated_at))),
        ("planIds", Some(texts(body.plans()))),
        ("planExternalIds", Some(texts(&view.plan_external_ids))),
        ("status", Some(Tree::text(view.status.name()))),
        ("type", Some(Tree::text("periodic"))),
        ("renewalStrategy", Some(Tree::text(body.renewal.name()))),
        ("region", Some(Tree::text(&body.region))),
        ("customerKey", Some(Tree::text(&body.customer_key))),
        ("subscriptionExternalId", Some(Tree::text(&body.external_id))),
        ("customerExternalId", Some(Tree::text(&body.customer_external_id))),
        ("quotaResetAnchor", Some(Tree::instant(view.quota_anchor))),
        ("metadata", body.metadata.as_ref().map(Tree::value)),
        ("trialEndStatus", body.trial_end_status.map(|end| Tree::text(end.name()))),
        ("trialStartDate", instant(body.trial_start)),
        ("trialEndDate", instant(body.trial_end)),
        ("nextBillingCycle", instant(view.next_billing)),
        ("productKey", body.product_key.as_deref().map(Tree::text)),
    ])
}

async fn page(call: Call) -> Result<Answer, Problem> {
    only(&call, &["limit", "offset", "customerKey", "subscriptionExternalId", "status"])?;
    let status = match call.asked("status") {
        None => None,
        Some(text) => Some(Status::parse(text).ok_or_else(|| {
            Problem::new(BAD_QUERY, format!("status: `{text}` is none of {STATUSES}"))
                .at("status", "is unknown")
        })?),
    };
    let wanted = SubscriptionFilter {
        customer_key: call.asked("customerKey").map(str::to_owned),
        external_id: call.asked("subscriptionExternalId").map(str::to_owned),
        status,
    };
    let part = part(&call)?;
    let (shown, total) = metered::subscriptions(call.ctx(), call.part("bucketId"), &wanted, part).await?;
    Ok(listed(shown.iter().map(tree).collect(), part, total))
}

async fn one(call: Call) -> Result<Answer, Problem> {
    let (bucket, id) = (call.part("bucketId"), call.part("subscriptionId"));
    Ok(Answer::ok(tree(&metered::subscription(call.ctx(), bucket, id).await?)))
}

async fn shown_new(call: &Call, id: &str) -> Result<Answer, Problem> {
    let bucket = call.part("bucketId");
    let view = metered::subscription(call.ctx(), bucket, id).await?;
    Ok(Answer::ok(tree(&view)).located(&format!("/v1/metering/{bucket}/subscriptions/{id}")))
}

/// Whatever the client keeps with a subscription: numbers stay numbers.
fn as_sent(node: &Node) -> serde_json::Value {
    use serde_json::Value;
    match node {
        Node::Number(digits) => digits.parse().map_or_else(|_| Value::String(digits.clone()), Value::Number),
        Node::List(list) => list.iter().map(as_sent).collect(),
        Node::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), as_sent(value))).collect())
        }
        Node::Null | Node::Bool(_) | Node::Text(_) => node.to_value(),
    }
}

fn metadata(sent: &mut Sent<'_>) -> Option<serde_json::Value> {
    match sent.get("metadata")? {
        node @ Node::Object(_) => Some(as_sent(node)),
        other => {
            sent.wrong("metadata", format!("is {}, not an object", other.noun()));
            None
        }
    }
}

fn interval(text: &str) -> Option<Interval> {
    [Interval::Monthly, Interval::Yearly].into_iter().find(|interval| interval.name() == text)
}

async fn create(call: Call) -> Result<Answer, Problem> {
    let node = node(&call)?;
    let new = read(&node)?;
    let (id, is_new) = metered::create(call.ctx(), &call.actor(), call.part("bucketId"), new).await?;
    let mut answer = shown_new(&call, &id).await?;
    if !is_new {
        answer.status = StatusCode::OK;
    }
    Ok(answer)
}

fn read(node: &Node) -> Result<NewSubscription, Problem> {
    let mut sent = Sent::of(node)?;
    for name in ["status", "type", "renewalStrategy", "region"] {
        if sent.get(name).is_none() {
            sent.wrong(name, "is missing");
        }
    }
    sent.word("type", |text| (text == "periodic").then_some(()), "periodic");
    let status = sent.word("status", Status::parse, STATUSES);
    let renewal = sent.word("renewalStrategy", interval, "monthly, yearly");
    let region =
        sent.word("region", |text| REGIONS.iter().find(|known| **known == text), &REGIONS.join(", "));
    let (plan_ids, external) = (sent.texts("planIds"), sent.texts("planExternalIds"));
    if plan_ids.is_none() && external.is_none() {
        sent.wrong("planIds", "is missing");
    }
    let new = NewSubscription {
        plan_ids: plan_ids.unwrap_or_default(),
        plan_external_ids: external.unwrap_or_default(),
        status: status.unwrap_or(Status::Active),
        renewal: renewal.unwrap_or(Interval::Monthly),
        region: region.map_or_else(String::new, |region| (*region).to_owned()),
        customer_key: sent.required("customerKey"),
        external_id: sent.required("subscriptionExternalId"),
        customer_external_id: sent.required("customerExternalId"),
        product_key: sent.text("productKey"),
        quota_anchor: sent.instant("quotaResetAnchor"),
        billing_anchor: sent.instant("nextBillingCycle"),
        trial_start: sent.instant("trialStartDate"),
        trial_end: sent.instant("trialEndDate"),
        trial_end_status: sent.word("trialEndStatus", TrialEnd::parse, "paused, canceled"),
        metadata: metadata(&mut sent),
        made_from: node.to_value().to_string(),
    };
    sent.faults.check()?;
    Ok(new)
}

async fn change(call: Call) -> Result<Answer, Problem> {
    let node = node(&call)?;
    let mut sent = Sent::of(&node)?;
    let prorate = match sent.get("prorate") {
        None => None,
        Some(Node::Number(text)) => {
            let part = text.parse::<Decimal>().ok();
            let part = part.filter(|part| (Decimal::ZERO..=Decimal::ONE).contains(part));
            if part.is_none() {
                sent.wrong("prorate", "is not within 0 and 1");
            }
            part
        }
        Some(other) => {
            sent.wrong("prorate", format!("is {}, not a number", other.noun()));
            None
        }
    };
    let changes = Changes {
        plan_external_ids: sent.texts("planExternalIds"),
        prorate,
        status: sent.word("status", Status::parse, STATUSES),
        metadata: metadata(&mut sent),
        trial_end: sent.instant("trialEndDate"),
    };
    sent.faults.check()?;
    let (bucket, id) = (call.part("bucketId"), call.part("subscriptionId"));
    metered::change(call.ctx(), &call.actor(), bucket, id, changes).await?;
    one(call).await
}
