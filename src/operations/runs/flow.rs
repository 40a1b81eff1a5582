//! What comes after what in a run, in one place: from rating to the run's end, with the barrier between drafting and
//! booking.

use crate::context::Context;
use crate::runs::bill::Approved;
use crate::runs::notices;
use domain::billing;
use domain::ids::RunId;
use domain::run::{RunState, Step};
use domain::task::SliceTask;
use store::draft::{self, DraftFilter, DraftKey, DraftState};
use store::run::{self, Run, attempts};
use store::{Tx, parked, queue, slice};

/// Starts a run that is opened, or opened again: first its usage is rated.
pub async fn begin(tx: &mut Tx, run: RunId) -> anyhow::Result<()> {
    start(tx, run, Step::Rate, 1).await
}

/// What comes once a slice is done, in the transaction that closed it. `left_open` slices of its step are not done yet.
pub async fn go_on(
    ctx: &Context,
    tx: &mut Tx,
    run: &Run,
    done: SliceTask,
    left_open: u64,
) -> anyhow::Result<()> {
    match done.step {
        Step::Rate => draft(tx, run.id).await,
        Step::Book => book_next(tx, run, done.slice + 1).await,
        // The last slice of a step goes on for all of them.
        _ if left_open > 0 => Ok(()),
        Step::Draft => barrier(ctx, tx, run).await,
        Step::Render | Step::Send | Step::Collect => {
            let slices = slices_of(tx, run.id, done.step).await?;
            after(tx, run, done.step, slices).await
        }
        Step::Seal => start(tx, run.id, Step::Close, 1).await,
        Step::Close => close(ctx, tx, run).await,
    }
}

/// Hands out the drafting slices; a run without payers has nothing to draft.
async fn draft(tx: &mut Tx, run: RunId) -> anyhow::Result<()> {
    let items = run::items(tx, run, None).await?;
    match items.iter().map(|item| item.slice + 1).max() {
        Some(slices) => start(tx, run, Step::Draft, slices).await,
        None => start(tx, run, Step::Seal, 1).await,
    }
}

/// Hands out the next booking slice: one follows the other, so that numbers have no gap at any moment (rules I5).
async fn book_next(tx: &mut Tx, run: &Run, number: u32) -> anyhow::Result<()> {
    let open = slice::open(tx, run.id).await?;
    let next = open.iter().map(|s| s.task).find(|t| t.step == Step::Book && t.slice == number);
    match next {
        Some(next) => enqueue(tx, &[next]).await,
        None => after(tx, run, Step::Book, number).await,
    }
}

/// How many slices a step has, whatever their state.
async fn slices_of(tx: &mut Tx, run: RunId, step: Step) -> anyhow::Result<u32> {
    let progress = slice::progress(tx, run).await?;
    let slices = progress.iter().find(|(known, ..)| *known == step).map_or(1, |(_, open, done)| open + done);
    Ok(u32::try_from(slices)?)
}

/// Starts the step after `step` that the run does not skip; `slices` is how many booking slices there were.
async fn after(tx: &mut Tx, run: &Run, step: Step, slices: u32) -> anyhow::Result<()> {
    let next = [Step::Render, Step::Send, Step::Collect]
        .into_iter()
        .find(|next| *next > step && !run.options.skip.contains(next));
    match next {
        Some(next) => start(tx, run.id, next, slices).await,
        None => start(tx, run.id, Step::Seal, 1).await,
    }
}

/// Everything the run opened is done, so it is closed; a run of which only some payers were approved goes on waiting for
/// review.
async fn close(ctx: &Context, tx: &mut Tx, run: &Run) -> anyhow::Result<()> {
    let filter = DraftFilter { run: Some(run.id), state: Some(DraftState::Open), ..DraftFilter::default() };
    let waits = run.options.review && draft::keys(tx, &filter).await?.iter().any(|k| k.autobill);
    let next = if waits { RunState::Review } else { RunState::Closed };
    run::set_state(tx, run.id, RunState::Open, next, (ctx.now)()).await?;
    if next == RunState::Closed {
        notices::plan_ended(ctx, tx, run).await?;
    }
    Ok(())
}

/// Every draft is made or set aside: decide whether, and in which order, the run books (rules I5). A later attempt has
/// a hash of its own; what was expected of the run was expected of its first.
async fn barrier(ctx: &Context, tx: &mut Tx, run: &Run) -> anyhow::Result<()> {
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
            return notices::plan_ended(ctx, tx, run).await;
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
    // Numbers are given per series, so notes may come last: then the invoices that they amend have theirs.
    let (notes, invoices): (Vec<_>, Vec<_>) =
        keys.iter().filter(|k| books(k)).partition(|key| key.net_minor + key.vat_minor < 0);
    let in_order: Vec<_> = invoices.into_iter().chain(notes).map(|key| key.id).collect();
    let per_slice = ctx.settings.slice_of(in_order.len());
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

/// Enqueues tickets in the transaction that makes them necessary, under an idempotency key: run/step/slice/epoch.
pub async fn enqueue(tx: &mut Tx, tasks: &[SliceTask]) -> anyhow::Result<()> {
    for task in tasks {
        let key = format!("{}/{}/{}/{}", task.run, task.step.name(), task.slice, task.epoch);
        queue::enqueue(tx, task.step.queue(), task, &key).await?;
    }
    Ok(())
}

/// Opens all slices of a step and enqueues them.
async fn start(tx: &mut Tx, run: RunId, step: Step, slices: u32) -> anyhow::Result<()> {
    let tasks = open_step(tx, run, step, slices).await?;
    enqueue(tx, &tasks).await
}

/// Opens the slices 0 to `slices` of a step and returns their tasks in order. Slices that an earlier round of the run
/// has done are opened in a new epoch: `runs rerun` goes through the steps again.
async fn open_step(tx: &mut Tx, run: RunId, step: Step, slices: u32) -> anyhow::Result<Vec<SliceTask>> {
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
