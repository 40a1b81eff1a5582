//! `invoices`: the list.

use crate::app::App;
use crate::cli::runs;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, amount};
use clap::ValueEnum;
use domain::NaiveDate;
use operations::invoices::list::{self, StateFilter};
use operations::invoices::view::{DraftView, InvoiceView};

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
    /// Nothing is open, and it was paid
    Paid,
    /// Its credit notes took all of it back, and nobody paid
    Credited,
    /// Nothing is open, as some of it was given up
    WrittenOff,
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
    let run = match &filter.run {
        Some(name) => Some(runs::find(app, name).await?.id),
        None => None,
    };
    let wanted = list::Filter {
        run,
        customer: filter.customer.clone(),
        state: filter.state.and_then(State::wanted),
        as_of: filter.as_of,
    };
    if filter.state == Some(State::Draft) {
        drafts(&list::drafts(&app.ctx, &wanted).await?, output);
    } else {
        invoices(&list::list(&app.ctx, &wanted).await?, output);
    }
    Ok(Exit::Done)
}

impl State {
    /// As invoices have it; drafts are a list of their own.
    fn wanted(self) -> Option<StateFilter> {
        match self {
            Self::Draft => None,
            Self::Open => Some(StateFilter::Open),
            Self::Paid => Some(StateFilter::Paid),
            Self::Credited => Some(StateFilter::Credited),
            Self::WrittenOff => Some(StateFilter::WrittenOff),
            Self::Overdue => Some(StateFilter::Overdue),
            Self::Declined => Some(StateFilter::Declined),
            Self::CreditNote => Some(StateFilter::CreditNote),
            Self::Undelivered => Some(StateFilter::Undelivered),
        }
    }
}

fn invoices(found: &[InvoiceView], output: &Output) {
    if output.is_json() {
        output.document(&found);
        return;
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
    output.table(&columns, found.iter().map(row).collect());
    if found.is_empty() {
        output.say("no such invoice; drafts that wait for review: `tallybook invoices --state draft`");
    }
}

fn row(view: &InvoiceView) -> Vec<String> {
    let draft = &view.invoice.draft;
    vec![
        view.invoice.number.clone(),
        draft.account_number.clone(),
        draft.invoice_date.to_string(),
        view.invoice.payable_by.to_string(),
        amount(i128::from(draft.gross_minor()), draft.currency),
        amount(i128::from(view.open_minor()), draft.currency),
        draft.currency.to_string(),
        view.state.words().to_owned(),
        view.settlement.next_retry.map(|day| day.to_string()).unwrap_or_default(),
    ]
}

fn drafts(found: &[DraftView], output: &Output) {
    if output.is_json() {
        output.document(&found);
        return;
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
    let rows = found.iter().map(|DraftView { draft, name, set_aside }| {
        let waits = if draft.autobill { "" } else { "waits for review" };
        vec![
            name.clone(),
            draft.account_number.clone(),
            draft.subscription_number.clone().unwrap_or_default(),
            draft.invoice_date.to_string(),
            amount(i128::from(draft.gross_minor()), draft.currency),
            draft.currency.to_string(),
            set_aside.clone().unwrap_or_else(|| waits.to_owned()),
        ]
    });
    output.table(&columns, rows.collect());
    if found.is_empty() {
        output.say("no draft waits");
    }
}
