//! The content of drafts: JSON, packed. It is most of what a run writes, so it is packed before the transaction that
//! writes it, on the threads that bill, and dropped when the draft is booked: the invoice holds all of it.

use crate::bulk::{Bulk, Cell};
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::Ids;
use anyhow::Context;
use domain::ids::InvoiceId;
use domain::invoice::Draft;
use sqlx::types::Json;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::get_frame_content_size;

/// zstd's quickest: higher levels gain little on 4 kB.
const LEVEL: i32 = 1;

/// Of a draft's JSON; one that claims more is damaged.
const BYTES_MAX: usize = 1 << 30;

/// A draft's content, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftBody(Vec<u8>);

impl DraftBody {
    /// Packs a draft.
    pub fn of(draft: &Draft) -> anyhow::Result<Self> {
        Packer::new()?.pack(draft)
    }
}

/// Packs the drafts of many payers: its tables are larger than what it packs, and made once.
pub struct Packer(Compressor<'static>);

impl Packer {
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self(Compressor::new(LEVEL)?))
    }

    fn pack(&mut self, draft: &Draft) -> anyhow::Result<DraftBody> {
        let packed = self.0.compress(&serde_json::to_vec(draft)?);
        Ok(DraftBody(packed.with_context(|| format!("packing draft {}", draft.id))?))
    }

    /// In their order.
    pub fn pack_all(&mut self, drafts: &[Draft]) -> anyhow::Result<Vec<DraftBody>> {
        drafts.iter().map(|draft| self.pack(draft)).collect()
    }
}

/// A row: drafts of earlier versions of the program are not packed.
#[derive(sqlx::FromRow)]
pub(crate) struct BodyRow {
    packed: Option<Vec<u8>>,
    body: Option<Json<Draft>>,
}

impl BodyRow {
    fn draft(self, unpacker: &mut Decompressor<'_>) -> anyhow::Result<Draft> {
        match (self.packed, self.body) {
            (Some(packed), _) => {
                let bytes = get_frame_content_size(&packed).ok().flatten().context("a draft has no size")?;
                let bytes = usize::try_from(bytes).ok().filter(|bytes| *bytes <= BYTES_MAX);
                let bytes = bytes.context("a draft is larger than any that is made")?;
                Ok(serde_json::from_slice(
                    &unpacker.decompress(&packed, bytes).context("unpacking a draft")?,
                )?)
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
    let mut unpacker = Decompressor::new()?;
    rows.into_iter().map(|row| row.draft(&mut unpacker)).collect()
}
