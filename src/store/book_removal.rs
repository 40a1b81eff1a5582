//! Taking an object out of the book: only what nothing uses, and nothing was ever billed of.

use crate::book_object::{self, Writer};
use crate::tx::{Tx, on};
use crate::{book, catalogue};
use domain::book_file::{ObjectKind, moves_prices, named_by};
use domain::ids::{CustomerId, DiscountId, PlanId, SubscriptionId};
use domain::subscription::Verb;

/// What uses an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InUse {
    /// In words: "the customer CU-1 has it".
    pub by: String,
}

/// What uses the object, if anything does. Nobody else can change the book until the transaction ends.
pub async fn in_use(tx: &mut Tx, kind: ObjectKind, key: &str) -> anyhow::Result<Option<InUse>> {
    catalogue::lock(tx).await?;
    let by = match kind {
        ObjectKind::Tenant => Some("it is who sells".to_owned()),
        ObjectKind::Customer => of_customer(tx, key).await?,
        ObjectKind::Subscription => of_subscription(tx, key).await?,
        ObjectKind::BusinessUnit => of_unit(tx, key).await?,
        other => of_catalogue(tx, other, key).await?,
    };
    Ok(by.map(|by| InUse { by }))
}

/// One value of the first row, if there is one.
macro_rules! first {
    ($tx:expr, $sql:expr, $($value:expr),+) => {{
        let found: Option<String> =
            on!($tx, c => sqlx::query_scalar($sql)$(.bind($value))+.fetch_optional(c).await?);
        found
    }};
}

async fn of_customer(tx: &mut Tx, account: &str) -> anyhow::Result<Option<String>> {
    let id = CustomerId::of(account).0;
    let subscription = "select number from subscription where customer = $1 order by number limit 1";
    if let Some(number) = first!(tx, subscription, id) {
        return Ok(Some(format!("it has the subscription {number}")));
    }
    let below = "select account_number from customer where parent = $1 order by account_number limit 1";
    if let Some(account) = first!(tx, below, id) {
        return Ok(Some(format!("the customer {account} is below it")));
    }
    let invoice = "select number from invoice where payer = $1 limit 1";
    if let Some(number) = first!(tx, invoice, id) {
        return Ok(Some(format!("it was billed with {number}")));
    }
    let looked_at: Option<i64> = on!(tx, c => sqlx::query_scalar(
        "select ordinal
         from run
         where id in (select run from run_item where payer = $1)
         order by ordinal
         limit 1")
        .bind(id)
        .fetch_optional(c)
        .await?);
    if let Some(run) = looked_at {
        return Ok(Some(format!("run {run} has looked at it")));
    }
    let erased = "select account_number from erasure where customer = $1";
    if first!(tx, erased, id).is_some() {
        return Ok(Some("it is kept that it was erased".to_owned()));
    }
    let drafts: i64 = on!(tx, c => sqlx::query_scalar("select count(*) from draft where payer = $1")
        .bind(id)
        .fetch_one(c)
        .await?);
    Ok((drafts > 0).then(|| "a draft was made for it".to_owned()))
}

async fn of_subscription(tx: &mut Tx, number: &str) -> anyhow::Result<Option<String>> {
    let Some(subscription) = book::subscription(tx, number).await? else { return Ok(None) };
    let is_draft = subscription.activated.is_none()
        && !subscription.acts.iter().any(|act| matches!(act.verb, Verb::Activate));
    if !is_draft {
        return Ok(Some("it was activated".to_owned()));
    }
    let billed: i64 = on!(tx, c => sqlx::query_scalar("select count(*) from billed_line where subscription = $1")
        .bind(subscription.id.0)
        .fetch_one(c)
        .await?);
    Ok((billed > 0).then(|| "it was billed".to_owned()))
}

async fn of_unit(tx: &mut Tx, refkey: &str) -> anyhow::Result<Option<String>> {
    let customer =
        "select account_number from customer where business_unit = $1 order by account_number limit 1";
    if let Some(account) = first!(tx, customer, refkey) {
        return Ok(Some(format!("the customer {account} belongs to it")));
    }
    let subscription =
        "select number from subscription where body ->> 'business_unit' = $1 order by number limit 1";
    Ok(first!(tx, subscription, refkey).map(|number| format!("the subscription {number} belongs to it")))
}

async fn of_catalogue(tx: &mut Tx, kind: ObjectKind, key: &str) -> anyhow::Result<Option<String>> {
    let Some(stored) = catalogue::load(tx).await? else { return Ok(None) };
    let by_book = match kind {
        ObjectKind::ProductPlan => {
            let on_it = crate::load::subscriptions_with(tx, &[PlanId::of(key)].into()).await?;
            on_it.first().map(|s| format!("the subscription {} has or had it", s.number))
        }
        ObjectKind::Discount => {
            let id = DiscountId::of(key).0;
            let code = "select code from discount_redemption where discount = $1 order by code limit 1";
            first!(tx, code, id).map(|code| format!("the code {code} was applied"))
        }
        _ => None,
    };
    Ok(by_book.or_else(|| named_by(&stored, kind, key)))
}

/// Takes the object away; nothing uses it. Its document stays, and its name stays taken.
pub async fn remove(tx: &mut Tx, kind: ObjectKind, key: &str, writer: &Writer<'_>) -> anyhow::Result<()> {
    match kind {
        ObjectKind::Customer => remove_customer(tx, CustomerId::of(key)).await?,
        ObjectKind::Subscription => remove_subscription(tx, SubscriptionId::of(key)).await?,
        other => catalogue::remove(tx, other, key).await?,
    }
    if moves_prices(kind) {
        catalogue::raise(tx).await?;
    }
    book_object::mark_deleted(tx, kind, key, writer).await
}

async fn remove_customer(tx: &mut Tx, customer: CustomerId) -> anyhow::Result<()> {
    let payers = book::roots_of(tx, &[customer]).await?;
    book::raise(tx, payers).await?;
    for sql in ["delete from discount_redemption where customer = $1", "delete from customer where id = $1"] {
        on!(tx, c => sqlx::query(sql).bind(customer.0).execute(c).await.map(drop))?;
    }
    Ok(())
}

async fn remove_subscription(tx: &mut Tx, subscription: SubscriptionId) -> anyhow::Result<()> {
    for sql in [
        "delete from discount_redemption
         where holder = $1
            or holder in (select reference from subscription_charge where subscription = $1)",
        "delete from subscription_charge where subscription = $1",
        "delete from subscription where id = $1",
    ] {
        on!(tx, c => sqlx::query(sql).bind(subscription.0).execute(c).await.map(drop))?;
    }
    Ok(())
}
