//! Keeps the timetable as long as a worker works.

use operations::context::Context;
use operations::home::timetable::{self, TimetableCheck};
use std::time::Duration;

/// How often the timetable is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Makes the ticks that are due, then sleeps a few seconds. A standstill is told once.
pub async fn keep(ctx: &Context) -> anyhow::Result<()> {
    let mut told = None;
    while !ctx.is_stopping() {
        match timetable::make_due_ticks(ctx).await {
            Ok(TimetableCheck::Ticks(_)) => told = None,
            Ok(TimetableCheck::Stands(why)) if told.as_ref() != Some(&why) => {
                tracing::error!(
                    reason = why.to_string(),
                    "the timetable has stopped until a person confirms the clock"
                );
                told = Some(why);
            }
            Ok(TimetableCheck::Stands(_)) => {}
            Err(error) => tracing::warn!(
                error = format!("{error:#}"),
                "the timetable could not be kept; it is tried again"
            ),
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}
