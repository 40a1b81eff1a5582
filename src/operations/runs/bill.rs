//! Billing a slice of payers: books in, measured usage, drafts out. One payer that cannot be billed is set aside with the
//! reason; the others go on.

use crate::context::Context;
use crate::runs::bounds::{Gate, Outcome};
use crate::usage::measure;
use anyhow::Context as _;
use domain::billing::{self, Credited, RunContext};
use domain::ids::{CustomerId, Place};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use store::draft_body::{DraftBody, Packer};
use store::run::{Run, RunItem};
use store::{Tx, payer};

pub async fn bill(
    ctx: &Context,
    run: &Run,
    items: &[RunItem],
) -> anyhow::Result<BTreeMap<CustomerId, Drafted>> {
    let ids: Vec<CustomerId> = items.iter().map(|i| i.payer).collect();
    let mut tx = ctx.store.read().await?;
    let catalogue = Arc::new(store::catalogue::load(&mut tx).await?.context("the book is empty")?);
    let books = payer::books(&mut tx, &ids, &catalogue).await?;
    let refs = payer::refs(&mut tx, &ids).await?;
    let mut measured = store::measured::of_payers(&mut tx, run.id, &refs).await?;
    let gate = Gate::open(&mut tx, ctx.settings.bounds, &ids, items).await?;
    drop(tx);
    let books = measure::with_late_hints(ctx, run, books).await?;
    // A payer whose book changed since rating is measured again.
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
        measured.extend(measure::measure(ctx, run, &stale).await?.by_payer);
    }
    let places: HashMap<CustomerId, Place> = items.iter().map(|i| (i.payer, Place::of(i.position))).collect();
    let context = run_context(ctx, run);
    let work: Vec<_> = books
        .into_iter()
        .map(|book| {
            let measured = measured.remove(&book.payer).unwrap_or_default();
            let place = places.get(&book.payer).copied().unwrap_or(context.place);
            Work { book, measured, context: RunContext { place, ..context } }
        })
        .collect();
    let ctx = ctx.clone();
    tokio::task::spawn_blocking(move || bill_all(&ctx, &gate, &work)).await?
}

/// What came of billing a payer, with the content of its drafts ready to be written.
#[derive(Debug, Clone)]
pub struct Drafted {
    pub outcome: Outcome,
    pub bodies: Vec<DraftBody>,
}

impl Drafted {
    fn of(outcome: Outcome, packer: &mut Packer) -> anyhow::Result<Self> {
        let bodies = match &outcome {
            Outcome::Billed(billed) => packer.pack_all(&billed.drafts)?,
            _ => Vec::new(),
        };
        Ok(Self { outcome, bodies })
    }

    /// A payer that another run was quicker to bill, or that is refused for another reason.
    pub fn failed(reason: String) -> Self {
        Self { outcome: Outcome::Failed(reason), bodies: Vec::new() }
    }
}

/// One payer to bill.
struct Work {
    book: billing::PayerBook,
    measured: domain::measure::Measured,
    context: RunContext,
}

/// Bills payers on all threads. Stops between two payers when asked to; nothing has been written by then.
fn bill_all(ctx: &Context, gate: &Gate, work: &[Work]) -> anyhow::Result<BTreeMap<CustomerId, Drafted>> {
    let per_thread = work.len().div_ceil(ctx.settings.threads.max(1)).max(1);
    let parts: Vec<anyhow::Result<Vec<_>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = work
            .chunks(per_thread)
            .map(|part| {
                scope.spawn(move || {
                    let mut outcomes = Vec::with_capacity(part.len());
                    let mut packer = Packer::new()?;
                    for Work { book, measured, context } in part {
                        anyhow::ensure!(
                            !ctx.is_stopping(),
                            "stopped between two payers; the next worker goes on"
                        );
                        let outcome = bill_one(book, measured, *context, gate);
                        outcomes.push((book.payer, Drafted::of(outcome, &mut packer)?));
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

/// What a run tells the core about itself; each payer is billed at its own place.
pub fn run_context(ctx: &Context, run: &Run) -> RunContext {
    RunContext {
        ordinal: run.ordinal,
        place: Place::of(0),
        as_of: run.as_of,
        usage_mark: run.usage_mark,
        catch_up_max: ctx.settings.catch_up_max,
    }
}

/// Payers whose drafts give something back, of which a person has credited something since they were billed. Needs the
/// payers' locks.
pub async fn credited_since(
    tx: &mut Tx,
    billed: &BTreeMap<CustomerId, Drafted>,
) -> anyhow::Result<BTreeSet<CustomerId>> {
    let seen = |drafted: &Drafted| match &drafted.outcome {
        Outcome::Billed(billed) => billed.credited.clone(),
        _ => None,
    };
    let before: BTreeMap<CustomerId, Credited> =
        billed.iter().filter_map(|(payer, drafted)| Some((*payer, seen(drafted)?))).collect();
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

/// Whose drafts are booked.
#[derive(Debug, Clone, Copy)]
pub enum Approved<'a> {
    /// Those that book by themselves.
    All,
    /// Those of these accounts alone, whatever their autobill says.
    Only(&'a [String]),
}
