//! Who may be billed: a payer beyond a safety bound is parked for a person, and stays parked, whatever runs come, until
//! `runs release` lets it through by name (rules I9). And what a preview says against the last run: who is new, who is
//! gone, who is parked, whose amount jumped.

use domain::billing::bounds::{self, Bounds};
use domain::billing::{Billed, PayerBook};
use domain::ids::CustomerId;
use domain::money::Currency;
use domain::run::RunState;
use std::collections::{BTreeMap, BTreeSet};
use store::parked::{self, Parking};
use store::run::{self, Run, RunItem};
use store::{Tx, invoice};

/// Runs looked at for the last one of the same scope.
const RUNS_LOOKED_AT: u32 = 400;

/// Change of an amount, in percent, from which a preview speaks of a jump where no bound is set.
const JUMP_PCT: u32 = 50;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    New,
    Gone,
    Jump,
    /// A bound stops it; `now` is what it would be billed.
    Parked,
}

impl Difference {
    /// The word in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Gone => "gone",
            Self::Jump => "jump",
            Self::Parked => "parked",
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

/// What came of billing a payer.
#[derive(Debug, Clone)]
pub enum Outcome {
    Billed(Billed),
    Parked(Parked),
    /// An invariant broke, or another run was first.
    Failed(String),
}

/// Why a payer is not billed, and what it would be billed if anything is known of that.
#[derive(Debug, Clone)]
pub struct Parked {
    pub reason: String,
    pub why: ParkedBy,
    pub billed: Billed,
}

/// Who has to do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkedBy {
    /// Beyond a bound, found now.
    Bound,
    /// Beyond a bound, found by the run of this ordinal, and nobody has let it through since.
    Earlier(u64),
    /// The core cannot bill it as it stands, or will not catch up so much.
    Core,
}

/// What is known of some payers before they are billed.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    bounds: Bounds,
    parked: BTreeMap<CustomerId, Parking>,
    released: BTreeSet<CustomerId>,
}

impl Gate {
    /// Reads who is parked, and takes from a run's items who was let through.
    pub async fn open(
        tx: &mut Tx,
        bounds: Bounds,
        payers: &[CustomerId],
        items: &[RunItem],
    ) -> anyhow::Result<Self> {
        let released = items.iter().filter(|i| i.released).map(|i| i.payer).collect();
        Ok(Self { bounds, parked: parked::of(tx, payers).await?, released })
    }

    /// Whether a person has let this payer through all bounds in this run.
    pub fn is_released(&self, payer: CustomerId) -> bool {
        self.released.contains(&payer)
    }

    /// Billed, or parked and why.
    pub fn judge(&self, book: &PayerBook, mut billed: Billed) -> Outcome {
        if let Some(reason) = billed.parked.take() {
            return Outcome::Parked(Parked { reason, why: ParkedBy::Core, billed: Billed::default() });
        }
        let is_due = !billed.drafts.is_empty() || !billed.lines.is_empty();
        if self.is_released(book.payer) || !is_due {
            return Outcome::Billed(billed);
        }
        if let Some(parking) = self.parked.get(&book.payer) {
            let why = ParkedBy::Earlier(parking.run_ordinal);
            return Outcome::Parked(Parked { reason: parking.reason.clone(), why, billed });
        }
        match bounds::beyond(book, &billed.drafts, &billed.lines, self.bounds) {
            Some(reason) => Outcome::Parked(Parked { reason, why: ParkedBy::Bound, billed }),
            None => Outcome::Billed(billed),
        }
    }
}

impl Parked {
    /// The reason, with the run that found it if that was an earlier one.
    pub fn told(&self) -> String {
        match self.why {
            ParkedBy::Core | ParkedBy::Bound => self.reason.clone(),
            ParkedBy::Earlier(run) => format!("parked by run {run}: {}", self.reason),
        }
    }
}

/// Who is new, who is gone, who is parked, and whose amount jumped, in payer and currency order of the account.
pub fn differences(
    bounds: Bounds,
    before: &Totals,
    now: &Totals,
    parked: &Totals,
) -> Vec<(Difference, Currency, PayerTotal, PayerTotal)> {
    let jump_pct = i128::from(if bounds.amount_growth_pct > 0 { bounds.amount_growth_pct } else { JUMP_PCT });
    let keys: BTreeSet<_> = before.keys().chain(now.keys()).chain(parked.keys()).copied().collect();
    let held: BTreeSet<CustomerId> = parked.keys().map(|(payer, _)| *payer).collect();
    let mut found = Vec::new();
    for key in keys {
        let (old, new) = (before.get(&key), now.get(&key).or(parked.get(&key)));
        let difference = match (old, new) {
            _ if held.contains(&key.0) => Difference::Parked,
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
