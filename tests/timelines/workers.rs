//! A worker of the home: what is asked of runs is handed to it, and on its timetable it works the night.

use super::processes::{HANGS, pause, signal};
use super::world::World;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Instant;

/// A worker at work; killed with the value.
pub struct Worker {
    process: Child,
    says: PathBuf,
    /// The effect at which it dies, if it comes so far.
    dies_at: Option<u64>,
}

/// Jobs of the timetable; the daily dunning run is taken by hand, so that its place among the others is known.
const JOBS: [&str; 7] =
    ["NIGHTLY_RUN", "INGEST_INBOX", "RETRY_MAILS", "RETRY_PAYMENTS", "EXPORT_LEDGER", "UPKEEP", "BACKUP"];

/// Whether it keeps the timetable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    Nothing,
    Timetable,
}

impl Worker {
    /// Starts one and waits until it has the home, or is dead.
    pub fn start(world: &mut World, keeps: Keeps, dies_at: Option<u64>) -> Self {
        let says = PathBuf::from(world.file("worker.log", ""));
        let mut command = world.command(&["worker".to_owned()]);
        for job in JOBS {
            if keeps == Keeps::Nothing || job == "RETRY_PAYMENTS" {
                command.env(format!("TALLYBOOK_JOBS_{job}"), "off");
            }
        }
        if keeps == Keeps::Timetable {
            command.env("TALLYBOOK_JOBS_BACKUP", "30 5 * * *").env("TALLYBOOK_BACKUP_KEEP", "2");
        }
        command.env("TALLYBOOK_INBOX_STILL_S", "0").env("TALLYBOOK_LOG", "info");
        if let Some(place) = dies_at {
            command.env("TALLYBOOK_CRASH_AT", place.to_string());
        }
        let log = File::create(&says).unwrap();
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut worker = Self { process, says, dies_at };
        let since = Instant::now();
        while !worker.said().contains("worker started") && !worker.has_died() {
            assert!(since.elapsed() < HANGS, "the worker does not begin: {}", worker.said());
            pause(20);
        }
        worker
    }

    /// Everything it has said.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.says).unwrap_or_default()
    }

    /// Whether it may die.
    pub fn is_mortal(&self) -> bool {
        self.dies_at.is_some()
    }

    /// Whether it has come to the effect at which it dies; it must not end otherwise.
    pub fn has_died(&mut self) -> bool {
        let over = self.process.try_wait().unwrap();
        assert!(over.is_none() || self.is_mortal(), "the worker has ended: {}", self.said());
        over.is_some()
    }

    /// Ends it as a service manager does; it must end well, unless it was to die. Whether it has died.
    pub fn stop(mut self) -> bool {
        signal(&self.process, "TERM");
        let since = Instant::now();
        while self.process.try_wait().unwrap().is_none() {
            assert!(since.elapsed() < HANGS, "the worker does not end: {}", self.said());
            pause(20);
        }
        let status = self.process.wait().unwrap();
        assert!(status.success() || self.is_mortal(), "{status}: {}", self.said());
        !status.success()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
