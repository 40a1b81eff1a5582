//! Drafts that wait for a person, by the run that made them.

use crate::tx::{Tx, on};
use crate::words::{count, read_word};
use chrono::{DateTime, NaiveDate, Utc};
use domain::run::RunState;

/// The drafts of a run, or those that people wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenDrafts {
    pub run: Option<RunOfDrafts>,
    pub drafts: u64,
    pub first_invoice_date: NaiveDate,
}

/// The run that made them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOfDrafts {
    pub ordinal: u64,
    pub state: RunState,
    pub opened_at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct Row {
    ordinal: Option<i64>,
    state: Option<String>,
    opened_at: Option<DateTime<Utc>>,
    drafts: i64,
    first_invoice_date: NaiveDate,
}

/// All that wait, the oldest run first.
pub async fn by_run(tx: &mut Tx) -> anyhow::Result<Vec<OpenDrafts>> {
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        "select r.ordinal, r.state, r.opened_at, count(*) as drafts, min(d.invoice_date) as first_invoice_date
         from draft d
         left join run r on r.id = d.run
         where d.state = 'open'
         group by r.ordinal, r.state, r.opened_at
         order by coalesce(r.ordinal, 0)")
        .fetch_all(c)
        .await?);
    let read = |row: Row| {
        let run = match (row.ordinal, row.state, row.opened_at) {
            (Some(ordinal), Some(state), Some(opened_at)) => Some(RunOfDrafts {
                ordinal: count(ordinal, "run.ordinal")?,
                state: read_word(&state, "run.state")?,
                opened_at,
            }),
            _ => None,
        };
        let drafts = count(row.drafts, "draft")?;
        Ok(OpenDrafts { run, drafts, first_invoice_date: row.first_invoice_date })
    };
    rows.into_iter().map(read).collect()
}
