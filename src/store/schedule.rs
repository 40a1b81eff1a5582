//! The timetable's memory: when each job is due next, and that one tick is made per job and nominal time.

use crate::tx::{Tx, on};
use crate::words::stored;
use chrono::{DateTime, Utc};

/// One job of the timetable.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ScheduledJob {
    pub job: String,
    /// Cron expression, in the tenant's zone.
    pub expression: String,
    pub next_at: Option<DateTime<Utc>>,
    pub last_at: Option<DateTime<Utc>>,
    /// Nominal times that passed while nobody ran.
    pub missed: i64,
}

/// Every job, by name.
pub async fn jobs(tx: &mut Tx) -> anyhow::Result<Vec<ScheduledJob>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select job, expression, next_at, last_at, missed from schedule_job order by job").fetch_all(c).await?))
}

/// Writes a job's expression and next time; what is known of the past stays.
pub async fn plan(
    tx: &mut Tx,
    job: &str,
    expression: &str,
    next_at: Option<DateTime<Utc>>,
) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query(
        "insert into schedule_job (job, expression, next_at)
         values ($1, $2, $3)
         on conflict (job) do update set expression = excluded.expression, next_at = excluded.next_at")
        .bind(job)
        .bind(expression)
        .bind(next_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Takes the tick of `nominal`: `false` if it has been made before, as after a clock that was set back. The job's next
/// time moves to `next_at` either way, and `missed` nominal times in between are counted.
pub async fn tick(
    tx: &mut Tx,
    job: &str,
    nominal: DateTime<Utc>,
    now: DateTime<Utc>,
    next_at: Option<DateTime<Utc>>,
    missed: u64,
) -> anyhow::Result<bool> {
    let made = on!(tx, c => sqlx::query(
        "insert into schedule_tick (job, nominal, made_at)
         values ($1, $2, $3)
         on conflict (job, nominal) do nothing")
        .bind(job)
        .bind(nominal)
        .bind(now)
        .execute(c)
        .await?
        .rows_affected());
    if made == 0 {
        on!(tx, c => sqlx::query("update schedule_job set next_at = $2 where job = $1")
            .bind(job)
            .bind(next_at)
            .execute(c)
            .await
            .map(drop))?;
        return Ok(false);
    }
    on!(tx, c => sqlx::query(
        "update schedule_job set last_at = $2, next_at = $3, missed = missed + $4 where job = $1")
        .bind(job)
        .bind(nominal)
        .bind(next_at)
        .bind(stored(missed))
        .execute(c)
        .await
        .map(drop))?;
    Ok(true)
}

/// Deletes ticks older than `before`; returns how many went.
pub async fn prune(tx: &mut Tx, before: DateTime<Utc>) -> anyhow::Result<u64> {
    Ok(on!(tx, c => sqlx::query("delete from schedule_tick where nominal < $1")
        .bind(before)
        .execute(c)
        .await?
        .rows_affected()))
}

/// The database's own clock, where it has one: SQLite's is this machine's.
pub async fn clock(tx: &mut Tx) -> anyhow::Result<Option<DateTime<Utc>>> {
    let Tx::Postgres(t) = tx else { return Ok(None) };
    Ok(Some(sqlx::query_scalar("select clock_timestamp()").fetch_one(&mut **t).await?))
}

/// Forgets ticks of a time that has not come: a clock that was ahead has made them. They come again in their time.
pub async fn forget_after(tx: &mut Tx, now: DateTime<Utc>) -> anyhow::Result<()> {
    for sql in [
        "delete from schedule_tick where nominal > $1",
        "update schedule_job set last_at = null where last_at > $1",
    ] {
        on!(tx, c => sqlx::query(sql).bind(now).execute(c).await.map(drop))?;
    }
    Ok(())
}
