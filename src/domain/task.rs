//! Payloads of the jobs: ids and dates, nothing else. They live here so that store and cli can enqueue.

use crate::ids::RunId;
use crate::run::Step;
use crate::words::words;
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

/// What the timetable asks for, in the order in which it is shown. Each runs the same code as the command of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimedJob {
    NightlyRun,
    IngestInbox,
    RetryMails,
    RetryPayments,
    ExportLedger,
    Upkeep,
    Backup,
}

words! { TimedJob {
    NightlyRun = "nightly_run",
    IngestInbox = "ingest_inbox",
    RetryMails = "retry_mails",
    RetryPayments = "retry_payments",
    ExportLedger = "export_ledger",
    Upkeep = "upkeep",
    Backup = "backup",
} }

/// A tick of the timetable: (job, nominal time) is unique.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TickTask {
    pub job: TimedJob,
    pub nominal: DateTime<Utc>,
    /// The nominal time's date in the tenant's zone.
    pub as_of: NaiveDate,
}

impl TickTask {
    /// The queue of ticks.
    pub const QUEUE: &str = "ticks";
}

/// Every queue there is: the steps in the order of a run, then the ticks.
pub fn queues() -> impl Iterator<Item = &'static str> {
    Step::ALL.iter().map(|step| step.queue()).chain([TickTask::QUEUE])
}
