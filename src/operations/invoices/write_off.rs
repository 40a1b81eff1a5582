//! Writes off what is open, gross: bad debt.
//!
//! Idempotency key: none is needed; what is written off is not open any more.

use crate::act::{Act, note_amount};
use crate::context::Context;
use crate::invoices::find;
use crate::invoices::view::InvoiceView;
use crate::payments::account::{account, policy_of};
use crate::payments::settle::{keep, next_entry};
use crate::refusal::Stop;
use anyhow::Context as _;
use domain::Decimal;
use domain::audit::Action;
use domain::invoice::account as amounts;
use domain::invoice::verbs::{self, Books};
use domain::ledger::EntryKind;

/// Writes off what is open of the invoice of this number, or this much of it, in major units.
pub async fn write_off(
    ctx: &Context,
    act: &Act,
    invoice: &str,
    amount: Option<Decimal>,
) -> Result<InvoiceView, Stop> {
    act.insist_near(ctx).await?;
    let mut tx = ctx.store.begin().await?;
    let booked = find::locked(&mut tx, invoice, "written off").await?;
    let amount_minor = amounts::write_off(find::standing(&booked), amount)?;
    let catalogue = store::catalogue::load(&mut tx).await?.context("the book is empty")?;
    let books = Books { catalogue: &catalogue, calendar: store::ledger::calendar(&mut tx).await? };
    let ordinal = next_entry(&mut tx, booked.invoice.draft.id, EntryKind::WriteOff).await?;
    let policy = policy_of(&catalogue, &booked);
    let account = account(&booked, &[], None, &policy);
    let effects =
        verbs::write_off(&account, amount_minor, ordinal, act.on, books).map_err(anyhow::Error::from)?;
    if keep(&mut tx, &effects, None).await? {
        note_amount(ctx, &mut tx, &booked.invoice.number, Action::WriteOff, act, amount_minor).await?;
    }
    InvoiceView::committed(ctx, tx, booked.invoice.draft.id).await
}
