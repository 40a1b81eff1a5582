//! Subscriptions: read, and asked their verbs (routes 82 to 101, T7 to T9).

use super::day::object;
use super::listed;
use super::subscription_forms::{id_of, plan_charge, text};
use crate::answer::Answer;
use crate::body::Body;
use crate::call::Call;
use crate::doc::{Doc, Gives, QueryDoc, field};
use crate::json::Tree;
use crate::problem::{Problem, SUBSCRIPTION_NOT_FOUND};
use crate::route::Route;
use domain::api_key::Scope;
use domain::book_file::Node;
use domain::query::{Kind, Value};
use http::Method;
use operations::lists::{self, Noun};
use operations::subscriptions::change::{self, Change};
use operations::subscriptions::preview;

const NOUN: Noun = Noun::Subscription;

/// Last part of the path, the verb, and what a text or number alone means.
const VERBS: [(&str, &str, &str); 12] = [
    ("/v3/subscriptions/{subscriptionId}/activate", "activate", "effective"),
    ("/v3/subscriptions/{subscriptionId}/cancel", "cancel", "canceloption"),
    ("/v3/subscriptions/{subscriptionId}/reactivate", "reactivate", "effective"),
    ("/v3/subscriptions/{subscriptionId}/expire", "expire", "effective"),
    ("/v3/subscriptions/{subscriptionId}/hold", "hold", "effective"),
    ("/v3/subscriptions/{subscriptionId}/resume", "resume", "resumeoption"),
    ("/v3/subscriptions/{subscriptionId}/renew", "renew", "effective"),
    ("/v3/subscriptions/{subscriptionId}/setamount", "setamount", "quantity"),
    ("/v3/subscriptions/{subscriptionId}/switchplan", "switchplan", "productplan"),
    ("/v3/subscriptions/{subscriptionId}/setpaymentmethod", "setpaymentmethod", "paymentmethod"),
    ("/v3/subscriptions/{subscriptionId}/removepaymentmethod", "setpaymentmethod", "paymentmethod"),
    ("/v3/subscriptions/{subscriptionId}/addoptionalcharge", "addoptionalcharge", "charge"),
];

const PAGE: Doc = Doc::new("Subscriptions", Gives::Rows(NOUN)).query(QueryDoc::Page);
const QUERY: Doc = Doc::new("Subscriptions that pass a query", Gives::Page(NOUN)).query(QueryDoc::OData);
const ONE: Doc = Doc::new("A subscription with its charges", Gives::Object(NOUN));
const VERB: Doc =
    Doc::new("Ask a verb of a subscription", Gives::Object(NOUN)).query(QueryDoc::Preview).takes(&[
        field("EntryDate", Kind::Day, "day on which it takes effect; today unless given"),
        field("ActivationDate", Kind::Day, "the same, for activate"),
        field(
            "CancelOption",
            Kind::Int,
            "0 at renewal, 1 immediately, 2 before the next billing, 3 on CancelDate",
        ),
        field("CancelDate", Kind::Day, ""),
        field("Refund", Kind::Text, "none or prorated"),
        field("ResumeOption", Kind::Int, "0 next period, 1 from the day of the hold, 2 today"),
        field("Quantity", Kind::Exact, ""),
        field("ProductPlanChargeID", Kind::Text, "the charge, by id, SKU or reference"),
        field("All", Kind::Flag, "every recurring charge"),
        field("Prorate", Kind::Flag, ""),
        field("toPlan", Kind::Text, "the plan, by id or SKU"),
        field("When", Kind::Text, "now, next_charge or at_renewal"),
        field("PaymentMethodID", Kind::Text, "a method of the owner, by id or refkey"),
        field("UnitPrice", Kind::Exact, "a price of its own"),
    ]);

pub fn routes() -> Vec<Route> {
    let mut routes = vec![
        Route::new(Method::GET, "/v3/subscriptions", Scope::Read, PAGE, page),
        Route::new(Method::GET, "/v3/subscriptions/query", Scope::Read, QUERY, query),
        Route::new(Method::GET, "/v3/subscriptions/{subscriptionId}", Scope::Read, ONE, one),
    ];
    routes.extend(VERBS.map(|(path, verb, bare)| {
        Route::new(Method::PUT, path, Scope::Write, VERB, move |call| asked(call, verb, bare)).shown_by(one)
    }));
    routes
}

async fn page(call: Call) -> Result<Answer, Problem> {
    listed::rows(&call, NOUN).await
}

async fn query(call: Call) -> Result<Answer, Problem> {
    listed::query(&call, NOUN).await
}

async fn one(call: Call) -> Result<Answer, Problem> {
    listed::one(&call, NOUN, call.id("subscriptionId")?, SUBSCRIPTION_NOT_FOUND).await
}

/// Does the verb, or shows with `?preview=true` what it would cost.
async fn asked(call: Call, verb: &'static str, bare: &'static str) -> Result<Answer, Problem> {
    let mut change = read(&call, verb, bare).await?;
    let mut act = call.act().await?;
    // An activation is done on its day.
    if verb == "activate"
        && let Some(day) = change.effective.take()
    {
        act.on = day;
    }
    if call.flag("preview")? {
        let preview = preview::preview(call.ctx(), &act, &change, None).await?;
        let shown = serde_json::to_value(&preview).map_err(anyhow::Error::from)?;
        return Ok(Answer::ok(Tree::object([
            ("AsOf", Tree::Text(preview.as_of.to_string())),
            ("Without", Tree::value(&shown["without"]).with_amounts()),
            ("With", Tree::value(&shown["with"]).with_amounts()),
        ])));
    }
    change::change(call.ctx(), &act, &change).await?;
    one(call).await
}

async fn read(call: &Call, verb: &'static str, bare: &'static str) -> Result<Change, Problem> {
    let id = call.id("subscriptionId")?;
    let Some(record) = lists::by_id(call.ctx(), NOUN, id).await? else {
        return Err(listed::absent(NOUN, SUBSCRIPTION_NOT_FOUND, &id.to_string()));
    };
    let node = object(call.json()?, bare);
    let body = Body::of(&node, "")?;
    let days = ["EntryDate", "ActivationDate", "Effective"];
    let effective = match days.iter().find(|name| body.get(&[name]).is_some()) {
        Some(name) => match body.get(&[name]) {
            Some(day) => Some(call.day(day, &body.at(name)).await?),
            None => None,
        },
        None => None,
    };
    let mut arguments = serde_json::Map::new();
    if let Node::Object(members) = &node {
        for (name, value) in
            members.iter().filter(|(name, _)| !days.iter().any(|day| day.eq_ignore_ascii_case(name)))
        {
            let name = alias(name);
            let named = named(call, &name, value).await?;
            arguments.insert(name, named.as_ref().unwrap_or(value).to_value());
        }
    }
    if let Some(Value::Text(number)) = record.values.get(1) {
        arguments.insert("subscription".to_owned(), number.clone().into());
    }
    Ok(Change { verb: verb.to_owned(), arguments, effective })
}

/// What a verb names by id, under the name by which the book knows it; none if it is no id, or the id of something else.
async fn named(call: &Call, name: &str, value: &Node) -> Result<Option<Node>, Problem> {
    let Some(id) = id_of(Some(value)) else { return Ok(None) };
    let (noun, property) = match name {
        "productplan" | "productplanid" => (Noun::ProductPlan, "SKU"),
        "paymentmethod" | "paymentmethodid" => (Noun::PaymentMethod, "RefKey"),
        "charge" | "productplanchargeid" => return Ok(plan_charge(call, id).await?.map(Node::Text)),
        _ => return Ok(None),
    };
    let record = lists::by_id(call.ctx(), noun, id).await?;
    Ok(record.map(|record| text(noun, &record, property)))
}

/// Names that Upodi's clients use for what has another one here.
fn alias(name: &str) -> String {
    match name.to_ascii_lowercase().as_str() {
        "toplan" => "productplan".to_owned(),
        "canceldate" => "date".to_owned(),
        other => other.to_owned(),
    }
}
