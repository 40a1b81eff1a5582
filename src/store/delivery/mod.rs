//! Deliveries: one per invoice, channel and address, with a Message-ID that follows from them, so that a repeat is
//! the same mail. A delivery is claimed ([`claim`]) before it is sent; what reaches nobody stays open ([`list_open`]) until it
//! is sent or closed.

mod claims;
mod open;

pub use claims::{Claim, Claimed, claim, claimants, release, untried};
pub use open::{OpenDelivery, OpenFilter, OpenState, counts_of_run, list_open, open_counts, open_of_others};

use crate::bulk::Bulk;
use crate::outbox;
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::Ids;
use crate::words::{read_word, small, word};
use chrono::{DateTime, NaiveDate, Utc};
use domain::ids::InvoiceId;
use domain::webhook::Event;
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

/// Channel of what a person handed over: nothing is mailed.
pub const HANDED_OVER: &str = "by_hand";

/// One delivery of one invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub invoice: InvoiceId,
    /// What is delivered: `invoice`, `reminder-2`; goes into the Message-ID.
    pub channel: String,
    /// Empty where there is nobody to mail it to: such a delivery is failed from the start (rules I10).
    pub address: String,
    pub message_id: String,
    pub state: DeliveryState,
    pub reason: Option<String>,
    pub attempts: u32,
    /// When to try next; none = at once.
    pub due_at: Option<DateTime<Utc>>,
    /// Why nothing more is asked of a delivery that was not sent.
    pub closed: Option<Closed>,
}

impl Delivery {
    /// Whether it is on the list of what has not reached its buyer (rules I10).
    pub fn is_open(&self) -> bool {
        self.state != DeliveryState::Sent && self.closed.is_none()
    }
}

/// Nothing more is asked of a delivery: it was handed over otherwise, or its address is the payer's no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    pub on: NaiveDate,
    pub why: String,
}

/// Writes the intent to deliver; what is there stays as it is. Returns how many are new.
pub async fn plan(tx: &mut Tx, deliveries: &[Delivery]) -> anyhow::Result<u64> {
    let columns = &[
        "invoice",
        "channel",
        "address",
        "message_id",
        "state",
        "reason",
        "attempts",
        "due_at",
        "closed_on",
        "closed_why",
    ];
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
            d.closed.as_ref().map(|c| c.on).into(),
            d.closed.as_ref().map(|c| c.why.as_str()).into(),
        ]);
    }
    rows.insert(tx).await
}

/// Writes what became of pending deliveries that this claimant holds: state, reason, attempts and when to try next. What
/// was sent is noted whoever holds it by now.
pub async fn answer(tx: &mut Tx, deliveries: &[Delivery], claimant: &str) -> anyhow::Result<u64> {
    let mut answered = 0;
    let sent = deliveries.iter().filter(|d| d.state == DeliveryState::Sent);
    let events: Vec<Event> =
        sent.map(|d| Event { kind: "Invoice", action: "email", object: d.invoice.0 }).collect();
    outbox::tell(tx, &events).await?;
    for d in deliveries {
        let state = word(&d.state)?;
        answered += on!(tx, c => sqlx::query(
            "update delivery
             set state = $4, reason = $5, attempts = $6, due_at = $7, claimed_by = null, claimed_until = null
             where invoice = $1 and channel = $2 and address = $3 and state = 'pending'
               and (claimed_by = $8 or $4 = 'sent')")
            .bind(d.invoice.0)
            .bind(&d.channel)
            .bind(&d.address)
            .bind(state)
            .bind(&d.reason)
            .bind(i64::from(d.attempts))
            .bind(d.due_at)
            .bind(claimant)
            .execute(c)
            .await?
            .rows_affected());
    }
    Ok(answered)
}

/// Asks nothing more of deliveries that were not sent; returns how many that were.
pub async fn close(tx: &mut Tx, deliveries: &[Delivery], closed: &Closed) -> anyhow::Result<u64> {
    let mut count = 0;
    for d in deliveries {
        count += on!(tx, c => sqlx::query(
            "update delivery
             set closed_on = $4, closed_why = $5
             where invoice = $1 and channel = $2 and address = $3 and state <> 'sent' and closed_on is null")
            .bind(d.invoice.0)
            .bind(&d.channel)
            .bind(&d.address)
            .bind(closed.on)
            .bind(&closed.why)
            .execute(c)
            .await?
            .rows_affected());
    }
    Ok(count)
}

/// Makes failed deliveries of these invoices pending again, for `invoices send`; returns how many. Where there is no
/// address there is nothing to try.
pub async fn retry(tx: &mut Tx, invoices: &[InvoiceId]) -> anyhow::Result<u64> {
    const SQL: PerDriver = by_keys!(
        "update delivery
         set state = 'pending', reason = null, due_at = null, attempts = 1
         where state = 'failed' and closed_on is null and address <> '' and invoice",
        uuid,
        ""
    );
    let sql = tx.pick(&SQL);
    Ok(on!(tx, c => sqlx::query(sql).bind(Ids::of(invoices)).execute(c).await?.rows_affected()))
}

/// Notes that what was sent came back; false if somebody has noted that meanwhile.
pub async fn came_back(tx: &mut Tx, delivery: &Delivery, reason: &str) -> anyhow::Result<bool> {
    let changed = on!(tx, c => sqlx::query(
        "update delivery
         set state = 'failed', reason = $2, due_at = null, closed_on = null, closed_why = null
         where message_id = $1 and state = 'sent'")
        .bind(&delivery.message_id)
        .bind(reason)
        .execute(c)
        .await?
        .rows_affected());
    Ok(changed > 0)
}

/// Opens one delivery again whatever became of it: a person asks for it once more.
pub async fn reopen(tx: &mut Tx, delivery: &Delivery) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query(
        "update delivery
         set state = 'pending', reason = null, due_at = null, attempts = 1, closed_on = null, closed_why = null
         where invoice = $1 and channel = $2 and address = $3")
        .bind(delivery.invoice.0)
        .bind(&delivery.channel)
        .bind(&delivery.address)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
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
    closed_on: Option<NaiveDate>,
    closed_why: Option<String>,
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
            closed: r.closed_on.map(|on| Closed { on, why: r.closed_why.unwrap_or_default() }),
        })
    }
}

macro_rules! select_delivery {
    ($rest:literal) => {
        concat!(
            "select d.invoice, d.channel, d.address, d.message_id, d.state, d.reason, d.attempts, d.due_at,
                    d.closed_on, d.closed_why
             from delivery d ",
            $rest
        )
    };
}

/// Deliveries of these invoices, by invoice, channel and address.
pub async fn of_invoices(tx: &mut Tx, invoices: &[InvoiceId]) -> anyhow::Result<Vec<Delivery>> {
    const SQL: PerDriver =
        by_keys!(select_delivery!("where d.invoice"), uuid, " order by d.invoice, d.channel, d.address");
    let sql = tx.pick(&SQL);
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(sql).bind(Ids::of(invoices)).fetch_all(c).await?);
    rows.into_iter().map(Delivery::try_from).collect()
}

/// The delivery of a mail.
pub async fn by_message_id(tx: &mut Tx, message_id: &str) -> anyhow::Result<Option<Delivery>> {
    let row: Option<Row> = on!(tx, c => sqlx::query_as(select_delivery!("where d.message_id = $1"))
        .bind(message_id)
        .fetch_optional(c)
        .await?);
    row.map(Delivery::try_from).transpose()
}

/// Pending deliveries that are due, by invoice, channel and address. An invoice that was never tried is left to the run
/// that is at work on it.
pub async fn due(tx: &mut Tx, now: DateTime<Utc>, limit: u32) -> anyhow::Result<Vec<Delivery>> {
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(select_delivery!(
        "join invoice i on i.id = d.invoice
         where d.state = 'pending'
           and d.closed_on is null
           and (d.due_at is null or d.due_at <= $1)
           and (d.attempts > 0
                or d.channel <> 'invoice'
                or not exists (select 1 from run r where r.id = i.run and r.state in ('open', 'review')))
         order by d.invoice, d.channel, d.address
         limit $2"))
        .bind(now)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await?);
    rows.into_iter().map(Delivery::try_from).collect()
}

/// Every pending delivery whatever its time, in pages: those after the last one of the page before.
pub async fn waiting(tx: &mut Tx, after: Option<&Delivery>, limit: u32) -> anyhow::Result<Vec<Delivery>> {
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(select_delivery!(
        "where d.state = 'pending'
           and d.closed_on is null
           and ($1 is null or (d.invoice, d.channel, d.address) > ($1, $2, $3))
         order by d.invoice, d.channel, d.address
         limit $4"))
        .bind(after.map(|d| d.invoice.0))
        .bind(after.map(|d| &d.channel))
        .bind(after.map(|d| &d.address))
        .bind(i64::from(limit))
        .fetch_all(c)
        .await?);
    rows.into_iter().map(Delivery::try_from).collect()
}
