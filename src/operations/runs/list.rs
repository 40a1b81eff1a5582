//! The runs, newest first.

use crate::context::Context;
use crate::refusal::Stop;
use crate::runs::view::RunView;
use store::run;

/// Runs in a list.
const LISTED: u32 = 100;

/// How much is told of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Without mails, payments and what older runs left.
    Heads,
    Whole,
}

/// The newest runs.
pub async fn list(ctx: &Context, detail: Detail) -> Result<Vec<RunView>, Stop> {
    let mut tx = ctx.store.read().await?;
    let mut views = Vec::new();
    for run in run::newest(&mut tx, LISTED).await? {
        let summary = match detail {
            Detail::Heads => run::head(&mut tx, &run).await?,
            Detail::Whole => run::summary(&mut tx, &run).await?,
        };
        views.push(summary.into());
    }
    Ok(views)
}
