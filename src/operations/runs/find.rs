//! A run by the number that people use.

use crate::context::Context;
use crate::refusal::Stop;
use domain::ids::RunId;
use domain::refusal::{Code, Refusal, Verb};
use store::Tx;
use store::run::{self, Run};

/// A run that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunRef {
    pub id: RunId,
    pub run: u64,
}

/// The run of this number.
pub async fn by_number(ctx: &Context, name: &str) -> Result<RunRef, Stop> {
    let found = find(&mut ctx.store.read().await?, name).await?;
    Ok(RunRef { id: found.id, run: found.ordinal })
}

/// The run of this ordinal, with or without `run_` before it.
pub(crate) async fn find(tx: &mut Tx, name: &str) -> Result<Run, Stop> {
    let ordinal = name.trim_start_matches("run_").parse::<u64>().ok();
    let found = match ordinal {
        Some(ordinal) => run::by_ordinal(tx, ordinal).await?,
        None => None,
    };
    let unknown = || {
        Refusal::new(Code::UnknownRun, format!("there is no run {name}"))
            .ask(Verb::ListRuns.plain())
            .hint(" lists them by number")
    };
    Ok(found.ok_or_else(unknown)?)
}
