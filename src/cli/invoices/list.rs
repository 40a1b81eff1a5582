//! `invoices`: the list.

use crate::app::App;
use crate::cli::runs;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, amount};
use clap::ValueEnum;
use domain::NaiveDate;
use domain::invoice::{InvoiceWire, PaymentStatus};
use store::draft::{self, DraftFilter, DraftState};
use store::invoice::{self, Booked, InvoiceFilter, InvoiceState};

/// Invoices read together.
const PAGE: usize = 500;

/// Which invoices to list.
#[derive(Debug, clap::Args)]
pub struct Filter {
    /// Only of this run
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Only of this payer, by account number
    #[arg(long, value_name = "ACCOUNT")]
    customer: Option<String>,
    /// Only in this state
    #[arg(long, value_name = "STATE")]
    state: Option<State>,
    /// The day that decides what is overdue; today unless given
    #[arg(long, value_name = "DATE")]
    as_of: Option<NaiveDate>,
}

/// State of an invoice as people ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum State {
    /// Waits to be booked
    Draft,
    /// Something is open
    Open,
    /// Nothing is open
    Paid,
    /// Something is open and the last day to pay has passed
    Overdue,
    /// The last attempt to collect it failed
    Declined,
    CreditNote,
    /// Has not reached its buyer: its mail waits or was refused, or there is nobody to mail it to
    Undelivered,
}

/// Lists by number; drafts only if asked for.
pub async fn list(app: &App, filter: &Filter, output: &Output) -> Result<Exit, Failure> {
    if filter.state == Some(State::Draft) {
        return drafts(app, filter, output).await;
    }
    let as_of = match filter.as_of {
        Some(day) => day,
        None => app.today().await?,
    };
    let booked = load(app, filter, as_of).await?;
    if output.is_json() {
        let wire: Vec<_> = booked.iter().map(|b| InvoiceWire::booked(&b.invoice, &b.settlement)).collect();
        output.document(&wire);
        return Ok(Exit::Done);
    }
    let columns = [
        Column::Left("number"),
        Column::Left("account"),
        Column::Left("date"),
        Column::Left("pay by"),
        Column::Right("gross"),
        Column::Right("open"),
        Column::Left(""),
        Column::Left("state"),
        Column::Left("next step"),
    ];
    let rows = booked.iter().map(|b| row(b, as_of)).collect();
    output.table(&columns, rows);
    if booked.is_empty() {
        output.say("no such invoice; drafts that wait for review: `tallybook invoices --state draft`");
    }
    Ok(Exit::Done)
}

async fn load(app: &App, filter: &Filter, as_of: NaiveDate) -> Result<Vec<Booked>, Failure> {
    let run = match &filter.run {
        Some(name) => Some(runs::find(app, name).await?.id),
        None => None,
    };
    let state = match filter.state {
        Some(State::Open | State::Declined) => Some(InvoiceState::Open),
        Some(State::Paid) => Some(InvoiceState::Paid),
        Some(State::Overdue) => Some(InvoiceState::Overdue),
        Some(State::CreditNote) => Some(InvoiceState::CreditNote),
        Some(State::Undelivered) => Some(InvoiceState::Undelivered),
        Some(State::Draft) | None => None,
    };
    let wanted = InvoiceFilter {
        run,
        account_number: filter.customer.clone(),
        state,
        as_of: Some(as_of),
        ..InvoiceFilter::default()
    };
    let mut tx = app.store.read().await?;
    let ids = invoice::ids(&mut tx, &wanted).await?;
    let mut booked = Vec::with_capacity(ids.len());
    for page in ids.chunks(PAGE) {
        booked.extend(invoice::by_ids(&mut tx, page).await?);
    }
    if filter.state == Some(State::Declined) {
        use PaymentStatus::{Declined, Dunning, Failed, PendingRetry};
        booked.retain(|b| matches!(b.settlement.payment_status, Declined | Dunning | Failed | PendingRetry));
    }
    Ok(booked)
}

fn row(booked: &Booked, as_of: NaiveDate) -> Vec<String> {
    let (draft, marks) = (&booked.invoice.draft, &booked.settlement);
    let gross = draft.gross_minor();
    vec![
        booked.invoice.number.clone(),
        draft.account_number.clone(),
        draft.invoice_date.to_string(),
        booked.invoice.payable_by.to_string(),
        amount(i128::from(gross), draft.currency),
        amount(i128::from(marks.open_minor(gross)), draft.currency),
        draft.currency.to_string(),
        state_of(booked, as_of).to_owned(),
        marks.next_retry.map(|day| day.to_string()).unwrap_or_default(),
    ]
}

/// The state in one word.
pub fn state_of(booked: &Booked, as_of: NaiveDate) -> &'static str {
    operations::invoices::view::State::of(booked, as_of).words()
}

async fn drafts(app: &App, filter: &Filter, output: &Output) -> Result<Exit, Failure> {
    let run = match &filter.run {
        Some(name) => Some(runs::find(app, name).await?.id),
        None => None,
    };
    let mut tx = app.store.read().await?;
    let wanted = DraftFilter { run, account_number: filter.customer.clone(), state: None };
    let mut keys = draft::keys(&mut tx, &wanted).await?;
    keys.retain(|k| matches!(k.state, DraftState::Open | DraftState::SetAside));
    if output.is_json() {
        let ids: Vec<_> = keys.iter().map(|k| k.id).collect();
        let mut wire = Vec::with_capacity(ids.len());
        for page in ids.chunks(PAGE) {
            wire.extend(draft::by_ids(&mut tx, page).await?.iter().map(InvoiceWire::draft));
        }
        output.document(&wire);
        return Ok(Exit::Done);
    }
    let columns = [
        Column::Left("draft"),
        Column::Left("account"),
        Column::Left("subscription"),
        Column::Left("date"),
        Column::Right("gross"),
        Column::Left(""),
        Column::Left("reason"),
    ];
    let rows = keys
        .iter()
        .map(|k| {
            vec![
                k.id.to_string(),
                k.account_number.clone(),
                k.subscription_number.clone().unwrap_or_default(),
                k.invoice_date.to_string(),
                amount(i128::from(k.net_minor) + i128::from(k.vat_minor), k.currency),
                k.currency.to_string(),
                k.reason
                    .clone()
                    .unwrap_or_else(|| if k.autobill { "" } else { "waits for review" }.to_owned()),
            ]
        })
        .collect();
    output.table(&columns, rows);
    if keys.is_empty() {
        output.say("no draft waits");
    }
    Ok(Exit::Done)
}
