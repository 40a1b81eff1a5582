//! The book of customers and subscriptions: what a load brings, what a verb changes, and the trees of payers.
//!
//! Any change to a customer or subscription raises the revision of the root payers concerned, so that what was
//! rated or drafted from the old book is noticed (ARCHITECTURE.md).

use crate::bulk::{Bulk, Cell};
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::{Ids, Texts};
use crate::{counter, outbox};
use anyhow::{Context, ensure};
use chrono::NaiveDate;
use domain::catalogue::AppliedDiscount;
use domain::customer::Customer;
use domain::ids::*;
use domain::subscription::{Subscription, Verb};
use domain::webhook::Event;
use sqlx::types::Json;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Objects turned into rows at once: their text need not be in memory twice.
const BATCH: usize = 2_000;
/// So many customers are followed up to their roots one by one; of more, the whole forest is read.
const FEW: usize = 1_000;
/// Parents above one another that are followed so.
const STEPS_MAX: usize = 100;

/// Writes customers, new or changed, re-roots the bill-to-parent trees and raises the payers' revisions.
pub async fn save_customers(tx: &mut Tx, customers: &[Customer]) -> anyhow::Result<()> {
    let touched = put_customers(tx, customers).await?;
    raise(tx, touched).await
}

/// Writes subscriptions, new or changed, numbers them and their charges for the usage store, and raises the
/// payers' revisions. Customers must be there.
pub async fn save_subscriptions(tx: &mut Tx, subscriptions: &[Subscription]) -> anyhow::Result<()> {
    let touched = put_subscriptions(tx, subscriptions).await?;
    raise(tx, touched).await
}

/// Customers and subscriptions that are written one batch after the other, in one transaction.
#[derive(Default)]
pub(crate) struct BookWriter {
    /// Customers that are new: nothing was drafted of them, and they have no root to lose.
    new: BTreeSet<Uuid>,
    /// Payers whose trees are touched.
    touched: BTreeSet<Uuid>,
    /// Those whose root may be another one now.
    to_root: Vec<CustomerId>,
}

impl BookWriter {
    /// Writes customers; their roots are settled by [`Self::finish`].
    pub async fn customers(&mut self, tx: &mut Tx, customers: &[Customer]) -> anyhow::Result<()> {
        if customers.is_empty() {
            return Ok(());
        }
        let ids: Vec<CustomerId> = customers.iter().map(|c| c.id).collect();
        let stored = stored(tx, &ids).await?;
        let (known, new): (Vec<CustomerId>, Vec<CustomerId>) =
            ids.into_iter().partition(|id| stored.contains(&id.0));
        self.touched.extend(roots_of(tx, &known).await?);
        for batch in customers.chunks(BATCH) {
            write_customers(tx, batch, &stored).await?;
        }
        self.new.extend(new.iter().map(|id| id.0));
        let bills_above = |c: &&Customer| c.bill_to_parent && c.parent.is_some();
        self.to_root.extend(known);
        self.to_root
            .extend(customers.iter().filter(bills_above).map(|c| c.id).filter(|id| self.new.contains(&id.0)));
        redemptions(customers.iter().flat_map(|c| c.discounts().map(|d| (c.id.0, c.id, d))))
            .insert(tx)
            .await?;
        Ok(())
    }

    /// Writes subscriptions. Customers must be there.
    pub async fn subscriptions(&mut self, tx: &mut Tx, subscriptions: &[Subscription]) -> anyhow::Result<()> {
        if subscriptions.is_empty() {
            return Ok(());
        }
        write_numbered(tx, subscriptions).await?;
        let owners: BTreeSet<CustomerId> = subscriptions.iter().map(|s| s.customer).collect();
        let owners: Vec<CustomerId> = owners.into_iter().filter(|id| !self.new.contains(&id.0)).collect();
        self.touched.extend(roots_of(tx, &owners).await?);
        Ok(())
    }

    /// Re-roots the bill-to-parent trees, and raises the revisions of the payers whose trees are touched.
    pub async fn finish(mut self, tx: &mut Tx) -> anyhow::Result<()> {
        if !self.to_root.is_empty() {
            re_root(tx, &self.to_root).await?;
            self.touched.extend(roots_of(tx, &self.to_root).await?);
        }
        self.touched.retain(|payer| !self.new.contains(payer));
        raise(tx, self.touched).await
    }
}

/// Returns the payers whose trees are touched.
async fn put_customers(tx: &mut Tx, customers: &[Customer]) -> anyhow::Result<BTreeSet<Uuid>> {
    if customers.is_empty() {
        return Ok(BTreeSet::new());
    }
    let ids: Vec<CustomerId> = customers.iter().map(|c| c.id).collect();
    let mut touched = roots_of(tx, &ids).await?;
    let stored = stored(tx, &ids).await?;
    for batch in customers.chunks(BATCH) {
        write_customers(tx, batch, &stored).await?;
    }
    redemptions(customers.iter().flat_map(|c| c.discounts().map(|d| (c.id.0, c.id, d)))).insert(tx).await?;
    re_root(tx, &ids).await?;
    touched.extend(roots_of(tx, &ids).await?);
    Ok(touched)
}

/// Writes customers; what is new apart, because a statement that may change rows costs SQLite much more than one that adds
/// them.
async fn write_customers(tx: &mut Tx, customers: &[Customer], stored: &BTreeSet<Uuid>) -> anyhow::Result<()> {
    const COLUMNS: &[&str] =
        &["id", "account_number", "payer", "parent", "bill_to_parent", "business_unit", "revision", "body"];
    const UPDATE: &str = "on conflict (id) do update set
         account_number = excluded.account_number,
         parent = excluded.parent,
         bill_to_parent = excluded.bill_to_parent,
         business_unit = excluded.business_unit,
         body = excluded.body";
    let (known, new): (Vec<_>, Vec<_>) = customers.iter().partition(|c| stored.contains(&c.id.0));
    Bulk::into("customer", COLUMNS).insert_each(tx, &new, row_of_customer).await?;
    Bulk::into("customer", COLUMNS).on_conflict(UPDATE).insert_each(tx, &known, row_of_customer).await
}

fn row_of_customer<'a>(c: &'a &Customer) -> anyhow::Result<[Cell<'a>; 8]> {
    Ok([
        c.id.0.into(),
        (&c.account_number).into(),
        c.id.0.into(),
        c.parent.map(|p| p.0).into(),
        (c.bill_to_parent && c.parent.is_some()).into(),
        (&c.business_unit).into(),
        0i64.into(),
        Cell::json(*c)?,
    ])
}

/// Returns the payers whose trees are touched.
async fn put_subscriptions(tx: &mut Tx, subscriptions: &[Subscription]) -> anyhow::Result<BTreeSet<Uuid>> {
    if subscriptions.is_empty() {
        return Ok(BTreeSet::new());
    }
    write_numbered(tx, subscriptions).await?;
    let owners: BTreeSet<CustomerId> = subscriptions.iter().map(|s| s.customer).collect();
    let owners: Vec<CustomerId> = owners.into_iter().collect();
    roots_of(tx, &owners).await
}

/// Writes subscriptions; what is new gets its numbers in the usage store.
async fn write_numbered(tx: &mut Tx, subscriptions: &[Subscription]) -> anyhow::Result<()> {
    const COLUMNS: &[&str] = &["id", "number", "no", "customer", "plans", "body"];
    const UPDATE: &str = "on conflict (id) do update set
         number = excluded.number,
         customer = excluded.customer,
         plans = excluded.plans,
         body = excluded.body";
    let ids: Vec<SubscriptionId> = subscriptions.iter().map(|s| s.id).collect();
    let known = numbers_of(tx, &ids).await?;
    let new = subscriptions.iter().filter(|s| !known.contains_key(&s.id.0)).count();
    let mut numbers = counter::take(tx, counter::SUBSCRIPTION, i64::try_from(new)?).await?..;
    for batch in subscriptions.chunks(BATCH) {
        let (old, new): (Vec<_>, Vec<_>) = batch.iter().partition(|s| known.contains_key(&s.id.0));
        let old: Vec<_> = old.into_iter().filter_map(|s| Some((s, *known.get(&s.id.0)?))).collect();
        let new: Vec<_> = new.into_iter().zip(&mut numbers).collect();
        Bulk::into("subscription", COLUMNS).on_conflict(UPDATE).insert_each(tx, &old, row_of).await?;
        Bulk::into("subscription", COLUMNS).insert_each(tx, &new, row_of).await?;
        save_charges(tx, batch).await?;
    }
    redemptions(subscriptions.iter().flat_map(discounts_of)).insert(tx).await?;
    Ok(())
}

/// The row of a subscription with its number in the usage store.
fn row_of<'a>((s, no): &'a (&Subscription, i64)) -> anyhow::Result<[Cell<'a>; 6]> {
    Ok([
        s.id.0.into(),
        (&s.number).into(),
        (*no).into(),
        s.customer.0.into(),
        Cell::json(&s.plans())?,
        Cell::json(*s)?,
    ])
}

/// (charge reference, SKU) of every charge that was agreed or added.
fn charges_of(subscription: &Subscription) -> impl Iterator<Item = (ChargeReference, &str)> {
    let added = subscription.acts.iter().filter_map(|act| match &act.verb {
        Verb::AddOptionalCharge { charge, reference, .. } => Some((*reference, charge.as_str())),
        _ => None,
    });
    subscription.charges.iter().map(|c| (c.reference, c.charge.as_str())).chain(added)
}

async fn save_charges(tx: &mut Tx, subscriptions: &[Subscription]) -> anyhow::Result<()> {
    const KNOWN: PerDriver = by_keys!("select reference from subscription_charge where reference", uuid, "");
    let sql = tx.pick(&KNOWN);
    let references: Vec<ChargeReference> =
        subscriptions.iter().flat_map(charges_of).map(|(r, _)| r).collect();
    let mut known: BTreeSet<Uuid> =
        on!(tx, c => sqlx::query_scalar(sql).bind(Ids::of(&references)).fetch_all(c).await?)
            .into_iter()
            .collect();
    let mut new = Vec::new();
    for s in subscriptions {
        for (reference, sku) in charges_of(s) {
            if known.insert(reference.0) {
                new.push((reference, s.id, sku));
            }
        }
    }
    let first = counter::take(tx, counter::CHARGE, i64::try_from(new.len())?).await?;
    let made = |(reference, ..): &(ChargeReference, SubscriptionId, &str)| Event {
        kind: "SubscriptionCharge",
        action: "create",
        object: reference.0,
    };
    outbox::tell(tx, &new.iter().map(made).collect::<Vec<_>>()).await?;
    let mut rows = Bulk::into("subscription_charge", &["reference", "subscription", "sku", "no"]);
    for (no, (reference, subscription, sku)) in (first..).zip(new) {
        rows.row([reference.0.into(), subscription.0.into(), sku.into(), no.into()]);
    }
    rows.insert(tx).await.map(drop)
}

async fn numbers_of(tx: &mut Tx, ids: &[SubscriptionId]) -> anyhow::Result<BTreeMap<Uuid, i64>> {
    const SQL: PerDriver = by_keys!("select id, no from subscription where id", uuid, "");
    let sql = tx.pick(&SQL);
    let rows: Vec<(Uuid, i64)> = on!(tx, c => sqlx::query_as(sql).bind(Ids::of(ids)).fetch_all(c).await?);
    Ok(rows.into_iter().collect())
}

async fn stored(tx: &mut Tx, customers: &[CustomerId]) -> anyhow::Result<BTreeSet<Uuid>> {
    const SQL: PerDriver = by_keys!("select id from customer where id", uuid, "");
    let sql = tx.pick(&SQL);
    let rows: Vec<Uuid> = on!(tx, c => sqlx::query_scalar(sql).bind(Ids::of(customers)).fetch_all(c).await?);
    Ok(rows.into_iter().collect())
}

/// Roots as stored of customers that exist.
pub(crate) async fn roots_of(tx: &mut Tx, customers: &[CustomerId]) -> anyhow::Result<BTreeSet<Uuid>> {
    const SQL: PerDriver = by_keys!("select distinct payer from customer where id", uuid, "");
    let sql = tx.pick(&SQL);
    let rows: Vec<Uuid> = on!(tx, c => sqlx::query_scalar(sql).bind(Ids::of(customers)).fetch_all(c).await?);
    Ok(rows.into_iter().collect())
}

/// Root payers of these customers.
pub async fn payers_of(tx: &mut Tx, customers: &[CustomerId]) -> anyhow::Result<Vec<CustomerId>> {
    Ok(roots_of(tx, customers).await?.into_iter().map(CustomerId).collect())
}

/// Raises the revision of these payers.
pub(crate) async fn raise(tx: &mut Tx, payers: BTreeSet<Uuid>) -> anyhow::Result<()> {
    const SQL: PerDriver = by_keys!("update customer set revision = revision + 1 where id", uuid, "");
    let sql = tx.pick(&SQL);
    let ids = Ids(payers.into_iter().collect());
    on!(tx, c => sqlx::query(sql).bind(ids).execute(c).await.map(drop))?;
    Ok(())
}

/// Gives the customers that were touched, and everybody below them, their root: the first ancestor that does not
/// bill to its parent (rules B2). Only customers who bill to a parent are read.
async fn re_root(tx: &mut Tx, touched: &[CustomerId]) -> anyhow::Result<()> {
    if touched.len() <= FEW && all_keep_their_roots(tx, touched).await? {
        return Ok(());
    }
    let edges: Vec<(Uuid, Uuid, Uuid)> = on!(tx, c => sqlx::query_as(
        "select id, parent, payer from customer where bill_to_parent and parent is not null").fetch_all(c).await?);
    let parents: BTreeMap<Uuid, Uuid> = edges.iter().map(|(id, parent, _)| (*id, *parent)).collect();
    let stored: BTreeMap<Uuid, Uuid> = edges.iter().map(|(id, _, payer)| (*id, *payer)).collect();
    let mut by_root: BTreeMap<Uuid, BTreeSet<Uuid>> = BTreeMap::new();
    for id in touched.iter().map(|c| c.0).chain(parents.keys().copied()) {
        let mut root = id;
        let mut steps = 0;
        while let Some(parent) = parents.get(&root) {
            root = *parent;
            steps += 1;
            ensure!(steps <= parents.len(), "customer {id} bills to itself over its parents");
        }
        if stored.get(&id) != Some(&root) {
            by_root.entry(root).or_default().insert(id);
        }
    }
    // Most are their own root, and were when they were inserted.
    const OWN: PerDriver = by_keys!("update customer set payer = id where payer <> id and id", uuid, "");
    const MOVED: PerDriver = by_keys!("update customer set payer = $2 where payer <> $2 and id", uuid, "");
    let own: Vec<Uuid> =
        by_root.iter().filter(|(root, ids)| ids.contains(root)).map(|(root, _)| *root).collect();
    let sql = tx.pick(&OWN);
    on!(tx, c => sqlx::query(sql).bind(Ids(own)).execute(c).await.map(drop))?;
    let sql = tx.pick(&MOVED);
    for (root, ids) in by_root {
        let below: Vec<Uuid> = ids.into_iter().filter(|id| *id != root).collect();
        if !below.is_empty() {
            on!(tx, c => sqlx::query(sql).bind(Ids(below)).bind(root).execute(c).await.map(drop))?;
        }
    }
    Ok(())
}

/// Whether these customers still have the roots that are stored: then nobody below them moves either.
async fn all_keep_their_roots(tx: &mut Tx, touched: &[CustomerId]) -> anyhow::Result<bool> {
    const SQL: PerDriver = by_keys!(
        "select id, payer, case when bill_to_parent then parent end from customer where id",
        uuid,
        ""
    );
    let sql = tx.pick(&SQL);
    // Each is followed up its parents, all at once, one step a round.
    let mut at: BTreeMap<Uuid, BTreeSet<Uuid>> =
        touched.iter().map(|c| (c.0, BTreeSet::from([c.0]))).collect();
    let mut stored: BTreeMap<Uuid, Uuid> = BTreeMap::new();
    for round in 0..=STEPS_MAX {
        let ids = Ids(at.keys().copied().collect());
        let rows: Vec<(Uuid, Uuid, Option<Uuid>)> =
            on!(tx, c => sqlx::query_as(sql).bind(ids).fetch_all(c).await?);
        let mut above: BTreeMap<Uuid, BTreeSet<Uuid>> = BTreeMap::new();
        for (id, payer, parent) in rows {
            if round == 0 {
                stored.insert(id, payer);
            }
            let from = at.remove(&id).unwrap_or_default();
            match parent {
                Some(parent) => above.entry(parent).or_default().extend(from),
                None if from.iter().any(|start| stored.get(start) != Some(&id)) => return Ok(false),
                None => {}
            }
        }
        if above.is_empty() {
            return Ok(true);
        }
        at = above;
    }
    Ok(false)
}

/// The customer of this account number.
pub async fn customer(tx: &mut Tx, account_number: &str) -> anyhow::Result<Option<Customer>> {
    let row: Option<Json<Customer>> = on!(tx, c => sqlx::query_scalar(
        "select body from customer where account_number = $1").bind(account_number).fetch_optional(c).await?);
    Ok(row.map(|j| j.0))
}

/// Account number of the first customer with this RefKey.
pub async fn customer_of_refkey(tx: &mut Tx, refkey: &str) -> anyhow::Result<Option<String>> {
    Ok(on!(tx, c => sqlx::query_scalar(
        "select account_number from customer where body->>'refkey' = $1 order by account_number limit 1")
        .bind(refkey)
        .fetch_optional(c)
        .await?))
}

/// The customers of these account numbers; unknown ones are left out.
pub async fn customers_called(tx: &mut Tx, account_numbers: &[String]) -> anyhow::Result<Vec<Customer>> {
    const SQL: PerDriver = by_keys!("select body from customer where account_number", text, "");
    let sql = tx.pick(&SQL);
    let rows: Vec<Json<Customer>> = on!(tx, c => sqlx::query_scalar(sql)
        .bind(Texts(account_numbers.to_vec()))
        .fetch_all(c)
        .await?);
    Ok(rows.into_iter().map(|j| j.0).collect())
}

/// The root payer of each of these customers.
pub async fn payers_by_owner(
    tx: &mut Tx,
    owners: &[CustomerId],
) -> anyhow::Result<BTreeMap<CustomerId, CustomerId>> {
    const SQL: PerDriver = by_keys!("select id, payer from customer where id", uuid, "");
    let sql = tx.pick(&SQL);
    let rows: Vec<(Uuid, Uuid)> = on!(tx, c => sqlx::query_as(sql).bind(Ids::of(owners)).fetch_all(c).await?);
    Ok(rows.into_iter().map(|(id, payer)| (CustomerId(id), CustomerId(payer))).collect())
}

/// Number, owner and root payer of each of these subscriptions; unknown ones are left out.
pub async fn owners_called(
    tx: &mut Tx,
    numbers: &[String],
) -> anyhow::Result<Vec<(String, SubscriptionId, CustomerId)>> {
    const SQL: PerDriver = by_keys!(
        "select s.number, s.id, c.payer from subscription s join customer c on c.id = s.customer where s.number",
        text,
        ""
    );
    let sql = tx.pick(&SQL);
    let rows: Vec<(String, Uuid, Uuid)> =
        on!(tx, c => sqlx::query_as(sql).bind(Texts(numbers.to_vec())).fetch_all(c).await?);
    Ok(rows.into_iter().map(|(number, id, payer)| (number, SubscriptionId(id), CustomerId(payer))).collect())
}

/// The customers of these ids.
pub async fn customers(tx: &mut Tx, ids: &[CustomerId]) -> anyhow::Result<BTreeMap<CustomerId, Customer>> {
    const SQL: PerDriver = by_keys!("select body from customer where id", uuid, "");
    let sql = tx.pick(&SQL);
    let rows: Vec<Json<Customer>> =
        on!(tx, c => sqlx::query_scalar(sql).bind(Ids::of(ids)).fetch_all(c).await?);
    Ok(rows.into_iter().map(|j| (j.0.id, j.0)).collect())
}

/// Every customer of the book.
pub async fn all_customers(tx: &mut Tx) -> anyhow::Result<Vec<Customer>> {
    let rows: Vec<Json<Customer>> =
        on!(tx, c => sqlx::query_scalar("select body from customer").fetch_all(c).await?);
    Ok(rows.into_iter().map(|j| j.0).collect())
}

/// The subscription of this number.
pub async fn subscription(tx: &mut Tx, number: &str) -> anyhow::Result<Option<Subscription>> {
    let row: Option<Json<Subscription>> = on!(tx, c => sqlx::query_scalar(
        "select body from subscription where number = $1").bind(number).fetch_optional(c).await?);
    Ok(row.map(|j| j.0))
}

/// Subscriptions of these ids; unknown ids are left out.
pub async fn subscriptions_by_ids(tx: &mut Tx, ids: &[Uuid]) -> anyhow::Result<Vec<Subscription>> {
    const SQL: PerDriver = by_keys!("select body from subscription where id", uuid, "");
    let sql = tx.pick(&SQL);
    let rows: Vec<Json<Subscription>> =
        on!(tx, c => sqlx::query_scalar(sql).bind(Ids(ids.to_vec())).fetch_all(c).await?);
    Ok(rows.into_iter().map(|j| j.0).collect())
}

/// Number of the subscription that has, or had, the charge of this reference.
pub async fn owner_of_charge(tx: &mut Tx, reference: ChargeReference) -> anyhow::Result<Option<String>> {
    let number: Option<String> = on!(tx, c => sqlx::query_scalar(
        "select s.number
         from subscription_charge c
         join subscription s on s.id = c.subscription
         where c.reference = $1")
        .bind(reference.0)
        .fetch_optional(c)
        .await?);
    Ok(number)
}

/// Subscriptions of a customer, or all, by number.
pub async fn subscriptions(tx: &mut Tx, customer: Option<CustomerId>) -> anyhow::Result<Vec<Subscription>> {
    let rows: Vec<Json<Subscription>> = on!(tx, c => sqlx::query_scalar(
        "select body from subscription where $1 is null or customer = $1 order by number")
        .bind(customer.map(|c| c.0))
        .fetch_all(c)
        .await?);
    Ok(rows.into_iter().map(|j| j.0).collect())
}

/// How many subscriptions verbs have changed.
pub async fn changed_by_verbs(tx: &mut Tx) -> anyhow::Result<u64> {
    const SQL: PerDriver = PerDriver {
        sqlite: "select count(*) from subscription where json_array_length(body, '$.acts') > 0",
        postgres: "select count(*) from subscription where jsonb_array_length(body -> 'acts') > 0",
    };
    let sql = tx.pick(&SQL);
    let n: i64 = on!(tx, c => sqlx::query_scalar(sql).fetch_one(c).await?);
    crate::words::count(n, "subscription")
}

/// Customers and subscriptions of these root payers.
pub async fn trees(tx: &mut Tx, payers: &[CustomerId]) -> anyhow::Result<(Vec<Customer>, Vec<Subscription>)> {
    const CUSTOMERS: PerDriver = by_keys!("select body from customer where payer", uuid, "");
    const SUBSCRIPTIONS: PerDriver = by_keys!(
        "select s.body from subscription s join customer c on c.id = s.customer where c.payer",
        uuid,
        ""
    );
    let sql = tx.pick(&CUSTOMERS);
    let customers: Vec<Json<Customer>> =
        on!(tx, c => sqlx::query_scalar(sql).bind(Ids::of(payers)).fetch_all(c).await?);
    let sql = tx.pick(&SUBSCRIPTIONS);
    let subscriptions: Vec<Json<Subscription>> =
        on!(tx, c => sqlx::query_scalar(sql).bind(Ids::of(payers)).fetch_all(c).await?);
    Ok((customers.into_iter().map(|j| j.0).collect(), subscriptions.into_iter().map(|j| j.0).collect()))
}

/// Root payer of a customer: whose book a verb on its subscription is checked against.
pub async fn payer_of(tx: &mut Tx, customer: CustomerId) -> anyhow::Result<CustomerId> {
    let payer: Option<Uuid> = on!(tx, c => sqlx::query_scalar("select payer from customer where id = $1")
        .bind(customer.0)
        .fetch_optional(c)
        .await?);
    payer.map(CustomerId).with_context(|| format!("customer {customer} is not in the book"))
}

/// Notes who enjoys which discount code since when: (holder, owner, applied discount). A repeat is quiet.
/// Rows of the codes that are applied. Not async: an iterator of closures would not be sent between threads.
fn redemptions<'a>(applied: impl Iterator<Item = (Uuid, CustomerId, &'a AppliedDiscount)>) -> Bulk<'a> {
    let mut rows =
        Bulk::into("discount_redemption", &["discount", "code", "holder", "customer", "applied_on"])
            .on_conflict("on conflict (discount, code, holder, applied_on) do nothing");
    for (holder, customer, discount) in applied {
        rows.row([
            discount.discount.0.into(),
            (&discount.code).into(),
            holder.into(),
            customer.0.into(),
            discount.from.into(),
        ]);
    }
    rows
}

/// Every discount applied to a subscription or its charges, with its holder.
fn discounts_of(s: &Subscription) -> impl Iterator<Item = (Uuid, CustomerId, &AppliedDiscount)> {
    let own = s.discount.iter().map(|d| (s.id.0, s.customer, d));
    let charges =
        s.charges.iter().filter_map(|c| c.discount.as_ref().map(|d| (c.reference.0, s.customer, d)));
    let acts = s.acts.iter().filter_map(|act| match &act.verb {
        Verb::ApplyDiscount { charge, discount } => {
            Some((charge.map_or(s.id.0, |c| c.0), s.customer, discount))
        }
        _ => None,
    });
    own.chain(charges).chain(acts)
}

/// What a discount was applied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    Customer,
    Subscription,
    Charge,
}

/// One application of a discount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    pub holder: Uuid,
    pub kind: Holder,
    pub code: String,
    pub on: NaiveDate,
}

/// Whoever has had a discount, oldest first.
pub async fn holders(tx: &mut Tx, discount: DiscountId, most: i64) -> anyhow::Result<Vec<Applied>> {
    let rows: Vec<(Uuid, Uuid, Option<Uuid>, String, NaiveDate)> = on!(tx, c => sqlx::query_as(
        "select r.holder, r.customer, s.id, r.code, r.applied_on
         from discount_redemption r
         left join subscription s on s.id = r.holder
         where r.discount = $1
         order by r.applied_on, r.holder, r.code
         limit $2")
        .bind(discount.0)
        .bind(most)
        .fetch_all(c)
        .await?);
    let one = |(holder, customer, subscription, code, on): (Uuid, Uuid, Option<Uuid>, String, NaiveDate)| {
        let kind = match subscription {
            _ if holder == customer => Holder::Customer,
            Some(_) => Holder::Subscription,
            None => Holder::Charge,
        };
        Applied { holder, kind, code, on }
    };
    Ok(rows.into_iter().map(one).collect())
}

/// How often each code has been applied (rules D1), by its complete text.
pub async fn all_redeemed(tx: &mut Tx) -> anyhow::Result<BTreeMap<String, u32>> {
    let rows: Vec<(String, i64)> = on!(tx, c => sqlx::query_as(
        "select code, count(*) from discount_redemption group by code").fetch_all(c).await?);
    rows.into_iter().map(|(code, n)| Ok((code, crate::words::small(n, "discount_redemption")?))).collect()
}

/// How often a code has been applied (rules D1).
pub async fn redeemed(tx: &mut Tx, discount: DiscountId, code: &str) -> anyhow::Result<u64> {
    let n: i64 = on!(tx, c => sqlx::query_scalar(
        "select count(*) from discount_redemption where discount = $1 and code = $2")
        .bind(discount.0)
        .bind(code)
        .fetch_one(c)
        .await?);
    crate::words::count(n, "discount_redemption")
}
