//! What knows apalis: queues, slices, claims, takeover and the timetable.

pub mod outcome;
pub mod recover;
pub mod schedule;
pub mod slice;
pub mod ticket;
