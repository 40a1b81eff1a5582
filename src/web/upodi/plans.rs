//! Product plans with their charges and prices (routes 36 to 55).

use super::listed;
use super::objects::{PLAN, body, path_id, sent_id};
use super::subscription_forms::id_of;
use super::written::{Form, refused};
use crate::answer::Answer;
use crate::call::Call;
use crate::doc::{Doc, Gives, Type, field, member};
use crate::json::Tree;
use crate::problem::{BAD_ID, CHARGE_NOT_FOUND, INVALID, PLAN_NOT_FOUND, Problem};
use crate::route::Route;
use domain::api_key::Scope;
use domain::book_file::{Node, ObjectKind, Shape, Table};
use domain::catalogue::Plan;
use domain::query::{Entity, Kind, Value};
use http::{Method, StatusCode};
use operations::book::documents::{self, Changed};
use operations::book::objects;
use operations::lists::{self, Noun, plan_charge_id};
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

const NOUN: Noun = Noun::ProductPlan;
const ACTIVATE: Doc = Doc::new("Offer a plan", Gives::Object(NOUN));
const DEACTIVATE: Doc = Doc::new("Let no new subscription have a plan", Gives::Object(NOUN));
const ADD: Doc = Doc::new(
    "Add charges to a plan: one, or a list",
    Gives::Fields(&[
        field("ID", Kind::Guid, "of the first one"),
        member("IDs", Type::Values(Kind::Guid), "of each"),
        member("Items", Type::Records(entity), "as they are"),
    ]),
)
.success(201);
const CLEAR: Doc = Doc::new("Take all charges from a plan that nobody has", Gives::Nothing).success(204);
const REPLACE: Doc = Doc::new("Replace a charge of a plan", Gives::Record(entity)).written();
const PRICE: Doc = Doc::new("Replace the prices of a charge", Gives::Record(entity));
const REMOVE: Doc = Doc::new("Take a charge from a plan", Gives::Nothing).success(204);
const DUPLICATE: Doc = Doc::new("Copy a plan as a draft", Gives::Object(NOUN))
    .takes(&[field("SKU", Kind::Text, "made unless given"), field("FullName", Kind::Text, "")])
    .success(201);
const BY_REFKEY: Doc = Doc::new("The first plan with this key", Gives::Object(NOUN));

pub fn routes() -> Vec<Route> {
    let show = |call: Call| async move { listed::one(&call, NOUN, path_id(&call)?, PLAN_NOT_FOUND).await };
    let charge = |call: Call| async move { shown_charge(&call, path_id(&call)?).await };
    vec![
        Route::new(
            Method::PUT,
            "/v3/productplans/{productPlanId}/activate",
            Scope::Write,
            ACTIVATE,
            activate,
        )
        .shown_by(show),
        Route::new(
            Method::PUT,
            "/v3/productplans/{productPlanId}/deactivate",
            Scope::Write,
            DEACTIVATE,
            deactivate,
        )
        .shown_by(show),
        Route::new(Method::POST, "/v3/productplans/{productPlanId}/charges", Scope::Write, ADD, add)
            .shown_by(show),
        Route::new(Method::DELETE, "/v3/productplans/{productPlanId}/charges", Scope::Write, CLEAR, clear),
        Route::new(
            Method::PUT,
            "/v3/productplans/charge/{productPlanChargeId}/pricings",
            Scope::Write,
            PRICE,
            price,
        )
        .shown_by(charge),
        Route::new(Method::PUT, "/v3/productplans/charge", Scope::Write, REPLACE, replace).shown_by(
            |call| async move {
                let id = sent_id(&body(&call)?)?;
                shown_charge(&call, id).await
            },
        ),
        Route::new(
            Method::DELETE,
            "/v3/productplans/charge/{productPlanChargeId}",
            Scope::Write,
            REMOVE,
            remove,
        ),
        Route::new(
            Method::POST,
            "/v3/productplans/{productPlanId}/duplicate",
            Scope::Write,
            DUPLICATE,
            duplicate,
        )
        .shown_by(|call| async move {
            match call.made {
                Some(id) => PLAN.created(&call, id).await,
                None => Err(anyhow::anyhow!("what was made is not known").into()),
            }
        }),
        Route::new(
            Method::GET,
            "/v3/productplans/byrefkey/{refKey}",
            Scope::Read,
            BY_REFKEY,
            |call| async move {
                let refkey = call.part("refKey").to_owned();
                listed::by_text(&call, NOUN, "RefKey", &refkey, PLAN_NOT_FOUND).await
            },
        ),
    ]
}

/// Charges that come without a SKU get one.
pub fn complete(document: &mut Node) {
    let name = ["productplancharges", "charges"].into_iter().find(|name| document.member(name).is_some());
    let Some(list) = name.and_then(|name| document.list_mut(name)) else { return };
    name_charges(list, 0);
}

/// Gives SKUs to charges from a place on.
fn name_charges(list: &mut [Node], from: usize) {
    for place in from..list.len() {
        if matches!(list[place].member("sku"), Some(Node::Text(sku)) if !sku.trim().is_empty()) {
            continue;
        }
        let base = match list[place].member("fullname") {
            Some(Node::Text(name)) if !name.trim().is_empty() => name.trim().to_owned(),
            _ => "CHARGE".to_owned(),
        };
        let is_taken =
            |name: &str| list.iter().any(|charge| charge.member("sku") == Some(&Node::Text(name.to_owned())));
        let names = std::iter::once(base.clone()).chain((2..).map(|n| format!("{base}-{n}")));
        let sku = names.into_iter().find(|name| !is_taken(name)).unwrap_or(base);
        list[place].set("sku", Node::Text(sku));
    }
}

fn table() -> &'static Table {
    let plan = ObjectKind::ProductPlan.table();
    match plan.field("charges").map(|field| field.shape) {
        Some(Shape::List(table)) => table,
        _ => plan,
    }
}

/// Charges of a plan.
pub fn entity() -> &'static Entity {
    let charges = NOUN.entity().list("ProductPlanCharges").map(|place| NOUN.entity().lists[place].1);
    charges.unwrap_or(NOUN.entity())
}

fn form() -> Form {
    Form { table: table(), entity: entity(), renamed: &[], left_out: &["productplanid"] }
}

/// Which charge an id means, and of which plan.
async fn meant(call: &Call, id: Uuid) -> Result<(String, Uuid, String), Problem> {
    let catalogue = call.ctx().catalogue().await?;
    for (plan_id, plan) in &catalogue.plans {
        if let Some(charge) = plan.charges.iter().find(|charge| plan_charge_id(&plan.sku, &charge.sku) == id)
        {
            return Ok((plan.sku.clone(), plan_id.0, charge.sku.clone()));
        }
    }
    Err(Problem::new(CHARGE_NOT_FOUND, format!("no plan has a charge {id}")))
}

async fn shown_charge(call: &Call, id: Uuid) -> Result<Answer, Problem> {
    let (_, plan, _) = meant(call, id).await?;
    Ok(Answer::ok(charge_tree(call, plan, id).await?))
}

async fn charge_tree(call: &Call, plan: Uuid, id: Uuid) -> Result<Tree, Problem> {
    let record = lists::by_id(call.ctx(), NOUN, plan).await?;
    let place = NOUN.entity().list("ProductPlanCharges").unwrap_or_default();
    let entity = NOUN.entity().lists[place].1;
    let charges =
        record.and_then(|mut record| record.lists.get_mut(place).map(std::mem::take)).unwrap_or_default();
    let charge = charges.into_iter().find(|charge| *charge.id() == Value::Guid(id));
    charge
        .map(|charge| super::view::whole(entity, &charge))
        .ok_or_else(|| Problem::new(CHARGE_NOT_FOUND, format!("no plan has a charge {id}")))
}

async fn activate(call: Call) -> Result<Answer, Problem> {
    let id = path_id(&call)?;
    insist_on_prices(&call, id).await?;
    set_status(&call, id, None).await
}

async fn deactivate(call: Call) -> Result<Answer, Problem> {
    let id = path_id(&call)?;
    set_status(&call, id, Some("inactive")).await
}

async fn set_status(call: &Call, id: Uuid, status: Option<&str>) -> Result<Answer, Problem> {
    PLAN.write(call, id, &Node::Null, |_, mut stored| {
        match status {
            Some(status) => stored.set("status", Node::Text(status.to_owned())),
            None => drop(stored.take("status")),
        }
        stored
    })
    .await?;
    listed::one(call, NOUN, id, PLAN_NOT_FOUND).await
}

/// A plan that is offered has a charge, and a price for each in every currency of its own.
async fn insist_on_prices(call: &Call, id: Uuid) -> Result<(), Problem> {
    let catalogue = call.ctx().catalogue().await?;
    let Some(plan) = catalogue.plans.get(&domain::ids::PlanId(id)) else {
        return Err(listed::absent(NOUN, PLAN_NOT_FOUND, &id.to_string()));
    };
    let told = match missing_price(plan) {
        None if !plan.charges.is_empty() => return Ok(()),
        None => "it has no charge".to_owned(),
        Some(told) => told,
    };
    Err(Problem::new(crate::problem::INCOMPLETE, format!("the plan {} cannot be offered: {told}", plan.sku)))
}

fn missing_price(plan: &Plan) -> Option<String> {
    use domain::catalogue::PricingModel;
    for charge in plan.charges.iter().filter(|charge| charge.pricing_model != PricingModel::Custom) {
        for currency in &plan.currencies {
            if !charge.pricings.iter().any(|pricing| pricing.currency == *currency) {
                return Some(format!("the charge {} has no price in {currency}", charge.sku));
            }
        }
    }
    None
}

/// Route 44: a charge, or a list of them.
async fn add(call: Call) -> Result<Answer, Problem> {
    let plan = path_id(&call)?;
    let node = body(&call)?;
    let sent = match &node {
        Node::List(list) if list.is_empty() => return Err(Problem::new(INVALID, "the list has no charge")),
        Node::List(list) => list.clone(),
        one => vec![one.clone()],
    };
    let is_list = matches!(node, Node::List(_));
    let mut charges = Vec::with_capacity(sent.len());
    for (place, one) in sent.iter().enumerate() {
        let pointer = if is_list { format!("/{place}") } else { String::new() };
        let mut charge = form().part(&call, one, &pointer).await?;
        name_dependency(&call, &mut charge).await?;
        charges.push(charge);
    }
    let added = Added::default();
    call.answer_with({
        let added = added.clone();
        move |call| {
            let added = added.clone();
            async move { shown_added(&call, plan, &added).await }
        }
    });
    documents::change(call.ctx(), &call.actor(), ObjectKind::ProductPlan, plan, |object, mut stored| {
        let mut part = "/charges".to_owned();
        if let Some(list) = stored.list_mut("charges") {
            let from = list.len();
            if !is_list {
                part = format!("/charges/{from}");
            }
            list.extend(charges);
            name_charges(list, from);
            let ids = list[from..].iter().filter_map(|charge| match charge.member("sku") {
                Some(Node::Text(sku)) => Some(plan_charge_id(&object.key, sku)),
                _ => None,
            });
            *added.lock().unwrap_or_else(PoisonError::into_inner) = ids.collect();
        }
        Ok(Changed::part(stored, part))
    })
    .await
    .map_err(|stop| refused(stop, &node, &form(), PLAN_NOT_FOUND))?;
    shown_added(&call, plan, &added).await
}

/// Ids of charges that a request has added.
type Added = Arc<Mutex<Vec<Uuid>>>;

async fn shown_added(call: &Call, plan: Uuid, added: &Added) -> Result<Answer, Problem> {
    let ids = added.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut items = Vec::with_capacity(ids.len());
    for id in &ids {
        items.push(charge_tree(call, plan, *id).await?);
    }
    let told = |id: &Uuid| Tree::Text(id.to_string());
    Ok(Answer::json(
        StatusCode::CREATED,
        Tree::object([
            ("ID", ids.first().map_or(Tree::Null, told)),
            ("IDs", Tree::List(ids.iter().map(told).collect())),
            ("Items", Tree::List(items)),
        ]),
    ))
}

/// The parent of a dependency, by its id.
async fn name_dependency(call: &Call, charge: &mut Node) -> Result<(), Problem> {
    if let Some(id) = id_of(charge.member("addonproductchargeid")) {
        let (_, _, sku) = meant(call, id).await?;
        charge.set("addonproductchargeid", Node::Text(sku));
    }
    Ok(())
}

async fn clear(call: Call) -> Result<Answer, Problem> {
    PLAN.write(&call, path_id(&call)?, &Node::Null, |_, mut stored| {
        stored.set("charges", Node::List(Vec::new()));
        stored
    })
    .await?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

/// Changes one charge in its plan's document.
async fn edit(
    call: &Call,
    id: Uuid,
    body: &Node,
    inner: &str,
    edit: impl FnOnce(&mut Vec<Node>, usize),
) -> Result<(), Problem> {
    let (_, plan, sku) = meant(call, id).await?;
    documents::change(call.ctx(), &call.actor(), ObjectKind::ProductPlan, plan, |_, mut stored| {
        let mut part = String::new();
        if let Some(list) = stored.list_mut("charges") {
            let name = Node::Text(sku);
            if let Some(place) = list.iter().position(|charge| charge.member("sku") == Some(&name)) {
                part = format!("/charges/{place}{inner}");
                edit(list, place);
            }
        }
        Ok(Changed::part(stored, part))
    })
    .await
    .map_err(|stop| refused(stop, body, &form(), CHARGE_NOT_FOUND))
}

/// Route 47: scalars that are not sent fall back; prices stay unless they are sent.
async fn replace(call: Call) -> Result<Answer, Problem> {
    let node = body(&call)?;
    let id = sent_id(&node)?;
    let mut charge = form().document(&call, &node).await?;
    name_dependency(&call, &mut charge).await?;
    edit(&call, id, &node, "", |list, place| {
        let old = &list[place];
        for name in ["sku", "pricings"] {
            let sent = ["productplanchargepricings", name];
            if !sent.iter().any(|name| charge.member(name).is_some_and(|value| *value != Node::Null))
                && let Some(value) = old.member(name)
            {
                charge.set(name, value.clone());
            }
        }
        list[place] = charge;
    })
    .await?;
    shown_charge(&call, id).await
}

/// Route 46.
async fn price(call: Call) -> Result<Answer, Problem> {
    let id = call.id("productPlanChargeId")?;
    let node = body(&call)?;
    let Node::List(list) = &node else {
        return Err(Problem::new(INVALID, "a list of price rows is needed"));
    };
    let shape = table().field("pricings").map(|field| field.shape);
    let Some(Shape::List(rows)) = shape else {
        return Err(anyhow::anyhow!("price rows have no table").into());
    };
    let charge = form().entity;
    let entity = charge.list("ProductPlanChargePricings").map_or(charge, |place| charge.lists[place].1);
    let form =
        Form { table: rows, entity, renamed: &[], left_out: &["productplanchargeid", "productplanid"] };
    let mut pricings = Vec::with_capacity(list.len());
    for (place, row) in list.iter().enumerate() {
        pricings.push(form.part(&call, row, &format!("/{place}")).await?);
    }
    edit(&call, id, &node, "/pricings", |list, place| list[place].set("pricings", Node::List(pricings)))
        .await?;
    shown_charge(&call, id).await
}

async fn remove(call: Call) -> Result<Answer, Problem> {
    let id = call.id("productPlanChargeId")?;
    edit(&call, id, &Node::Null, "", |list, place| drop(list.remove(place))).await?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

/// Route 49.
async fn duplicate(call: Call) -> Result<Answer, Problem> {
    let id = path_id(&call)?;
    let sent = call.json()?.unwrap_or(Node::Object(Vec::new()));
    let told = |stop| refused(stop, &sent, &PLAN.form(), PLAN_NOT_FOUND);
    let key = documents::key_of(call.ctx(), ObjectKind::ProductPlan, id).await.map_err(told)?;
    let original = objects::get(call.ctx(), ObjectKind::ProductPlan, &key).await.map_err(told)?;
    let document = domain::book_file::read_body(original.document.get());
    let mut document = document.map_err(|_| Problem::new(BAD_ID, "the plan cannot be read"))?;
    document.set("status", Node::Text("draft".to_owned()));
    drop(document.take("refkey"));
    if let Some(name) = sent.member("fullname").filter(|name| **name != Node::Null) {
        document.set("fullname", name.clone());
    }
    let mut skus: Vec<String> = match sent.member("sku") {
        Some(Node::Text(sku)) => vec![sku.clone()],
        _ => (2..1_000).map(|n| format!("{key}-{n}")).collect(),
    };
    skus.reverse();
    loop {
        let Some(sku) = skus.pop() else { return Err(Problem::new(INVALID, "no name is free for the copy")) };
        document.set("sku", Node::Text(sku));
        match documents::create(call.ctx(), &call.actor(), ObjectKind::ProductPlan, document.clone()).await {
            Ok(id) => return PLAN.created(&call, id).await,
            Err(stop) if stop.code() == Some(domain::refusal::Code::Exists) && !skus.is_empty() => {}
            Err(stop) => return Err(told(stop)),
        }
    }
}
