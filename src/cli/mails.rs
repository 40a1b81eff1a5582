//! `mails`: what has not gone out, and sending it (rules I10).

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, grouped};
use clap::{Subcommand, ValueEnum};
use domain::ids::RunId;
use domain::run::MailCounts;
use operations::delivery::send::Which;
use store::delivery::{self, OpenDelivery, OpenFilter, OpenState};

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
}

/// Lists what is open without a verb.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    match args.verb {
        Some(Verb::Send { refused }) => send(&app, refused, output).await,
        None => list(&app, args.state, args.customer, output).await,
    }
}

async fn list(
    app: &App,
    state: Option<State>,
    customer: Option<String>,
    output: &Output,
) -> Result<Exit, Failure> {
    let filter = OpenFilter {
        account_number: customer,
        state: match state {
            Some(State::Waiting) => Some(OpenState::Waiting),
            Some(State::Nobody) => Some(OpenState::Nobody),
            Some(State::Refused) | None => None,
        },
        ..OpenFilter::default()
    };
    let mut tx = app.store.read().await?;
    let mut open = delivery::list_open(&mut tx, &filter).await?;
    if matches!(state, Some(State::Refused)) {
        open.retain(|d| d.state != OpenState::Waiting);
    }
    if output.is_json() {
        output.document(&open.iter().map(json).collect::<Vec<_>>());
        return Ok(Exit::Done);
    }
    table(&open, output);
    if open.is_empty() {
        output.say("no such mail: everything else has gone out");
    }
    hint(&open, output);
    Ok(Exit::Done)
}

/// An open delivery for scripts.
pub fn json(open: &OpenDelivery) -> serde_json::Value {
    serde_json::json!({
        "invoice": open.number, "account": open.account_number, "run": open.run, "channel": open.channel,
        "address": (!open.address.is_empty()).then_some(&open.address), "state": open.state, "reason": open.reason,
        "attempts": open.attempts, "nexttry": open.due_at, "messageid": open.message_id,
    })
}

/// Open deliveries as a table.
pub fn table(open: &[OpenDelivery], output: &Output) {
    let rows = open
        .iter()
        .map(|d| {
            vec![
                d.number.clone(),
                d.account_number.clone(),
                d.channel.clone(),
                d.address.clone(),
                d.state.name().to_owned(),
                d.reason.clone().unwrap_or_default(),
            ]
        })
        .collect();
    output.table(&["invoice", "account", "what", "mail to", "state", "reason"].map(Column::Left), rows);
}

/// What is open of a run's invoices.
pub async fn of_run(tx: &mut store::Tx, run: RunId) -> anyhow::Result<Vec<OpenDelivery>> {
    delivery::list_open(tx, &OpenFilter { run: Some(run), ..OpenFilter::default() }).await
}

/// What to type about open deliveries.
pub fn hint(open: &[OpenDelivery], output: &Output) {
    let has = |state| open.iter().any(|d| d.state == state);
    if has(OpenState::Waiting) {
        output.say("hint: `tallybook mails send` sends all that wait");
    }
    if let Some(nobody) = open.iter().find(|d| d.state == OpenState::Nobody) {
        output.say(&format!(
            "hint: load an e-mail address for {} (or \"delivery\": \"none\") and `tallybook mails send`; handed over otherwise: `tallybook invoices markdelivered {}`",
            nobody.account_number, nobody.number
        ));
    }
    if let Some(refused) = open.iter().find(|d| d.state == OpenState::Refused) {
        output.say(&format!(
            "hint: mend the cause and `tallybook mails send --refused`; handed over otherwise: `tallybook invoices markdelivered {}`",
            refused.number
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
    if mails.waiting > 0 {
        output.say("hint: `tallybook mails send` sends all that wait");
    }
    if mails.set_aside() > 0 {
        output.say("hint: `tallybook mails --state refused` says which and why");
    }
}

/// A relay that is down is no fault of the input: exit code 2, and the same command again.
async fn send(app: &App, refused: bool, output: &Output) -> Result<Exit, Failure> {
    app.catalogue().await?;
    let which = if refused { Which::WaitingAndRefused } else { Which::Waiting };
    let sent = operations::delivery::send::send_all(&app.ctx, which).await?;
    let mut tx = app.store.read().await?;
    let now_open = delivery::open_counts(&mut tx).await?;
    let counts = MailCounts { sent: sent.sent, ..now_open };
    if output.is_json() {
        output.document(&counts);
    } else {
        say(&counts, output);
        if counts == MailCounts::default() {
            output.line("nothing waits to be sent");
        }
        sent.reasons().take(REASONS_SHOWN).for_each(|reason| output.say(reason));
    }
    Ok(match (sent.waiting.is_empty(), sent.refused.is_empty() && sent.nobody.is_empty()) {
        (false, _) => Exit::Fault,
        (true, false) => Exit::SetAside,
        (true, true) => Exit::Done,
    })
}

/// Reasons that `mails send` shows; all of them are in the list.
const REASONS_SHOWN: usize = 20;
