//! Billed lines that are due again (rules I4). What was billed stays as it is; a row of its own stands against it.

use crate::bulk::Bulk;
use crate::tx::Tx;
use chrono::NaiveDate;
use domain::ids::CustomerId;
use domain::invoice::LineKey;

/// Makes billed lines due again from a day on, and raises the revision of these payers: what is drafted of them is
/// billed again. Needs [`crate::payer::lock`].
pub async fn reopen(
    tx: &mut Tx,
    payers: &[CustomerId],
    keys: &[LineKey],
    on: NaiveDate,
) -> anyhow::Result<()> {
    let columns = &["charge", "key_start", "revision", "kind", "ordinal", "reopened_on"];
    let mut rows = Bulk::into("reopened_line", columns);
    for key in keys {
        rows.row([
            key.charge.0.into(),
            key.period_start.into(),
            key.revision.into(),
            key.kind.name().into(),
            key.ordinal.into(),
            on.into(),
        ]);
    }
    rows.insert(tx).await?;
    crate::book::raise(tx, payers.iter().map(|payer| payer.0).collect()).await
}
