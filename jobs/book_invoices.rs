//! `book_invoices`: a slice of ranked drafts becomes invoices with numbers and ledger entries. Slices are booked one
//! after another: slice k enqueues k + 1 in its own transaction, so numbers have no gap at any moment (rules.md I5).
//!
//! Keys that make a repeat quiet: the invoice's id; (series, sequence); (document, kind, ordinal) of an entry.

use crate::context::JobContext;
use crate::{settle, ticket};
use anyhow::Context;
use chrono::NaiveDate;
use domain::billing;
use domain::catalogue::Catalogue;
use domain::ids::{CustomerId, InvoiceId, RunId};
use domain::invoice::{Draft, Invoice};
use domain::ledger::Entry;
use domain::run::{ItemState, Step};
use domain::task::SliceTask;
use std::collections::BTreeMap;
use store::draft::DraftState;
use store::run::Run;
use store::{Tx, draft, payer, run, slice};

/// Books the slice in one transaction.
pub async fn run(ctx: &JobContext, task: SliceTask) -> anyhow::Result<()> {
    let mut tx = ctx.store.begin().await?;
    if !slice::finish(&mut tx, task).await?.was_open {
        return Ok(());
    }
    let run = run::by_id(&mut tx, task.run).await?.context("the run of this ticket is gone")?;
    // Locked before the drafts are read: a draft may be edited until then.
    let payers = draft::payers_of_slice(&mut tx, task.run, task.slice).await?;
    payer::locked_refs(&mut tx, &payers).await?;
    let catalogue = store::catalogue::load(&mut tx).await?.context("the book is empty")?;
    let drafts = draft::of_slice(&mut tx, task.run, task.slice).await?;
    book(&mut tx, Some(run.id), run.as_of, &catalogue, drafts).await?;
    follow(&mut tx, &run, task).await?;
    tx.commit().await
}

/// Books drafts in the order given, on a day and for a run, or by hand; those whose payer changed since, or that a check refuses, are set aside.
/// Returns the invoices.
pub async fn book(
    tx: &mut Tx,
    run: Option<RunId>,
    booked_on: NaiveDate,
    catalogue: &Catalogue,
    drafts: Vec<Draft>,
) -> anyhow::Result<Vec<Invoice>> {
    let ids: Vec<CustomerId> = drafts.iter().map(|d| d.payer).collect();
    let revisions: BTreeMap<CustomerId, i64> =
        payer::locked_refs(tx, &ids).await?.into_iter().map(|p| (p.id, p.revision)).collect();
    store::invoice::lock_open(tx, &ids).await?;
    let mut aside: Vec<(Draft, String)> = Vec::new();
    let mut ready = Vec::new();
    for draft in drafts {
        if revisions.get(&draft.payer) != Some(&draft.revision) {
            aside.push((draft, "changed since draft".to_owned()));
        } else if let Err(error) = billing::check(&draft) {
            aside.push((draft, error.to_string()));
        } else {
            ready.push(draft);
        }
    }
    let mut per_series: BTreeMap<String, u64> = BTreeMap::new();
    for draft in &ready {
        *per_series.entry(draft.series.clone()).or_default() += 1;
    }
    let mut next: BTreeMap<String, u64> = BTreeMap::new();
    for (series, count) in per_series {
        let first = store::invoice::take_numbers(tx, &series, count).await?;
        next.insert(series, first);
    }
    let mut invoices = Vec::with_capacity(ready.len());
    for draft in ready {
        let sequence = next.get_mut(&draft.series).context("a series without numbers")?;
        let invoice = billing::book(draft, *sequence, booked_on, catalogue)?;
        *sequence += 1;
        invoices.push(invoice);
    }
    let open_from = store::ledger::open_from(tx).await?;
    let entries: Vec<Entry> = invoices
        .iter()
        .map(|i| domain::ledger::book_entry(i, catalogue, open_from))
        .collect::<Result<_, _>>()?;
    store::invoice::save_booked(tx, run, &invoices, &entries).await?;
    let booked: Vec<InvoiceId> = invoices.iter().map(|i| i.draft.id).collect();
    draft::mark(tx, &booked, DraftState::Booked, None).await?;
    settle::set_off_credit_notes(tx, &invoices).await?;
    count_items(tx, run, &invoices, &aside).await?;
    Ok(invoices)
}

/// Writes per payer how many invoices were made, and the reason of what was set aside.
async fn count_items(
    tx: &mut Tx,
    run: Option<RunId>,
    invoices: &[Invoice],
    aside: &[(Draft, String)],
) -> anyhow::Result<()> {
    for (draft, reason) in aside {
        draft::mark(tx, &[draft.id], DraftState::SetAside, Some(reason)).await?;
    }
    let Some(run) = run else { return Ok(()) };
    let mut made: BTreeMap<CustomerId, u32> = BTreeMap::new();
    for invoice in invoices {
        *made.entry(invoice.draft.payer).or_default() += 1;
    }
    let mut payers: Vec<CustomerId> =
        made.keys().copied().chain(aside.iter().map(|(d, _)| d.payer)).collect();
    payers.sort_unstable();
    payers.dedup();
    let mut items = run::items_of(tx, run, &payers).await?;
    for item in &mut items {
        item.invoices += made.get(&item.payer).copied().unwrap_or(0);
        if let Some((_, reason)) = aside.iter().find(|(d, _)| d.payer == item.payer) {
            (item.state, item.reason) = (ItemState::Failed, Some(reason.clone()));
        }
    }
    run::save_items(tx, run, &items).await
}

/// Hands out the next booking slice, or what comes after booking.
async fn follow(tx: &mut Tx, run: &Run, task: SliceTask) -> anyhow::Result<()> {
    let open = slice::open(tx, run.id).await?;
    let next = open.iter().map(|s| s.task).find(|t| t.step == Step::Book && t.slice == task.slice + 1);
    match next {
        Some(next) => ticket::enqueue(tx, &[next]).await,
        None => after(tx, run, Step::Book, task.slice + 1).await,
    }
}

/// Starts the step after `step` that the run does not skip; `slices` is how many booking slices there were.
pub async fn after(tx: &mut Tx, run: &Run, step: Step, slices: u32) -> anyhow::Result<()> {
    let next = [Step::Render, Step::Send, Step::Collect]
        .into_iter()
        .find(|next| *next > step && !run.options.skip.contains(next));
    match next {
        Some(next) => ticket::start(tx, run.id, next, slices).await,
        None => ticket::start(tx, run.id, Step::Seal, 1).await,
    }
}
