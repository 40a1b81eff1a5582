//! Subscriptions: one verb at a time, done or only shown.

pub mod change;
pub mod preview;
