//! `draft_invoices`: a slice of payers is billed; drafts and the periods they take are saved. The slice that ends
//! the step comes to the barrier (`operations::runs::flow`): run hash, `--expect`, review, ranking.
//!
//! Idempotency keys: a draft's id follows from its natural key; a period is taken once per
//! (charge reference, period start, revision, kind, ordinal).

use crate::SLICES_AT_ONCE;
use crate::runtime::slice_job::SliceJob;
use anyhow::Context as _;
use domain::ids::CustomerId;
use domain::run::{ItemState, Step};
use domain::task::SliceTask;
use operations::context::Context;
use operations::runs::bill::{Drafted, bill, credited_since};
use operations::runs::bounds::{Outcome, ParkedBy};
use operations::runs::flow;
use std::collections::BTreeMap;
use store::draft::{self, AlreadyBilled, PayerDrafts};
use store::run::{self, Run, RunItem};
use store::{parked, payer, slice};

pub struct DraftInvoices;

impl SliceJob for DraftInvoices {
    const STEP: Step = Step::Draft;
    const AT_ONCE: usize = SLICES_AT_ONCE;

    async fn work(ctx: &Context, task: SliceTask) -> anyhow::Result<()> {
        draft(ctx, task).await
    }
}

/// Bills the slice's payers and saves what came of it in one transaction.
async fn draft(ctx: &Context, task: SliceTask) -> anyhow::Result<()> {
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
                        billed.insert(payer, Drafted::failed(reason));
                    }
                }
                Err(error) => return Err(error),
            },
        }
    }
}

async fn save(
    ctx: &Context,
    task: SliceTask,
    run: &Run,
    items: &mut [RunItem],
    billed: &BTreeMap<CustomerId, Drafted>,
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
        let drafted = billed.get(&item.payer);
        let outcome = drafted.map(|d| &d.outcome);
        settle_item(item, outcome, revisions.get(&item.payer).copied());
        if credited.contains(&item.payer) {
            item.state = ItemState::Failed;
            item.reason = Some("credited while it was being drafted".to_owned());
        }
        if let Some(Outcome::Parked(parked)) = outcome
            && parked.why == ParkedBy::Bound
        {
            beyond.push((item.payer, parked.reason.clone()));
        }
        if let Some(Drafted { outcome: Outcome::Billed(billed), bodies }) = drafted
            && matches!(item.state, ItemState::Done | ItemState::Nothing)
        {
            saved.push(PayerDrafts {
                payer: item.payer,
                drafts: &billed.drafts,
                bodies,
                lines: &billed.lines,
                carried: Some(&billed.carried),
            });
        }
    }
    draft::save(&mut tx, run.id, run.ordinal, &saved).await?;
    run::save_items(&mut tx, run.id, items).await?;
    parked::park(&mut tx, run.id, &beyond, (ctx.now)()).await?;
    flow::go_on(ctx, &mut tx, run, task, finished.left_open).await?;
    tx.commit().await
}

/// State, reason, hash and counts of a payer after billing. What an earlier attempt billed stays said.
fn settle_item(item: &mut RunItem, outcome: Option<&Outcome>, revision: Option<i64>) {
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
            (item.state, item.reason) = (ItemState::Parked, Some(parked.told()));
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
