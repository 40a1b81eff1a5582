//! The options of a `run` step.

use super::world::World;
use crate::refusal::{Code, Refusal};
use crate::run::Scope;
use crate::subscription::Arguments;
use chrono::NaiveDate;
use serde_json::{Map, Value};

/// Options of the step, as on the command line.
#[derive(Debug, Clone)]
pub(super) struct Options {
    pub as_of: NaiveDate,
    pub preview: bool,
    /// Stops at drafts.
    pub review: bool,
    pub accounts: Vec<String>,
    pub business_unit: Option<String>,
    pub collect: bool,
    /// The hash that it must have.
    pub expect: Option<String>,
}

/// Options by their plain names; those of the command line that change nothing in memory are let be.
const OPTIONS: [&str; 10] =
    ["asof", "ahead", "preview", "review", "customer", "customers", "businessunit", "skip", "expect", "json"];

/// Steps of a run that may be left out.
const SKIPPED: [&str; 3] = ["render", "send", "collect"];

/// A text, several with commas between them, or a list of texts.
pub(super) fn texts(option: &str, value: Option<&Value>) -> Result<Vec<String>, Refusal> {
    let split = |text: &str| text.split(',').map(|part| part.trim().to_owned()).collect::<Vec<_>>();
    let wrong = || Refusal::new(Code::BadArgument, format!("`{option}` is a text or a list of texts"));
    match value {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(split(text)),
        Some(Value::Array(list)) => {
            list.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

/// An option's name without case and marks: `as-of`, `as_of` and `asOf` are one.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

impl Options {
    pub fn read(world: &World, options: &Value, on: NaiveDate) -> Result<Self, Refusal> {
        let empty = Map::new();
        let map = match options {
            Value::Object(map) => map,
            Value::Null | Value::Bool(true) => &empty,
            _ => return Err(Refusal::new(Code::Malformed, "`run` is an object of options")),
        };
        if let Some(unknown) = map.keys().find(|name| !OPTIONS.contains(&plain(name).as_str())) {
            let message = format!("`{unknown}` is no option of a run");
            return Err(Refusal::new(Code::UnknownOption, message)
                .hint("as-of, preview, review, customer, business-unit, skip"));
        }
        let read = Arguments::of(map);
        let as_of = read.date(&["as-of", "asof", "as_of"])?.unwrap_or(on);
        let accounts = texts("customer", read.value(&["customer", "customers"]))?;
        if let Some(unknown) = accounts.iter().find(|account| !world.known.customers.contains_key(*account)) {
            return Err(Refusal::new(Code::UnknownCustomer, format!("there is no customer `{unknown}`")));
        }
        let business_unit = read.text(&["business-unit", "businessunit", "business_unit"]);
        let known =
            |unit: &String| world.catalogue.as_ref().is_some_and(|c| c.business_units.contains_key(unit));
        if let Some(unknown) = business_unit.as_ref().filter(|unit| !known(unit)) {
            return Err(Refusal::new(
                Code::UnknownBusinessUnit,
                format!("there is no business unit `{unknown}`"),
            ));
        }
        let skipped = texts("skip", read.value(&["skip"]))?;
        if let Some(unknown) = skipped.iter().find(|step| !SKIPPED.contains(&step.as_str())) {
            let refusal =
                Refusal::new(Code::UnknownOption, format!("`{unknown}` is no step of a run to skip"));
            return Err(refusal.hint(SKIPPED.join(", ")));
        }
        Ok(Self {
            as_of,
            preview: read.flag(&["preview"])?.unwrap_or(false),
            review: read.flag(&["review"])?.unwrap_or(false),
            accounts,
            business_unit,
            expect: read.text(&["expect"]),
            collect: !skipped.iter().any(|step| step == "collect"),
        })
    }

    /// What is billed, as runs of one scope follow each other.
    pub fn scope(&self) -> Scope {
        Scope { customers: self.accounts.clone(), business_unit: self.business_unit.clone() }
    }
}
