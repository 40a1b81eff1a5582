//! What jobs on slices share: which invoices a slice has, and who is set aside and why when it is finished. A slice of these steps has the invoices of the booking slice of the same number, so the three meet
//! the same invoices however often they are tried.

use anyhow::Context as _;
use domain::ids::{CustomerId, InvoiceId};
use domain::run::ItemState;
use domain::task::SliceTask;
use operations::aside::SetAside;
use operations::context::Context;
use operations::runs::flow;
use store::run::{self, Run};
use store::{Tx, draft, slice};

/// The run of a ticket and the invoices of its slice.
pub async fn slice_of(ctx: &Context, task: SliceTask) -> anyhow::Result<(Run, Vec<InvoiceId>)> {
    let mut tx = ctx.store.read().await?;
    let run = run::by_id(&mut tx, task.run).await?.context("the run of this ticket is gone")?;
    let invoices = draft::booked_in_slice(&mut tx, task.run, task.slice).await?;
    Ok((run, invoices))
}

/// Closes the slice, notes who is set aside, and goes on with what comes next.
pub async fn finish(ctx: &Context, task: SliceTask, aside: &SetAside) -> anyhow::Result<()> {
    let mut tx = ctx.store.begin().await?;
    let finished = slice::finish(&mut tx, task).await?;
    if !finished.was_open {
        return Ok(());
    }
    let run = run::by_id(&mut tx, task.run).await?.context("the run of this ticket is gone")?;
    set_aside(&mut tx, &run, aside).await?;
    flow::go_on(ctx, &mut tx, &run, task, finished.left_open).await?;
    tx.commit().await
}

/// Writes the reasons on the payers' items.
async fn set_aside(tx: &mut Tx, of: &Run, aside: &SetAside) -> anyhow::Result<()> {
    let payers: Vec<CustomerId> = aside.failed.keys().chain(aside.waiting.keys()).copied().collect();
    if payers.is_empty() {
        return Ok(());
    }
    let mut items = run::items_of(tx, of.id, &payers).await?;
    for item in &mut items {
        if let Some(reason) = aside.failed.get(&item.payer) {
            (item.state, item.reason) = (ItemState::Failed, Some(reason.clone()));
        } else if item.state != ItemState::Failed {
            item.reason = aside.waiting.get(&item.payer).cloned();
        }
    }
    run::save_items(tx, of.id, &items).await
}
