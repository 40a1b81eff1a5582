//! Taking in usage: each event is checked, held against all that was accepted before, and resolved to a subscription
//! (rules.md Q3). One step is one import.

use super::book::{Book, RejectRow};
use super::events::Fields;
use super::subjects::Subjects;
use crate::measure::StoredEvent;
use crate::usage::{Event, Limits, RawProperties, RawUsage, Reject, RejectCode, check, shown};
use chrono::NaiveDate;
use serde_json::value::RawValue;

/// Source of events that name none.
const DEFAULT_SOURCE: &str = "file";

impl Book {
    /// Takes in the events; what is refused is noted among the rejects.
    pub fn ingest(&mut self, events: &[&RawValue], source: Option<&str>, on: NaiveDate) {
        let catalogue = self.known.catalogue.clone();
        let zone = catalogue.as_ref().map_or(chrono_tz::UTC, |catalogue| catalogue.tenant.timezone);
        let limits = Limits { zone, default_source: source.unwrap_or(DEFAULT_SOURCE) };
        let subjects = match (self.subjects.take(), &catalogue) {
            (Some(subjects), _) => subjects,
            (None, Some(catalogue)) => Subjects::of(self, catalogue),
            (None, None) => Subjects::default(),
        };
        self.imports += 1;
        for (line, raw) in (1..).zip(events) {
            let mut id = None;
            if let Err(reject) = self.take_in(raw.get(), &subjects, &limits, &mut id) {
                self.rejects.push(RejectRow { on, line, id, code: reject.code.code(), text: reject.text });
            }
        }
        self.subjects = Some(subjects);
    }

    fn take_in(
        &mut self,
        text: &str,
        subjects: &Subjects,
        limits: &Limits<'_>,
        id: &mut Option<String>,
    ) -> Result<(), Reject> {
        let fields = Fields::read(text)?;
        *id = fields.id.as_deref().map(str::to_owned);
        let event = checked(&fields, subjects, limits)?;
        let resolved = subjects.resolve(&event.subject, &event.meter)?;
        if let Some(place) = self.place_of_event(&event.source, &event.id) {
            return if self.events[place].event == event { Ok(()) } else { Err(conflict(&event)) };
        }
        if let Some(corrects) = &event.corrects
            && !self.is_latest(&event.source, corrects)
        {
            return Err(stale(corrects));
        }
        if subjects.is_too_late(resolved.subscription, &event.meter, event.time_us) {
            let text = "its period is billed and the charge refuses late usage";
            return Err(Reject::new(RejectCode::TooLate, text));
        }
        if let Some(corrects) = &event.corrects {
            self.corrected.insert((event.source.clone(), corrects.clone()));
        }
        let places = self.event_places.entry(event.source.clone()).or_default();
        places.insert(event.id.clone(), self.events.len());
        let (subscription, charge) = (resolved.subscription, resolved.charge);
        self.events.push(StoredEvent { subscription, charge, import: self.imports, event });
        Ok(())
    }

    fn place_of_event(&self, source: &str, id: &str) -> Option<usize> {
        self.event_places.get(source)?.get(id).copied()
    }

    /// Whether an event was accepted and nothing has replaced it yet.
    fn is_latest(&self, source: &str, id: &str) -> bool {
        self.place_of_event(source, id).is_some() && !self.corrected.contains(&(source.to_owned(), id.to_owned()))
    }
}

fn checked(fields: &Fields<'_>, subjects: &Subjects, limits: &Limits<'_>) -> Result<Event, Reject> {
    let pairs: Vec<(&str, &str)> = fields.pairs.iter().map(|(name, value)| (name.as_str(), value.as_ref())).collect();
    let properties = match fields.properties {
        Some(json) => RawProperties::Json(json),
        None if pairs.is_empty() => RawProperties::Absent,
        None => RawProperties::Pairs(&pairs),
    };
    let subject = fields.subject.as_deref();
    let named = fields.meter.as_deref().filter(|meter| !meter.trim_ascii().is_empty());
    let usage = RawUsage {
        id: fields.id.as_deref(),
        subject,
        meter: named.or_else(|| subjects.meter_of_charge(subject.unwrap_or_default().trim_ascii())),
        quantity: fields.quantity.as_deref(),
        time: fields.time.as_deref(),
        source: fields.source.as_deref(),
        corrects: fields.corrects.as_deref(),
        properties,
    };
    check(&usage, limits)
}

fn conflict(event: &Event) -> Reject {
    let text = format!("id {} was accepted before with another content: correct it under a new id", shown(&event.id));
    Reject::new(RejectCode::Conflict, text)
}

fn stale(corrects: &str) -> Reject {
    let text = format!("corrects {} is not the latest accepted version of an event of this source", shown(corrects));
    Reject::new(RejectCode::StaleCorrection, text)
}
