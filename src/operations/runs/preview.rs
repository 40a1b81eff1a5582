//! What a run would bill: the same core on the same snapshot, and not a word written.

use crate::context::Context;
use crate::runs::bill::{self, bill_one};
use crate::runs::bounds::{self, Difference, Gate, Outcome, PayerTotal, Totals};
use crate::runs::open::{self, Request};
use crate::runs::pin::would_be_run;
use crate::usage::measure;
use anyhow::Context as _;
use domain::billing;
use domain::invoice::Draft;
use domain::money::Currency;
use domain::run::{ItemState, MailCounts, PaymentCounts, RunSummary, RunTotal};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::payer::{self, PayerRef};
use store::run::{self, Run};

/// What would be billed, and how it differs from the last run of the same scope.
#[derive(Debug, Clone)]
pub struct Preview {
    pub summary: RunSummary,
    pub by_payer: Totals,
    /// Ordinal of the run compared with.
    pub last: Option<u64>,
    /// Before and now.
    pub differences: Vec<(Difference, Currency, PayerTotal, PayerTotal)>,
    /// Account, state and reason of who would not be billed.
    pub aside: Vec<(String, ItemState, String)>,
    /// Account and reason of who is left out, because a later run has billed it already.
    pub left_out: Vec<(String, String)>,
}

/// Bills in memory and sums up.
pub async fn preview(ctx: &Context, request: &Request) -> anyhow::Result<Preview> {
    let mut tx = ctx.store.read().await?;
    let catalogue = Arc::new(store::catalogue::load(&mut tx).await?.context("the book is empty")?);
    let run = would_be_run(ctx, &mut tx, request.as_of).await?;
    let run = Run { scope: request.scope.clone(), options: request.options.clone(), ..run };
    let all = payer::payers(&mut tx, &request.scope).await?;
    let payers_count = u64::try_from(all.len())?;
    let later = run::booked_later(&mut tx, request.as_of).await?;
    let (too_early, payers): (Vec<_>, Vec<_>) = all.into_iter().partition(|p| later.contains_key(&p.id));
    let ids: Vec<_> = payers.iter().map(|p| p.id).collect();
    let mut books = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(ctx.settings.slice_payers) {
        books.extend(payer::books(&mut tx, chunk, &catalogue).await?);
    }
    let gate = Gate::open(&mut tx, ctx.settings.bounds, &ids, &[]).await?;
    drop(tx);
    let books = measure::with_late_hints(ctx, &run, books).await?;
    let mut rated = measure::measure(ctx, &run, &books).await?;
    let context = bill::run_context(ctx, &run);
    let mut sums = Sums::default();
    for (book, payer) in books.iter().zip(&payers) {
        let measured = rated.by_payer.remove(&book.payer).unwrap_or_default();
        sums.add(payer, bill_one(book, &measured, context, &gate));
    }
    let mut tx = ctx.store.read().await?;
    let last = bounds::last_run(&mut tx, &run).await?;
    let differences = match &last {
        Some((_, before)) => {
            bounds::differences(ctx.settings.bounds, before, &sums.by_payer, &sums.parked_totals)
        }
        None => Vec::new(),
    };
    let of = |state: ItemState| sums.aside.iter().filter(|(_, s, _)| *s == state).map(|_| 1u64).sum();
    let summary = RunSummary {
        id: run.id,
        ordinal: run.ordinal,
        as_of: run.as_of,
        scope: run.scope,
        state: run.state,
        payers: payers_count,
        invoiced: sums.totals.values().map(|t| t.invoices).sum(),
        failed: of(ItemState::Failed),
        parked: of(ItemState::Parked),
        totals: sums.totals.into_values().collect(),
        usage: rated.usage,
        mails: MailCounts::default(),
        payments: PaymentCounts::default(),
        older: 0,
        left_out: too_early.iter().map(|p| p.account_number.clone()).collect(),
        hash: billing::run_hash(sums.hashes.iter().map(|(a, h)| (a.as_str(), h.as_str()))),
    };
    Ok(Preview {
        summary,
        by_payer: sums.by_payer,
        last: last.map(|(run, _)| run.ordinal),
        differences,
        aside: sums.aside,
        left_out: too_early
            .into_iter()
            .filter_map(|p| Some((p.account_number, open::left_out(*later.get(&p.id)?))))
            .collect(),
    })
}

/// What all payers come to.
#[derive(Default)]
struct Sums {
    by_payer: Totals,
    parked_totals: Totals,
    totals: BTreeMap<Currency, RunTotal>,
    hashes: Vec<(String, String)>,
    aside: Vec<(String, ItemState, String)>,
}

impl Sums {
    fn add(&mut self, payer: &PayerRef, outcome: Outcome) {
        let account = &payer.account_number;
        match outcome {
            Outcome::Failed(reason) => self.aside.push((account.clone(), ItemState::Failed, reason)),
            Outcome::Parked(parked) => {
                self.aside.push((account.clone(), ItemState::Parked, parked.told(account, None)));
                for draft in &parked.billed.drafts {
                    add_draft(&mut self.parked_totals, payer, draft);
                }
            }
            Outcome::Billed(billed) => {
                if !billed.hash.is_empty() {
                    self.hashes.push((account.clone(), billed.hash.clone()));
                }
                for draft in &billed.drafts {
                    add_draft(&mut self.by_payer, payer, draft);
                    let total = self.totals.entry(draft.currency).or_insert(RunTotal {
                        currency: draft.currency,
                        invoices: 0,
                        net_minor: 0,
                        vat_minor: 0,
                    });
                    total.invoices += 1;
                    total.net_minor += i128::from(draft.net_minor);
                    total.vat_minor += i128::from(draft.vat_minor);
                }
            }
        }
    }
}

fn add_draft(totals: &mut Totals, payer: &PayerRef, draft: &Draft) {
    let own = totals.entry((payer.id, draft.currency)).or_default();
    own.account.clone_from(&payer.account_number);
    own.invoices += 1;
    own.net_minor += i128::from(draft.net_minor);
    own.vat_minor += i128::from(draft.vat_minor);
}
