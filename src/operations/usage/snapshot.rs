//! What usage is checked against.

use crate::context::Context;
use crate::files::file_store::Named;
use crate::usage::ingest::Lateness;
use crate::usage::keys;
use anyhow::Context as _;
use domain::catalogue::{Catalogue, LateUsage};
use domain::zone;
use metering::{Billed, Subjects};
use std::collections::BTreeMap;
use store::segment::{self, KeyRun};
use store::{Tx, meta, subject};

/// The book and the keys at one version of the usage store, as intake needs them.
pub(crate) struct Snapshot {
    pub version: i64,
    pub key_runs: Vec<KeyRun>,
    pub subjects: Subjects,
    pub seed: u128,
    pub zone: chrono_tz::Tz,
}

impl Snapshot {
    pub async fn read(ctx: &Context, lateness: Lateness) -> anyhow::Result<Self> {
        let mut tx = ctx.store.begin().await?;
        let seed = meta::key_seed(&mut tx).await?;
        tx.commit().await?;
        let mut tx = ctx.store.read().await?;
        let catalogue = store::catalogue::load(&mut tx).await?.context("the book is empty")?;
        let version = segment::version(&mut tx).await?;
        let key_runs = segment::key_runs(&mut tx, 0, version).await?;
        let subjects = subjects(&mut tx, &catalogue, lateness).await?;
        Ok(Self { version, key_runs, subjects, seed, zone: catalogue.tenant.timezone })
    }

    /// Sees to it that the key runs are here, and as they were written.
    pub async fn insist_keys(&self, ctx: &Context) -> anyhow::Result<()> {
        ctx.files.need(self.key_runs.iter().map(Named::from)).await?;
        keys::insist_keys(ctx, &self.key_runs).await
    }
}

/// The names that usage may be for, the meters that are counted, and how far they are billed (rules Q3, Q5).
async fn subjects(tx: &mut Tx, catalogue: &Catalogue, lateness: Lateness) -> anyhow::Result<Subjects> {
    let mut subjects = Subjects::new();
    let metered = |sku: &str, plans: &std::collections::BTreeSet<domain::ids::PlanId>| {
        plans
            .iter()
            .filter_map(|id| catalogue.plans.get(id))
            .find_map(|plan| plan.charge(sku))
            .filter(|charge| charge.is_metered())
    };
    for charge in catalogue.plans.values().flat_map(|p| &p.charges).filter(|c| c.is_metered()) {
        subjects.add_meter(&charge.meter);
        if catalogue.is_only_counted(&charge.meter) {
            subjects.set_only_counted(&charge.meter);
        }
    }
    let billed: BTreeMap<_, _> =
        subject::billed_through(tx).await?.into_iter().map(|b| ((b.subscription, b.charge), b.end)).collect();
    for known in subject::all(tx).await? {
        subjects.add_subscription(known.no, &known.number, &known.account_number);
        for charge in &known.charges {
            let Some(plan_charge) = metered(&charge.sku, &known.plans) else { continue };
            subjects.add_charge(charge.reference, known.no, charge.no, &plan_charge.meter);
            if let Some(end) = billed.get(&(known.id, charge.reference)) {
                let late_before_us = zone::start_of_day(*end, catalogue.tenant.timezone).timestamp_micros();
                let refuses = plan_charge.late_usage == LateUsage::Reject && lateness == Lateness::Judged;
                let refused_before_us = if refuses { late_before_us } else { i64::MIN };
                subjects.set_billed(
                    known.no,
                    &plan_charge.meter,
                    Billed { late_before_us, refused_before_us },
                );
            }
        }
    }
    Ok(subjects)
}
