//! Usage into memory: the same check and the same judgement as a file (rules Q1, Q3, Q5). A step is one import.

use super::world::{Rejected, World};
use crate::billing;
use crate::catalogue::LateUsage;
use crate::ids::{ChargeReference, SubscriptionId};
use crate::measure::StoredEvent;
use crate::refusal::{Code, Refusal};
use crate::subscription::{Subscription, Timeline};
use crate::usage::{Event, Limits, RawProperties, RawUsage, Reject, RejectCode, check, shown};
use chrono::NaiveDate;
use serde_json::{Map, Value};

/// Takes a list of records, or one. A bad record is a reject and does not stop the rest.
///
/// # Errors
/// If the step holds no records.
pub(super) fn ingest(world: &mut World, records: &Value, on: NaiveDate) -> Result<(), Refusal> {
    let one;
    let list = match records {
        Value::Array(list) => list.as_slice(),
        Value::Object(_) => {
            one = [records.clone()];
            &one[..]
        }
        _ => return Err(Refusal::new(Code::Malformed, "`ingest` is not a list of events")),
    };
    world.catalogue()?;
    let import = world.imports + 1;
    let before = world.events.len();
    for record in list {
        let (id, taken) = take(world, record, import, on);
        if let Err(reject) = taken {
            world.rejects.push(Rejected { on, id, reject });
        }
    }
    if world.events.len() > before {
        world.imports = import;
    }
    Ok(())
}

fn take(
    world: &mut World,
    record: &Value,
    import: i64,
    on: NaiveDate,
) -> (Option<String>, Result<(), Reject>) {
    let Some(fields) = record.as_object() else {
        return (None, Err(Reject::new(RejectCode::Malformed, "a record is a JSON object")));
    };
    let mut record = Record::read(fields);
    let id = record.id.clone();
    let is_blank = |text: &Option<String>| text.as_ref().is_none_or(|text| text.trim_ascii().is_empty());
    if is_blank(&record.quantity) && record.meter.as_ref().is_some_and(|meter| is_only_counted(world, meter))
    {
        record.quantity = Some("1".to_owned());
    }
    let limits = Limits { zone: world.zone(), default_source: "file" };
    let stored = check(&record.raw(), &limits).and_then(|event| resolve(world, event, import));
    (id, stored.and_then(|stored| judge(world, stored, on)))
}

/// The fields of a record by our names, Upodi's or those of a CloudEvent.
#[derive(Debug, Default)]
struct Record {
    id: Option<String>,
    subject: Option<String>,
    meter: Option<String>,
    quantity: Option<String>,
    time: Option<String>,
    source: Option<String>,
    properties: Option<String>,
    corrects: Option<String>,
}

impl Record {
    fn read(fields: &Map<String, Value>) -> Self {
        let text = |names: &[&str]| {
            names.iter().find_map(|name| {
                let found = fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                match found.map(|(_, value)| value) {
                    None | Some(Value::Null) => None,
                    Some(Value::String(text)) => Some(text.clone()),
                    Some(other) => Some(other.to_string()),
                }
            })
        };
        let is_cloud_event = fields.contains_key("specversion");
        let data = fields.get("data").and_then(Value::as_object);
        let from_data = |name: &str| {
            data.and_then(|data| data.get(name)).map(|value| match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            })
        };
        if is_cloud_event {
            let properties = data.map(|data| {
                let rest: Map<String, Value> = data
                    .iter()
                    .filter(|(name, _)| *name != "total")
                    .map(|(n, v)| (n.clone(), v.clone()))
                    .collect();
                Value::Object(rest).to_string()
            });
            return Self {
                id: text(&["id"]),
                subject: text(&["subscription", "subject"]),
                meter: text(&["type"]),
                quantity: from_data("total"),
                time: text(&["time"]),
                source: text(&["source"]),
                properties: properties.filter(|text| text != "{}"),
                corrects: text(&["corrects"]),
            };
        }
        let nested = text(&["properties"]);
        let columns: Map<String, Value> = fields
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix("properties.")?.to_owned(), value.clone())))
            .collect();
        let columns = (!columns.is_empty()).then(|| Value::Object(columns).to_string());
        Self {
            id: text(&["id", "refkey"]),
            subject: text(&["subject", "referenceid", "subscriptionchargeid"]),
            meter: text(&["meter"]),
            quantity: text(&["quantity", "amount"]),
            time: text(&["time", "entrydate"]),
            source: text(&["source"]),
            properties: nested.or(columns),
            corrects: text(&["corrects"]),
        }
    }

    fn raw(&self) -> RawUsage<'_> {
        RawUsage {
            id: self.id.as_deref(),
            subject: self.subject.as_deref(),
            meter: self.meter.as_deref(),
            quantity: self.quantity.as_deref(),
            time: self.time.as_deref(),
            source: self.source.as_deref(),
            properties: self.properties.as_deref().map_or(RawProperties::Absent, RawProperties::Json),
            corrects: self.corrects.as_deref(),
        }
    }
}

/// Whose usage it is: subscription number, charge reference, then account number (rules Q3).
fn resolve(world: &World, event: Event, import: i64) -> Result<StoredEvent, Reject> {
    let (subject, meter) = (event.subject.as_str(), event.meter.as_str());
    if !is_counted(world, meter) {
        let text = format!("no charge counts the meter {}", shown(meter));
        return Err(Reject::new(RejectCode::UnknownMeter, text));
    }
    let known = |subscription: SubscriptionId, charge: Option<ChargeReference>| (subscription, charge);
    let (subscription, charge) = if let Some(found) = world.known.subscriptions.get(subject) {
        known(found.id, None)
    } else if let Some((found, reference, counts)) = by_reference(world, subject) {
        if counts != meter {
            let text =
                format!("the charge {} counts {}, not {}", shown(subject), shown(&counts), shown(meter));
            return Err(Reject::new(RejectCode::UnknownMeter, text));
        }
        known(found, Some(reference))
    } else {
        known(by_account(world, subject, meter)?, None)
    };
    Ok(StoredEvent { subscription, charge, import, event })
}

fn is_counted(world: &World, meter: &str) -> bool {
    let plans = world.catalogue.iter().flat_map(|catalogue| catalogue.plans.values());
    plans.flat_map(|plan| &plan.charges).any(|charge| charge.is_metered() && charge.meter == meter)
}

fn is_only_counted(world: &World, meter: &str) -> bool {
    world.catalogue.as_ref().is_some_and(|catalogue| catalogue.is_only_counted(meter.trim_ascii()))
}

fn by_reference(world: &World, subject: &str) -> Option<(SubscriptionId, ChargeReference, String)> {
    let reference = ChargeReference(uuid::Uuid::try_parse(subject).ok()?);
    world.known.subscriptions.values().find_map(|subscription| {
        let timeline = timeline(world, subscription)?;
        let life = timeline.charge(reference)?;
        Some((subscription.id, reference, life.last_terms().charge.meter.clone()))
    })
}

fn by_account(world: &World, subject: &str, meter: &str) -> Result<SubscriptionId, Reject> {
    let Some(customer) = world.known.customers.get(subject) else {
        let text = format!("no subscription, charge or account is called {}", shown(subject));
        return Err(Reject::new(RejectCode::UnknownSubject, text));
    };
    let counts = |subscription: &&Subscription| {
        let charges = timeline(world, subscription).map(|timeline| timeline.charges).unwrap_or_default();
        charges
            .iter()
            .flat_map(|life| &life.terms)
            .any(|terms| terms.charge.is_metered() && terms.charge.meter == meter)
    };
    let own = world.known.subscriptions.values().filter(|s| s.customer == customer.id);
    let counting: Vec<&Subscription> = own.filter(counts).collect();
    match counting.as_slice() {
        [one] => Ok(one.id),
        [] => {
            let text = format!("no subscription of {} counts {}", shown(subject), shown(meter));
            Err(Reject::new(RejectCode::UnknownSubject, text))
        }
        many => {
            let text = format!("{} subscriptions of {} count {}", many.len(), shown(subject), shown(meter));
            Err(Reject::new(RejectCode::AmbiguousSubject, text))
        }
    }
}

fn timeline<'w>(world: &'w World, subscription: &'w Subscription) -> Option<Timeline<'w>> {
    let today = world.today.unwrap_or(NaiveDate::MIN);
    Timeline::known(subscription, world.catalogue.as_ref()?, today, today).ok()
}

/// Against what was accepted before: duplicate, conflict, stale correction, too late (rules Q3, Q5).
fn judge(world: &mut World, stored: StoredEvent, on: NaiveDate) -> Result<(), Reject> {
    let key = (stored.event.source.clone(), stored.event.id.clone());
    if let Some(standing) = world.keys.get(&key).and_then(|at| world.events.get(*at)) {
        if standing.event == stored.event {
            return Ok(());
        }
        let text = format!("id {} was accepted before with another content", shown(&stored.event.id));
        return Err(Reject::new(RejectCode::Conflict, text));
    }
    let corrects = stored.event.corrects.clone().map(|id| (stored.event.source.clone(), id));
    if let Some(corrects) = &corrects
        && (!world.keys.contains_key(corrects) || world.corrected.contains(corrects))
    {
        let text = format!("corrects {} is not the latest accepted version", shown(&corrects.1));
        return Err(Reject::new(RejectCode::StaleCorrection, text));
    }
    if is_refused_as_late(world, &stored, on) {
        let text = "its period is billed and the charge refuses late usage";
        return Err(Reject::new(RejectCode::TooLate, text));
    }
    world.corrected.extend(corrects);
    world.keys.insert(key, world.events.len());
    world.events.push(stored);
    Ok(())
}

/// Whether the period of an event is billed and its charge takes no late usage (any more).
fn is_refused_as_late(world: &World, stored: &StoredEvent, on: NaiveDate) -> bool {
    let subscription = world.known.subscriptions.values().find(|s| s.id == stored.subscription);
    let Some((subscription, timeline)) = subscription.and_then(|s| Some((s, timeline(world, s)?))) else {
        return false;
    };
    let owner = world.customer(subscription.customer);
    let unit = subscription.business_unit.as_ref().or(owner.and_then(|o| o.business_unit.as_ref()));
    let unit = unit.and_then(|refkey| world.catalogue.as_ref()?.business_units.get(refkey));
    let zone = unit.and_then(|unit| unit.timezone).unwrap_or_else(|| world.zone());
    let counting = timeline.charges.iter().filter(|life| {
        let charge = life.last_terms().charge;
        charge.is_metered()
            && charge.meter == stored.event.meter
            && stored.charge.is_none_or(|own| own == life.reference)
    });
    let mut refuses = false;
    for life in counting {
        let charge = life.last_terms().charge;
        let lines = world.billed.get(&life.reference).map_or(&[][..], Vec::as_slice);
        let billed = lines.iter().find(|l| billing::instants(l.period, zone).contains(stored.event.time_us));
        let Some(billed) = billed else { return false };
        let is_past = charge
            .late_cut_off_days
            .is_some_and(|days| on >= billed.period.end + chrono::Days::new(u64::from(days)));
        if charge.late_usage == LateUsage::Bill && !is_past {
            return false;
        }
        refuses = true;
    }
    refuses
}
