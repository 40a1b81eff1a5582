//! Who is sending which mail. A claim is committed before the mail is handed over; it ends when the answer is written,
//! when its time is over, or when its claimant is known to be gone.

use super::{Delivery, DeliveryState, of_invoices};
use crate::tx::{Tx, on};
use chrono::{DateTime, Utc};
use domain::ids::InvoiceId;
use std::collections::{BTreeMap, BTreeSet};

/// A claim to be.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Names one pass of one process.
    pub by: &'a str,
    pub now: DateTime<Utc>,
    /// From then on anybody may claim it.
    pub until: DateTime<Utc>,
}

/// Deliveries that were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claimed {
    pub mine: Vec<Delivery>,
    /// Another claimant is at them, or they are not as they were read.
    pub others: Vec<Delivery>,
}

/// Claims those that are still as they were read and that nobody else is at.
pub async fn claim(tx: &mut Tx, deliveries: Vec<Delivery>, claim: Claim<'_>) -> anyhow::Result<Claimed> {
    let mut claimed = Claimed::default();
    for d in deliveries {
        let rows = on!(tx, c => sqlx::query(
            "update delivery
             set claimed_by = $5, claimed_until = $6
             where invoice = $1 and channel = $2 and address = $3
               and state = 'pending'
               and closed_on is null
               and attempts = $4
               and (claimed_by is null or claimed_by = $5 or claimed_until <= $7)")
            .bind(d.invoice.0)
            .bind(&d.channel)
            .bind(&d.address)
            .bind(i64::from(d.attempts))
            .bind(claim.by)
            .bind(claim.until)
            .bind(claim.now)
            .execute(c)
            .await?
            .rows_affected());
        if rows == 1 {
            claimed.mine.push(d);
        } else {
            claimed.others.push(d);
        }
    }
    Ok(claimed)
}

/// Those that are still as they were read: nobody has sent them, or met a fault.
pub async fn untried(tx: &mut Tx, mut deliveries: Vec<Delivery>) -> anyhow::Result<Vec<Delivery>> {
    if deliveries.is_empty() {
        return Ok(deliveries);
    }
    let invoices: BTreeSet<InvoiceId> = deliveries.iter().map(|d| d.invoice).collect();
    let invoices: Vec<InvoiceId> = invoices.into_iter().collect();
    let now = of_invoices(tx, &invoices).await?;
    let key = |d: &Delivery| (d.invoice, d.channel.clone(), d.address.clone());
    let now: BTreeMap<_, Delivery> = now.into_iter().map(|d| (key(&d), d)).collect();
    let is_as_read = |d: &Delivery, now: &Delivery| {
        now.state == DeliveryState::Pending && now.closed.is_none() && now.attempts == d.attempts
    };
    deliveries.retain(|d| now.get(&key(d)).is_some_and(|now| is_as_read(d, now)));
    Ok(deliveries)
}

/// Everybody who holds a claim, on a mail or on the notice of a run.
pub async fn claimants(tx: &mut Tx) -> anyhow::Result<Vec<String>> {
    Ok(on!(tx, c => sqlx::query_scalar(
        "select claimed_by from delivery where state = 'pending' and claimed_by is not null
         union
         select claimed_by from run_notice where state = 'pending' and claimed_by is not null
         order by 1")
        .fetch_all(c)
        .await?))
}

/// Ends every claim of a claimant who is gone; returns how many there were.
pub async fn release(tx: &mut Tx, claimant: &str) -> anyhow::Result<u64> {
    let mails = on!(tx, c => sqlx::query(
        "update delivery set claimed_by = null, claimed_until = null where state = 'pending' and claimed_by = $1")
        .bind(claimant)
        .execute(c)
        .await?
        .rows_affected());
    let notices = on!(tx, c => sqlx::query(
        "update run_notice set claimed_by = null, claimed_until = null where state = 'pending' and claimed_by = $1")
        .bind(claimant)
        .execute(c)
        .await?
        .rows_affected());
    Ok(mails + notices)
}
