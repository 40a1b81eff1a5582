//! Documents of booked invoices: where the file is and what its bytes hash to. Never changed.

use crate::bulk::Bulk;
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::Ids;
use crate::words::{count, stored};
use domain::ids::InvoiceId;
use uuid::Uuid;

/// One file of one invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub invoice: InvoiceId,
    /// `pdf`, `ubl`.
    pub template: String,
    /// Relative to the documents folder.
    pub path: String,
    /// Hex.
    pub sha256: String,
    pub bytes: u64,
}

/// Writes documents; one that exists stays as it is. Returns how many are new.
pub async fn save(tx: &mut Tx, documents: &[Document]) -> anyhow::Result<u64> {
    let mut rows = Bulk::into("document", &["invoice", "template", "path", "sha256", "byte_count"])
        .on_conflict("on conflict (invoice, template) do nothing");
    for d in documents {
        rows.row([
            d.invoice.0.into(),
            (&d.template).into(),
            (&d.path).into(),
            (&d.sha256).into(),
            stored(d.bytes).into(),
        ]);
    }
    rows.insert(tx).await
}

type Row = (Uuid, String, String, String, i64);

fn document((invoice, template, path, sha256, bytes): Row) -> anyhow::Result<Document> {
    Ok(Document {
        invoice: InvoiceId(invoice),
        template,
        path,
        sha256,
        bytes: count(bytes, "document.byte_count")?,
    })
}

/// Documents of these invoices, by invoice and template.
pub async fn of_invoices(tx: &mut Tx, invoices: &[InvoiceId]) -> anyhow::Result<Vec<Document>> {
    const SQL: PerDriver = by_keys!(
        "select invoice, template, path, sha256, byte_count from document where invoice",
        uuid,
        " order by invoice, template"
    );
    let sql = tx.pick(&SQL);
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(sql).bind(Ids::of(invoices)).fetch_all(c).await?);
    rows.into_iter().map(document).collect()
}

/// Documents after the one given, by invoice and template, for `verify` to hash again page by page.
pub async fn page(
    tx: &mut Tx,
    after: Option<(InvoiceId, &str)>,
    limit: u32,
) -> anyhow::Result<Vec<Document>> {
    let (invoice, template) = after.map_or((None, ""), |(invoice, template)| (Some(invoice.0), template));
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        "select invoice, template, path, sha256, byte_count
         from document
         where $1 is null or invoice > $1 or (invoice = $1 and template > $2)
         order by invoice, template
         limit $3")
        .bind(invoice)
        .bind(template)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await?);
    rows.into_iter().map(document).collect()
}
