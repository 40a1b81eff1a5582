//! Zuplo's metering v1, below `/v1/metering`: buckets, plans that carry quotas, subscriptions to them, and their use.

mod buckets;
mod plans;
mod quotas;
mod read;
mod subscriptions;

use crate::answer::Answer;
use crate::call::Call;
use crate::json::Tree;
use crate::problem::{Problem, bad_query, unknown_query};
use crate::route::Route;

/// Records of a list at most, and unless asked for fewer.
const LIMIT: usize = 1_000;

pub fn routes() -> Vec<Route> {
    let mut routes = Vec::new();
    routes.extend(subscriptions::routes());
    routes.extend(buckets::routes());
    routes.extend(plans::routes());
    routes.extend(quotas::routes());
    routes
}

/// Which part of a list is asked for: the offset, and the limit.
fn part(call: &Call) -> Result<(usize, usize), Problem> {
    let number = |name: &str, default: usize| match call.asked(name) {
        None => Ok(default),
        Some(text) => text
            .parse::<usize>()
            .map_err(|_| bad_query(name, format!("`{text}` is not a whole number from 0"))),
    };
    let limit = number("limit", LIMIT)?.clamp(1, LIMIT);
    let offset = number("offset", 0)?;
    Ok((offset, limit))
}

/// `{data, limit, offset, total}` of all there is.
fn list<T>(call: &Call, all: &[T], tree: impl Fn(&T) -> Tree) -> Result<Answer, Problem> {
    let (offset, limit) = part(call)?;
    let data = all.iter().skip(offset).take(limit).map(tree).collect();
    Ok(listed(data, (offset, limit), all.len()))
}

/// The same of a part of it.
fn listed(data: Vec<Tree>, (offset, limit): (usize, usize), total: usize) -> Answer {
    Answer::ok(Tree::object([
        ("data", Tree::List(data)),
        ("limit", Tree::count(limit)),
        ("offset", Tree::count(offset)),
        ("total", Tree::count(total)),
    ]))
}

/// Nothing but these is asked.
fn only(call: &Call, known: &[&'static str]) -> Result<(), Problem> {
    for (name, _) in &call.query {
        if !known.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Err(unknown_query(name, known));
        }
    }
    Ok(())
}

/// Members that are there, in their order.
fn present(members: Vec<(&'static str, Option<Tree>)>) -> Tree {
    Tree::Object(members.into_iter().filter_map(|(name, value)| Some((name.into(), value?))).collect())
}

/// The id that this very request has made.
fn made(call: &Call) -> Result<String, Problem> {
    call.made_called().ok_or_else(|| anyhow::anyhow!("what was made is not known").into())
}
