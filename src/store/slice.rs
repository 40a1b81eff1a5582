//! Slices of a run's steps. The slice row is the truth, the queue's task is a hint (ARCHITECTURE.md): whoever
//! writes effects first closes the row for its epoch, and a worker whose epoch has passed cannot write.

use crate::bulk::Bulk;
use crate::run;
use crate::tx::{Tx, on};
use crate::words::{count, small};
use anyhow::anyhow;
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::RunId;
use domain::run::Step;
use domain::task::SliceTask;
use uuid::Uuid;

/// A slice that is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSlice {
    pub task: SliceTask,
    pub worker: Option<String>,
    pub claimed_until: Option<DateTime<Utc>>,
    /// What went wrong last.
    pub error: Option<String>,
    /// When a worker tries it again by itself.
    pub retry_at: Option<DateTime<Utc>>,
    pub attempts: u32,
}

/// What came of closing a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// `false`: another epoch has it, or it was done before. Roll back and report done.
    pub was_open: bool,
    /// Slices of the same run and step that are still open; at 0 this transaction enqueues what follows.
    pub left_open: u64,
}

/// Which open slices to take over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakeOver<'a> {
    /// What this worker had: its session lock is free (PostgreSQL).
    Of(&'a str),
    /// Claims that have run out.
    Expired(DateTime<Utc>),
    /// Every open slice of one run, claimed or not: an operator asks for it.
    OfRun(RunId),
    /// What was given back with an error: an operator, or the next night, asks for another try.
    Failed,
    /// What was given back with an error and whose time for another try has come.
    RetryDue(DateTime<Utc>),
}

/// Adds the slices 0 to `slices` of a step in epoch 1 and returns their tasks; those that exist are left alone.
pub async fn add(tx: &mut Tx, run: RunId, step: Step, slices: u32) -> anyhow::Result<Vec<SliceTask>> {
    let mut rows = Bulk::into("run_slice", &["run", "step", "slice", "epoch", "state"])
        .on_conflict("on conflict (run, step, slice) do nothing");
    for slice in 0..slices {
        rows.row([run.0.into(), step.name().into(), slice.into(), 1u32.into(), "open".into()]);
    }
    rows.insert(tx).await?;
    Ok((0..slices).map(|slice| SliceTask { run, step, slice, epoch: 1 }).collect())
}

/// Open slices of a run, by step and slice.
pub async fn open(tx: &mut Tx, run: RunId) -> anyhow::Result<Vec<OpenSlice>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        step: String,
        slice: i64,
        epoch: i64,
        worker: Option<String>,
        claimed_until: Option<DateTime<Utc>>,
        error: Option<String>,
        retry_at: Option<DateTime<Utc>>,
        attempts: i64,
    }
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        "select step, slice, epoch, worker, claimed_until, error, retry_at, attempts
         from run_slice
         where run = $1 and state = 'open'
         order by step, slice")
        .bind(run.0)
        .fetch_all(c)
        .await?);
    let mut slices = rows
        .into_iter()
        .map(|r| {
            Ok(OpenSlice {
                task: task(run.0, &r.step, r.slice, r.epoch)?,
                worker: r.worker,
                claimed_until: r.claimed_until,
                error: r.error,
                retry_at: r.retry_at,
                attempts: small(r.attempts, "run_slice.attempts")?,
            })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    slices.sort_by_key(|s| (s.task.step, s.task.slice));
    Ok(slices)
}

/// A slice that failed and rests: its run is stuck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedSlice {
    pub run_ordinal: u64,
    pub step: Step,
    pub error: String,
    pub retry_at: Option<DateTime<Utc>>,
}

/// Every slice that failed and that nobody is at, oldest run first.
pub async fn standing(tx: &mut Tx) -> anyhow::Result<Vec<FailedSlice>> {
    let rows: Vec<(i64, String, String, Option<DateTime<Utc>>)> = on!(tx, c => sqlx::query_as(
        "select r.ordinal, s.step, s.error, s.retry_at
         from run_slice s
         join run r on r.id = s.run
         where r.state = 'open' and s.state = 'open' and s.error is not null and s.worker is null
         order by r.ordinal, s.step, s.slice")
        .fetch_all(c)
        .await?);
    rows.into_iter()
        .map(|(ordinal, step, error, retry_at)| {
            let step = Step::parse(&step).ok_or_else(|| anyhow!("run_slice.step holds `{step}`"))?;
            Ok(FailedSlice { run_ordinal: count(ordinal, "run.ordinal")?, step, error, retry_at })
        })
        .collect()
}

/// How many slices of each step are (open, done).
pub async fn progress(tx: &mut Tx, run: RunId) -> anyhow::Result<Vec<(Step, u64, u64)>> {
    let rows: Vec<(String, i64, i64)> = on!(tx, c => sqlx::query_as(
        "select step,
                cast(sum(case when state = 'open' then 1 else 0 end) as bigint),
                cast(sum(case when state = 'done' then 1 else 0 end) as bigint)
         from run_slice
         where run = $1
         group by step")
        .bind(run.0)
        .fetch_all(c)
        .await?);
    let mut steps = rows
        .into_iter()
        .map(|(step, open, done)| {
            let step = Step::parse(&step).ok_or_else(|| anyhow!("run_slice.step holds `{step}`"))?;
            Ok((step, count(open, "open slices")?, count(done, "done slices")?))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    steps.sort();
    Ok(steps)
}

/// Claims a slice for a worker until then; `false` if it is done or another epoch has it.
pub async fn claim(tx: &mut Tx, task: SliceTask, worker: &str, until: DateTime<Utc>) -> anyhow::Result<bool> {
    let claimed = on!(tx, c => sqlx::query(
        "update run_slice
         set worker = $5, claimed_until = $6, attempts = attempts + 1
         where run = $1 and step = $2 and slice = $3 and epoch = $4 and state = 'open'")
        .bind(task.run.0)
        .bind(task.step.name())
        .bind(i64::from(task.slice))
        .bind(i64::from(task.epoch))
        .bind(worker)
        .bind(until)
        .execute(c)
        .await?
        .rows_affected());
    Ok(claimed == 1)
}

/// Puts off the end of a living worker's claims.
pub async fn renew(tx: &mut Tx, worker: &str, until: DateTime<Utc>) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query(
        "update run_slice set claimed_until = $2 where worker = $1 and state = 'open'")
        .bind(worker)
        .bind(until)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// What went wrong with a slice, and after which pause it is tried again: given the number of tries so far.
#[derive(Debug, Clone, Copy)]
pub struct Failed<'a> {
    pub error: &'a str,
    pub at: DateTime<Utc>,
    pub pause: fn(u32) -> TimeDelta,
}

/// Gives a claim back, with what went wrong if anything did. A later epoch is left alone.
pub async fn release(tx: &mut Tx, task: SliceTask, failed: Option<Failed<'_>>) -> anyhow::Result<()> {
    let tries: Option<i64> = on!(tx, c => sqlx::query_scalar(
        "select attempts from run_slice where run = $1 and step = $2 and slice = $3")
        .bind(task.run.0)
        .bind(task.step.name())
        .bind(i64::from(task.slice))
        .fetch_optional(c)
        .await?);
    let tries = small(tries.unwrap_or_default(), "run_slice.attempts")?;
    on!(tx, c => sqlx::query(
        "update run_slice
         set worker = null, claimed_until = null, error = $5, retry_at = $6
         where run = $1 and step = $2 and slice = $3 and epoch = $4 and state = 'open'")
        .bind(task.run.0)
        .bind(task.step.name())
        .bind(i64::from(task.slice))
        .bind(i64::from(task.epoch))
        .bind(failed.map(|f| f.error))
        .bind(failed.map(|f| f.at + (f.pause)(tries)))
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Closes a slice: the first statement of the transaction that writes its effects. Locks the run, so that of two
/// slices that finish at once one sees the other's end and exactly one counts to 0.
pub async fn finish(tx: &mut Tx, task: SliceTask) -> anyhow::Result<Finished> {
    run::lock(tx, task.run).await?;
    let closed = on!(tx, c => sqlx::query(
        "update run_slice
         set state = 'done', error = null
         where run = $1 and step = $2 and slice = $3 and epoch = $4 and state = 'open'")
        .bind(task.run.0)
        .bind(task.step.name())
        .bind(i64::from(task.slice))
        .bind(i64::from(task.epoch))
        .execute(c)
        .await?
        .rows_affected());
    let left: i64 = on!(tx, c => sqlx::query_scalar(
        "select count(*) from run_slice where run = $1 and step = $2 and state = 'open'")
        .bind(task.run.0)
        .bind(task.step.name())
        .fetch_one(c)
        .await?);
    Ok(Finished { was_open: closed == 1, left_open: count(left, "open slices")? })
}

/// Opens slices that are done again in a new epoch, for `runs rerun`; returns their tasks.
pub async fn reopen(tx: &mut Tx, run: RunId, step: Step, slices: &[u32]) -> anyhow::Result<Vec<SliceTask>> {
    let mut tasks = Vec::with_capacity(slices.len());
    for slice in slices {
        let row: Option<(Uuid, String, i64, i64)> = on!(tx, c => sqlx::query_as(
            "update run_slice
             set state = 'open', epoch = epoch + 1, worker = null, claimed_until = null, error = null, retry_at = null,
                 attempts = 0
             where run = $1 and step = $2 and slice = $3 and state = 'done'
             returning run, step, slice, epoch")
            .bind(run.0)
            .bind(step.name())
            .bind(i64::from(*slice))
            .fetch_optional(c)
            .await?);
        if let Some((run, step, slice, epoch)) = row {
            tasks.push(task(run, &step, slice, epoch)?);
        }
    }
    Ok(tasks)
}

/// Raises the epoch of open slices, so that whoever had them cannot write, and returns the tasks to enqueue again,
/// in run, step and slice order.
pub async fn take_over(tx: &mut Tx, which: TakeOver<'_>) -> anyhow::Result<Vec<SliceTask>> {
    let (worker, expired, of_run, retry) = match which {
        TakeOver::Failed => (None, None, None, None),
        TakeOver::Of(worker) => (Some(worker), None, None, None),
        TakeOver::Expired(now) => (None, Some(now), None, None),
        TakeOver::OfRun(run) => (None, None, Some(run.0), None),
        TakeOver::RetryDue(now) => (None, None, None, Some(now)),
    };
    let failed = matches!(which, TakeOver::Failed | TakeOver::RetryDue(_));
    let rows: Vec<(Uuid, String, i64, i64)> = on!(tx, c => sqlx::query_as(
        "update run_slice
         set epoch = epoch + 1, worker = null, claimed_until = null, error = null, retry_at = null
         where state = 'open'
           and (worker is not null or $3 is not null or $4)
           and (not $4 or (worker is null and error is not null))
           and ($1 is null or worker = $1)
           and ($2 is null or claimed_until < $2)
           and ($3 is null or run = $3)
           and ($5 is null or retry_at <= $5)
         returning run, step, slice, epoch")
        .bind(worker)
        .bind(expired)
        .bind(of_run)
        .bind(failed)
        .bind(retry)
        .fetch_all(c)
        .await?);
    in_order(&rows)
}

/// Takes over open slices whose ticket was fetched before `before` and that nobody has claimed since: whoever fetched it
/// lives, by its session lock, and is frozen. Returns the tasks to enqueue again. Always empty on SQLite.
pub async fn take_over_unheeded(tx: &mut Tx, before: DateTime<Utc>) -> anyhow::Result<Vec<SliceTask>> {
    let Tx::Postgres(t) = tx else { return Ok(Vec::new()) };
    let rows: Vec<(Uuid, String, i64, i64)> = sqlx::query_as(
        "update run_slice s
         set epoch = epoch + 1
         where s.state = 'open' and s.worker is null and s.error is null
           and exists (select from apalis.jobs j
                       where j.status in ('Queued', 'Running')
                         and j.lock_at < $1
                         and j.idempotency_key = s.run::text || '/' || s.step || '/' || s.slice || '/' || s.epoch)
         returning run, step, slice, epoch",
    )
    .bind(before)
    .fetch_all(&mut **t)
    .await?;
    in_order(&rows)
}

fn in_order(rows: &[(Uuid, String, i64, i64)]) -> anyhow::Result<Vec<SliceTask>> {
    let mut tasks = rows
        .iter()
        .map(|(run, step, slice, epoch)| task(*run, step, *slice, *epoch))
        .collect::<anyhow::Result<Vec<_>>>()?;
    tasks.sort_by_key(|t| (t.run, t.step, t.slice));
    Ok(tasks)
}

fn task(run: Uuid, step: &str, slice: i64, epoch: i64) -> anyhow::Result<SliceTask> {
    Ok(SliceTask {
        run: RunId(run),
        step: Step::parse(step).ok_or_else(|| anyhow!("run_slice.step holds `{step}`"))?,
        slice: small(slice, "run_slice.slice")?,
        epoch: small(epoch, "run_slice.epoch")?,
    })
}
