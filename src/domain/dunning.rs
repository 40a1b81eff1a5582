//! Dunning: what happens to an invoice that is not paid, and on which days (rules Y3).
//!
//! A policy is a list of steps, each so many days after the day by which the invoice was to be paid. A step charges
//! the payer once more, writes to them, or acts on what they have; at most one is taken per invoice and day, so that a
//! late morning takes the steps it missed one day after the other.

use crate::money::Currency;
use chrono::{Days, NaiveDate};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Most steps of one policy.
pub const STEPS_MAX: usize = 50;
/// Longest wait for a step, in days after the day by which the invoice was to be paid.
pub const DAYS_MAX: u32 = 730;

/// What happens to invoices that are not paid. It holds for the plans and business units that name it; a plan's comes
/// before a unit's, and both before the one that is the default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DunningPolicy {
    pub refkey: String,
    pub fullname: String,
    /// It holds for everybody who has no other.
    pub is_default: bool,
    /// Payers without an online method are dunned too; steps that charge pass them by.
    pub is_for_manual: bool,
    /// By days, ascending: two steps are never due on one day.
    pub steps: Vec<DunningStep>,
    /// Other plans and units may name it.
    #[serde(default = "crate::catalogue::is_active_unless_said")]
    pub active: bool,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DunningStep {
    /// Days after the day by which the invoice was to be paid, 0 to [`DAYS_MAX`].
    pub days: u32,
    pub action: DunningAction,
    /// What a reminder costs the payer.
    #[serde(default, skip_serializing_if = "LateCharge::is_nothing")]
    pub late_charge: LateCharge,
}

/// What a payer who is late owes besides (rules Y9): compensation, and no supply.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateCharge {
    /// A fee by the currency of the invoice, in major units; invoices in another currency have none.
    pub fees: Vec<(Currency, Decimal)>,
    /// What the fee is called on its invoice.
    pub fee_text: Option<String>,
    /// Percent a year of what is open.
    pub interest_pct: Option<Decimal>,
    /// What the interest is called.
    pub interest_text: Option<String>,
}

impl LateCharge {
    /// Whether the step costs nobody anything.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// The fee on an invoice in this currency, above zero.
    pub fn fee(&self, currency: Currency) -> Option<Decimal> {
        let of_currency = self.fees.iter().find(|(of, _)| *of == currency);
        of_currency.map(|(_, amount)| *amount).filter(|amount| !amount.is_zero())
    }
}

impl DunningStep {
    /// A step that costs the payer nothing.
    pub fn new(days: u32, action: DunningAction) -> Self {
        Self { days, action, late_charge: LateCharge::default() }
    }
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DunningAction {
    /// Charges the invoice's method again.
    Retry,
    /// Charges another online method of the payer; where there is none, the same one.
    OtherMethod,
    /// Writes a reminder to the payer.
    Mail,
    /// Puts the invoice's subscriptions on hold.
    Hold,
    /// Cancels them, immediately.
    Cancel,
    /// Ends them.
    Expire,
    /// Gives up what is open, as bad debt. Nothing comes after it.
    WriteOff,
}

impl DunningAction {
    /// Every name, in order, for error hints.
    pub const NAMES: &'static [&'static str] =
        &["retry", "other_method", "mail", "hold", "cancel", "expire", "write_off"];

    /// Reads a name in any case.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.trim().to_ascii_lowercase().as_str() {
            "retry" => Self::Retry,
            "other_method" => Self::OtherMethod,
            "mail" => Self::Mail,
            "hold" => Self::Hold,
            "cancel" => Self::Cancel,
            "expire" => Self::Expire,
            "write_off" => Self::WriteOff,
            _ => return None,
        })
    }

    /// The name used in book files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::OtherMethod => "other_method",
            Self::Mail => "mail",
            Self::Hold => "hold",
            Self::Cancel => "cancel",
            Self::Expire => "expire",
            Self::WriteOff => "write_off",
        }
    }

    /// Whether it charges the payer.
    pub fn charges(self) -> bool {
        matches!(self, Self::Retry | Self::OtherMethod)
    }
}

/// A step that is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComingStep {
    /// From 1.
    pub step: u32,
    pub action: DunningAction,
    /// First day on which it may be taken.
    pub on: NaiveDate,
}

/// The policy of a book that says nothing: charges again after 0, 1, 3, 5, 8 and 13 days.
impl Default for DunningPolicy {
    fn default() -> Self {
        let retry = |days| DunningStep::new(days, DunningAction::Retry);
        Self {
            refkey: String::new(),
            fullname: "Retries".to_owned(),
            is_default: true,
            is_for_manual: false,
            steps: [0, 1, 3, 5, 8, 13].map(retry).to_vec(),
            active: true,
        }
    }
}

impl DunningPolicy {
    /// The next step after `steps_taken` steps; none if that was the last. `last_day` is the day of the newest attempt or
    /// step of any kind, also of the first attempt at booking.
    ///
    /// ```
    /// # use domain::{dunning::DunningPolicy, NaiveDate};
    /// let day = |d| NaiveDate::from_ymd_opt(2026, 2, d).unwrap();
    /// let step = DunningPolicy::default().next_step(day(14), 2, Some(day(15))).unwrap();
    /// assert_eq!((step.step, step.on), (3, day(17)));
    /// ```
    pub fn next_step(
        &self,
        payable_by: NaiveDate,
        steps_taken: u32,
        last_day: Option<NaiveDate>,
    ) -> Option<ComingStep> {
        let DunningStep { days, action, .. } = *self.steps.get(usize::try_from(steps_taken).ok()?)?;
        let nominal = payable_by.checked_add_days(Days::new(u64::from(days)))?;
        let free = last_day.and_then(|day| day.succ_opt());
        let on = free.map_or(nominal, |free| free.max(nominal));
        Some(ComingStep { step: steps_taken + 1, action, on })
    }

    /// First steps that the attempt at booking has taken along: those that charge, and fall on its day or before it.
    pub fn steps_at_booking(&self, payable_by: NaiveDate, booked_on: NaiveDate) -> u32 {
        let falls = |days: u32| payable_by.checked_add_days(Days::new(u64::from(days)));
        let is_taken = |step: &&DunningStep| {
            step.action.charges() && falls(step.days).is_some_and(|day| day <= booked_on)
        };
        self.steps.iter().take_while(is_taken).map(|_| 1).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, month, day).unwrap()
    }

    /// Takes one step after the other, each on the day it may be taken or, if that is later, on `late`.
    fn climb(policy: &DunningPolicy, payable_by: NaiveDate, late: Option<NaiveDate>) -> Vec<NaiveDate> {
        let mut taken = Vec::new();
        while let Some(step) =
            policy.next_step(payable_by, u32::try_from(taken.len()).unwrap(), taken.last().copied())
        {
            taken.push(late.map_or(step.on, |late| late.max(step.on)));
        }
        taken
    }

    #[test]
    fn steps_come_so_many_days_after_the_day_to_pay_and_one_a_day_when_late() {
        let policy = DunningPolicy::default();
        let on_time = [day(2, 15), day(2, 16), day(2, 18), day(2, 20), day(2, 23), day(2, 28)];
        assert_eq!(climb(&policy, day(2, 15), None), on_time);
        let late = [day(3, 1), day(3, 2), day(3, 3), day(3, 4), day(3, 5), day(3, 6)];
        assert_eq!(climb(&policy, day(2, 15), Some(day(3, 1))), late);
    }

    #[test]
    fn names_of_actions_are_read_back() {
        for name in DunningAction::NAMES {
            assert_eq!(DunningAction::parse(&name.to_uppercase()).unwrap().name(), *name);
        }
        assert_eq!(DunningAction::parse("sue"), None);
    }
}
