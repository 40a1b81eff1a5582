//! Ids of what is listed, page by page, in an order that stays while others are added. A condition on a column narrows;
//! whatever else is asked is decided on whole records (`domain::query`).

use crate::tx::{Tx, on};
use sqlx::AssertSqlSafe;
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

/// Where a listing is read, and what narrows it. By `$1` to `$4`: id, customer, invoice, number.
struct Source {
    from: &'static str,
    narrows: [&'static str; 4],
    order: &'static str,
    /// How many there are in all, where an index knows it that counting the rows would not use.
    all: Option<&'static str>,
}

const INVOICES: Source = Source {
    from: "(select i.id as id, i.payer as customer, i.number as number, 0 as part, i.booked_on as day,
                   i.series as series, i.sequence as sequence
            from invoice i
            union all
            select d.id, d.payer, null, 1, d.charge_date, d.series, 0
            from draft d
            where d.state in ('open', 'set_aside')) listed
     where true",
    narrows: ["id = $1", "customer = $2", "id = $3", "number = $4"],
    order: "part, day, series, sequence, id",
    all: None,
};

const TRANSACTIONS: Source = Source {
    from: "payment_attempt where true",
    narrows: ["id = $1", "customer = $2", "invoice = $3", "method = $4"],
    order: "attempted_on, id",
    all: None,
};

const SUBSCRIPTIONS: Source = Source {
    from: "subscription where true",
    narrows: ["id = $1", "customer = $2", "id = $3", "number = $4"],
    order: "no",
    all: None,
};

/// By the objects of the book, which know when they came; what a column narrows is looked up in the table.
const CUSTOMERS: Source = Source {
    from: "book_object where kind = 'customers' and status < 1024",
    narrows: [
        "key in (select c.account_number from customer c where c.id = $1)",
        "key in (select c.account_number from customer c where c.parent = $2)",
        "key in (select c.account_number from customer c where c.id = $3)",
        "key = $4",
    ],
    order: "came",
    all: Some(
        "select (select count(*) from book_object where kind = 'customers')
              - (select count(*) from book_object where kind = 'customers' and status <> 1 and status >= 1024)",
    ),
};

impl Source {
    fn of(listing: Listing) -> &'static Self {
        match listing {
            Listing::Invoices => &INVOICES,
            Listing::Transactions => &TRANSACTIONS,
            Listing::Subscriptions => &SUBSCRIPTIONS,
            Listing::Customers => &CUSTOMERS,
        }
    }

    /// Only what is set is a condition on a column: beside `$1 is null or id = $1` no index is used.
    fn select(&self, what: &str, narrow: &Narrow) -> String {
        let Narrow { id, customer, invoice, number } = narrow;
        let is_set = [id.is_some(), customer.is_some(), invoice.is_some(), number.is_some()];
        let mut sql = format!("select {what} from {}", self.from);
        for ((is_set, narrows), place) in is_set.into_iter().zip(self.narrows).zip(1..) {
            sql += " and ";
            if is_set { sql += narrows } else { sql += &format!("${place} is null") }
        }
        sql
    }
}

/// The ids of one page.
pub async fn ids(
    tx: &mut Tx,
    listing: Listing,
    narrow: &Narrow,
    window: Window,
) -> anyhow::Result<Vec<Uuid>> {
    let source = Source::of(listing);
    let sql = format!("{} order by {} limit $5 offset $6", source.select("id", narrow), source.order);
    Ok(on!(tx, c => sqlx::query_scalar(AssertSqlSafe(sql))
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
    let source = Source::of(listing);
    if let Some(all) = source.all.filter(|_| *narrow == Narrow::default()) {
        return Ok(on!(tx, c => sqlx::query_scalar(all).fetch_one(c).await?));
    }
    let sql = source.select("count(*)", narrow);
    Ok(on!(tx, c => sqlx::query_scalar(AssertSqlSafe(sql))
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
