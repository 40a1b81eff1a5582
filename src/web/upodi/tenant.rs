//! What hour it is here, and whose books these are (routes 144, 145).

use crate::answer::Answer;
use crate::call::Call;
use crate::doc::{Doc, Gives, field};
use crate::json::Tree;
use crate::problem::{EMPTY_BOOK, Problem};
use crate::route::Route;
use domain::api_key::Scope;
use domain::query::Kind;
use http::Method;
use operations::home::tenant;

const TIME: Doc = Doc::new(
    "What hour it is here",
    Gives::Fields(&[field("Time", Kind::Instant, "UTC"), field("TimeZone", Kind::Text, "always UTC")]),
);
const ME: Doc = Doc::new(
    "Whose books these are",
    Gives::Fields(&[
        field("FullName", Kind::Text, ""),
        field("CompanyVAT", Kind::Text, ""),
        field("CurrencyCode", Kind::Text, "base currency"),
        field("TimeZone", Kind::Text, "in which days begin"),
        field("PaymentTerm", Kind::Int, "net days"),
        field("Language", Kind::Text, "of documents"),
        field("PrimaryEmail", Kind::Text, ""),
        field("Environment", Kind::Int, "1 production"),
    ]),
);

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/v3/time", Scope::Read, TIME, time),
        Route::new(Method::GET, "/v3/tenant/me", Scope::Read, ME, me),
    ]
}

async fn time(call: Call) -> Result<Answer, Problem> {
    let now = (call.ctx().now)();
    Ok(Answer::ok(Tree::object([("Time", Tree::instant(now)), ("TimeZone", Tree::text("UTC"))])))
}

async fn me(call: Call) -> Result<Answer, Problem> {
    let Some(tenant) = tenant::tenant(call.ctx()).await? else {
        return Err(Problem::new(EMPTY_BOOK, "the book is empty: nothing has been loaded yet"));
    };
    Ok(Answer::ok(Tree::object([
        ("FullName", Tree::text(&tenant.fullname)),
        ("CompanyVAT", Tree::optional(tenant.company_vat.as_deref())),
        ("CurrencyCode", Tree::text(tenant.currency.code())),
        ("TimeZone", Tree::text(tenant.timezone.name())),
        ("PaymentTerm", Tree::Int(tenant.payment_term.into())),
        ("Language", Tree::text(&tenant.language)),
        ("PrimaryEmail", Tree::optional(tenant.email.as_deref())),
        ("Environment", Tree::Int(1)),
    ])))
}
