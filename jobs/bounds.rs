//! Safety bounds: a payer with more invoices at once, invoices further ahead, or a much larger amount than in the last
//! run, than the operator has set is parked for a person instead of billed. And what a preview says against the last
//! run: who is new, who is gone, whose amount jumped.

use crate::context::JobContext;
use anyhow::Context;
use chrono::{Months, NaiveDate};
use domain::billing::Billed;
use domain::ids::CustomerId;
use domain::invoice::Draft;
use domain::money::Currency;
use domain::run::RunState;
use std::collections::{BTreeMap, BTreeSet};
use store::run::Run;
use store::{Tx, invoice, run};

/// Runs looked at for the last one of the same scope.
const RUNS_LOOKED_AT: u32 = 400;
/// Change of an amount, in percent, from which a preview speaks of a jump where no bound is set.
const JUMP_PCT: u32 = 50;

/// What the operator has set; 0 = no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Invoices of one payer in one run.
    pub invoices_per_payer: u32,
    /// By how much a payer's amount in a currency may grow since the last run of the scope, in percent.
    pub amount_growth_pct: u32,
    /// How many months after today a charge may be billed: a mistyped as-of bills nobody for years.
    pub months_ahead: u32,
}

/// One payer and currency of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PayerTotal {
    pub account: String,
    pub invoices: u64,
    pub net_minor: i128,
    pub vat_minor: i128,
}

impl PayerTotal {
    pub fn gross_minor(&self) -> i128 {
        self.net_minor + self.vat_minor
    }
}

/// Totals by payer and currency.
pub type Totals = BTreeMap<(CustomerId, Currency), PayerTotal>;

/// How a payer's amount differs from the last run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    New,
    Gone,
    Jump,
}

impl Difference {
    /// The word in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Gone => "gone",
            Self::Jump => "jump",
        }
    }
}

/// The last closed run of the same scope that booked anything, and its totals.
pub async fn last_run(tx: &mut Tx, current: &Run) -> anyhow::Result<Option<(Run, Totals)>> {
    for earlier in run::newest(tx, RUNS_LOOKED_AT).await? {
        let is_earlier = earlier.ordinal < current.ordinal && earlier.state == RunState::Closed;
        if !is_earlier || earlier.scope != current.scope {
            continue;
        }
        let totals: Totals = invoice::totals_by_payer(tx, earlier.id)
            .await?
            .into_iter()
            .map(|t| {
                let total = PayerTotal {
                    account: t.account_number,
                    invoices: t.invoices,
                    net_minor: i128::from(t.net_minor),
                    vat_minor: i128::from(t.vat_minor),
                };
                ((t.payer, t.currency), total)
            })
            .collect();
        if !totals.is_empty() {
            return Ok(Some((earlier, totals)));
        }
    }
    Ok(None)
}

/// Parks what goes beyond the bounds; whoever was set aside before stays as it is.
pub async fn apply<'a>(
    ctx: &JobContext,
    run: &Run,
    billed: impl Iterator<Item = (CustomerId, &'a mut Billed)>,
) -> anyhow::Result<()> {
    let bounds = ctx.settings.bounds;
    if bounds == Bounds::default() {
        return Ok(());
    }
    let usual = if bounds.amount_growth_pct > 0 {
        let mut tx = ctx.store.read().await?;
        last_run(&mut tx, run).await?.map(|(_, totals)| totals).unwrap_or_default()
    } else {
        Totals::new()
    };
    let latest = latest(ctx, bounds).await?;
    for (payer, billed) in billed {
        if billed.parked.is_none() {
            let ahead = latest.and_then(|latest| too_far_ahead(bounds, latest, &billed.drafts));
            billed.parked = ahead.or_else(|| beyond(bounds, payer, &billed.drafts, &usual));
        }
    }
    Ok(())
}

/// The last charge date that may be billed today; none without a bound.
async fn latest(ctx: &JobContext, bounds: Bounds) -> anyhow::Result<Option<NaiveDate>> {
    if bounds.months_ahead == 0 {
        return Ok(None);
    }
    let mut tx = ctx.store.read().await?;
    let catalogue = store::catalogue::load(&mut tx).await?.context("the book is empty")?;
    let today = domain::zone::local_date((ctx.now)(), catalogue.tenant.timezone);
    Ok(today.checked_add_months(Months::new(bounds.months_ahead)))
}

fn too_far_ahead(bounds: Bounds, latest: NaiveDate, drafts: &[Draft]) -> Option<String> {
    let ahead = drafts.iter().map(|draft| draft.charge_date).max().filter(|date| *date > latest)?;
    Some(format!(
        "{ahead} is more than bounds.months_ahead = {} after today: run with an earlier --as-of, or raise the bound, then \
         `tallybook runs rerun`",
        bounds.months_ahead
    ))
}

/// Why a payer is parked, with the way out.
fn beyond(bounds: Bounds, payer: CustomerId, drafts: &[Draft], usual: &Totals) -> Option<String> {
    let most = usize::try_from(bounds.invoices_per_payer).unwrap_or(usize::MAX);
    if most > 0 && drafts.len() > most {
        return Some(format!(
            "{} invoices at once, more than bounds.invoices_per_payer = {most}: look at them with `tallybook run --preview`, \
             raise the bound, then `tallybook runs rerun`",
            drafts.len()
        ));
    }
    let currencies: BTreeSet<Currency> = drafts.iter().map(|d| d.currency).collect();
    currencies.into_iter().find_map(|currency| {
        let now: i128 =
            drafts.iter().filter(|d| d.currency == currency).map(|d| i128::from(d.gross_minor())).sum();
        let before = usual.get(&(payer, currency))?.gross_minor();
        let is_beyond = bounds.amount_growth_pct > 0
            && before > 0
            && (now - before) * 100 > before * i128::from(bounds.amount_growth_pct);
        is_beyond.then(|| {
            format!(
                "the {currency} amount grew by more than bounds.amount_growth_pct = {} since the last run: look at it with \
                 `tallybook run --preview`, raise the bound, then `tallybook runs rerun`",
                bounds.amount_growth_pct
            )
        })
    })
}

/// Who is new, who is gone, and whose amount jumped, in payer and currency order of the account.
pub fn differences(
    bounds: Bounds,
    before: &Totals,
    now: &Totals,
) -> Vec<(Difference, Currency, PayerTotal, PayerTotal)> {
    let jump_pct = i128::from(if bounds.amount_growth_pct > 0 { bounds.amount_growth_pct } else { JUMP_PCT });
    let keys: BTreeSet<_> = before.keys().chain(now.keys()).copied().collect();
    let mut found = Vec::new();
    for key in keys {
        let (old, new) = (before.get(&key), now.get(&key));
        let difference = match (old, new) {
            (None, Some(_)) => Difference::New,
            (Some(_), None) => Difference::Gone,
            (Some(old), Some(new)) => {
                let (old, new) = (old.gross_minor(), new.gross_minor());
                if (new - old).abs() * 100 <= old.abs() * jump_pct {
                    continue;
                }
                Difference::Jump
            }
            (None, None) => continue,
        };
        let account = old.or(new).map(|t| t.account.clone()).unwrap_or_default();
        let total = |t: Option<&PayerTotal>| {
            t.cloned().unwrap_or(PayerTotal { account: account.clone(), ..PayerTotal::default() })
        };
        found.push((difference, key.1, total(old), total(new)));
    }
    found.sort_by(|a, b| (&a.2.account, a.1).cmp(&(&b.2.account, b.1)));
    found
}
