//! Runs, their steps and slices, and what a run reports.

use crate::ids::RunId;
use crate::money::Currency;
use crate::refusal::{Code, Refusal, Verb};
use crate::words::words;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// What a run bills.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Scope {
    /// Account numbers; empty = every payer.
    pub customers: Vec<String>,
    /// Refkey of a business unit.
    pub business_unit: Option<String>,
}

impl Scope {
    /// Stable text for keys and messages: `all`, `customers CU-1,CU-2`, `unit dk`.
    pub fn key(&self) -> String {
        let mut customers = self.customers.clone();
        customers.sort_unstable();
        match (&self.business_unit, customers.is_empty()) {
            (None, true) => "all".to_owned(),
            (Some(unit), true) => format!("unit {unit}"),
            (None, false) => format!("customers {}", customers.join(",")),
            (Some(unit), false) => format!("unit {unit} customers {}", customers.join(",")),
        }
    }
}

/// State of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    Open,
    /// Stopped at drafts, waiting for `runs approve`.
    Review,
    Closed,
    Cancelled,
    /// All its invoices have credit notes.
    Reversed,
}

impl RunState {
    /// Whether the run went to its end; what it booked may have been taken back since.
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Closed | Self::Reversed)
    }
}

/// The run is not in the state that the verb asks for.
pub fn wrong_state(run: u64, state: RunState, verb: &str) -> Refusal {
    let message = format!("run {run} is {} and cannot be {verb}", state.name());
    let refusal = Refusal::new(Code::WrongState, message);
    match state {
        RunState::Open => {
            refusal.hint("let it finish with ").ask(Verb::Run.plain()).hint(", then credit what is wrong")
        }
        RunState::Review => refusal
            .hint("it waits for ")
            .ask(Verb::ApproveRun.on(run))
            .hint(" or ")
            .ask(Verb::CancelRun.on(run)),
        RunState::Closed => refusal
            .hint("what it booked is answered by credit notes: ")
            .ask(Verb::ReverseRun.on(run).switch("preview")),
        RunState::Cancelled | RunState::Reversed => {
            refusal.ask(Verb::ShowRun.on(run)).hint(" says how it stands")
        }
    }
}

/// What would move prices waits for a run whose drafts are made and not booked.
pub fn stands(run: u64, state: RunState, scope: &Scope) -> Refusal {
    let message =
        format!("this changes prices, and run {run} has drafts that are not booked yet; nothing was changed");
    let refusal = Refusal::new(Code::RunStands, message);
    if state == RunState::Review {
        let books = refusal.ask(Verb::ApproveRun.on(run)).hint(" books them, ");
        return books.ask(Verb::CancelRun.on(run)).hint(" drops them; then do this again");
    }
    let accounts = scope.customers.iter();
    let goes_on = accounts.fold(Verb::Run.plain(), |asked, account| asked.with("customer", account));
    let goes_on = match &scope.business_unit {
        Some(unit) => goes_on.with("business_unit", unit),
        None => goes_on,
    };
    refusal
        .hint("it is being booked; if nobody works the home, ")
        .ask(goes_on)
        .hint(" ends it; then do this again")
}

/// A run of the same scope waits for review: a person's move.
pub fn in_review(run: u64) -> Refusal {
    Refusal::new(Code::InReview, format!("run {run} of the same scope waits for review"))
        .hint("run ")
        .ask(Verb::ApproveRun.on(run))
        .hint(" or ")
        .ask(Verb::CancelRun.on(run))
        .hint(" first")
}

/// A run that was to have another hash has booked nothing.
pub fn unexpected_hash(hash: &str) -> Refusal {
    let message = format!("what is due has the hash {hash}, not the one expected; nothing was booked");
    let refusal = Refusal::new(Code::HashDiffers, message).hint("look at it with ");
    refusal.ask(Verb::PreviewRun.plain()).hint(", then expect its hash")
}

/// Nothing of this payer waits in the run.
pub fn no_draft(run: u64, account: &str) -> Refusal {
    Refusal::new(Code::NoDraft, format!("{account} has no draft in run {run}"))
        .ask(Verb::ListDrafts.plain())
        .hint(" lists them")
}

/// No bound has stopped this payer in the run.
pub fn not_parked(run: u64, account: &str) -> Refusal {
    Refusal::new(Code::NotParked, format!("{account} is not parked in run {run}"))
        .ask(Verb::ShowRun.on(run))
        .hint(" says how it stands")
}

/// The steps of a run, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Rate,
    Draft,
    Book,
    Render,
    Send,
    Collect,
    Seal,
    Close,
}

words! { RunState { Open = "open", Review = "review", Closed = "closed", Cancelled = "cancelled", Reversed = "reversed", } }
words! { Step { Rate = "rate", Draft = "draft", Book = "book", Render = "render", Send = "send", Collect = "collect", Seal = "seal", Close = "close", } }
words! { ItemState { Open = "open", Done = "done", Nothing = "nothing", Failed = "failed", Parked = "parked", } }

impl Step {
    /// The queue that works this step, by the name of its job.
    pub fn queue(self) -> &'static str {
        match self {
            Self::Rate => "rate_usage",
            Self::Draft => "draft_invoices",
            Self::Book => "book_invoices",
            Self::Render => "render_invoices",
            Self::Send => "send_invoices",
            Self::Collect => "collect_payments",
            Self::Seal => "seal_ledger",
            Self::Close => "close_run",
        }
    }
}

/// State of one payer in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemState {
    Open,
    Done,
    /// Nothing was due.
    Nothing,
    /// Set aside with a reason; the rest went on.
    Failed,
    /// A safety bound stopped it; a person decides.
    Parked,
}

/// Totals of one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunTotal {
    pub currency: Currency,
    pub invoices: u64,
    pub net_minor: i128,
    pub vat_minor: i128,
}

/// How many usage events a run touched, and what became of them (rules Q4).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UsageCounts {
    pub rated: u64,
    /// Reason → events: no_charge, before_start, after_end, on_hold, trial, cut_off.
    pub unrated: std::collections::BTreeMap<String, u64>,
    pub superseded: u64,
    /// Their period is not due yet.
    pub open: u64,
}

/// Mails by what became of them, as they stand now (rules I10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MailCounts {
    pub sent: u64,
    /// Will be tried again by themselves.
    pub waiting: u64,
    /// Refused for good, or given up.
    pub refused: u64,
    /// Invoices without any address.
    pub nobody: u64,
}

impl MailCounts {
    /// Those that a person has to look at.
    pub fn set_aside(&self) -> u64 {
        self.refused + self.nobody
    }
}

/// Invoices of a run on which somebody was charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PaymentCounts {
    pub paid: u64,
    pub declined: u64,
    /// The provider has not answered.
    pub pending: u64,
}

/// A run as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    pub id: RunId,
    pub ordinal: u64,
    pub as_of: NaiveDate,
    pub scope: Scope,
    pub state: RunState,
    pub payers: u64,
    /// Invoices; drafts until there are any.
    pub invoiced: u64,
    pub booked: u64,
    /// Drafts that wait for a person.
    pub drafts: u64,
    /// Payers that were set aside, and those whose invoices reach nobody (rules I10).
    pub failed: u64,
    pub parked: u64,
    /// The mails about the run's invoices.
    pub mails: MailCounts,
    pub totals: Vec<RunTotal>,
    pub usage: UsageCounts,
    pub payments: PaymentCounts,
    /// Payers and mails that older runs left for a person.
    pub older: u64,
    /// Accounts that were left out because a run as of a later day has billed them (rules I9).
    pub left_out: Vec<String>,
    /// Hash over the payers' hashes in payer order; covers what is billed, not ids, numbers or times.
    pub hash: String,
}
