//! Accounting periods: which months are closed, the close of the next one, and revenue that is earned (rules I2, L1, L8).

pub mod close;
pub mod recognize;

use crate::context::Context;
use crate::refusal::Stop;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use serde_json::Value;
use store::ledger::ClosedPeriod;

/// Where the books stand.
#[derive(Debug, Clone, Serialize)]
pub struct Books {
    /// First day on which anything can be posted; none = nothing is closed.
    #[serde(rename = "openfrom")]
    pub open_from: Option<NaiveDate>,
    /// Deferred revenue is recognised before this day.
    #[serde(rename = "recognizeduntil")]
    pub recognized_until: Option<NaiveDate>,
    pub periods: Vec<PeriodView>,
}

/// A closed month.
#[derive(Debug, Clone, Serialize)]
pub struct PeriodView {
    pub period: String,
    pub entries: u64,
    /// Σ debit and Σ credit by currency, minor units.
    pub totals: Value,
    #[serde(rename = "lastsequence")]
    pub last_sequence: u64,
    #[serde(rename = "lasthash")]
    pub last_hash: String,
    /// Relative to the home.
    pub file: String,
    pub sha256: String,
    #[serde(rename = "closedby")]
    pub closed_by: String,
    #[serde(rename = "closedat")]
    pub closed_at: DateTime<Utc>,
}

impl From<ClosedPeriod> for PeriodView {
    fn from(closed: ClosedPeriod) -> Self {
        Self {
            period: closed.period,
            entries: closed.entries,
            totals: closed.totals,
            last_sequence: closed.last_sequence,
            last_hash: closed.last_hash,
            file: format!("exports/{}", closed.path),
            sha256: closed.sha256,
            closed_by: closed.closed_by,
            closed_at: closed.closed_at,
        }
    }
}

/// Every closed month, oldest first.
pub async fn list(ctx: &Context) -> Result<Books, Stop> {
    ctx.catalogue().await?;
    let mut tx = ctx.store.read().await?;
    let periods = store::ledger::closed_periods(&mut tx).await?;
    Ok(Books {
        open_from: periods.last().map(|period| period.open_from),
        recognized_until: store::ledger::recognized_until(&mut tx).await?,
        periods: periods.into_iter().map(PeriodView::from).collect(),
    })
}
