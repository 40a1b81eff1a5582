//! A payer's own data: out as one document, and erased as far as bookkeeping law allows.

pub mod erase;
pub mod export;
mod rejects;

use crate::refusal::{Stop, unknown_customer};
use domain::customer::Customer;
use domain::subscription::Subscription;
use store::{Tx, book};

/// A customer and what hangs on it.
struct Person {
    customer: Customer,
    subscriptions: Vec<Subscription>,
}

impl Person {
    async fn find(tx: &mut Tx, account: &str) -> Result<Self, Stop> {
        let customer = book::customer(tx, account).await?.ok_or_else(|| unknown_customer(account))?;
        let subscriptions = book::subscriptions(tx, Some(customer.id)).await?;
        Ok(Self { customer, subscriptions })
    }

    fn numbers(&self) -> Vec<String> {
        self.subscriptions.iter().map(|s| s.number.clone()).collect()
    }
}
