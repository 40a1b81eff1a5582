//! Zuplo's metering: buckets of plans that carry quotas, and of subscriptions to them. What a plan's external id names in
//! the book is billed by it; everything else is a quota and no more.

mod buckets;
mod change;
mod consume;
mod create;
mod find;
mod plans;
mod show;
mod used;

pub use buckets::{BucketView, add as add_bucket, all as buckets, delete as delete_bucket, one as bucket};
pub use change::{Changes, change, delete};
pub use consume::{Consumed, Consumption, Meter, Window, Windows, consume, windows};
pub use create::{NewSubscription, create};
pub use plans::{
    MeterView, PlanChanges, PlanView, add as add_plan, all as plans, change as change_plan,
    delete as delete_plan, meters, one as plan,
};
pub use show::{
    QuotaView, SubscriptionFilter, SubscriptionView, all as subscriptions, one as subscription, quotas,
};

use uuid::Uuid;

/// An id with its prefix: 24 letters and digits.
fn id(prefix: &str) -> String {
    let drawn = Uuid::new_v4().simple().to_string();
    format!("{prefix}{}", &drawn[..24])
}
