//! Accounting periods: months closed in order, and revenue recognised, as `books close` and `books recognize` (rules I2, L1, L8). No
//! file is written in memory; what comes late is posted in the open month as in a home.

use super::running;
use super::world::World;
use crate::refusal::{Code, Refusal, Verb};
use crate::report::{MonthRange, expect_month, expect_next};
use crate::subscription::Arguments;
use chrono::NaiveDate;
use serde_json::{Map, Value};

/// Closes the month of the step, or recognises revenue up to it.
///
/// # Errors
/// If it is not a month that is over, or not the next one.
pub(super) fn act(world: &mut World, step: &Map<String, Value>, on: NaiveDate) -> Result<(), Refusal> {
    let arguments = Arguments::of(step);
    let verb = arguments.required(&["books"], arguments.text(&["books"]))?;
    let text = arguments.required(&["month"], arguments.text(&["month", "period"]))?;
    arguments.refuse_others(&[])?;
    let month: MonthRange =
        text.parse().map_err(|fault| Refusal::new(Code::BadArgument, format!("`month`: {fault}")))?;
    match verb.to_ascii_lowercase().as_str() {
        "close" => {
            expect_month(month, on, Verb::ClosePeriod)?;
            let first = world.entries.iter().map(|entry| entry.posting_date).min();
            expect_next(month, world.calendar.open_from, first)?;
            running::recognize(world, month.end)?;
            world.calendar.open_from = Some(month.end);
            Ok(())
        }
        "recognize" => {
            expect_month(month, on, Verb::RecognizePeriod)?;
            running::recognize(world, month.end)
        }
        other => {
            let message = format!("there is no verb `{other}` of the books");
            Err(Refusal::new(Code::UnknownVerb, message).hint("close or recognize"))
        }
    }
}
