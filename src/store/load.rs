//! Loading book files: what is known already, and saving what a load changes (rules.md S6).

use crate::bulk::Bulk;
use crate::tx::{Tx, on};
use crate::{book, catalogue};
use anyhow::{Context, anyhow};
use domain::book_file::{ContentHash, Known, LoadSet, ObjectKind};
use domain::catalogue::Catalogue;
use domain::customer::Customer;
use domain::ids::PlanId;
use sqlx::types::Json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

/// All that a load is checked against.
pub async fn known(tx: &mut Tx) -> anyhow::Result<Known> {
    let catalogue = catalogue::load(tx).await?.map(Arc::new);
    let billed_charges = match &catalogue {
        Some(catalogue) => billed_charges(tx, catalogue).await?,
        None => BTreeSet::new(),
    };
    let customers: Vec<Json<Customer>> =
        on!(tx, c => sqlx::query_scalar("select body from customer").fetch_all(c).await?);
    let anything_billed: i64 = on!(tx, c => sqlx::query_scalar("select count(*) from (select 1 from invoice limit 1) one").fetch_one(c).await?);
    Ok(Known {
        catalogue,
        customers: customers.into_iter().map(|j| (j.0.account_number.clone(), j.0)).collect(),
        subscriptions: book::subscriptions(tx, None)
            .await?
            .into_iter()
            .map(|s| (s.number.clone(), s))
            .collect(),
        hashes: hashes(tx).await?,
        billed_charges,
        anything_billed: anything_billed > 0,
    })
}

async fn hashes(tx: &mut Tx) -> anyhow::Result<BTreeMap<(ObjectKind, String), ContentHash>> {
    let rows: Vec<(String, String, String)> =
        on!(tx, c => sqlx::query_as("select kind, key, hash from loaded_hash").fetch_all(c).await?);
    rows.into_iter()
        .map(|(kind, key, hash)| {
            let known = ObjectKind::parse(&kind).ok_or_else(|| anyhow!("loaded_hash.kind holds `{kind}`"))?;
            let hash = hash.parse().with_context(|| format!("loaded_hash of {kind} `{key}`"))?;
            Ok(((known, key), hash))
        })
        .collect()
}

/// (plan SKU, charge SKU) of charges that a booked line has (rules.md P9).
async fn billed_charges(tx: &mut Tx, catalogue: &Catalogue) -> anyhow::Result<BTreeSet<(String, String)>> {
    let rows: Vec<(Uuid, String)> =
        on!(tx, c => sqlx::query_as("select plan, sku from billed_charge").fetch_all(c).await?);
    let named = rows.into_iter().filter_map(|(plan, sku)| {
        let plan = catalogue.plans.get(&PlanId(plan))?;
        plan.charge(&sku).map(|charge| (plan.sku.clone(), charge.sku.clone()))
    });
    Ok(named.collect())
}

/// Saves what a load changes, all or nothing. Raises the revision of every payer that is touched, and of all payers
/// if the catalogue changed. Objects whose content is the same are not in the set, so loading again writes nothing.
pub async fn save_load(tx: &mut Tx, set: &LoadSet) -> anyhow::Result<()> {
    if set.catalogue_changed {
        catalogue::save(tx, &set.catalogue).await?;
    }
    book::save_customers(tx, &set.customers).await?;
    book::save_subscriptions(tx, &set.subscriptions).await?;
    let mut rows = Bulk::into("loaded_hash", &["kind", "key", "hash"])
        .on_conflict("on conflict (kind, key) do update set hash = excluded.hash");
    for (kind, key, hash) in &set.hashes {
        rows.row([kind.name().into(), key.into(), hash.to_string().into()]);
    }
    rows.insert(tx).await.map(drop)
}
