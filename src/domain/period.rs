//! Half-open service periods and the arithmetic of billing intervals (rules T1–T3).

use crate::catalogue::BillingPeriod;
use chrono::{Datelike, Days, NaiveDate};
use serde::{Deserialize, Serialize};

/// Local dates `[start, end)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Period {
    pub start: NaiveDate,
    /// First day after the period.
    pub end: NaiveDate,
}

impl Period {
    /// `[start, end)`.
    pub fn new(start: NaiveDate, end: NaiveDate) -> Self {
        Self { start, end }
    }

    /// The one day `[day, day + 1)`.
    pub fn single(day: NaiveDate) -> Self {
        Self { start: day, end: day.succ_opt().unwrap_or(day) }
    }

    /// Whole days; below zero if the end is before the start.
    pub fn days(&self) -> i64 {
        (self.end - self.start).num_days()
    }

    /// Last day of the period, as printed; the start itself for an empty period.
    pub fn last_day(&self) -> NaiveDate {
        self.end.pred_opt().map_or(self.start, |d| d.max(self.start))
    }

    /// Whether it holds no day.
    pub fn is_empty(&self) -> bool {
        self.end <= self.start
    }

    /// Whether the day is inside: the start is, the end is not.
    pub fn contains(&self, day: NaiveDate) -> bool {
        self.start <= day && day < self.end
    }

    /// The days of both; `None` if they share none.
    pub fn intersect(&self, other: Period) -> Option<Period> {
        let shared = Period::new(self.start.max(other.start), self.end.min(other.end));
        (!shared.is_empty()).then_some(shared)
    }
}

/// How a charge repeats: every `count` units (rules T3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Interval {
    pub unit: BillingPeriod,
    /// 1 or more; 0 counts as 1.
    pub count: u32,
    /// Day for `day_of_week` (1 = Monday … 7), `day_of_month`, `quarterly` and `annually` (1 … 31); the anchor's own day
    /// if absent.
    pub day: Option<u32>,
    /// Month from which `quarterly` and `annually` are counted (1 … 12); the anchor's own if absent.
    pub month: Option<u32>,
}

/// What an interval adds up in: days, or months on a day of the month.
enum IntervalUnit {
    Days(i64),
    Months(i64),
}

impl Interval {
    /// First day of period 0 of a charge that starts on `start` (rules T3): the first such day on or after it for
    /// `day_of_week`, `day_of_month` and `last_day_of_month`, and for `quarterly` and `annually` with a day or a month of
    /// the year; otherwise the start itself.
    ///
    /// Quarters counted from January 1 begin on 1 January, 1 April, 1 July and 1 October: from 10 February 2026 that is
    /// 1 April.
    ///
    /// `day_of_month` 31 from 10 April 2026 is 30 April (the month's end), from 1 May it is 31 May.
    pub fn anchor_on_or_after(&self, start: NaiveDate) -> NaiveDate {
        match (self.unit, self.day) {
            (BillingPeriod::DayOfWeek, Some(weekday)) => {
                let ahead =
                    (i64::from(weekday) - i64::from(start.weekday().number_from_monday())).rem_euclid(7);
                plus_days(start, ahead)
            }
            (BillingPeriod::DayOfMonth, Some(_)) | (BillingPeriod::LastDayOfMonth, _) => {
                let wanted = self.day_of_month(start);
                let this_month = plus_months(start, 0, wanted);
                if this_month >= start { this_month } else { plus_months(start, 1, wanted) }
            }
            (BillingPeriod::Quarterly | BillingPeriod::Annually, _) => self.day_of_year_on_or_after(start),
            _ => start,
        }
    }

    /// The first day on or after `start` that quarters or years are counted from.
    fn day_of_year_on_or_after(&self, start: NaiveDate) -> NaiveDate {
        if self.day.is_none() && self.month.is_none() {
            return start;
        }
        let wanted = self.day_of_month(start);
        // Months between two such days within a year: 3 for quarters, 6 for half-years, 12 for years.
        let step = match self.stride() {
            IntervalUnit::Months(months) => greatest_common_divisor(months, 12),
            IntervalUnit::Days(_) => 1,
        };
        let is_meant = |day: &NaiveDate| {
            self.month.is_none_or(|month| (i64::from(day.month()) - i64::from(month)).rem_euclid(step) == 0)
        };
        let mut days = (0..=12).map(|ahead| plus_months(start, ahead, wanted));
        days.find(|day| *day >= start && is_meant(day)).unwrap_or(start)
    }

    /// First day of period `n` (rules T2): `anchor + n × interval`, always from the anchor, the day clamped to the
    /// month's end and returning; a yearly 29 February is 28 February until the next leap year. `n` may be negative.
    /// Beyond the calendar (year ±262 000) it stays at the calendar's last or first day.
    ///
    /// ```
    /// use domain::{NaiveDate, catalogue::BillingPeriod, period::Interval};
    /// let monthly = Interval { unit: BillingPeriod::Monthly, count: 1, day: None, month: None };
    /// let day = |m, d| NaiveDate::from_ymd_opt(2026, m, d).unwrap();
    /// assert_eq!(monthly.bound(day(1, 31), 1), day(2, 28));
    /// assert_eq!(monthly.bound(day(1, 31), 2), day(3, 31));
    /// ```
    pub fn bound(&self, anchor: NaiveDate, n: i64) -> NaiveDate {
        match self.stride() {
            IntervalUnit::Days(days) => plus_days(anchor, days.saturating_mul(n)),
            IntervalUnit::Months(months) => {
                plus_months(anchor, months.saturating_mul(n), self.day_of_month(anchor))
            }
        }
    }

    /// Period `n`: `[bound(n), bound(n + 1))`. The full period of a leading stub is period −1 (rules T3).
    pub fn period(&self, anchor: NaiveDate, n: i64) -> Period {
        Period::new(self.bound(anchor, n), self.bound(anchor, n.saturating_add(1)))
    }

    /// Number of the period that holds `day`; negative before the anchor.
    pub fn index_containing(&self, anchor: NaiveDate, day: NaiveDate) -> i64 {
        let estimate = match self.stride() {
            IntervalUnit::Days(days) => return (day - anchor).num_days().div_euclid(days),
            IntervalUnit::Months(months) => (month_number(day) - month_number(anchor)).div_euclid(months),
        };
        // The month's number is right but for the day within it: the bound may still be ahead, never a period behind.
        if self.bound(anchor, estimate) > day {
            estimate - 1
        } else if self.bound(anchor, estimate.saturating_add(1)) <= day && day < NaiveDate::MAX {
            estimate + 1
        } else {
            estimate
        }
    }

    fn stride(&self) -> IntervalUnit {
        let count = i64::from(self.count.max(1));
        match self.unit {
            BillingPeriod::Daily => IntervalUnit::Days(count),
            BillingPeriod::Weekly | BillingPeriod::DayOfWeek => IntervalUnit::Days(7 * count),
            BillingPeriod::Monthly | BillingPeriod::DayOfMonth | BillingPeriod::LastDayOfMonth => {
                IntervalUnit::Months(count)
            }
            BillingPeriod::Quarterly => IntervalUnit::Months(3 * count),
            BillingPeriod::Annually => IntervalUnit::Months(12 * count),
        }
    }

    /// The day of the month that is aimed at, before clamping.
    fn day_of_month(&self, anchor: NaiveDate) -> u32 {
        match self.unit {
            BillingPeriod::LastDayOfMonth => 31,
            BillingPeriod::DayOfMonth => self.day.unwrap_or(anchor.day()).clamp(1, 31),
            BillingPeriod::Quarterly | BillingPeriod::Annually => match (self.day, self.month) {
                (Some(day), _) => day.clamp(1, 31),
                (None, Some(_)) => 1,
                (None, None) => anchor.day(),
            },
            _ => anchor.day(),
        }
    }
}

fn greatest_common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// `months` after `from`, on `day` or the month's last day if it is shorter; for terms, trials and discounts too
/// (rules T2). The day is an argument so that a clamped date returns to the day that was meant.
pub fn plus_months(from: NaiveDate, months: i64, day: u32) -> NaiveDate {
    let number = month_number(from).saturating_add(months);
    let beyond = if months < 0 { NaiveDate::MIN } else { NaiveDate::MAX };
    let (Ok(year), Ok(month)) =
        (i32::try_from(number.div_euclid(12)), u32::try_from(number.rem_euclid(12) + 1))
    else {
        return beyond;
    };
    (28..=day.max(28))
        .rev()
        .find_map(|last| NaiveDate::from_ymd_opt(year, month, last.min(day)))
        .unwrap_or(beyond)
}

/// `days` after `from`; stays at the calendar's bounds.
pub fn plus_days(from: NaiveDate, days: i64) -> NaiveDate {
    let count = Days::new(days.unsigned_abs());
    if days < 0 {
        from.checked_sub_days(count).unwrap_or(NaiveDate::MIN)
    } else {
        from.checked_add_days(count).unwrap_or(NaiveDate::MAX)
    }
}

/// Months since year 0.
fn month_number(day: NaiveDate) -> i64 {
    i64::from(day.year()) * 12 + i64::from(day.month0())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn every(count: u32, unit: BillingPeriod) -> Interval {
        Interval { unit, count, day: None, month: None }
    }

    fn bounds(interval: Interval, anchor: &str, numbers: std::ops::Range<i64>) -> Vec<String> {
        numbers.map(|n| interval.bound(day(anchor), n).to_string()).collect()
    }

    #[test]
    fn the_day_is_clamped_and_returns() {
        let monthly = every(1, BillingPeriod::Monthly);
        assert_eq!(
            bounds(monthly, "2026-01-31", -2..4),
            ["2025-11-30", "2025-12-31", "2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]
        );
        assert_eq!(
            bounds(monthly, "2024-01-31", 0..4),
            ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"],
            "DATE-01"
        );
        assert_eq!(
            bounds(every(1, BillingPeriod::Annually), "2024-02-29", 0..5),
            ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"],
            "DATE-22"
        );
        assert_eq!(
            bounds(every(2, BillingPeriod::Quarterly), "2025-08-31", 0..3),
            ["2025-08-31", "2026-02-28", "2026-08-31"]
        );
        assert_eq!(
            bounds(every(3, BillingPeriod::Daily), "2026-03-28", -1..2),
            ["2026-03-25", "2026-03-28", "2026-03-31"]
        );
        assert_eq!(bounds(monthly, "2025-02-28", 1..2), ["2025-03-28"], "DATE-21: no snap to month end");
    }

    #[test]
    fn the_last_inclusive_days_of_the_reference_cases() {
        let monthly = every(1, BillingPeriod::Monthly);
        let last =
            |interval: Interval, anchor: &str, n| interval.period(day(anchor), n).last_day().to_string();
        assert_eq!(last(monthly, "2024-01-31", 1), "2024-03-30", "DATE-01");
        assert_eq!(last(monthly, "2022-01-31", 0), "2022-02-27", "DATE-03");
        assert_eq!(last(every(1, BillingPeriod::Annually), "2024-01-31", 0), "2025-01-30", "DATE-05");
        assert_eq!(monthly.bound(day("2020-01-31"), 1), day("2020-02-29"), "DATE-04");
    }

    #[test]
    fn anchors_are_the_first_such_day_on_or_after_the_start() {
        let dom = |d| Interval { unit: BillingPeriod::DayOfMonth, count: 1, day: Some(d), month: None };
        let dow = |d| Interval { unit: BillingPeriod::DayOfWeek, count: 1, day: Some(d), month: None };
        let last = every(1, BillingPeriod::LastDayOfMonth);
        let of_year = |unit, count, day, month| Interval { unit, count, day, month };
        let quarters = |day, month| of_year(BillingPeriod::Quarterly, 1, day, month);
        let table = [
            (quarters(Some(1), Some(1)), "2026-02-10", "2026-04-01"),
            (quarters(Some(1), Some(1)), "2026-04-01", "2026-04-01"),
            (quarters(Some(31), Some(2)), "2026-02-10", "2026-02-28"),
            (quarters(Some(15), None), "2026-02-16", "2026-03-15"),
            (quarters(None, Some(3)), "2026-02-10", "2026-03-01"),
            (of_year(BillingPeriod::Quarterly, 2, Some(1), Some(1)), "2026-02-10", "2026-07-01"),
            (of_year(BillingPeriod::Annually, 1, Some(1), Some(7)), "2026-07-02", "2027-07-01"),
            (of_year(BillingPeriod::Annually, 1, Some(29), Some(2)), "2026-01-10", "2026-02-28"),
            (dom(1), "2026-01-17", "2026-02-01"),
            (dom(17), "2026-01-17", "2026-01-17"),
            (dom(31), "2026-04-10", "2026-04-30"),
            (dom(30), "2026-02-28", "2026-02-28"),
            (dom(15), "2026-12-16", "2027-01-15"),
            (dow(1), "2026-01-31", "2026-02-02"),
            (dow(6), "2026-01-31", "2026-01-31"),
            (last, "2026-02-01", "2026-02-28"),
            (every(1, BillingPeriod::Monthly), "2026-01-31", "2026-01-31"),
        ];
        for (interval, start, expected) in table {
            assert_eq!(interval.anchor_on_or_after(day(start)), day(expected), "{interval:?} from {start}");
        }
    }

    #[test]
    fn a_31st_anchored_in_a_short_month_returns_to_the_31st() {
        let interval = Interval { unit: BillingPeriod::DayOfMonth, count: 1, day: Some(31), month: None };
        assert_eq!(
            bounds(interval, "2026-04-30", -1..3),
            ["2026-03-31", "2026-04-30", "2026-05-31", "2026-06-30"]
        );
        let last = every(1, BillingPeriod::LastDayOfMonth);
        assert_eq!(bounds(last, "2026-02-28", 0..3), ["2026-02-28", "2026-03-31", "2026-04-30"]);
    }

    #[test]
    fn periods_intersect_half_open() {
        let january = Period::new(day("2026-01-01"), day("2026-02-01"));
        let february = Period::new(day("2026-02-01"), day("2026-03-01"));
        assert_eq!(january.intersect(february), None);
        assert!(january.contains(day("2026-01-31")) && !january.contains(day("2026-02-01")));
        let around = Period::new(day("2026-01-20"), day("2026-02-10"));
        assert_eq!(january.intersect(around), Some(Period::new(day("2026-01-20"), day("2026-02-01"))));
        assert_eq!(Period::single(day("2026-01-20")).days(), 1);
    }

    #[test]
    fn the_calendars_end_is_no_panic() {
        for unit in [BillingPeriod::Daily, BillingPeriod::Monthly, BillingPeriod::Annually] {
            let interval = every(u32::MAX, unit);
            assert_eq!(interval.bound(day("2026-01-31"), i64::MAX), NaiveDate::MAX);
            assert_eq!(interval.bound(day("2026-01-31"), i64::MIN), NaiveDate::MIN);
        }
        let _ = every(1, BillingPeriod::Monthly).index_containing(day("2026-01-31"), NaiveDate::MAX);
    }

    const UNITS: [BillingPeriod; 8] = [
        BillingPeriod::Daily,
        BillingPeriod::Weekly,
        BillingPeriod::Monthly,
        BillingPeriod::Quarterly,
        BillingPeriod::Annually,
        BillingPeriod::DayOfWeek,
        BillingPeriod::DayOfMonth,
        BillingPeriod::LastDayOfMonth,
    ];

    proptest! {
        #[test]
        fn every_day_is_in_exactly_one_period(
            unit in proptest::sample::select(&UNITS[..]), count in 1_u32..15, wanted in 1_u32..=31,
            month in proptest::option::of(1_u32..=12),
            start in 0_u64..4000, offset in -2000_i64..4000,
        ) {
            let limit = if unit == BillingPeriod::DayOfWeek { 7 } else { 31 };
            let interval = Interval { unit, count, day: Some((wanted - 1) % limit + 1), month };
            let begins = day("2019-12-31") + Days::new(start);
            let anchor = interval.anchor_on_or_after(begins);
            prop_assert!(anchor >= begins && interval.bound(anchor, 0) == anchor);
            let probe = plus_days(anchor, offset);
            let n = interval.index_containing(anchor, probe);
            prop_assert!(interval.period(anchor, n).contains(probe), "{probe} not in period {n} of {anchor}");
            prop_assert_eq!(interval.period(anchor, n).end, interval.period(anchor, n + 1).start);
        }
    }
}
