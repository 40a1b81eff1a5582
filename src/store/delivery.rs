//! Deliveries: one per invoice, channel and address, with a Message-ID that follows from them, so that a repeat is
//! the same mail.

use crate::bulk::Bulk;
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::Ids;
use crate::words::{read_word, small, word};
use chrono::{DateTime, Utc};
use domain::ids::InvoiceId;
use uuid::Uuid;

/// State of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Not sent yet, or to be tried again.
    Pending,
    Sent,
    /// Refused for good; a person decides.
    Failed,
}

/// One delivery of one invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub invoice: InvoiceId,
    /// What is delivered: `invoice`, `reminder-2`; goes into the Message-ID.
    pub channel: String,
    pub address: String,
    pub message_id: String,
    pub state: DeliveryState,
    pub reason: Option<String>,
    pub attempts: u32,
    /// When to try next; none = at once.
    pub due_at: Option<DateTime<Utc>>,
}

/// Writes the intent to deliver; what is there stays as it is. Returns how many are new.
pub async fn plan(tx: &mut Tx, deliveries: &[Delivery]) -> anyhow::Result<u64> {
    let columns = &["invoice", "channel", "address", "message_id", "state", "reason", "attempts", "due_at"];
    let mut rows = Bulk::into("delivery", columns).on_conflict("on conflict do nothing");
    for d in deliveries {
        rows.row([
            d.invoice.0.into(),
            (&d.channel).into(),
            (&d.address).into(),
            (&d.message_id).into(),
            word(&d.state)?.into(),
            (&d.reason).into(),
            d.attempts.into(),
            d.due_at.into(),
        ]);
    }
    rows.insert(tx).await
}

/// Writes what became of pending deliveries: state, reason, attempts and when to try next.
pub async fn answer(tx: &mut Tx, deliveries: &[Delivery]) -> anyhow::Result<u64> {
    let mut answered = 0;
    for d in deliveries {
        let state = word(&d.state)?;
        answered += on!(tx, c => sqlx::query(
            "update delivery
             set state = $4, reason = $5, attempts = $6, due_at = $7
             where invoice = $1 and channel = $2 and address = $3 and state = 'pending'")
            .bind(d.invoice.0)
            .bind(&d.channel)
            .bind(&d.address)
            .bind(state)
            .bind(&d.reason)
            .bind(i64::from(d.attempts))
            .bind(d.due_at)
            .execute(c)
            .await?
            .rows_affected());
    }
    Ok(answered)
}

/// Makes failed deliveries of these invoices pending again, for `invoices send`; returns how many.
pub async fn retry(tx: &mut Tx, invoices: &[InvoiceId]) -> anyhow::Result<u64> {
    const SQL: PerDriver = by_keys!(
        "update delivery set state = 'pending', reason = null, due_at = null where state = 'failed' and invoice",
        uuid,
        ""
    );
    let sql = tx.pick(&SQL);
    Ok(on!(tx, c => sqlx::query(sql).bind(Ids::of(invoices)).execute(c).await?.rows_affected()))
}

#[derive(sqlx::FromRow)]
struct Row {
    invoice: Uuid,
    channel: String,
    address: String,
    message_id: String,
    state: String,
    reason: Option<String>,
    attempts: i64,
    due_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Delivery {
    type Error = anyhow::Error;

    fn try_from(r: Row) -> anyhow::Result<Self> {
        Ok(Self {
            invoice: InvoiceId(r.invoice),
            channel: r.channel,
            address: r.address,
            message_id: r.message_id,
            state: read_word(&r.state, "delivery.state")?,
            reason: r.reason,
            attempts: small(r.attempts, "delivery.attempts")?,
            due_at: r.due_at,
        })
    }
}

macro_rules! select_delivery {
    ($rest:literal) => {
        concat!(
            "select invoice, channel, address, message_id, state, reason, attempts, due_at from delivery ",
            $rest
        )
    };
}

/// Deliveries of these invoices, by invoice, channel and address.
pub async fn of_invoices(tx: &mut Tx, invoices: &[InvoiceId]) -> anyhow::Result<Vec<Delivery>> {
    const SQL: PerDriver =
        by_keys!(select_delivery!("where invoice"), uuid, " order by invoice, channel, address");
    let sql = tx.pick(&SQL);
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(sql).bind(Ids::of(invoices)).fetch_all(c).await?);
    rows.into_iter().map(Delivery::try_from).collect()
}

/// Pending deliveries that are due, by invoice, channel and address.
pub async fn due(tx: &mut Tx, now: DateTime<Utc>, limit: u32) -> anyhow::Result<Vec<Delivery>> {
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(select_delivery!(
        "where state = 'pending' and (due_at is null or due_at <= $1) order by invoice, channel, address limit $2"))
        .bind(now)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await?);
    rows.into_iter().map(Delivery::try_from).collect()
}
