//! Subscriptions as bodies write them: plan charges and payment methods by id.

use super::view;
use crate::call::Call;
use crate::problem::Problem;
use domain::book_file::Node;
use domain::query::{Record, Value};
use operations::lists::{self, Noun};
use uuid::Uuid;

/// A new one starts today unless it says something else.
pub async fn complete(call: &Call, document: &mut Node) -> Result<(), Problem> {
    if document.member("startdate").is_none_or(|value| *value == Node::Null) {
        document.set("startdate", Node::Text(call.act().await?.on.to_string()));
    }
    name_parts(call, document).await
}

/// Ids of plan charges and payment methods become the names under which the book knows them; what is no id stays.
pub async fn name_parts(call: &Call, document: &mut Node) -> Result<(), Problem> {
    if let Some(method) = id_of(document.member("paymentmethodid"))
        && let Some(record) = lists::by_id(call.ctx(), Noun::PaymentMethod, method).await?
    {
        document.set("paymentmethodid", text(Noun::PaymentMethod, &record, "RefKey"));
    }
    let charges = ["subscriptioncharges", "charges"].into_iter().find(|name| document.member(name).is_some());
    let Some(list) = charges.and_then(|name| document.list_mut(name)) else { return Ok(()) };
    for charge in list {
        let Some(id) = id_of(charge.member("productplanchargeid")) else { continue };
        if let Some(sku) = plan_charge(call, id).await? {
            charge.set("productplanchargeid", Node::Text(sku));
        }
    }
    Ok(())
}

/// The SKU of a plan's charge by its id.
pub async fn plan_charge(call: &Call, id: Uuid) -> Result<Option<String>, Problem> {
    let catalogue = call.ctx().catalogue().await?;
    let all = catalogue.plans.values().flat_map(|plan| plan.charges.iter().map(move |charge| (plan, charge)));
    let found = all.into_iter().find(|(plan, charge)| lists::plan_charge_id(&plan.sku, &charge.sku) == id);
    Ok(found.map(|(_, charge)| charge.sku.clone()))
}

pub fn id_of(node: Option<&Node>) -> Option<Uuid> {
    match node {
        Some(Node::Text(text)) => text.parse().ok(),
        _ => None,
    }
}

/// A text of a record.
pub fn text(noun: Noun, record: &Record, name: &str) -> Node {
    match view::value(noun.entity(), record, name) {
        Some(Value::Text(text)) => Node::Text(text.clone()),
        _ => Node::Null,
    }
}
