//! Mails one invoice because somebody asks for it.

use crate::context::Context;
use crate::delivery::deliver::Sent;
use crate::delivery::send;
use crate::invoices::find;
use crate::refusal::Stop;
use domain::refusal::{Code, Refusal, Verb};
use gateways::mail::check_address;
use serde::Serialize;

/// What became of its mails.
#[derive(Debug, Clone, Serialize)]
pub struct SentInvoice {
    /// As it was named.
    pub invoice: String,
    pub sent: u64,
    pub failed: u64,
    pub waiting: u64,
    pub reasons: Vec<String>,
    #[serde(skip)]
    pub mails: Sent,
}

/// Mails it to those who have not got it, or to this address.
pub async fn send(ctx: &Context, invoice: &str, to: Option<&str>) -> Result<SentInvoice, Stop> {
    if let Some(fault) = to.and_then(|address| check_address(address).err()) {
        // A mail to it would wait for a person for good.
        return Err(Refusal::new(Code::BadArgument, fault)
            .hint("for example ")
            .option("to", "billing@example.com")
            .into());
    }
    let mut tx = ctx.store.read().await?;
    let booked = find::ours(&mut tx, invoice, "sent").await?;
    drop(tx);
    let mails = send::send_now(ctx, booked.invoice.draft.id, to).await?;
    if mails == Sent::default() {
        let message = format!("everybody who is to get {invoice} has got it");
        return Err(Refusal::new(Code::NothingToSend, message)
            .hint("send it again with ")
            .ask(Verb::SendInvoice.on(invoice).with("to", "ADDRESS"))
            .into());
    }
    let counts = mails.counts();
    Ok(SentInvoice {
        invoice: invoice.to_owned(),
        sent: counts.sent,
        failed: counts.set_aside(),
        waiting: counts.waiting,
        reasons: mails.reasons().cloned().collect(),
        mails,
    })
}
