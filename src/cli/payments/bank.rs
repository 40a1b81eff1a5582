//! Money that banks tell of, as one asks for it and sees it.

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, amount};
use domain::Decimal;
use operations::act::{Act, Actor};
use operations::invoices::refund_credit::{self, CreditRefunded};
use operations::payments::bank::allocate::{self, Allocation};
use operations::payments::bank::import::{self, FileView, Imported};
use operations::payments::bank::{self, ReceivedSelection, ReceivedView};
use operations::payments::events::Became;
use serde::Serialize;
use std::path::PathBuf;

/// What came of the files; the form is a contract.
#[derive(Serialize)]
struct Answer {
    files: Vec<FileView<Failure>>,
}

/// Exit code 3 if something waits for a person: a file that was refused beside others, or money that is on no invoice.
pub async fn import(files: &[PathBuf], config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    let actor = Actor::Person(crate::cli::operator());
    let mut files = import::import(&app.ctx, &actor, files).await?;
    if let [FileView::Refused { .. }] = files.as_slice()
        && let Some(FileView::Refused { refused, .. }) = files.pop()
    {
        return Err(refused.into());
    }
    let files: Vec<FileView<Failure>> = files.into_iter().map(|file| file.worded(Failure::from)).collect();
    let is_set_aside = files.iter().any(|file| match file {
        FileView::Read(file) => file.likely + file.open > 0,
        FileView::Event { .. } => false,
        FileView::Refused { .. } => true,
    });
    if output.is_json() {
        output.document(&Answer { files });
    } else {
        files.iter().for_each(|file| say(file, output));
    }
    Ok(if is_set_aside { Exit::SetAside } else { Exit::Done })
}

fn say(file: &FileView<Failure>, output: &Output) {
    let read = match file {
        FileView::Refused { file, refused } => {
            output.say(&format!("{file} was refused: {}", refused.message));
            return refused.hint.iter().for_each(|hint| output.say(&format!("hint: {hint}")));
        }
        FileView::Event { file, event } => {
            let became = match event.became {
                Became::Known => "known before",
                Became::Nothing => "about no charge that waits",
                Became::Asked => "the provider was asked about the charge",
            };
            return output.line(&format!("{file}: {} of {}: {became}", event.kind, event.gateway));
        }
        FileView::Read(read) => read,
    };
    let Imported { file, format, read: all, known, placed, likely, open, .. } = read;
    output.line(&format!("{file} ({format}): {all} received: {placed} placed, {likely} likely, {open} open, {known} known before"));
    if read.outgoing + read.pending + read.batches > 0 {
        let Imported { outgoing, pending, batches, .. } = read;
        output.say(&format!(
            "skipped: {outgoing} outgoing, {pending} not booked yet, {batches} sums without their payments"
        ));
    }
    for back in &read.returned {
        let (code, words, currency) = (&back.code, back.words, back.currency);
        let (sum, fee) = (i128::from(back.amount.minor), i128::from(back.fee.minor));
        let fee =
            if fee == 0 { String::new() } else { format!(", and the bank keeps {}", amount(fee, currency)) };
        let sum = amount(sum, currency);
        output.line(&format!(
            "{}: the debit of {sum} {currency} was {} ({code}: {words}){fee}",
            back.invoice, back.became
        ));
    }
    let waiting: Vec<&ReceivedView> = read.payments.iter().filter(|p| p.left.minor > 0).collect();
    if !waiting.is_empty() {
        table(waiting, output);
        output.say("hint: `tallybook payments allocate PAYMENT [--invoice N]` puts money on an invoice");
    }
}

fn table<'a>(payments: impl IntoIterator<Item = &'a ReceivedView>, output: &Output) {
    let rows = payments.into_iter().map(|p| {
        let placed: Vec<&str> = p.placed.iter().map(|placed| placed.invoice.as_str()).collect();
        vec![
            p.payment.to_string(),
            p.date.to_string(),
            amount(i128::from(p.amount.minor), p.currency),
            p.currency.to_string(),
            p.name.clone().unwrap_or_default(),
            p.reference.clone().unwrap_or_else(|| p.text.clone()),
            p.state.to_owned(),
            p.proposed.clone().unwrap_or_else(|| placed.join(", ")),
            p.words.unwrap_or_default().to_owned(),
        ]
    });
    let columns = [
        Column::Right("payment"),
        Column::Left("date"),
        Column::Right("amount"),
        Column::Left(""),
        Column::Left("from"),
        Column::Left("says"),
        Column::Left("state"),
        Column::Left("invoice"),
        Column::Left("why"),
    ];
    output.table(&columns, rows.collect());
}

/// What banks have told of.
pub async fn list(which: ReceivedSelection, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    show(&bank::list(&app.ctx, &which).await?, output);
    Ok(Exit::Done)
}

/// On an invoice with it.
pub async fn allocate(
    payment: i64,
    asked: &Allocation<'_>,
    config: &Config,
    output: &Output,
) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    let act = act(&app).await?;
    one(&allocate::allocate(&app.ctx, &act, payment, asked).await?, output);
    Ok(Exit::Done)
}

/// What a payer has to their credit, on their oldest open invoices.
pub async fn allocate_credit(account: &str, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    let allocated = allocate::allocate_credit(&app.ctx, &act(&app).await?, account).await?;
    if output.is_json() {
        output.document(&allocated);
        return Ok(Exit::Done);
    }
    for part in &allocated.parts {
        let sum = amount(i128::from(part.amount.minor), part.currency);
        output.line(&format!("{}: {sum} {} of the credit on {}", part.invoice, part.currency, part.credit));
    }
    Ok(Exit::Done)
}

/// Back with it.
pub async fn refund(payment: i64, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    let act = act(&app).await?;
    one(&allocate::refund(&app.ctx, &act, payment).await?, output);
    Ok(Exit::Done)
}

/// Back with what a payer has to their credit.
pub async fn refund_credit(
    account: &str,
    amount: Option<Decimal>,
    config: &Config,
    output: &Output,
) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    let act = act(&app).await?;
    let refunded = refund_credit::refund_credit(&app.ctx, &act, account, amount).await?;
    if output.is_json() {
        output.document(&refunded);
    } else {
        let CreditRefunded { account, amount, .. } = &refunded;
        let of: Vec<&str> = refunded.invoices.iter().map(|part| part.invoice.as_str()).collect();
        output.line(&format!("{amount} went back to {account}, of {}", of.join(", ")));
    }
    Ok(Exit::Done)
}

async fn act(app: &App) -> Result<Act, Failure> {
    Ok(Act { actor: Actor::Person(crate::cli::operator()), on: app.today().await? })
}

fn one(payment: &ReceivedView, output: &Output) {
    if output.is_json() { output.document(payment) } else { table([payment], output) }
}

fn show(payments: &[ReceivedView], output: &Output) {
    if output.is_json() {
        output.document(&payments);
    } else if payments.is_empty() {
        output.line("no money has been read from bank files");
    } else {
        table(payments, output);
    }
}
