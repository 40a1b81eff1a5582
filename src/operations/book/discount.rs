//! A discount code for a customer, and its end.

use crate::context::Context;
use crate::subscriptions::change::lock_code;
use anyhow::Context as _;
use chrono::NaiveDate;
use domain::journal::{Action, Object};
use domain::refusal::{Code, Refusal, Verb};
use domain::subscription::{ActContext, applicable};
use std::collections::BTreeMap;
use store::{book, payer};

/// Applies a code to a customer, or ends what is applied.
pub async fn customer_discount(
    ctx: &Context,
    account: &str,
    code: Option<&str>,
    on: NaiveDate,
    actor: &str,
) -> anyhow::Result<Result<(), Refusal>> {
    let mut tx = ctx.store.begin().await?;
    let Some(found) = book::customer(&mut tx, account).await? else {
        let refusal = Refusal::new(Code::UnknownCustomer, format!("there is no customer `{account}`"));
        return Ok(Err(refusal.ask(Verb::ListSubscriptions.plain()).hint(" lists account numbers")));
    };
    payer::lock_of(&mut tx, found.id).await?;
    let catalogue = store::catalogue::load(&mut tx).await?.context("the book is empty")?;
    lock_code(&mut tx, &catalogue, code).await?;
    let mut customer = book::customer(&mut tx, account).await?.context("the customer is gone")?;
    let outcome = match code {
        Some(code) => {
            let redeemed = book::all_redeemed(&mut tx).await?;
            let context = ActContext {
                catalogue: &catalogue,
                billed: &BTreeMap::new(),
                methods: &[],
                redeemed: &redeemed,
            };
            applicable(&context, code, on, None).map(|discount| customer.apply_discount(discount))
        }
        None => customer.clear_discount(on),
    };
    if let Err(refusal) = outcome {
        return Ok(Err(refusal));
    }
    book::save_customers(&mut tx, std::slice::from_ref(&customer)).await?;
    let action = if code.is_some() { Action::ApplyCustomerDiscount } else { Action::ClearCustomerDiscount };
    let detail = serde_json::json!({"on": on, "code": code});
    ctx.note(&mut tx, actor, action, Object::Customer(account), detail).await?;
    tx.commit().await?;
    Ok(Ok(()))
}
