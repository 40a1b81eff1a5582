//! The only file that knows how apalis treats results.
//!
//! apalis fetches a task that failed again at once, up to 25 times in a few milliseconds, and its "retry after"
//! leaves a task locked for ever. So a job answers one of two things: done, or never; what may pass by itself is
//! tried again here, with growing pauses, before the answer is given.

use crate::runtime::process::Process;
use apalis_core::backend::ext::poll_strategy::{PollSnapshot, PollStrategy};
use apalis_core::error::{AbortError, BoxDynError};
use operations::context::Context;
use std::pin::Pin;
use std::task::{self, Poll};
use std::time::Duration;

/// Rings and intervals that wake a queue, whichever comes first.
///
/// apalis asks its strategies one after the other and stops at the first that is ready, so that none of them is left
/// registered to wake the queue again: it then slept until its heartbeat, 30 seconds later. Here they are asked until
/// all of them wait.
pub struct Wakes<S>(pub S);

/// Strategies that are ready at once, at most.
const READY_MAX: usize = 16;

impl<S: PollStrategy> PollStrategy for Wakes<S> {
    fn poll_drive(&mut self, cx: &mut task::Context<'_>, snapshot: &PollSnapshot) -> Poll<Option<()>> {
        let mut rang = false;
        for _ in 0..READY_MAX {
            match self.0.poll_drive(cx, snapshot) {
                Poll::Ready(_) => rang = true,
                Poll::Pending if rang => break,
                Poll::Pending => return Poll::Pending,
            }
        }
        // Look once more: an answer that comes in now was asked for before it rang.
        cx.waker().wake_by_ref();
        Poll::Ready(Some(()))
    }

    fn on_poll(&mut self, snapshot: &PollSnapshot) {
        self.0.on_poll(snapshot);
    }
}

/// Pauses between tries of a job that met an unexpected error.
const PAUSES_MS: [u64; 5] = [50, 200, 800, 2_000, 5_000];

/// A job's work, on any thread.
pub type Work = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

/// Runs a job until it is done or its tries are used up; then the task ends as killed, with the error's text.
pub async fn settle(
    ctx: &Context,
    process: &Process,
    job: &'static str,
    work: impl Fn() -> Work,
) -> Result<(), BoxDynError> {
    let _at_work = process.work();
    let mut tries = 0;
    loop {
        // On a task of its own: apalis calls handlers inside the worker's poll, which must not be kept waiting.
        let error = match tokio::spawn(work()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(died) => anyhow::anyhow!("the job broke an invariant: {died}"),
        };
        if ctx.is_stopping() {
            tracing::info!(job, reason = format!("{error:#}"), "job stopped; the next worker goes on");
            return Err(AbortError::new(format!("{error:#}")).into());
        }
        if tries == PAUSES_MS.len() || !store::is_transient(&error) {
            tracing::error!(job, error = format!("{error:#}"), "job ended with an error");
            return Err(AbortError::new(format!("{error:#}")).into());
        }
        tracing::warn!(job, tries, error = format!("{error:#}"), "job will be tried again");
        tokio::time::sleep(Duration::from_millis(PAUSES_MS[tries])).await;
        tries += 1;
    }
}
