//! Values of properties, and literals read as the kind of the property that they meet.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use rust_decimal::Decimal;
use std::cmp::Ordering;
use std::str::FromStr;
use uuid::Uuid;

/// What a property holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Guid,
    Text,
    Int,
    Flag,
    /// An amount, price or quantity, with its decimals.
    Exact,
    Day,
    Instant,
}

impl Kind {
    /// In words, for faults.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Guid => "a GUID",
            Self::Text => "a text",
            Self::Int => "a whole number",
            Self::Flag => "true or false",
            Self::Exact => "a number",
            Self::Day => "a day",
            Self::Instant => "an instant",
        }
    }
}

/// A value, or none.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Guid(Uuid),
    Text(String),
    Int(i64),
    Flag(bool),
    /// With the digits that are shown.
    Exact(Decimal),
    Day(NaiveDate),
    Instant(DateTime<Utc>),
}

impl Value {
    /// A literal's text as a value of this kind; none if it is not one.
    pub fn read(text: &str, kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::Guid => Self::Guid(text.parse().ok()?),
            Kind::Text => Self::Text(text.to_owned()),
            Kind::Int => Self::Int(text.parse().ok()?),
            Kind::Flag if text.eq_ignore_ascii_case("true") || text == "1" => Self::Flag(true),
            Kind::Flag if text.eq_ignore_ascii_case("false") || text == "0" => Self::Flag(false),
            Kind::Flag => return None,
            Kind::Exact => Self::Exact(Decimal::from_str(text).ok()?),
            Kind::Day => Self::Day(instant(text).map(|at| at.date_naive())?),
            Kind::Instant => Self::Instant(instant(text)?),
        })
    }

    /// The order of two values of one kind; nothing goes before everything. Texts go by their bytes.
    pub fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Guid(a), Self::Guid(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Flag(a), Self::Flag(b)) => a.cmp(b),
            (Self::Exact(a), Self::Exact(b)) => a.cmp(b),
            (Self::Exact(a), Self::Int(b)) => a.cmp(&Decimal::from(*b)),
            (Self::Int(a), Self::Exact(b)) => Decimal::from(*a).cmp(b),
            (Self::Day(a), Self::Day(b)) => a.cmp(b),
            (Self::Instant(a), Self::Instant(b)) => a.cmp(b),
            (Self::Null, Self::Null) => Ordering::Equal,
            (Self::Null, _) => Ordering::Less,
            (_, Self::Null) => Ordering::Greater,
            // Queries are read so that both sides are of one kind.
            _ => Ordering::Equal,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        text.map_or(Self::Null, Self::from)
    }
}

/// ISO 8601: with an offset, without one (UTC), or a day alone.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(at) = DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1)) {
        return Some(at.with_timezone(&Utc));
    }
    let local = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    if let Some(at) = local.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()) {
        return Some(at.and_utc());
    }
    Some(text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0)?.and_utc())
}
