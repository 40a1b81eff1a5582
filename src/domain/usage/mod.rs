//! Usage events and the check that every record passes, from whatever file (rules Q3).

mod check;
mod properties;
mod time;

pub use check::*;
pub use properties::*;
pub use time::*;

use crate::decimal::Quantity9;
use std::collections::BTreeMap;

/// Properties of an event: name → value; an empty CSV cell is an absent property (rules Q2).
pub type Properties = BTreeMap<String, String>;

/// A usage event that has passed the check; not yet resolved to a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub source: String,
    pub id: String,
    pub subject: String,
    pub meter: String,
    /// At scale 9.
    pub quantity: Quantity9,
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub time_us: i64,
    pub properties: Properties,
    /// Id of the event of the same source that this one replaces.
    pub corrects: Option<String>,
}

macro_rules! reject_codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal,)*) => {
        /// Why a record was refused; the code is stable and stands in reject files.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum RejectCode { $($(#[$doc])* $variant,)* }
        impl RejectCode {
            /// Every code.
            pub const ALL: &'static [RejectCode] = &[$(Self::$variant),*];
            /// The code as printed.
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }
        }
    };
}

reject_codes! {
    /// The record is not readable in its format: ragged row, open quote, broken JSON.
    Malformed = "malformed",
    /// Bytes that are not UTF-8.
    NotUtf8 = "not_utf8",
    /// No id.
    MissingId = "missing_id",
    /// No subject.
    MissingSubject = "missing_subject",
    /// No meter.
    MissingMeter = "missing_meter",
    /// No quantity.
    MissingQuantity = "missing_quantity",
    /// Quantity is not a decimal of 12 + 9 digits.
    BadQuantity = "bad_quantity",
    /// No time.
    MissingTime = "missing_time",
    /// Time cannot be read.
    BadTime = "bad_time",
    /// A local time that the clocks skipped.
    NoSuchTime = "no_such_time",
    /// Outside 1970–2199.
    TimeOutOfBounds = "time_out_of_bounds",
    /// Properties are not a flat JSON object.
    BadProperties = "bad_properties",
    /// A field is longer than 255 bytes, or properties than 4 000.
    TooLong = "too_long",
    /// No subscription, charge reference or account has this name.
    UnknownSubject = "unknown_subject",
    /// More than one candidate.
    AmbiguousSubject = "ambiguous_subject",
    /// No charge of any plan counts this meter.
    UnknownMeter = "unknown_meter",
    /// Same (source, id), other content.
    Conflict = "conflict",
    /// `corrects` does not name the latest accepted version.
    StaleCorrection = "stale_correction",
    /// Its period is billed and the charge's policy refuses late usage.
    TooLate = "too_late",
}

/// A refused record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    pub code: RejectCode,
    /// For a person: which field, which value, what was expected.
    pub text: String,
}

impl Reject {
    /// A reject with its text.
    pub fn new(code: RejectCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}
