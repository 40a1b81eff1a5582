//! Lists of invoices, credit notes and drafts.

use crate::context::Context;
use crate::invoices::name::Names;
use crate::invoices::view::{DraftView, InvoiceView};
use crate::refusal::{Stop, insist_on_customer};
use chrono::NaiveDate;
use domain::ids::{InvoiceId, RunId};
use domain::invoice::{Draft, State};
use std::collections::BTreeMap;
use store::draft::{self, DraftFilter, DraftState};
use store::invoice::{self, InvoiceFilter, InvoiceState};

/// Invoices read together.
const PAGE: usize = 500;

/// Which invoices; every field narrows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub run: Option<RunId>,
    /// Account number of the payer.
    pub customer: Option<String>,
    pub state: Option<StateFilter>,
    /// The day that decides what is overdue; today unless given.
    pub as_of: Option<NaiveDate>,
}

/// The state asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateFilter {
    /// Something is open.
    Open,
    /// Nothing is open, and the payer gave at least a part of it.
    Paid,
    /// Its own credit notes took all of it back, and nobody paid.
    Credited,
    /// Nothing is open, as some of it was given up.
    WrittenOff,
    /// Something is open and the last day to pay has passed.
    Overdue,
    /// The last attempt to collect it failed.
    Declined,
    CreditNote,
    /// Has not reached its buyer (rules I10).
    Undelivered,
}

/// Invoices and credit notes, by number.
pub async fn list(ctx: &Context, filter: &Filter) -> Result<Vec<InvoiceView>, Stop> {
    let as_of = match filter.as_of {
        Some(day) => day,
        None => ctx.today().await?,
    };
    let wanted = InvoiceFilter {
        run: filter.run,
        account_number: filter.customer.clone(),
        state: filter.state.map(stored),
        as_of: Some(as_of),
        ..InvoiceFilter::default()
    };
    let mut tx = ctx.store.read().await?;
    let ids = invoice::ids(&mut tx, &wanted).await?;
    if ids.is_empty() {
        insist_on_customer(&mut tx, filter.customer.as_deref()).await?;
    }
    let mut found = Vec::with_capacity(ids.len());
    for page in ids.chunks(PAGE) {
        let booked = invoice::by_ids(&mut tx, page).await?;
        found.extend(booked.into_iter().map(|booked| InvoiceView::of(booked, as_of)));
    }
    if filter.state == Some(StateFilter::Declined) {
        use State::{Declined, NotCollected, ToBeRetried};
        found.retain(|view: &InvoiceView| matches!(view.state, Declined | NotCollected | ToBeRetried));
    }
    Ok(found)
}

fn stored(wanted: StateFilter) -> InvoiceState {
    match wanted {
        StateFilter::Open | StateFilter::Declined => InvoiceState::Open,
        StateFilter::Paid => InvoiceState::Paid,
        StateFilter::Credited => InvoiceState::Credited,
        StateFilter::WrittenOff => InvoiceState::WrittenOff,
        StateFilter::Overdue => InvoiceState::Overdue,
        StateFilter::CreditNote => InvoiceState::CreditNote,
        StateFilter::Undelivered => InvoiceState::Undelivered,
    }
}

/// Drafts that are open or set aside, in the order in which they would be booked.
pub async fn drafts(ctx: &Context, filter: &Filter) -> Result<Vec<DraftView>, Stop> {
    let wanted = DraftFilter { run: filter.run, account_number: filter.customer.clone(), state: None };
    let mut tx = ctx.store.read().await?;
    let mut keys = draft::keys(&mut tx, &wanted).await?;
    keys.retain(|k| matches!(k.state, DraftState::Open | DraftState::SetAside));
    if keys.is_empty() {
        insist_on_customer(&mut tx, filter.customer.as_deref()).await?;
    }
    let ids: Vec<InvoiceId> = keys.iter().map(|k| k.id).collect();
    let mut bodies: BTreeMap<InvoiceId, Draft> = BTreeMap::new();
    for page in ids.chunks(PAGE) {
        bodies.extend(draft::by_ids(&mut tx, page).await?.into_iter().map(|draft| (draft.id, draft)));
    }
    let names = Names::all(&mut tx).await?;
    let views = keys.into_iter().filter_map(|key| {
        let draft = bodies.remove(&key.id)?;
        Some(DraftView { draft, name: names.name(key.id), set_aside: key.reason })
    });
    Ok(views.collect())
}
