//! Booking: drafts become invoices with numbers and ledger entries, in the transaction of the caller, or one draft by
//! a person.

use crate::act::{Asked, note};
use crate::context::Context;
use crate::delivery::plan;
use crate::payments::settle;
use anyhow::Context as _;
use chrono::NaiveDate;
use domain::billing;
use domain::catalogue::Catalogue;
use domain::ids::{CustomerId, InvoiceId, RunId};
use domain::invoice::{Draft, Invoice};
use domain::journal::Action;
use domain::ledger::Entry;
use domain::run::ItemState;
use std::collections::BTreeMap;
use store::draft::{self, DraftKey, DraftState};
use store::invoice::{self, Booked};
use store::{Tx, payer, run};

/// Books drafts in the order given, on a day and for a run, or by hand; those whose payer changed since, or that a check refuses, are set aside.
/// Returns the invoices.
pub async fn book_drafts(
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

/// Books one open draft on that day, as its run would have done; a draft that a person wrote has none. `Err` holds
/// why it is set aside.
pub async fn book(ctx: &Context, key: &DraftKey, asked: &Asked) -> anyhow::Result<Result<Booked, String>> {
    let mut tx = ctx.store.begin().await?;
    // Locked before the draft is read: somebody may be changing or dropping it.
    payer::lock(&mut tx, &[key.payer]).await?;
    let (state, reason) = draft::state(&mut tx, key.id).await?.unwrap_or((DraftState::Cancelled, None));
    if state != DraftState::Open {
        return Ok(Err(reason.unwrap_or_else(|| "it is not open any more".to_owned())));
    }
    let run = (key.run != draft::BY_HAND).then_some(key.run);
    let catalogue = store::catalogue::load(&mut tx).await?.context("the book is empty")?;
    let drafts = draft::by_ids(&mut tx, &[key.id]).await?;
    let invoices = book_drafts(&mut tx, run, asked.on, &catalogue, drafts).await?;
    let Some(invoice) = invoices.first() else {
        let reason = draft::state(&mut tx, key.id).await?.and_then(|(_, reason)| reason);
        return Ok(Err(reason.unwrap_or_else(|| "it is not open any more".to_owned())));
    };
    note(ctx, &mut tx, &invoice.number, Action::BookInvoice, asked).await?;
    let booked = invoice::by_id(&mut tx, key.id).await?.context("the invoice was just booked")?;
    plan::plan_invoices(ctx, &mut tx, &catalogue, std::slice::from_ref(&booked), None).await?;
    tx.commit().await?;
    Ok(Ok(booked))
}
