//! Revenue by plan and month, and what of it was deferred.

use super::Work;
use domain::ledger::Role;
use domain::money::Currency;
use domain::report::{Agreement, Cell, numbers, words};
use std::collections::{BTreeMap, BTreeSet};
use store::ledger::report as sql;

/// (month, plan, SKU, currency).
type Key = (String, String, String, Currency);

/// Month by month, plan and charge.
pub(super) async fn revenue(work: &mut Work<'_>) -> anyhow::Result<()> {
    let columns = [
        words("month", "month"),
        words("plan", "plan"),
        words("sku", "charge"),
        words("currency", ""),
        numbers("revenue", "revenue"),
        numbers("deferred", "deferred"),
    ];
    let span = work.ask.span;
    let rows = sql::revenue(&mut work.tx, span.start, span.end).await?;
    let sums = sql::sums(&mut work.tx, span.start, span.end).await?;
    let deferred_accounts = deferred_accounts(work);
    let plans = plans(work);
    let mut earned: BTreeMap<Key, (i128, i128)> = BTreeMap::new();
    let mut per_account: BTreeMap<(String, Currency), i128> = BTreeMap::new();
    for row in rows {
        let minor = i128::from(row.minor);
        *per_account.entry((row.account.clone(), row.currency)).or_default() += minor;
        let plan = plans.get(&row.sku).cloned().unwrap_or_default();
        let sums = earned.entry((row.month, plan, row.sku, row.currency)).or_default();
        if deferred_accounts.contains(&row.account) {
            sums.1 += minor;
        } else {
            sums.0 += minor;
        }
    }
    work.begin("Revenue by plan and month", &columns, ("sku", "revenue"))?;
    for ((month, plan, sku, currency), (revenue, deferred)) in &earned {
        work.sheet.row(&[
            Cell::text(month),
            Cell::text(plan),
            Cell::text(sku),
            Cell::currency(*currency),
            Cell::amount(*revenue, *currency),
            Cell::amount(*deferred, *currency),
        ])?;
    }
    let agreements = sums.iter().filter_map(|sum| {
        let report = per_account.get(&(sum.account.clone(), sum.currency))?;
        let ledger = i128::from(sum.credit_minor) - i128::from(sum.debit_minor);
        Some(Agreement::of(format!("account {}", sum.account), sum.currency, *report, ledger))
    });
    work.end(&agreements.collect::<Vec<_>>())
}

/// Deferred revenue, also where a unit has its own.
pub(super) fn deferred_accounts(work: &Work<'_>) -> BTreeSet<String> {
    let base = work.catalogue.tenant.accounts.code(Role::DeferredRevenue);
    let units = work.catalogue.business_units.values().filter_map(|unit| unit.accounts.get(&base).cloned());
    std::iter::once(base.clone()).chain(units).collect()
}

/// The plans of each charge's SKU, by their SKUs.
fn plans(work: &Work<'_>) -> BTreeMap<String, String> {
    let mut plans: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for plan in work.catalogue.plans.values() {
        for charge in &plan.charges {
            plans.entry(charge.sku.clone()).or_default().insert(&plan.sku);
        }
    }
    let joined = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(" / ");
    plans.into_iter().map(|(sku, names)| (sku, joined(names))).collect()
}
