//! Subscriptions by number.

use crate::context::{Context, catalogue};
use crate::refusal::{Stop, unknown_customer};
use crate::subscriptions::view::SubscriptionHead;
use chrono::NaiveDate;
use domain::customer::Customer;
use domain::ids::CustomerId;
use domain::subscription::State;
use std::collections::BTreeMap;
use store::book;

/// Which subscriptions; every field narrows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Account number of the owner.
    pub customer: Option<String>,
    pub state: Option<State>,
}

/// Lists them as they stand on a day.
pub async fn list(ctx: &Context, filter: &Filter, day: NaiveDate) -> Result<Vec<SubscriptionHead>, Stop> {
    let mut tx = ctx.store.read().await?;
    let catalogue = catalogue(&mut tx).await?;
    let customer = match &filter.customer {
        None => None,
        Some(account) => {
            Some(book::customer(&mut tx, account).await?.ok_or_else(|| unknown_customer(account))?.id)
        }
    };
    let mut found = book::subscriptions(&mut tx, customer).await?;
    found.retain(|s| filter.state.is_none_or(|state| state == State::on(s, day)));
    let owners: Vec<CustomerId> = found.iter().map(|s| s.customer).collect();
    let owners: BTreeMap<CustomerId, Customer> = book::customers(&mut tx, &owners).await?;
    let heads = found.iter().map(|s| {
        let account = owners.get(&s.customer).map_or("", |owner| owner.account_number.as_str());
        SubscriptionHead::of(s, account, &catalogue, day)
    });
    Ok(heads.collect())
}
