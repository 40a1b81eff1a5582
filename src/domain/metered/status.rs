//! The state of a subscription that nothing bills: the caller's word, moved on by time alone.

use super::Subscription;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How long a first payment is waited for.
const FIRST_PAYMENT: TimeDelta = TimeDelta::hours(23);

/// State of a subscription, in Zuplo's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Active,
    Inactive,
    Incomplete,
    IncompleteExpired,
    Trialing,
    PastDue,
    Canceled,
    Unpaid,
}

impl Status {
    pub const ALL: [Self; 8] = [
        Self::Active,
        Self::Inactive,
        Self::Incomplete,
        Self::IncompleteExpired,
        Self::Trialing,
        Self::PastDue,
        Self::Canceled,
        Self::Unpaid,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Incomplete => "incomplete",
            Self::IncompleteExpired => "incomplete-expired",
            Self::Trialing => "trialing",
            Self::PastDue => "past-due",
            Self::Canceled => "canceled",
            Self::Unpaid => "unpaid",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == text)
    }

    /// Nothing follows.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Canceled | Self::IncompleteExpired)
    }

    /// Whether its quotas may be used.
    pub fn has_access(self) -> bool {
        matches!(self, Self::Active | Self::Incomplete | Self::Trialing)
    }
}

/// What becomes of a trial that ends without a method of payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrialEnd {
    Paused,
    Canceled,
}

impl TrialEnd {
    pub fn name(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Canceled => "canceled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Paused, Self::Canceled].into_iter().find(|end| end.name() == text)
    }
}

impl Subscription {
    /// Whether its trial has ended by time alone: a method of payment says what comes next.
    pub fn trial_has_ended(&self, now: DateTime<Utc>) -> bool {
        self.status == Status::Trialing && self.trial_end.is_some_and(|end| end <= now)
    }

    /// Where time has brought it to; `trial_end` is what its plan says of the end of trials.
    pub fn status_at(&self, now: DateTime<Utc>, has_method: bool, trial_end: Option<TrialEnd>) -> Status {
        match self.status {
            Status::Incomplete if now >= self.created + FIRST_PAYMENT => Status::IncompleteExpired,
            Status::Trialing if self.trial_has_ended(now) => match self.trial_end_status.or(trial_end) {
                _ if has_method => Status::Active,
                Some(TrialEnd::Canceled) => Status::Canceled,
                Some(TrialEnd::Paused) => Status::Inactive,
                None => Status::Active,
            },
            said => said,
        }
    }
}
