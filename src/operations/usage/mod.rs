//! Usage: files in, measuring, compaction.

pub mod bring_in;
pub mod compact;
pub mod import_lock;
mod import_rows;
pub mod inbox;
pub mod ingest;
pub mod keys;
pub mod list;
pub mod live;
pub mod measure;
pub mod missing;
pub mod open_rejects;
pub mod refused;
mod reject_name;
mod snapshot;
pub mod stream;
pub mod waiting;
mod waiting_line;
