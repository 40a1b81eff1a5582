//! What must be measured ([`Window`]), what came of it ([`Measured`]), and the definition of measuring: a fold over
//! events in (time, source, id) order (rules Q2). `metering` does the same in bulk with polars; a property test
//! keeps the two equal.

mod aggregate;
mod fold;

pub use aggregate::aggregate;
pub use fold::fold;

use crate::catalogue::Aggregation;
use crate::decimal::Quantity9;
use crate::exact::Exact;
use crate::ids::{ChargeReference, SubscriptionId};
use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Half-open range of instants, microseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Instants {
    pub from_us: i64,
    pub to_us: i64,
}

/// Identity of a measured quantity: one charge, one usage period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WindowKey {
    pub charge: ChargeReference,
    /// First day of the period.
    pub start: NaiveDate,
}

/// One usage period of one charge whose quantity is wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Window {
    pub key: WindowKey,
    pub subscription: SubscriptionId,
    pub meter: String,
    /// Stretches of the period, in order, each measured apart (price versions cut additive aggregates, rules P9).
    /// Within a stretch, holds and trials are already cut out.
    pub stretches: Vec<Vec<Instants>>,
    pub aggregation: Aggregation,
    pub sum_average_factor: Option<Decimal>,
    pub unique_property: Option<String>,
    pub percentile: Option<Decimal>,
    pub group_by: Option<String>,
    pub filter: BTreeMap<String, Vec<String>>,
    /// The price looks at single events (percentage with fees or bounds): ask for them.
    pub wants_events: bool,
    /// Only events up to this import number count (the run's usage mark); none = all (rules Q5).
    pub up_to_import: Option<i64>,
}

/// An event as measuring sees it: resolved, with its import number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    pub subscription: SubscriptionId,
    /// Set if the subject named one charge.
    pub charge: Option<ChargeReference>,
    pub import: i64,
    pub event: crate::usage::Event,
}

/// Quantity of one stretch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    pub quantity: Exact,
    /// Events that made it.
    pub events: u64,
    /// Quantities of the single events in (time, source, id) order, if the window wants them.
    pub each: Vec<Decimal>,
}

impl Instants {
    /// Whether the instant is inside: the start is, the end is not.
    pub fn contains(&self, time_us: i64) -> bool {
        self.from_us <= time_us && time_us < self.to_us
    }

    /// Microseconds; 0 if the end is before the start.
    pub fn length_us(&self) -> i64 {
        self.to_us.saturating_sub(self.from_us).max(0)
    }
}

impl Measure {
    /// Nothing measured (rules Q2: an empty window gives 0).
    pub fn empty() -> Self {
        Self { quantity: Exact::ZERO, events: 0, each: Vec::new() }
    }
}

/// One group's quantities, one per stretch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupMeasure {
    /// Value of the `group_by` property; none without grouping or where the property is absent.
    pub group: Option<String>,
    pub stretches: Vec<Measure>,
}

/// All that came of one window. No groups = no events.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MeasuredWindow {
    /// Ascending by group, the absent property first.
    pub groups: Vec<GroupMeasure>,
    /// Largest import number among the window's events (0 = none): late usage is what comes after (rules Q5).
    pub newest_import: i64,
}

/// Results by window.
pub type Measured = BTreeMap<WindowKey, MeasuredWindow>;

/// One event's part in an aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample<'a> {
    pub time_us: i64,
    pub source: &'a str,
    pub id: &'a str,
    pub quantity: Quantity9,
    /// Value of the unique property, if the window has one and the event too.
    pub unique: Option<&'a str>,
}
