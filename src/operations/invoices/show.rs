//! Everything about one invoice: lines, settlement, payments, mails, documents.

use crate::context::{Context, catalogue};
use crate::invoices::find::{self, DraftOrInvoice};
use crate::invoices::name::name_of;
use crate::invoices::view::{DraftView, InvoiceView};
use crate::payments::tried::decimal;
use crate::refusal::Stop;
use anyhow::Context as _;
use chrono::{DateTime, NaiveDate, Utc};
use domain::ids::InvoiceId;
use domain::invoice::TransactionWire;
use domain::money::Money;
use domain::payment::MANUAL;
use domain::payment::{Attempt, AttemptState};
use serde::Serialize;
use store::delivery::{self, Delivery, DeliveryState};
use store::document::{self, Document};
use store::invoice::{self, Booked};
use store::{Tx, draft, payment};

/// What a name stands for.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Shown {
    Draft(Box<DraftView>),
    Booked(Box<InvoiceDetails>),
}

/// A booked invoice and what happened to it since.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InvoiceDetails {
    #[serde(flatten)]
    pub invoice: InvoiceView,
    pub transactions: Vec<Transaction>,
    pub settlements: Vec<Settled>,
    pub deliveries: Vec<Delivered>,
    pub documents: Vec<Stored>,
    pub dunning_step: u32,
    pub next_retry: Option<NaiveDate>,
    #[serde(serialize_with = "decimal")]
    pub open_amount: Money,
}

/// An attempt to collect it.
#[derive(Debug, Serialize)]
pub struct Transaction {
    #[serde(flatten)]
    pub wire: TransactionWire,
    #[serde(skip)]
    pub attempt: Attempt,
}

/// A part of the settlement.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Settled {
    /// `payment`, `set_off`, `refund` or `write_off`.
    pub kind: String,
    /// Number of the document it was set off against.
    pub against: Option<String>,
    #[serde(serialize_with = "decimal")]
    pub amount: Money,
    #[serde(rename = "Date")]
    pub on: NaiveDate,
}

/// A mail, or what a person handed over.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Delivered {
    pub channel: String,
    pub address: String,
    #[serde(rename = "MessageID")]
    pub message_id: String,
    pub state: DeliveryState,
    pub reason: Option<String>,
    pub attempts: u32,
    pub due_at: Option<DateTime<Utc>>,
    pub closed_on: Option<NaiveDate>,
    pub closed_by: Option<String>,
}

impl Delivered {
    /// The state in words.
    pub fn words(&self) -> &'static str {
        match self.state {
            DeliveryState::Sent if self.channel == delivery::HANDED_OVER => "handed over",
            DeliveryState::Sent => "sent",
            _ if self.closed_on.is_some() => "closed",
            DeliveryState::Pending => "waits",
            DeliveryState::Failed => "failed",
        }
    }
}

/// A stored document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Stored {
    pub template: String,
    /// Relative to the documents folder.
    pub path: String,
    pub sha256: String,
    pub bytes: u64,
}

/// Shows the invoice or draft of this name.
pub async fn show(ctx: &Context, name: &str) -> Result<Shown, Stop> {
    let mut tx = ctx.store.read().await?;
    match find::find(&mut tx, name).await? {
        DraftOrInvoice::Draft(key) => {
            let draft = draft::by_ids(&mut tx, &[key.id]).await?.pop().context("the draft has a body")?;
            let name = name_of(&mut tx, key.id).await?;
            Ok(Shown::Draft(Box::new(DraftView { draft, name, set_aside: key.reason })))
        }
        DraftOrInvoice::Booked(booked) => {
            let today = ctx.today_of(&*catalogue(&mut tx).await?);
            Ok(Shown::Booked(Box::new(about(&mut tx, *booked, today).await?)))
        }
    }
}

async fn about(tx: &mut Tx, booked: Booked, today: NaiveDate) -> anyhow::Result<InvoiceDetails> {
    let ids = [booked.invoice.draft.id];
    let attempts = payment::of_invoices(tx, &ids).await?;
    let draft = &booked.invoice.draft;
    let open_minor = booked.settlement.open_minor(draft.gross_minor());
    Ok(InvoiceDetails {
        transactions: attempts.into_iter().map(|attempt| transaction(&booked, attempt)).collect(),
        settlements: settled(tx, &booked).await?,
        deliveries: delivery::of_invoices(tx, &ids).await?.into_iter().map(delivered).collect(),
        documents: document::of_invoices(tx, &ids).await?.into_iter().map(stored).collect(),
        dunning_step: booked.settlement.dunning_step,
        next_retry: booked.settlement.next_retry,
        open_amount: Money::new(open_minor, draft.currency),
        invoice: InvoiceView::of(booked, today),
    })
}

async fn settled(tx: &mut Tx, booked: &Booked) -> anyhow::Result<Vec<Settled>> {
    let (id, currency): (InvoiceId, _) = (booked.invoice.draft.id, booked.invoice.draft.currency);
    let mut all = Vec::new();
    for part in invoice::parts(tx, id).await? {
        let against = match part.document {
            Some(other) => invoice::by_id(tx, other).await?.map(|b| b.invoice.number),
            None => None,
        };
        let amount = Money::new(part.amount_minor, currency);
        all.push(Settled { kind: part.kind, against, amount, on: part.on });
    }
    Ok(all)
}

fn delivered(d: Delivery) -> Delivered {
    let (closed_on, closed_by) = d.closed.map(|c| (c.on, c.why)).unzip();
    Delivered {
        channel: d.channel,
        address: d.address,
        message_id: d.message_id,
        state: d.state,
        reason: d.reason,
        attempts: d.attempts,
        due_at: d.due_at,
        closed_on,
        closed_by,
    }
}

fn stored(d: Document) -> Stored {
    Stored { template: d.template, path: d.path, sha256: d.sha256, bytes: d.bytes }
}

fn transaction(booked: &Booked, attempt: Attempt) -> Transaction {
    let (state_code, kind) = match attempt.state {
        AttemptState::Paid if attempt.gateway == MANUAL => (32, 8),
        AttemptState::Paid => (1, 8),
        AttemptState::SoftDecline | AttemptState::HardDecline => (8, 32),
        AttemptState::Technical => (16, 8),
        AttemptState::Pending => (64, 8),
    };
    let wire = TransactionWire {
        id: attempt.id.0,
        customer_id: attempt.customer.0,
        invoice_id: attempt.invoice.0,
        invoice_number: booked.invoice.number.clone(),
        state_code,
        kind,
        total_amount: Money::new(attempt.amount_minor, attempt.currency).decimal().to_string(),
        currency_code: attempt.currency.to_string(),
        date: attempt.on,
        error_code: attempt.decline_code.clone(),
    };
    Transaction { wire, attempt }
}
