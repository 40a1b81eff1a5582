//! Root payers and all that billing them needs, hundreds at a time with a handful of statements.

use crate::line_credit;
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::{Dec, Ids, Texts};
use crate::words::small;
use anyhow::{Context, anyhow};
use chrono::NaiveDate;
use domain::billing::{BilledLine, Credited, PayerBook, ReopenedLine};
use domain::catalogue::{Catalogue, TaxCategory};
use domain::customer::Customer;
use domain::exact::Exact;
use domain::ids::*;
use domain::invoice::{LineKey, LineKind};
use domain::period::Period;
use domain::run::Scope;
use domain::subscription::Subscription;
use sqlx::types::Json;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// A root payer and the state of its book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayerRef {
    pub id: CustomerId,
    pub account_number: String,
    /// Raised by any change to its tree or to the catalogue.
    pub revision: i64,
}

type PayerRow = (Uuid, String, i64);

fn payer_ref((id, account_number, revision): PayerRow) -> PayerRef {
    PayerRef { id: CustomerId(id), account_number, revision }
}

/// Root payers of a scope in account-number order. A customer who bills to a parent stands for its root; a business
/// unit is the payer's (rules B2).
pub async fn payers(tx: &mut Tx, scope: &Scope) -> anyhow::Result<Vec<PayerRef>> {
    const NAMED: PerDriver = by_keys!(
        "select c.id, c.account_number, c.revision + (select revision from catalogue_revision)
         from customer c
         where c.id = c.payer
           and ($2 is null or c.business_unit = $2)
           and c.id in (select n.payer from customer n where n.account_number",
        text,
        ") order by c.account_number"
    );
    let rows: Vec<PayerRow> = if scope.customers.is_empty() {
        on!(tx, c => sqlx::query_as(
            "select c.id, c.account_number, c.revision + (select revision from catalogue_revision)
             from customer c
             where c.id = c.payer
               and ($1 is null or c.business_unit = $1)
             order by c.account_number")
            .bind(&scope.business_unit)
            .fetch_all(c)
            .await?)
    } else {
        let sql = tx.pick(&NAMED);
        on!(tx, c => sqlx::query_as(sql)
            .bind(Texts(scope.customers.clone()))
            .bind(&scope.business_unit)
            .fetch_all(c)
            .await?)
    };
    Ok(rows.into_iter().map(payer_ref).collect())
}

/// The payers of these ids as they are now, in account-number order: drafting and booking compare revisions.
pub async fn refs(tx: &mut Tx, ids: &[CustomerId]) -> anyhow::Result<Vec<PayerRef>> {
    const SQL: PerDriver = by_keys!(
        "select c.id, c.account_number, c.revision + (select revision from catalogue_revision)
         from customer c
         where c.id",
        uuid,
        " order by c.account_number"
    );
    let sql = tx.pick(&SQL);
    let rows: Vec<PayerRow> = on!(tx, c => sqlx::query_as(sql).bind(Ids::of(ids)).fetch_all(c).await?);
    Ok(rows.into_iter().map(payer_ref).collect())
}

/// As [`refs`], and nobody can change these payers' books, nor the catalogue, until the transaction ends.
///
/// Locks are taken in one order everywhere: run, catalogue, payers by id, discount codes, drafts, settlements, counters.
pub async fn locked_refs(tx: &mut Tx, ids: &[CustomerId]) -> anyhow::Result<Vec<PayerRef>> {
    const LOCK: PerDriver = PerDriver {
        sqlite: "select count(*) from customer where id in (select unhex(value) from json_each($1))",
        postgres: "select count(*) from (select id from customer where id = any($1) order by id for share) held",
    };
    crate::catalogue::keep(tx).await?;
    let sql = tx.pick(&LOCK);
    let _: i64 = on!(tx, c => sqlx::query_scalar(sql).bind(Ids::of(ids)).fetch_one(c).await?);
    refs(tx, ids).await
}

/// Keeps others from changing or billing these payers' books, and from changing the catalogue, until the transaction
/// ends. What decides a write is read after this.
pub async fn lock(tx: &mut Tx, payers: &[CustomerId]) -> anyhow::Result<()> {
    // Not `for update`: whoever books for a payer refers to its row, and need not wait for it.
    const SQL: PerDriver = PerDriver {
        sqlite: "select json_array_length($1)",
        postgres: "select count(*)
                   from (select 1 from customer where id = any($1) order by id for no key update) held",
    };
    crate::catalogue::keep(tx).await?;
    let sql = tx.pick(&SQL);
    let _: i64 = on!(tx, c => sqlx::query_scalar(sql).bind(Ids::of(payers)).fetch_one(c).await?);
    crate::request::held(tx).await
}

/// As [`lock`], of the payer of a customer, which is returned: a load may move the customer to another one until the lock
/// is held.
pub async fn lock_of(tx: &mut Tx, customer: CustomerId) -> anyhow::Result<CustomerId> {
    let mut payer = crate::book::payer_of(tx, customer).await?;
    loop {
        lock(tx, &[payer]).await?;
        let now = crate::book::payer_of(tx, customer).await?;
        if now == payer {
            return Ok(payer);
        }
        payer = now;
    }
}

/// The books of these payers, in the order given. `late` is left empty: only the usage store knows it.
pub async fn books(
    tx: &mut Tx,
    payers: &[CustomerId],
    catalogue: &Arc<Catalogue>,
) -> anyhow::Result<Vec<PayerBook>> {
    let mut books: BTreeMap<Uuid, PayerBook> =
        refs(tx, payers).await?.into_iter().map(|p| (p.id.0, empty_book(p, Arc::clone(catalogue)))).collect();
    let roots = add_customers(tx, payers, &mut books).await?;
    add_subscriptions(tx, payers, &roots, &mut books).await?;
    for (payer, line, reopened) in billed_lines(tx, payers).await? {
        let Some(book) = books.get_mut(&payer) else { continue };
        match reopened {
            None => book.billed.entry(line.key.charge).or_default().push(line),
            Some(on) => book.reopened.entry(line.key.charge).or_default().push(ReopenedLine { line, on }),
        }
    }
    for (payer, carried) in line_credit::carried_of(tx, payers).await? {
        if let Some(book) = books.get_mut(&payer.0) {
            book.carried = carried;
        }
    }
    for (payer, credits) in line_credit::of_payers(tx, payers).await? {
        if let Some(book) = books.get_mut(&payer.0) {
            book.credited = Credited::of(&credits);
        }
    }
    add_redeemed(tx, payers, &mut books).await?;
    payers
        .iter()
        .map(|payer| books.remove(&payer.0).with_context(|| format!("payer {payer} is not in the book")))
        .collect()
}

fn empty_book(payer: PayerRef, catalogue: Arc<Catalogue>) -> PayerBook {
    PayerBook {
        catalogue,
        payer: payer.id,
        revision: payer.revision,
        customers: BTreeMap::new(),
        subscriptions: BTreeMap::new(),
        billed: BTreeMap::new(),
        reopened: BTreeMap::new(),
        credited: Credited::default(),
        carried: Vec::new(),
        codes_redeemed: BTreeMap::new(),
        late: Vec::new(),
    }
}

/// Adds every customer of the trees; returns customer → root.
async fn add_customers(
    tx: &mut Tx,
    payers: &[CustomerId],
    books: &mut BTreeMap<Uuid, PayerBook>,
) -> anyhow::Result<BTreeMap<Uuid, Uuid>> {
    const SQL: PerDriver = by_keys!("select payer, body from customer where payer", uuid, "");
    let sql = tx.pick(&SQL);
    let rows: Vec<(Uuid, Json<Customer>)> =
        on!(tx, c => sqlx::query_as(sql).bind(Ids::of(payers)).fetch_all(c).await?);
    let mut roots = BTreeMap::new();
    for (root, Json(customer)) in rows {
        roots.insert(customer.id.0, root);
        if let Some(book) = books.get_mut(&root) {
            book.customers.insert(customer.id, customer);
        }
    }
    Ok(roots)
}

async fn add_subscriptions(
    tx: &mut Tx,
    payers: &[CustomerId],
    roots: &BTreeMap<Uuid, Uuid>,
    books: &mut BTreeMap<Uuid, PayerBook>,
) -> anyhow::Result<()> {
    const SQL: PerDriver = by_keys!(
        "select s.body
         from subscription s
         join customer c on c.id = s.customer
         where c.payer",
        uuid,
        ""
    );
    let sql = tx.pick(&SQL);
    let rows: Vec<Json<Subscription>> =
        on!(tx, c => sqlx::query_scalar(sql).bind(Ids::of(payers)).fetch_all(c).await?);
    for Json(subscription) in rows {
        let book = roots.get(&subscription.customer.0).and_then(|root| books.get_mut(root));
        if let Some(book) = book {
            book.subscriptions.insert(subscription.id, subscription);
        }
    }
    Ok(())
}

#[derive(sqlx::FromRow)]
struct BilledRow {
    payer: Uuid,
    charge: Uuid,
    key_start: NaiveDate,
    revision: i64,
    kind: String,
    ordinal: i64,
    subscription: Uuid,
    period_start: NaiveDate,
    period_end: NaiveDate,
    charge_date: NaiveDate,
    line: Option<Uuid>,
    invoice: Option<Uuid>,
    invoice_number: Option<String>,
    currency: String,
    group_value: Option<String>,
    quantity: String,
    net_minor: i64,
    discount: Dec,
    granted_minor: i64,
    priced_minor: Option<i64>,
    vat_minor: i64,
    tax_category: String,
    tax_pct: Dec,
    usage_mark: i64,
    acts_seen: Option<i64>,
    reopened_on: Option<NaiveDate>,
}

/// A payer, a line of it that was billed, and the day from which it is due again.
pub type BilledOf = (Uuid, BilledLine, Option<NaiveDate>);

/// Every period that is taken of the subscriptions that these payers pay for, by charge reference, oldest first: by drafts
/// and invoices of theirs, or of those who paid before them (rules B2).
pub async fn billed_lines(tx: &mut Tx, payers: &[CustomerId]) -> anyhow::Result<Vec<BilledOf>> {
    const SQL: PerDriver = by_keys!(
        "select c.payer, b.charge, b.key_start, b.revision, b.kind, b.ordinal, b.subscription,
                b.period_start, b.period_end, b.charge_date, b.line, b.invoice, i.number as invoice_number,
                b.currency, b.group_value, b.quantity, b.net_minor, b.discount, b.granted_minor, b.priced_minor,
                b.vat_minor, b.tax_category, b.tax_pct, b.usage_mark, b.acts_seen, r.reopened_on
         from customer c
         join subscription s on s.customer = c.id
         join billed_line b on b.subscription = s.id
         left join invoice i on i.id = b.invoice
         left join reopened_line r
           on r.charge = b.charge and r.key_start = b.key_start and r.revision = b.revision and r.kind = b.kind
          and r.ordinal = b.ordinal
         where c.payer",
        uuid,
        " order by b.charge, b.key_start, b.revision, b.charge_date, b.kind, b.ordinal"
    );
    let sql = tx.pick(&SQL);
    let rows: Vec<BilledRow> = on!(tx, c => sqlx::query_as(sql).bind(Ids::of(payers)).fetch_all(c).await?);
    let read = |row: BilledRow| {
        let (payer, reopened) = (row.payer, row.reopened_on);
        Ok((payer, BilledLine::try_from(row)?, reopened))
    };
    rows.into_iter().map(read).collect()
}

/// Every period that is taken of these subscriptions, oldest first.
pub async fn billed_of_subscriptions(
    tx: &mut Tx,
    subscriptions: &[SubscriptionId],
) -> anyhow::Result<Vec<BilledLine>> {
    const SQL: PerDriver = by_keys!(
        "select s.customer as payer, b.charge, b.key_start, b.revision, b.kind, b.ordinal, b.subscription,
                b.period_start, b.period_end, b.charge_date, b.line, b.invoice, i.number as invoice_number,
                b.currency, b.group_value, b.quantity, b.net_minor, b.discount, b.granted_minor, b.priced_minor,
                b.vat_minor, b.tax_category, b.tax_pct, b.usage_mark, b.acts_seen, cast(null as date) as reopened_on
         from subscription s
         join billed_line b on b.subscription = s.id
         left join invoice i on i.id = b.invoice
         where s.id",
        uuid,
        " order by b.charge, b.key_start, b.revision, b.charge_date, b.kind, b.ordinal"
    );
    let sql = tx.pick(&SQL);
    let rows: Vec<BilledRow> =
        on!(tx, c => sqlx::query_as(sql).bind(Ids::of(subscriptions)).fetch_all(c).await?);
    rows.into_iter().map(BilledLine::try_from).collect()
}

impl TryFrom<BilledRow> for BilledLine {
    type Error = anyhow::Error;

    fn try_from(row: BilledRow) -> anyhow::Result<Self> {
        let kind: LineKind = crate::words::read_word(&row.kind, "billed_line.kind")?;
        Ok(Self {
            key: LineKey {
                charge: ChargeReference(row.charge),
                period_start: row.key_start,
                revision: small(row.revision, "billed_line.revision")?,
                kind,
                ordinal: small(row.ordinal, "billed_line.ordinal")?,
            },
            subscription: SubscriptionId(row.subscription),
            period: Period::new(row.period_start, row.period_end),
            charge_date: row.charge_date,
            line: row.line.map(LineId),
            invoice: row.invoice.map(InvoiceId),
            invoice_number: row.invoice_number,
            currency: row.currency.parse()?,
            group: row.group_value,
            quantity: Exact::from_fraction_text(&row.quantity)
                .ok_or_else(|| anyhow!("billed_line.quantity holds `{}`", row.quantity))?,
            net_minor: row.net_minor,
            discount: row.discount.0,
            granted_minor: row.granted_minor,
            priced_minor: row.priced_minor.unwrap_or(row.net_minor),
            vat_minor: row.vat_minor,
            tax_category: TaxCategory::parse(&row.tax_category)
                .ok_or_else(|| anyhow!("billed_line.tax_category holds `{}`", row.tax_category))?,
            tax_pct: row.tax_pct.0,
            usage_mark: row.usage_mark,
            acts_seen: row.acts_seen.map(|acts| small(acts, "billed_line.acts_seen")).transpose()?,
        })
    }
}

async fn add_redeemed(
    tx: &mut Tx,
    payers: &[CustomerId],
    books: &mut BTreeMap<Uuid, PayerBook>,
) -> anyhow::Result<()> {
    const SQL: PerDriver = by_keys!(
        "select c.payer, d.discount, count(*)
         from discount_redemption d
         join customer c on c.id = d.customer
         where c.payer",
        uuid,
        " group by c.payer, d.discount"
    );
    let sql = tx.pick(&SQL);
    let rows: Vec<(Uuid, Uuid, i64)> =
        on!(tx, c => sqlx::query_as(sql).bind(Ids::of(payers)).fetch_all(c).await?);
    for (payer, discount, times) in rows {
        if let Some(book) = books.get_mut(&payer) {
            book.codes_redeemed.insert(DiscountId(discount), small(times, "discount_redemption")?);
        }
    }
    Ok(())
}
