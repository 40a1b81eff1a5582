//! A usage event of a scenario as text fields: our columns, Upodi's `usagedata`, or a CloudEvent.

use crate::usage::{Reject, RejectCode, shown};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The fields of one event, as written.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    pub id: Option<Cow<'a, str>>,
    pub subject: Option<Cow<'a, str>>,
    pub meter: Option<Cow<'a, str>>,
    pub quantity: Option<Cow<'a, str>>,
    pub time: Option<Cow<'a, str>>,
    pub source: Option<Cow<'a, str>>,
    pub corrects: Option<Cow<'a, str>>,
    /// Text of a JSON object.
    pub properties: Option<&'a str>,
    /// Members `properties.NAME`, and the data of a CloudEvent.
    pub pairs: Vec<(String, Cow<'a, str>)>,
}

type Members<'a> = BTreeMap<String, &'a RawValue>;

impl<'a> Fields<'a> {
    pub fn read(text: &'a str) -> Result<Self, Reject> {
        let members: Members<'a> =
            serde_json::from_str(text).map_err(|_| malformed("an event is a JSON object".to_owned()))?;
        let is_cloud_event = members.contains_key("specversion");
        let mut fields = Self::default();
        for (name, value) in &members {
            if is_cloud_event {
                fields.cloud_event(name, value)?;
            } else {
                fields.member(name, value)?;
            }
        }
        if is_cloud_event && let Some(subscription) = members.get("subscription") {
            fields.subject = plain("subscription", subscription)?.or(fields.subject);
        }
        if !fields.pairs.is_empty() && fields.properties.is_some() {
            return Err(Reject::new(RejectCode::BadProperties, "both properties and properties.NAME are given"));
        }
        Ok(fields)
    }

    fn member(&mut self, name: &str, value: &'a RawValue) -> Result<(), Reject> {
        let lower = name.to_ascii_lowercase();
        let field = match lower.as_str() {
            "id" | "refkey" => &mut self.id,
            "subject" | "referenceid" | "subscriptionchargeid" => &mut self.subject,
            "meter" => &mut self.meter,
            "quantity" | "amount" => &mut self.quantity,
            "time" | "entrydate" => &mut self.time,
            "source" => &mut self.source,
            "corrects" => &mut self.corrects,
            "properties" => {
                self.properties = Some(value.get()).filter(|text| *text != "null");
                return Ok(());
            }
            _ => {
                if let Some(property) = lower.strip_prefix("properties.").map(|_| &name["properties.".len()..]) {
                    self.pairs.extend(plain(name, value)?.map(|text| (property.to_owned(), text)));
                    return Ok(());
                }
                return Err(malformed(format!("unknown member {}", shown(name))));
            }
        };
        if field.is_some() {
            return Err(malformed(format!("{} is given twice", shown(name))));
        }
        *field = plain(name, value)?;
        Ok(())
    }

    fn cloud_event(&mut self, name: &str, value: &'a RawValue) -> Result<(), Reject> {
        let field = match name {
            "id" => &mut self.id,
            "source" => &mut self.source,
            "type" => &mut self.meter,
            "subject" => &mut self.subject,
            "time" => &mut self.time,
            "corrects" => &mut self.corrects,
            "data" => return self.data(value),
            _ => return Ok(()),
        };
        *field = plain(name, value)?;
        Ok(())
    }

    fn data(&mut self, data: &'a RawValue) -> Result<(), Reject> {
        let members: Members<'a> =
            serde_json::from_str(data.get()).map_err(|_| malformed("data is not an object".to_owned()))?;
        for (name, value) in members {
            if name == "total" {
                self.quantity = plain("total", value)?;
            } else if !value.get().starts_with(['{', '[']) {
                self.pairs.extend(plain(&name, value)?.map(|text| (name, text)));
            }
        }
        Ok(())
    }
}

/// A string, or a number or flag as written; null is absent.
fn plain<'a>(name: &str, value: &'a RawValue) -> Result<Option<Cow<'a, str>>, Reject> {
    let text = value.get();
    match text.bytes().next() {
        Some(b'n') => Ok(None),
        Some(b'"') => {
            let text = match serde_json::from_str::<&str>(text) {
                Ok(borrowed) => Cow::Borrowed(borrowed),
                Err(_) => Cow::Owned(serde_json::from_str(text).map_err(|_| malformed(format!("{name} is not text")))?),
            };
            Ok(Some(text))
        }
        Some(b'{' | b'[') => Err(malformed(format!("{} is not a text or a number", shown(name)))),
        _ => Ok(Some(Cow::Borrowed(text))),
    }
}

fn malformed(text: String) -> Reject {
    Reject::new(RejectCode::Malformed, text)
}
