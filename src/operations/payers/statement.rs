//! A payer's statement of account, one per currency.

use crate::context::Context;
use crate::payments::tried::decimal;
use crate::refusal::{Stop, unknown_payer};
use chrono::NaiveDate;
use documents::{InvoiceDocument, OpenItem, StatementDocument, StatementLine};
use domain::invoice::statement::{Moved, Movement, statement};
use domain::money::{Currency, Money};
use domain::refusal::{Code, Refusal};
use serde::Serialize;
use std::collections::BTreeMap;
use store::Tx;
use store::invoice::{self, Booked, InvoiceFilter};

/// Which days; without a first one, from the beginning.
#[derive(Debug, Clone, Copy)]
pub struct Days {
    pub from: Option<NaiveDate>,
    pub to: NaiveDate,
}

/// An account in one currency. The fields are a contract.
#[derive(Debug, Clone, Serialize)]
pub struct StatementView {
    pub account: String,
    pub name: String,
    pub currency: Currency,
    pub from: Option<NaiveDate>,
    pub to: NaiveDate,
    #[serde(serialize_with = "decimal")]
    pub opening: Money,
    pub lines: Vec<LineView>,
    #[serde(serialize_with = "decimal")]
    pub closing: Money,
}

/// A line of it; above 0 the payer owes more by it.
#[derive(Debug, Clone, Serialize)]
pub struct LineView {
    pub date: NaiveDate,
    pub what: Movement,
    pub document: String,
    #[serde(serialize_with = "decimal")]
    pub amount: Money,
    #[serde(serialize_with = "decimal")]
    pub balance: Money,
}

/// What the payer of this account number was billed and has paid.
pub async fn show(ctx: &Context, account: &str, days: Days) -> Result<Vec<StatementView>, Stop> {
    Ok(read(&mut ctx.store.read().await?, account, days).await?.0)
}

/// The statements, and the documents that they are of.
async fn read(tx: &mut Tx, account: &str, days: Days) -> Result<(Vec<StatementView>, Vec<Booked>), Stop> {
    if days.from.is_some_and(|from| from > days.to) {
        let message = format!("the last day, {}, lies before the first", days.to);
        return Err(Refusal::new(Code::Dates, message).option("to", "DATE").hint(" is the last day").into());
    }
    let unknown = || unknown_payer(account);
    let named = store::book::customer(tx, account).await?.ok_or_else(unknown)?;
    let payer = store::book::payer_of(tx, named.id).await?;
    let customer = store::book::customers(tx, &[payer]).await?.remove(&payer).ok_or_else(unknown)?;
    let filter = InvoiceFilter { payer: Some(payer), ..InvoiceFilter::default() };
    let ids = invoice::ids(tx, &filter).await?;
    let all = invoice::by_ids(tx, &ids).await?;
    let mut accounts: BTreeMap<Currency, Vec<Moved>> = BTreeMap::new();
    let mut documents = BTreeMap::new();
    for booked in &all {
        let draft = &booked.invoice.draft;
        let movement = if draft.is_credit_note { Movement::CreditNote } else { Movement::Invoice };
        let (document, amount_minor) = (booked.invoice.number.clone(), draft.gross_minor());
        documents.insert(draft.id, (draft.currency, document.clone()));
        let moved = Moved { on: draft.invoice_date, movement, document, amount_minor };
        accounts.entry(draft.currency).or_default().push(moved);
    }
    for (id, kind, amount_minor, on) in invoice::moved_of_payer(tx, payer).await? {
        let Some((currency, document)) = documents.get(&id) else { continue };
        let movement = match kind.as_str() {
            "refund" => Movement::Refund,
            "write_off" => Movement::WriteOff,
            _ => Movement::Payment,
        };
        let moved = Moved { on, movement, document: document.clone(), amount_minor: -amount_minor };
        accounts.entry(*currency).or_default().push(moved);
    }
    let (account, name) = (customer.account_number, customer.fullname);
    let views = accounts.into_iter().map(|(currency, moved)| view(&account, &name, currency, days, moved));
    Ok((views.collect(), all))
}

fn view(account: &str, name: &str, currency: Currency, days: Days, all: Vec<Moved>) -> StatementView {
    let of = statement(all, days.from, days.to);
    let money = |minor| Money::new(minor, currency);
    let line = |(moved, balance): (Moved, i64)| LineView {
        date: moved.on,
        what: moved.movement,
        document: moved.document,
        amount: money(moved.amount_minor),
        balance: money(balance),
    };
    StatementView {
        account: account.to_owned(),
        name: name.to_owned(),
        currency,
        from: days.from,
        to: days.to,
        opening: money(of.opening_minor),
        lines: of.lines.into_iter().map(line).collect(),
        closing: money(of.closing_minor),
    }
}

/// A statement on paper.
#[derive(Debug)]
pub struct StatementPdf {
    pub account: String,
    pub currency: Currency,
    pub bytes: Vec<u8>,
}

/// The statements of a payer as PDF, one per currency, with what is open today and how to pay it (rules Y3).
pub async fn render(ctx: &Context, account: &str, days: Days) -> Result<Vec<StatementPdf>, Stop> {
    let mut tx = ctx.store.read().await?;
    let (shown, mut booked) = read(&mut tx, account, days).await?;
    let catalogue = crate::context::catalogue(&mut tx).await?;
    drop(tx);
    booked
        .sort_by_key(|b| (b.invoice.draft.invoice_date, b.invoice.draft.series.clone(), b.invoice.sequence));
    let renderer = ctx.renderer().map_err(anyhow::Error::from)?;
    let mut pages = Vec::new();
    for view in shown {
        let all: Vec<&Booked> =
            booked.iter().filter(|booked| booked.invoice.draft.currency == view.currency).collect();
        let Some(newest) = all.last() else { continue };
        let document = StatementDocument {
            newest: InvoiceDocument::booked(&newest.invoice, &catalogue.tenant),
            from: view.from,
            to: view.to,
            opening_minor: view.opening.minor,
            lines: view.lines.iter().map(line).collect(),
            closing_minor: view.closing.minor,
            open: all.iter().copied().filter_map(open_item).collect(),
        };
        let bytes = renderer.render_statement(&document).map_err(anyhow::Error::from)?;
        pages.push(StatementPdf { account: view.account, currency: view.currency, bytes });
    }
    Ok(pages)
}

fn line(line: &LineView) -> StatementLine {
    StatementLine {
        on: line.date,
        movement: line.what,
        document: line.document.clone(),
        amount_minor: line.amount.minor,
        balance_minor: line.balance.minor,
    }
}

fn open_item(booked: &Booked) -> Option<OpenItem> {
    let invoice = &booked.invoice;
    let open_minor = booked.settlement.open_minor(invoice.draft.gross_minor());
    (open_minor != 0).then(|| OpenItem {
        number: invoice.number.clone(),
        pay_by: invoice.payable_by,
        open_minor,
        reference: invoice.stated_reference(),
    })
}
