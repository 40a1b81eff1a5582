//! Records that come one by one or in short lists, not in files: the same checks, the same identity, in memory.

use super::DEFAULT_SOURCE;
use super::subjects::Subjects;
use crate::keys::{Content, Hashes, History, KeyLookup};
use anyhow::Result;
use chrono_tz::Tz;
use domain::usage::{Limits, RawUsage, Reject, RejectCode, check_fields, properties_text, read_properties};
use std::path::Path;

/// A record that has passed every check but the one against what was accepted before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveUsage {
    /// Hash of (source, id): what the key index knows it by.
    pub key: u128,
    /// Hash of what it says.
    pub content: u64,
    pub source: String,
    pub id: String,
    /// As it was sent.
    pub subject: String,
    pub meter: String,
    /// At scale 9.
    pub quantity: i128,
    pub time_us: i64,
    /// Canonical JSON; empty if there are none.
    pub properties: String,
    /// Empty if it corrects nothing.
    pub corrects: String,
    /// Numbers in the usage store; the charge is 0 unless the subject named one.
    pub subscription_no: u32,
    pub charge_no: u32,
    /// Its period is billed; it makes a late line.
    pub is_late: bool,
    pub target: Option<Target>,
}

/// What a correction replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The event that is corrected.
    pub key: u128,
    /// What the key index holds once it is.
    pub mark: u128,
}

/// Judges records against the book and one version of the usage store.
pub struct LiveIntake {
    subjects: Subjects,
    history: History,
    hashes: Hashes,
    zone: Tz,
}

impl LiveIntake {
    /// Opens the key runs of a version. `seed` is the usage store's.
    pub fn open(subjects: Subjects, history: &[impl AsRef<Path>], seed: u128, zone: Tz) -> Result<Self> {
        let history = History::open(history.iter().map(AsRef::as_ref))?;
        Ok(Self { subjects, history, hashes: Hashes::new(seed), zone })
    }

    /// Checks one record by itself.
    pub fn check(&self, usage: &RawUsage<'_>, default_source: Option<&str>) -> Result<LiveUsage, Reject> {
        let limits = Limits { zone: self.zone, default_source: default_source.unwrap_or(DEFAULT_SOURCE) };
        let usage = self.with_what_follows(*usage);
        let checked = check_fields(&usage, &limits)?;
        let properties = properties_text(&read_properties(checked.properties)?);
        let resolved = self.subjects.resolve(checked.subject, self.subjects.meter(checked.meter)?)?;
        let billed = self.subjects.billed(resolved);
        if billed.is_some_and(|billed| checked.time_us < billed.refused_before_us) {
            let text = "its period is billed and the charge refuses late usage";
            return Err(Reject::new(RejectCode::TooLate, text));
        }
        let corrects = checked.corrects.unwrap_or_default();
        let content = Content {
            subject: checked.subject,
            meter: checked.meter,
            quantity: checked.quantity,
            time_us: checked.time_us,
            properties: &properties,
            corrects,
        };
        Ok(LiveUsage {
            key: self.hashes.event(checked.source, checked.id),
            content: self.hashes.content(&content),
            source: checked.source.to_owned(),
            id: checked.id.to_owned(),
            subject: checked.subject.to_owned(),
            meter: checked.meter.to_owned(),
            quantity: checked.quantity,
            time_us: checked.time_us,
            corrects: corrects.to_owned(),
            properties,
            subscription_no: resolved.subscription,
            charge_no: resolved.charge,
            is_late: billed.is_some_and(|billed| checked.time_us < billed.late_before_us),
            target: (!corrects.is_empty()).then(|| Target {
                key: self.hashes.event(checked.source, corrects),
                mark: self.hashes.corrected(checked.source, corrects),
            }),
        })
    }

    /// What stands in segments under these keys: the content of each. `keys` ascend.
    pub fn known(&self, keys: &[u128]) -> Result<Vec<Option<u64>>> {
        look_up(&self.history, keys)
    }

    /// The meter of a charge that is named, and the quantity of what is only counted.
    fn with_what_follows<'a>(&'a self, mut usage: RawUsage<'a>) -> RawUsage<'a> {
        let is_blank = |text: Option<&str>| text.is_none_or(|text| text.trim_ascii().is_empty());
        if is_blank(usage.meter) {
            let subject = usage.subject.unwrap_or_default().trim_ascii();
            usage.meter = self.subjects.meter_of_charge(subject);
        }
        if is_blank(usage.quantity)
            && usage.meter.is_some_and(|meter| self.subjects.is_only_counted(meter.trim_ascii()))
        {
            usage.quantity = Some("1");
        }
        usage
    }
}

/// Whether one of these keys is in one of these key runs. `keys` ascend.
pub fn holds_any(runs: &[impl AsRef<Path>], keys: &[u128]) -> Result<bool> {
    let history = History::open(runs.iter().map(AsRef::as_ref))?;
    Ok(look_up(&history, keys)?.iter().any(Option::is_some))
}

fn look_up(history: &History, keys: &[u128]) -> Result<Vec<Option<u64>>> {
    let mut asked: Vec<KeyLookup> = (0..).zip(keys).map(|(at, key)| KeyLookup { key: *key, at }).collect();
    let mut found = vec![None; keys.len()];
    history.look_up(&mut asked, &mut found)?;
    Ok(found)
}
