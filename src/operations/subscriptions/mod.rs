//! Subscriptions: one verb at a time, done or only shown.

pub mod bulk;
pub mod change;
pub mod list;
pub mod preview;
pub mod show;
mod told;
pub mod view;
