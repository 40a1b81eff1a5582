//! A run that is being worked, as whoever asked for it watches it.

use crate::context::Context;
use crate::refusal::Stop;
use crate::runs::show;
use crate::runs::view::{RunAnswer, StepView};
use anyhow::Context as _;
use domain::ids::RunId;
use domain::refusal::{Code, Refusal, Verb};
use domain::run::{RunState, Scope, Step, unexpected_hash};
use store::worker::{self, WorkerLock};
use store::{run, slice};

/// How a run stands at this moment.
#[derive(Debug, Clone)]
pub struct Progress {
    pub run: u64,
    pub state: RunState,
    /// The step that is at work.
    pub at: Option<StepView>,
    /// A step that failed and that nobody is at, with its error.
    pub failed: Option<(Step, String)>,
}

/// Looks at a run.
pub async fn look(ctx: &Context, id: RunId) -> anyhow::Result<Progress> {
    let mut tx = ctx.store.read().await?;
    let found = run::by_id(&mut tx, id).await?.with_context(|| format!("run {id} is gone"))?;
    let steps = slice::progress(&mut tx, id).await?;
    let mut open = slice::open(&mut tx, id).await?.into_iter();
    let failed = open.find(|s| s.error.is_some() && s.worker.is_none());
    Ok(Progress {
        run: found.ordinal,
        state: found.state,
        at: steps.into_iter().map(StepView::from).find(|step| step.open > 0),
        failed: failed.map(|s| (s.task.step, s.error.unwrap_or_default())),
    })
}

/// How a run ended. One that was to have another hash than the one expected has booked nothing, and is refused.
pub async fn ended(ctx: &Context, id: RunId) -> Result<RunAnswer, Stop> {
    let mut tx = ctx.store.read().await?;
    let found = run::by_id(&mut tx, id).await?.with_context(|| format!("run {id} is gone"))?;
    let answer = show::answer(&mut tx, &found).await?;
    if found.state == RunState::Cancelled && found.options.expect.is_some() {
        return Err(unexpected_hash(&answer.run.hash).into());
    }
    Ok(answer)
}

/// A scope that only its holder opens runs of, as long as it is held.
pub struct ScopeLock {
    _held: WorkerLock,
}

/// Holds a scope; none while another process does (PostgreSQL: on SQLite the home's own lock stands for all).
pub async fn hold(ctx: &Context, scope: &Scope) -> anyhow::Result<Option<ScopeLock>> {
    let held = worker::hold(&ctx.store, &format!("run of {}", scope.key())).await?;
    Ok(held.map(|held| ScopeLock { _held: held }))
}

/// A run of this scope that is not finished, and who is at it: a second one is refused.
pub async fn refuse_second(ctx: &Context, scope: &Scope, holder: &str) -> Result<(), Stop> {
    let mut tx = ctx.store.read().await?;
    let Some(other) = run::unfinished(&mut tx, scope).await? else { return Ok(()) };
    let run = other.ordinal;
    let message = format!("run {run} of the same scope is being worked by {holder}");
    let refusal = Refusal::new(Code::RunInProgress, message).hint("watch it with ");
    Err(refusal.ask(Verb::ShowRun.on(run)).into())
}

/// Somebody is about to open a run of the same scope.
pub fn being_opened(holder: &str) -> Refusal {
    Refusal::new(Code::RunInProgress, format!("{holder} is opening a run of the same scope"))
        .ask(Verb::ListRuns.plain())
        .hint(" shows it")
}
