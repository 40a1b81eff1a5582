//! What the product does, one file per job, in the order of the flow:
//!
//! `ingest_usage` → `open_run` → `rate_usage` → `draft_invoices` → (barrier) → `book_invoices` → `render_invoices` →
//! `send_invoices` → `collect_payments` → `seal_ledger` → `close_run`; and from the timetable `retry_payments`,
//! `export_ledger`, `upkeep`.
//!
//! This file is the registry: each job on its queue, nothing else.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod book_invoices;
mod close_run;
mod collect_payments;
mod draft_invoices;
mod rate_usage;
mod render_invoices;
pub mod runtime;
mod seal_ledger;
mod send_invoices;
mod tick;

use apalis::prelude::{BackendExt, Data, Monitor, Strategy, WorkerBuilder, WorkerBuilderExt};
use apalis_core::error::BoxDynError;
use domain::task::{SliceTask, TickTask};
use operations::context::Context;
use operations::runs::requests;
use runtime::{outcome, recover};
use std::time::Duration;
use store::QueuePool;
use tokio::runtime::Handle;

/// How often a queue is looked at when nobody rings: tasks of other processes and due times.
const POLL: Duration = Duration::from_millis(500);
/// What is being worked on ends within this time once it is asked to; after that it is left, and its epoch passes.
const STOP_WITHIN: Duration = Duration::from_secs(20);
/// Slices of one job that a process works on at once: each computes on all threads, so that one reads, one computes and
/// one writes. The rest stays in the queue, for other workers, and out of memory.
const SLICES_AT_ONCE: usize = 3;
/// As [`SLICES_AT_ONCE`], of jobs that wait for somebody else's server most of the time.
const CALLS_AT_ONCE: usize = 16;
/// Ticks at once: each may wait for a whole run.
const TICKS_AT_ONCE: usize = 100;

/// A worker that lost its database comes back after a pause, this often at most.
const RESTARTS_MAX: usize = 1_000;

/// Declares a handler that apalis can call for a slice job.
macro_rules! slice_handlers {
    ($($job:ident)*) => {
        mod handlers {
            use super::*;
            $(pub(super) async fn $job(task: SliceTask, ctx: Data<Context>) -> Result<(), BoxDynError> {
                let run = |ctx: Context, task| Handle::current().block_on(super::$job::run(&ctx, task));
                crate::runtime::ticket::work(Context::clone(&ctx), task, run).await
            })*
            pub(super) async fn ticks(task: TickTask, ctx: Data<Context>) -> Result<(), BoxDynError> {
                crate::tick::work(Context::clone(&ctx), task).await
            }
        }
    };
}

slice_handlers! {
    rate_usage draft_invoices book_invoices render_invoices send_invoices collect_payments seal_ledger close_run
}

/// One line per job: a worker on the queue of its name, whatever the database.
macro_rules! register {
    ($monitor:ident, $ctx:expr, $storage:ident, $config:ty, $pool:ident; $($queue:ident: $task:ty, $at_once:expr;)*) => {{
        let round = $ctx.next_round();
        $(let $monitor = {
            let ctx = $ctx.clone();
            let pool = $pool.clone();
            $monitor.register(move |restarts| {
                let config = <$config>::default().queue(stringify!($queue)).batch_size(1);
                let wakes = outcome::Wakes(Strategy::new().stream(ctx.bell()).interval(POLL));
                let backend = $storage::<$task>::new(&pool).with_config(config).poll_with_strategy(wakes);
                WorkerBuilder::new(format!("{}/{}/{round}.{restarts}", ctx.worker, stringify!($queue)))
                    .backend(backend)
                    .concurrency($at_once)
                    .catch_panic()
                    .data(ctx.clone())
                    .build(handlers::$queue)
            })
        };)*
        $monitor
    }};
}

macro_rules! register_all {
    ($monitor:ident, $ctx:expr, $storage:ident, $config:ty, $pool:ident) => {
        register!($monitor, $ctx, $storage, $config, $pool;
            rate_usage: SliceTask, SLICES_AT_ONCE;
            draft_invoices: SliceTask, SLICES_AT_ONCE;
            book_invoices: SliceTask, SLICES_AT_ONCE;
            render_invoices: SliceTask, SLICES_AT_ONCE;
            send_invoices: SliceTask, CALLS_AT_ONCE;
            collect_payments: SliceTask, CALLS_AT_ONCE;
            seal_ledger: SliceTask, SLICES_AT_ONCE;
            close_run: SliceTask, SLICES_AT_ONCE;
            ticks: TickTask, TICKS_AT_ONCE;
        )
    };
}

/// A task that ends with whoever holds this.
pub struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T: Send + 'static> AbortOnDrop<T> {
    /// Starts the work on a task of its own.
    pub fn spawn(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Works every queue, and what operators ask of runs, until `stop` resolves; then no more tasks are fetched, and running ones end within a bound.
pub async fn work_until(
    ctx: &Context,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    use apalis_postgres::PostgresStorage;
    use apalis_sqlite::SqliteStorage;

    let restarting = ctx.clone();
    let monitor = Monitor::new().shutdown_timeout(STOP_WITHIN).should_restart(move |worker, error| {
        restarting.note_cut_off();
        // Its queue may be gone for good, and nobody waits for it any more.
        if restarting.is_stopping() {
            return false;
        }
        tracing::warn!(
            worker = worker.name(),
            error = error.to_string(),
            "worker lost its queue and comes back"
        );
        worker.restarts() < RESTARTS_MAX
    });
    let monitor = match ctx.store.queue_pool() {
        QueuePool::Sqlite(pool) => register_all!(monitor, ctx, SqliteStorage, apalis_sqlite::Config, pool),
        QueuePool::Postgres(pool) => {
            register_all!(monitor, ctx, PostgresStorage, apalis_postgres::Config, pool)
        }
    };
    let stopping = ctx.clone();
    let signal = async move {
        stop.await;
        stopping.stop();
        Ok(())
    };
    let presence = recover::present(ctx).await?;
    let _requests = AbortOnDrop::spawn(requests::keep(ctx.clone()));
    tokio::select! {
        worked = monitor.run_with_signal(signal) => worked.map_err(|e| anyhow::anyhow!("the workers ended: {e}")),
        never = recover::tend(ctx, presence) => match never {},
    }
}
