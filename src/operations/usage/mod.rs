//! Usage: files in, measuring, compaction.

pub mod bring_in;
pub mod compact;
pub mod import_lock;
pub mod inbox;
pub mod ingest;
pub mod keys;
pub mod live;
pub mod measure;
pub mod refused;
pub mod waiting;
