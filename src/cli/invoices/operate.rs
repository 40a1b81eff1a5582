//! The verbs that change something: book, cancel, markpaid, recharge, write off, credit, refund.

use super::AmountArgs;
use super::deliver::sent_exit;
use crate::app::App;
use crate::cli::{act, payments};
use crate::failure::{Exit, Failure};
use crate::output::{Output, amount};
use domain::{Decimal, NaiveDate};
use operations::invoices::cancel::{self, ReleasedPeriods};
use operations::invoices::credit::{self, Credit};
use operations::invoices::mark_paid::{self, Paid, Pending};
use operations::invoices::refund::{self, Refund, RefundBy};
use operations::invoices::view::InvoiceView;
use operations::invoices::{book, recharge, write_off};
use operations::payments::tried::TriedOutcome;

/// The invoice as it stands now, and what happened in words.
fn told(view: &InvoiceView, happened: &str, output: &Output) {
    if output.is_json() {
        output.document(view);
        return;
    }
    let currency = view.invoice.draft.currency;
    let money = |minor: i64| format!("{} {currency}", amount(i128::from(minor), currency));
    let open = match view.open_minor() {
        0 => String::new(),
        owed if owed < 0 => format!(", {} owed to the payer", money(-owed)),
        open => format!(", {} open", money(open)),
    };
    output.line(&format!("{} {happened}: {}{open}", view.invoice.number, view.state.words()));
}

/// Books a draft, renders and mails it, and charges it where it is collected.
pub async fn book(app: &App, name: &str, as_of: Option<NaiveDate>, output: &Output) -> Result<Exit, Failure> {
    let booked = book::book(&app.ctx, &act(app, as_of).await?, name).await?;
    told(&booked.invoice, "is booked", output);
    Ok(sent_exit(&booked.sent, output))
}

/// Drops a draft.
pub async fn cancel(app: &App, name: &str, release: bool, output: &Output) -> Result<Exit, Failure> {
    let periods = if release { ReleasedPeriods::Released } else { ReleasedPeriods::Waived };
    let cancelled = cancel::cancel(&app.ctx, &act(app, None).await?, name, periods).await?;
    if output.is_json() {
        output.document(&cancelled);
        return Ok(Exit::Done);
    }
    let periods = match (cancelled.is_manual, cancelled.released) {
        (true, _) => "it took no period",
        (false, true) => "its periods are due again",
        (false, false) => "its periods are never billed",
    };
    output.line(&format!("draft {} of {} is dropped; {periods}", cancelled.name, cancelled.account_number));
    Ok(Exit::Done)
}

/// A payment made outside.
pub async fn mark_paid(
    app: &App,
    invoice: &str,
    part: &AmountArgs,
    despite_pending: bool,
    output: &Output,
) -> Result<Exit, Failure> {
    let pending = if despite_pending { Pending::Overrule } else { Pending::Refuse };
    let paid = Paid { invoice, amount: part.amount, pending };
    let act = act(app, part.on).await?;
    told(&mark_paid::mark_paid(&app.ctx, &act, &paid).await?, "is marked", output);
    Ok(Exit::Done)
}

/// What is written off.
pub async fn write_off(
    app: &App,
    invoice: &str,
    part: &AmountArgs,
    output: &Output,
) -> Result<Exit, Failure> {
    let act = act(app, part.on).await?;
    told(&write_off::write_off(&app.ctx, &act, invoice, part.amount).await?, "is written off", output);
    Ok(Exit::Done)
}

/// Charges what is open now.
pub async fn recharge(
    app: &App,
    name: &str,
    as_of: Option<NaiveDate>,
    output: &Output,
) -> Result<Exit, Failure> {
    let tried = recharge::recharge(&app.ctx, &act(app, as_of).await?, name).await?;
    if output.is_json() {
        output.document(&tried);
    } else {
        let reason = tried.reason.as_ref().map(|r| format!(" ({r})")).unwrap_or_default();
        let next = tried.next_retry.map(|day| format!("; next retry {day}")).unwrap_or_default();
        output.line(&format!("{name}: {}{reason}{next}", payments::outcome(&tried)));
    }
    let is_well = matches!(tried.outcome, TriedOutcome::Paid | TriedOutcome::AwaitsFile);
    Ok(if is_well { Exit::Done } else { Exit::SetAside })
}

/// A credit note, rendered and mailed.
pub async fn credit(
    app: &App,
    invoice: &str,
    lines: &[(u32, Option<Decimal>)],
    rebill: bool,
    as_of: Option<NaiveDate>,
    output: &Output,
) -> Result<Exit, Failure> {
    let act = act(app, as_of).await?;
    let credited = credit::credit(&app.ctx, &act, &Credit { invoice, lines, rebill }).await?;
    let again = match credited.reopened {
        0 => String::new(),
        lines => format!("; {lines} billed line(s) are due again from {}", act.on),
    };
    let document = &credited.document;
    if !credited.is_note {
        told(document, &format!("was credited before{again}"), output);
        return Ok(Exit::Done);
    }
    told(document, &format!("credits {invoice}{again}"), output);
    if document.open_minor() < 0 {
        output
            .say(&format!("hint: pay it back with `tallybook invoices refund {}`", document.invoice.number));
    }
    Ok(sent_exit(&credited.sent, output))
}

/// Money back to the payer.
pub async fn refund(
    app: &App,
    invoice: &str,
    part: &AmountArgs,
    by_hand: bool,
    output: &Output,
) -> Result<Exit, Failure> {
    let by = if by_hand { RefundBy::Hand } else { RefundBy::Provider };
    let asked = Refund { invoice, amount: part.amount, by };
    let act = act(app, part.on).await?;
    told(&refund::refund(&app.ctx, &act, &asked).await?, "is refunded", output);
    Ok(Exit::Done)
}
