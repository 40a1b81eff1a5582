//! Gives up what is open, gross: bad debt.
//!
//! Key that makes a repeat quiet: none is needed; what is given up is not open any more.

use crate::act::{Act, note_amount};
use crate::context::Context;
use crate::invoices::find;
use crate::invoices::view::InvoiceView;
use crate::payments::settle::{Happened, happen};
use crate::refusal::Stop;
use domain::Decimal;
use domain::invoice::account;
use domain::journal::Action;
use domain::ledger::{self, EntryKind};

/// Gives up what is open of the invoice of this number, or this much of it, in major units.
pub async fn write_off(
    ctx: &Context,
    act: &Act,
    invoice: &str,
    amount: Option<Decimal>,
) -> Result<InvoiceView, Stop> {
    let mut tx = ctx.store.begin().await?;
    let booked = find::locked(&mut tx, invoice, "written off").await?;
    let amount_minor = account::write_off(find::standing(&booked), amount)?;
    let happened =
        Happened { kind: "write_off", entry: EntryKind::WriteOff, amount_minor, part_minor: amount_minor };
    if happen(&mut tx, &booked, act.on, None, happened, ledger::write_off_entry).await? {
        note_amount(ctx, &mut tx, &booked.invoice.number, Action::WriteOff, act, amount_minor).await?;
    }
    InvoiceView::committed(ctx, tx, booked.invoice.draft.id).await
}
