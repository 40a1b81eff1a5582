//! What comes after what in a run, in one place: which queue works a step, the barrier between drafting and booking, and
//! the step that follows.

use crate::context::Context;
use crate::runs::bill::Approved;
use domain::billing;
use domain::ids::RunId;
use domain::run::{RunState, Step};
use domain::task::SliceTask;
use store::draft::{self, DraftFilter, DraftKey, DraftState};
use store::run::{self, Run, attempts};
use store::{Tx, parked, queue, slice};

/// Starts the step after `step` that the run does not skip; `slices` is how many booking slices there were.
pub async fn after(tx: &mut Tx, run: &Run, step: Step, slices: u32) -> anyhow::Result<()> {
    let next = [Step::Render, Step::Send, Step::Collect]
        .into_iter()
        .find(|next| *next > step && !run.options.skip.contains(next));
    match next {
        Some(next) => start(tx, run.id, next, slices).await,
        None => start(tx, run.id, Step::Seal, 1).await,
    }
}

/// Every draft is made or set aside: decide whether, and in which order, the run books (rules I5). A later attempt has
/// a hash of its own; what was expected of the run was expected of its first.
pub async fn barrier(ctx: &Context, tx: &mut Tx, run: &Run) -> anyhow::Result<()> {
    let attempt = attempts::latest(tx, run.id).await?;
    let hash_of = |hashes: Vec<(String, String)>| {
        billing::run_hash(hashes.iter().map(|(account, hash)| (account.as_str(), hash.as_str())))
    };
    if attempt > 1 {
        let hash = hash_of(attempts::item_hashes(tx, run.id, attempt).await?);
        attempts::set_hash(tx, run.id, attempt, &hash).await?;
    } else {
        let hash = hash_of(run::item_hashes(tx, run.id).await?);
        run::set_hash(tx, run.id, &hash).await?;
        if run.options.expect.as_ref().is_some_and(|expected| *expected != hash) {
            draft::cancel_run(tx, run.id, "the run hash is not the one expected").await?;
            parked::forget_run(tx, run.id).await?;
            run::set_state(tx, run.id, RunState::Open, RunState::Cancelled, (ctx.now)()).await?;
            return Ok(());
        }
    }
    if run.options.review {
        run::set_state(tx, run.id, RunState::Open, RunState::Review, (ctx.now)()).await?;
        return Ok(());
    }
    start_booking(ctx, tx, run, Approved::All).await
}

/// Ranks the drafts that are approved and hands out the first booking slice.
pub async fn start_booking(
    ctx: &Context,
    tx: &mut Tx,
    run: &Run,
    approved: Approved<'_>,
) -> anyhow::Result<()> {
    let filter = DraftFilter { run: Some(run.id), state: Some(DraftState::Open), ..DraftFilter::default() };
    let keys = draft::keys(tx, &filter).await?;
    let books = |key: &DraftKey| match approved {
        Approved::All => key.autobill,
        Approved::Only(accounts) => accounts.contains(&key.account_number),
    };
    let in_order: Vec<_> = keys.iter().filter(|k| books(k)).map(|k| k.id).collect();
    let per_slice = u32::try_from(ctx.settings.slice_payers).unwrap_or(u32::MAX);
    let slices = draft::rank(tx, run.id, &in_order, per_slice).await?;
    if slices == 0 && store::invoice::of_run(tx, run.id).await?.is_empty() {
        return start(tx, run.id, Step::Seal, 1).await;
    }
    if slices == 0 {
        // A rerun with nothing left to book: documents, mails and payments that are missing are made up.
        return after(tx, run, Step::Book, 1).await;
    }
    let tasks = open_step(tx, run.id, Step::Book, slices).await?;
    enqueue(tx, &tasks[..1]).await
}

/// The queue that works a step.
pub fn queue_of(step: Step) -> &'static str {
    match step {
        Step::Rate => "rate_usage",
        Step::Draft => "draft_invoices",
        Step::Book => "book_invoices",
        Step::Render => "render_invoices",
        Step::Send => "send_invoices",
        Step::Collect => "collect_payments",
        Step::Seal => "seal_ledger",
        Step::Close => "close_run",
    }
}

/// Enqueues tickets in the transaction that makes them necessary; a repeat is quiet (key: run/step/slice/epoch).
pub async fn enqueue(tx: &mut Tx, tasks: &[SliceTask]) -> anyhow::Result<()> {
    for task in tasks {
        let key = format!("{}/{}/{}/{}", task.run, task.step.name(), task.slice, task.epoch);
        queue::enqueue(tx, queue_of(task.step), task, &key).await?;
    }
    Ok(())
}

/// Opens all slices of a step and enqueues them.
pub async fn start(tx: &mut Tx, run: RunId, step: Step, slices: u32) -> anyhow::Result<()> {
    let tasks = open_step(tx, run, step, slices).await?;
    enqueue(tx, &tasks).await
}

/// Opens the slices 0 to `slices` of a step and returns their tasks in order. Slices that an earlier round of the run
/// has done are opened in a new epoch: `runs rerun` goes through the steps again.
pub async fn open_step(tx: &mut Tx, run: RunId, step: Step, slices: u32) -> anyhow::Result<Vec<SliceTask>> {
    let done: u64 =
        slice::progress(tx, run).await?.iter().filter(|(s, ..)| *s == step).map(|(.., done)| done).sum();
    if done > 0 {
        let all: Vec<u32> = (0..slices).collect();
        slice::reopen(tx, run, step, &all).await?;
    }
    slice::add(tx, run, step, slices).await?;
    let open = slice::open(tx, run).await?;
    Ok(open.into_iter().map(|s| s.task).filter(|t| t.step == step && t.slice < slices).collect())
}
