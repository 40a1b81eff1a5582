//! Endpoints that are told what has changed (routes T12 to T19).

use super::objects::{body, path_id};
use super::query;
use super::runs::named;
use crate::answer::Answer;
use crate::body::{Body, Faults};
use crate::call::Call;
use crate::doc::{Doc, Field, Gives, QueryDoc, Type, field, member, required};
use crate::json::Tree;
use crate::problem::{INVALID, Problem};
use crate::route::Route;
use domain::api_key::Scope;
use domain::book_file::Node;
use domain::query::Kind;
use http::{Method, StatusCode};
use operations::webhooks::{self, Changes, DeliveryView, EndpointView, NewEndpoint, State};
use serde::Serialize;

/// An endpoint as it is answered.
const ENDPOINT: &[Field] = &[
    field("ID", Kind::Guid, ""),
    field("Url", Kind::Text, ""),
    member("Events", Type::Values(Kind::Text), "patterns"),
    field("Description", Kind::Text, ""),
    field("Active", Kind::Flag, ""),
    field("Created", Kind::Instant, ""),
    field("Failingsince", Kind::Instant, ""),
    field("Disabled", Kind::Text, "why the program switched it off"),
    field("Secret", Kind::Text, "where a new one was made"),
];

const PAGE: Doc =
    Doc::new("Endpoints that are told what has changed", Gives::PageOf(ENDPOINT)).query(QueryDoc::Page);
const ADD: Doc = Doc::new("Add an endpoint; its Secret is answered this once", Gives::Fields(ENDPOINT))
    .takes(&[
        required("Url", Kind::Text, "where events are posted"),
        member("Events", Type::Values(Kind::Text), "patterns such as Invoice.*; everything unless given"),
        field("Description", Kind::Text, ""),
        field("Active", Kind::Flag, "true unless given"),
    ])
    .success(201);
const ONE: Doc = Doc::new("An endpoint, without its secret", Gives::Fields(ENDPOINT));
const CHANGE: Doc = Doc::new("Change an endpoint", Gives::Fields(ENDPOINT)).takes(&[
    field("Url", Kind::Text, ""),
    member("Events", Type::Values(Kind::Text), "patterns"),
    field("Description", Kind::Text, ""),
    field("Active", Kind::Flag, ""),
    field(
        "RotateSecret",
        Kind::Flag,
        "a new secret, answered this once; the one before signs for a day more",
    ),
]);
const REMOVE: Doc = Doc::new("Take an endpoint away", Gives::Nothing).success(204);
const PING: Doc = Doc::new("Tell an endpoint that it is there", Gives::Nothing).success(202);
const TOLD: Doc =
    Doc::new("What an endpoint was told, kept for 30 days", Gives::PageOf(DELIVERY)).query(QueryDoc::Page);
/// What became of one telling.
const DELIVERY: &[Field] = &[
    field("Sequence", Kind::Int, ""),
    field("ID", Kind::Guid, ""),
    field("Type", Kind::Text, ""),
    field("Action", Kind::Text, ""),
    field("Object", Kind::Guid, ""),
    field("Time", Kind::Instant, ""),
    field("State", Kind::Text, ""),
    field("Attempts", Kind::Int, ""),
    field("Status", Kind::Int, "of the last answer"),
    field("Error", Kind::Text, ""),
    field("AnsweredAt", Kind::Instant, ""),
    field("NextAt", Kind::Instant, ""),
];
const REPLAY: Doc =
    Doc::new("Tell an endpoint again", Gives::Fields(&[field("Count", Kind::Int, "how many")]))
        .takes(&[
            required("From", Kind::Int, "the first Sequence"),
            field("To", Kind::Int, "the last one; all that follow unless given"),
        ])
        .success(202);

pub fn routes() -> Vec<Route> {
    const ONE_PATH: &str = "/v3/webhooks/{webhookId}";
    vec![
        Route::new(Method::GET, "/v3/webhooks", Scope::Read, PAGE, page),
        Route::new(Method::POST, "/v3/webhooks", Scope::Write, ADD, add).shown_by(|call| async move {
            // The secret that was told went with the answer.
            let id = call.made.ok_or_else(|| anyhow::anyhow!("what was made is not known"))?;
            let view = webhooks::one(call.ctx(), id).await?;
            Ok(placed(&view, with_secret(tree(&view)?, None)))
        }),
        Route::new(Method::GET, ONE_PATH, Scope::Read, ONE, one),
        Route::new(Method::PATCH, ONE_PATH, Scope::Write, CHANGE, change).shown_by(one),
        Route::new(Method::DELETE, ONE_PATH, Scope::Write, REMOVE, remove),
        Route::new(Method::POST, "/v3/webhooks/{webhookId}/ping", Scope::Write, PING, ping)
            .answered_by(|_| async move { Ok(Answer::empty(StatusCode::ACCEPTED)) }),
        Route::new(Method::GET, "/v3/webhooks/{webhookId}/deliveries", Scope::Read, TOLD, told),
        Route::new(Method::POST, "/v3/webhooks/{webhookId}/replay", Scope::Write, REPLAY, replay),
    ]
}

fn tree(view: &impl Serialize) -> Result<Tree, Problem> {
    let value = serde_json::to_value(view).map_err(anyhow::Error::from)?;
    Ok(named(Tree::value(&value)))
}

fn pages<T: Serialize>(all: &[T], page: query::PageRequest) -> Result<Answer, Problem> {
    let items: Result<Vec<Tree>, Problem> = all.iter().skip(page.skip()).take(page.size).map(tree).collect();
    Ok(Answer::ok(Tree::object([
        ("Items", Tree::List(items?)),
        ("PageNumber", Tree::count(page.number)),
        ("PageSize", Tree::count(page.size)),
        ("TotalItems", Tree::count(all.len())),
        ("TotalPages", Tree::count(all.len().div_ceil(page.size))),
    ])))
}

async fn page(call: Call) -> Result<Answer, Problem> {
    let page = query::page(&call)?;
    pages(&webhooks::list(call.ctx()).await?, page)
}

async fn one(call: Call) -> Result<Answer, Problem> {
    Ok(Answer::ok(tree(&webhooks::one(call.ctx(), path_id(&call)?).await?)?))
}

/// Members of a body, with what cannot be taken.
fn read(node: &Node, more: &[&'static str]) -> Result<Changes, Problem> {
    let sent = Body::of(node, "")?;
    let mut faults = Faults::default();
    let known: Vec<&'static str> =
        ["ID", "Url", "Events", "Description", "Active", "Created", "FailingSince", "Disabled", "Secret"]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
    sent.only(&known, &mut faults);
    let flag = |name: &str, faults: &mut Faults| sent.flag(&[name], faults);
    let changes = Changes {
        url: sent.plain(&["Url"], &mut faults),
        events: events(&sent, &mut faults),
        description: node.member("description").map(|_| sent.plain(&["Description"], &mut faults)),
        is_active: flag("Active", &mut faults),
        rotate_secret: flag("RotateSecret", &mut faults).unwrap_or(false),
    };
    faults.check()?;
    Ok(changes)
}

fn events(sent: &Body<'_>, faults: &mut Faults) -> Option<Vec<String>> {
    let list = match sent.get(&["Events"])? {
        Node::List(list) => list,
        other => {
            faults.add(sent.at("Events"), INVALID.word, format!("is {}, not a list", other.noun()));
            return None;
        }
    };
    let mut events = Vec::with_capacity(list.len());
    for (place, one) in list.iter().enumerate() {
        match one {
            Node::Text(text) => events.push(text.clone()),
            other => faults.add(
                format!("{}/{place}", sent.at("Events")),
                INVALID.word,
                format!("is {}, not a text", other.noun()),
            ),
        }
    }
    Some(events)
}

async fn add(call: Call) -> Result<Answer, Problem> {
    let node = body(&call)?;
    let changes = read(&node, &[])?;
    let Some(url) = changes.url else {
        return Err(Problem::new(INVALID, "the Url is missing").at("/Url", "is missing"));
    };
    let new = NewEndpoint {
        url,
        events: changes.events.unwrap_or_default(),
        description: changes.description.flatten(),
        is_active: changes.is_active.unwrap_or(true),
    };
    let (view, secret) = webhooks::add(call.ctx(), &call.actor(), &new).await?;
    let mut answer = placed(&view, with_secret(tree(&view)?, Some(&secret)));
    answer.is_told_once = true;
    Ok(answer)
}

/// A new endpoint, with where it is.
fn placed(view: &EndpointView, tree: Tree) -> Answer {
    Answer::ok(tree).located(&format!("/v3/webhooks/{}", view.id))
}

fn with_secret(tree: Tree, secret: Option<&str>) -> Tree {
    match (tree, secret) {
        (Tree::Object(mut members), Some(secret)) => {
            members.push(("Secret".into(), Tree::text(secret)));
            Tree::Object(members)
        }
        (tree, _) => tree,
    }
}

async fn change(call: Call) -> Result<Answer, Problem> {
    let node = body(&call)?;
    let changes = read(&node, &["RotateSecret"])?;
    let (view, secret) = webhooks::change(call.ctx(), &call.actor(), path_id(&call)?, &changes).await?;
    let mut answer = Answer::ok(with_secret(tree(&view)?, secret.as_deref()));
    answer.is_told_once = secret.is_some();
    Ok(answer)
}

async fn remove(call: Call) -> Result<Answer, Problem> {
    webhooks::remove(call.ctx(), &call.actor(), path_id(&call)?).await?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

async fn ping(call: Call) -> Result<Answer, Problem> {
    webhooks::ping(call.ctx(), path_id(&call)?).await?;
    Ok(Answer::empty(StatusCode::ACCEPTED))
}

async fn told(call: Call) -> Result<Answer, Problem> {
    let page = query::page(&call)?;
    pages(&webhooks::deliveries(call.ctx(), path_id(&call)?).await?, page)
}

async fn replay(call: Call) -> Result<Answer, Problem> {
    let node = body(&call)?;
    let sent = Body::of(&node, "")?;
    let mut faults = Faults::default();
    sent.only(&["From", "To"], &mut faults);
    let mut number = |name: &str| match sent.plain(&[name], &mut faults) {
        None => None,
        Some(text) => text.parse::<i64>().ok().or_else(|| {
            faults.add(sent.at(name), INVALID.word, format!("`{text}` is not a whole number"));
            None
        }),
    };
    let (first, last) = (number("From"), number("To"));
    if first.is_none() {
        faults.add("/From".to_owned(), INVALID.word, "is missing, or no number");
    }
    faults.check()?;
    let (first, last) = (first.unwrap_or_default(), last.unwrap_or(i64::MAX));
    call.answer_with(move |call| async move {
        let told = webhooks::deliveries(call.ctx(), path_id(&call)?).await?;
        let is_told_again = |told: &&DeliveryView| {
            (first..=last).contains(&told.sequence) && told.state == State::Pending && told.attempts == 0
        };
        let count = told.iter().filter(is_told_again).count();
        Ok(counted(u64::try_from(count).unwrap_or(u64::MAX)))
    });
    Ok(counted(webhooks::replay(call.ctx(), path_id(&call)?, first, Some(last)).await?))
}

fn counted(count: u64) -> Answer {
    let count = Tree::Int(i64::try_from(count).unwrap_or(i64::MAX));
    Answer::json(StatusCode::ACCEPTED, Tree::object([("Count", count)]))
}
