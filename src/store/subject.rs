//! What intake needs to resolve subjects (rules Q3) and to tell late usage (rules Q5), in the usage store's
//! numbers.

use crate::bulk::Bulk;
use crate::counter;
use crate::tx::{PerDriver, Tx, on};
use crate::words::small;
use anyhow::Context;
use chrono::NaiveDate;
use domain::ids::{ChargeReference, PlanId, SubscriptionId};
use futures_util::TryStreamExt;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
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
    pub plans: Arc<BTreeSet<PlanId>>,
    pub charges: Vec<SubjectCharge>,
}

/// A charge as a subject of usage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectCharge {
    pub reference: ChargeReference,
    /// SKU of the plan charge at the start; the reference survives plan switches.
    pub sku: Arc<str>,
    /// Its number in the usage store, from 1, never reused.
    pub no: u32,
}

/// A thousand subscriptions as one JSON text: a row costs the driver more than all that is in it.
const SUBJECTS: PerDriver = PerDriver {
    sqlite: "select json_group_array(json_array(hex(s.id), s.number, s.no, c.account_number, json(s.plans)))
             from subscription s
             join customer c on c.id = s.customer
             group by s.no / 1000
             order by s.no / 1000",
    postgres:
        "select cast(json_agg(json_build_array(s.id, s.number, s.no, c.account_number, s.plans)) as text)
               from subscription s
               join customer c on c.id = s.customer
               group by s.no / 1000
               order by s.no / 1000",
};

/// The same of charges.
const CHARGES: PerDriver = PerDriver {
    sqlite: "select json_group_array(json_array(hex(subscription), hex(reference), sku, no))
             from subscription_charge
             group by no / 1000
             order by no / 1000",
    postgres: "select cast(json_agg(json_build_array(subscription, reference, sku, no)) as text)
               from subscription_charge
               group by no / 1000
               order by no / 1000",
};

/// Every subscription, by number in the usage store. What many have in common is held once.
pub async fn all(tx: &mut Tx) -> anyhow::Result<Vec<Subject>> {
    type Row = (Uuid, String, i64, String, BTreeSet<PlanId>);
    let mut charges = charges(tx).await?;
    let mut known: HashSet<Arc<BTreeSet<PlanId>>> = HashSet::new();
    let mut subjects = Vec::with_capacity(charges.len());
    each(tx, &SUBJECTS, |(id, number, no, account_number, plans): Row| {
        let no = small(no, "subscription.no")?;
        let charges = charges.remove(&id).unwrap_or_default();
        let plans = match known.get(&plans) {
            Some(plans) => Arc::clone(plans),
            None => {
                let plans = Arc::new(plans);
                known.insert(Arc::clone(&plans));
                plans
            }
        };
        subjects.push(Subject { id: SubscriptionId(id), number, no, account_number, plans, charges });
        Ok(())
    })
    .await?;
    subjects.sort_by_key(|subject| subject.no);
    Ok(subjects)
}

async fn charges(tx: &mut Tx) -> anyhow::Result<HashMap<Uuid, Vec<SubjectCharge>>> {
    type Row = (Uuid, Uuid, String, i64);
    let mut charges: HashMap<Uuid, Vec<SubjectCharge>> = HashMap::new();
    let mut known: HashSet<Arc<str>> = HashSet::new();
    each(tx, &CHARGES, |(subscription, reference, sku, no): Row| {
        let no = small(no, "subscription_charge.no")?;
        let sku = match known.get(sku.as_str()) {
            Some(sku) => Arc::clone(sku),
            None => {
                let sku: Arc<str> = sku.into();
                known.insert(Arc::clone(&sku));
                sku
            }
        };
        let charge = SubjectCharge { reference: ChargeReference(reference), sku, no };
        charges.entry(subscription).or_default().push(charge);
        Ok(())
    })
    .await?;
    charges.values_mut().for_each(|list| list.sort_by_key(|charge| charge.no));
    Ok(charges)
}

/// Takes each row of a statement that gives them as JSON texts.
async fn each<T: DeserializeOwned>(
    tx: &mut Tx,
    sql: &PerDriver,
    mut take: impl FnMut(T) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let sql = tx.pick(sql);
    on!(tx, c => {
        let mut texts = sqlx::query_scalar::<_, String>(sql).fetch(c);
        while let Some(text) = texts.try_next().await? {
            let rows: Vec<T> = serde_json::from_str(&text).context("reading what the database made as JSON")?;
            rows.into_iter().try_for_each(&mut take)?;
        }
    });
    Ok(())
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
