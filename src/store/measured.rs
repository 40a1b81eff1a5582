//! Rated quantities of a run, written in bulk by the rating step and read per payer by the drafting step. Keyed
//! (run, charge reference, period start, payer revision): a payer whose book changed is measured again.

use crate::bulk::{Bulk, Cell};
use crate::payer::PayerRef;
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::Ids;
use chrono::NaiveDate;
use domain::ids::{ChargeReference, CustomerId, RunId};
use domain::measure::{GroupMeasure, Measured, MeasuredWindow, WindowKey};
use sqlx::types::Json;
use std::collections::BTreeMap;
use uuid::Uuid;

/// One measured window and whose it is.
#[derive(Debug, Clone, Copy)]
pub struct MeasuredRow<'a> {
    pub payer: CustomerId,
    /// The payer's revision under which the window was asked for.
    pub revision: i64,
    pub key: WindowKey,
    pub window: &'a MeasuredWindow,
}

/// Writes measured windows; those that are there already stay as they are.
pub async fn save(tx: &mut Tx, run: RunId, windows: &[MeasuredRow<'_>]) -> anyhow::Result<()> {
    let columns = &["run", "charge", "period_start", "payer", "revision", "newest_import", "groups"];
    let mut rows = Bulk::into("measured_quantity", columns)
        .on_conflict("on conflict (run, charge, period_start, revision) do nothing");
    for row in windows {
        rows.row([
            run.0.into(),
            row.key.charge.0.into(),
            row.key.start.into(),
            row.payer.0.into(),
            row.revision.into(),
            row.window.newest_import.into(),
            Cell::json(&row.window.groups)?,
        ]);
    }
    rows.insert(tx).await.map(drop)
}

/// What was measured for these payers under the revisions given; a payer without rows is not in the answer.
pub async fn of_payers(
    tx: &mut Tx,
    run: RunId,
    payers: &[PayerRef],
) -> anyhow::Result<BTreeMap<CustomerId, Measured>> {
    const SQL: PerDriver = by_keys!(
        "select payer, charge, period_start, revision, newest_import, groups
         from measured_quantity
         where run = $2 and payer",
        uuid,
        ""
    );
    type Row = (Uuid, Uuid, NaiveDate, i64, i64, Json<Vec<GroupMeasure>>);
    let sql = tx.pick(&SQL);
    let revisions: BTreeMap<Uuid, i64> = payers.iter().map(|p| (p.id.0, p.revision)).collect();
    let ids = Ids(revisions.keys().copied().collect());
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(sql).bind(ids).bind(run.0).fetch_all(c).await?);
    let mut measured: BTreeMap<CustomerId, Measured> = BTreeMap::new();
    for (payer, charge, start, revision, newest_import, Json(groups)) in rows {
        if revisions.get(&payer) == Some(&revision) {
            let key = WindowKey { charge: ChargeReference(charge), start };
            let window = MeasuredWindow { groups, newest_import };
            measured.entry(CustomerId(payer)).or_default().insert(key, window);
        }
    }
    Ok(measured)
}
