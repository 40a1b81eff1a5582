//! Runs (routes T20 to T25). A run is opened here and worked by whoever works the home; what is asked of one is written down
//! and answered when that is done, or later.

use super::objects::body;
use super::query;
use crate::answer::Answer;
use crate::body::{Body, Faults};
use crate::call::Call;
use crate::doc::{Doc, Field, Gives, QueryDoc, Type, field, member};
use crate::json::Tree;
use crate::problem::{INVALID, Problem};
use crate::route::Route;
use domain::api_key::Scope as May;
use domain::book_file::Node;
use domain::ids::RunId;
use domain::query::Kind;
use domain::run::{Scope, Step};
use http::{Method, StatusCode};
use operations::Act;
use operations::runs::list::{self, Detail};
use operations::runs::open::{self, NewRun, Opened, Reach};
use operations::runs::preview;
use operations::runs::requests::{self, Verb};
use operations::runs::view::RunView;
use std::borrow::Cow;
use std::time::{Duration, Instant};

/// A run as it is answered.
const RUN: &[Field] = &[
    field("Run", Kind::Int, "its number; none of a preview"),
    field("AsOf", Kind::Day, ""),
    field("State", Kind::Text, ""),
    field("Payers", Kind::Int, ""),
    field("Invoiced", Kind::Int, ""),
    field("Failed", Kind::Int, ""),
    field("Parked", Kind::Int, ""),
    member(
        "Totals",
        Type::Objects(&[
            field("Currency", Kind::Text, ""),
            field("Invoices", Kind::Int, ""),
            field("Net", Kind::Exact, ""),
            field("Vat", Kind::Exact, ""),
            field("Gross", Kind::Exact, ""),
        ]),
        "by currency",
    ),
    member("Usage", Type::Named(&Type::Any), "events by what became of them"),
    member("Mails", Type::Named(&Type::Any), ""),
    member("Payments", Type::Named(&Type::Any), ""),
    field("Older", Kind::Int, ""),
    member("LeftOut", Type::Values(Kind::Text), "account numbers"),
    field("Hash", Kind::Text, ""),
];
const OPENED: &[Field] = &[
    field("Run", Kind::Int, ""),
    field("AsOf", Kind::Day, ""),
    field("State", Kind::Text, ""),
    field("GoesOn", Kind::Flag, "it was open already"),
];

const PAGE: Doc = Doc::new("Runs, newest last", Gives::PageOf(RUN)).query(QueryDoc::Page);
const ONE: Doc = Doc::new("A run with its figures", Gives::Fields(RUN));
const OPEN: Doc = Doc::new(
    "Bill everything that is due; poll, or wait for the webhook Run close",
    Gives::Either(OPENED, RUN),
)
.takes(&[
    field("AsOf", Kind::Day, "bill what is due on or before this day; today unless given"),
    field("Ahead", Kind::Flag, "the day is meant, however far ahead it is"),
    field("Preview", Kind::Flag, "write nothing, and answer what would be billed"),
    field("Review", Kind::Flag, "stop at drafts until they are approved"),
    member("Customers", Type::Values(Kind::Text), "account numbers"),
    field("BusinessUnit", Kind::Text, "a key"),
    member("Skip", Type::Values(Kind::Text), "render, send, collect"),
    field("Expect", Kind::Text, "the hash that a preview gave"),
])
.success(202)
.or(200);
const APPROVE: Doc = Doc::new("Book the drafts of a run", Gives::Fields(RUN))
    .takes(&[member("Customers", Type::Values(Kind::Text), "account numbers; all unless given")])
    .success(202);
const CANCEL: Doc = Doc::new("Drop the drafts of a run", Gives::Fields(RUN)).success(202);
const RERUN: Doc = Doc::new("Try again what failed in a run", Gives::Fields(RUN)).success(202);

/// How long a verb is waited for before it is left to whoever works the home.
const WAIT: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(40);

pub fn routes() -> Vec<Route> {
    let verb = |path, doc, verb: &'static str| {
        Route::new(Method::PUT, path, May::Operate, doc, move |call| asked(call, verb))
            .shown_by(|call| async move { shown(&call, StatusCode::ACCEPTED).await })
    };
    vec![
        Route::new(Method::GET, "/v3/runs", May::Read, PAGE, page),
        Route::new(Method::GET, "/v3/runs/{ordinal}", May::Read, ONE, |call| async move {
            shown(&call, StatusCode::OK).await
        }),
        Route::new(Method::POST, "/v3/runs", May::Operate, OPEN, begin).answered_by(|call| async move {
            let id = call.made.ok_or_else(|| anyhow::anyhow!("what was opened is not known"))?;
            Ok(begun(&open::opened(call.ctx(), RunId(id)).await?))
        }),
        verb("/v3/runs/{ordinal}/approve", APPROVE, "approve"),
        verb("/v3/runs/{ordinal}/cancel", CANCEL, "cancel"),
        verb("/v3/runs/{ordinal}/rerun", RERUN, "rerun"),
    ]
}

async fn page(call: Call) -> Result<Answer, Problem> {
    let page = query::page(&call)?;
    let mut all = list::all(call.ctx(), Detail::Heads).await?;
    all.sort_by_key(|run| run.run);
    let total = all.len();
    let items: Result<Vec<Tree>, Problem> = all.iter().skip(page.skip()).take(page.size).map(tree).collect();
    Ok(Answer::ok(Tree::object([
        ("Items", Tree::List(items?)),
        ("PageNumber", Tree::count(page.number)),
        ("PageSize", Tree::count(page.size)),
        ("TotalItems", Tree::count(total)),
        ("TotalPages", Tree::count(total.div_ceil(page.size))),
    ])))
}

fn tree(run: &RunView) -> Result<Tree, Problem> {
    let value = serde_json::to_value(run).map_err(anyhow::Error::from)?;
    Ok(named(Tree::value(&value)).with_amounts())
}

/// Members in the spelling of this part of the API.
pub fn named(tree: Tree) -> Tree {
    match tree {
        Tree::Object(members) => {
            let spelt = |name: Cow<'static, str>| match name.as_ref() {
                "asof" => Cow::Borrowed("AsOf"),
                "leftout" => Cow::Borrowed("LeftOut"),
                "answeredat" => Cow::Borrowed("AnsweredAt"),
                "nextat" => Cow::Borrowed("NextAt"),
                "id" => Cow::Borrowed("ID"),
                other => {
                    let mut letters = other.chars();
                    let first = letters.next().map(|c| c.to_ascii_uppercase());
                    Cow::Owned(first.into_iter().chain(letters).collect())
                }
            };
            Tree::Object(members.into_iter().map(|(name, value)| (spelt(name), named(value))).collect())
        }
        Tree::List(list) => Tree::List(list.into_iter().map(named).collect()),
        other => other,
    }
}

async fn shown(call: &Call, status: StatusCode) -> Result<Answer, Problem> {
    let run = list::one(call.ctx(), call.part("ordinal")).await?;
    Ok(Answer::json(status, tree(&run)?))
}

async fn begin(call: Call) -> Result<Answer, Problem> {
    const NAMES: [&str; 8] =
        ["AsOf", "Ahead", "Preview", "Review", "Customers", "BusinessUnit", "Skip", "Expect"];
    let node = call.json()?.unwrap_or(Node::Object(Vec::new()));
    let sent = Body::of(&node, "")?;
    let mut faults = Faults::default();
    sent.only(&NAMES, &mut faults);
    let skip = sent.texts("Skip", &mut faults);
    let steps: Vec<Step> = skip.iter().filter_map(|name| Step::parse(&name.to_ascii_lowercase())).collect();
    if steps.len() != skip.len() {
        faults.add(sent.at("Skip"), INVALID.word, "has something else than render, send, collect");
    }
    let what = NewRun {
        scope: Scope {
            customers: somebody(&sent, &mut faults),
            business_unit: sent.plain(&["BusinessUnit"], &mut faults),
        },
        skip: steps,
        review: sent.flag(&["Review"], &mut faults).unwrap_or(false),
        expect: sent.plain(&["Expect"], &mut faults),
        reach: match sent.flag(&["Ahead"], &mut faults) {
            Some(true) => Reach::Ahead,
            _ => Reach::Bounded,
        },
    };
    let only_shown = sent.flag(&["Preview"], &mut faults).unwrap_or(false);
    if let Some(text) = sent.plain(&["AsOf"], &mut faults)
        && let Err(told) = super::day::read(&text, None)
    {
        faults.add(sent.at("AsOf"), INVALID.word, told);
    }
    faults.check()?;
    let act: Act = call.act_on(Some(&sent), &["AsOf"]).await?;
    if only_shown {
        let preview = preview::preview(call.ctx(), &act, &what).await?;
        let value = serde_json::to_value(&preview).map_err(anyhow::Error::from)?;
        return Ok(Answer::ok(named(Tree::value(&value)).with_amounts()));
    }
    let opened = open::open(call.ctx(), &act, &what).await?;
    Ok(begun(&opened))
}

fn begun(opened: &Opened) -> Answer {
    let run = Tree::Int(i64::try_from(opened.run).unwrap_or(i64::MAX));
    Answer::json(
        StatusCode::ACCEPTED,
        Tree::object([
            ("Run", run),
            ("AsOf", Tree::Text(opened.as_of.to_string())),
            ("State", Tree::text(opened.state.name())),
            ("GoesOn", Tree::Bool(opened.goes_on)),
        ]),
    )
}

/// Account numbers. A list without any is refused: left out, it means everybody.
fn somebody(sent: &Body<'_>, faults: &mut Faults) -> Vec<String> {
    let accounts = sent.texts("Customers", faults);
    if accounts.is_empty() && sent.get(&["Customers"]).is_some() {
        faults.add(sent.at("Customers"), INVALID.word, "names nobody: leave it out to mean everybody");
    }
    accounts
}

async fn asked(call: Call, name: &'static str) -> Result<Answer, Problem> {
    let verb = match name {
        "approve" => {
            let node = if call.body.is_empty() { Node::Object(Vec::new()) } else { body(&call)? };
            let sent = Body::of(&node, "")?;
            let mut faults = Faults::default();
            sent.only(&["Customers"], &mut faults);
            let accounts = somebody(&sent, &mut faults);
            faults.check()?;
            Verb::Approve { accounts }
        }
        "cancel" => Verb::Cancel,
        _ => Verb::Rerun,
    };
    let asked = requests::ask(call.ctx(), &call.actor(), call.part("ordinal"), &verb).await?;
    call.ctx().ring();
    let since = Instant::now();
    while since.elapsed() < WAIT && requests::answer(call.ctx(), asked).await?.is_none() {
        tokio::time::sleep(LOOK).await;
    }
    shown(&call, StatusCode::ACCEPTED).await
}
