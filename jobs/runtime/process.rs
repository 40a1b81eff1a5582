//! The state of this process's workers: nothing of it is stored, and nothing of it outlives the process.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The workers of this process; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Process(Arc<State>);

#[derive(Debug, Default)]
struct State {
    rounds: AtomicU32,
    busy: AtomicU32,
    cut_off: AtomicBool,
    stuck: Mutex<Option<String>>,
}

impl Process {
    /// A new name for workers each time they are started: apalis refuses one that it has seen alive.
    pub(crate) fn next_round(&self) -> u32 {
        self.0.rounds.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Counts a job as being worked, until the value is dropped.
    pub(crate) fn work(&self) -> AtWork {
        self.0.busy.fetch_add(1, Ordering::SeqCst);
        AtWork(self.clone())
    }

    /// Whether a job is being worked.
    pub fn is_busy(&self) -> bool {
        self.0.busy.load(Ordering::SeqCst) > 0
    }

    /// Notes an error that could not even be written down: a full disk, a database that is gone.
    pub(crate) fn note_stuck(&self, error: &str) {
        let mut stuck = self.0.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        stuck.get_or_insert_with(|| error.to_owned());
    }

    /// Takes the error that could not be written down, if there was one.
    pub fn take_stuck(&self) -> Option<String> {
        self.0.stuck.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Notes that a worker or a handler met a database that was gone: it may have left work behind that nobody is at, under
    /// the name of a process that lives.
    pub(crate) fn note_cut_off(&self) {
        self.0.cut_off.store(true, Ordering::SeqCst);
    }

    /// Takes what [`Self::note_cut_off`] noted.
    pub(crate) fn take_cut_off(&self) -> bool {
        self.0.cut_off.swap(false, Ordering::SeqCst)
    }
}

/// See [`Process::work`].
pub(crate) struct AtWork(Process);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.0.busy.fetch_sub(1, Ordering::SeqCst);
    }
}
