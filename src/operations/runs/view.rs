//! A run as whoever asks sees it: `--json` prints it, HTTP returns it, tables are made of it. The fields are a contract.

use crate::usage::missing::MissingUsage;
use domain::NaiveDate;
use domain::money::{Currency, Total};
use domain::run::{ItemState, MailCounts, PaymentCounts, RunState, RunSummary, RunTotal, Step, UsageCounts};
use serde::Serialize;
use std::collections::BTreeMap;
use store::run::RunItem;

/// A run with its figures.
#[derive(Debug, Clone, Serialize)]
pub struct RunView {
    /// None of a preview.
    pub run: Option<u64>,
    #[serde(rename = "asof")]
    pub as_of: NaiveDate,
    pub state: State,
    /// Of what it bills; in a list, a column.
    #[serde(skip)]
    pub scope: String,
    pub payers: u64,
    pub invoiced: u64,
    #[serde(skip)]
    pub booked: u64,
    /// Drafts that wait for a person.
    #[serde(skip)]
    pub drafts: u64,
    pub failed: u64,
    pub parked: u64,
    pub totals: Vec<TotalView>,
    pub usage: UsageView,
    pub mails: MailCounts,
    pub payments: PaymentCounts,
    pub older: u64,
    #[serde(rename = "leftout")]
    pub left_out: Vec<String>,
    pub hash: String,
}

/// Where a run stands; a preview stands nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Open,
    Review,
    Closed,
    Cancelled,
    Reversed,
    Preview,
}

impl State {
    /// The word in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => RunState::Open.name(),
            Self::Review => RunState::Review.name(),
            Self::Closed => RunState::Closed.name(),
            Self::Cancelled => RunState::Cancelled.name(),
            Self::Reversed => RunState::Reversed.name(),
            Self::Preview => "preview",
        }
    }
}

impl From<RunState> for State {
    fn from(state: RunState) -> Self {
        match state {
            RunState::Open => Self::Open,
            RunState::Review => Self::Review,
            RunState::Closed => Self::Closed,
            RunState::Cancelled => Self::Cancelled,
            RunState::Reversed => Self::Reversed,
        }
    }
}

/// What a run bills in one currency.
#[derive(Debug, Clone, Serialize)]
pub struct TotalView {
    pub currency: Currency,
    pub invoices: u64,
    pub net: Total,
    pub vat: Total,
    pub gross: Total,
}

impl From<RunTotal> for TotalView {
    fn from(total: RunTotal) -> Self {
        let of = |minor| Total::new(minor, total.currency);
        Self {
            currency: total.currency,
            invoices: total.invoices,
            net: of(total.net_minor),
            vat: of(total.vat_minor),
            gross: of(total.net_minor + total.vat_minor),
        }
    }
}

/// What became of the usage events that a run touched (rules Q4).
#[derive(Debug, Clone, Serialize)]
pub struct UsageView {
    pub events: u64,
    pub rated: u64,
    pub unrated: u64,
    pub superseded: u64,
    pub open: u64,
    pub reasons: BTreeMap<String, u64>,
}

impl From<UsageCounts> for UsageView {
    fn from(counts: UsageCounts) -> Self {
        let unrated = counts.unrated.values().sum();
        Self {
            events: counts.rated + unrated + counts.superseded + counts.open,
            rated: counts.rated,
            unrated,
            superseded: counts.superseded,
            open: counts.open,
            reasons: counts.unrated,
        }
    }
}

impl RunView {
    /// What would be a run.
    pub(crate) fn of_preview(summary: RunSummary) -> Self {
        Self { run: None, state: State::Preview, ..summary.into() }
    }

    /// Whether something of it waits for a person, or for a service that is down (rules I10). What a payer's bank declined
    /// does not: dunning goes on with it.
    pub fn is_set_aside(&self) -> bool {
        let mails = self.mails.waiting + self.mails.set_aside();
        self.failed + self.parked + mails + self.payments.pending > 0
    }
}

impl From<RunSummary> for RunView {
    fn from(summary: RunSummary) -> Self {
        Self {
            run: Some(summary.ordinal),
            as_of: summary.as_of,
            state: summary.state.into(),
            scope: summary.scope.key(),
            payers: summary.payers,
            invoiced: summary.invoiced,
            booked: summary.booked,
            drafts: summary.drafts,
            failed: summary.failed,
            parked: summary.parked,
            totals: summary.totals.into_iter().map(TotalView::from).collect(),
            usage: summary.usage.into(),
            mails: summary.mails,
            payments: summary.payments,
            older: summary.older,
            left_out: summary.left_out,
            hash: summary.hash,
        }
    }
}

/// A run with the usage that was refused and is missing in it: whoever runs, shows or reports it ends alike.
#[derive(Debug, Clone, Serialize)]
pub struct RunAnswer {
    #[serde(flatten)]
    pub run: RunView,
    #[serde(flatten)]
    pub missing: MissingUsage,
}

impl RunAnswer {
    /// Whether something of it, or a file that is missing in it, waits for a person.
    pub fn is_set_aside(&self) -> bool {
        self.run.is_set_aside() || self.missing.is_set_aside()
    }
}

/// How far a step is.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct StepView {
    pub step: Step,
    pub open: u64,
    pub done: u64,
}

impl From<(Step, u64, u64)> for StepView {
    fn from((step, open, done): (Step, u64, u64)) -> Self {
        Self { step, open, done }
    }
}

/// A payer that was set aside, or that a step had something to say about.
#[derive(Debug, Clone, Serialize)]
pub struct PayerAside {
    pub account: String,
    pub state: ItemState,
    pub reason: Option<String>,
    pub attempts: u32,
}

impl From<RunItem> for PayerAside {
    fn from(item: RunItem) -> Self {
        Self { account: item.account_number, state: item.state, reason: item.reason, attempts: item.attempts }
    }
}
