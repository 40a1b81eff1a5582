//! What a cycle lets through of a meter, and what is left of it. Nothing is reset: what was used is counted within the
//! cycle, so that a late or repeated count does no harm.

use super::Subscription;
use crate::Decimal;
use chrono::{DateTime, Utc};
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The plans from an instant on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub at: DateTime<Utc>,
    pub plans: Vec<String>,
    /// The part of the new quota that the rest of the cycle gets, with a count of its own; none: the new quota, and what was
    /// used counts on.
    pub prorate: Option<Decimal>,
}

/// What plans let through, by plan and meter.
pub type Limits = BTreeMap<String, BTreeMap<String, u64>>;

/// A part of a cycle with an allowance of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
    /// None: the plans do not have this meter.
    pub max: Option<u64>,
}

/// The allowance of a meter at an instant. `used` says how much was used between two instants.
pub fn allowance(
    subscription: &Subscription,
    limits: &Limits,
    meter: &str,
    at: DateTime<Utc>,
    mut used: impl FnMut(DateTime<Utc>, DateTime<Utc>) -> u64,
) -> Allowance {
    let (start, until) = subscription.quota_clock(at).cycle(at);
    let held = |change: &Change| max(limits, &change.plans, meter);
    let changes: Vec<&Change> = subscription.changes.iter().filter(|change| change.at <= at).collect();
    let within: Vec<&&Change> = changes.iter().filter(|change| change.at > start).collect();
    // Before it was made it had what it was made with.
    let first = subscription.changes.first().filter(|_| changes.is_empty());
    let before = changes.iter().copied().rfind(|change| change.at <= start).or(first).and_then(held);
    let largest = within.iter().filter_map(|change| held(change)).chain(before).max();
    let mut current = Allowance { from: start, until, max: before };
    let mut used_before = 0_u64;
    for change in within {
        let new = held(change);
        let Some(part) = change.prorate else {
            current.max = new;
            continue;
        };
        used_before = used_before.saturating_add(used(current.from, change.at));
        // Going to and fro within a cycle gives no more than the largest of the plans.
        let left = largest.unwrap_or(0).saturating_sub(used_before);
        let partial =
            new.map(|new| (Decimal::from(new) * part).ceil().to_u64().unwrap_or(u64::MAX).min(left));
        current = Allowance { from: change.at, until, max: partial };
    }
    current
}

/// The sum of what plans let through of a meter.
fn max(limits: &Limits, plans: &[String], meter: &str) -> Option<u64> {
    let found = plans.iter().filter_map(|plan| limits.get(plan)?.get(meter).copied());
    found.reduce(u64::saturating_add)
}

pub fn available(max: u64, used: u64) -> u64 {
    max.saturating_sub(used)
}

pub fn overage(max: u64, used: u64) -> u64 {
    used.saturating_sub(max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metered::{Interval, Status, TrialEnd};

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn change(on: &str, plan: &str, prorate: Option<&str>) -> Change {
        Change {
            at: at(on),
            plans: vec![plan.to_owned()],
            prorate: prorate.map(|text| text.parse().unwrap()),
        }
    }

    fn subscription(changes: Vec<Change>) -> Subscription {
        Subscription {
            created: changes[0].at,
            changes,
            status: Status::Active,
            renewal: Interval::Monthly,
            region: "us-central1".to_owned(),
            customer_key: "k".to_owned(),
            external_id: "sub_1".to_owned(),
            customer_external_id: "cus_1".to_owned(),
            product_key: None,
            quota_anchor: None,
            billing_anchor: None,
            trial_start: None,
            trial_end: None,
            trial_end_status: None,
            metadata: None,
            made_from: String::new(),
            billed: BTreeMap::new(),
            was_billed: Vec::new(),
        }
    }

    fn limits() -> Limits {
        let one = |max| BTreeMap::from([("requests".to_owned(), max)]);
        BTreeMap::from([("small".to_owned(), one(100)), ("large".to_owned(), one(1_000))])
    }

    #[test]
    fn a_change_of_plan_swaps_the_quota_or_begins_a_part_of_the_cycle() {
        let begin = change("2026-01-01T00:00:00Z", "small", None);
        for (later, used, max, from) in [
            (None, 40, Some(100), "2026-01-01T00:00:00Z"),
            (Some(change("2026-01-11T00:00:00Z", "large", None)), 40, Some(1_000), "2026-01-01T00:00:00Z"),
            (
                Some(change("2026-01-11T00:00:00Z", "large", Some("0.5"))),
                40,
                Some(500),
                "2026-01-11T00:00:00Z",
            ),
            (
                Some(change("2026-01-11T00:00:00Z", "large", Some("0.3333"))),
                0,
                Some(334),
                "2026-01-11T00:00:00Z",
            ),
            (
                Some(change("2026-01-11T00:00:00Z", "large", Some("1"))),
                100,
                Some(900),
                "2026-01-11T00:00:00Z",
            ),
            (Some(change("2026-01-11T00:00:00Z", "none", None)), 0, None, "2026-01-01T00:00:00Z"),
        ] {
            let changes = std::iter::once(begin.clone()).chain(later.clone()).collect();
            let found = allowance(
                &subscription(changes),
                &limits(),
                "requests",
                at("2026-01-20T00:00:00Z"),
                |_, _| used,
            );
            assert_eq!((found.max, found.from), (max, at(from)), "{later:?}");
        }
        // The next cycle has the whole of it.
        let changes = vec![begin, change("2026-01-11T00:00:00Z", "large", Some("0.5"))];
        let next =
            allowance(&subscription(changes), &limits(), "requests", at("2026-02-01T00:00:00Z"), |_, _| 0);
        assert_eq!(next.max, Some(1_000));
    }

    #[test]
    fn time_moves_what_nothing_bills() {
        let mut it = subscription(vec![change("2026-01-01T00:00:00Z", "small", None)]);
        it.status = Status::Incomplete;
        assert_eq!(it.status_at(at("2026-01-01T22:59:59Z"), false, None), Status::Incomplete);
        assert_eq!(it.status_at(at("2026-01-01T23:00:00Z"), false, None), Status::IncompleteExpired);
        it.status = Status::Trialing;
        it.trial_start = Some(it.created);
        it.trial_end = Some(at("2026-01-15T00:00:00Z"));
        let end = at("2026-01-15T00:00:00Z");
        assert_eq!(
            it.status_at(at("2026-01-14T23:59:59Z"), false, Some(TrialEnd::Canceled)),
            Status::Trialing
        );
        assert_eq!(it.status_at(end, false, Some(TrialEnd::Canceled)), Status::Canceled);
        assert_eq!(it.status_at(end, false, Some(TrialEnd::Paused)), Status::Inactive);
        assert_eq!(it.status_at(end, true, Some(TrialEnd::Paused)), Status::Active);
        assert_eq!(it.status_at(end, false, None), Status::Active);
        assert_eq!(it.quota_clock(end).cycle(end).0, end, "quotas begin again where the trial ends");
        assert_eq!(it.renews_on(Status::Trialing, it.created), Some(end));
        assert_eq!(it.renews_on(Status::Active, end), Some(at("2026-02-15T00:00:00Z")));
        assert_eq!(it.renews_on(Status::Canceled, end), None);
    }
}
