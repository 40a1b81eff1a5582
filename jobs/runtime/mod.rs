//! What knows apalis: queues, slices, claims, takeover and the timetable.

pub mod outcome;
pub mod process;
pub mod queues;
pub mod recover;
pub mod schedule;
pub mod slice;
pub mod slice_job;
pub mod ticket;
