//! What the product does, one file per job, in the order of the flow:
//!
//! `rate_usage` → `draft_invoices` → (barrier) → `book_invoices` → `render_invoices` → `send_invoices` →
//! `collect_payments` → `seal_ledger` → `close_run`; and from the timetable `tick`.
//!
//! What comes after what stands in `operations::runs::flow`. This file is the registry: each job on its queue, nothing else.

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

use apalis::prelude::Monitor;
use operations::context::Context;
use operations::runs::requests;
use runtime::process::Process;
use runtime::queues::{Queues, Workers};
use runtime::recover;
use std::time::Duration;
use store::QueuePool;

/// The jobs, in the order of a run.
fn all<Q: Queues>(queues: Q) -> Q {
    queues
        .slices::<rate_usage::RateUsage>()
        .slices::<draft_invoices::DraftInvoices>()
        .slices::<book_invoices::BookInvoices>()
        .slices::<render_invoices::RenderInvoices>()
        .slices::<send_invoices::SendInvoices>()
        .slices::<collect_payments::CollectPayments>()
        .slices::<seal_ledger::SealLedger>()
        .slices::<close_run::CloseRun>()
        .ticks()
}

/// Slices of one job that a process works on at once: each computes on all threads, so that one reads, one computes and
/// one writes. The rest stays in the queue, for other workers, and out of memory.
const SLICES_AT_ONCE: usize = 3;
/// As [`SLICES_AT_ONCE`], of jobs that wait for somebody else's server most of the time.
const CALLS_AT_ONCE: usize = 16;

/// What is being worked on ends within this time once it is asked to; after that it is left, and its epoch passes.
const STOP_WITHIN: Duration = Duration::from_secs(20);
/// A worker that lost its database comes back, this often at most: a disk may be full for a night.
const RESTARTS_MAX: usize = 1_000_000;
/// From then on it comes back after a pause, and a command that waits for a run is told that it stands still.
const RESTARTS_AT_ONCE: usize = 20;
const RESTART_PAUSE: Duration = Duration::from_millis(200);

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
    process: &Process,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let (restarting, workers) = (ctx.clone(), process.clone());
    let monitor = Monitor::new().shutdown_timeout(STOP_WITHIN).should_restart(move |worker, error| {
        workers.note_cut_off();
        // Its queue may be gone for good, and nobody waits for it any more.
        if restarting.is_stopping() {
            return false;
        }
        tracing::warn!(
            worker = worker.name(),
            error = error.to_string(),
            "worker lost its queue and comes back"
        );
        if worker.restarts() >= RESTARTS_AT_ONCE {
            // No job comes so far as to meet the fault itself: the queue cannot be written to.
            workers.note_stuck(&error.to_string());
            tokio::task::block_in_place(|| std::thread::sleep(RESTART_PAUSE));
        }
        worker.restarts() < RESTARTS_MAX
    });
    let round = process.next_round();
    let monitor = match ctx.store.queue_pool() {
        QueuePool::Sqlite(pool) => all(Workers { monitor, ctx, process, pool, round }).monitor,
        QueuePool::Postgres(pool) => all(Workers { monitor, ctx, process, pool, round }).monitor,
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
        never = recover::tend(ctx, process, presence) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::task::TickTask;
    use runtime::slice_job::SliceJob;

    struct Names(Vec<&'static str>);

    impl Queues for Names {
        fn slices<J: SliceJob>(mut self) -> Self {
            self.0.push(J::STEP.queue());
            self
        }

        fn ticks(mut self) -> Self {
            self.0.push(TickTask::QUEUE);
            self
        }
    }

    #[test]
    fn every_queue_has_its_job_in_the_order_of_a_run() {
        assert_eq!(all(Names(Vec::new())).0, domain::task::queues().collect::<Vec<_>>());
    }
}
