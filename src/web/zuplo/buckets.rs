//! Buckets (routes Z6 to Z9).

use super::read::{Sent, node};
use super::{list, made, only, present};
use crate::answer::Answer;
use crate::call::Call;
use crate::doc::{Doc, Field, Gives, QueryDoc, field};
use crate::json::Tree;
use crate::problem::Problem;
use crate::route::Route;
use domain::api_key::Scope;
use domain::query::Kind;
use http::{Method, StatusCode};
use operations::metered::{self, BucketView};

const BUCKET: &[Field] = &[
    field("id", Kind::Text, ""),
    field("accountName", Kind::Text, ""),
    field("label", Kind::Text, ""),
    field("createdOn", Kind::Instant, ""),
    field("updatedOn", Kind::Instant, ""),
];
const PAGE: Doc =
    Doc::new("Buckets of plans and subscriptions", Gives::Listed(BUCKET)).query(QueryDoc::Offset);
const ADD: Doc =
    Doc::new("Make a bucket", Gives::Fields(BUCKET)).takes(&[field("label", Kind::Text, "")]).success(201);
const ONE: Doc = Doc::new("A bucket", Gives::Fields(BUCKET));
const DELETE: Doc =
    Doc::new("Delete a bucket with all that is in it, unless anything was booked", Gives::Nothing)
        .success(204);

pub fn routes() -> Vec<Route> {
    const ONE_PATH: &str = "/v1/metering/{bucketId}";
    vec![
        Route::new(Method::GET, "/v1/metering", Scope::Read, PAGE, page),
        Route::new(Method::POST, "/v1/metering", Scope::Write, ADD, add)
            .answered_by(|call| async move { shown_new(&call, &made(&call)?).await }),
        Route::new(Method::GET, ONE_PATH, Scope::Read, ONE, |call| async move {
            only(&call, &[])?;
            Ok(Answer::ok(tree(&metered::bucket(call.ctx(), call.part("bucketId")).await?)))
        }),
        Route::new(Method::DELETE, ONE_PATH, Scope::Write, DELETE, |call| async move {
            metered::delete_bucket(call.ctx(), &call.actor(), call.part("bucketId")).await?;
            Ok(Answer::empty(StatusCode::NO_CONTENT))
        }),
    ]
}

fn tree(bucket: &BucketView) -> Tree {
    present(vec![
        ("id", Some(Tree::text(&bucket.id))),
        ("accountName", Some(Tree::text(&bucket.account))),
        ("label", bucket.label.as_deref().map(Tree::text)),
        ("createdOn", Some(Tree::instant(bucket.created))),
        ("updatedOn", Some(Tree::instant(bucket.updated))),
    ])
}

async fn page(call: Call) -> Result<Answer, Problem> {
    only(&call, &["limit", "offset"])?;
    list(&call, &metered::buckets(call.ctx()).await?, tree)
}

async fn add(call: Call) -> Result<Answer, Problem> {
    let node = node(&call)?;
    let mut sent = Sent::of(&node)?;
    let label = sent.text("label");
    sent.faults.check()?;
    let id = metered::add_bucket(call.ctx(), &call.actor(), label).await?;
    shown_new(&call, &id).await
}

async fn shown_new(call: &Call, id: &str) -> Result<Answer, Problem> {
    Ok(Answer::ok(tree(&metered::bucket(call.ctx(), id).await?)).located(&format!("/v1/metering/{id}")))
}
