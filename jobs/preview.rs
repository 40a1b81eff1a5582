//! What a run would bill: the same core on the same snapshot, and not a word written.

use crate::bounds::{self, Difference, PayerTotal, Totals};
use crate::context::JobContext;
use crate::draft_invoices::bill_one;
use crate::measuring;
use crate::open_run::Request;
use anyhow::Context;
use chrono::NaiveDate;
use domain::billing::{self, RunContext};
use domain::ids::RunId;
use domain::money::Currency;
use domain::run::{MailCounts, RunState, RunSummary, RunTotal, Scope};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::run::{Run, RunOptions};
use store::{Tx, imports, payer, run, segment};

/// What would be billed, and how it differs from the last run of the same scope.
#[derive(Debug, Clone)]
pub struct Preview {
    pub summary: RunSummary,
    pub by_payer: Totals,
    /// Ordinal of the run compared with.
    pub last: Option<u64>,
    /// Before and now.
    pub differences: Vec<(Difference, Currency, PayerTotal, PayerTotal)>,
}

/// Bills in memory and sums up.
pub async fn preview(ctx: &JobContext, request: &Request) -> anyhow::Result<Preview> {
    let mut tx = ctx.store.read().await?;
    let catalogue = Arc::new(store::catalogue::load(&mut tx).await?.context("the book is empty")?);
    let run = would_be_run(ctx, &mut tx, request.as_of).await?;
    let run = Run { scope: request.scope.clone(), options: request.options.clone(), ..run };
    let payers = payer::payers(&mut tx, &request.scope).await?;
    let ids: Vec<_> = payers.iter().map(|p| p.id).collect();
    let mut books = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(ctx.settings.slice_payers) {
        books.extend(payer::books(&mut tx, chunk, &catalogue).await?);
    }
    drop(tx);
    let books = measuring::with_late_hints(ctx, &run, books).await?;
    let mut rated = measuring::measure(ctx, &run, &books).await?;
    let context = RunContext {
        ordinal: run.ordinal,
        as_of: run.as_of,
        usage_mark: run.usage_mark,
        catch_up_max: ctx.settings.catch_up_max,
    };
    let mut outcomes: Vec<_> = books
        .iter()
        .map(|book| {
            let measured = rated.by_payer.remove(&book.payer).unwrap_or_default();
            (book.payer, bill_one(book, &measured, context))
        })
        .collect();
    let billed = outcomes.iter_mut().filter_map(|(payer, outcome)| Some((*payer, outcome.as_mut().ok()?)));
    bounds::apply(ctx, &run, billed).await?;
    let mut by_payer = Totals::new();
    let (mut failed, mut parked, mut invoiced) = (0, 0, 0);
    let mut hashes = Vec::new();
    let mut totals: BTreeMap<Currency, RunTotal> = BTreeMap::new();
    for ((_, outcome), payer) in outcomes.into_iter().zip(&payers) {
        let billed = match outcome {
            Err(_) => {
                failed += 1;
                continue;
            }
            Ok(billed) if billed.parked.is_some() => {
                parked += 1;
                continue;
            }
            Ok(billed) => billed,
        };
        if !billed.hash.is_empty() {
            hashes.push((payer.account_number.clone(), billed.hash.clone()));
        }
        for draft in &billed.drafts {
            invoiced += 1;
            let total = totals.entry(draft.currency).or_insert(RunTotal {
                currency: draft.currency,
                invoices: 0,
                net_minor: 0,
                vat_minor: 0,
            });
            total.invoices += 1;
            total.net_minor += i128::from(draft.net_minor);
            total.vat_minor += i128::from(draft.vat_minor);
            let own = by_payer.entry((payer.id, draft.currency)).or_default();
            own.account.clone_from(&payer.account_number);
            own.invoices += 1;
            own.net_minor += i128::from(draft.net_minor);
            own.vat_minor += i128::from(draft.vat_minor);
        }
    }
    let mut tx = ctx.store.read().await?;
    let last = bounds::last_run(&mut tx, &run).await?;
    let differences = match &last {
        Some((_, before)) => bounds::differences(ctx.settings.bounds, before, &by_payer),
        None => Vec::new(),
    };
    let summary = RunSummary {
        id: run.id,
        ordinal: run.ordinal,
        as_of: run.as_of,
        scope: run.scope,
        state: run.state,
        payers: u64::try_from(payers.len())?,
        invoiced,
        failed,
        parked,
        mails: MailCounts::default(),
        totals: totals.into_values().collect(),
        usage: rated.usage,
        hash: billing::run_hash(hashes.iter().map(|(a, h)| (a.as_str(), h.as_str()))),
    };
    Ok(Preview { summary, by_payer, last: last.map(|(run, _)| run.ordinal), differences })
}

/// The next run as it would be opened now: what it reads is pinned, and nothing is written.
pub async fn would_be_run(ctx: &JobContext, tx: &mut Tx, as_of: NaiveDate) -> anyhow::Result<Run> {
    Ok(Run {
        id: RunId(uuid::Uuid::nil()),
        ordinal: run::newest_ordinal(tx).await? + 1,
        scope: Scope::default(),
        as_of,
        state: RunState::Open,
        usage_mark: imports::newest_number(tx).await?,
        usage_version: segment::version(tx).await?,
        options: RunOptions::default(),
        usage: None,
        hash: None,
        opened_at: (ctx.now)(),
        ended_at: None,
    })
}
