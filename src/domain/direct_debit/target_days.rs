//! Days on which banks settle in euros: all but Saturdays, Sundays and six holidays of the TARGET system.

use chrono::{Datelike, NaiveDate, TimeDelta, Weekday};

/// Whether banks settle on it.
pub fn is_target_day(day: NaiveDate) -> bool {
    let is_fixed = matches!((day.month(), day.day()), (1, 1) | (5, 1) | (12, 25 | 26));
    let is_at_easter = easter_sunday(day.year())
        .is_some_and(|sunday| day == sunday - TimeDelta::days(2) || day == sunday + TimeDelta::days(1));
    !is_fixed && !is_at_easter && !matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
}

/// The day itself if banks settle on it, else the next one on which they do.
pub fn on_or_after(day: NaiveDate) -> NaiveDate {
    day.iter_days().take(10).find(|day| is_target_day(*day)).unwrap_or(day)
}

/// The first such day after it.
pub fn next_target_day(day: NaiveDate) -> NaiveDate {
    on_or_after(day.succ_opt().unwrap_or(day))
}

/// By the anonymous rule of 1876 for the Gregorian calendar.
fn easter_sunday(year: i32) -> Option<NaiveDate> {
    let (a, b, c) = (year % 19, year / 100, year % 100);
    let (d, e, f) = (b / 4, b % 4, (b + 8) / 25);
    let g = (b - f + 1) / 3;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let n = h + l - 7 * m + 114;
    NaiveDate::from_ymd_opt(year, u32::try_from(n / 31).ok()?, u32::try_from(n % 31 + 1).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(year: i32, month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(year, month, day).unwrap()
    }

    #[test]
    fn easter_is_where_the_calendars_have_it() {
        for (year, month, of) in
            [(2000, 4, 23), (2019, 4, 21), (2024, 3, 31), (2025, 4, 20), (2026, 4, 5), (2038, 4, 25)]
        {
            assert_eq!(easter_sunday(year), Some(day(year, month, of)));
        }
    }

    #[test]
    fn week_ends_and_holidays_are_passed_over() {
        for (from, to) in [
            (day(2026, 4, 2), day(2026, 4, 2)), // Maundy Thursday is no holiday of banks
            (day(2026, 4, 3), day(2026, 4, 7)), // Good Friday to Tuesday after Easter
            (day(2026, 12, 25), day(2026, 12, 28)),
            (day(2026, 1, 1), day(2026, 1, 2)),
            (day(2026, 5, 1), day(2026, 5, 4)),
        ] {
            assert_eq!(on_or_after(from), to);
        }
        assert_eq!(next_target_day(day(2026, 4, 2)), day(2026, 4, 7));
    }
}
