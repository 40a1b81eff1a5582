//! What an operator does to a run between drafting and booking, and to what it set aside: approve, cancel, rerun,
//! release. Each is done within the transaction that answers the request for it ([`crate::runs::requests`]).

use crate::act::Actor;
use crate::context::Context;
use crate::refusal::Stop;
use crate::runs::bill::Approved;
use crate::runs::flow;
use domain::audit::{Action, Object};
use domain::refusal::{Code, Refusal, Verb};
use domain::run::{ItemState, RunState, no_draft, not_parked, wrong_state};
use store::draft::{self, DraftFilter, DraftState};
use store::run::attempts::{self, AttemptKind};
use store::run::{self, Run, RunItem};
use store::{Tx, parked, slice};

/// Books the drafts of a run in review: all that book by themselves, or those of `accounts` alone, whatever their
/// autobill says. The others go on waiting.
pub async fn approve(
    ctx: &Context,
    tx: &mut Tx,
    run: &Run,
    accounts: &[String],
    actor: &Actor,
) -> Result<(), Stop> {
    let run = &run::locked(tx, run.id).await?;
    let filter = DraftFilter { run: Some(run.id), state: Some(DraftState::Open), ..DraftFilter::default() };
    let open = draft::keys(tx, &filter).await?;
    if let Some(account) = accounts.iter().find(|a| !open.iter().any(|key| &key.account_number == *a)) {
        return Err(no_draft(run.ordinal, account).into());
    }
    if !run::set_state(tx, run.id, RunState::Review, RunState::Open, (ctx.now)()).await? {
        return Err(wrong_state_now(tx, run, "approved").await?);
    }
    let approved = if accounts.is_empty() { Approved::All } else { Approved::Only(accounts) };
    flow::start_booking(ctx, tx, run, approved).await?;
    ctx.note(
        tx,
        actor,
        Action::ApproveRun,
        Object::Run(run.ordinal),
        serde_json::json!({"accounts": accounts}),
    )
    .await?;
    Ok(())
}

/// What a cancellation dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancelled {
    pub drafts: u64,
    /// Invoices of payers that were approved before: they stand, and the run is closed.
    pub booked: u64,
}

/// Drops what a run has not booked; its periods are due again. A run that books already is refused: it goes to its end.
pub async fn cancel(ctx: &Context, tx: &mut Tx, run: &Run, actor: &Actor) -> Result<Cancelled, Stop> {
    // Whoever is booking for it finishes first, and its invoices are seen.
    let run = &run::locked(tx, run.id).await?;
    let booked = u64::try_from(store::invoice::of_run(tx, run.id).await?.len()).unwrap_or(u64::MAX);
    let may = match run.state {
        RunState::Review => true,
        RunState::Open => booked == 0 && attempts::latest(tx, run.id).await? == 1,
        _ => false,
    };
    if !may {
        return Err(wrong_state_now(tx, run, "cancelled").await?);
    }
    // Whoever still holds a slice of it can no longer write.
    slice::take_over(tx, slice::TakeOver::OfRun(run.id)).await?;
    let drafts = draft::cancel_run(tx, run.id, "the run was cancelled").await?;
    let next = if booked > 0 { RunState::Closed } else { RunState::Cancelled };
    if next == RunState::Cancelled {
        parked::forget_run(tx, run.id).await?;
    }
    run::set_state(tx, run.id, run.state, next, (ctx.now)()).await?;
    let detail = serde_json::json!({"drafts": drafts, "booked": booked});
    ctx.note(tx, actor, Action::CancelRun, Object::Run(run.ordinal), detail).await?;
    Ok(Cancelled { drafts, booked })
}

/// Opens the payers that failed again, as an attempt of its own: they are measured, drafted and booked again, and nobody
/// else is. Who is parked at a bound stays so. Returns how many there are.
pub async fn rerun_failed(ctx: &Context, tx: &mut Tx, run: &Run, actor: &Actor) -> Result<usize, Stop> {
    let run = &run::locked(tx, run.id).await?;
    if run.state != RunState::Closed {
        return Err(wrong_state_now(tx, run, "rerun").await?);
    }
    let items = run::items(tx, run.id, None).await?;
    let payers: Vec<_> = items.iter().map(|i| i.payer).collect();
    let held = parked::of(tx, &payers).await?;
    let mut failed: Vec<RunItem> = items
        .into_iter()
        .filter(|i| match i.state {
            ItemState::Failed => true,
            ItemState::Parked => !held.contains_key(&i.payer),
            _ => false,
        })
        .collect();
    if failed.is_empty() {
        return Ok(0);
    }
    open_again(ctx, tx, run, &[RunState::Closed], "rerun").await?;
    // What was booked before its mail was refused is mailed again.
    let booked = store::invoice::of_run(tx, run.id).await?;
    store::delivery::retry(tx, &booked).await?;
    attempt(ctx, tx, run, AttemptKind::Rerun, actor, &mut failed).await?;
    ctx.note(
        tx,
        actor,
        Action::RerunRun,
        Object::Run(run.ordinal),
        serde_json::json!({"payers": failed.len()}),
    )
    .await?;
    Ok(failed.len())
}

/// Lets parked payers through every bound, by name, and bills them at once as an attempt of this run (rules I9).
pub async fn release(
    ctx: &Context,
    tx: &mut Tx,
    run: &Run,
    accounts: &[String],
    actor: &Actor,
) -> Result<usize, Stop> {
    let run = &run::locked(tx, run.id).await?;
    let mut let_through = Vec::new();
    let items = run::items(tx, run.id, None).await?;
    for account in accounts {
        let item = items.iter().find(|i| &i.account_number == account && i.state == ItemState::Parked);
        let Some(item) = item else {
            return Err(not_parked(run.ordinal, account).into());
        };
        let_through.push(RunItem { released: true, ..item.clone() });
    }
    let from = [RunState::Closed, RunState::Review];
    open_again(ctx, tx, run, &from, "billed from").await?;
    let payers: Vec<_> = let_through.iter().map(|i| i.payer).collect();
    parked::release(tx, &payers).await?;
    attempt(ctx, tx, run, AttemptKind::Release, actor, &mut let_through).await?;
    ctx.note(
        tx,
        actor,
        Action::ReleaseRun,
        Object::Run(run.ordinal),
        serde_json::json!({"accounts": accounts}),
    )
    .await?;
    Ok(let_through.len())
}

/// Notes what the run said of these payers, opens them, and begins again with rating.
async fn attempt(
    ctx: &Context,
    tx: &mut Tx,
    run: &Run,
    kind: AttemptKind,
    actor: &Actor,
    items: &mut [RunItem],
) -> anyhow::Result<()> {
    attempts::add(tx, run.id, kind, &actor.to_string(), items, (ctx.now)()).await?;
    let payers: Vec<_> = items.iter().map(|i| i.payer).collect();
    draft::drop_of_payers(tx, run.id, &payers).await?;
    for item in items.iter_mut() {
        item.state = ItemState::Open;
    }
    run::save_items(tx, run.id, items).await?;
    flow::begin(tx, run.id).await
}

/// Opens a run that is in one of these states, unless another one of its scope is open: that one comes first.
async fn open_again(
    ctx: &Context,
    tx: &mut Tx,
    run: &Run,
    from: &[RunState],
    verb: &'static str,
) -> Result<(), Stop> {
    run::lock_opening(tx).await?;
    if let Some(other) = run::unfinished(tx, &run.scope).await?
        && other.id != run.id
    {
        return Err(unfinished(&other).into());
    }
    for state in from {
        if run::set_state(tx, run.id, *state, RunState::Open, (ctx.now)()).await? {
            return Ok(());
        }
    }
    Err(wrong_state_now(tx, run, verb).await?)
}

async fn wrong_state_now(tx: &mut Tx, run: &Run, verb: &str) -> anyhow::Result<Stop> {
    let state = run::by_id(tx, run.id).await?.map_or(run.state, |now| now.state);
    Ok(wrong_state(run.ordinal, state, verb).into())
}

/// Another run of the scope comes first.
fn unfinished(other: &Run) -> Refusal {
    let other = other.ordinal;
    Refusal::new(Code::RunInProgress, format!("run {other} of the same scope is not finished"))
        .hint("finish or cancel it first: ")
        .ask(Verb::ShowRun.on(other))
}
