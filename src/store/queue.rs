//! The only file that knows how apalis stores a task. A task is enqueued in the transaction that makes it
//! necessary, under an idempotency key.

use crate::tx::{PerDriver, Tx, on};
use apalis_core::task::builder::TaskBuilder;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::Acquire;

/// Whether a task was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    New,
    /// A task with this key has been enqueued before; finished tasks count too, so a key ends in the epoch.
    AlreadyThere,
}

/// Enqueues a task that is due at once. `key` must be unique per queue over all time.
pub async fn enqueue<T: Serialize>(
    tx: &mut Tx,
    queue: &str,
    payload: &T,
    key: &str,
) -> anyhow::Result<Enqueued> {
    let task = TaskBuilder::new(serde_json::to_vec(payload)?).idempotency_key(key);
    match tx {
        Tx::Sqlite(t) => {
            // Their statement says `on conflict do nothing` and returns no count.
            let known: i64 =
                sqlx::query_scalar("select count(*) from Jobs where job_type = $1 and idempotency_key = $2")
                    .bind(queue)
                    .bind(key)
                    .fetch_one(&mut **t)
                    .await?;
            if known > 0 {
                return Ok(Enqueued::AlreadyThere);
            }
            apalis_sqlite::queries::push_tasks(&mut **t, queue, &[task.build()]).await?;
            Ok(Enqueued::New)
        }
        Tx::Postgres(t) => {
            // Theirs has no `on conflict`: a repeat raises, and without a savepoint it would end our transaction.
            let mut savepoint = t.begin().await?;
            match apalis_postgres::queries::push_tasks(&mut *savepoint, queue, vec![task.build()]).await {
                Ok(()) => {
                    savepoint.commit().await?;
                    Ok(Enqueued::New)
                }
                Err(apalis_postgres::Error::Database(sqlx::Error::Database(e)))
                    if e.is_unique_violation() =>
                {
                    savepoint.rollback().await?;
                    Ok(Enqueued::AlreadyThere)
                }
                Err(e) => Err(e.into()),
            }
        }
    }
}

/// How many tasks of a queue are not finished: pending, queued or running.
pub async fn unfinished(tx: &mut Tx, queue: &str) -> anyhow::Result<u64> {
    const SQL: PerDriver = PerDriver {
        sqlite: "select count(*) from Jobs where job_type = $1 and status not in ('Done', 'Killed', 'Failed')",
        postgres: "select count(*) from apalis.jobs where job_type = $1 and status not in ('Done', 'Killed', 'Failed')",
    };
    let sql = tx.pick(&SQL);
    let n: i64 = on!(tx, c => sqlx::query_scalar(sql).bind(queue).fetch_one(c).await?);
    crate::words::count(n, "unfinished tasks")
}

/// Hands out again the tasks that a worker which is gone had fetched and not finished; returns how many. Workers of
/// apalis are called `worker/queue/round`. apalis by itself waits for a minute and more.
pub async fn hand_out_again(tx: &mut Tx, worker: &str) -> anyhow::Result<u64> {
    const SQL: PerDriver = PerDriver {
        sqlite: "update Jobs
                 set status = 'Pending', lock_by = null, lock_at = null
                 where status in ('Queued', 'Running') and substr(lock_by, 1, length($1) + 1) = $1 || '/'",
        postgres: "update apalis.jobs
                   set status = 'Pending', lock_by = null, lock_at = null
                   where status in ('Queued', 'Running') and split_part(lock_by, '/', 1) = $1",
    };
    let sql = tx.pick(&SQL);
    Ok(on!(tx, c => sqlx::query(sql).bind(worker).execute(c).await?.rows_affected()))
}

/// Hands out again what any other worker had fetched and not finished, for one that knows that it is the only one: it holds
/// the lock of a home on SQLite. Returns how many tasks.
pub async fn hand_out_of_others(tx: &mut Tx, only: &str) -> anyhow::Result<u64> {
    const SQL: PerDriver = PerDriver {
        sqlite: "update Jobs
                 set status = 'Pending', lock_by = null, lock_at = null
                 where status in ('Queued', 'Running') and substr(lock_by, 1, length($1) + 1) <> $1 || '/'",
        postgres: "update apalis.jobs
                   set status = 'Pending', lock_by = null, lock_at = null
                   where status in ('Queued', 'Running') and split_part(lock_by, '/', 1) <> $1",
    };
    let sql = tx.pick(&SQL);
    Ok(on!(tx, c => sqlx::query(sql).bind(only).execute(c).await?.rows_affected()))
}

/// Deletes finished tasks that ended before `before` and the rows of workers not seen since; returns how many
/// tasks went. apalis' own vacuum deletes every finished task, whatever its age.
pub async fn prune(tx: &mut Tx, before: DateTime<Utc>) -> anyhow::Result<u64> {
    const TASKS: PerDriver = PerDriver {
        sqlite: "delete from Jobs where status in ('Done', 'Killed') and done_at < $1",
        postgres: "delete from apalis.jobs where status in ('Done', 'Killed') and done_at < to_timestamp($1)",
    };
    let sql = tx.pick(&TASKS);
    Ok(on!(tx, c => sqlx::query(sql).bind(before.timestamp()).execute(c).await?.rows_affected()))
}
