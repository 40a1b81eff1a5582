//! Drops a draft before it is booked. One transaction under the payer's lock.
//!
//! Idempotency key: none is needed; what is dropped is not open any more.

use crate::act::Act;
use crate::context::Context;
use crate::invoices::edit::not_open;
use crate::invoices::find;
use crate::invoices::name::name_of;
use crate::refusal::Stop;
use domain::audit::{Action, Object};
use domain::ids::InvoiceId;
use serde::Serialize;
use store::draft::{self, Periods};
use store::payer;

/// What becomes of the periods that the draft has billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleasedPeriods {
    /// They are never billed.
    Waived,
    /// They are due again with the next run.
    Released,
}

/// A draft that was dropped.
#[derive(Debug, Clone, Serialize)]
pub struct Cancelled {
    pub draft: InvoiceId,
    /// Always `cancelled`.
    pub state: &'static str,
    pub released: bool,
    /// What people called it.
    #[serde(skip)]
    pub name: String,
    #[serde(skip)]
    pub account_number: String,
    /// Written by a person: it took no period.
    #[serde(skip)]
    pub is_manual: bool,
}

/// Drops the draft of this name.
pub async fn cancel(
    ctx: &Context,
    act: &Act,
    name: &str,
    periods: ReleasedPeriods,
) -> Result<Cancelled, Stop> {
    let mut tx = ctx.store.begin().await?;
    let key = find::draft(&mut tx, name).await?;
    payer::lock(&mut tx, &[key.payer]).await?;
    let called = name_of(&mut tx, key.id).await?;
    let released = periods == ReleasedPeriods::Released;
    let periods = if released { Periods::Released } else { Periods::Waived };
    if draft::cancel(&mut tx, &[key.id], periods, "cancelled by a person").await? == 0 {
        return Err(not_open(name).into());
    }
    let detail = serde_json::json!({"account": key.account_number, "released": released});
    ctx.note(&mut tx, &act.actor, Action::CancelDraft, Object::Draft(key.id), detail).await?;
    tx.commit().await?;
    let is_manual = key.run == draft::NO_RUN;
    let (draft, account_number) = (key.id, key.account_number);
    Ok(Cancelled { draft, state: "cancelled", released, name: called, account_number, is_manual })
}
