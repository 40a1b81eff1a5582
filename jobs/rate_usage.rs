//! `rate_usage`: one scan of the pinned usage answers every window that the run's payers need.
//!
//! Idempotency key: run, charge reference, period, revision of the payer.

use crate::SLICES_AT_ONCE;
use crate::runtime::slice_job::SliceJob;
use anyhow::Context as _;
use domain::ids::CustomerId;
use domain::run::{ItemState, Step};
use domain::task::SliceTask;
use operations::context::Context;
use operations::runs::flow;
use operations::usage::measure;
use std::sync::Arc;
use store::measured::{self, MeasuredRow};
use store::run::{self, attempts};
use store::{payer, slice};

/// Windows per transaction: well under a second.
const CHUNK: usize = 5_000;

pub struct RateUsage;

impl SliceJob for RateUsage {
    const STEP: Step = Step::Rate;
    const AT_ONCE: usize = SLICES_AT_ONCE;

    async fn work(ctx: &Context, task: SliceTask) -> anyhow::Result<()> {
        rate(ctx, task).await
    }
}

/// Measures for every open payer of the run.
async fn rate(ctx: &Context, task: SliceTask) -> anyhow::Result<()> {
    let mut tx = ctx.store.read().await?;
    let run = run::by_id(&mut tx, task.run).await?.context("the run of this ticket is gone")?;
    let items = run::items(&mut tx, task.run, None).await?;
    let catalogue = Arc::new(store::catalogue::load(&mut tx).await?.context("the book is empty")?);
    let open: Vec<CustomerId> =
        items.iter().filter(|i| i.state == ItemState::Open).map(|i| i.payer).collect();
    let mut books = Vec::with_capacity(open.len());
    for payers in open.chunks(ctx.settings.slice_payers) {
        books.extend(payer::books(&mut tx, payers, &catalogue).await?);
    }
    drop(tx);
    // A run reads no byte that it has not held against its hash itself.
    measure::look_anew();
    let books = measure::with_late_hints(ctx, &run, books).await?;
    let rated = measure::measure(ctx, &run, &books).await?;
    let rows: Vec<MeasuredRow<'_>> = books
        .iter()
        .flat_map(|book| {
            let windows = rated.by_payer.get(&book.payer).into_iter().flatten();
            windows.map(|(key, window)| MeasuredRow {
                payer: book.payer,
                revision: book.revision,
                key: *key,
                window,
            })
        })
        .collect();
    for chunk in rows.chunks(CHUNK) {
        let mut tx = ctx.store.begin().await?;
        measured::save(&mut tx, run.id, chunk).await?;
        tx.commit().await?;
    }
    let mut tx = ctx.store.begin().await?;
    let finished = slice::finish(&mut tx, task).await?;
    if !finished.was_open {
        return Ok(());
    }
    match attempts::latest(&mut tx, run.id).await? {
        1 => run::set_usage(&mut tx, run.id, &rated.usage).await?,
        attempt => attempts::set_usage(&mut tx, run.id, attempt, &rated.usage).await?,
    }
    flow::go_on(ctx, &mut tx, &run, task, finished.left_open).await?;
    tx.commit().await
}
