//! One payer: what is open, invoice by invoice, and the mails that have not reached it.

use crate::context::Context;
use crate::delivery::open::{self, OpenMail};
use crate::invoices::view::state;
use crate::payers::view::{PayerView, undelivered};
use crate::payments::tried::decimal;
use crate::refusal::{Stop, unknown_customer};
use chrono::NaiveDate;
use domain::money::{Currency, Money};
use serde::Serialize;
use store::balance;
use store::invoice::{self, Booked, InvoiceFilter, InvoiceState};

/// A payer in full.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    #[serde(flatten)]
    pub payer: PayerView,
    pub invoices: Vec<OpenInvoice>,
    pub mails: Vec<OpenMail>,
}

/// An invoice or credit note that is not settled.
#[derive(Debug, Clone, Serialize)]
pub struct OpenInvoice {
    pub number: String,
    pub date: NaiveDate,
    pub due: NaiveDate,
    #[serde(serialize_with = "decimal")]
    pub open: Money,
    pub currency: Currency,
    /// In words.
    pub state: &'static str,
}

/// Who pays for the customer of this account number; the day decides what is overdue.
pub async fn show(ctx: &Context, account: &str, as_of: NaiveDate) -> Result<Shown, Stop> {
    let mut tx = ctx.store.read().await?;
    let unknown = || unknown_customer(account);
    let named = store::book::customer(&mut tx, account).await?.ok_or_else(unknown)?;
    let payer = store::book::payer_of(&mut tx, named.id).await?;
    let customer = store::book::customers(&mut tx, &[payer]).await?.remove(&payer).ok_or_else(unknown)?;
    let wanted =
        InvoiceFilter { payer: Some(payer), state: Some(InvoiceState::Open), ..InvoiceFilter::default() };
    let ids = invoice::ids(&mut tx, &wanted).await?;
    let invoices = invoice::by_ids(&mut tx, &ids).await?;
    let balances = balance::balances(&mut tx, Some(payer), as_of).await?;
    drop(tx);
    let filter = open::Filter { customer: Some(customer.account_number.clone()), ..open::Filter::default() };
    let mails = open::list(ctx, &filter).await?;
    let count = undelivered(&mails).into_values().sum();
    Ok(Shown {
        payer: PayerView::of(&customer, balances, count),
        invoices: invoices.iter().map(|booked| open_invoice(booked, as_of)).collect(),
        mails,
    })
}

fn open_invoice(booked: &Booked, as_of: NaiveDate) -> OpenInvoice {
    let draft = &booked.invoice.draft;
    OpenInvoice {
        number: booked.invoice.number.clone(),
        date: draft.invoice_date,
        due: booked.invoice.payable_by,
        open: Money::new(booked.settlement.open_minor(draft.gross_minor()), draft.currency),
        currency: draft.currency,
        state: state(booked, as_of).words(),
    }
}
