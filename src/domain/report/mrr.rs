//! Monthly recurring revenue of what is billed (rules L7).

use crate::exact::Exact;
use crate::period::{Period, plus_months};
use chrono::Datelike;

/// Net of the recurring lines of one charge with one service period, minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Covered {
    pub period: Period,
    pub net_minor: i64,
}

/// How recurring revenue came from one month's end to the next, minor units; contraction and churn are not above 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Movement {
    pub opening_minor: i128,
    pub new_minor: i128,
    pub expansion_minor: i128,
    pub contraction_minor: i128,
    pub churn_minor: i128,
    pub closing_minor: i128,
}

/// What the lines of one charge that serve one day come to in a month: net ÷ months of the period, rounded half away from
/// zero. A part of a period (after a change) counts as what it would be for the whole of the longest period beside it.
pub fn monthly_minor(lines: &[Covered]) -> i64 {
    let Some(whole) = lines.iter().map(|line| line.period).max_by_key(Period::days) else { return 0 };
    let of_whole = |line: &Covered| {
        let scale = Exact::ratio(i128::from(whole.days()), i128::from(line.period.days().max(1)));
        Exact::int(i128::from(line.net_minor)).times(scale)
    };
    let sum = lines.iter().map(of_whole).fold(Exact::ZERO, Exact::plus);
    sum.over(months(whole)).round_half_away(0)
}

/// Months of a period: a whole number from day to day, else days × 12 ÷ 365.
fn months(period: Period) -> Exact {
    let (start, end) = (period.start, period.end);
    let count = i64::from(end.year() - start.year()) * 12 + i64::from(end.month()) - i64::from(start.month());
    // From the 31st to the last day of a short month, and back, is a month too.
    let is_whole = count > 0
        && (plus_months(start, count, start.day()) == end || plus_months(end, -count, end.day()) == start);
    match is_whole {
        true => Exact::int(i128::from(count)),
        false => Exact::ratio(i128::from(period.days().max(1)) * 12, 365),
    }
}

/// The movement of one subscription.
pub fn movement(before_minor: i64, after_minor: i64) -> Movement {
    let (before, after) = (i128::from(before_minor), i128::from(after_minor));
    let mut movement = Movement { opening_minor: before, closing_minor: after, ..Movement::default() };
    match (before, after) {
        (0, after) => movement.new_minor = after,
        (before, 0) => movement.churn_minor = -before,
        (before, after) if after > before => movement.expansion_minor = after - before,
        (before, after) => movement.contraction_minor = after - before,
    }
    movement
}

impl Movement {
    /// Both together.
    pub fn add(&mut self, other: &Self) {
        self.opening_minor += other.opening_minor;
        self.new_minor += other.new_minor;
        self.expansion_minor += other.expansion_minor;
        self.contraction_minor += other.contraction_minor;
        self.churn_minor += other.churn_minor;
        self.closing_minor += other.closing_minor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered(start: &str, end: &str, net_minor: i64) -> Covered {
        Covered { period: Period::new(start.parse().unwrap(), end.parse().unwrap()), net_minor }
    }

    #[test]
    fn a_period_comes_to_its_month() {
        let table = [
            (vec![covered("2026-01-01", "2026-02-01", 19_900)], 19_900),
            (vec![covered("2026-01-31", "2026-02-28", 19_900)], 19_900),
            (vec![covered("2026-02-28", "2026-03-31", 19_900)], 19_900),
            (vec![covered("2026-01-15", "2027-01-15", 120_000)], 10_000),
            (vec![covered("2026-01-01", "2026-04-01", 10_000)], 3_333),
            (vec![covered("2026-01-05", "2026-01-12", 700)], 3_042),
            // 100.00 a month, doubled on the 16th: 16 of 31 days are given back and charged again.
            (
                vec![
                    covered("2026-01-01", "2026-02-01", 10_000),
                    covered("2026-01-16", "2026-02-01", -5_161),
                    covered("2026-01-16", "2026-02-01", 10_322),
                ],
                19_999,
            ),
            (vec![], 0),
        ];
        for (lines, monthly) in table {
            assert_eq!(monthly_minor(&lines), monthly, "{lines:?}");
        }
    }

    #[test]
    fn every_movement_has_its_name_and_they_add_up() {
        let mut all = Movement::default();
        for (before, after) in [(0, 100), (100, 0), (100, 150), (150, 100), (70, 70), (0, 0)] {
            all.add(&movement(before, after));
        }
        assert_eq!((all.new_minor, all.expansion_minor), (100, 50));
        assert_eq!((all.contraction_minor, all.churn_minor), (-50, -100));
        let moved = all.new_minor + all.expansion_minor + all.contraction_minor + all.churn_minor;
        assert_eq!(all.opening_minor + moved, all.closing_minor);
    }
}
