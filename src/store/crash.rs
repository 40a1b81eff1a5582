//! Crash points for the crash tests: the durable doors call [`point`] before and after their effect.
//!
//! Without the feature `crash-points` a point is nothing. With it, `TALLYBOOK_CRASH_AT=n` aborts the process at
//! the n-th point reached, and `TALLYBOOK_CRASH_COUNT=FILE` keeps the number of points reached so far in a file.

/// A place where a process may die. `door` names the effect: `store.commit`, `files.put`, `gateway.call`, `mail.send`.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub fn point(_door: &'static str) {}

/// A place where a process may die. `door` names the effect: `store.commit`, `files.put`, `gateway.call`, `mail.send`.
#[cfg(feature = "crash-points")]
pub fn point(door: &'static str) {
    use std::sync::atomic::{AtomicU64, Ordering};
    static HITS: AtomicU64 = AtomicU64::new(0);

    let hit = HITS.fetch_add(1, Ordering::SeqCst) + 1;
    if let Some(file) = std::env::var_os("TALLYBOOK_CRASH_COUNT") {
        let written = std::fs::write(file, format!("{hit}\n"));
        assert!(written.is_ok(), "the crash count could not be written: {written:?}");
    }
    let die_at = std::env::var("TALLYBOOK_CRASH_AT").ok().and_then(|n| n.parse::<u64>().ok());
    if die_at == Some(hit) {
        tracing::error!(door, hit, "crash point reached");
        std::process::abort();
    }
}
