//! A payer's own data: out as one document, and erased as far as bookkeeping law allows.

pub mod erase;
pub mod export;
mod rejects;

use crate::refusal::Stop;
use domain::customer::Customer;
use domain::refusal::{Code, Refusal, Verb};
use domain::subscription::Subscription;
use store::{Tx, book};

/// A customer and what hangs on it.
struct Person {
    customer: Customer,
    subscriptions: Vec<Subscription>,
}

impl Person {
    async fn find(tx: &mut Tx, account: &str) -> Result<Self, Stop> {
        let Some(customer) = book::customer(tx, account).await? else {
            let refusal = Refusal::new(Code::UnknownCustomer, format!("there is no customer `{account}`"));
            return Err(refusal.ask(Verb::ListSubscriptions.plain()).hint(" lists account numbers").into());
        };
        let subscriptions = book::subscriptions(tx, Some(customer.id)).await?;
        Ok(Self { customer, subscriptions })
    }

    fn numbers(&self) -> Vec<String> {
        self.subscriptions.iter().map(|s| s.number.clone()).collect()
    }
}
