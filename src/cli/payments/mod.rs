//! `payments`: retries that are due, and money that banks tell of.

mod bank;
mod debits;

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, amount};
use clap::Subcommand;
use domain::{Decimal, NaiveDate};
use operations::dunning::retry::{self, Retried};
use operations::payments::bank::ReceivedSelection;
use operations::payments::bank::allocate::Allocation;
use operations::payments::debits::DebitsAsked;
use operations::payments::tried::{Tried, TriedOutcome};
use operations::runs::open::Reach;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Take the dunning steps that are due, and ask about payments without an answer
    Retry {
        /// Everything due on or before this day; today unless given
        #[arg(long, value_name = "DATE")]
        as_of: Option<NaiveDate>,
        /// Take the steps of a day later than today + `bounds.days_ahead` all the same
        #[arg(long)]
        ahead: bool,
    },
    /// Read bank files (camt.053, camt.054, pain.002, CSV) and put the money on the invoices that it is for
    Import {
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
    /// Write the next file of direct debits for the bank into exports/
    Export {
        /// pain008, or pain008-02 for banks that want the older form
        #[arg(long, default_value = "pain008")]
        format: String,
        /// Everything that the bank is to fetch up to this day; within a week unless given
        #[arg(long, value_name = "DATE")]
        until: Option<NaiveDate>,
        /// The day of the file; today unless given
        #[arg(long, value_name = "DATE")]
        as_of: Option<NaiveDate>,
        /// Make this file once more, byte for byte
        #[arg(long, value_name = "NUMBER", conflicts_with_all = ["until", "as_of"])]
        file: Option<i64>,
    },
    /// List money that banks have told of
    Received {
        /// Only this: placed, likely, open or refunded
        #[arg(long)]
        state: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 0, hide_default_value = true)]
        limit: u32,
    },
    /// Put money on an invoice: the one that is proposed, or another; or on a payer's oldest, or a payer's credit
    Allocate {
        /// Number of the payment, as `payments received` shows it; without it, the credit of the customer
        #[arg(required_unless_present = "customer")]
        payment: Option<i64>,
        #[arg(long, value_name = "NUMBER")]
        invoice: Option<String>,
        /// The oldest open invoices of this payer, by account number
        #[arg(long, value_name = "ACCOUNT", conflicts_with = "invoice")]
        customer: Option<String>,
        /// Only so much of it
        #[arg(long, requires = "payment")]
        amount: Option<Decimal>,
    },
    /// Note that money went back to who sent it: what is on no invoice, or a payer's credit
    Refund {
        /// Number of the payment, as `payments received` shows it
        #[arg(required_unless_present = "customer", conflicts_with = "customer")]
        payment: Option<i64>,
        /// What this payer paid too much or was credited, by account number
        #[arg(long, value_name = "ACCOUNT")]
        customer: Option<String>,
        /// Only so much of the credit
        #[arg(long, requires = "customer")]
        amount: Option<Decimal>,
    },
}

/// Money that comes.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    match args.verb {
        Verb::Retry { as_of, ahead } => retry(as_of, ahead, config, output).await,
        Verb::Import { files } => bank::import(&files, config, output).await,
        Verb::Export { format, until, as_of, file } => {
            let asked = DebitsAsked { until, again: file, version: debits::version(&format)? };
            debits::export(&asked, as_of, config, output).await
        }
        Verb::Received { state, limit } => {
            bank::list(ReceivedSelection { state, limit }, config, output).await
        }
        Verb::Allocate { payment: Some(payment), invoice, customer, amount } => {
            let asked = Allocation { invoice: invoice.as_deref(), customer: customer.as_deref(), amount };
            bank::allocate(payment, &asked, config, output).await
        }
        Verb::Allocate { customer, .. } => {
            bank::allocate_credit(&customer.unwrap_or_default(), config, output).await
        }
        Verb::Refund { payment: Some(payment), .. } => bank::refund(payment, config, output).await,
        Verb::Refund { customer, amount, .. } => {
            bank::refund_credit(&customer.unwrap_or_default(), amount, config, output).await
        }
    }
}

async fn retry(
    as_of: Option<NaiveDate>,
    ahead: bool,
    config: &Config,
    output: &Output,
) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    app.catalogue().await?;
    let as_of = match as_of {
        Some(day) => day,
        None => app.today().await?,
    };
    let reach = if ahead { Reach::Ahead } else { Reach::Bounded };
    let retried = retry::retry_asked(&app.ctx, as_of, reach).await?;
    if output.is_json() {
        output.document(&retried);
    } else {
        people(&retried, output);
    }
    let mails = retried.mails;
    let is_all_well =
        retried.aside.is_empty() && retried.unanswered == 0 && mails.waiting + mails.refused == 0;
    Ok(if is_all_well { Exit::Done } else { Exit::SetAside })
}

/// What came of an attempt, in words.
pub fn outcome(tried: &Tried) -> &'static str {
    match tried.outcome {
        TriedOutcome::Paid => "paid",
        TriedOutcome::Declined => "declined",
        TriedOutcome::Unanswered => "no answer",
        TriedOutcome::NotCalled => "not called",
        TriedOutcome::AwaitsFile => "waits for the bank's file",
        TriedOutcome::Acted => "done",
    }
}

fn people(retried: &Retried, output: &Output) {
    if retried.tried.is_empty() {
        output.line(&format!("nothing is due on {}", retried.as_of));
        super::mails::say(&retried.mails, output);
        return;
    }
    let rows = retried
        .tried
        .iter()
        .map(|t| {
            vec![
                t.invoice.clone(),
                t.account.clone(),
                amount(i128::from(t.amount.minor), t.currency),
                t.currency.to_string(),
                t.step.to_string(),
                outcome(t).to_owned(),
                t.reason.clone().unwrap_or_default(),
                t.next_retry.map(|day| day.to_string()).unwrap_or_default(),
            ]
        })
        .collect();
    let columns = [
        Column::Left("invoice"),
        Column::Left("account"),
        Column::Right("amount"),
        Column::Left(""),
        Column::Right("step"),
        Column::Left("outcome"),
        Column::Left("reason"),
        Column::Left("next step"),
    ];
    output.table(&columns, rows);
    output.line(&format!(
        "{} paid, {} declined, {} without an answer, {} not called, {} other steps",
        retried.paid, retried.declined, retried.unanswered, retried.not_called, retried.acted
    ));
    super::mails::say(&retried.mails, output);
    for reason in &retried.aside {
        output.say(&format!("for a person: {reason}"));
    }
}
