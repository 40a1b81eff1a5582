//! What rating, drafting and previewing share: which windows payers need, and what the usage store answers.

pub use metering::look_anew;

use crate::context::Context;
use crate::files::file_store::Named;
use domain::billing::{self, LateHint, PayerBook};
use domain::ids::{CustomerId, SubscriptionId};
use domain::measure::{Instants, Measured};
use domain::run::{RunState, UsageCounts};
use metering::{MeasureRequest, Numbers, SegmentBounds, SegmentRef};
use std::collections::{BTreeMap, HashMap};
use store::run::Run;
use store::{segment, subject};

/// What the usage store answered for some payers.
#[derive(Debug, Default)]
pub struct Rated {
    pub by_payer: BTreeMap<CustomerId, Measured>,
    pub usage: UsageCounts,
}

/// The segments that a run has pinned, and the store's numbers for subscriptions and charges.
pub struct Pinned {
    pub segments: Vec<SegmentRef>,
    pub numbers: Numbers,
}

/// Reads what a run has pinned.
pub async fn pinned(ctx: &Context, run: &Run) -> anyhow::Result<Pinned> {
    let mut tx = ctx.store.read().await?;
    // What a finished run has read may have been bundled since; the mark says which events it saw.
    let version = match run.state {
        RunState::Open | RunState::Review => run.usage_version,
        RunState::Closed | RunState::Cancelled | RunState::Reversed => segment::version(&mut tx).await?,
    };
    let segments = segment::visible_at(&mut tx, version).await?;
    let numbers = Numbers {
        subscriptions: subject::subscription_numbers(&mut tx).await?.into_iter().collect(),
        charges: subject::charge_numbers(&mut tx).await?.into_iter().collect(),
    };
    drop(tx);
    ctx.files.need(segments.iter().map(Named::from)).await?;
    let segments = segments.iter().map(|s| segment_ref(ctx, s)).collect::<anyhow::Result<_>>()?;
    Ok(Pinned { segments, numbers })
}

/// A segment as metering names it.
pub fn segment_ref(ctx: &Context, segment: &segment::Segment) -> anyhow::Result<SegmentRef> {
    Ok(SegmentRef {
        path: ctx.folders.root.join(&segment.path),
        rows_in_file: segment.rows_in_file,
        first_row: segment.first_row,
        import: segment.import_number.unwrap_or(0),
        sha256: segment.sha256.clone(),
        bounds: SegmentBounds {
            rows: segment.rows,
            min_subscription_no: u32::try_from(segment.min_subscription)?,
            max_subscription_no: u32::try_from(segment.max_subscription)?,
            min_time_us: segment.min_time_us,
            max_time_us: segment.max_time_us,
            corrections: segment.corrections,
        },
    })
}

/// Measures all windows that are due for these books, in one scan, and counts what becomes of the events.
pub async fn measure(ctx: &Context, run: &Run, books: &[PayerBook]) -> anyhow::Result<Rated> {
    let mut owners: HashMap<SubscriptionId, CustomerId> = HashMap::new();
    let (mut windows, mut classes) = (Vec::new(), Vec::new());
    for book in books {
        owners.extend(book.subscriptions.keys().map(|id| (*id, book.payer)));
        let due = billing::due(book, run.as_of);
        windows.extend(due.windows);
        classes.extend(due.classes);
    }
    if windows.is_empty() && classes.is_empty() {
        return Ok(Rated::default());
    }
    for window in &mut windows {
        window.up_to_import = Some(run.usage_mark);
    }
    let pinned = pinned(ctx, run).await?;
    let (mark, threads) = (run.usage_mark, ctx.settings.threads);
    let (windows, measured) = tokio::task::spawn_blocking(move || {
        let request = MeasureRequest {
            segments: &pinned.segments,
            windows: &windows,
            classes: &classes,
            up_to_import: Some(mark),
            numbers: &pinned.numbers,
            threads,
        };
        let measured = metering::measure(&request);
        (windows, measured)
    })
    .await?;
    let mut measured = measured?;
    let mut rated = Rated { usage: measured.counts, ..Rated::default() };
    for window in windows {
        let Some(payer) = owners.get(&window.subscription) else { continue };
        if let Some(quantity) = measured.measured.remove(&window.key) {
            rated.by_payer.entry(*payer).or_default().insert(window.key, quantity);
        }
    }
    Ok(rated)
}

/// Tells the books what came in after they were billed (rules Q5): imports newer than the oldest mark of a billed
/// period are looked at.
pub async fn with_late_hints(
    ctx: &Context,
    run: &Run,
    mut books: Vec<PayerBook>,
) -> anyhow::Result<Vec<PayerBook>> {
    // A mark of 0 counts too: a period that was billed before anything was imported.
    let oldest = books.iter().flat_map(|b| b.billed.values().flatten()).map(|line| line.usage_mark).min();
    let Some(oldest) = oldest.filter(|mark| *mark < run.usage_mark) else {
        return Ok(books);
    };
    let pinned = pinned(ctx, run).await?;
    let segments = pinned.segments;
    let hints = tokio::task::spawn_blocking(move || metering::late_hints(&segments, oldest)).await??;
    let names: HashMap<u32, SubscriptionId> =
        pinned.numbers.subscriptions.iter().map(|(id, no)| (*no, *id)).collect();
    let mut by_subscription: HashMap<SubscriptionId, Vec<LateHint>> = HashMap::new();
    for hint in hints {
        let Some(subscription) = names.get(&hint.subscription_no) else { continue };
        by_subscription.entry(*subscription).or_default().push(LateHint {
            subscription: *subscription,
            meter: hint.meter,
            range: Instants { from_us: hint.min_time_us, to_us: hint.max_time_us + 1 },
        });
    }
    for book in &mut books {
        let subscriptions: Vec<SubscriptionId> = book.subscriptions.keys().copied().collect();
        book.late = subscriptions.iter().filter_map(|s| by_subscription.remove(s)).flatten().collect();
    }
    Ok(books)
}
