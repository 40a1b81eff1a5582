//! A stretch of the calendar that a report is about: `2026-01`, `2026-Q1`, `2026`.

use crate::period::{Period, plus_months};
use chrono::{Datelike, NaiveDate};
use std::fmt;
use std::str::FromStr;

/// Whole months, in the tenant's calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonthRange {
    /// First day.
    pub start: NaiveDate,
    /// First day after it.
    pub end: NaiveDate,
}

/// Not a month, quarter or year.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a month such as 2026-01, a quarter such as 2026-Q1, or a year")]
pub struct SpanFault(pub String);

impl MonthRange {
    /// The month of a day.
    pub fn month_of(day: NaiveDate) -> Self {
        let start = day.with_day(1).unwrap_or(day);
        Self::months(start, 1)
    }

    /// The month before the one of a day.
    pub fn month_before(day: NaiveDate) -> Self {
        Self::month_of(Self::month_of(day).start.pred_opt().unwrap_or(day))
    }

    fn months(start: NaiveDate, count: i64) -> Self {
        Self { start, end: plus_months(start, count, 1) }
    }

    /// Its last day.
    pub fn last_day(&self) -> NaiveDate {
        Period::new(self.start, self.end).last_day()
    }

    /// Whether it is one month.
    pub fn is_month(&self) -> bool {
        *self == Self::month_of(self.start)
    }
}

impl FromStr for MonthRange {
    type Err = SpanFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = || SpanFault(text.to_owned());
        let (year, part) = match text.trim().split_once('-') {
            Some((year, part)) => (year, Some(part)),
            None => (text.trim(), None),
        };
        let four_digits = year.len() == 4 && year.bytes().all(|digit| digit.is_ascii_digit());
        let year: i32 = Some(year).filter(|_| four_digits).and_then(|y| y.parse().ok()).ok_or_else(fault)?;
        let two = |text: &str| {
            let fits = text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_digit());
            fits.then(|| text.parse::<u32>().ok()).flatten()
        };
        let (month, count) = match part {
            None => (Some(1), 12),
            Some("Q1") => (Some(1), 3),
            Some("Q2") => (Some(4), 3),
            Some("Q3") => (Some(7), 3),
            Some("Q4") => (Some(10), 3),
            Some(month) => (two(month), 1),
        };
        let start = month.and_then(|month| NaiveDate::from_ymd_opt(year, month, 1)).ok_or_else(fault)?;
        Ok(Self::months(start, count))
    }
}

impl fmt::Display for MonthRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month) = (self.start.year(), self.start.month());
        match self.end {
            _ if self.is_month() => write!(f, "{year:04}-{month:02}"),
            end if end == plus_months(self.start, 3, 1) => write!(f, "{year:04}-Q{}", month.div_ceil(3)),
            _ => write!(f, "{year:04}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_quarters_and_years_are_read_and_written() {
        for (text, start, last) in [
            ("2026-01", "2026-01-01", "2026-01-31"),
            ("2024-02", "2024-02-01", "2024-02-29"),
            ("2026-Q4", "2026-10-01", "2026-12-31"),
            ("2026", "2026-01-01", "2026-12-31"),
        ] {
            let span: MonthRange = text.parse().unwrap();
            assert_eq!((span.start.to_string(), span.last_day().to_string()), (start.into(), last.into()));
            assert_eq!(span.to_string(), text);
        }
        for bad in ["", "2026-1", "2026-13", "26-01", "2026-Q5", "2026-01-01", "+026", "2026-+1"] {
            assert!(bad.parse::<MonthRange>().is_err(), "{bad}");
        }
        let before = MonthRange::month_before(NaiveDate::from_ymd_opt(2026, 1, 31).unwrap());
        assert_eq!(before.to_string(), "2025-12");
    }
}
