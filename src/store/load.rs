//! Loading book files: what is known already of what they name, and saving what a load changes (rules S6).

use crate::bulk::Bulk;
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::{Ids, Texts};
use crate::{book, catalogue, counter, payer};
use anyhow::Context;
use domain::book_file::{ContentHash, Known, LoadSet, Needs, ObjectKind, Parsed, Reach};
use domain::catalogue::Catalogue;
use domain::customer::Customer;
use domain::ids::{CustomerId, PlanId};
use domain::subscription::Subscription;
use sqlx::types::Json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

/// Hashes turned into rows at once.
const HASHES: usize = 10_000;
/// Other account numbers that are read for hints.
const NAMES_MAX: i64 = 2_000;

/// All that these files are checked against. It stays as it is until the transaction ends: other loads, and acts on the
/// payers that the files touch, wait.
pub async fn locked_known(tx: &mut Tx, parsed: &Parsed) -> anyhow::Result<Known> {
    counter::take(tx, counter::LOAD, 0).await?;
    if tx.is_sqlite() {
        return known(tx, parsed).await;
    }
    // Only loads change the catalogue and move customers: what is read here says rightly what is to be locked, and is
    // read again under the lock.
    let before = known(tx, parsed).await?;
    if parsed.changes_catalogue(&before) {
        catalogue::lock(tx).await?;
    }
    let touched: Vec<CustomerId> = parsed.touched(&before).into_iter().collect();
    let roots: Vec<CustomerId> = book::roots_of(tx, &touched).await?.into_iter().map(CustomerId).collect();
    payer::lock(tx, &roots).await?;
    let limited = parsed.limited_codes(&before);
    for (id, discount) in before.catalogue.iter().flat_map(|c| &c.discounts) {
        if discount.codes.iter().any(|code| limited.contains(&code.complete())) {
            catalogue::lock_discount(tx, *id).await?;
        }
    }
    known(tx, parsed).await
}

async fn known(tx: &mut Tx, parsed: &Parsed) -> anyhow::Result<Known> {
    let hashes = hashes(tx, parsed).await?;
    let catalogue = catalogue::load(tx).await?.map(Arc::new);
    let anything_billed: i64 = on!(tx, c => sqlx::query_scalar("select count(*) from (select 1 from invoice limit 1) one").fetch_one(c).await?);
    let mut known = Known {
        billed_charges: match &catalogue {
            Some(catalogue) if parsed.keys().contains_key(&ObjectKind::ProductPlan) => {
                billed_charges(tx, catalogue).await?
            }
            _ => BTreeSet::new(),
        },
        hashes,
        anything_billed: anything_billed > 0,
        catalogue,
        ..Known::default()
    };
    let needs = parsed.needs(&known.hashes);
    add_named_customers(tx, parsed, &needs, &mut known).await?;
    add_subscriptions(tx, &needs, &mut known).await?;
    if let Some(catalogue) = &known.catalogue {
        let plans = parsed.narrowed_plans(catalogue);
        let on_them = subscriptions_with(tx, &plans).await?;
        known.subscriptions.extend(on_them.into_iter().map(|s| (s.number.clone(), s)));
    }
    add_holders(tx, &parsed.limited_codes(&known), &mut known).await?;
    add_ancestors(tx, &mut known).await?;
    if !parsed.unknown_customers(&known).is_empty() {
        known.other_customers = on!(tx, c => sqlx::query_scalar(
            "select account_number from customer order by account_number limit $1")
            .bind(NAMES_MAX)
            .fetch_all(c)
            .await?);
    }
    Ok(known)
}

async fn hashes(tx: &mut Tx, parsed: &Parsed) -> anyhow::Result<BTreeMap<(ObjectKind, String), ContentHash>> {
    const SQL: PerDriver = by_keys!("select key, hash from loaded_hash where kind = $2 and key", text, "");
    let mut hashes = BTreeMap::new();
    for (kind, keys) in parsed.keys() {
        let sql = tx.pick(&SQL);
        let rows: Vec<(String, String)> =
            on!(tx, c => sqlx::query_as(sql).bind(texts(&keys)).bind(kind.name()).fetch_all(c).await?);
        for (key, hash) in rows {
            let hash = hash.parse().with_context(|| format!("loaded_hash of {} `{key}`", kind.name()))?;
            hashes.insert((kind, key), hash);
        }
    }
    Ok(hashes)
}

fn texts<'t>(names: impl IntoIterator<Item = &'t &'t str>) -> Texts {
    Texts(names.into_iter().map(|name| (*name).to_owned()).collect())
}

/// (plan SKU, charge SKU) of charges that a booked line has (rules P9).
async fn billed_charges(tx: &mut Tx, catalogue: &Catalogue) -> anyhow::Result<BTreeSet<(String, String)>> {
    let rows: Vec<(Uuid, String)> =
        on!(tx, c => sqlx::query_as("select plan, sku from billed_charge").fetch_all(c).await?);
    let named = rows.into_iter().filter_map(|(plan, sku)| {
        let plan = catalogue.plans.get(&PlanId(plan))?;
        plan.charge(&sku).map(|charge| (plan.sku.clone(), charge.sku.clone()))
    });
    Ok(named.collect())
}

/// By account number; what is none, by id; what is neither, by refkey.
async fn add_named_customers(
    tx: &mut Tx,
    parsed: &Parsed,
    needs: &Needs<'_>,
    known: &mut Known,
) -> anyhow::Result<()> {
    const BY_NUMBER: PerDriver = by_keys!("select body from customer where account_number", text, "");
    const BY_REFKEY: PerDriver = by_keys!("select body from customer where body ->> 'refkey'", text, "");
    let sql = tx.pick(&BY_NUMBER);
    let rows: Vec<Json<Customer>> =
        on!(tx, c => sqlx::query_scalar(sql).bind(texts(&needs.customers)).fetch_all(c).await?);
    add(known, rows.into_iter().map(|j| j.0));
    let ids = needs.customers.iter().filter_map(|name| name.parse().ok().map(CustomerId)).collect();
    add_by_id(tx, known, ids).await?;
    let refkeys = parsed.unknown_customers(known);
    if !refkeys.is_empty() {
        let sql = tx.pick(&BY_REFKEY);
        let rows: Vec<Json<Customer>> =
            on!(tx, c => sqlx::query_scalar(sql).bind(Texts(refkeys)).fetch_all(c).await?);
        add(known, rows.into_iter().map(|j| j.0));
    }
    Ok(())
}

fn add(known: &mut Known, customers: impl Iterator<Item = Customer>) {
    known.customers.extend(customers.map(|c| (c.account_number.clone(), c)));
}

async fn add_subscriptions(tx: &mut Tx, needs: &Needs<'_>, known: &mut Known) -> anyhow::Result<()> {
    const SQL: PerDriver = by_keys!("select body from subscription where number", text, "");
    if needs.subscriptions.is_empty() {
        return Ok(());
    }
    let sql = tx.pick(&SQL);
    let rows: Vec<Json<Subscription>> =
        on!(tx, c => sqlx::query_scalar(sql).bind(texts(&needs.subscriptions)).fetch_all(c).await?);
    known.subscriptions.extend(rows.into_iter().map(|j| (j.0.number.clone(), j.0)));
    // A draft may be given to another customer: its owner of now is touched too.
    let ids: BTreeSet<CustomerId> = known.subscriptions.values().map(|s| s.customer).collect();
    add_by_id(tx, known, ids).await
}

async fn add_by_id(tx: &mut Tx, known: &mut Known, mut ids: BTreeSet<CustomerId>) -> anyhow::Result<()> {
    for customer in known.customers.values() {
        ids.remove(&customer.id);
    }
    if !ids.is_empty() {
        let ids: Vec<CustomerId> = ids.into_iter().collect();
        add(known, book::customers(tx, &ids).await?.into_values());
    }
    Ok(())
}

/// Subscriptions that have, or have had, one of these plans.
async fn subscriptions_with(tx: &mut Tx, plans: &BTreeSet<PlanId>) -> anyhow::Result<Vec<Subscription>> {
    const SQL: PerDriver = PerDriver {
        sqlite: "select body from subscription where exists (
                     select 1 from json_each(plans) plan where plan.value in (select value from json_each($1)))",
        postgres: "select body from subscription where plans ?| $1",
    };
    if plans.is_empty() {
        return Ok(Vec::new());
    }
    let sql = tx.pick(&SQL);
    let plans = Texts(plans.iter().map(ToString::to_string).collect());
    let rows: Vec<Json<Subscription>> = on!(tx, c => sqlx::query_scalar(sql).bind(plans).fetch_all(c).await?);
    Ok(rows.into_iter().map(|j| j.0).collect())
}

/// Everybody who enjoys one of these codes, with their subscriptions.
async fn add_holders(tx: &mut Tx, codes: &BTreeSet<String>, known: &mut Known) -> anyhow::Result<()> {
    const HOLDERS: PerDriver =
        by_keys!("select distinct customer from discount_redemption where code", text, "");
    const SUBSCRIPTIONS: PerDriver = by_keys!("select body from subscription where customer", uuid, "");
    if codes.is_empty() {
        return Ok(());
    }
    let sql = tx.pick(&HOLDERS);
    let holders: Vec<Uuid> = on!(tx, c => sqlx::query_scalar(sql).bind(Texts(codes.iter().cloned().collect())).fetch_all(c).await?);
    add_by_id(tx, known, holders.iter().map(|id| CustomerId(*id)).collect()).await?;
    let sql = tx.pick(&SUBSCRIPTIONS);
    let rows: Vec<Json<Subscription>> =
        on!(tx, c => sqlx::query_scalar(sql).bind(Ids(holders)).fetch_all(c).await?);
    known.subscriptions.extend(rows.into_iter().map(|j| (j.0.number.clone(), j.0)));
    Ok(())
}

/// Parents of everybody known, and theirs: who pays, and that nobody is their own ancestor.
async fn add_ancestors(tx: &mut Tx, known: &mut Known) -> anyhow::Result<()> {
    loop {
        let before = known.customers.len();
        let parents = known.customers.values().filter_map(|c| c.parent).collect();
        add_by_id(tx, known, parents).await?;
        if known.customers.len() == before {
            return Ok(());
        }
    }
}

/// Saves what a load changes, all or nothing. Raises the revision of every payer that is touched, and of those whose
/// bills the change of the catalogue may move. Objects whose content is the same are not in the set, so loading again
/// writes nothing.
pub async fn save_load(tx: &mut Tx, set: &LoadSet) -> anyhow::Result<()> {
    if set.catalogue_changed {
        catalogue::save(tx, &set.catalogue).await?;
        match &set.reach {
            Reach::Everybody => catalogue::raise(tx).await?,
            Reach::Plans(plans) => raise_with(tx, plans).await?,
        }
    }
    book::save_all(tx, &set.customers, &set.subscriptions).await?;
    for batch in set.hashes.chunks(HASHES) {
        let mut rows = Bulk::into("loaded_hash", &["kind", "key", "hash"])
            .on_conflict("on conflict (kind, key) do update set hash = excluded.hash");
        for (kind, key, hash) in batch {
            rows.row([kind.name().into(), key.into(), hash.to_string().into()]);
        }
        rows.insert(tx).await?;
    }
    Ok(())
}

/// Raises the revision of the payers of everybody who has, or has had, one of these plans.
async fn raise_with(tx: &mut Tx, plans: &BTreeSet<PlanId>) -> anyhow::Result<()> {
    const SQL: PerDriver = PerDriver {
        sqlite: "update customer set revision = revision + 1 where id in (
                     select c.payer
                     from subscription s
                     join customer c on c.id = s.customer
                     where exists (
                         select 1 from json_each(s.plans) plan where plan.value in (select value from json_each($1))))",
        postgres: "update customer set revision = revision + 1 where id in (
                       select c.payer
                       from subscription s
                       join customer c on c.id = s.customer
                       where s.plans ?| $1)",
    };
    if plans.is_empty() {
        return Ok(());
    }
    let sql = tx.pick(&SQL);
    let plans = Texts(plans.iter().map(ToString::to_string).collect());
    on!(tx, c => sqlx::query(sql).bind(plans).execute(c).await.map(drop))?;
    Ok(())
}
