//! All payers with what is open, by account number.

use crate::context::Context;
use crate::delivery::open;
use crate::payers::view::{PayerView, undelivered};
use crate::refusal::Stop;
use chrono::NaiveDate;
use domain::ids::CustomerId;
use std::collections::BTreeMap;
use store::balance::{self, Balance};

/// Customers read together.
const PAGE: u32 = 1_000;

/// Which payers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayerSelection {
    All,
    /// Those who owe something or are owed something.
    Owing,
}

/// Lists them; the day decides what is overdue.
pub async fn list(ctx: &Context, which: PayerSelection, as_of: NaiveDate) -> Result<Vec<PayerView>, Stop> {
    ctx.catalogue().await?;
    let mut undelivered = undelivered(&open::list(ctx, &open::Filter::default()).await?);
    let mut tx = ctx.store.read().await?;
    let mut balances: BTreeMap<CustomerId, Vec<Balance>> = BTreeMap::new();
    for balance in balance::balances(&mut tx, None, as_of).await? {
        balances.entry(balance.payer).or_default().push(balance);
    }
    let mut payers: Vec<PayerView> = Vec::new();
    let mut last: Option<String> = None;
    loop {
        let page = balance::payers_after(&mut tx, last.as_deref(), PAGE).await?;
        let Some(end) = page.last() else { break };
        last = Some(end.account_number.clone());
        payers.extend(page.iter().map(|customer| {
            let own = balances.remove(&customer.id).unwrap_or_default();
            PayerView::of(customer, own, undelivered.remove(&customer.account_number).unwrap_or(0))
        }));
    }
    payers.retain(|payer| which == PayerSelection::All || !payer.balances.is_empty());
    Ok(payers)
}
