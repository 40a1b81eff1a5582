//! Metering: usage files in, measured quantities out. The only crate that names polars.
//!
//! - [`open`] and [`intake`]: a CSV, NDJSON or Parquet file becomes accepted events in *segments* (Parquet), entries of
//!   the *key index*, and a reject file. Nothing is committed here: [`Staged`] says what a commit must name.
//! - [`measure`]: one scan over the segments gives the quantity of every window that a run bills, and what became of
//!   every event ([`domain::measure::fold`] is the definition; a property test keeps the two equal).
//! - [`find_events`] and [`late_hints`]: from a window back to file lines, and which windows an import made late.
//!
//! Everything is synchronous and uses a few threads of its own; callers are on blocking threads. polars' own pool is
//! sized by the environment variable `POLARS_MAX_THREADS`, else by the cores of the machine.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod files;
mod intake;
mod keys;
mod measure;

mod segment;
mod sound;
#[cfg(test)]
mod speed;

pub use intake::rejects::{blank_rejects, reject_name};
pub use intake::{
    Billed, Compression, DEFAULT_SOURCE, InputFile, IntakeContext, IntakeError, LiveIntake, LiveUsage,
    OutDirs, Progress, RejectFile, Staged, Subjects, Target, holds_any, intake, open, open_or_copy,
    open_waiting,
};
pub use keys::{KeyRunFile, merge as merge_key_runs};
pub use measure::{
    Chains, EventFilter, EventStatus, FoundEvent, LateHint, ListedEvent, MeasureRequest, Newer, Numbers,
    UsageMeasured, find_events, late_hints, measure, visit_events,
};
pub use segment::{BundleFile, SegmentBounds, SegmentFile, SegmentRef, bundle};
pub use sound::{file_hash, insist, look_anew};
