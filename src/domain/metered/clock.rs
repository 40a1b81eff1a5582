//! Cycles of a month or a year, counted from an anchor in UTC.

use chrono::{DateTime, Datelike, Days, Months, Utc};
use serde::{Deserialize, Serialize};

/// Length of a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interval {
    Monthly,
    Yearly,
}

impl Interval {
    pub fn name(self) -> &'static str {
        match self {
            Self::Monthly => "monthly",
            Self::Yearly => "yearly",
        }
    }

    fn months(self) -> i32 {
        match self {
            Self::Monthly => 1,
            Self::Yearly => 12,
        }
    }
}

/// Boundaries at whole intervals from an anchor, before it too. Each is counted from the anchor itself, and its day is
/// clamped to the end of its month: from 31 January a monthly clock goes to 29 February and 31 March 2024.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    anchor: DateTime<Utc>,
    /// Day of the month.
    day: u32,
    interval: Interval,
}

impl Clock {
    pub fn new(anchor: DateTime<Utc>, interval: Interval) -> Self {
        Self { anchor, day: anchor.day(), interval }
    }

    /// Where the anchor is the last day of its month, on the day of another one that lies further on.
    #[must_use]
    pub fn on_day_of(self, other: DateTime<Utc>) -> Self {
        let next = self.anchor.checked_add_days(Days::new(1));
        let is_last = next.is_some_and(|next| next.month() != self.anchor.month());
        if is_last && other.day() > self.day { Self { day: other.day(), ..self } } else { self }
    }

    /// The n-th boundary; the anchor is the one of 0.
    pub fn boundary(self, n: i32) -> DateTime<Utc> {
        let months = n.saturating_mul(self.interval.months());
        let first = self.anchor.date_naive().with_day(1).unwrap_or_default();
        let shift = Months::new(months.unsigned_abs());
        let month =
            if months < 0 { first.checked_sub_months(shift) } else { first.checked_add_months(shift) };
        let Some(month) = month else { return self.anchor };
        let last = u32::from(month.num_days_in_month());
        let day = month.with_day(self.day.min(last)).unwrap_or(month);
        day.and_time(self.anchor.time()).and_utc()
    }

    /// The cycle that an instant is in: its first instant, and the first one after it.
    pub fn cycle(self, at: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
        let months = (at.year() - self.anchor.year()) * 12 + at.month().cast_signed()
            - self.anchor.month().cast_signed();
        let mut n = months.div_euclid(self.interval.months());
        while self.boundary(n) > at {
            n -= 1;
        }
        while self.boundary(n + 1) <= at {
            n += 1;
        }
        (self.boundary(n), self.boundary(n + 1))
    }

    /// The first boundary after an instant; the anchor itself counts as one if it is a boundary that lies ahead.
    pub fn after(self, at: DateTime<Utc>, anchor_counts: bool) -> DateTime<Utc> {
        if anchor_counts && self.anchor > at {
            return self.anchor;
        }
        let next = self.cycle(at).1;
        if anchor_counts || next > self.anchor { next } else { self.boundary(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn boundaries_are_counted_from_the_anchor_and_clamped() {
        let monthly = Clock::new(at("2024-01-31T10:00:00Z"), Interval::Monthly);
        let days: Vec<String> = (-1..4).map(|n| monthly.boundary(n).date_naive().to_string()).collect();
        assert_eq!(days, ["2023-12-31", "2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"]);
        let yearly = Clock::new(at("2024-02-29T00:00:00Z"), Interval::Yearly);
        let days: Vec<String> = (1..5).map(|n| yearly.boundary(n).date_naive().to_string()).collect();
        assert_eq!(days, ["2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]);
        let imported =
            Clock::new(at("2024-02-29T00:00:00Z"), Interval::Monthly).on_day_of(at("2024-01-31T08:00:00Z"));
        assert_eq!(imported.boundary(1), at("2024-03-31T00:00:00Z"));
    }

    #[test]
    fn an_instant_is_in_one_cycle_whichever_side_of_the_anchor_it_lies() {
        let clock = Clock::new(at("2024-02-23T21:16:59Z"), Interval::Monthly);
        for (instant, from, until) in [
            ("2024-02-23T21:16:59Z", "2024-02-23T21:16:59Z", "2024-03-23T21:16:59Z"),
            ("2024-03-23T21:16:58Z", "2024-02-23T21:16:59Z", "2024-03-23T21:16:59Z"),
            ("2024-02-23T21:16:58Z", "2024-01-23T21:16:59Z", "2024-02-23T21:16:59Z"),
            ("2023-01-01T00:00:00Z", "2022-12-23T21:16:59Z", "2023-01-23T21:16:59Z"),
        ] {
            assert_eq!(clock.cycle(at(instant)), (at(from), at(until)), "{instant}");
        }
    }
}
