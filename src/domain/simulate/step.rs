//! The text of a scenario: its parts, its steps, and what each step asks for. Numbers stay as they are written.

use super::bad_scenario;
use super::run::Options;
use crate::subscription::{Arguments, Refusal};
use chrono::NaiveDate;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A scenario, its book and steps not yet read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scenario<'a> {
    #[serde(default)]
    pub name: Value,
    #[serde(default, borrow)]
    pub book: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub timeline: Vec<&'a RawValue>,
    /// For people; not looked at.
    #[serde(default, borrow, rename = "description")]
    _description: Option<&'a RawValue>,
    /// What somebody expects of it; not looked at.
    #[serde(default, borrow, rename = "expect")]
    _expect: Option<&'a RawValue>,
}

impl<'a> Scenario<'a> {
    pub fn read(text: &'a str) -> Result<Self, Refusal> {
        serde_json::from_str(text).map_err(|fault| {
            let hint = "a scenario is one JSON object with name, book and timeline";
            bad_scenario(format!("this is no scenario: {fault}")).hint(hint)
        })
    }
}

/// The name of what may be no scenario.
pub(super) fn name_of(text: &str) -> Value {
    let whole: Option<Value> = serde_json::from_str(text).ok();
    whole.and_then(|value| value.get("name").cloned()).unwrap_or(Value::Null)
}

/// One step of a timeline.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub on: NaiveDate,
    pub what: What<'a>,
    /// The members that are not part of `what`.
    pub arguments: Map<String, Value>,
}

/// What a step asks for.
#[derive(Debug)]
pub(super) enum What<'a> {
    Load(&'a RawValue),
    Ingest { events: Vec<&'a RawValue>, source: Option<String> },
    Run(Options),
    Subscription { number: String, verb: String },
    Invoice { name: String, verb: String },
    Discount { code: String, verb: String },
}

/// A step that cannot be read.
#[derive(Debug)]
pub(super) struct BadStep {
    /// Its `on`, as written.
    pub on: Value,
    pub refusal: Refusal,
}

type Members<'a> = BTreeMap<String, &'a RawValue>;

impl<'a> Step<'a> {
    pub fn read(text: &'a str) -> Result<Self, BadStep> {
        let members: Members<'a> = serde_json::from_str(text).map_err(|_| BadStep {
            on: Value::Null,
            refusal: bad_step("a step is an object with `on` and what is done"),
        })?;
        let members: Members<'a> =
            members.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        let on = members.get("on").map_or(Value::Null, |on| value_of(on));
        Self::of(members).map_err(|refusal| BadStep { on, refusal })
    }

    fn of(mut members: Members<'a>) -> Result<Self, Refusal> {
        let on = take_text(&mut members, "on").ok_or_else(|| bad_step("`on` is missing: the day of the step"))?;
        let on = on.parse().map_err(|_| bad_step(format!("`on`: `{on}` is not a date like 2026-01-31")))?;
        let what = what(&mut members)?;
        let arguments = members.into_iter().map(|(name, value)| (name, value_of(value))).collect();
        Ok(Self { on, what, arguments })
    }

    pub fn arguments(&self) -> Arguments<'_> {
        Arguments(&self.arguments)
    }
}

fn what<'a>(members: &mut Members<'a>) -> Result<What<'a>, Refusal> {
    if let Some(file) = members.remove("load") {
        return Ok(What::Load(file));
    }
    if let Some(events) = members.remove("ingest") {
        let events = serde_json::from_str(events.get()).map_err(|_| bad_step("`ingest` is a list of events"))?;
        return Ok(What::Ingest { events, source: take_text(members, "source") });
    }
    if let Some(options) = members.remove("run") {
        return Options::read(&value_of(options)).map(What::Run);
    }
    let verb = take_text(members, "do").map(|verb| verb.to_ascii_lowercase());
    let named = ["discount", "invoice", "subscription"].into_iter().find(|noun| {
        let is_code = *noun != "discount" || matches!(verb.as_deref(), Some("apply" | "clear"));
        members.contains_key(*noun) && is_code
    });
    let Some(noun) = named else {
        return Err(bad_step("nothing is asked for").hint("give load, ingest, run, subscription, invoice or discount"));
    };
    let name = take_text(members, noun).ok_or_else(|| bad_step(format!("`{noun}` names nothing")))?;
    let verb = verb.ok_or_else(|| bad_step(format!("`do` is missing: what is done to the {noun}")))?;
    Ok(match noun {
        "discount" => What::Discount { code: name, verb },
        "invoice" => What::Invoice { name, verb },
        _ => What::Subscription { number: name, verb },
    })
}

fn take_text(members: &mut Members<'_>, name: &str) -> Option<String> {
    match value_of(members.remove(name)?) {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A member as a value; numbers become the text that they are written with, so that none is rounded.
fn value_of(raw: &RawValue) -> Value {
    let text = raw.get();
    match text.bytes().next() {
        Some(b'-' | b'0'..=b'9') => Value::String(text.to_owned()),
        Some(b'[') => {
            let list: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
            Value::Array(list.into_iter().map(value_of).collect())
        }
        Some(b'{') => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).unwrap_or_default();
            Value::Object(members.into_iter().map(|(name, value)| (name, value_of(value))).collect())
        }
        _ => serde_json::from_str(text).unwrap_or(Value::Null),
    }
}

fn bad_step(message: impl Into<String>) -> Refusal {
    Refusal::new("bad_step", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_says_what_it_asks_for() {
        let step = Step::read(r#"{"on": "2026-02-01", "Subscription": "S-1", "do": "SetAmount", "amount": 0.30}"#).unwrap();
        let What::Subscription { number, verb } = &step.what else { panic!("{:?}", step.what) };
        assert_eq!((number.as_str(), verb.as_str()), ("S-1", "setamount"));
        assert_eq!(step.arguments["amount"], "0.30");
        let step = Step::read(r#"{"on": "2026-02-01", "discount": "L-1", "do": "apply", "subscription": "S-1"}"#).unwrap();
        assert!(matches!(step.what, What::Discount { .. }));
    }

    #[test]
    fn a_bad_step_says_what_is_wrong() {
        for (text, words) in [
            ("[]", "object"),
            (r#"{"run": {}}"#, "`on` is missing"),
            (r#"{"on": "2026-02-30", "run": {}}"#, "2026-02-30"),
            (r#"{"on": "2026-02-01"}"#, "nothing is asked for"),
            (r#"{"on": "2026-02-01", "ingest": {}}"#, "list of events"),
            (r#"{"on": "2026-02-01", "subscription": "S-1"}"#, "`do` is missing"),
        ] {
            let fault = Step::read(text).unwrap_err();
            assert!(fault.refusal.message.contains(words), "{text}: {}", fault.refusal.message);
        }
    }
}
