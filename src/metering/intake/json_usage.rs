//! Which member of a JSON record means what: our names, Upodi's `usagedata`, or CloudEvents 1.0.

use super::header::{Field, property_name};
use super::json::{Value, members};
use domain::usage::{RawProperties, RawUsage, Reject, RejectCode};
use std::borrow::Cow;

fn is_cloud_event(list: &[(Cow<'_, str>, Value<'_>)]) -> bool {
    list.iter().any(|(name, _)| name == "specversion")
}

/// The members of a CloudEvent's `data`.
pub(super) fn event_data<'a>(
    list: &[(Cow<'a, str>, Value<'a>)],
    data: &mut Vec<(Cow<'a, str>, Value<'a>)>,
) -> Result<(), String> {
    let given = list.iter().find(|(name, _)| name == "data").map(|(_, value)| value);
    match given {
        Some(Value::Object(text)) if is_cloud_event(list) => members(text, data),
        Some(_) if is_cloud_event(list) => Err("data is not an object".to_owned()),
        _ => Ok(()),
    }
}

/// A JSON record in our names, Upodi's, or as a CloudEvent (told by `specversion`).
pub(super) fn usage_of<'a>(
    list: &'a [(Cow<'a, str>, Value<'a>)],
    data: &'a [(Cow<'a, str>, Value<'a>)],
    pairs: &mut Vec<(&'a str, &'a str)>,
) -> Result<RawUsage<'a>, Reject> {
    if is_cloud_event(list) {
        return cloud_event(list, data, pairs);
    }
    let mut usage = RawUsage::default();
    for (name, value) in list {
        if let Some(property) = property_name(name) {
            pairs.extend(plain(name, value)?.map(|text| (property, text)));
            continue;
        }
        let Some(field) = Field::named(name) else {
            let text = format!("unknown member {}", domain::usage::shown(name));
            return Err(Reject::new(RejectCode::Malformed, text));
        };
        set(&mut usage, field, name, value)?;
    }
    if !pairs.is_empty() && usage.properties != RawProperties::Absent {
        return Err(Reject::new(RejectCode::BadProperties, "both properties and properties.NAME are given"));
    }
    Ok(usage)
}

/// CloudEvents 1.0: `type` is the meter, `subscription` or `subject` the subject, `data.total` the quantity; the
/// other plain members of `data` are the properties. Extension attributes and nested data are not looked at.
fn cloud_event<'a>(
    list: &'a [(Cow<'a, str>, Value<'a>)],
    data: &'a [(Cow<'a, str>, Value<'a>)],
    pairs: &mut Vec<(&'a str, &'a str)>,
) -> Result<RawUsage<'a>, Reject> {
    let mut usage = RawUsage::default();
    let mut subscription = None;
    for (name, value) in list {
        match name.as_ref() {
            "id" => set(&mut usage, Field::Id, name, value)?,
            "source" => set(&mut usage, Field::Source, name, value)?,
            "type" => set(&mut usage, Field::Meter, name, value)?,
            "subject" => set(&mut usage, Field::Subject, name, value)?,
            "subscription" => subscription = plain(name, value)?,
            "time" => set(&mut usage, Field::Time, name, value)?,
            "corrects" => set(&mut usage, Field::Corrects, name, value)?,
            _ => {}
        }
    }
    usage.subject = subscription.or(usage.subject);
    for (name, value) in data {
        match value {
            _ if name == "total" => set(&mut usage, Field::Quantity, name, value)?,
            Value::Text(text) => pairs.push((name, text)),
            Value::Number(text) | Value::Other(text @ ("true" | "false")) => pairs.push((name, text)),
            Value::Null | Value::Object(_) | Value::Other(_) => {}
        }
    }
    Ok(usage)
}

fn set<'a>(usage: &mut RawUsage<'a>, field: Field, name: &str, value: &'a Value<'a>) -> Result<(), Reject> {
    if field == Field::Properties {
        usage.properties = match value {
            Value::Null => RawProperties::Absent,
            Value::Object(json) => RawProperties::Json(json),
            Value::Text(json) => RawProperties::Json(json),
            _ => return Err(Reject::new(RejectCode::BadProperties, "properties are not an object")),
        };
        return Ok(());
    }
    let text = plain(name, value)?;
    let slot = match field {
        Field::Id => &mut usage.id,
        Field::Subject => &mut usage.subject,
        Field::Meter => &mut usage.meter,
        Field::Quantity => &mut usage.quantity,
        Field::Time => &mut usage.time,
        Field::Source => &mut usage.source,
        Field::Corrects => &mut usage.corrects,
        Field::Properties => return Ok(()),
    };
    if slot.is_some() && text.is_some() {
        return Err(Reject::new(RejectCode::Malformed, format!("{name} is given twice")));
    }
    *slot = slot.or(text);
    Ok(())
}

/// A text or number; nothing for null.
fn plain<'a>(name: &str, value: &'a Value<'a>) -> Result<Option<&'a str>, Reject> {
    match value {
        Value::Text(text) => Ok(Some(text.as_ref())),
        Value::Number(number) => Ok(Some(number)),
        Value::Null => Ok(None),
        Value::Object(_) | Value::Other(_) => {
            Err(Reject::new(RejectCode::Malformed, format!("{name} is neither text nor number")))
        }
    }
}
