//! Invoices (routes 56 to 72).

use super::listed;
use crate::answer::Answer;
use crate::call::Call;
use crate::doc::{Doc, Gives, QueryDoc};
use crate::problem::{INVOICE_NOT_FOUND, Problem};
use crate::route::Route;
use domain::api_key::Scope;
use http::Method;
use operations::lists::{self, Narrow, Noun};

const NOUN: Noun = Noun::Invoice;

const PAGE: Doc = Doc::new("Invoices, booked and drafted", Gives::Page(NOUN)).query(QueryDoc::Page);
const QUERY: Doc = Doc::new("Invoices that pass a query", Gives::Page(NOUN)).query(QueryDoc::OData);
const ONE: Doc = Doc::new("An invoice with its lines", Gives::Object(NOUN));
const BY_NUMBER: Doc = Doc::new("The invoice of a number", Gives::Object(NOUN));
const BY_REFKEY: Doc = Doc::new("The invoice that has this name", Gives::Object(NOUN));
const OF_CUSTOMER: Doc = Doc::new("Invoices of a payer, drafts too", Gives::Page(NOUN)).query(QueryDoc::Page);

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/v3/invoices", Scope::Read, PAGE, page),
        Route::new(Method::GET, "/v3/invoices/query", Scope::Read, QUERY, query),
        Route::new(Method::GET, "/v3/invoices/{invoiceId}", Scope::Read, ONE, one),
        Route::new(Method::GET, "/v3/invoices/bynumber/{invoiceNumber}", Scope::Read, BY_NUMBER, by_number),
        Route::new(Method::GET, "/v3/invoices/byrefkey/{refKey}", Scope::Read, BY_REFKEY, by_refkey),
        Route::new(Method::GET, "/v3/customers/{customerId}/invoices", Scope::Read, OF_CUSTOMER, of_customer),
    ]
}

async fn page(call: Call) -> Result<Answer, Problem> {
    listed::rows(&call, NOUN).await
}

async fn query(call: Call) -> Result<Answer, Problem> {
    listed::query(&call, NOUN).await
}

async fn one(call: Call) -> Result<Answer, Problem> {
    listed::one(&call, NOUN, call.id("invoiceId")?, INVOICE_NOT_FOUND).await
}

async fn by_number(call: Call) -> Result<Answer, Problem> {
    let number = call.part("invoiceNumber").to_owned();
    listed::by_text(&call, NOUN, "InvoiceNumber", &number, INVOICE_NOT_FOUND).await
}

async fn by_refkey(call: Call) -> Result<Answer, Problem> {
    let refkey = call.part("refKey");
    match lists::named(call.ctx(), NOUN, refkey).await? {
        Some(id) => listed::one(&call, NOUN, id, INVOICE_NOT_FOUND).await,
        None => Err(listed::absent(NOUN, INVOICE_NOT_FOUND, refkey)),
    }
}

async fn of_customer(call: Call) -> Result<Answer, Problem> {
    let narrow = Narrow { customer: Some(call.id("customerId")?), ..Narrow::default() };
    listed::page(&call, NOUN, &narrow).await
}
