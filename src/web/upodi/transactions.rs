//! Movements of money (routes 73 to 75).

use super::listed;
use crate::answer::Answer;
use crate::call::Call;
use crate::doc::{Doc, Gives, QueryDoc};
use crate::problem::{Problem, TRANSACTION_NOT_FOUND};
use crate::route::Route;
use domain::api_key::Scope;
use http::Method;
use operations::lists::Noun;

const NOUN: Noun = Noun::Transaction;

const PAGE: Doc = Doc::new("Movements of money", Gives::Page(NOUN)).query(QueryDoc::Page);
const QUERY: Doc = Doc::new("Movements of money that pass a query", Gives::Page(NOUN)).query(QueryDoc::OData);
const ONE: Doc = Doc::new("One movement of money", Gives::Object(NOUN));

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/v3/transactions", Scope::Read, PAGE, page),
        Route::new(Method::GET, "/v3/transactions/query", Scope::Read, QUERY, query),
        Route::new(Method::GET, "/v3/transactions/{transactionId}", Scope::Read, ONE, one),
    ]
}

async fn page(call: Call) -> Result<Answer, Problem> {
    listed::rows(&call, NOUN).await
}

async fn query(call: Call) -> Result<Answer, Problem> {
    listed::query(&call, NOUN).await
}

async fn one(call: Call) -> Result<Answer, Problem> {
    listed::one(&call, NOUN, call.id("transactionId")?, TRANSACTION_NOT_FOUND).await
}
