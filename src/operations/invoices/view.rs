//! Invoices as they are shown.

use crate::context::Context;
use crate::refusal::Stop;
use chrono::NaiveDate;
use domain::ids::InvoiceId;
use domain::invoice::{Draft, Invoice, InvoiceWire, Settlement, State};
use serde::{Serialize, Serializer};
use store::Tx;
use store::invoice::{self, Booked};

/// A booked invoice or credit note as it stands. Programs get it as [`InvoiceWire`].
#[derive(Debug, Clone)]
pub struct InvoiceView {
    pub invoice: Invoice,
    pub settlement: Settlement,
    pub state: State,
    /// The day that decides what is overdue.
    pub as_of: NaiveDate,
}

/// An invoice that is not booked. Programs get it as [`InvoiceWire`].
#[derive(Debug, Clone)]
pub struct DraftView {
    pub draft: Draft,
    /// What people call it.
    pub name: String,
    /// Why its run did not book it.
    pub set_aside: Option<String>,
}

impl DraftView {
    /// A draft that is shown and not kept.
    pub fn shown(draft: Draft) -> Self {
        Self { name: draft.id.to_string(), draft, set_aside: None }
    }
}

impl Serialize for DraftView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        InvoiceWire::draft(&self.draft).serialize(serializer)
    }
}

impl InvoiceView {
    /// As it stands on a day.
    pub fn of(booked: Booked, as_of: NaiveDate) -> Self {
        let state = state(&booked, as_of);
        Self { invoice: booked.invoice, settlement: booked.settlement, state, as_of }
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
        InvoiceWire::booked(&self.invoice, &self.settlement, self.as_of).serialize(serializer)
    }
}

/// The state of a booked document on a day.
pub(crate) fn state(booked: &Booked, as_of: NaiveDate) -> State {
    State::of(&booked.settlement, booked.invoice.draft.gross_minor(), booked.invoice.payable_by, as_of)
}
