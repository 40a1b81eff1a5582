//! `mails`: what has not gone out, and sending it (rules I10).

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, grouped};
use clap::{Subcommand, ValueEnum};
use domain::run::MailCounts;
use operations::delivery::open::{self, Filter, OpenMail};
use operations::delivery::send::MailSelection;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    /// Only those in this state
    #[arg(long, value_name = "STATE")]
    state: Option<State>,
    /// Only of this payer, by account number
    #[arg(long, value_name = "ACCOUNT")]
    customer: Option<String>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    /// Tried again by themselves
    Waiting,
    /// Refused for good or given up, and invoices that have nobody to be mailed to
    Refused,
    /// Only invoices that have nobody to be mailed to
    Nobody,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Send now all that wait, and invoices whose payer has got an address since
    Send {
        /// Also what was refused or given up, to the addresses that the payers have now
        #[arg(long)]
        refused: bool,
    },
    /// Read reports of mails that came back (RFC 3464): those mails are refused from now on
    Bounces {
        /// Mails, mbox files, or folders of them, as a Maildir
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

/// Lists what is open without a verb.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    match args.verb {
        Some(Verb::Send { refused }) => send(&app, refused, output).await,
        Some(Verb::Bounces { files }) => super::mails_bounces::run(&app, &files, output).await,
        None => list(&app, args.state, args.customer, output).await,
    }
}

async fn list(
    app: &App,
    state: Option<State>,
    customer: Option<String>,
    output: &Output,
) -> Result<Exit, Failure> {
    use open::State::{Nobody, Refused, Waiting};
    let states = match state {
        None => vec![],
        Some(State::Waiting) => vec![Waiting],
        Some(State::Refused) => vec![Refused, Nobody],
        Some(State::Nobody) => vec![Nobody],
    };
    let open = open::list(&app.ctx, &Filter { run: None, customer, states }).await?;
    if output.is_json() {
        output.document(&open);
        return Ok(Exit::Done);
    }
    table(&open, output);
    if open.is_empty() {
        output.say("no such mail: everything else has gone out");
    }
    hint(&open, output);
    Ok(Exit::Done)
}

/// Open mails as a table.
pub fn table(open: &[OpenMail], output: &Output) {
    let rows = open.iter().map(|mail| {
        vec![
            mail.invoice.clone(),
            mail.account.clone(),
            mail.channel.clone(),
            mail.address.clone().unwrap_or_default(),
            mail.state.name().to_owned(),
            mail.reason.clone().unwrap_or_default(),
        ]
    });
    let columns = ["invoice", "account", "what", "mail to", "state", "reason"].map(Column::Left);
    output.table(&columns, rows.collect());
}

/// What to type about open mails.
pub fn hint(mails: &[OpenMail], output: &Output) {
    let has = |state| mails.iter().any(|d| d.state == state);
    if has(open::State::Waiting) {
        output.say("hint: `tallybook mails send` sends all that wait");
    }
    if let Some(nobody) = mails.iter().find(|d| d.state == open::State::Nobody) {
        output.say(&format!(
            "hint: load an e-mail address for {} (or \"delivery\": \"none\") and `tallybook mails send`; handed over otherwise: `tallybook invoices markdelivered {}`",
            nobody.account, nobody.invoice
        ));
    }
    if let Some(refused) = mails.iter().find(|d| d.state == open::State::Refused) {
        output.say(&format!(
            "hint: fix the cause and `tallybook mails send --refused`; handed over otherwise: `tallybook invoices markdelivered {}`",
            refused.invoice
        ));
    }
}

/// Mails in a line of an answer, with what to type about those that have not gone out.
pub fn say(mails: &MailCounts, output: &Output) {
    let parts = [
        (mails.sent, "sent"),
        (mails.waiting, "waiting"),
        (mails.refused, "refused"),
        (mails.nobody, "without an address"),
    ];
    let told: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{} {word}", grouped(*n))).collect();
    if !told.is_empty() {
        output.line(&format!("mails: {}", told.join(", ")));
    }
    hints(mails, output);
}

/// What to type about mails that have not gone out.
pub fn hints(mails: &MailCounts, output: &Output) {
    if mails.waiting > 0 {
        output.say("hint: `tallybook mails send` sends all that wait");
    }
    if mails.set_aside() > 0 {
        output.say("hint: `tallybook mails --state refused` says which and why");
    }
}

/// A relay that is down is no fault of the input: exit code 2, and the same command again.
async fn send(app: &App, refused: bool, output: &Output) -> Result<Exit, Failure> {
    let which = if refused { MailSelection::WaitingAndRefused } else { MailSelection::Waiting };
    let sent = open::send_all(&app.ctx, which).await?;
    let untold = operations::runs::notices::tell_all(&app.ctx, refused).await?;
    if output.is_json() {
        output.document(&sent);
    } else {
        say(&sent.counts, output);
        if sent.counts == MailCounts::default() {
            output.line("nothing waits to be sent");
        }
        sent.reasons.iter().take(REASONS_SHOWN).for_each(|reason| output.say(reason));
    }
    for report in &untold {
        output.say(&format!("report of a run to {}: {}", report.address, report.reason));
    }
    Ok(match (sent.is_put_off || untold.iter().any(|report| report.waits), sent.is_set_aside) {
        (true, _) => Exit::Fault,
        (false, true) => Exit::SetAside,
        (false, false) => Exit::Done,
    })
}

/// Reasons that `mails send` shows; all of them are in the list.
const REASONS_SHOWN: usize = 20;
