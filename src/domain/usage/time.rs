//! The time of a usage event: RFC 3339, or a local time without offset (rules Q3).
//!
//! Read byte by byte, without a parser: tens of millions of times a run, and nearly always in the one form
//! `YYYY-MM-DDTHH:MM:SS[.f](Z|±HH:MM)`.

use super::{Reject, RejectCode};
use crate::zone::to_instant;
use chrono::NaiveDate;
use chrono_tz::Tz;

const SECONDS_PER_DAY: i64 = 86_400;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// First microsecond after the times that are taken: 2200-01-01T00:00:00Z. The first one is 1970-01-01T00:00:00Z.
pub const TIME_END_US: i64 = 7_258_118_400 * MICROS_PER_SECOND;

/// Reads a time as microseconds since 1970-01-01T00:00:00Z.
///
/// Taken: date and time parted by `T`, `t` or a space; any fraction of a second, cut to microseconds; `Z`, `z`,
/// `±HH:MM`, `±HHMM` or `±HH`. Without an offset the time is local in `zone`, and the first of a doubled hour. A leap
/// second (`23:59:60` in UTC) counts as the second after it.
///
/// Errors: `bad_time`, `no_such_time` (the clocks skipped it), `time_out_of_bounds` (outside 1970–2199, in UTC).
///
/// ```
/// # use domain::usage::parse_time_us;
/// let copenhagen = chrono_tz::Europe::Copenhagen;
/// assert_eq!(parse_time_us(b"2026-03-15T10:00:00Z", copenhagen), Ok(1_773_568_800_000_000));
/// assert_eq!(parse_time_us(b"2026-03-15 11:00:00.5", copenhagen), Ok(1_773_568_800_500_000));
/// ```
#[inline]
pub fn parse_time_us(text: &[u8], zone: Tz) -> Result<i64, Reject> {
    let Some((clock, rest)) = Clock::read(text) else { return Err(bad_time(text)) };
    let utc_seconds = match rest {
        b"Z" | b"z" => clock.seconds(),
        [] => local_seconds(&clock, zone).ok_or_else(|| no_such_time(text, zone))?,
        [sign @ (b'+' | b'-'), offset @ ..] => {
            let Some(offset_seconds) = offset_seconds(offset) else { return Err(bad_time(text)) };
            clock.seconds() + if *sign == b'+' { -offset_seconds } else { offset_seconds }
        }
        _ => return Err(bad_time(text)),
    };
    if clock.is_leap_second && utc_seconds.rem_euclid(SECONDS_PER_DAY) != 0 {
        return Err(bad_time(text));
    }
    let time_us = utc_seconds * MICROS_PER_SECOND + clock.micros;
    if (0..TIME_END_US).contains(&time_us) { Ok(time_us) } else { Err(out_of_bounds(text)) }
}

/// Date and time as written, each part in its range.
struct Clock {
    year: i64,
    month: i64,
    day: i64,
    /// Since midnight; a leap second is the second after 59.
    second_of_day: i64,
    micros: i64,
    is_leap_second: bool,
}

impl Clock {
    /// Reads `YYYY-MM-DDTHH:MM:SS[.f]` and returns what follows it.
    #[inline]
    fn read(text: &[u8]) -> Option<(Self, &[u8])> {
        let (head, rest) = text.split_first_chunk::<19>()?;
        let [
            y1,
            y2,
            y3,
            y4,
            b'-',
            mo1,
            mo2,
            b'-',
            d1,
            d2,
            b'T' | b't' | b' ',
            h1,
            h2,
            b':',
            mi1,
            mi2,
            b':',
            s1,
            s2,
        ] = *head
        else {
            return None;
        };
        let year = two_digits(y1, y2)? * 100 + two_digits(y3, y4)?;
        let (month, day) = (two_digits(mo1, mo2)?, two_digits(d1, d2)?);
        let (hour, minute, second) = (two_digits(h1, h2)?, two_digits(mi1, mi2)?, two_digits(s1, s2)?);
        if day < 1 || day > days_in_month(year, month)? || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let (micros, rest) = fraction(rest)?;
        let second_of_day = hour * 3600 + minute * 60 + second;
        Some((Self { year, month, day, second_of_day, micros, is_leap_second: second == 60 }, rest))
    }

    /// Seconds since 1970-01-01T00:00:00, read as if there were no offset.
    #[inline]
    fn seconds(&self) -> i64 {
        days_since_1970(self.year, self.month, self.day) * SECONDS_PER_DAY + self.second_of_day
    }
}

/// Microseconds of `.f…`, cut, and what follows; 0 without a fraction.
#[inline]
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.', digits @ ..] = rest else { return Some((0, rest)) };
    let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if count == 0 {
        return None;
    }
    let (fraction, rest) = digits.split_at(count);
    let mut micros = 0;
    for place in 0..6 {
        micros = micros * 10 + fraction.get(place).map_or(0, |digit| i64::from(digit - b'0'));
    }
    Some((micros, rest))
}

/// Seconds of `HH:MM`, `HHMM` or `HH`.
#[inline]
fn offset_seconds(offset: &[u8]) -> Option<i64> {
    let (hours, minutes) = match *offset {
        [h1, h2, b':', m1, m2] | [h1, h2, m1, m2] => (two_digits(h1, h2)?, two_digits(m1, m2)?),
        [h1, h2] => (two_digits(h1, h2)?, 0),
        _ => return None,
    };
    (hours <= 23 && minutes <= 59).then_some(hours * 3600 + minutes * 60)
}

#[inline]
fn two_digits(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| i64::from(tens) * 10 + i64::from(ones))
}

#[inline]
fn days_in_month(year: i64, month: i64) -> Option<i64> {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => Some(29),
        2 => Some(28),
        _ => None,
    }
}

/// Days of the proleptic Gregorian calendar. The year is taken to begin in March, so that the leap day is its last.
#[inline]
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    const DAYS_FROM_0000_03_01_TO_1970: i64 = 719_468;
    let (year, months_since_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * months_since_march + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + day_of_year - DAYS_FROM_0000_03_01_TO_1970
}

/// A local time as seconds in UTC; `None` if the clocks skipped it.
fn local_seconds(clock: &Clock, zone: Tz) -> Option<i64> {
    let leap = i64::from(clock.is_leap_second);
    let part = |value: i64| u32::try_from(value).ok();
    let date =
        NaiveDate::from_ymd_opt(i32::try_from(clock.year).ok()?, part(clock.month)?, part(clock.day)?)?;
    let second_of_day = clock.second_of_day - leap;
    let local = date.and_hms_opt(
        part(second_of_day / 3600)?,
        part(second_of_day / 60 % 60)?,
        part(second_of_day % 60)?,
    )?;
    Some(to_instant(local, zone)?.timestamp() + leap)
}

#[cold]
fn bad_time(text: &[u8]) -> Reject {
    let shown = super::shown(&String::from_utf8_lossy(text));
    Reject::new(RejectCode::BadTime, format!("time {shown} is not a time like 2026-03-15T10:00:00Z"))
}

#[cold]
fn no_such_time(text: &[u8], zone: Tz) -> Reject {
    let shown = super::shown(&String::from_utf8_lossy(text));
    Reject::new(
        RejectCode::NoSuchTime,
        format!("time {shown} does not exist in {zone}: the clocks skipped it"),
    )
}

#[cold]
fn out_of_bounds(text: &[u8]) -> Reject {
    let shown = super::shown(&String::from_utf8_lossy(text));
    Reject::new(RejectCode::TimeOutOfBounds, format!("time {shown} is not between 1970 and 2199"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::Europe::Copenhagen;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<i64, RejectCode> {
        parse_time_us(text.as_bytes(), Copenhagen).map_err(|reject| reject.code)
    }

    #[test]
    fn reads_rfc_3339_and_local_times() {
        let ten = 1_773_568_800_000_000; // 2026-03-15T10:00:00Z
        let table = [
            ("2026-03-15T10:00:00Z", ten),
            ("2026-03-15t10:00:00z", ten),
            ("2026-03-15 10:00:00Z", ten),
            ("2026-03-15T12:30:00+02:30", ten),
            ("2026-03-15T05:00:00-0500", ten),
            ("2026-03-15T11:00:00+01", ten),
            ("2026-03-16T09:59:00+23:59", ten),
            ("2026-03-15T10:00:00-00:00", ten),
            ("2026-03-15T11:00:00", ten),
            ("2026-03-15T10:00:00.5Z", ten + 500_000),
            ("2026-03-15T10:00:00.123456Z", ten + 123_456),
            ("2026-03-15T10:00:00.1234569999Z", ten + 123_456),
            ("2026-03-15 11:00:00.000001", ten + 1),
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T01:00:00", 0),
            ("2199-12-31T23:59:59.999999Z", TIME_END_US - 1),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000_000),
            ("2017-01-01T00:59:60", 1_483_228_800_000_000),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000_000),
        ];
        for (text, expected) in table {
            assert_eq!(read(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_doubled_hour_takes_the_first_and_a_skipped_one_is_refused() {
        assert_eq!(read("2026-10-25T02:30:00"), read("2026-10-25T00:30:00Z"));
        assert_eq!(read("2026-03-29T01:59:59.999999"), read("2026-03-29T00:59:59.999999Z"));
        assert_eq!(read("2026-03-29T02:30:00"), Err(RejectCode::NoSuchTime));
        assert_eq!(read("2026-03-29T02:30:00+01:00"), read("2026-03-29T01:30:00Z"));
    }

    #[test]
    fn refuses_what_is_not_a_time_or_out_of_bounds() {
        for text in [
            "",
            "2026-03-15",
            "2026-03-15T10:00",
            "2026-03-15T10:00Z",
            "2026-3-15T10:00:00Z",
            "15-03-2026 10:00:00",
            "2026-02-29T10:00:00Z",
            "2100-02-29T10:00:00Z",
            "2026-00-10T10:00:00Z",
            "2026-13-10T10:00:00Z",
            "2026-01-00T10:00:00Z",
            "2026-04-31T10:00:00Z",
            "2026-03-15T24:00:00Z",
            "2026-03-15T10:60:00Z",
            "2026-03-15T10:00:61Z",
            "2026-03-15T10:00:60Z",
            "2026-03-15T10:00:00.Z",
            "2026-03-15T10:00:00,5Z",
            "2026-03-15T10:00:00+24:00",
            "2026-03-15T10:00:00+1:00",
            "2026-03-15T10:00:00 Z",
            "2026-03-15T10:00:00ZZ",
            "2026-03-15T10:00:00+01:00:00",
            "+2026-03-15T10:00:00Z",
            "1773568800",
            "２026-03-15T10:00:00Z",
        ] {
            assert_eq!(read(text), Err(RejectCode::BadTime), "{text}");
        }
        for text in [
            "1969-12-31T23:59:59.999999Z",
            "1970-01-01T00:59:59",
            "2200-01-01T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
        ] {
            assert_eq!(read(text), Err(RejectCode::TimeOutOfBounds), "{text}");
        }
    }

    proptest! {
        /// chrono is the judge, over every instant and offset that is taken.
        #[test]
        fn agrees_with_chrono(time_us in 0..TIME_END_US, offset_minutes in -1439..=1439_i32) {
            let offset = chrono::FixedOffset::east_opt(offset_minutes * 60).unwrap();
            let at = chrono::DateTime::from_timestamp_micros(time_us).unwrap();
            let text = at.with_timezone(&offset).to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
            prop_assert_eq!(read(&text), Ok(time_us), "{}", text);
            let local = at.with_timezone(&Copenhagen).format("%Y-%m-%dT%H:%M:%S%.6f").to_string();
            let read_back = read(&local).unwrap();
            let hour_us = 3600 * MICROS_PER_SECOND;
            prop_assert!(read_back == time_us || read_back == time_us - hour_us, "{}", local);
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse_time_us(&bytes, Copenhagen);
        }
    }
}
