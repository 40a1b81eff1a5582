//! What stands beside objects and has no list of its own: currencies, families of plans, and who has a discount.

use crate::context::Context;
use domain::Decimal;
use domain::book_file::ObjectKind;
use domain::catalogue::Catalogue;
use domain::discount::expires_on;
use domain::ids::{DiscountId, book_id, book_part, made_beside};
use domain::query::{Entity, Kind, Record, Value, property};

use store::book::{self, Holder};
use uuid::Uuid;

pub static CURRENCY: Entity = Entity {
    name: "Currency",
    properties: &[
        property("ID", Kind::Guid),
        property("CurrencyCode", Kind::Text),
        property("ExchangeRate", Kind::Exact),
        property("IsBase", Kind::Flag),
    ],
    objects: &[],
    lists: &[],
};

pub static FAMILY: Entity = Entity {
    name: "ProductFamily",
    properties: &[
        property("ID", Kind::Guid),
        property("RefKey", Kind::Text),
        property("FullName", Kind::Text),
        property("Status", Kind::Int),
    ],
    objects: &[],
    lists: &[],
};

pub static CONSUMER: Entity = Entity {
    name: "DiscountConsumer",
    properties: &[
        property("ID", Kind::Guid),
        property("DiscountID", Kind::Guid),
        property("ConsumerID", Kind::Guid),
        property("ConsumerType", Kind::Int),
        property("DiscountCode", Kind::Text),
        property("AppliedDate", Kind::Day),
        property("ExpiryDate", Kind::Day),
    ],
    objects: &[],
    lists: &[],
};

async fn catalogue(ctx: &Context) -> anyhow::Result<Option<Catalogue>> {
    store::catalogue::load(&mut ctx.store.read().await?).await
}

/// A currency of customers, with the latest rate to the base currency that is known today.
pub async fn currency(ctx: &Context, code: &str) -> anyhow::Result<Option<Record>> {
    let Some(catalogue) = catalogue(ctx).await? else { return Ok(None) };
    let today = ctx.today_of(&catalogue);
    let is_base = catalogue.tenant.currency.code() == code;
    let known = catalogue.rates.iter().filter(|rate| rate.currency.code() == code && rate.date <= today);
    let rate = if is_base { Some(Decimal::ONE) } else { known.max_by_key(|rate| rate.date).map(|r| r.rate) };
    let values = vec![
        Value::Guid(book_part("currency", code)),
        code.into(),
        rate.map_or(Value::Null, |rate| Value::Exact(rate.normalize())),
        Value::Flag(is_base),
    ];
    Ok(Some(Record { values, ..Record::default() }))
}

/// The family of plans of this id.
pub async fn family(ctx: &Context, id: Uuid) -> anyhow::Result<Option<Record>> {
    let Some(catalogue) = catalogue(ctx).await? else { return Ok(None) };
    let found = catalogue.families.values().find(|one| book_id(ObjectKind::ProductFamily, &one.refkey) == id);
    Ok(found.map(|family| {
        let status = if family.active { 1 } else { 7 };
        let values = vec![
            Value::Guid(id),
            family.refkey.as_str().into(),
            family.fullname.as_str().into(),
            Value::Int(status),
        ];
        Record { values, ..Record::default() }
    }))
}

/// Whoever has had a discount, as it was applied.
pub async fn consumers(ctx: &Context, discount: Uuid, most: usize) -> anyhow::Result<Vec<Record>> {
    let mut tx = ctx.store.read().await?;
    let Some(catalogue) = store::catalogue::load(&mut tx).await? else { return Ok(Vec::new()) };
    let expiry = catalogue.discounts.get(&DiscountId(discount)).and_then(|discount| discount.expiry);
    let applied = book::holders(&mut tx, DiscountId(discount), i64::try_from(most)?).await?;
    let one = |applied: book::Applied| {
        let name = format!("{}\u{1f}{}\u{1f}{}", applied.holder, applied.code, applied.on);
        let kind = match applied.kind {
            Holder::Customer => 0,
            Holder::Subscription => 1,
            Holder::Charge => 2,
        };
        let values = vec![
            Value::Guid(made_beside(discount, "consumer", &name)),
            Value::Guid(discount),
            Value::Guid(applied.holder),
            Value::Int(kind),
            applied.code.as_str().into(),
            Value::Day(applied.on),
            expires_on(applied.on, expiry).map_or(Value::Null, Value::Day),
        ];
        Record { values, ..Record::default() }
    };
    Ok(applied.into_iter().map(one).collect())
}
