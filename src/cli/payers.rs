//! `payers`: who owes what, and who gets mail.

use crate::app::App;
use crate::cli::mails;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, amount};
use domain::NaiveDate;
use domain::customer::{Customer, Delivery};
use domain::ids::CustomerId;
use std::collections::BTreeMap;
use store::balance::{self, Balance};
use store::delivery::{self, OpenDelivery, OpenFilter};
use store::invoice::{self, Booked, InvoiceFilter, InvoiceState};

/// Customers read together.
const PAGE: u32 = 1_000;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// One payer, by account number, with what is open; all of them without it
    #[arg(value_name = "ACCOUNT")]
    account: Option<String>,
    /// Only those who owe something or are owed something
    #[arg(long, conflicts_with = "account")]
    owing: bool,
    /// The day that decides what is overdue; today unless given
    #[arg(long, value_name = "DATE")]
    as_of: Option<NaiveDate>,
}

/// Lists payers, or shows one.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    let as_of = match args.as_of {
        Some(day) => day,
        None => app.today().await?,
    };
    match &args.account {
        Some(account) => show(&app, account, as_of, output).await,
        None => list(&app, args.owing, as_of, output).await,
    }
}

/// A payer with what is open.
struct Payer {
    customer: Customer,
    balances: Vec<Balance>,
    /// Invoices that have not reached it.
    undelivered: u64,
}

impl Payer {
    fn json(&self) -> serde_json::Value {
        let balances: Vec<_> = self
            .balances
            .iter()
            .map(|b| {
                let text = |minor: i64| amount(i128::from(minor), b.currency).replace(' ', "");
                serde_json::json!({"currency": b.currency, "open": text(b.open_minor), "overdue": text(b.overdue_minor),
                                   "credit": text(b.credit_minor)})
            })
            .collect();
        serde_json::json!({
            "account": self.customer.account_number, "name": self.customer.fullname, "delivery": self.customer.delivery,
            "mailto": operations::delivery::plan::addresses(&self.customer), "balances": balances, "undelivered": self.undelivered,
        })
    }

    fn mail_to(&self) -> String {
        let addresses = operations::delivery::plan::addresses(&self.customer);
        match (self.customer.delivery, addresses.is_empty()) {
            (Delivery::None, _) => "no mail wanted".to_owned(),
            (Delivery::Mail, true) => "NOBODY".to_owned(),
            (Delivery::Mail, false) => addresses.join("\n"),
        }
    }

    fn row(&self) -> Vec<String> {
        let column = |of: fn(&Balance) -> i64| -> String {
            let told = self.balances.iter().map(|b| amount(i128::from(of(b)), b.currency));
            told.collect::<Vec<_>>().join("\n")
        };
        let currencies: Vec<String> = self.balances.iter().map(|b| b.currency.to_string()).collect();
        vec![
            self.customer.account_number.clone(),
            self.customer.fullname.clone(),
            self.mail_to(),
            column(|b| b.open_minor),
            column(|b| b.overdue_minor),
            column(|b| b.credit_minor),
            currencies.join("\n"),
            if self.undelivered == 0 { String::new() } else { self.undelivered.to_string() },
        ]
    }
}

async fn list(app: &App, owing: bool, as_of: NaiveDate, output: &Output) -> Result<Exit, Failure> {
    app.catalogue().await?;
    let mut tx = app.store.read().await?;
    let mut balances: BTreeMap<CustomerId, Vec<Balance>> = BTreeMap::new();
    for balance in balance::balances(&mut tx, None, as_of).await? {
        balances.entry(balance.payer).or_default().push(balance);
    }
    let mut undelivered = undelivered(delivery::list_open(&mut tx, &OpenFilter::default()).await?);
    let mut payers: Vec<Payer> = Vec::new();
    let mut last: Option<String> = None;
    loop {
        let page = balance::payers_after(&mut tx, last.as_deref(), PAGE).await?;
        let Some(end) = page.last() else { break };
        last = Some(end.account_number.clone());
        payers.extend(page.into_iter().map(|customer| Payer {
            balances: balances.remove(&customer.id).unwrap_or_default(),
            undelivered: undelivered.remove(&customer.account_number).unwrap_or(0),
            customer,
        }));
    }
    payers.retain(|p| !owing || !p.balances.is_empty());
    if output.is_json() {
        output.document(&payers.iter().map(Payer::json).collect::<Vec<_>>());
        return Ok(Exit::Done);
    }
    table(&payers, output);
    if payers.is_empty() {
        output.say(if owing { "nobody owes anything" } else { "no payer in the book" });
    }
    Ok(Exit::Done)
}

/// Invoices that have not reached their payer, by account number.
fn undelivered(open: Vec<OpenDelivery>) -> BTreeMap<String, u64> {
    let mut invoices: Vec<(String, String)> =
        open.into_iter().filter(|d| d.channel == "invoice").map(|d| (d.account_number, d.number)).collect();
    invoices.sort();
    invoices.dedup();
    let mut counts = BTreeMap::new();
    invoices.into_iter().for_each(|(account, _)| *counts.entry(account).or_default() += 1);
    counts
}

fn table(payers: &[Payer], output: &Output) {
    let columns = [
        Column::Left("account"),
        Column::Left("name"),
        Column::Left("mail to"),
        Column::Right("open"),
        Column::Right("overdue"),
        Column::Right("credit"),
        Column::Left(""),
        Column::Right("not delivered"),
    ];
    output.table(&columns, payers.iter().map(Payer::row).collect());
}

async fn show(app: &App, account: &str, as_of: NaiveDate, output: &Output) -> Result<Exit, Failure> {
    let mut tx = app.store.read().await?;
    let unknown = || {
        Failure::input("unknown_customer", format!("there is no customer {account}"))
            .hint("`tallybook payers` lists them by account number")
    };
    let named = store::book::customer(&mut tx, account).await?.ok_or_else(unknown)?;
    let payer = store::book::payer_of(&mut tx, named.id).await?;
    let customer = store::book::customers(&mut tx, &[payer]).await?.remove(&payer).ok_or_else(unknown)?;
    if customer.id != named.id {
        output.say(&format!("{account} is billed to {}", customer.account_number));
    }
    let filter =
        OpenFilter { account_number: Some(customer.account_number.clone()), ..OpenFilter::default() };
    let open = delivery::list_open(&mut tx, &filter).await?;
    let wanted =
        InvoiceFilter { payer: Some(payer), state: Some(InvoiceState::Open), ..InvoiceFilter::default() };
    let ids = invoice::ids(&mut tx, &wanted).await?;
    let invoices = invoice::by_ids(&mut tx, &ids).await?;
    let shown = Payer {
        balances: balance::balances(&mut tx, Some(payer), as_of).await?,
        undelivered: undelivered(open.clone()).into_values().sum(),
        customer,
    };
    if output.is_json() {
        let mut document = shown.json();
        document["invoices"] = invoices.iter().map(|b| invoice_json(b, as_of)).collect();
        document["mails"] = open.iter().map(mails::json).collect();
        output.document(&document);
        return Ok(Exit::Done);
    }
    table(std::slice::from_ref(&shown), output);
    let rows = invoices.iter().map(|b| invoice_row(b, as_of)).collect();
    let columns = [
        Column::Left("invoice"),
        Column::Left("date"),
        Column::Left("due"),
        Column::Right("open"),
        Column::Left(""),
        Column::Left("state"),
    ];
    output.table(&columns, rows);
    mails::table(&open, output);
    mails::hint(&open, output);
    Ok(Exit::Done)
}

fn invoice_json(booked: &Booked, as_of: NaiveDate) -> serde_json::Value {
    let draft = &booked.invoice.draft;
    let open = booked.settlement.open_minor(draft.gross_minor());
    serde_json::json!({
        "number": booked.invoice.number, "date": draft.invoice_date, "due": booked.invoice.payable_by,
        "open": amount(i128::from(open), draft.currency).replace(' ', ""), "currency": draft.currency,
        "state": super::invoices::state_of(booked, as_of),
    })
}

fn invoice_row(booked: &Booked, as_of: NaiveDate) -> Vec<String> {
    let draft = &booked.invoice.draft;
    let open = booked.settlement.open_minor(draft.gross_minor());
    vec![
        booked.invoice.number.clone(),
        draft.invoice_date.to_string(),
        booked.invoice.payable_by.to_string(),
        amount(i128::from(open), draft.currency),
        draft.currency.to_string(),
        super::invoices::state_of(booked, as_of).to_owned(),
    ]
}
