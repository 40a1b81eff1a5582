//! Payloads of the jobs: ids and dates, nothing else. They live here so that store and cli can enqueue.

use crate::ids::RunId;
use crate::run::Step;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

/// Work on one slice of one step of a run; the epoch makes a worker that was frozen harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SliceTask {
    pub run: RunId,
    pub step: Step,
    pub slice: u32,
    pub epoch: u32,
}

/// Bring in one usage file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestTask {
    pub path: String,
    pub source: Option<String>,
}

/// A tick of the timetable: (job, nominal time) is unique.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TickTask {
    pub job: String,
    pub nominal: DateTime<Utc>,
    /// The nominal time's date in the tenant's zone.
    pub as_of: NaiveDate,
}
