//! The runs, newest first.

use crate::context::Context;
use crate::refusal::Stop;
use crate::runs::find::find;
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
    newest(ctx, detail, LISTED).await
}

/// Every run.
pub async fn all(ctx: &Context, detail: Detail) -> Result<Vec<RunView>, Stop> {
    newest(ctx, detail, u32::MAX).await
}

/// The run of this number.
pub async fn one(ctx: &Context, name: &str) -> Result<RunView, Stop> {
    let mut tx = ctx.store.read().await?;
    let run = find(&mut tx, name).await?;
    Ok(run::summary(&mut tx, &run).await?.into())
}

async fn newest(ctx: &Context, detail: Detail, limit: u32) -> Result<Vec<RunView>, Stop> {
    let mut tx = ctx.store.read().await?;
    let mut views = Vec::new();
    for run in run::newest(&mut tx, limit).await? {
        let summary = match detail {
            Detail::Heads => run::head(&mut tx, &run).await?,
            Detail::Whole => run::summary(&mut tx, &run).await?,
        };
        views.push(summary.into());
    }
    Ok(views)
}
