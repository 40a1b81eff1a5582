//! `invoices`: list and operate invoices.

mod create;
mod deliver;
mod edit;
mod list;
mod operate;
mod show;
mod take_over;

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use clap::Subcommand;
use domain::einvoice::Format;
use domain::{Decimal, NaiveDate};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(flatten)]
    list: list::Filter,
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// An invoice is named by its number, a draft by its id or the beginning of it.
#[derive(Debug, Subcommand)]
enum Verb {
    /// One invoice: lines, VAT, payments, mails, documents
    Show { number: String },
    /// Its PDF; a draft's is marked as such
    Pdf {
        number: String,
        /// Write it here; `-` is standard output. Without it the path of the stored document is printed
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// It as an electronic invoice, for the buyer's system
    Xml {
        number: String,
        /// `peppol` (Peppol BIS Billing 3.0) or `xrechnung` (XRechnung 3.0), both UBL 2.1
        #[arg(long, default_value = "peppol", value_parser = format)]
        format: Format,
        /// Write it here; `-` is standard output, and so is no name
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Write an invoice yourself: a draft from a JSON file
    Create(create::Args),
    /// Change a draft before it is booked: lines, words, reference, term
    Edit(edit::Args),
    /// Book a draft that waits for review, render it and mail it
    Book {
        number: String,
        /// Day of booking; today unless given
        #[arg(long, value_name = "DATE")]
        as_of: Option<NaiveDate>,
    },
    /// Drop a draft; its periods are never billed
    Cancel {
        number: String,
        /// Its periods are due again with the next run
        #[arg(long)]
        release: bool,
    },
    /// Mail it to those who have not got it
    Send {
        number: String,
        /// To this address, also if it went there before
        #[arg(long, value_name = "ADDRESS")]
        to: Option<String>,
    },
    /// It was handed over otherwise: in person, by post, through a portal
    Markdelivered {
        number: String,
        /// Day it happened; today unless given
        #[arg(long, value_name = "DATE")]
        on: Option<NaiveDate>,
        /// How, for whoever asks later
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// It was paid outside: by bank transfer, in cash
    Markpaid {
        number: String,
        #[command(flatten)]
        part: AmountArgs,
        /// Although a payment is under way whose answer nobody knows: ask the provider first
        #[arg(long)]
        despite_pending: bool,
    },
    /// Charge what is open now
    Recharge {
        number: String,
        /// Day of the attempt; today unless given
        #[arg(long, value_name = "DATE")]
        as_of: Option<NaiveDate>,
    },
    /// Credit it, whole or by line, with a credit note
    Credit {
        number: String,
        /// Only this line, by its number: what is left of it, or an amount: `--line 1=10.00`. Net, or gross where prices
        /// include VAT
        #[arg(long = "line", value_name = "N[=AMOUNT]", value_parser = credit_line)]
        lines: Vec<(u32, Option<Decimal>)>,
        /// What the invoice billed is due again: the next run bills it again
        #[arg(long, conflicts_with = "lines")]
        rebill: bool,
        /// Day of the credit note; today unless given
        #[arg(long, value_name = "DATE")]
        as_of: Option<NaiveDate>,
    },
    /// Give up what is open: bad debt
    Writeoff {
        number: String,
        #[command(flatten)]
        part: AmountArgs,
    },
    /// Take over what is still open in another system: its invoices, and what payers have to their credit
    #[command(name = "takeover")]
    TakeOver(take_over::Args),
    /// Pay back what is owed to the payer: on a credit note, or paid too much
    Refund {
        number: String,
        #[command(flatten)]
        part: AmountArgs,
        /// By bank transfer, not through the provider that took the money
        #[arg(long)]
        by_hand: bool,
    },
}

fn format(text: &str) -> Result<Format, String> {
    Format::parse(text).ok_or_else(|| format!("`{text}` is no format: one of {}", Format::NAMES.join(", ")))
}

/// `2`, or `2=10.00`.
fn credit_line(text: &str) -> Result<(u32, Option<Decimal>), String> {
    let (number, amount) =
        text.split_once('=').map_or((text, None), |(number, amount)| (number, Some(amount)));
    let number = number.trim().parse().map_err(|_| format!("`{number}` is not the number of a line"))?;
    let read = |amount: &str| {
        amount.trim().parse::<Decimal>().map_err(|_| format!("`{amount}` is not an amount, as 10.00 is"))
    };
    Ok((number, amount.map(read).transpose()?))
}

#[derive(Debug, clap::Args)]
struct AmountArgs {
    /// Only this much, for example 99.50; all of it unless given
    #[arg(long, value_name = "AMOUNT")]
    amount: Option<Decimal>,
    /// Day it happened; today unless given
    #[arg(long, value_name = "DATE")]
    on: Option<NaiveDate>,
}

/// Lists without a verb.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    let Some(verb) = args.verb else { return list::list(&app, &args.list, output).await };
    match verb {
        Verb::Show { number } => show::show(&app, &number, output).await,
        Verb::Pdf { number, out } => show::pdf(&app, &number, out.as_deref(), output).await,
        Verb::Xml { number, format, out } => show::xml(&app, &number, format, out.as_deref(), output).await,
        Verb::Edit(args) => edit::run(&app, &args, output).await,
        Verb::Create(args) => create::run(&app, &args, output).await,
        Verb::Book { number, as_of } => operate::book(&app, &number, as_of, output).await,
        Verb::Cancel { number, release } => operate::cancel(&app, &number, release, output).await,
        Verb::Send { number, to } => deliver::send(&app, &number, to.as_deref(), output).await,
        Verb::Markdelivered { number, on, note } => {
            deliver::mark_delivered(&app, &number, on, note, output).await
        }
        Verb::Markpaid { number, part, despite_pending } => {
            operate::mark_paid(&app, &number, &part, despite_pending, output).await
        }
        Verb::Recharge { number, as_of } => operate::recharge(&app, &number, as_of, output).await,
        Verb::Credit { number, lines, rebill, as_of } => {
            operate::credit(&app, &number, &lines, rebill, as_of, output).await
        }
        Verb::TakeOver(args) => take_over::run(&app, &args, output).await,
        Verb::Writeoff { number, part } => operate::write_off(&app, &number, &part, output).await,
        Verb::Refund { number, part, by_hand } => {
            operate::refund(&app, &number, &part, by_hand, output).await
        }
    }
}
