//! The states of a subscription and which verbs each allows (rules S1).

use super::life::{EndCause, Life};
use super::{CancelOption, Subscription};
use crate::refusal::{Code, Refusal};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// State on a day (Upodi `statecode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Active = 0,
    /// Its term ran out, or it was ended on purpose.
    Expired = 3,
    /// Cancelled at once.
    Cancelled = 4,
    Draft = 5,
    /// Its end is set and lies ahead.
    PendingEnding = 6,
    /// Its cancellation has taken effect.
    Ended = 7,
    Hold = 8,
}

impl State {
    /// Every state, in the order of Upodi's codes.
    pub const ALL: [Self; 7] = [
        Self::Active,
        Self::Expired,
        Self::Cancelled,
        Self::Draft,
        Self::PendingEnding,
        Self::Ended,
        Self::Hold,
    ];

    /// The word that people and programs use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Draft => "draft",
            Self::PendingEnding => "pending_ending",
            Self::Ended => "ended",
            Self::Hold => "hold",
        }
    }
}

/// What can be done to a subscription; the names are those of the command line and of `simulate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerbName {
    Activate,
    Cancel,
    Reactivate,
    Hold,
    Resume,
    Expire,
    SwitchPlan,
    SetAmount,
    SetPrice,
    AddOptionalCharge,
    RemoveCharge,
    ToggleCharge,
    HoldCharge,
    ResumeCharge,
    SetPaymentMethod,
    SetNextChargeDate,
    SkipNextCharge,
    SetTrialEnd,
    Renew,
    ApplyDiscount,
    ClearDiscount,
}

use VerbName::{
    Activate, AddOptionalCharge, ApplyDiscount, Cancel, ClearDiscount, Expire, Hold, HoldCharge, Reactivate,
    RemoveCharge, Renew, Resume, ResumeCharge, SetAmount, SetNextChargeDate, SetPaymentMethod, SetPrice,
    SetTrialEnd, SkipNextCharge, SwitchPlan, ToggleCharge,
};

/// What changes the agreement and leaves the state as it is.
const CHANGES: [VerbName; 8] = [
    SetAmount,
    SetPrice,
    AddOptionalCharge,
    RemoveCharge,
    ToggleCharge,
    SetPaymentMethod,
    ApplyDiscount,
    ClearDiscount,
];

/// rules S1: state → verbs.
const TABLE: [(State, &[VerbName]); 7] = [
    (State::Draft, &[Activate, SwitchPlan, SetNextChargeDate, SetTrialEnd]),
    (
        State::Active,
        &[
            Cancel,
            Hold,
            Expire,
            SwitchPlan,
            HoldCharge,
            ResumeCharge,
            SetNextChargeDate,
            SkipNextCharge,
            SetTrialEnd,
            Renew,
        ],
    ),
    (
        State::PendingEnding,
        &[
            Reactivate,
            Cancel,
            Hold,
            Expire,
            HoldCharge,
            ResumeCharge,
            SetNextChargeDate,
            SkipNextCharge,
            SetTrialEnd,
        ],
    ),
    (State::Hold, &[Resume, Cancel, Reactivate, Expire, ResumeCharge]),
    (State::Cancelled, &[]),
    (State::Ended, &[]),
    (State::Expired, &[]),
];

impl State {
    /// The state on a day, as known on it.
    pub fn on(subscription: &Subscription, day: NaiveDate) -> Self {
        let life = Life::known(subscription, day, day);
        if life.activated.is_none() {
            return Self::Draft;
        }
        match life.end {
            Some(end) if end.on <= day => match end.cause {
                EndCause::Cancelled(CancelOption::Immediately) => Self::Cancelled,
                EndCause::Cancelled(_) => Self::Ended,
                EndCause::TermOver | EndCause::Expired => Self::Expired,
            },
            _ if life.hold_on(day).is_some() => Self::Hold,
            Some(end) if matches!(end.cause, EndCause::Cancelled(_)) => Self::PendingEnding,
            _ => Self::Active,
        }
    }

    /// The verbs that the state allows.
    pub fn verbs(self) -> Vec<VerbName> {
        let own = TABLE.iter().find(|(state, _)| *state == self).map_or(&[][..], |(_, verbs)| verbs);
        let is_over = matches!(self, Self::Cancelled | Self::Ended | Self::Expired);
        let changes = if is_over { &[][..] } else { &CHANGES[..] };
        own.iter().chain(changes).copied().collect()
    }

    /// Refuses a verb that the state does not allow, naming the state and the verbs that it does.
    ///
    /// # Errors
    /// `conflict`.
    pub fn allow(self, verb: VerbName, number: &str) -> Result<(), Refusal> {
        let legal = self.verbs();
        if legal.contains(&verb) {
            return Ok(());
        }
        let names: Vec<&str> = legal.iter().map(|verb| verb.name()).collect();
        let message = format!("{number} is {} and cannot {}", self.words(), verb.name());
        let hint = if names.is_empty() {
            "nothing more can be done to it: make a new subscription".to_owned()
        } else {
            format!("it can: {}", names.join(", "))
        };
        Err(Refusal::new(Code::Conflict, message).hint(hint))
    }

    /// The state in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Draft => "a draft",
            Self::PendingEnding => "pending ending",
            Self::Ended => "ended",
            Self::Hold => "on hold",
        }
    }
}

impl VerbName {
    /// Every verb.
    pub const ALL: [Self; 21] = [
        Activate,
        Cancel,
        Reactivate,
        Hold,
        Resume,
        Expire,
        SwitchPlan,
        SetAmount,
        SetPrice,
        AddOptionalCharge,
        RemoveCharge,
        ToggleCharge,
        HoldCharge,
        ResumeCharge,
        SetPaymentMethod,
        SetNextChargeDate,
        SkipNextCharge,
        SetTrialEnd,
        Renew,
        ApplyDiscount,
        ClearDiscount,
    ];

    /// The verb's name.
    pub fn name(self) -> &'static str {
        match self {
            Activate => "activate",
            Cancel => "cancel",
            Reactivate => "reactivate",
            Hold => "hold",
            Resume => "resume",
            Expire => "expire",
            SwitchPlan => "switchplan",
            SetAmount => "setamount",
            SetPrice => "setprice",
            AddOptionalCharge => "addoptionalcharge",
            RemoveCharge => "removecharge",
            ToggleCharge => "togglecharge",
            HoldCharge => "holdcharge",
            ResumeCharge => "resumecharge",
            SetPaymentMethod => "setpaymentmethod",
            SetNextChargeDate => "setnextchargedate",
            SkipNextCharge => "skipnextcharge",
            SetTrialEnd => "settrialend",
            Renew => "renew",
            ApplyDiscount => "applydiscount",
            ClearDiscount => "cleardiscount",
        }
    }

    /// Reads a name in any case, with or without underscores; `setamountbyreferenceid` is `setamount`.
    pub fn parse(text: &str) -> Option<Self> {
        let plain: String =
            text.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect();
        if plain == "setamountbyreferenceid" {
            return Some(SetAmount);
        }
        Self::ALL.into_iter().find(|verb| verb.name() == plain)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{act, day, subscription};
    use super::*;
    use crate::refusal::Phrase;
    use crate::subscription::{Act, ResumeOption, Verb};

    #[test]
    fn the_state_follows_from_the_acts() {
        let mut s = subscription("2026-01-01");
        s.activated = None;
        assert_eq!(State::on(&s, day("2026-01-05")), State::Draft);
        s.acts.push(act(1, "2026-01-10", Verb::Activate));
        s.acts.push(act(2, "2026-02-01", Verb::Hold { refund_prorated: false }));
        s.acts.push(act(3, "2026-02-10", Verb::Resume { option: ResumeOption::Today }));
        let cancel = Verb::Cancel { option: CancelOption::OnDate, refund_prorated: false };
        s.acts.push(Act { on: day("2026-04-01"), done: day("2026-03-01"), ordinal: 4, verb: cancel });
        for (on, expected) in [
            ("2026-01-09", State::Draft),
            ("2026-01-10", State::Active),
            ("2026-02-01", State::Hold),
            ("2026-02-10", State::Active),
            ("2026-03-01", State::PendingEnding),
            ("2026-04-01", State::Ended),
        ] {
            assert_eq!(State::on(&s, day(on)), expected, "{on}");
        }
    }

    #[test]
    fn an_illegal_verb_names_the_state_and_the_legal_ones() {
        let refused = State::Hold.allow(Hold, "SUB-1").unwrap_err();
        assert_eq!(
            (refused.code, refused.message.as_str()),
            (Code::Conflict, "SUB-1 is on hold and cannot hold")
        );
        let way_out = refused.way_out.unwrap().0;
        assert!(
            matches!(&way_out[..], [Phrase::Words(words)] if words.starts_with("it can: resume, cancel"))
        );
        assert!(State::Ended.allow(Resume, "SUB-1").is_err());
    }

    #[test]
    fn verbs_are_read_in_any_spelling() {
        for verb in VerbName::ALL {
            assert_eq!(VerbName::parse(&verb.name().to_uppercase()), Some(verb));
        }
        assert_eq!(VerbName::parse("set_amount_by_reference_id"), Some(SetAmount));
        assert_eq!(VerbName::parse("delete"), None);
    }
}
