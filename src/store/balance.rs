//! What root payers owe and are owed, over everything that is booked.

use crate::tx::{Tx, on};
use chrono::NaiveDate;
use domain::customer::Customer;
use domain::ids::CustomerId;
use domain::money::Currency;
use sqlx::types::Json;
use uuid::Uuid;

/// One currency of one payer, in minor units; none is negative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balance {
    pub payer: CustomerId,
    pub currency: Currency,
    /// Owed by the payer.
    pub open_minor: i64,
    /// The part of it whose due date has passed.
    pub overdue_minor: i64,
    /// Owed to the payer: on credit notes, or paid too much.
    pub credit_minor: i64,
}

/// Balances that are not zero, by payer and currency, of one payer or of all.
pub async fn balances(
    tx: &mut Tx,
    payer: Option<CustomerId>,
    as_of: NaiveDate,
) -> anyhow::Result<Vec<Balance>> {
    let rows: Vec<(Uuid, String, i64, i64, i64)> = on!(tx, c => sqlx::query_as(
        "select i.payer, i.currency,
                cast(sum(case when s.open_minor > 0 then s.open_minor else 0 end) as bigint),
                cast(sum(case when s.open_minor > 0 and i.payable_by < $2 then s.open_minor else 0 end) as bigint),
                cast(sum(case when s.open_minor < 0 then -s.open_minor else 0 end) as bigint)
         from invoice_settlement s
         join invoice i on i.id = s.invoice
         where s.open_minor <> 0
           and ($1 is null or i.payer = $1)
         group by i.payer, i.currency
         order by i.payer, i.currency")
        .bind(payer.map(|p| p.0))
        .bind(as_of)
        .fetch_all(c)
        .await?);
    rows.into_iter()
        .map(|(payer, currency, open_minor, overdue_minor, credit_minor)| {
            let currency = currency.parse()?;
            Ok(Balance { payer: CustomerId(payer), currency, open_minor, overdue_minor, credit_minor })
        })
        .collect()
}

/// Customers who are billed themselves, in account-number order: those after the last one of the page before.
pub async fn payers_after(tx: &mut Tx, after: Option<&str>, limit: u32) -> anyhow::Result<Vec<Customer>> {
    let rows: Vec<Json<Customer>> = on!(tx, c => sqlx::query_scalar(
        "select body
         from customer
         where id = payer
           and ($1 is null or account_number > $1)
         order by account_number
         limit $2")
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await?);
    Ok(rows.into_iter().map(|j| j.0).collect())
}
