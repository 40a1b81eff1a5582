//! Invoices as they are shown.

use crate::context::Context;
use crate::refusal::Stop;
use chrono::NaiveDate;
use domain::ids::InvoiceId;
use domain::invoice::{Draft, Invoice, InvoiceWire, PaymentStatus, Settlement};
use serde::{Serialize, Serializer};
use store::Tx;
use store::invoice::{self, Booked};

/// A booked invoice or credit note as it stands. Programs get it as [`InvoiceWire`].
#[derive(Debug, Clone)]
pub struct InvoiceView {
    pub invoice: Invoice,
    pub settlement: Settlement,
    pub state: State,
}

/// An invoice that is not booked. Programs get it as [`InvoiceWire`].
#[derive(Debug, Clone)]
pub struct DraftView {
    pub draft: Draft,
    /// Why its run did not book it.
    pub set_aside: Option<String>,
}

impl Serialize for DraftView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        InvoiceWire::draft(&self.draft).serialize(serializer)
    }
}

/// The state as people ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    PaidTooMuch,
    Paid,
    /// Nothing of a credit note is owed any more.
    Settled,
    /// A credit note of which something is owed.
    Credit,
    PaymentUnderWay,
    ToBeRetried,
    InDunning,
    Declined,
    NotCollected,
    Cancelled,
    Overdue,
    Open,
}

impl InvoiceView {
    /// As it stands on a day.
    pub fn of(booked: Booked, as_of: NaiveDate) -> Self {
        let state = State::of(&booked, as_of);
        Self { invoice: booked.invoice, settlement: booked.settlement, state }
    }

    /// As it stands once the transaction is committed.
    pub(crate) async fn committed(ctx: &Context, mut tx: Tx, id: InvoiceId) -> Result<Self, Stop> {
        let booked = invoice::by_id(&mut tx, id).await?;
        let booked = booked.ok_or_else(|| anyhow::anyhow!("invoice {id} is gone"))?;
        tx.commit().await?;
        Ok(Self::of(booked, ctx.today().await?))
    }

    /// As it stands now.
    pub(crate) async fn now(ctx: &Context, id: InvoiceId) -> Result<Self, Stop> {
        Self::committed(ctx, ctx.store.read().await?, id).await
    }

    /// Minor units that are open; below zero: owed to the payer.
    pub fn open_minor(&self) -> i64 {
        self.settlement.open_minor(self.invoice.draft.gross_minor())
    }
}

impl Serialize for InvoiceView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        InvoiceWire::booked(&self.invoice, &self.settlement).serialize(serializer)
    }
}

impl State {
    /// As it stands on a day.
    pub fn of(booked: &Booked, as_of: NaiveDate) -> Self {
        let gross = booked.invoice.draft.gross_minor();
        let open = booked.settlement.open_minor(gross);
        match booked.settlement.payment_status {
            PaymentStatus::Paid if open != 0 => Self::PaidTooMuch,
            PaymentStatus::Paid if gross < 0 => Self::Settled,
            PaymentStatus::Paid => Self::Paid,
            _ if gross < 0 => Self::Credit,
            PaymentStatus::PendingResponse | PaymentStatus::Pending => Self::PaymentUnderWay,
            PaymentStatus::PendingRetry => Self::ToBeRetried,
            PaymentStatus::Dunning => Self::InDunning,
            PaymentStatus::Declined => Self::Declined,
            PaymentStatus::Failed => Self::NotCollected,
            PaymentStatus::Cancelled => Self::Cancelled,
            PaymentStatus::NotPaid if booked.invoice.payable_by < as_of => Self::Overdue,
            PaymentStatus::NotPaid => Self::Open,
        }
    }

    /// The state in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::PaidTooMuch => "paid too much",
            Self::Paid => "paid",
            Self::Settled => "settled",
            Self::Credit => "credit",
            Self::PaymentUnderWay => "payment under way",
            Self::ToBeRetried => "to be retried",
            Self::InDunning => "in dunning",
            Self::Declined => "declined",
            Self::NotCollected => "not collected",
            Self::Cancelled => "cancelled",
            Self::Overdue => "overdue",
            Self::Open => "open",
        }
    }
}
