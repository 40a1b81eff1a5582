//! The run that would be opened: a preview bills with it.

use crate::context::Context;
use chrono::NaiveDate;
use domain::ids::RunId;
use domain::run::{RunState, Scope};
use store::run::{self, Run, RunOptions};
use store::{Tx, imports, segment};

/// The next run as it would be opened now: what it reads is pinned, and nothing is written.
pub async fn would_be_run(ctx: &Context, tx: &mut Tx, as_of: NaiveDate) -> anyhow::Result<Run> {
    Ok(Run {
        id: RunId(uuid::Uuid::nil()),
        ordinal: run::newest_ordinal(tx).await? + 1,
        scope: Scope::default(),
        as_of,
        state: RunState::Open,
        usage_mark: imports::newest_number(tx).await?,
        usage_version: segment::version(tx).await?,
        options: RunOptions::default(),
        usage: None,
        hash: None,
        opened_at: (ctx.now)(),
        ended_at: None,
    })
}
