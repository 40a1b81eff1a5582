//! What the next daily dunning run does about an invoice (rules Y3).

use super::{Account, Occasion};
use crate::dunning::DunningAction;
use crate::invoice::Settlement;
use crate::payment::TECHNICAL_LADDER_MINUTES;
use chrono::NaiveDate;

/// What is due on an invoice whose day has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// The payer is charged.
    Charge(Occasion),
    /// A step that charges nobody.
    Act(DunningAction),
    /// The policy has become shorter: nothing is left to be done.
    Over,
}

/// What comes next. An attempt without an answer is asked about first, and a technical failure is tried again before the
/// next step.
pub fn coming(account: &Account<'_>) -> NextStep {
    let is_repeat = (1..=TECHNICAL_LADDER_MINUTES.len()).contains(&account.technical_in_a_row());
    if account.pending().is_some() || is_repeat {
        return NextStep::Charge(Occasion::Step);
    }
    let taken = usize::try_from(account.settlement.dunning_step).unwrap_or(usize::MAX);
    match account.policy.steps.get(taken).map(|step| step.action) {
        Some(DunningAction::Retry) => NextStep::Charge(Occasion::Step),
        Some(DunningAction::OtherMethod) => NextStep::Charge(Occasion::StepWithOtherMethod),
        Some(action) => NextStep::Act(action),
        None => NextStep::Over,
    }
}

/// The marks after the step that was coming has been taken on a day, if it charges nobody. A write-off ends the dunning by
/// itself.
pub fn stepped(account: &Account<'_>, on: NaiveDate) -> Settlement {
    match coming(account) {
        NextStep::Act(_) => account.settlement.stepped(account.policy, account.invoice.payable_by, Some(on)),
        NextStep::Over => Settlement { next_retry: None, ..account.settlement.clone() },
        NextStep::Charge(_) => account.settlement.clone(),
    }
}
