//! The content of drafts: JSON, packed. It is most of what a run writes, so it is packed before the transaction that
//! writes it, on the threads that bill, and dropped when the draft is booked: the invoice holds all of it.

use crate::bulk::{Bulk, Cell};
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::Ids;
use anyhow::Context;
use domain::ids::InvoiceId;
use domain::invoice::Draft;
use sqlx::types::Json;

/// zstd's quickest: higher levels gain little on 4 kB.
const LEVEL: i32 = 1;

/// A draft's content, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftBody(Vec<u8>);

impl DraftBody {
    /// Packs a draft.
    pub fn of(draft: &Draft) -> anyhow::Result<Self> {
        let json = serde_json::to_vec(draft)?;
        let packed = zstd::bulk::compress(&json, LEVEL);
        Ok(Self(packed.with_context(|| format!("packing draft {}", draft.id))?))
    }

    /// Packs drafts, in their order.
    pub fn of_all(drafts: &[Draft]) -> anyhow::Result<Vec<Self>> {
        drafts.iter().map(Self::of).collect()
    }
}

/// A row: drafts of earlier versions of the program are not packed.
#[derive(sqlx::FromRow)]
pub(crate) struct BodyRow {
    packed: Option<Vec<u8>>,
    body: Option<Json<Draft>>,
}

impl BodyRow {
    pub fn draft(self) -> anyhow::Result<Draft> {
        match (self.packed, self.body) {
            (Some(packed), _) => {
                let json = zstd::stream::decode_all(&*packed).context("unpacking a draft")?;
                Ok(serde_json::from_slice(&json)?)
            }
            (None, body) => Ok(body.context("a draft has no content")?.0),
        }
    }
}

pub(crate) async fn save(
    tx: &mut Tx,
    bodies: impl Iterator<Item = (InvoiceId, &DraftBody)>,
) -> anyhow::Result<()> {
    let mut rows = Bulk::into("draft_body", &["draft", "packed"]);
    for (draft, body) in bodies {
        rows.row([draft.0.into(), Cell::Bytes(Some(body.0.clone()))]);
    }
    rows.insert(tx).await.map(drop)
}

/// Writes another content in the place of what there is.
pub(crate) async fn replace(tx: &mut Tx, draft: &Draft) -> anyhow::Result<()> {
    let body = DraftBody::of(draft)?;
    on!(tx, c => sqlx::query("update draft_body set packed = $2, body = null where draft = $1")
        .bind(draft.id.0)
        .bind(body.0)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Drops the content of drafts that have become invoices.
pub(crate) async fn drop_booked(tx: &mut Tx, ids: &[InvoiceId]) -> anyhow::Result<()> {
    const SQL: PerDriver = by_keys!("delete from draft_body where draft", uuid, "");
    let sql = tx.pick(&SQL);
    on!(tx, c => sqlx::query(sql).bind(Ids::of(ids)).execute(c).await.map(drop))?;
    Ok(())
}

pub(crate) fn read(rows: Vec<BodyRow>) -> anyhow::Result<Vec<Draft>> {
    rows.into_iter().map(BodyRow::draft).collect()
}
