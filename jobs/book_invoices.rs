//! `book_invoices`: a slice of ranked drafts becomes invoices with numbers and ledger entries. Slices are booked one
//! after another: slice k enqueues k + 1 in its own transaction, so numbers have no gap at any moment (rules I5).
//!
//! Keys that make a repeat quiet: the invoice's id; (series, sequence); (document, kind, ordinal) of an entry.

use anyhow::Context as _;
use domain::run::Step;
use domain::task::SliceTask;
use operations::context::Context;
use operations::invoices::book::book_drafts;
use operations::runs::flow::{self, after};
use store::run::{self, Run};
use store::{Tx, draft, payer, slice};

/// Books the slice in one transaction.
pub async fn run(ctx: &Context, task: SliceTask) -> anyhow::Result<()> {
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
    book_drafts(&mut tx, Some(run.id), run.as_of, &catalogue, drafts).await?;
    follow(&mut tx, &run, task).await?;
    tx.commit().await
}

/// Hands out the next booking slice, or what comes after booking.
async fn follow(tx: &mut Tx, run: &Run, task: SliceTask) -> anyhow::Result<()> {
    let open = slice::open(tx, run.id).await?;
    let next = open.iter().map(|s| s.task).find(|t| t.step == Step::Book && t.slice == task.slice + 1);
    match next {
        Some(next) => flow::enqueue(tx, &[next]).await,
        None => after(tx, run, Step::Book, task.slice + 1).await,
    }
}
