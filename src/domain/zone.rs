//! Local dates and instants (rules T1, Q3).

use chrono::{DateTime, Days, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;

/// The local date on which an instant falls.
pub fn local_date(instant: DateTime<Utc>, zone: Tz) -> NaiveDate {
    instant.with_timezone(&zone).date_naive()
}

/// The first instant of a local day, also where midnight does not exist.
pub fn start_of_day(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = day.and_time(NaiveTime::MIN);
    for quarter_hours in 0..=96 {
        let candidate = midnight + chrono::Duration::minutes(15 * quarter_hours);
        if let Some(instant) = to_instant(candidate, zone) {
            return instant;
        }
    }
    midnight.and_utc()
}

/// A local time as an instant; one that occurs twice takes the first, one that does not exist is `None`
/// (rules Q3, reject `no_such_time`).
pub fn to_instant(local: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(at.with_timezone(&Utc)),
        LocalResult::None => None,
    }
}

/// The day after.
pub fn next_day(day: NaiveDate) -> NaiveDate {
    day.checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX)
}

/// The day before.
pub fn previous_day(day: NaiveDate) -> NaiveDate {
    day.checked_sub_days(Days::new(1)).unwrap_or(NaiveDate::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").unwrap()
    }

    #[test]
    fn a_doubled_hour_takes_the_first_and_a_missing_hour_is_none() {
        let zone = chrono_tz::Europe::Copenhagen;
        assert_eq!(
            to_instant(at("2026-10-25T02:30"), zone).unwrap().to_rfc3339(),
            "2026-10-25T00:30:00+00:00"
        );
        assert_eq!(to_instant(at("2026-03-29T02:30"), zone), None);
    }

    #[test]
    fn a_day_starts_at_its_first_instant_even_without_midnight() {
        let beirut = chrono_tz::Asia::Beirut;
        let day = NaiveDate::from_ymd_opt(2021, 3, 28).unwrap();
        assert_eq!(local_date(start_of_day(day, beirut), beirut), day);
    }
}
