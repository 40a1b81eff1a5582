//! One subscription: state, charges, and what was done to it.

use crate::context::Context;
use crate::refusal::Stop;
use crate::subscriptions::view::{self, SubscriptionView};
use chrono::NaiveDate;

/// The subscription of this number as it stands on a day.
pub async fn show(ctx: &Context, number: &str, day: NaiveDate) -> Result<SubscriptionView, Stop> {
    let mut tx = ctx.store.read().await?;
    let found = view::find(&mut tx, number).await?;
    SubscriptionView::of(&mut tx, &found, day).await
}
