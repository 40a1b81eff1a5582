//! Refunds that a provider is asked for: the row is committed before the provider is called, and goes with the answer
//! (rules Y1).

use crate::tx::{Tx, on};
use chrono::NaiveDate;
use domain::ids::{AttemptId, InvoiceId};
use uuid::Uuid;

/// A refund without an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedRefund {
    /// The provider's key.
    pub id: Uuid,
    /// The document that is owed on.
    pub invoice: InvoiceId,
    /// The payment that goes back.
    pub charge: AttemptId,
    pub amount_minor: i64,
    pub on: NaiveDate,
}

type Row = (Uuid, Uuid, Uuid, i64, NaiveDate);

fn read((id, invoice, charge, amount_minor, on): Row) -> AskedRefund {
    AskedRefund { id, invoice: InvoiceId(invoice), charge: AttemptId(charge), amount_minor, on }
}

/// Notes a refund before the provider is asked. There is one at a time per document.
pub async fn ask(tx: &mut Tx, asked: &AskedRefund) -> anyhow::Result<()> {
    let _: u64 = on!(tx, c => sqlx::query(
        "insert into refund_asked (id, invoice, charge, amount_minor, asked_on) values ($1, $2, $3, $4, $5)")
        .bind(asked.id)
        .bind(asked.invoice.0)
        .bind(asked.charge.0)
        .bind(asked.amount_minor)
        .bind(asked.on)
        .execute(c)
        .await?
        .rows_affected());
    Ok(())
}

/// The refund of a document that has no answer yet.
pub async fn asked_of(tx: &mut Tx, invoice: InvoiceId) -> anyhow::Result<Option<AskedRefund>> {
    let row: Option<Row> = on!(tx, c => sqlx::query_as(
        "select id, invoice, charge, amount_minor, asked_on from refund_asked where invoice = $1")
        .bind(invoice.0)
        .fetch_optional(c)
        .await?);
    Ok(row.map(read))
}

/// All that have no answer, oldest first.
pub async fn asked(tx: &mut Tx) -> anyhow::Result<Vec<AskedRefund>> {
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        "select id, invoice, charge, amount_minor, asked_on from refund_asked order by asked_on, id")
        .fetch_all(c)
        .await?);
    Ok(rows.into_iter().map(read).collect())
}

/// The provider has answered; `false` if somebody else has noted its answer.
pub async fn answered(tx: &mut Tx, id: Uuid) -> anyhow::Result<bool> {
    let done: u64 = on!(tx, c => sqlx::query("delete from refund_asked where id = $1")
        .bind(id)
        .execute(c)
        .await?
        .rows_affected());
    Ok(done > 0)
}
