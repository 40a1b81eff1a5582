//! A worker of apalis on each queue, whatever the database.

use crate::runtime::outcome::Wakes;
use crate::runtime::process::Process;
use crate::runtime::slice_job::{self, SliceJob};
use crate::tick;
use apalis::prelude::{BackendExt, Monitor, Strategy, WorkerBuilder, WorkerBuilderExt};
use apalis_postgres::PostgresStorage;
use apalis_sqlite::SqliteStorage;
use domain::task::{SliceTask, TickTask};
use operations::context::Context;
use std::time::Duration;

/// How often a queue is looked at when nobody rings: tasks of other processes and due times.
const POLL: Duration = Duration::from_millis(500);

/// Takes the jobs of the registry, one after another.
pub(crate) trait Queues: Sized {
    /// A job on the slices of its step.
    fn slices<J: SliceJob>(self) -> Self;
    /// What the timetable asks for.
    fn ticks(self) -> Self;
}

/// Workers of a database, as they are registered.
pub(crate) struct Workers<'a, Pool> {
    pub monitor: Monitor,
    pub ctx: &'a Context,
    pub process: &'a Process,
    pub pool: Pool,
    /// Distinguishes them from those that this process had before: apalis refuses a name that it has seen alive.
    pub round: u32,
}

/// Registers a worker: the storages of the two databases have no trait in common that says all this.
macro_rules! worker {
    ($workers:ident, $storage:ty, $config:ty, $queue:expr, $at_once:expr, $handler:expr) => {{
        let (ctx, process) = ($workers.ctx.clone(), $workers.process.clone());
        let (pool, round) = ($workers.pool.clone(), $workers.round);
        let monitor = $workers.monitor.register(move |restarts| {
            let config = <$config>::default().queue($queue).batch_size(1);
            let wakes = Wakes(Strategy::new().stream(ctx.bell()).interval(POLL));
            let backend = <$storage>::new(&pool).with_config(config).poll_with_strategy(wakes);
            WorkerBuilder::new(format!("{}/{}/{round}.{restarts}", ctx.worker, $queue))
                .backend(backend)
                .concurrency($at_once)
                .catch_panic()
                .data(ctx.clone())
                .data(process.clone())
                .build($handler)
        });
        Self { monitor, ..$workers }
    }};
}

macro_rules! workers_on {
    ($pool:ty, $storage:ident, $config:ty) => {
        impl Queues for Workers<'_, $pool> {
            fn slices<J: SliceJob>(self) -> Self {
                worker!(
                    self,
                    $storage::<SliceTask>,
                    $config,
                    J::STEP.queue(),
                    J::AT_ONCE,
                    slice_job::handle::<J>
                )
            }

            fn ticks(self) -> Self {
                worker!(self, $storage::<TickTask>, $config, TickTask::QUEUE, tick::AT_ONCE, tick::handle)
            }
        }
    };
}

workers_on!(apalis_sqlite::SqlitePool, SqliteStorage, apalis_sqlite::Config);
workers_on!(apalis_postgres::PgPool, PostgresStorage, apalis_postgres::Config);
