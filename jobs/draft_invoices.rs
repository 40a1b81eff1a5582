//! `draft_invoices`: a slice of payers is billed; drafts and the periods they take are saved. The slice that ends
//! the step comes to the barrier: run hash, `--expect`, review, ranking.
//!
//! Keys that make a repeat quiet: a draft's id follows from its natural key; a period is taken once per
//! (charge reference, period start, revision, kind, ordinal).

use crate::bounds::{Gate, Outcome, Why};
use crate::context::JobContext;
use crate::{book_invoices, measuring, ticket};
use anyhow::Context;
use domain::billing::{self, Credited, RunContext};
use domain::ids::CustomerId;
use domain::run::{ItemState, RunState, Step};
use domain::task::SliceTask;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::draft::{AlreadyBilled, DraftFilter, DraftKey, DraftState, PayerDrafts};
use store::run::{Run, RunItem, attempts};
use store::{Tx, draft, parked, payer, run, slice};

/// Bills the slice's payers and saves what came of it in one transaction.
pub async fn run(ctx: &JobContext, task: SliceTask) -> anyhow::Result<()> {
    let mut tx = ctx.store.read().await?;
    let run = run::by_id(&mut tx, task.run).await?.context("the run of this ticket is gone")?;
    let items = run::items(&mut tx, task.run, Some(task.slice)).await?;
    drop(tx);
    let mut open: Vec<RunItem> = items.into_iter().filter(|i| i.state == ItemState::Open).collect();
    let mut billed = bill(ctx, &run, &open).await?;
    loop {
        match save(ctx, task, &run, &mut open, &billed).await {
            Ok(()) => return Ok(()),
            Err(error) => match error.downcast::<AlreadyBilled>() {
                Ok(taken) => {
                    for payer in taken.payers {
                        let reason = "another run has billed some of these periods".to_owned();
                        billed.insert(payer, Outcome::Failed(reason));
                    }
                }
                Err(error) => return Err(error),
            },
        }
    }
}

async fn bill(
    ctx: &JobContext,
    run: &Run,
    items: &[RunItem],
) -> anyhow::Result<BTreeMap<CustomerId, Outcome>> {
    let ids: Vec<CustomerId> = items.iter().map(|i| i.payer).collect();
    let mut tx = ctx.store.read().await?;
    let catalogue = Arc::new(store::catalogue::load(&mut tx).await?.context("the book is empty")?);
    let books = payer::books(&mut tx, &ids, &catalogue).await?;
    let refs = payer::refs(&mut tx, &ids).await?;
    let mut measured = store::measured::of_payers(&mut tx, run.id, &refs).await?;
    let gate = Gate::open(&mut tx, ctx.settings.bounds, &ids, items).await?;
    drop(tx);
    let books = measuring::with_late_hints(ctx, run, books).await?;
    // A payer whose book changed since rating is measured anew.
    let stale: Vec<_> = books
        .iter()
        .filter(|book| {
            let known = measured.get(&book.payer);
            let asked = billing::due(book, run.as_of).windows;
            asked.iter().any(|w| known.is_none_or(|k| !k.contains_key(&w.key)))
        })
        .cloned()
        .collect();
    if !stale.is_empty() {
        measured.extend(measuring::measure(ctx, run, &stale).await?.by_payer);
    }
    let work: Vec<_> = books
        .into_iter()
        .map(|book| {
            let quantities = measured.remove(&book.payer).unwrap_or_default();
            (book, quantities)
        })
        .collect();
    let (ctx, context) = (ctx.clone(), run_context(ctx, run));
    tokio::task::spawn_blocking(move || bill_all(&ctx, context, &gate, &work)).await?
}

/// Bills payers on all threads. Stops between two payers when asked to; nothing has been written by then.
fn bill_all(
    ctx: &JobContext,
    context: RunContext,
    gate: &Gate,
    work: &[(billing::PayerBook, domain::measure::Measured)],
) -> anyhow::Result<BTreeMap<CustomerId, Outcome>> {
    let per_thread = work.len().div_ceil(ctx.settings.threads.max(1)).max(1);
    let parts: Vec<anyhow::Result<Vec<_>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = work
            .chunks(per_thread)
            .map(|part| {
                scope.spawn(move || {
                    let mut outcomes = Vec::with_capacity(part.len());
                    for (book, measured) in part {
                        anyhow::ensure!(
                            !ctx.is_stopping(),
                            "stopped between two payers; the next worker goes on"
                        );
                        outcomes.push((book.payer, bill_one(book, measured, context, gate)));
                    }
                    Ok(outcomes)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|t| t.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a billing thread died"))))
            .collect()
    });
    let mut outcomes = BTreeMap::new();
    for part in parts {
        outcomes.extend(part?);
    }
    Ok(outcomes)
}

/// Bills one payer; a broken invariant sets this payer aside and nobody else. One that a person has let through is
/// caught up however far it lies behind.
pub fn bill_one(
    book: &billing::PayerBook,
    measured: &domain::measure::Measured,
    context: RunContext,
    gate: &Gate,
) -> Outcome {
    let catch_up_max = if gate.is_released(book.payer) { u32::MAX } else { context.catch_up_max };
    let context = RunContext { catch_up_max, ..context };
    let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        gate.judge(book, billing::bill(book, measured, context))
    }));
    judged.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Outcome::Failed(format!("billing broke an invariant: {text}"))
    })
}

/// What a run tells the core about itself.
pub fn run_context(ctx: &JobContext, run: &Run) -> RunContext {
    RunContext {
        ordinal: run.ordinal,
        as_of: run.as_of,
        usage_mark: run.usage_mark,
        catch_up_max: ctx.settings.catch_up_max,
    }
}

async fn save(
    ctx: &JobContext,
    task: SliceTask,
    run: &Run,
    items: &mut [RunItem],
    billed: &BTreeMap<CustomerId, Outcome>,
) -> anyhow::Result<()> {
    let mut tx = ctx.store.begin().await?;
    let finished = slice::finish(&mut tx, task).await?;
    if !finished.was_open {
        return Ok(());
    }
    let ids: Vec<CustomerId> = items.iter().map(|i| i.payer).collect();
    let revisions: BTreeMap<CustomerId, i64> =
        payer::locked_refs(&mut tx, &ids).await?.into_iter().map(|p| (p.id, p.revision)).collect();
    let credited = credited_since(&mut tx, billed).await?;
    let (mut saved, mut beyond) = (Vec::new(), Vec::new());
    for item in items.iter_mut() {
        let outcome = billed.get(&item.payer);
        settle_item(item, run.ordinal, outcome, revisions.get(&item.payer).copied());
        if credited.contains(&item.payer) {
            item.state = ItemState::Failed;
            item.reason = Some("credited while it was being drafted".to_owned());
        }
        if let Some(Outcome::Parked(parked)) = outcome
            && parked.why == Why::Bound
        {
            beyond.push((item.payer, parked.reason.clone()));
        }
        if let Some(Outcome::Billed(billed)) = outcome
            && matches!(item.state, ItemState::Done | ItemState::Nothing)
        {
            saved.push(PayerDrafts {
                payer: item.payer,
                drafts: &billed.drafts,
                lines: &billed.lines,
                carried: Some(&billed.carried),
            });
        }
    }
    draft::save(&mut tx, run.id, run.ordinal, &saved).await?;
    run::save_items(&mut tx, run.id, items).await?;
    parked::park(&mut tx, run.id, &beyond, (ctx.now)()).await?;
    if finished.left_open == 0 {
        barrier(ctx, &mut tx, run).await?;
    }
    tx.commit().await
}

/// Payers whose drafts give something back, of which a person has credited something since they were billed. Needs the
/// payers' locks.
async fn credited_since(
    tx: &mut Tx,
    billed: &BTreeMap<CustomerId, Outcome>,
) -> anyhow::Result<BTreeSet<CustomerId>> {
    let seen = |outcome: &Outcome| match outcome {
        Outcome::Billed(billed) => billed.credited.clone(),
        _ => None,
    };
    let before: BTreeMap<CustomerId, Credited> =
        billed.iter().filter_map(|(payer, outcome)| Some((*payer, seen(outcome)?))).collect();
    if before.is_empty() {
        return Ok(BTreeSet::new());
    }
    let payers: Vec<CustomerId> = before.keys().copied().collect();
    let now = store::line_credit::of_payers(tx, &payers).await?;
    let is_changed = |payer: &CustomerId| {
        let credits = now.get(payer).map_or(&[][..], Vec::as_slice);
        before.get(payer).is_some_and(|before| *before != Credited::of(credits))
    };
    Ok(payers.into_iter().filter(is_changed).collect())
}

/// State, reason, hash and counts of a payer after billing. What an earlier attempt billed stays said.
fn settle_item(item: &mut RunItem, run: u64, outcome: Option<&Outcome>, revision: Option<i64>) {
    item.attempts += 1;
    item.reason = None;
    match outcome {
        None => {
            (item.state, item.reason) =
                (ItemState::Failed, Some("the payer is gone from the book".to_owned()))
        }
        Some(Outcome::Failed(reason)) => {
            (item.state, item.reason) = (ItemState::Failed, Some(reason.clone()))
        }
        Some(Outcome::Parked(parked)) => {
            let reason = parked.told(&item.account_number, Some(run));
            (item.state, item.reason) = (ItemState::Parked, Some(reason));
        }
        Some(Outcome::Billed(billed)) => {
            let changed = billed.drafts.iter().any(|d| Some(d.revision) != revision);
            if changed {
                item.state = ItemState::Failed;
                item.reason = Some("changed while it was being drafted".to_owned());
                return;
            }
            let is_empty = billed.drafts.is_empty() && item.invoices == 0;
            item.state = if is_empty { ItemState::Nothing } else { ItemState::Done };
            item.revision = revision.unwrap_or(item.revision);
            if !billed.hash.is_empty() {
                item.hash = Some(billed.hash.clone());
            }
            item.drafts = u32::try_from(billed.drafts.len()).unwrap_or(u32::MAX);
        }
    }
}

/// Every draft is made or set aside: decide whether, and in which order, the run books (rules.md I5). A later attempt has
/// a hash of its own; what was expected of the run was expected of its first.
async fn barrier(ctx: &JobContext, tx: &mut Tx, run: &Run) -> anyhow::Result<()> {
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

/// Whose drafts are booked.
#[derive(Debug, Clone, Copy)]
pub enum Approved<'a> {
    /// Those that book by themselves.
    All,
    /// Those of these accounts alone, whatever their autobill says.
    Only(&'a [String]),
}

/// Ranks the drafts that are approved and hands out the first booking slice.
pub async fn start_booking(
    ctx: &JobContext,
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
        return ticket::start(tx, run.id, Step::Seal, 1).await;
    }
    if slices == 0 {
        // A rerun with nothing left to book: documents, mails and payments that are missing are made up.
        return book_invoices::after(tx, run, Step::Book, 1).await;
    }
    let tasks = ticket::open_step(tx, run.id, Step::Book, slices).await?;
    ticket::enqueue(tx, &tasks[..1]).await
}
