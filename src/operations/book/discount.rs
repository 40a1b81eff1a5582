//! Discount codes: all there are, a code for a customer, and its end.

use crate::act::Act;
use crate::context::Context;
use crate::refusal::{Stop, unknown_customer};
use crate::subscriptions::change::lock_code;
use anyhow::Context as _;
use chrono::NaiveDate;
use domain::audit::{Action, Object};
use domain::ids::{DiscountId, PlanId};
use domain::refusal::{Code, Refusal, Verb, WayOut};
use domain::subscription::{ActContext, applicable};
use serde::Serialize;
use std::collections::BTreeMap;
use store::{book, payer};
use uuid::Uuid;

/// A discount code and how often it has been applied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct CodeView {
    pub code: String,
    pub fullname: String,
    pub redeemed: u32,
}

/// Every code.
pub async fn list(ctx: &Context) -> Result<Vec<CodeView>, Stop> {
    let catalogue = ctx.catalogue().await?;
    let redeemed = book::all_redeemed(&mut ctx.store.read().await?).await?;
    let mut codes: Vec<CodeView> = Vec::new();
    for discount in catalogue.discounts.values() {
        codes.extend(discount.codes.iter().map(|code| {
            let code = code.complete();
            let redeemed = redeemed.get(&code).copied().unwrap_or_default();
            CodeView { code, fullname: discount.fullname.clone(), redeemed }
        }));
    }
    codes.sort();
    Ok(codes)
}

/// The discount of a customer from a day on.
#[derive(Debug, Clone, Serialize)]
pub struct CustomerDiscount {
    /// Account number.
    pub customer: String,
    /// None ends what is applied.
    pub code: Option<String>,
    pub on: NaiveDate,
}

/// Applies a code to a customer, or ends what is applied, on the day of the act.
pub async fn set(
    ctx: &Context,
    act: &Act,
    customer: &str,
    code: Option<&str>,
) -> Result<CustomerDiscount, Stop> {
    ctx.catalogue().await?;
    let list_codes = || WayOut::from(Verb::ListDiscounts.plain()).words(" lists codes");
    change(ctx, act, customer, code).await.map_err(|stop| stop.or(list_codes()))?;
    Ok(CustomerDiscount { customer: customer.to_owned(), code: code.map(str::to_owned), on: act.on })
}

async fn change(ctx: &Context, act: &Act, account: &str, code: Option<&str>) -> Result<(), Stop> {
    let mut tx = ctx.store.begin().await?;
    let found = book::customer(&mut tx, account).await?.ok_or_else(|| unknown_customer(account))?;
    payer::lock_of(&mut tx, found.id).await?;
    let catalogue = store::catalogue::load(&mut tx).await?.context("the book is empty")?;
    lock_code(&mut tx, &catalogue, code).await?;
    let mut customer = book::customer(&mut tx, account).await?.context("the customer is gone")?;
    match code {
        Some(code) => {
            let redeemed = book::all_redeemed(&mut tx).await?;
            let context = ActContext {
                catalogue: &catalogue,
                billed: &BTreeMap::new(),
                methods: &[],
                redeemed: &redeemed,
            };
            customer.apply_discount(applicable(&context, code, act.on, None)?);
        }
        None => customer.clear_discount(act.on)?,
    }
    book::save_customers(&mut tx, std::slice::from_ref(&customer)).await?;
    let action = if code.is_some() { Action::ApplyCustomerDiscount } else { Action::ClearCustomerDiscount };
    let detail = serde_json::json!({"on": act.on, "code": code});
    ctx.note(&mut tx, &act.actor, action, Object::Customer(account), detail).await?;
    Ok(tx.commit().await?)
}

/// Whom or what a code is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    Anybody,
    /// A subscription that has this plan.
    Plan(Uuid),
}

/// Whether a code could be applied.
#[derive(Debug, Clone)]
pub struct Eligible {
    pub discount: Option<DiscountId>,
    /// None: it could be.
    pub why_not: Option<String>,
}

/// Says whether a code could be applied on the day of the act; an unknown one is refused.
pub async fn eligible(ctx: &Context, act: &Act, code: &str, holder: Holder) -> Result<Eligible, Stop> {
    let catalogue = ctx.catalogue().await?;
    let redeemed = book::all_redeemed(&mut ctx.store.read().await?).await?;
    let context =
        ActContext { catalogue: &catalogue, billed: &BTreeMap::new(), methods: &[], redeemed: &redeemed };
    let plan = match holder {
        Holder::Anybody => None,
        Holder::Plan(id) => {
            let unknown = || Refusal::new(Code::UnknownPlan, format!("there is no plan {id}"));
            Some(catalogue.plans.get(&PlanId(id)).ok_or_else(unknown)?.sku.as_str())
        }
    };
    let of_code = catalogue.discounts.iter().find(|(_, d)| d.codes.iter().any(|own| own.complete() == code));
    match applicable(&context, code, act.on, plan) {
        Ok(applied) => Ok(Eligible { discount: Some(applied.discount), why_not: None }),
        Err(refusal) if refusal.code == Code::UnknownCode => Err(refusal.into()),
        Err(refusal) => Ok(Eligible { discount: of_code.map(|(id, _)| *id), why_not: Some(refusal.message) }),
    }
}
