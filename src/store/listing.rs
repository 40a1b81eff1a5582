//! Ids of what is listed, page by page, in an order that stays while others are added. A condition on a column narrows;
//! whatever else is asked is decided on whole records (`domain::query`).

use crate::tx::{Tx, on};
use uuid::Uuid;

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// Booked ones in the order of booking, then drafts that wait.
    Invoices,
    /// By day.
    Transactions,
    /// In the order in which they came.
    Subscriptions,
    /// In the order in which they came.
    Customers,
}

/// Conditions that a column answers; nothing set means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Narrow {
    pub id: Option<Uuid>,
    pub customer: Option<Uuid>,
    pub invoice: Option<Uuid>,
    pub number: Option<String>,
}

/// One page of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub limit: i64,
    pub offset: i64,
}

macro_rules! invoices {
    ($what:literal, $rest:literal) => {
        concat!(
            "select ",
            $what,
            " from (select i.id as id, i.payer as customer, i.number as number, 0 as part, i.booked_on as day,
                           i.series as series, i.sequence as sequence
                    from invoice i
                    union all
                    select d.id, d.payer, null, 1, d.charge_date, d.series, 0
                    from draft d
                    where d.state in ('open', 'set_aside')) listed
             where ($1 is null or id = $1)
               and ($2 is null or customer = $2)
               and ($3 is null or id = $3)
               and ($4 is null or number = $4) ",
            $rest
        )
    };
}

macro_rules! transactions {
    ($what:literal, $rest:literal) => {
        concat!(
            "select ",
            $what,
            " from payment_attempt
             where ($1 is null or id = $1)
               and ($2 is null or customer = $2)
               and ($3 is null or invoice = $3)
               and ($4 is null or method = $4) ",
            $rest
        )
    };
}

macro_rules! subscriptions {
    ($what:literal, $rest:literal) => {
        concat!(
            "select ",
            $what,
            " from subscription
             where ($1 is null or id = $1)
               and ($2 is null or customer = $2)
               and ($3 is null or id = $3)
               and ($4 is null or number = $4) ",
            $rest
        )
    };
}

/// By the objects of the book, which know when they came; what a column narrows is looked up in the table.
macro_rules! customers {
    ($what:literal, $rest:literal) => {
        concat!(
            "select ",
            $what,
            " from book_object o
             where o.kind = 'customers' and o.status < 1024
               and ($1 is null or o.id = $1)
               and ($2 is null or o.id in (select c.id from customer c where c.parent = $2))
               and ($3 is null or o.id = $3)
               and ($4 is null or o.key = $4) ",
            $rest
        )
    };
}

/// The ids of one page.
pub async fn ids(
    tx: &mut Tx,
    listing: Listing,
    narrow: &Narrow,
    window: Window,
) -> anyhow::Result<Vec<Uuid>> {
    let sql = match listing {
        Listing::Invoices => invoices!("id", "order by part, day, series, sequence, id limit $5 offset $6"),
        Listing::Transactions => transactions!("id", "order by attempted_on, id limit $5 offset $6"),
        Listing::Subscriptions => subscriptions!("id", "order by no limit $5 offset $6"),
        Listing::Customers => {
            customers!("o.id", "order by o.created_at nulls first, o.id limit $5 offset $6")
        }
    };
    Ok(on!(tx, c => sqlx::query_scalar(sql)
        .bind(narrow.id)
        .bind(narrow.customer)
        .bind(narrow.invoice)
        .bind(&narrow.number)
        .bind(window.limit)
        .bind(window.offset)
        .fetch_all(c)
        .await?))
}

/// How many there are.
pub async fn count(tx: &mut Tx, listing: Listing, narrow: &Narrow) -> anyhow::Result<i64> {
    let sql = match listing {
        Listing::Invoices => invoices!("count(*)", ""),
        Listing::Transactions => transactions!("count(*)", ""),
        Listing::Subscriptions => subscriptions!("count(*)", ""),
        Listing::Customers => customers!("count(*)", ""),
    };
    Ok(on!(tx, c => sqlx::query_scalar(sql)
        .bind(narrow.id)
        .bind(narrow.customer)
        .bind(narrow.invoice)
        .bind(&narrow.number)
        .fetch_one(c)
        .await?))
}

/// Those whose id stands before one that was made beside it.
pub async fn owners_beside(tx: &mut Tx, listing: Listing, id: Uuid) -> anyhow::Result<Vec<Uuid>> {
    let sql = match listing {
        Listing::Customers => "select id from customer where id >= $1 and id <= $2",
        Listing::Subscriptions => "select id from subscription where id >= $1 and id <= $2",
        Listing::Invoices => "select id from invoice where id >= $1 and id <= $2",
        Listing::Transactions => "select id from payment_attempt where id >= $1 and id <= $2",
    };
    let (first, last) = domain::ids::owners_beside(id);
    Ok(on!(tx, c => sqlx::query_scalar(sql).bind(first).bind(last).fetch_all(c).await?))
}
