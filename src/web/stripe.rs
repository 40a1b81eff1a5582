//! Events that Stripe sends of its own accord. They carry no key of ours: their signature is what is believed, and they say
//! only which charge to ask Stripe about.

use crate::answer::Answer;
use crate::call::Call;
use crate::doc::{Doc, Gives, field};
use crate::json::Tree;
use crate::problem::{INVALID, Problem};
use crate::route::Route;
use domain::query::Kind;
use http::Method;
use operations::payments::events;

const SIGNATURE: &str = "stripe-signature";
const TAKE: Doc = Doc::new(
    "Take an event that Stripe has signed; give this address to Stripe as a webhook endpoint",
    Gives::Fields(&[
        field("event", Kind::Text, "Stripe's name for it"),
        field("kind", Kind::Text, ""),
        field("became", Kind::Text, "asked, nothing or known"),
    ]),
);

pub fn routes() -> Vec<Route> {
    vec![Route::open(Method::POST, "/stripe/events", TAKE, take)]
}

async fn take(call: Call) -> Result<Answer, Problem> {
    let header = call.headers.get(SIGNATURE).and_then(|value| value.to_str().ok());
    let Some(header) = header else {
        return Err(
            Problem::new(INVALID, "the header Stripe-Signature is missing").at(SIGNATURE, "is missing")
        );
    };
    let view = events::take(call.ctx(), "stripe", header, &call.body).await?;
    let became = serde_json::to_value(view.became).map_err(anyhow::Error::from)?;
    Ok(Answer::ok(Tree::object([
        ("event", Tree::text(&view.event)),
        ("kind", Tree::text(&view.kind)),
        ("became", Tree::value(&became)),
    ])))
}
