//! The reduced records that plain pages of customers and subscriptions show, as Upodi's lists do. Queries and single objects
//! have all of them.

use super::subscriptions;
use crate::context::{Context, catalogue};
use chrono::{DateTime, Utc};
use domain::query::{Entity, Kind, Record, Value, property};
use store::Tx;
use store::listed::{self, CustomerPart, Row};
use uuid::Uuid;

pub static CUSTOMER: Entity = Entity {
    name: "CustomerRow",
    properties: &[
        property("ID", Kind::Guid),
        property("CompanyName", Kind::Text),
        property("AccountNumber", Kind::Text),
        property("CurrencyCode", Kind::Text),
        property("FullName", Kind::Text),
        property("AutoBill", Kind::Flag),
        property("RefKey", Kind::Text),
        property("CreatedDate", Kind::Instant),
        property("ModifiedDate", Kind::Instant),
    ],
    objects: &[],
    lists: &[],
};

pub static SUBSCRIPTION: Entity = Entity {
    name: "SubscriptionRow",
    properties: &[
        property("ID", Kind::Guid),
        property("SubscriptionNumber", Kind::Text),
        property("CustomerID", Kind::Guid),
        property("ProductPlanID", Kind::Guid),
        property("StartDate", Kind::Day),
        property("EndDate", Kind::Day),
        property("StateCode", Kind::Int),
        property("Status", Kind::Int),
        property("RefKey", Kind::Text),
        property("CreatedDate", Kind::Instant),
        property("ModifiedDate", Kind::Instant),
    ],
    objects: &[],
    lists: &[],
};

/// The customers of these ids.
pub async fn customers(tx: &mut Tx, ids: &[Uuid]) -> anyhow::Result<Vec<Record>> {
    Ok(listed::customers(tx, ids).await?.iter().map(customer).collect())
}

fn customer(row: &Row<CustomerPart>) -> Record {
    let part = &row.object;
    let mut values = vec![
        Value::Guid(row.id),
        part.company_name.as_deref().into(),
        part.account_number.as_str().into(),
        part.currency.code().into(),
        part.fullname.as_str().into(),
        Value::Flag(part.autobill),
        part.refkey.as_deref().into(),
    ];
    values.extend(touched(row));
    Record { values, ..Record::default() }
}

/// The subscriptions of these ids, as they stand today.
pub async fn subscriptions(ctx: &Context, tx: &mut Tx, ids: &[Uuid]) -> anyhow::Result<Vec<Record>> {
    let rows = listed::subscriptions(tx, ids).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let catalogue = catalogue(tx).await.map_err(crate::Stop::broke)?;
    let today = ctx.today_of(&catalogue);
    let one = |row: &Row<_>| {
        let mut values = subscriptions::standing(&row.object, &catalogue, today).to_vec();
        values.extend(touched(row));
        Record { values, ..Record::default() }
    };
    Ok(rows.iter().map(one).collect())
}

/// When it was made, and when it was changed last.
fn touched<T>(row: &Row<T>) -> [Value; 2] {
    let instant = |at: Option<DateTime<Utc>>| at.map_or(Value::Null, Value::Instant);
    [instant(row.created_at), instant(row.modified_at.or(row.created_at))]
}
