//! `book_invoices`: a slice of ranked drafts becomes invoices with numbers and ledger entries. Slices are booked one
//! after another: slice k enqueues k + 1 in its own transaction, so numbers have no gap at any moment (rules I5).
//!
//! Idempotency keys: the invoice's id; (series, sequence); (document, kind, ordinal) of an entry.

use crate::SLICES_AT_ONCE;
use crate::runtime::slice_job::SliceJob;
use anyhow::Context as _;
use domain::run::Step;
use domain::task::SliceTask;
use operations::context::Context;
use operations::invoices::book::book_drafts;
use operations::runs::flow;
use store::{draft, payer, run, slice};

pub struct BookInvoices;

impl SliceJob for BookInvoices {
    const STEP: Step = Step::Book;
    const AT_ONCE: usize = SLICES_AT_ONCE;

    async fn work(ctx: &Context, task: SliceTask) -> anyhow::Result<()> {
        book(ctx, task).await
    }
}

/// Books the slice in one transaction.
async fn book(ctx: &Context, task: SliceTask) -> anyhow::Result<()> {
    let mut tx = ctx.store.begin().await?;
    let finished = slice::finish(&mut tx, task).await?;
    if !finished.was_open {
        return Ok(());
    }
    let run = run::by_id(&mut tx, task.run).await?.context("the run of this ticket is gone")?;
    // Locked before the drafts are read: a draft may be edited until then.
    let payers = draft::payers_of_slice(&mut tx, task.run, task.slice).await?;
    payer::locked_refs(&mut tx, &payers).await?;
    let catalogue = store::catalogue::load(&mut tx).await?.context("the book is empty")?;
    let drafts = draft::of_slice(&mut tx, task.run, task.slice).await?;
    book_drafts(&mut tx, Some(run.id), run.as_of, &catalogue, drafts).await?;
    flow::go_on(ctx, &mut tx, &run, task, finished.left_open).await?;
    tx.commit().await
}
