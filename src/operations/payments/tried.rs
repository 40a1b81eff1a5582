//! What became of charging an invoice.

use crate::aside::SetAside;
use chrono::NaiveDate;
use domain::customer::PaymentMethod;
use domain::invoice::Settlement;
pub use domain::invoice::verbs::Occasion;
use domain::money::{Currency, Money};
use domain::payment::Attempt;
use serde::{Serialize, Serializer};
use store::invoice::Booked;

/// What was tried on one invoice, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tried {
    pub invoice: String,
    pub account: String,
    /// Refkey of the method.
    pub method: Option<String>,
    /// What was open.
    #[serde(serialize_with = "decimal")]
    pub amount: Money,
    pub currency: Currency,
    pub outcome: TriedOutcome,
    /// The decline code, or why it was not tried.
    pub reason: Option<String>,
    /// Steps of the policy taken so far.
    pub step: u32,
    #[serde(rename = "nextretry")]
    pub next_retry: Option<NaiveDate>,
}

/// An amount as programs get it: `99.50`.
pub(crate) fn decimal<S: Serializer>(amount: &Money, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&amount.decimal())
}

/// What came of trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TriedOutcome {
    Paid,
    Declined,
    /// The provider has not answered: asked again later with the same key.
    Unanswered,
    /// The provider was not called: no usable method, or a card scheme's cap.
    NotCalled,
    /// The bank will be asked by the next file of direct debits.
    AwaitsFile,
    /// A step of the dunning policy that charges nobody was taken.
    Acted,
}

/// What came of collecting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    pub tried: Vec<Tried>,
    pub aside: SetAside,
}

/// An attempt that is committed and waits for its answer.
pub(crate) struct CommittedAttempt {
    pub booked: Booked,
    pub attempt: Attempt,
    /// Technical failures right before this attempt.
    pub technical_in_a_row: usize,
    /// As it is today; if it is gone, what is known of it.
    pub method: PaymentMethod,
    /// Whether the payer still has it.
    pub has_method: bool,
    pub asked_before: bool,
    /// The token of the first time, if it was asked before.
    pub asked_with: Option<String>,
}

impl CommittedAttempt {
    /// What a charge is asked with.
    pub fn token(&self) -> &str {
        self.method.token.as_deref().unwrap_or_default()
    }
}

pub(crate) fn tried(
    booked: &Booked,
    settlement: &Settlement,
    method: Option<String>,
    outcome: TriedOutcome,
    reason: Option<String>,
) -> Tried {
    let draft = &booked.invoice.draft;
    Tried {
        invoice: booked.invoice.number.clone(),
        account: draft.account_number.clone(),
        method,
        amount: Money::new(booked.settlement.open_minor(draft.gross_minor()), draft.currency),
        currency: draft.currency,
        outcome,
        reason,
        step: settlement.dunning_step,
        next_retry: settlement.next_retry,
    }
}
