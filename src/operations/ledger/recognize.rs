//! Deferred revenue is earned: an entry per document and month, month after month (rules L1). A run does it before it seals, up
//! to the last full month before its day; so does the close of a month.
//!
//! Key that makes a repeat quiet: (document, kind, month) of an entry; the day up to which all is recognised.

use crate::context::Context;
use anyhow::Context as _;
use chrono::NaiveDate;
use domain::ids::InvoiceId;
use domain::ledger::{Entry, deferred_codes, recognition_entry};
use domain::report::MonthRange;

/// Documents per transaction.
const CHUNK: usize = 500;

/// Recognises what is earned before this day, the first of a month; how many entries that made.
pub async fn recognize(ctx: &Context, until: NaiveDate) -> anyhow::Result<u64> {
    let mut entries = 0;
    while let Some(month) = next_month(ctx, until).await? {
        entries += recognize_month(ctx, month).await?;
    }
    Ok(entries)
}

/// The next month of which anything may be earned.
async fn next_month(ctx: &Context, until: NaiveDate) -> anyhow::Result<Option<MonthRange>> {
    let mut tx = ctx.store.read().await?;
    let known = store::ledger::recognized_until(&mut tx).await?;
    if known.is_some_and(|known| known >= until) {
        return Ok(None);
    }
    let Some(catalogue) = store::catalogue::load(&mut tx).await? else { return Ok(None) };
    let codes = deferred_codes(&catalogue.tenant.accounts, catalogue.business_units.values());
    let open = store::ledger::open_deferred(&mut tx, &codes, until).await?;
    let Some(first) = open.into_iter().map(|(_, first)| first).min() else { return Ok(None) };
    let month = MonthRange::month_of(known.unwrap_or(first).max(first));
    Ok((month.end <= until).then_some(month))
}

async fn recognize_month(ctx: &Context, month: MonthRange) -> anyhow::Result<u64> {
    let mut tx = ctx.store.read().await?;
    let catalogue = store::catalogue::load(&mut tx).await?.context("the book is empty")?;
    let codes = deferred_codes(&catalogue.tenant.accounts, catalogue.business_units.values());
    let open = store::ledger::open_deferred(&mut tx, &codes, month.end).await?;
    drop(tx);
    let ids: Vec<InvoiceId> = open.into_iter().map(|(id, _)| id).collect();
    let mut made = 0;
    for chunk in ids.chunks(CHUNK) {
        let mut tx = ctx.store.begin().await?;
        let open_from = store::ledger::open_from(&mut tx).await?;
        let mut posted = store::ledger::of_documents(&mut tx, chunk).await?;
        let mut entries: Vec<Entry> = Vec::new();
        for booked in store::invoice::by_ids(&mut tx, chunk).await? {
            let own = posted.remove(&booked.invoice.draft.id).unwrap_or_default();
            entries.extend(recognition_entry(&booked.invoice, &catalogue, open_from, month.end, &own)?);
        }
        made += store::ledger::save_entries(&mut tx, None, &entries).await?;
        tx.commit().await?;
    }
    let mut tx = ctx.store.begin().await?;
    store::ledger::mark_recognized(&mut tx, month.end, (ctx.now)()).await?;
    tx.commit().await?;
    Ok(made)
}
