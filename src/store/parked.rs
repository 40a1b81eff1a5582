//! Payers beyond a safety bound: parked until a person lets them through by name, whatever runs come in between
//! (rules I9).

use crate::bulk::Bulk;
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::Ids;
use crate::words::count;
use chrono::{DateTime, Utc};
use domain::ids::{CustomerId, RunId};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Why a payer waits, and since which run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parking {
    /// Ordinal of the run that parked it.
    pub run_ordinal: u64,
    pub reason: String,
}

/// Which of these payers are parked.
pub async fn of(tx: &mut Tx, payers: &[CustomerId]) -> anyhow::Result<BTreeMap<CustomerId, Parking>> {
    const SQL: PerDriver = by_keys!(
        "select p.payer, r.ordinal, p.reason from parked_payer p join run r on r.id = p.run where p.payer",
        uuid,
        ""
    );
    let sql = tx.pick(&SQL);
    let rows: Vec<(Uuid, i64, String)> =
        on!(tx, c => sqlx::query_as(sql).bind(Ids::of(payers)).fetch_all(c).await?);
    rows.into_iter()
        .map(|(payer, ordinal, reason)| {
            let parking = Parking { run_ordinal: count(ordinal, "run.ordinal")?, reason };
            Ok((CustomerId(payer), parking))
        })
        .collect()
}

/// Everybody who is parked, by account number.
pub async fn all(tx: &mut Tx) -> anyhow::Result<Vec<(String, Parking)>> {
    let rows: Vec<(String, i64, String)> = on!(tx, c => sqlx::query_as(
        "select c.account_number, r.ordinal, p.reason
         from parked_payer p
         join run r on r.id = p.run
         join customer c on c.id = p.payer
         order by c.account_number")
        .fetch_all(c)
        .await?);
    rows.into_iter()
        .map(|(account, ordinal, reason)| {
            Ok((account, Parking { run_ordinal: count(ordinal, "run.ordinal")?, reason }))
        })
        .collect()
}

/// Parks payers with their reasons; one that is parked already keeps its first.
pub async fn park(
    tx: &mut Tx,
    run: RunId,
    payers: &[(CustomerId, String)],
    now: DateTime<Utc>,
) -> anyhow::Result<()> {
    let mut rows = Bulk::into("parked_payer", &["payer", "run", "reason", "since"])
        .on_conflict("on conflict (payer) do nothing");
    for (payer, reason) in payers {
        rows.row([payer.0.into(), run.0.into(), reason.into(), now.into()]);
    }
    rows.insert(tx).await.map(drop)
}

/// Lets payers through; returns how many were parked.
pub async fn release(tx: &mut Tx, payers: &[CustomerId]) -> anyhow::Result<u64> {
    const SQL: PerDriver = by_keys!("delete from parked_payer where payer", uuid, "");
    let sql = tx.pick(&SQL);
    Ok(on!(tx, c => sqlx::query(sql).bind(Ids::of(payers)).execute(c).await?.rows_affected()))
}

/// Forgets what a run has parked: it was cancelled, and the next one judges again.
pub async fn forget_run(tx: &mut Tx, run: RunId) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query("delete from parked_payer where run = $1").bind(run.0).execute(c).await.map(drop))?;
    Ok(())
}
