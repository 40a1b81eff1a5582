//! Events as they stand, one by one: those that no other corrects, in the order in which they came in.

use crate::keys::Hashes;
use crate::segment::{ColumnSelection, Columns, Opener, SegmentRef};
use anyhow::Result;
use rustc_hash::{FxHashMap, FxHashSet};
use std::ops::ControlFlow;

/// Which events; nothing set means all.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Numbers of subscriptions.
    pub subscriptions: Option<Vec<u32>>,
    pub charge: Option<u32>,
    pub meter: Option<String>,
    pub source: Option<String>,
    /// The event's own id.
    pub id: Option<String>,
    /// Hash of (source, id) of the event that was there first.
    pub key: Option<u128>,
    /// Microseconds since the epoch, the second one excluded.
    pub from_us: Option<i64>,
    pub to_us: Option<i64>,
}

/// An event as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedEvent {
    /// Hash of (source, id) of the event that was there first: it stays, whatever corrects it.
    pub key: u128,
    /// How often it was corrected.
    pub corrections: u32,
    pub source: String,
    pub id: String,
    pub subscription_no: u32,
    pub charge_no: u32,
    pub meter: String,
    /// At scale 9.
    pub quantity: i128,
    pub time_us: i64,
    /// Canonical JSON; empty if there are none.
    pub properties: String,
    pub corrects: String,
}

/// Events that are in no segment yet, as far as their place in the chain of corrections is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newer {
    pub source: String,
    pub id: String,
    pub corrects: String,
}

/// A chain is as long as somebody has corrected; a ring cannot be, and would end here.
const CHAIN_MAX: u32 = 10_000;

/// Which event corrects which, over segments and what is newer.
pub struct Chains {
    /// (source, id) → the id that it corrects.
    corrects: FxHashMap<(Box<str>, Box<str>), Box<str>>,
    corrected: FxHashSet<(Box<str>, Box<str>)>,
    hashes: Hashes,
}

impl Chains {
    /// Reads the corrections of all `segments`, and adds what is newer. `seed` is the usage store's.
    pub fn read(segments: &[SegmentRef], newer: &[Newer], seed: u128) -> Result<Self> {
        let mut chains = Self {
            corrects: FxHashMap::default(),
            corrected: FxHashSet::default(),
            hashes: Hashes::new(seed),
        };
        let mut opener = Opener::default();
        let wanted = ColumnSelection { keys: true, corrects: true, ..ColumnSelection::default() };
        for segment in segments.iter().filter(|segment| segment.bounds.corrections > 0) {
            let open = opener.open(segment)?;
            for range in open.ranges() {
                let rows = open.read(range, wanted)?;
                for row in (0..rows.len()).filter(|row| !rows.corrects(*row).is_empty()) {
                    chains.add(rows.source(row), rows.id(row), rows.corrects(row));
                }
            }
        }
        for event in newer.iter().filter(|event| !event.corrects.is_empty()) {
            chains.add(&event.source, &event.id, &event.corrects);
        }
        Ok(chains)
    }

    fn add(&mut self, source: &str, id: &str, corrects: &str) {
        self.corrects.insert((source.into(), id.into()), corrects.into());
        self.corrected.insert((source.into(), corrects.into()));
    }

    /// Whether a newer version of this event stands.
    pub fn is_corrected(&self, source: &str, id: &str) -> bool {
        !self.corrected.is_empty() && self.corrected.contains(&(source.into(), id.into()))
    }

    /// Whether an event is called so, or one that it corrects is.
    fn is_called(&self, source: &str, id: &str, name: &str) -> bool {
        if id == name || self.corrects.is_empty() {
            return id == name;
        }
        let mut id: Box<str> = id.into();
        for _ in 0..CHAIN_MAX {
            let Some(before) = self.corrects.get(&(source.into(), id)) else { return false };
            if **before == *name {
                return true;
            }
            id = before.clone();
        }
        false
    }

    /// The key of the event that was there first, and how often it was corrected.
    pub fn first(&self, source: &str, id: &str) -> (u128, u32) {
        let (mut id, mut steps): (Box<str>, u32) = (id.into(), 0);
        while let Some(before) = self.corrects.get(&(source.into(), id.clone())).filter(|_| steps < CHAIN_MAX)
        {
            id = before.clone();
            steps += 1;
        }
        (self.hashes.event(source, &id), steps)
    }
}

/// Shows the events of a filter in the order in which they came in, until `seen` has enough and says so.
pub fn visit_events(
    segments: &[SegmentRef],
    chains: &Chains,
    filter: &EventFilter,
    seen: &mut dyn FnMut(ListedEvent) -> ControlFlow<()>,
) -> Result<()> {
    let mut in_order: Vec<&SegmentRef> = segments.iter().filter(|segment| filter.touches(segment)).collect();
    in_order.sort_by_key(|segment| (segment.import, segment.first_row));
    let wanted =
        ColumnSelection { keys: true, properties: true, corrects: true, ..ColumnSelection::default() };
    let mut opener = Opener::default();
    for segment in in_order {
        let open = opener.open(segment)?;
        for range in open.ranges() {
            let rows = open.read(range, wanted)?;
            for row in 0..rows.len() {
                let Some(event) = filter.found(&rows, row, chains) else { continue };
                if seen(event).is_break() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

impl EventFilter {
    fn touches(&self, segment: &SegmentRef) -> bool {
        let bounds = &segment.bounds;
        let is_in = |no: &u32| (bounds.min_subscription_no..=bounds.max_subscription_no).contains(no);
        self.subscriptions.as_ref().is_none_or(|numbers| numbers.iter().any(is_in))
            && self.from_us.is_none_or(|from| bounds.max_time_us >= from)
            && self.to_us.is_none_or(|to| bounds.min_time_us < to)
    }

    fn found(&self, rows: &Columns, row: usize, chains: &Chains) -> Option<ListedEvent> {
        let event = || {
            let (source, id) = (rows.source(row), rows.id(row));
            let (key, corrections) = chains.first(source, id);
            ListedEvent {
                key,
                corrections,
                source: source.to_owned(),
                id: id.to_owned(),
                subscription_no: rows.subscriptions[row],
                charge_no: rows.charges[row],
                meter: rows.meter(row).to_owned(),
                quantity: rows.quantities[row],
                time_us: rows.times_us[row],
                properties: rows.properties(row).to_owned(),
                corrects: rows.corrects(row).to_owned(),
            }
        };
        let is_meant = self.subscriptions.as_ref().is_none_or(|all| all.contains(&rows.subscriptions[row]))
            && self.charge.is_none_or(|charge| rows.charges[row] == charge)
            && self.from_us.is_none_or(|from| rows.times_us[row] >= from)
            && self.to_us.is_none_or(|to| rows.times_us[row] < to)
            && self.meter.as_ref().is_none_or(|meter| rows.meter(row) == meter)
            && self.source.as_ref().is_none_or(|source| rows.source(row) == source)
            && self.id.as_ref().is_none_or(|id| chains.is_called(rows.source(row), rows.id(row), id));
        if !is_meant || chains.is_corrected(rows.source(row), rows.id(row)) {
            return None;
        }
        Some(event()).filter(|event| self.key.is_none_or(|key| event.key == key))
    }

    /// Whether an event that is in no segment is meant.
    pub fn means(&self, event: &ListedEvent, chains: &Chains) -> bool {
        self.subscriptions.as_ref().is_none_or(|all| all.contains(&event.subscription_no))
            && self.charge.is_none_or(|charge| event.charge_no == charge)
            && self.from_us.is_none_or(|from| event.time_us >= from)
            && self.to_us.is_none_or(|to| event.time_us < to)
            && self.meter.as_ref().is_none_or(|meter| event.meter == *meter)
            && self.source.as_ref().is_none_or(|source| event.source == *source)
            && self.id.as_ref().is_none_or(|id| chains.is_called(&event.source, &event.id, id))
            && self.key.is_none_or(|key| event.key == key)
    }
}
