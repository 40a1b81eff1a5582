//! Scenarios on a book held in memory: the same core as `run` and `run --preview`, without database or files. It is
//! also how people explore a price list, and what golden scenarios are held against.
//!
//! `steps` reads the timeline and hands each step to its file: `intake` takes usage, `running` bills and books, `runs`
//! approves, repeats and reverses, `documents`, `agreements`, `objects` and `periods` do the verbs, `collecting` charges the sandbox's
//! tokens, `debits` and `received` are the bank, `settling` keeps what comes of money, `answer` writes what came of it all. `world` is
//! the book.

mod agreements;
mod answer;
mod collecting;
mod debits;
mod documents;
mod intake;
mod objects;
mod periods;
mod received;
mod run_options;
mod running;
mod runs;
mod settling;
mod steps;
mod takeover;
mod world;

#[cfg(test)]
mod tests;

use crate::refusal::Wording;
use serde_json::{Map, Value, json};

/// Runs one scenario, given as the text of one JSON object, and answers as one JSON object: name, steps, invoices,
/// transactions, ledger and rejects. A step that is refused is answered with its error and does not stop the rest; a
/// scenario whose book is refused has one step and nothing else. `words` writes what to do about a refusal.
///
/// ```
/// let scenario = r#"{"name": "empty month", "book": {"tenant":
///     {"fullname": "Nordlys Cloud ApS", "currencycode": "DKK", "timezone": "Europe/Copenhagen"}},
///     "timeline": [{"on": "2026-02-01", "run": {}}]}"#;
/// let answer = domain::simulate::simulate(scenario, |_| String::new());
/// assert_eq!(answer["steps"][0]["ok"], true);
/// assert_eq!(answer["invoices"].as_array().map(Vec::len), Some(0));
/// ```
pub fn simulate(line: &str, words: Wording) -> Value {
    let scenario: Map<String, Value> = match serde_json::from_str(line) {
        Ok(scenario) => scenario,
        Err(error) => {
            let message = format!("a scenario is one JSON object: {error}");
            return answer::refused(Value::Null, json!({"code": "malformed", "message": message}));
        }
    };
    steps::play(&scenario, words)
}
