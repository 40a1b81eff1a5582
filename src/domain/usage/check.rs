//! The check that every usage record passes, from CSV, NDJSON, Parquet and `simulate` alike (rules Q1, Q3).
//!
//! [`check_fields`] borrows and allocates nothing; [`check`] makes an [`Event`] of it. The first thing that is wrong
//! is the reject, in the order id, subject, meter, quantity, time, source, corrects, properties.

use super::{Event, RawProperties, Reject, RejectCode, parse_time_us, read_properties};
use crate::decimal::{Quantity9, parse_quantity9};
use chrono_tz::Tz;
use std::fmt::Write as _;

/// Longest text field of an event, in bytes.
pub const TEXT_BYTES_MAX: usize = 255;

/// A record as read from a file: text, each field present or not. White space around a field does not count, and an
/// empty field is an absent one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RawUsage<'a> {
    pub id: Option<&'a str>,
    pub subject: Option<&'a str>,
    pub meter: Option<&'a str>,
    /// Decimal text: `1300`, `-0.5`, `1e3`.
    pub quantity: Option<&'a str>,
    /// RFC 3339, or local without offset.
    pub time: Option<&'a str>,
    pub source: Option<&'a str>,
    pub properties: RawProperties<'a>,
    /// Id of the event that this one replaces.
    pub corrects: Option<&'a str>,
}

/// What the check has to know besides the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits<'a> {
    /// Zone of times without offset: the tenant's.
    pub zone: Tz,
    /// Source of records that name none, for example `file`.
    pub default_source: &'a str,
}

/// A record that has passed, still borrowed. Its properties have not been read: see [`read_properties`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedUsage<'a> {
    pub source: &'a str,
    pub id: &'a str,
    pub subject: &'a str,
    pub meter: &'a str,
    /// At scale 9.
    pub quantity: Quantity9,
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub time_us: i64,
    pub corrects: Option<&'a str>,
    pub properties: RawProperties<'a>,
}

/// Checks one record and makes an event of it.
///
/// ```
/// # use domain::usage::{Limits, RawUsage, check};
/// let limits = Limits { zone: chrono_tz::Europe::Copenhagen, default_source: "file" };
/// let raw = RawUsage {
///     id: Some("e1"),
///     subject: Some("SUB-0001"),
///     meter: Some("api_calls"),
///     quantity: Some("1300"),
///     time: Some("2026-03-15T10:00:00Z"),
///     ..RawUsage::default()
/// };
/// let event = check(&raw, &limits).unwrap();
/// assert_eq!((event.source.as_str(), event.quantity), ("file", 1_300_000_000_000));
///
/// let reject = check(&RawUsage { quantity: Some("1,5"), ..raw }, &limits).unwrap_err();
/// assert_eq!(reject.text, "quantity `1,5` is not a decimal number");
/// ```
pub fn check(raw: &RawUsage<'_>, limits: &Limits<'_>) -> Result<Event, Reject> {
    let checked = check_fields(raw, limits)?;
    Ok(Event {
        properties: read_properties(checked.properties)?,
        source: checked.source.to_owned(),
        id: checked.id.to_owned(),
        subject: checked.subject.to_owned(),
        meter: checked.meter.to_owned(),
        quantity: checked.quantity,
        time_us: checked.time_us,
        corrects: checked.corrects.map(str::to_owned),
    })
}

/// Checks everything but the properties: the hot path of intake, which stores columns and needs no [`Event`].
#[inline]
pub fn check_fields<'a>(raw: &RawUsage<'a>, limits: &Limits<'a>) -> Result<CheckedUsage<'a>, Reject> {
    let id = required(raw.id, "id", RejectCode::MissingId)?;
    let subject = required(raw.subject, "subject", RejectCode::MissingSubject)?;
    let meter = required(raw.meter, "meter", RejectCode::MissingMeter)?;
    let quantity = check_quantity(raw.quantity)?;
    let time_us = check_time(raw.time, limits.zone)?;
    let source = optional(raw.source, "source")?.unwrap_or(limits.default_source);
    let corrects = optional(raw.corrects, "corrects")?;
    if corrects == Some(id) {
        let text =
            format!("corrects {} names the event itself: a correction needs an id of its own", shown(id));
        return Err(Reject::new(RejectCode::StaleCorrection, text));
    }
    Ok(CheckedUsage { source, id, subject, meter, quantity, time_us, corrects, properties: raw.properties })
}

/// Checks a quantity: a decimal of at most 12 digits and 9 decimals (rules Q1), never rounded. At scale 9.
#[inline]
pub fn check_quantity(raw: Option<&str>) -> Result<Quantity9, Reject> {
    let Some(text) = present(raw) else { return Err(missing("quantity", RejectCode::MissingQuantity)) };
    parse_quantity9(text.as_bytes()).map_err(|fault| bad_quantity(text, fault))
}

/// Checks a time, see [`parse_time_us`].
#[inline]
pub fn check_time(raw: Option<&str>, zone: Tz) -> Result<i64, Reject> {
    let Some(text) = present(raw) else { return Err(missing("time", RejectCode::MissingTime)) };
    parse_time_us(text.as_bytes(), zone)
}

#[inline]
fn required<'a>(raw: Option<&'a str>, field: &str, code: RejectCode) -> Result<&'a str, Reject> {
    match optional(raw, field)? {
        Some(text) => Ok(text),
        None => Err(missing(field, code)),
    }
}

#[inline]
fn optional<'a>(raw: Option<&'a str>, field: &str) -> Result<Option<&'a str>, Reject> {
    let Some(text) = present(raw) else { return Ok(None) };
    if text.len() > TEXT_BYTES_MAX {
        return Err(too_long(text, field));
    }
    let controls = text.bytes().filter(u8::is_ascii_control).count();
    if controls > 0 {
        return Err(control_character(text, field));
    }
    Ok(Some(text))
}

/// The field without white space around it, if anything is left.
#[inline]
fn present(raw: Option<&str>) -> Option<&str> {
    raw.map(str::trim_ascii).filter(|text| !text.is_empty())
}

/// A value as shown to people: quoted, on one line, what cannot be seen written out, and cut at 60 characters.
pub fn shown(value: &str) -> String {
    let mut text = String::from("`");
    for (count, c) in value.chars().enumerate() {
        if count == 60 {
            text.push('…');
            break;
        }
        if c.is_control() || is_invisible(c) {
            let _ = write!(text, "{}", c.escape_default());
        } else {
            text.push(c);
        }
    }
    text.push('`');
    text
}

/// Characters that look like a space, like nothing, or turn what follows around: copied from pages and sheets, they make
/// two names look the same.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{a0}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{1680}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180e}' | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}'
        | '\u{3000}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cold]
fn missing(field: &str, code: RejectCode) -> Reject {
    Reject::new(code, format!("{field} is missing"))
}

#[cold]
fn bad_quantity(text: &str, fault: crate::decimal::DecimalFault) -> Reject {
    Reject::new(RejectCode::BadQuantity, format!("quantity {} {fault}", shown(text)))
}

#[cold]
fn too_long(text: &str, field: &str) -> Reject {
    let message = format!("{field} {} is longer than {TEXT_BYTES_MAX} bytes: {}", shown(text), text.len());
    Reject::new(RejectCode::TooLong, message)
}

#[cold]
fn control_character(text: &str, field: &str) -> Reject {
    Reject::new(RejectCode::Malformed, format!("{field} {} holds a control character", shown(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits<'_> = Limits { zone: chrono_tz::Europe::Copenhagen, default_source: "file" };

    fn good() -> RawUsage<'static> {
        RawUsage {
            id: Some("e1"),
            subject: Some("SUB-0001"),
            meter: Some("api_calls"),
            quantity: Some("1300.5"),
            time: Some("2026-03-15T11:00:00"),
            ..RawUsage::default()
        }
    }

    #[test]
    fn a_good_record_becomes_an_event() {
        let pairs = [("region", "eu"), ("empty", "")];
        let raw = RawUsage {
            id: Some(" e1 "),
            source: Some("meter-7"),
            corrects: Some("e0"),
            properties: RawProperties::Pairs(&pairs),
            ..good()
        };
        let event = check(&raw, &LIMITS).unwrap();
        assert_eq!(event.id, "e1");
        assert_eq!(event.source, "meter-7");
        assert_eq!(event.quantity, 1_300_500_000_000);
        assert_eq!(event.time_us, 1_773_568_800_000_000);
        assert_eq!(event.corrects.as_deref(), Some("e0"));
        assert_eq!(event.properties.into_iter().collect::<Vec<_>>(), [("region".into(), "eu".into())]);
        assert_eq!(check(&good(), &LIMITS).unwrap().source, "file");
    }

    #[test]
    fn every_fault_has_its_code_and_says_what_is_wrong() {
        let long: &'static str = "x".repeat(256).leak();
        let table: [(RawUsage<'_>, RejectCode, &str); 17] = [
            (RawUsage::default(), RejectCode::MissingId, "id is missing"),
            (RawUsage { id: Some("  "), ..good() }, RejectCode::MissingId, "id is missing"),
            (RawUsage { subject: None, ..good() }, RejectCode::MissingSubject, "subject is missing"),
            (RawUsage { meter: Some(""), ..good() }, RejectCode::MissingMeter, "meter is missing"),
            (RawUsage { quantity: None, ..good() }, RejectCode::MissingQuantity, "quantity is missing"),
            (
                RawUsage { quantity: Some("1,5"), ..good() },
                RejectCode::BadQuantity,
                "quantity `1,5` is not a decimal number",
            ),
            (
                RawUsage { quantity: Some("NaN"), ..good() },
                RejectCode::BadQuantity,
                "quantity `NaN` is not a decimal number",
            ),
            (
                RawUsage { quantity: Some("0.0000000001"), ..good() },
                RejectCode::BadQuantity,
                "quantity `0.0000000001` has more than 9 decimals",
            ),
            (
                RawUsage { quantity: Some("1e12"), ..good() },
                RejectCode::BadQuantity,
                "quantity `1e12` has more than 12 digits before the point",
            ),
            (RawUsage { time: None, ..good() }, RejectCode::MissingTime, "time is missing"),
            (
                RawUsage { time: Some("15/3 2026"), ..good() },
                RejectCode::BadTime,
                "time `15/3 2026` is not a time like 2026-03-15T10:00:00Z",
            ),
            (
                RawUsage { time: Some("2026-03-29T02:30:00"), ..good() },
                RejectCode::NoSuchTime,
                "time `2026-03-29T02:30:00` does not exist in Europe/Copenhagen: the clocks skipped it",
            ),
            (
                RawUsage { time: Some("1969-12-31T00:00:00Z"), ..good() },
                RejectCode::TimeOutOfBounds,
                "time `1969-12-31T00:00:00Z` is not between 1970 and 2199",
            ),
            (
                RawUsage { corrects: Some("e1"), ..good() },
                RejectCode::StaleCorrection,
                "corrects `e1` names the event itself: a correction needs an id of its own",
            ),
            (
                RawUsage { subject: Some("a\nb"), ..good() },
                RejectCode::Malformed,
                "subject `a\\nb` holds a control character",
            ),
            (
                RawUsage { properties: RawProperties::Json("[1]"), ..good() },
                RejectCode::BadProperties,
                "properties are not a flat JSON object: `{` expected, found `[1]`",
            ),
            (RawUsage { source: Some(long), ..good() }, RejectCode::TooLong, ""),
        ];
        for (raw, code, text) in table {
            let reject = check(&raw, &LIMITS).unwrap_err();
            assert_eq!(reject.code, code, "{raw:?}");
            assert!(text.is_empty() || reject.text == text, "{}", reject.text);
        }
    }

    #[test]
    fn the_first_fault_in_order_is_the_reject() {
        let raw = RawUsage { meter: None, quantity: Some("x"), time: Some("x"), ..good() };
        assert_eq!(check(&raw, &LIMITS).unwrap_err().code, RejectCode::MissingMeter);
        let raw = RawUsage { quantity: Some("x"), time: Some("x"), ..good() };
        assert_eq!(check(&raw, &LIMITS).unwrap_err().code, RejectCode::BadQuantity);
    }

    #[test]
    fn long_values_are_cut_where_they_are_shown() {
        assert_eq!(shown(&"æ".repeat(61)), format!("`{}…`", "æ".repeat(60)));
        assert_eq!(shown("a\u{7}"), "`a\\u{7}`");
        assert_eq!(shown("SUB-1\u{200b}\u{a0}æ"), "`SUB-1\\u{200b}\\u{a0}æ`");
    }
}
