//! Which workers are alive, on PostgreSQL: each process holds a session advisory lock under its name, and the server
//! frees it when the process or its machine is gone (ARCHITECTURE.md, "who works a home"). On SQLite one process
//! works a home at a time and holds a file lock outside the database, so nothing is needed here.

use crate::Store;
use crate::open::QueuePool;
use crate::tx::Tx;
use sqlx::PgConnection;

/// A process that dies closes its connection; a machine that dies does not, and the server's own patience is two hours.
/// So the server asks after 10 silent seconds, three times.
const NOTICE_A_DEAD_MACHINE: &str =
    "set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3";

/// Held as long as the worker lives; dropping it frees the name.
#[derive(Debug)]
pub struct WorkerLock {
    connection: Option<PgConnection>,
}

impl WorkerLock {
    /// Asks the server whether the lock's session is still there; after a broken connection the name is free, and
    /// others may take this worker's slices over: take a new name then.
    pub async fn is_held(&mut self) -> bool {
        match &mut self.connection {
            Some(connection) => sqlx::query("select 1").execute(connection).await.is_ok(),
            None => true,
        }
    }
}

/// Takes the lock of this name on a connection of its own; none if a living worker has it.
pub async fn hold(store: &Store, worker: &str) -> anyhow::Result<Option<WorkerLock>> {
    let QueuePool::Postgres(pool) = store.queue_pool() else {
        return Ok(Some(WorkerLock { connection: None }));
    };
    let mut connection = pool.acquire().await?.detach();
    sqlx::raw_sql(NOTICE_A_DEAD_MACHINE).execute(&mut connection).await?;
    let held: bool = sqlx::query_scalar("select pg_try_advisory_lock(hashtextextended($1, 7))")
        .bind(worker)
        .fetch_one(&mut connection)
        .await?;
    Ok(held.then_some(WorkerLock { connection: Some(connection) }))
}

/// Whether nobody holds this name any more, on PostgreSQL.
pub async fn is_gone(tx: &mut Tx, worker: &str) -> anyhow::Result<bool> {
    let Tx::Postgres(t) = tx else { return Ok(false) };
    Ok(sqlx::query_scalar("select pg_try_advisory_xact_lock(hashtextextended($1, 7))")
        .bind(worker)
        .fetch_one(&mut **t)
        .await?)
}

/// Names of workers that have claimed open slices or fetched tasks and are gone: their slices may be taken over at once
/// ([`crate::slice::TakeOver::Of`]) and their tasks handed out again ([`crate::queue::hand_out_again`]). Always empty
/// on SQLite.
pub async fn gone(tx: &mut Tx) -> anyhow::Result<Vec<String>> {
    let Tx::Postgres(t) = tx else { return Ok(Vec::new()) };
    let claimed: Vec<String> = sqlx::query_scalar(
        "select worker
         from run_slice
         where state = 'open' and worker is not null
         union
         select split_part(lock_by, '/', 1)
         from apalis.jobs
         where status in ('Queued', 'Running') and lock_by is not null
         order by 1",
    )
    .fetch_all(&mut **t)
    .await?;
    let mut gone = Vec::new();
    for worker in claimed {
        if is_gone(tx, &worker).await? {
            gone.push(worker);
        }
    }
    Ok(gone)
}
