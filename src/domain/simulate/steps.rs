//! The timeline of a scenario, step by step.

use super::answer;
use super::world::World;
use super::{
    agreements, collecting, debits, documents, intake, objects, periods, received, running, runs, takeover,
};
use crate::book_file::{self, Fault};
use crate::refusal::{Code, Refusal, Wording};
use crate::subscription::Arguments;
use chrono::NaiveDate;
use serde_json::{Map, Value, json};

/// Faults of a refused book that are told.
const FAULTS_TOLD: usize = 5;

/// Plays a scenario and answers.
pub(super) fn play(scenario: &Map<String, Value>, words: Wording) -> Value {
    let name = scenario.get("name").cloned().unwrap_or(Value::Null);
    let mut world = World::default();
    match play_in(&mut world, scenario, words) {
        Ok(steps) => answer::answer(name, steps, &mut world),
        Err(error) => answer::refused(name, error),
    }
}

/// Plays a scenario in a world; what each step answers, or why there is nothing to play.
pub(super) fn play_in(
    world: &mut World,
    scenario: &Map<String, Value>,
    words: Wording,
) -> Result<Vec<Value>, Value> {
    let Some(book) = scenario.get("book").filter(|book| !book.is_null()) else {
        return Err(json!({"code": "no_book", "message": "the scenario has no `book`"}));
    };
    load(world, book).map_err(|refusal| answer::error(&refusal, words))?;
    let empty = Vec::new();
    let timeline = match scenario.get("timeline") {
        None | Some(Value::Null) => &empty,
        Some(Value::Array(steps)) => steps,
        Some(_) => {
            let message = "`timeline` is not a list of steps";
            return Err(json!({"code": "malformed", "message": message}));
        }
    };
    Ok(timeline.iter().map(|step| play_step(world, step, words)).collect())
}

/// What a step says besides that it was done.
pub(super) type StepAnswer = Map<String, Value>;

fn play_step(world: &mut World, step: &Value, words: Wording) -> Value {
    let on = step.get("on").cloned().unwrap_or(Value::Null);
    let done = match step.as_object() {
        Some(step) => dispatch(world, step),
        None => Err(Refusal::new(Code::Malformed, "a step is a JSON object")),
    };
    let mut said = Map::new();
    said.insert("on".to_owned(), on);
    match done {
        Ok(more) => {
            said.insert("ok".to_owned(), Value::Bool(true));
            said.extend(more);
        }
        Err(refusal) => {
            said.insert("ok".to_owned(), Value::Bool(false));
            said.insert("error".to_owned(), answer::error(&refusal, words));
        }
    }
    Value::Object(said)
}

fn dispatch(world: &mut World, step: &Map<String, Value>) -> Result<StepAnswer, Refusal> {
    let on = day_of(world, step)?;
    let arguments = Arguments::of(step);
    let quiet = |done: Result<(), Refusal>| done.map(|()| StepAnswer::new());
    let verb = || arguments.required(&["do"], arguments.text(&["do"]));
    if let Some(book) = step.get("load") {
        quiet(load(world, book))
    } else if let Some(verb) = step.get("book").and_then(Value::as_str) {
        objects::act(world, verb, step)
    } else if let Some(events) = step.get("ingest") {
        quiet(intake::ingest(world, events, on))
    } else if let Some(options) = step.get("run") {
        running::run(world, options, on)
    } else if step.contains_key("runs") {
        runs::act(world, &verb()?, step, on)
    } else if let Some(what) = step.get("payments") {
        match what.as_str().map(str::to_ascii_lowercase).as_deref() {
            Some("export") => debits::export(world, step, on),
            Some("import") => received::import(world, step, on),
            Some("allocate") => quiet(received::allocate(world, step, on)),
            Some("refund") => quiet(received::refund(world, step, on)),
            _ => quiet(collecting::asked(world, what, on)),
        }
    } else if step.contains_key("discount") {
        quiet(agreements::discount(world, &verb()?, step, on))
    } else if step.contains_key("invoices") {
        quiet(takeover::act(world, &verb()?, step, on))
    } else if step.contains_key("books") {
        quiet(periods::act(world, step, on))
    } else if step.contains_key("invoice") {
        quiet(documents::act(world, &verb()?, step, on))
    } else if step.contains_key("subscriptions") {
        quiet(agreements::bulk(world, &verb()?, step, on))
    } else if step.contains_key("subscription") || step.contains_key("subscriptioncharge") {
        quiet(agreements::act(world, &verb()?, step, on))
    } else {
        let message = "a step is one of load, book, ingest, run, runs, subscription, subscriptions, invoice, invoices, discount, payments, books";
        Err(Refusal::new(Code::UnknownStep, message))
    }
}

/// The step's day; it never goes back.
fn day_of(world: &mut World, step: &Map<String, Value>) -> Result<NaiveDate, Refusal> {
    let arguments = Arguments::of(step);
    let on = arguments.required(&["on"], arguments.date(&["on"])?)?;
    if let Some(today) = world.today.filter(|today| on < *today) {
        let message = format!("{on} lies before {today}, the day of the step before");
        return Err(Refusal::new(Code::GoesBack, message).hint("steps run in the order given"));
    }
    world.today = Some(on);
    Ok(on)
}

fn load(world: &mut World, book: &Value) -> Result<(), Refusal> {
    let set =
        book_file::read_value(book, &world.known).map_err(|faults| refused(Code::BookRefused, &faults))?;
    world.load(set)
}

/// Faulty input as a refusal: the first faults, each with its place.
pub(super) fn refused(code: Code, faults: &[Fault]) -> Refusal {
    let told: Vec<String> = faults
        .iter()
        .take(FAULTS_TOLD)
        .map(|fault| format!("{}: {}", fault.pointer, fault.message))
        .collect();
    let more = faults.len().saturating_sub(FAULTS_TOLD);
    let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
    let refusal = Refusal::new(code, format!("{}{rest}", told.join("; ")));
    match faults.iter().find_map(|fault| fault.hint.clone()) {
        Some(hint) => refusal.or(hint),
        None => refusal,
    }
}
