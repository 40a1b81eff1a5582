//! What needs no key: whether this process lives, and whether it wants requests.

use crate::answer::Answer;
use crate::call::Call;
use crate::doc::{Doc, Gives, field};
use crate::json::Tree;
use crate::problem::{DRAINING, Problem};
use crate::route::Route;
use domain::query::Kind;
use http::{Method, StatusCode};
use operations::home::health;

const HEALTH: Doc = Doc::new(
    "Whether process and database answer",
    Gives::Fields(&[field("process", Kind::Text, ""), field("database", Kind::Text, "")]),
);
const READY: Doc = Doc::new("Whether requests are wanted", Gives::Fields(&[field("ready", Kind::Flag, "")]));

pub fn routes() -> Vec<Route> {
    vec![
        Route::open(Method::GET, "/health", HEALTH, health),
        Route::open(
            Method::GET,
            "/docs",
            Doc::new("This document, to be read and tried", Gives::Media("text/html")),
            docs,
        ),
        Route::open(Method::GET, "/ready", READY, ready),
    ]
}

/// S4: the page is in the program, and loads nothing from elsewhere.
async fn docs(_: Call) -> Result<Answer, Problem> {
    Ok(Answer::bytes("text/html; charset=utf-8", include_bytes!("docs.html").to_vec()))
}

/// S1: the process answers, and so does the database.
async fn health(call: Call) -> Result<Answer, Problem> {
    let well = health::database_answers(call.ctx()).await;
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let state = |well| Tree::text(if well { "ok" } else { "down" });
    Ok(Answer::json(status, Tree::object([("process", state(true)), ("database", state(well))])))
}

/// S2: no while it is being stopped, and while the database cannot be reached.
async fn ready(call: Call) -> Result<Answer, Problem> {
    if call.app.is_draining() {
        return Err(Problem::new(DRAINING, "this server is being stopped").retry_after(1));
    }
    if !health::database_answers(call.ctx()).await {
        return Err(Problem::new(crate::problem::BUSY, "the database does not answer").retry_after(1));
    }
    Ok(Answer::ok(Tree::object([("ready", Tree::Bool(true))])))
}
