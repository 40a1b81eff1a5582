//! What a run would bill: the same core on the same snapshot, and not a word written.

use crate::act::Act;
use crate::context::Context;
use crate::refusal::Stop;
use crate::runs::bill::{self, bill_one};
use crate::runs::bounds::{self, Difference, Gate, Outcome, ParkedBy, PayerTotal, Totals};
use crate::runs::open::{self, NewRun};
use crate::runs::pin::would_be_run;
use crate::runs::view::{RunView, TotalView};
use crate::usage::measure;
use anyhow::Context as _;
use domain::billing;
use domain::ids::CustomerId;
use domain::invoice::Draft;
use domain::money::{Currency, Total};
use domain::run::{ItemState, MailCounts, PaymentCounts, RunSummary, RunTotal, UsageCounts};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::payer::{self, PayerRef};
use store::run::{self, Run};

/// What would be billed, payer by payer, and how it differs from the last run of the same scope.
#[derive(Debug, Clone, Serialize)]
pub struct RunPreview {
    #[serde(flatten)]
    pub run: RunView,
    #[serde(rename = "payersdetail")]
    pub payers: Vec<PayerView>,
    /// Ordinal of the run compared with.
    #[serde(rename = "lastrun")]
    pub last_run: Option<u64>,
    pub aside: Vec<NotBilled>,
    pub differences: Vec<DifferenceView>,
    /// Who is left out, because a later run has billed it already, and why.
    #[serde(skip)]
    pub left_out: Vec<NotBilled>,
}

/// A payer in one currency.
#[derive(Debug, Clone, Serialize)]
pub struct PayerView {
    pub account: String,
    #[serde(flatten)]
    pub total: TotalView,
}

/// A payer who would not be billed.
#[derive(Debug, Clone, Serialize)]
pub struct NotBilled {
    pub account: String,
    pub state: ItemState,
    pub reason: String,
    /// Ordinal of the run that has parked it.
    #[serde(skip)]
    pub parked_by: Option<u64>,
}

impl NotBilled {
    /// Whether a bound stops it, and a person may let it through.
    pub fn is_parked(&self) -> bool {
        self.state == ItemState::Parked
    }
}

/// A payer who is new, gone, parked, or whose amount jumped.
#[derive(Debug, Clone, Serialize)]
pub struct DifferenceView {
    pub account: String,
    pub currency: Currency,
    pub difference: Difference,
    pub before: Total,
    pub now: Total,
}

/// Bills in memory and sums up.
///
/// Usage that waits is moved into the usage store first, as the run itself does: both have the same hash.
pub async fn preview(ctx: &Context, act: &Act, what: &NewRun) -> Result<RunPreview, Stop> {
    crate::usage::waiting::move_all(ctx).await?;
    let mut tx = ctx.store.read().await?;
    open::refuse(ctx, &mut tx, act, what).await?;
    let catalogue = Arc::new(store::catalogue::load(&mut tx).await?.context("the book is empty")?);
    let run = would_be_run(ctx, &mut tx, act.on).await?;
    let run = Run { scope: what.scope.clone(), options: what.options(), ..run };
    let all = open::payers(&mut tx, &what.scope).await?;
    let payers_count = u64::try_from(all.len()).unwrap_or(u64::MAX);
    let later = run::booked_later(&mut tx, act.on).await?;
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
    let left_out_accounts = too_early.iter().map(|p| p.account_number.clone()).collect();
    let summary = RunSummary {
        payers: payers_count,
        usage: rated.usage,
        left_out: left_out_accounts,
        ..sums.summary(run)
    };
    let left_out = too_early.into_iter().filter_map(|p| {
        let reason = open::left_out(*later.get(&p.id)?);
        let state = ItemState::Nothing;
        Some(NotBilled { account: p.account_number, state, reason, parked_by: None })
    });
    Ok(RunPreview {
        run: RunView::of_preview(summary),
        payers: payer_views(&sums.by_payer),
        last_run: last.map(|(run, _)| run.ordinal),
        aside: sums.aside,
        differences: differences.into_iter().map(difference_view).collect(),
        left_out: left_out.collect(),
    })
}

/// By account and currency.
fn payer_views(totals: &Totals) -> Vec<PayerView> {
    let view = |(&(_, currency), total): (&(CustomerId, Currency), &PayerTotal)| PayerView {
        account: total.account.clone(),
        total: TotalView::from(RunTotal {
            currency,
            invoices: total.invoices,
            net_minor: total.net_minor,
            vat_minor: total.vat_minor,
        }),
    };
    let mut views: Vec<PayerView> = totals.iter().map(view).collect();
    views.sort_by(|a, b| (&a.account, a.total.currency).cmp(&(&b.account, b.total.currency)));
    views
}

fn difference_view(
    (difference, currency, before, now): (Difference, Currency, PayerTotal, PayerTotal),
) -> DifferenceView {
    DifferenceView {
        account: before.account.clone(),
        currency,
        difference,
        before: Total::new(before.gross_minor(), currency),
        now: Total::new(now.gross_minor(), currency),
    }
}

/// What all payers come to.
#[derive(Default)]
struct Sums {
    by_payer: Totals,
    parked_totals: Totals,
    totals: BTreeMap<Currency, RunTotal>,
    hashes: Vec<(String, String)>,
    aside: Vec<NotBilled>,
}

impl Sums {
    /// What the run would be, but for what is known of its payers and its usage.
    fn summary(&self, run: Run) -> RunSummary {
        let of =
            |state: ItemState| self.aside.iter().filter(|aside| aside.state == state).map(|_| 1u64).sum();
        RunSummary {
            id: run.id,
            ordinal: run.ordinal,
            as_of: run.as_of,
            scope: run.scope,
            state: run.state,
            payers: 0,
            invoiced: self.totals.values().map(|t| t.invoices).sum(),
            booked: 0,
            drafts: 0,
            failed: of(ItemState::Failed),
            parked: of(ItemState::Parked),
            totals: self.totals.values().cloned().collect(),
            usage: UsageCounts::default(),
            mails: MailCounts::default(),
            payments: PaymentCounts::default(),
            older: 0,
            left_out: Vec::new(),
            hash: billing::run_hash(self.hashes.iter().map(|(a, h)| (a.as_str(), h.as_str()))),
        }
    }

    fn add(&mut self, payer: &PayerRef, outcome: Outcome) {
        let account = &payer.account_number;
        match outcome {
            Outcome::Failed(reason) => self.set_aside(account, ItemState::Failed, reason, None),
            Outcome::Parked(parked) => {
                let by = match parked.why {
                    ParkedBy::Earlier(run) => Some(run),
                    ParkedBy::Bound | ParkedBy::Core => None,
                };
                self.set_aside(account, ItemState::Parked, parked.told(), by);
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

    fn set_aside(&mut self, account: &str, state: ItemState, reason: String, parked_by: Option<u64>) {
        self.aside.push(NotBilled { account: account.to_owned(), state, reason, parked_by });
    }
}

fn add_draft(totals: &mut Totals, payer: &PayerRef, draft: &Draft) {
    let own = totals.entry((payer.id, draft.currency)).or_default();
    own.account.clone_from(&payer.account_number);
    own.invoices += 1;
    own.net_minor += i128::from(draft.net_minor);
    own.vat_minor += i128::from(draft.vat_minor);
}
