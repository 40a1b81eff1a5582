//! Makes an invoice as if it had not been: a draft is dropped, a booked one on which nothing was paid is credited whole.
//!
//! Key that makes a repeat quiet: none is needed; what is gone is refused.

use crate::act::Act;
use crate::context::Context;
use crate::invoices::cancel::{self, ReleasedPeriods};
use crate::invoices::credit::{self, Credit};
use crate::invoices::find::{self, DraftOrInvoice};
use crate::refusal::Stop;
use domain::refusal::{Code, Refusal, Verb};

/// Voids the invoice or draft of this name; a draft's periods become what is said, a booked invoice's are not billed
/// again.
pub async fn void(ctx: &Context, act: &Act, name: &str, periods: ReleasedPeriods) -> Result<(), Stop> {
    let mut tx = ctx.store.read().await?;
    let found = find::find(&mut tx, name).await?;
    drop(tx);
    let booked = match found {
        DraftOrInvoice::Draft(_) => return cancel::cancel(ctx, act, name, periods).await.map(drop),
        DraftOrInvoice::Booked(booked) => booked,
    };
    let number = &booked.invoice.number;
    if booked.settlement.settled_minor != 0 {
        let message = format!("{number} is paid or credited in part: what is left of it can be credited");
        return Err(Refusal::new(Code::WrongState, message).ask(Verb::CreditInvoice.on(number)).into());
    }
    let whole = Credit { invoice: number, lines: &[], rebill: false };
    credit::credit(ctx, act, &whole).await.map(drop)
}
