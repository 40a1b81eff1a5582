//! Which mails are owed: the intent to deliver is written in the transaction that makes its cause (a booked document, a
//! declined payment, a step of dunning), so that a crash cannot lose it. `deliver_mails` sends what stands here.
//!
//! Idempotency key: invoice, channel and address.

use crate::context::Context;
use chrono::NaiveDate;
use documents::MailKind;
use domain::catalogue::Catalogue;
use domain::customer::Customer;
use domain::customer::Delivery as Wanted;
use domain::ids::{CustomerId, InvoiceId};
use domain::mail::message_id;
use std::collections::BTreeSet;
use store::Tx;
use store::delivery::{self, Closed, Delivery, DeliveryState};
use store::invoice::Booked;

/// What came of planning a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoticeOutcome {
    /// Mails are planned, or were before.
    Planned,
    /// The customer wants no mail.
    Unwanted,
    /// There is no address.
    Nobody,
}

/// Plans the mails of these documents, one per address of the payer, or to this one address. An invoice without any
/// address is set aside (rules I10); a refused delivery to an address that is the payer's no more is closed.
pub async fn plan_invoices(
    ctx: &Context,
    tx: &mut Tx,
    catalogue: &Catalogue,
    invoices: &[Booked],
    to: Option<&str>,
) -> anyhow::Result<()> {
    let payers: Vec<CustomerId> = invoices.iter().map(|b| b.invoice.draft.payer).collect();
    let payers = store::book::customers(tx, &payers).await?;
    let ids: Vec<InvoiceId> = invoices.iter().map(|b| b.invoice.draft.id).collect();
    let before = delivery::of_invoices(tx, &ids).await?;
    let mut planned = Vec::new();
    let mut outdated = Vec::new();
    for booked in invoices {
        let draft = &booked.invoice.draft;
        let Some(payer) = payers.get(&draft.payer) else { continue };
        if to.is_none() && payer.delivery == Wanted::None {
            continue;
        }
        let own = addresses(payer);
        if to.is_none() && own.is_empty() {
            let reason = format!(
                "nobody to mail {} to: {} has no e-mail address",
                booked.invoice.number, payer.account_number
            );
            let nobody = mail_of(ctx, booked, catalogue, MailKind::Invoice.channel(), String::new());
            planned.push(Delivery { state: DeliveryState::Failed, reason: Some(reason), ..nobody });
            continue;
        }
        if !own.is_empty() {
            let is_outdated = |d: &&Delivery| {
                d.invoice == draft.id
                    && d.state == DeliveryState::Failed
                    && !own.iter().any(|address| same_address(address, &d.address))
            };
            outdated.extend(before.iter().filter(is_outdated).cloned());
        }
        let wanted = to.map_or(own, |to| vec![to.trim().to_owned()]);
        let channel = MailKind::Invoice.channel();
        planned.extend(wanted.into_iter().map(|a| mail_of(ctx, booked, catalogue, channel.clone(), a)));
    }
    delivery::plan(tx, &planned).await?;
    let closed = Closed { on: today(ctx, catalogue), why: "it is the payer's address no more".to_owned() };
    delivery::close(tx, &outdated, &closed).await?;
    Ok(())
}

/// Plans the mails that tell a payer of a declined attempt. Their key is the attempt: a repeat plans nothing new.
pub(crate) async fn plan_declined(
    ctx: &Context,
    tx: &mut Tx,
    catalogue: &Catalogue,
    booked: &Booked,
    ordinal: u32,
) -> anyhow::Result<()> {
    let channel = MailKind::PaymentFailed { ordinal, will_retry: false }.channel();
    plan_notice(ctx, tx, catalogue, booked, channel).await.map(drop)
}

/// Plans mails about an invoice, one per address of its payer.
pub(crate) async fn plan_notice(
    ctx: &Context,
    tx: &mut Tx,
    catalogue: &Catalogue,
    booked: &Booked,
    channel: String,
) -> anyhow::Result<NoticeOutcome> {
    let draft = &booked.invoice.draft;
    let payers = store::book::customers(tx, &[draft.payer]).await?;
    let Some(payer) = payers.get(&draft.payer) else { return Ok(NoticeOutcome::Nobody) };
    if payer.delivery == Wanted::None {
        return Ok(NoticeOutcome::Unwanted);
    }
    let planned: Vec<Delivery> = addresses(payer)
        .into_iter()
        .map(|address| mail_of(ctx, booked, catalogue, channel.clone(), address))
        .collect();
    delivery::plan(tx, &planned).await?;
    Ok(if planned.is_empty() { NoticeOutcome::Nobody } else { NoticeOutcome::Planned })
}

/// A delivery that is to be tried at once. Without a sender it is refused when it is composed.
fn mail_of(
    ctx: &Context,
    booked: &Booked,
    catalogue: &Catalogue,
    channel: String,
    address: String,
) -> Delivery {
    let id = booked.invoice.draft.id;
    let sender = sender(ctx, booked, catalogue).unwrap_or_default();
    Delivery {
        invoice: id,
        message_id: message_id(id, &channel, &address, sender),
        channel,
        address,
        state: DeliveryState::Pending,
        reason: None,
        attempts: 0,
        due_at: None,
        closed: None,
    }
}

fn sender<'a>(ctx: &'a Context, booked: &'a Booked, catalogue: &'a Catalogue) -> Option<&'a str> {
    let seller = booked.invoice.draft.seller.email.as_deref();
    ctx.settings.mail_from.as_deref().or(seller).or(catalogue.tenant.email.as_deref())
}

fn today(ctx: &Context, catalogue: &Catalogue) -> NaiveDate {
    domain::zone::local_date((ctx.now)(), catalogue.tenant.timezone)
}

/// Where a payer's mails go: trimmed, each address once whatever its case.
pub fn addresses(payer: &Customer) -> Vec<String> {
    distinct(payer.invoice_addresses())
}

fn distinct(addresses: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let trimmed = addresses.into_iter().map(|a| a.trim().to_owned()).filter(|a| !a.is_empty());
    trimmed.filter(|a| seen.insert(a.to_lowercase())).collect()
}

/// Whether two addresses are one, whatever their case.
pub fn same_address(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_counts_once_whatever_its_case() {
        let of = |list: &[&str]| distinct(list.iter().map(|a| (*a).to_owned()).collect());
        assert_eq!(of(&[" A@b.example", "a@B.example ", "", "c@b.example"]), ["A@b.example", "c@b.example"]);
    }
}
