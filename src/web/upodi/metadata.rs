//! Texts kept with customers, plans and subscriptions (routes 9 to 12, 17, 51 to 54, 89 to 92).

use super::listed;
use super::objects::{CUSTOMER, PLAN, SUBSCRIPTION, Written, body, path_id};
use super::query;
use super::view;
use super::written::refused;
use crate::answer::Answer;
use crate::body::{Body, Faults};
use crate::call::Call;
use crate::doc::{Doc, Gives, QueryDoc, field, required};
use crate::problem::{BAD_ID, BAD_QUERY, INVALID, METADATA_NOT_FOUND, Problem};
use crate::route::Route;
use domain::api_key::Scope;
use domain::query::Kind;
use http::{Method, StatusCode};
use operations::book::metadata::{self, Filter, METADATA};
use operations::lists::{self, RecordPage};
use uuid::Uuid;

/// Where the texts of an object are asked for.
#[derive(Clone, Copy)]
struct Of {
    written: Written,
    /// Upodi's name of the object's id in a body.
    id: &'static str,
    by: &'static str,
    collection: &'static str,
    one: &'static str,
    of: &'static str,
}

const ALL: [Of; 3] = [
    Of {
        written: CUSTOMER,
        id: "CustomerID",
        by: "/v3/customers/bymetadata",
        collection: "/v3/customers/metadata",
        one: "/v3/customers/metadata/{metaDataId}",
        of: "/v3/customers/{customerId}/metadata",
    },
    Of {
        written: PLAN,
        id: "ProductPlanID",
        by: "/v3/productplans/bymetadata",
        collection: "/v3/productplans/metadata",
        one: "/v3/productplans/metadata/{metaDataId}",
        of: "/v3/productplans/{productPlanId}/metadata",
    },
    Of {
        written: SUBSCRIPTION,
        id: "SubscriptionID",
        by: "/v3/subscriptions/bymetadata",
        collection: "/v3/subscriptions/metadata",
        one: "/v3/subscriptions/metadata/{metaDataId}",
        of: "/v3/subscriptions/{subscriptionId}/metadata",
    },
];

const SET: Doc =
    Doc::new("Keep a text with an object, in place of the one under its key", Gives::Record(|| &METADATA))
        .takes(&[
            field("ObjectID", Kind::Guid, "the object; or CustomerID, ProductPlanID, SubscriptionID"),
            required("Key", Kind::Text, "up to 100 bytes"),
            required("Value", Kind::Text, "up to 4,000 bytes"),
        ])
        .success(201)
        .or(200);
const DELETE: Doc = Doc::new("Take a text away", Gives::Nothing).success(204);
const LIST: Doc = Doc::new("Texts kept with an object", Gives::Records(|| &METADATA)).query(QueryDoc::Page);
const QUERY: Doc = Doc::new("Texts that pass a query", Gives::Records(|| &METADATA)).query(QueryDoc::OData);

pub fn routes() -> Vec<Route> {
    let mut routes = Vec::new();
    for of in ALL {
        let by = Doc::new("Objects that have a text under a key", Gives::Page(of.written.noun))
            .query(QueryDoc::Metadata);
        routes.extend([
            Route::new(Method::GET, of.by, Scope::Read, by, move |call| by_metadata(call, of)),
            Route::new(Method::POST, of.collection, Scope::Write, SET, move |call| set(call, of))
                .shown_by(move |call| made(call, of)),
            Route::new(Method::DELETE, of.one, Scope::Write, DELETE, move |call| delete(call, of)),
            Route::new(Method::GET, of.of, Scope::Read, LIST, move |call| list(call, of)),
        ]);
    }
    let customers = ALL[0];
    routes.push(Route::new(Method::GET, "/v3/customers/metadata/query", Scope::Read, QUERY, move |call| {
        queried(call, customers)
    }));
    routes
}

async fn by_metadata(call: Call, of: Of) -> Result<Answer, Problem> {
    for (name, _) in &call.query {
        let plain = name.trim_start_matches('$').to_ascii_lowercase();
        if !["key", "value", "pagesize", "pagenumber"].contains(&plain.as_str()) {
            return Err(Problem::new(BAD_QUERY, format!("`{name}` cannot be asked here"))
                .at(name.clone(), "is unknown"));
        }
    }
    let Some(key) = call.asked("key").filter(|key| !key.is_empty()) else {
        return Err(Problem::new(BAD_QUERY, "`key` is missing").at("key", "is missing"));
    };
    let page = query::paged(&call)?;
    let ids = metadata::objects(call.ctx(), of.written.kind, key, call.asked("value")).await?;
    let mut records = Vec::new();
    for id in ids.iter().skip(page.skip()).take(page.size) {
        records.extend(lists::by_id(call.ctx(), of.written.noun, *id).await?);
    }
    let found = RecordPage { records, total: u64::try_from(ids.len()).ok() };
    Ok(Answer::ok(view::page(of.written.noun.entity(), &found, page)))
}

async fn set(call: Call, of: Of) -> Result<Answer, Problem> {
    let node = body(&call)?;
    let sent = Body::of(&node, "")?;
    let mut faults = Faults::default();
    sent.only(&["ObjectID", of.id, "Key", "Value", "ID"], &mut faults);
    let object = sent.plain(&[of.id, "ObjectID"], &mut faults);
    let key = sent.plain(&["Key"], &mut faults);
    let value = sent.plain(&["Value"], &mut faults);
    for (name, is_there) in [(of.id, object.is_some()), ("Key", key.is_some()), ("Value", value.is_some())] {
        if !is_there {
            faults.add(format!("/{name}"), INVALID.word, "is missing");
        }
    }
    faults.check()?;
    let object = object.unwrap_or_default();
    let object: Uuid = object.parse().map_err(|_| {
        Problem::new(BAD_ID, format!("`{object}` is not an id")).at(format!("/{}", of.id), "is not a GUID")
    })?;
    let (key, value) = (key.unwrap_or_default(), value.unwrap_or_default());
    let (record, is_new) = metadata::set(call.ctx(), &call.actor(), of.written.kind, object, &key, &value)
        .await
        .map_err(|stop| refused(stop, &node, &of.written.form(), of.written.missing))?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(Answer::json(status, view::whole(&METADATA, &record)))
}

async fn made(call: Call, of: Of) -> Result<Answer, Problem> {
    let filter = Filter { id: call.made, ..Filter::default() };
    match metadata::list(call.ctx(), of.written.kind, &filter).await?.pop() {
        Some(record) if call.made.is_some() => {
            let at = |name: &str| METADATA.property(name).and_then(|place| record.values.get(place));
            let is_new = at("CreatedDate") == at("ModifiedDate");
            let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
            Ok(Answer::json(status, view::whole(&METADATA, &record)))
        }
        _ => Err(anyhow::anyhow!("what was made is not known").into()),
    }
}

async fn delete(call: Call, of: Of) -> Result<Answer, Problem> {
    let id = path_id(&call)?;
    if metadata::delete(call.ctx(), &call.actor(), of.written.kind, id).await? {
        return Ok(Answer::empty(StatusCode::NO_CONTENT));
    }
    Err(Problem::new(METADATA_NOT_FOUND, format!("there is no metadata {id}")))
}

async fn list(call: Call, of: Of) -> Result<Answer, Problem> {
    let page = query::page(&call)?;
    let id = path_id(&call)?;
    if lists::by_id(call.ctx(), of.written.noun, id).await?.is_none() {
        return Err(listed::absent(of.written.noun, of.written.missing, &id.to_string()));
    }
    let filter = Filter { object: Some(id), ..Filter::default() };
    let all = metadata::list(call.ctx(), of.written.kind, &filter).await?;
    let total = u64::try_from(all.len()).ok();
    let records = all.into_iter().skip(page.skip()).take(page.size).collect();
    Ok(Answer::ok(view::page(&METADATA, &RecordPage { records, total }, page)))
}

async fn queried(call: Call, of: Of) -> Result<Answer, Problem> {
    let (query, page, shown) = query::odata(&call, &METADATA)?;
    let all = metadata::list(call.ctx(), of.written.kind, &Filter::default()).await?;
    Ok(Answer::ok(view::shown(&call, &METADATA, &lists::sifted(all, &query), page, &shown).await?))
}
