//! What plain pages show of customers and subscriptions: a part of each, read without the rest.

use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::Ids;
use chrono::{DateTime, Utc};
use domain::money::Currency;
use domain::subscription::Subscription;
use serde::Deserialize;
use sqlx::types::Json;
use uuid::Uuid;

/// What a page shows of a customer, by the names of its body, in which what says nothing is left out.
#[derive(Debug, Clone, Deserialize)]
pub struct CustomerPart {
    pub account_number: String,
    pub fullname: String,
    pub company_name: Option<String>,
    pub refkey: Option<String>,
    pub currency: Currency,
    #[serde(default)]
    pub autobill: bool,
}

/// One row of a page.
#[derive(Debug, Clone)]
pub struct Row<T> {
    pub id: Uuid,
    pub object: T,
    pub created_at: Option<DateTime<Utc>>,
    pub modified_at: Option<DateTime<Utc>>,
}

type StoredRow<T> = (Uuid, Json<T>, Option<DateTime<Utc>>, Option<DateTime<Utc>>);

fn rows<T>(found: Vec<StoredRow<T>>) -> Vec<Row<T>> {
    let row = |(id, Json(object), created_at, modified_at)| Row { id, object, created_at, modified_at };
    found.into_iter().map(row).collect()
}

/// The customers of these ids, in no order.
pub async fn customers(tx: &mut Tx, ids: &[Uuid]) -> anyhow::Result<Vec<Row<CustomerPart>>> {
    const SQL: PerDriver = by_keys!(
        "select c.id, c.body, o.created_at, o.modified_at
         from customer c
         left join book_object o on o.kind = 'customers' and o.key = c.account_number
         where c.id",
        uuid,
        ""
    );
    let sql = tx.pick(&SQL);
    Ok(rows(on!(tx, c => sqlx::query_as(sql).bind(Ids(ids.to_vec())).fetch_all(c).await?)))
}

/// The subscriptions of these ids, in no order.
pub async fn subscriptions(tx: &mut Tx, ids: &[Uuid]) -> anyhow::Result<Vec<Row<Subscription>>> {
    const SQL: PerDriver = by_keys!(
        "select s.id, s.body, o.created_at, o.modified_at
         from subscription s
         left join book_object o on o.kind = 'subscriptions' and o.key = s.number
         where s.id",
        uuid,
        ""
    );
    let sql = tx.pick(&SQL);
    Ok(rows(on!(tx, c => sqlx::query_as(sql).bind(Ids(ids.to_vec())).fetch_all(c).await?)))
}
