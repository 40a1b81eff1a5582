//! An invoice was handed over otherwise: in person, by post, through a portal. What waits or was refused is closed (rules
//! I10).
//!
//! Idempotency key: the handed-over delivery, of which an invoice has one.

use crate::act::{Act, note};
use crate::context::Context;
use crate::delivery::send::is_invoice;
use crate::invoices::find;
use crate::refusal::Stop;
use chrono::NaiveDate;
use domain::audit::Action;
use domain::mail::message_id;
use serde::Serialize;
use store::delivery::{self, Closed, Delivery, DeliveryState};

/// What was noted.
#[derive(Debug, Clone, Serialize)]
pub struct Delivered {
    /// As it was named.
    pub invoice: String,
    pub delivered: NaiveDate,
    pub note: Option<String>,
    /// False if that was noted before and nothing has become open since.
    pub changed: bool,
}

/// Notes it, with what somebody may want to know later.
pub async fn mark_delivered(
    ctx: &Context,
    act: &Act,
    invoice: &str,
    remark: Option<String>,
) -> Result<Delivered, Stop> {
    let mut tx = ctx.store.begin().await?;
    let booked = find::booked(&mut tx, invoice, "delivered").await?.invoice;
    let id = booked.draft.id;
    let why = remark.clone().unwrap_or_else(|| "handed over by a person".to_owned());
    let closed = Closed { on: act.on, why };
    let mut open = delivery::of_invoices(&mut tx, &[id]).await?;
    open.retain(|d| d.is_open() && (is_invoice(d) || d.state == DeliveryState::Failed));
    let mut changed = delivery::close(&mut tx, &open, &closed).await?;
    let noted = Delivery {
        invoice: id,
        channel: delivery::HANDED_OVER.to_owned(),
        address: String::new(),
        message_id: message_id(id, delivery::HANDED_OVER, "", ""),
        state: DeliveryState::Sent,
        reason: None,
        attempts: 0,
        due_at: None,
        closed: Some(closed),
    };
    changed += delivery::plan(&mut tx, &[noted]).await?;
    if changed > 0 {
        // The remark may name people: it stays with the delivery, and out of a audit log that is never changed.
        note(ctx, &mut tx, &booked.number, Action::MarkDelivered, act).await?;
    }
    tx.commit().await?;
    Ok(Delivered { invoice: invoice.to_owned(), delivered: act.on, note: remark, changed: changed > 0 })
}
