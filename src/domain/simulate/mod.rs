//! Scenarios on a book in memory: load, ingest, run, and do things by hand, through the same pure core as a run.
//!
//! One scenario is one JSON object: a book file and a timeline of steps. A step that is refused changes nothing, and
//! the scenario goes on. Nothing is stored, and nobody is called.
//!
//! ```
//! let scenario = r#"{"name": "empty month", "book": {"tenant":
//!     {"fullname": "Nordlys Cloud ApS", "currencycode": "DKK", "timezone": "Europe/Copenhagen"}},
//!     "timeline": [{"on": "2026-02-01", "run": {}}]}"#;
//! let answer = domain::simulate::simulate(scenario);
//! assert_eq!(answer["steps"][0]["ok"], true);
//! assert_eq!(answer["invoices"].as_array().map(Vec::len), Some(0));
//! ```

mod answer;
mod book;
mod charging;
mod events;
mod ingest;
mod invoices;
mod run;
mod settling;
mod step;
mod subjects;
mod subscriptions;
#[cfg(test)]
mod tests;

use crate::subscription::Refusal;
use answer::StepFault;
use book::Book;
use serde_json::{Map, Value};
use step::{Scenario, Step, What};

/// Plays one scenario and answers `{"name", "steps", "invoices", "transactions", "ledger", "rejects"}`. Text that is
/// no scenario, or whose book is refused, is answered with the error as its only step and empty lists.
pub fn simulate(line: &str) -> Value {
    let line = line.trim_start_matches('\u{feff}');
    let scenario = match Scenario::read(line) {
        Ok(scenario) => scenario,
        Err(refusal) => return answer::refused(step::name_of(line), &refusal.into()),
    };
    let mut book = Book::default();
    if let Some(file) = scenario.book
        && let Err(fault) = book.load(file.get())
    {
        return answer::refused(scenario.name, &fault);
    }
    let steps = scenario.timeline.iter().map(|step| take(&mut book, step.get())).collect();
    book.seal();
    answer::played(scenario.name, steps, &book)
}

/// One step, done or refused.
fn take(book: &mut Book, text: &str) -> Value {
    let (on, done) = match Step::read(text) {
        Ok(step) => (Value::String(step.on.to_string()), perform(book, &step)),
        Err(fault) => (fault.on, Err(fault.refusal.into())),
    };
    answer::step(on, done)
}

/// What else the answer of a step says.
fn perform(book: &mut Book, step: &Step<'_>) -> Result<Map<String, Value>, StepFault> {
    book.advance(step.on)?;
    match &step.what {
        What::Load(file) => book.load(file.get())?,
        What::Ingest { events, source } => book.ingest(events, source.as_deref(), step.on),
        What::Run(options) => return Ok(book.run(options, step.on)?),
        What::Subscription { number, verb } => book.change_subscription(number, verb, step)?,
        What::Invoice { name, verb } => book.change_invoice(name, verb, step)?,
        What::Discount { code, verb } => book.change_discount(code, verb, step)?,
    }
    Ok(Map::new())
}

fn bad_scenario(message: impl Into<String>) -> Refusal {
    Refusal::new("bad_scenario", message)
}
