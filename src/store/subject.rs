//! What intake needs to resolve subjects (rules Q3) and to tell late usage (rules Q5), in the usage store's
//! numbers.

use crate::bulk::Bulk;
use crate::counter;
use crate::tx::{Tx, on};
use crate::words::small;
use chrono::NaiveDate;
use domain::ids::{ChargeReference, PlanId, SubscriptionId};
use sqlx::types::Json;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// A subscription as a subject of usage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    pub id: SubscriptionId,
    pub number: String,
    /// Its number in the usage store, from 1, never reused.
    pub no: u32,
    /// The owner.
    pub account_number: String,
    /// Every plan it has or has had: their metered charges tell which meters it counts.
    pub plans: BTreeSet<PlanId>,
    pub charges: Vec<SubjectCharge>,
}

/// A charge as a subject of usage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectCharge {
    pub reference: ChargeReference,
    /// SKU of the plan charge at the start; the reference survives plan switches.
    pub sku: String,
    /// Its number in the usage store, from 1, never reused.
    pub no: u32,
}

/// Every subscription, by number in the usage store.
pub async fn all(tx: &mut Tx) -> anyhow::Result<Vec<Subject>> {
    type Row = (Uuid, String, i64, String, Json<BTreeSet<PlanId>>);
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        "select s.id, s.number, s.no, c.account_number, s.plans
         from subscription s
         join customer c on c.id = s.customer
         order by s.no")
        .fetch_all(c)
        .await?);
    let mut charges = charges(tx).await?;
    rows.into_iter()
        .map(|(id, number, no, account_number, Json(plans))| {
            let no = small(no, "subscription.no")?;
            let charges = charges.remove(&id).unwrap_or_default();
            Ok(Subject { id: SubscriptionId(id), number, no, account_number, plans, charges })
        })
        .collect()
}

async fn charges(tx: &mut Tx) -> anyhow::Result<BTreeMap<Uuid, Vec<SubjectCharge>>> {
    let rows: Vec<(Uuid, Uuid, String, i64)> = on!(tx, c => sqlx::query_as(
        "select subscription, reference, sku, no from subscription_charge order by no").fetch_all(c).await?);
    let mut charges: BTreeMap<Uuid, Vec<SubjectCharge>> = BTreeMap::new();
    for (subscription, reference, sku, no) in rows {
        let no = small(no, "subscription_charge.no")?;
        charges.entry(subscription).or_default().push(SubjectCharge {
            reference: ChargeReference(reference),
            sku,
            no,
        });
    }
    Ok(charges)
}

/// The usage store's numbers of every subscription.
pub async fn subscription_numbers(tx: &mut Tx) -> anyhow::Result<BTreeMap<SubscriptionId, u32>> {
    let rows: Vec<(Uuid, i64)> =
        on!(tx, c => sqlx::query_as("select id, no from subscription").fetch_all(c).await?);
    rows.into_iter().map(|(id, no)| Ok((SubscriptionId(id), small(no, "subscription.no")?))).collect()
}

/// The usage store's numbers of every charge reference.
pub async fn charge_numbers(tx: &mut Tx) -> anyhow::Result<BTreeMap<ChargeReference, u32>> {
    let rows: Vec<(Uuid, i64)> =
        on!(tx, c => sqlx::query_as("select reference, no from subscription_charge").fetch_all(c).await?);
    rows.into_iter().map(|(id, no)| Ok((ChargeReference(id), small(no, "subscription_charge.no")?))).collect()
}

/// How far a charge of a subscription is billed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BilledThrough {
    pub subscription: SubscriptionId,
    pub charge: ChargeReference,
    /// First local day that is not billed: events before it are late (rules Q5).
    pub end: NaiveDate,
    /// Latest usage mark of a run that billed it.
    pub usage_mark: i64,
}

/// How far each charge is billed, of subscriptions that have any.
pub async fn billed_through(tx: &mut Tx) -> anyhow::Result<Vec<BilledThrough>> {
    let rows: Vec<(Uuid, Uuid, NaiveDate, i64)> = on!(tx, c => sqlx::query_as(
        "select subscription, charge, max(period_end), max(usage_mark)
         from billed_line b
         where not exists (select 1
                           from reopened_line r
                           where r.charge = b.charge and r.key_start = b.key_start and r.revision = b.revision
                             and r.kind = b.kind and r.ordinal = b.ordinal)
         group by charge, subscription
         order by charge, subscription")
        .fetch_all(c)
        .await?);
    Ok(rows
        .into_iter()
        .map(|(subscription, charge, end, usage_mark)| BilledThrough {
            subscription: SubscriptionId(subscription),
            charge: ChargeReference(charge),
            end,
            usage_mark,
        })
        .collect())
}

/// Numbers of these meters, given to those that have none. Needs a transaction that writes if any is new.
pub async fn meter_numbers(tx: &mut Tx, meters: &BTreeSet<String>) -> anyhow::Result<BTreeMap<String, u32>> {
    let rows: Vec<(String, i64)> =
        on!(tx, c => sqlx::query_as("select name, no from usage_meter").fetch_all(c).await?);
    let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
    for (name, no) in rows {
        numbers.insert(name, small(no, "usage_meter.no")?);
    }
    let new: Vec<&String> = meters.iter().filter(|m| !numbers.contains_key(*m)).collect();
    if new.is_empty() {
        return Ok(numbers);
    }
    let first = counter::take(tx, counter::METER, i64::try_from(new.len())?).await?;
    let mut rows = Bulk::into("usage_meter", &["name", "no"]);
    let mut given = Vec::with_capacity(new.len());
    for (no, name) in (first..).zip(new) {
        rows.row([name.into(), no.into()]);
        given.push((name.clone(), small(no, "usage_meter.no")?));
    }
    rows.insert(tx).await?;
    numbers.extend(given);
    Ok(numbers)
}
