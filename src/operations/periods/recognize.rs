//! Recognises deferred revenue of all months up to one, as a run and the timetable do.

use crate::context::Context;
use crate::ledger::{recognize, seal};
use crate::refusal::Stop;
use domain::refusal::Verb;
use domain::report::{MonthRange, expect_month};
use serde::Serialize;

/// What was recognised.
#[derive(Debug, Clone, Serialize)]
pub struct Recognized {
    pub period: String,
    /// Entries that it made; none if all was recognised before.
    pub entries: u64,
}

/// Up to and with this month, which must be over.
pub async fn recognize(ctx: &Context, month: MonthRange) -> Result<Recognized, Stop> {
    expect_month(month, ctx.today().await?, Verb::RecognizePeriod)?;
    let entries = recognize::recognize(ctx, month.end).await?;
    seal::seal(ctx).await?;
    Ok(Recognized { period: month.to_string(), entries })
}
