//! Charges of subscriptions (routes 102 to 113): a row for each period that was billed, and one that is pending. What is asked
//! of a row is asked of its charge.

use super::listed::{self, Listed};
use super::objects::path_id;
use super::view;
use crate::answer::Answer;
use crate::body::{Body, Faults};
use crate::call::Call;
use crate::doc::{Doc, Gives, field};
use crate::problem::{BILLED, INVALID, Problem, SUBSCRIPTION_CHARGE_NOT_FOUND};
use crate::route::Route;
use domain::api_key::Scope;
use domain::book_file::Node;
use domain::ids::ChargeReference;
use domain::query::{Kind, Record, Value};
use http::{Method, StatusCode};
use operations::Act;
use operations::lists::{self, Noun};
use operations::subscriptions::change::{self, Change};
use serde_json::Map;
use uuid::Uuid;

const NOUN: Noun = Noun::SubscriptionCharge;
const CHARGES: Listed = Listed {
    noun: NOUN,
    missing: SUBSCRIPTION_CHARGE_NOT_FOUND,
    page: "/v3/subscriptioncharges",
    query: "/v3/subscriptioncharges/query",
    one: "/v3/subscriptioncharges/{subscriptionChargeId}",
    are: [
        "Charges of subscriptions: a row for each period",
        "Charges of subscriptions that pass a query",
        "A row of a charge; by the ReferenceID, the pending one",
    ],
};
const CHANGE: Doc = Doc::new("Change a charge from its next period on", Gives::Object(NOUN)).takes(&[
    field("Amount", Kind::Exact, "quantity"),
    field("UnitPrice", Kind::Exact, "a price of its own; null is the plan's again"),
    field("NextChargeDate", Kind::Day, "bill it on this day"),
    field("RefKey", Kind::Text, "a name of the caller's"),
]);
const BY_REFKEY: Doc = Doc::new("The pending row of the charge that has this name", Gives::Object(NOUN));
const DELETE: Doc = Doc::new("Take a charge off its subscription", Gives::Nothing).success(204);
const SET_AMOUNT: Doc = Doc::new("Set the quantity", Gives::Object(NOUN)).takes(&[
    field("Quantity", Kind::Exact, "or Amount, or the number alone"),
    field("Prorate", Kind::Flag, ""),
    field("EntryDate", Kind::Day, "day on which it takes effect"),
]);
const TOGGLE: Doc = Doc::new("Let a charge go by unbilled, or bill it again", Gives::Object(NOUN))
    .takes(&[field("Toggled", Kind::Flag, "the other way round unless given")]);

const HOLD: Doc = Doc::new("Let a charge rest, alone", Gives::Object(NOUN)).takes(&[field(
    "Refund",
    Kind::Text,
    "`prorated` gives back what is paid of it in advance",
)]);
const RESUME: Doc = Doc::new("End the hold of a charge", Gives::Object(NOUN)).takes(&[field(
    "ResumeOption",
    Kind::Int,
    "0 with the next period, 1 from the day of the hold, 2 today on a new anchor",
)]);

pub fn routes() -> Vec<Route> {
    const ONE: &str = "/v3/subscriptioncharges/{subscriptionChargeId}";
    let put = |path: &'static str, doc| (Method::PUT, path, Scope::Write, doc);
    let show = |call: Call| async move { shown(&call).await };
    let mut routes = CHARGES.routes();
    routes.extend([
        Route::new(Method::PATCH, ONE, Scope::Write, CHANGE, change_one).shown_by(show),
        Route::new(Method::PUT, ONE, Scope::Write, CHANGE, change_one).shown_by(show),
        Route::new(Method::DELETE, ONE, Scope::Write, DELETE, remove),
        Route::new(
            Method::GET,
            "/v3/subscriptioncharges/byrefkey/{refKey}",
            Scope::Read,
            BY_REFKEY,
            by_refkey,
        ),
    ]);
    let verbs = [
        (
            put("/v3/subscriptioncharges/{subscriptionChargeId}/setamount", SET_AMOUNT),
            "setamount",
            "quantity",
        ),
        (
            put("/v3/subscriptioncharges/{referenceId}/setamountbyreferenceid", SET_AMOUNT),
            "setamount",
            "quantity",
        ),
        (
            put("/v3/subscriptioncharges/{subscriptionChargeId}/togglecharge", TOGGLE),
            "togglecharge",
            "toggled",
        ),
        (put("/v3/subscriptioncharges/{subscriptionChargeId}/hold", HOLD), "holdcharge", "refund"),
        (
            put("/v3/subscriptioncharges/{subscriptionChargeId}/resume", RESUME),
            "resumecharge",
            "resumeoption",
        ),
    ];
    for ((method, path, scope, doc), verb, bare) in verbs {
        routes.push(Route::new(method, path, scope, doc, move |call| asked(call, verb, bare)).shown_by(show));
    }
    routes
}

/// The pending row of the charge; its id is another one once the period has changed.
async fn shown(call: &Call) -> Result<Answer, Problem> {
    let id = path_id(call)?;
    match lists::by_id(call.ctx(), NOUN, id).await? {
        Some(record) => {
            listed::one(call, NOUN, reference(&record).unwrap_or(id), SUBSCRIPTION_CHARGE_NOT_FOUND).await
        }
        None => Err(listed::absent(NOUN, SUBSCRIPTION_CHARGE_NOT_FOUND, &id.to_string())),
    }
}

fn value<'r>(record: &'r Record, name: &str) -> Option<&'r Value> {
    view::value(NOUN.entity(), record, name)
}

fn reference(record: &Record) -> Option<Uuid> {
    view::guid(NOUN.entity(), record, "ReferenceID")
}

/// The charge that is meant: a row that was billed is over.
async fn meant(call: &Call) -> Result<Uuid, Problem> {
    let id = path_id(call)?;
    let record = lists::by_id(call.ctx(), NOUN, id).await?;
    let found = record.as_ref().and_then(|record| Some((record, reference(record)?)));
    let Some((record, reference)) = found else {
        return Err(listed::absent(NOUN, SUBSCRIPTION_CHARGE_NOT_FOUND, &id.to_string()));
    };
    if id == reference || matches!(value(record, "PreviousChargeDate"), None | Some(Value::Null)) {
        return Ok(reference);
    }
    let pending = lists::by_id(call.ctx(), NOUN, reference).await?;
    let now = pending.as_ref().and_then(|record| match record.id() {
        Value::Guid(id) => Some(*id),
        _ => None,
    });
    let told = now.map_or_else(String::new, |now| format!("; the pending row is {now}"));
    Err(Problem::new(BILLED, format!("the period of this row is billed{told}")))
}

/// A verb on one charge.
fn verb(name: &str, reference: Uuid, arguments: &[(&str, serde_json::Value)]) -> Change {
    let mut map: Map<String, serde_json::Value> =
        arguments.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    map.insert("charge".to_owned(), reference.to_string().into());
    Change { verb: name.to_owned(), arguments: map, effective: None }
}

async fn change_one(call: Call) -> Result<Answer, Problem> {
    let reference = meant(&call).await?;
    let node = call.json()?.unwrap_or(Node::Object(Vec::new()));
    let sent = Body::of(&node, "")?;
    let mut faults = Faults::default();
    let answered = NOUN.entity().properties.iter().map(|property| property.name);
    let known: Vec<&'static str> =
        answered.chain(["CustomPrice", "Description", "RefKey", "PreviousAmount", "Discount"]).collect();
    sent.only(&known, &mut faults);
    let amount = sent.plain(&["Amount"], &mut faults);
    let price = sent.plain(&["UnitPrice", "CustomPrice"], &mut faults);
    let refkey = sent.plain(&["RefKey"], &mut faults);
    if refkey.as_ref().is_some_and(|refkey| refkey.len() > 255 || refkey.contains(char::is_control)) {
        faults.add(sent.at("RefKey"), INVALID.word, "is longer than 255 bytes, or has a control character");
    }
    faults.check()?;
    let mut changes = Vec::new();
    if let Some(amount) = amount {
        changes.push(verb("setamount", reference, &[("amount", amount.into())]));
    }
    let says_price = ["UnitPrice", "CustomPrice"].iter().any(|name| node.member(name).is_some());
    match price {
        Some(price) => changes.push(verb("setprice", reference, &[("unitprice", price.into())])),
        None if says_price => changes.push(verb("setprice", reference, &[])),
        None => {}
    }
    if let Some(day) = sent.get(&["NextChargeDate"]) {
        let day = call.day(day, &sent.at("NextChargeDate")).await?;
        let before = lists::by_id(call.ctx(), NOUN, reference).await?;
        if before.as_ref().and_then(|record| value(record, "NextChargeDate")) != Some(&Value::Day(day)) {
            changes.push(verb("setnextchargedate", reference, &[("date", day.to_string().into())]));
        }
    }
    let name = match &refkey {
        Some(refkey) => {
            let before = lists::by_id(call.ctx(), NOUN, reference).await?;
            let is_same = before.as_ref().and_then(|record| value(record, "RefKey"))
                == Some(&Value::Text(refkey.clone()));
            (!is_same).then_some((ChargeReference(reference), refkey.as_str()))
        }
        None => None,
    };
    change::change_charge(call.ctx(), &call.act().await?, &changes, name).await?;
    shown(&call).await
}

async fn by_refkey(call: Call) -> Result<Answer, Problem> {
    let refkey = call.part("refKey");
    match lists::named(call.ctx(), NOUN, refkey).await? {
        Some(reference) => listed::one(&call, NOUN, reference, SUBSCRIPTION_CHARGE_NOT_FOUND).await,
        None => Err(listed::absent(NOUN, SUBSCRIPTION_CHARGE_NOT_FOUND, refkey)),
    }
}

async fn remove(call: Call) -> Result<Answer, Problem> {
    let reference = meant(&call).await?;
    change::change_all(call.ctx(), &call.act().await?, &[verb("removecharge", reference, &[])]).await?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

async fn asked(call: Call, name: &'static str, bare: &'static str) -> Result<Answer, Problem> {
    let reference = meant(&call).await?;
    let node = super::day::object(call.json()?, bare);
    let sent = Body::of(&node, "")?;
    let mut faults = Faults::default();
    let known: &[&'static str] = match name {
        "setamount" => &["Quantity", "Amount", "Prorate", "EntryDate"],
        "holdcharge" => &["Refund", "EntryDate"],
        "resumecharge" => &["ResumeOption", "EntryDate"],
        _ => &["Toggled", "EntryDate"],
    };
    sent.only(known, &mut faults);
    let mut arguments: Vec<(&str, serde_json::Value)> = Vec::new();
    if name == "setamount" {
        match sent.plain(&["Quantity", "Amount"], &mut faults) {
            Some(amount) => arguments.push(("amount", amount.into())),
            None => faults.add("/Quantity".to_owned(), INVALID.word, "is missing"),
        }
    }
    for argument in ["Prorate", "Toggled", "Refund", "ResumeOption"] {
        arguments.extend(sent.get(&[argument]).map(|value| (argument, value.to_value())));
    }
    faults.check()?;
    let act: Act = call.act().await?;
    let mut change = verb(name, reference, &arguments);
    if let Some(day) = sent.get(&["EntryDate"]) {
        change.effective = Some(call.day(day, &sent.at("EntryDate")).await?);
    }
    change::change_all(call.ctx(), &act, &[change]).await?;
    shown(&call).await
}
