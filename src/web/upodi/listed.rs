//! What every listed object answers: a page, a query, one by its id.

use super::query;
use super::view;
use crate::answer::Answer;
use crate::call::Call;
use crate::doc::{Doc, Gives, QueryDoc};
use crate::problem::{self, Problem};
use crate::route::Route;
use domain::api_key::Scope;
use domain::query::{Record, Value};
use domain::refusal::{Code, Refusal};
use http::Method;
use operations::lists::{self, Narrow, Noun};
use uuid::Uuid;

/// Upodi's number of what was deleted.
const DELETED: i64 = 1024;

/// Where an object is listed, and what it is called when it is not there.
#[derive(Debug, Clone, Copy)]
pub struct Listed {
    pub noun: Noun,
    pub missing: problem::Code,
    /// Paths of the page, the query and the single object, the last with a part `{id}` of whatever name.
    pub page: &'static str,
    pub query: &'static str,
    pub one: &'static str,
    /// What they are, for the document.
    pub are: [&'static str; 3],
}

impl Listed {
    pub fn routes(self) -> Vec<Route> {
        let [page, query, one] = self.are;
        let noun = self.noun;
        let get = |path, doc| (Method::GET, path, Scope::Read, doc);
        let paged = get(self.page, Doc::new(page, Gives::Rows(noun)).query(QueryDoc::Page));
        let queried = get(self.query, Doc::new(query, Gives::Page(noun)).query(QueryDoc::OData));
        let single = get(self.one, Doc::new(one, Gives::Object(noun)));
        let mut routes = vec![
            Route::new(paged.0, paged.1, paged.2, paged.3, move |call| async move {
                self::rows(&call, noun).await
            }),
            Route::new(single.0, single.1, single.2, single.3, move |call| async move {
                let id = call.id(call.parts.first().map_or("", |(name, _)| *name))?;
                self::one(&call, noun, id, self.missing).await
            }),
        ];
        if !self.query.is_empty() {
            routes.push(Route::new(queried.0, queried.1, queried.2, queried.3, move |call| async move {
                self::query(&call, noun).await
            }));
        }
        routes
    }
}

/// One page of all of them, as their list shows them.
pub async fn rows(call: &Call, noun: Noun) -> Result<Answer, Problem> {
    let page = query::page(call)?;
    let found = lists::rows(call.ctx(), noun, page.skip(), page.size).await?;
    Ok(Answer::ok(view::page(noun.row(), &found, page)))
}

/// One page of what belongs to something.
pub async fn page(call: &Call, noun: Noun, narrow: &Narrow) -> Result<Answer, Problem> {
    let page = query::page(call)?;
    let found = lists::page(call.ctx(), noun, narrow, page.skip(), page.size).await?;
    Ok(Answer::ok(view::page(noun.entity(), &found, page)))
}

/// What passes a query.
pub async fn query(call: &Call, noun: Noun) -> Result<Answer, Problem> {
    let (query, page, shown) = query::odata(call, noun.entity())?;
    let found = lists::query(call.ctx(), noun, &query).await?;
    Ok(Answer::ok(view::shown(call, noun.entity(), &found, page, &shown).await?))
}

/// One with all that belongs to it.
pub async fn one(call: &Call, noun: Noun, id: Uuid, missing: problem::Code) -> Result<Answer, Problem> {
    match lists::by_id(call.ctx(), noun, id).await? {
        Some(record) => Ok(Answer::ok(view::whole(noun.entity(), &record))),
        None => Err(absent(noun, missing, &id.to_string())),
    }
}

/// The first one whose property is this text.
pub async fn by_text(
    call: &Call,
    noun: Noun,
    property: &str,
    text: &str,
    missing: problem::Code,
) -> Result<Answer, Problem> {
    let quoted = text.replace('\'', "''");
    let filter = domain::query::filter(&format!("{property} eq '{quoted}'"), noun.entity());
    let Ok(filter) = filter else { return Err(absent(noun, missing, text)) };
    let query = lists::Query { filter, top: 1, ..lists::Query::default() };
    match lists::query(call.ctx(), noun, &query).await?.records.first() {
        Some(record) => Ok(Answer::ok(view::whole(noun.entity(), record))),
        None => Err(absent(noun, missing, text)),
    }
}

/// What was deleted answers by its id, and is not changed any more.
pub fn insist_on_living(noun: Noun, record: &Record) -> Result<(), Problem> {
    if view::value(noun.entity(), record, "Status") != Some(&Value::Int(DELETED)) {
        return Ok(());
    }
    let message = format!("the {} was deleted", noun.entity().name.to_ascii_lowercase());
    Err(Refusal::new(Code::Deleted, message).into())
}

/// Nothing has this id or name.
pub fn absent(noun: Noun, missing: problem::Code, name: &str) -> Problem {
    let message = format!("there is no {} {name}", noun.entity().name.to_ascii_lowercase());
    Problem::new(missing, message).or(format!("`GET /v3/{}` lists what there is", collection(noun)))
}

/// The part of the path below which objects of this kind are.
pub fn collection(noun: Noun) -> &'static str {
    match noun {
        Noun::Customer => "customers",
        Noun::Contact => "contacts",
        Noun::PaymentMethod => "paymentmethods",
        Noun::ProductPlan => "productplans",
        Noun::Subscription => "subscriptions",
        Noun::SubscriptionCharge => "subscriptioncharges",
        Noun::Invoice => "invoices",
        Noun::Transaction => "transactions",
        Noun::Discount => "discounts",
        Noun::UoM => "uoms",
        Noun::BusinessUnit => "businessunits",
        Noun::TaxRule => "taxrules",
    }
}
