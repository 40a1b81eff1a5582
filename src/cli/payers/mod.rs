//! `payers`: who owes what, and who gets mail.

mod personal;
mod statement;

use crate::app::App;
use crate::cli::mails;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, amount};
use domain::NaiveDate;
use domain::customer::Delivery;
use domain::money::Money;
use operations::payers::list::{self, PayerSelection};
use operations::payers::show;
use operations::payers::view::{BalanceView, PayerView};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
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
    #[command(subcommand)]
    verb: Option<personal::Verb>,
}

/// Lists payers, or shows one.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    if let Some(verb) = args.verb {
        return personal::run(&app, verb, output).await;
    }
    let as_of = match args.as_of {
        Some(day) => day,
        None => app.today().await?,
    };
    match &args.account {
        Some(account) => show(&app, account, as_of, output).await,
        None => list(&app, args.owing, as_of, output).await,
    }
}

async fn list(app: &App, owing: bool, as_of: NaiveDate, output: &Output) -> Result<Exit, Failure> {
    let which = if owing { PayerSelection::Owing } else { PayerSelection::All };
    let payers = list::list(&app.ctx, which, as_of).await?;
    if output.is_json() {
        output.document(&payers);
        return Ok(Exit::Done);
    }
    table(&payers, output);
    if payers.is_empty() {
        output.say(if owing { "nobody owes anything" } else { "no payer in the book" });
    }
    Ok(Exit::Done)
}

fn table(payers: &[PayerView], output: &Output) {
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
    output.table(&columns, payers.iter().map(row).collect());
}

fn row(payer: &PayerView) -> Vec<String> {
    let column = |of: fn(&BalanceView) -> &Money| -> String {
        let told = payer.balances.iter().map(|b| amount(i128::from(of(b).minor), b.currency));
        told.collect::<Vec<_>>().join("\n")
    };
    let currencies: Vec<String> = payer.balances.iter().map(|b| b.currency.to_string()).collect();
    vec![
        payer.account.clone(),
        payer.name.clone(),
        mail_to(payer),
        column(|b| &b.open),
        column(|b| &b.overdue),
        column(|b| &b.credit),
        currencies.join("\n"),
        if payer.undelivered == 0 { String::new() } else { payer.undelivered.to_string() },
    ]
}

fn mail_to(payer: &PayerView) -> String {
    match (payer.delivery, payer.mail_to.is_empty()) {
        (Delivery::None, _) => "no mail wanted".to_owned(),
        (Delivery::Mail, true) => "NOBODY".to_owned(),
        (Delivery::Mail, false) => payer.mail_to.join("\n"),
    }
}

async fn show(app: &App, account: &str, as_of: NaiveDate, output: &Output) -> Result<Exit, Failure> {
    let shown = show::show(&app.ctx, account, as_of).await?;
    if shown.payer.account != account {
        output.say(&format!("{account} is billed to {}", shown.payer.account));
    }
    if output.is_json() {
        output.document(&shown);
        return Ok(Exit::Done);
    }
    table(std::slice::from_ref(&shown.payer), output);
    let rows = shown.invoices.iter().map(|invoice| {
        vec![
            invoice.number.clone(),
            invoice.date.to_string(),
            invoice.due.to_string(),
            amount(i128::from(invoice.open.minor), invoice.currency),
            invoice.currency.to_string(),
            invoice.state.to_owned(),
        ]
    });
    let columns = [
        Column::Left("invoice"),
        Column::Left("date"),
        Column::Left("due"),
        Column::Right("open"),
        Column::Left(""),
        Column::Left("state"),
    ];
    output.table(&columns, rows.collect());
    mails::table(&shown.mails, output);
    mails::hint(&shown.mails, output);
    Ok(Exit::Done)
}
