//! Events that providers send of their own accord.

use domain::ids::AttemptId;

/// An event that is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// By which a repeat is known.
    pub id: String,
    /// For example `payment_intent.succeeded`.
    pub kind: String,
    /// The attempt that it is about; none if it is about something that is not ours.
    pub attempt: Option<AttemptId>,
}

/// Why an event is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventFault {
    #[error("no secret to check signed events with is set")]
    NotSetUp,
    #[error("the header with the signature is none: {0}")]
    Header(String),
    #[error("no signature of the event is right")]
    Forged,
    #[error("the event was signed {0} seconds ago")]
    Old(i64),
    #[error("the event cannot be read: {0}")]
    Unreadable(String),
}
