//! Endpoints of others that are told what has changed: who they are, what they were told, and the telling itself. What is
//! told is written in the transaction of the change, below every operation (`store::outbox`).

mod deliver;
mod endpoints;

use chrono::Duration;

pub use store::outbox::State;

pub use deliver::{deliver_due, keep};
pub use endpoints::{
    Changes, DeliveryView, EndpointView, NewEndpoint, Secret, add, change, deliveries, list, one, ping,
    remove, replay,
};

/// What was told is kept so long; `upkeep` deletes what is older.
pub const KEPT: Duration = Duration::days(30);
