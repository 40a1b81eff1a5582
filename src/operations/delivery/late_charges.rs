//! What a reminder asks for beside its invoice.

use documents::{MailKind, OpenItem};
use domain::billing::late_charges_of;
use domain::ids::InvoiceId;
use std::collections::BTreeMap;
use store::Tx;
use store::delivery::Delivery;
use store::invoice;

/// What the reminders of these mails' invoices have cost so far, as far as it is open (rules Y9).
pub(super) async fn late_charges(
    tx: &mut Tx,
    batch: &[Delivery],
) -> anyhow::Result<BTreeMap<InvoiceId, Vec<OpenItem>>> {
    let mut open: BTreeMap<InvoiceId, Vec<OpenItem>> = BTreeMap::new();
    for delivery in batch {
        let Some(MailKind::Reminder { step, .. }) = MailKind::of_channel(&delivery.channel, false) else {
            continue;
        };
        if open.contains_key(&delivery.invoice) {
            continue;
        }
        let mut booked = invoice::by_ids(tx, &late_charges_of(delivery.invoice, step)).await?;
        booked.sort_by_key(|booked| booked.invoice.draft.invoice_date);
        let items = booked.iter().map(|booked| OpenItem {
            number: booked.invoice.number.clone(),
            pay_by: booked.invoice.payable_by,
            open_minor: booked.settlement.open_minor(booked.invoice.draft.gross_minor()),
            reference: booked.invoice.stated_reference(),
        });
        open.insert(delivery.invoice, items.filter(|item| item.open_minor > 0).collect());
    }
    Ok(open)
}
