//! What monitors ask for, read from the database when they ask: every process tells the same of what they share.

use crate::context::Context;
use crate::home::timetable;
use crate::runs::view::StepView;
use chrono::{DateTime, Utc};
use domain::run::MailCounts;
use store::run::{self, Run, requests};
use store::{Tx, delivery, open_rejects, queue, refused_file, slice};

/// Runs looked at for the last one that went to its end.
const RUNS_LOOKED_AT: u32 = 50;

/// How much there is of what.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Tasks of each queue that are not finished, in the order of a run.
    pub queues: Vec<(&'static str, u64)>,
    /// Runs that are open or wait for review.
    pub runs_unfinished: usize,
    /// Steps of those runs, by ordinal.
    pub steps: Vec<(u64, StepView)>,
    /// Mails that have not gone out.
    pub mails: MailCounts,
    /// Usage files that were refused and are waited for.
    pub refused_files: usize,
    /// Records that were refused and wait to be fixed.
    pub open_rejects: u64,
    /// Slices that failed and wait for their next try.
    pub slices_standing: usize,
    /// What operators have asked of runs and is not done yet.
    pub requests_open: usize,
    /// Whether the timetable waits for a person.
    pub is_timetable_standing: bool,
    pub last_run: Option<LastRun>,
}

/// The last run that went to its end.
#[derive(Debug, Clone, Copy)]
pub struct LastRun {
    /// Payers by what became of them.
    pub done: u64,
    pub failed: u64,
    pub parked: u64,
    pub opened_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
}

/// Counts.
pub async fn figures(ctx: &Context) -> anyhow::Result<Figures> {
    let standstill = timetable::shown(ctx).await?.standstill;
    let mut tx = ctx.store.read().await?;
    let mut queues = Vec::new();
    for name in domain::task::queues() {
        queues.push((name, queue::unfinished(&mut tx, name).await?));
    }
    let unfinished = run::all_unfinished(&mut tx).await?;
    Ok(Figures {
        queues,
        runs_unfinished: unfinished.len(),
        steps: steps(&mut tx, &unfinished).await?,
        mails: delivery::open_counts(&mut tx).await?,
        refused_files: refused_file::waiting(&mut tx).await?.len(),
        open_rejects: open_rejects::waiting(&mut tx).await?.iter().map(|open| open.rejected).sum(),
        slices_standing: slice::standing(&mut tx).await?.len(),
        requests_open: requests::open(&mut tx).await?.len(),
        is_timetable_standing: standstill.is_some(),
        last_run: last_run(&mut tx).await?,
    })
}

async fn steps(tx: &mut Tx, unfinished: &[Run]) -> anyhow::Result<Vec<(u64, StepView)>> {
    let mut steps = Vec::new();
    for run in unfinished {
        let of_run = slice::progress(tx, run.id).await?;
        steps.extend(of_run.into_iter().map(|step| (run.ordinal, step.into())));
    }
    Ok(steps)
}

async fn last_run(tx: &mut Tx) -> anyhow::Result<Option<LastRun>> {
    let newest = run::newest(tx, RUNS_LOOKED_AT).await?;
    let Some(last) = newest.iter().find(|run| run.state.is_finished()) else { return Ok(None) };
    let summary = run::summary(tx, last).await?;
    Ok(Some(LastRun {
        done: summary.payers.saturating_sub(summary.failed + summary.parked),
        failed: summary.failed,
        parked: summary.parked,
        opened_at: last.opened_at,
        ended_at: last.ended_at,
    }))
}

/// What keeps the program from working, in a line each: a run that is stuck or a timetable that has stopped. None as long as all is
/// well.
pub async fn ills(ctx: &Context) -> anyhow::Result<Vec<String>> {
    let mut tx = ctx.store.read().await?;
    let standing = slice::standing(&mut tx).await?.into_iter();
    let mut ills: Vec<String> =
        standing.map(|s| format!("run {} is stuck: {}: {}", s.run_ordinal, s.step.name(), s.error)).collect();
    drop(tx);
    let standstill = timetable::shown(ctx).await?.standstill;
    ills.extend(standstill.map(|why| format!("the timetable has stopped: {why}")));
    Ok(ills)
}
