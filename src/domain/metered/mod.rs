//! Subscriptions that carry quotas, in the manner of Zuplo's metering: what they are, which state time has brought them to,
//! and what is left of a quota. Billing has its own clock; neither moves the other.

mod clock;
mod quota;
mod status;

pub use clock::{Clock, Interval};
pub use quota::{Allowance, Change, Limits, allowance, available, overage};
pub use status::{Status, TrialEnd};

use chrono::{DateTime, Days, Utc};
use serde::{Deserialize, Serialize};

/// A plan: its quotas per meter, and how a trial of it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub label: String,
    pub meters: std::collections::BTreeMap<String, MeterLimit>,
    pub trial_days: Option<u32>,
    pub trial_end: Option<TrialEnd>,
    /// Whether a method of payment is asked for before a trial.
    pub collects_payment: Option<bool>,
}

/// How much of a meter a plan lets through in a cycle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeterLimit {
    pub label: String,
    pub max: u64,
}

/// A subscription to one or more plans of a bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    /// Ids of plans; the last change is the one that holds.
    pub changes: Vec<Change>,
    /// As it was last said; time alone may have moved it on.
    pub status: Status,
    pub renewal: Interval,
    pub region: String,
    pub customer_key: String,
    pub external_id: String,
    pub customer_external_id: String,
    pub product_key: Option<String>,
    pub quota_anchor: Option<DateTime<Utc>>,
    pub billing_anchor: Option<DateTime<Utc>>,
    pub trial_start: Option<DateTime<Utc>>,
    pub trial_end: Option<DateTime<Utc>>,
    pub trial_end_status: Option<TrialEnd>,
    /// JSON, as it was sent.
    pub metadata: Option<serde_json::Value>,
    /// What it was made from, to know the same again.
    pub made_from: String,
    /// By plan, the number of the subscription that bills it.
    pub billed: std::collections::BTreeMap<String, String>,
    /// Numbers of those that billed it before a change of plans.
    #[serde(default)]
    pub was_billed: Vec<String>,
    pub created: DateTime<Utc>,
}

impl Subscription {
    /// Plans that it has now.
    pub fn plans(&self) -> &[String] {
        self.changes.last().map_or(&[][..], |change| &change.plans)
    }

    /// Numbers of all that bills it or has billed it.
    pub fn ever_billed(&self) -> impl Iterator<Item = &String> {
        self.billed.values().chain(&self.was_billed)
    }

    /// When a trial of so many days ends, unless an end is said.
    pub fn trial_from_days(&self, days: u32) -> Option<DateTime<Utc>> {
        self.trial_start.unwrap_or(self.created).checked_add_days(Days::new(days.into()))
    }

    /// The clock of its quotas: its own anchor, else the end of its trial once that is over, else when it was made.
    pub fn quota_clock(&self, now: DateTime<Utc>) -> Clock {
        let converted =
            self.trial_end.filter(|end| *end <= now && self.trial_start.is_some_and(|start| start < *end));
        Clock::new(self.quota_anchor.or(converted).unwrap_or(self.created), self.renewal)
    }

    /// When it renews next where nothing bills it; none once it does not renew any more.
    pub fn renews_on(&self, status: Status, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let anchor = self.billing_anchor.or(self.trial_end).unwrap_or(self.created);
        let is_given = self.billing_anchor.is_some() || self.trial_end.is_some();
        match status {
            Status::Inactive | Status::Canceled | Status::IncompleteExpired => None,
            Status::Trialing | Status::Incomplete if is_given => Some(anchor),
            _ => Some(self.billing_clock(anchor).after(now, is_given)),
        }
    }

    /// The last day of a month may stand for a later one: the anchor of the quotas knows.
    fn billing_clock(&self, anchor: DateTime<Utc>) -> Clock {
        let clock = Clock::new(anchor, self.renewal);
        match self.quota_anchor {
            Some(quota) if self.billing_anchor.is_some() => clock.on_day_of(quota),
            _ => clock,
        }
    }
}
