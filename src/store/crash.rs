//! Crash points for the crash tests: the durable doors call [`point`] before and after their effect.
//!
//! Without the feature `crash-points` a point is nothing. With it, `TALLYBOOK_CRASH_AT=n` aborts the process at
//! the n-th point reached, `TALLYBOOK_CRASH_COUNT=FILE` keeps the number of points reached so far in a file, and
//! `TALLYBOOK_FREEZE_AT=DOOR` stops the process (SIGSTOP) the first time it comes to that door (or one whose name begins so), until somebody wakes it.

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
    if std::env::var("TALLYBOOK_FREEZE_AT").is_ok_and(|at| door.starts_with(&at)) {
        freeze();
    }
    let die_at = std::env::var("TALLYBOOK_CRASH_AT").ok().and_then(|n| n.parse::<u64>().ok());
    if die_at == Some(hit) {
        tracing::error!(door, hit, "crash point reached");
        std::process::abort();
    }
}

/// Stops this process once; it goes on here when it is woken.
#[cfg(feature = "crash-points")]
fn freeze() {
    static FROZEN: std::sync::Once = std::sync::Once::new();
    FROZEN.call_once(|| {
        let pid = std::process::id().to_string();
        let stopped = std::process::Command::new("kill").args(["-STOP", &pid]).status();
        assert!(stopped.is_ok_and(|s| s.success()), "the process could not be stopped");
    });
}
