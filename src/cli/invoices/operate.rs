//! The verbs that change something: book, cancel, markpaid, recharge, write off, credit, refund.

use super::deliver::sent_exit;
use super::{Part, find_booked};
use crate::app::App;
use crate::cli::{act, payments};
use crate::failure::{Exit, Failure};
use crate::output::{Output, amount};
use domain::billing::{CreditLine, CreditScope};
use domain::invoice::account;
use domain::money::Currency;
use domain::refusal::{self, Refusal, WayOut};
use domain::{Decimal, NaiveDate};
use operations::delivery::send;
use operations::invoices::cancel::{self, Becomes};
use operations::invoices::credit::Credit;
use operations::invoices::mark_paid::{self, Paid, Pending};
use operations::invoices::refund::{self, Refund, RefundBy};
use operations::invoices::view::InvoiceView;
use operations::invoices::{book, write_off};
use operations::payments::collect;
use operations::payments::tried::{Occasion, TriedOutcome};
use store::invoice::Booked;

pub(super) async fn day_or_today(app: &App, day: Option<NaiveDate>) -> Result<NaiveDate, Failure> {
    match day {
        Some(day) => Ok(day),
        None => Ok(app.today().await?),
    }
}

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

async fn answer(app: &App, booked: &Booked, happened: &str, output: &Output) -> Result<(), Failure> {
    told(&InvoiceView::of(booked.clone(), app.today().await?), happened, output);
    Ok(())
}

/// Books a draft, renders and mails it, and charges it where it is collected.
pub async fn book(app: &App, name: &str, as_of: Option<NaiveDate>, output: &Output) -> Result<Exit, Failure> {
    let booked = book::book(&app.ctx, &act(app, as_of).await?, name).await?;
    told(&booked.invoice, "is booked", output);
    Ok(sent_exit(&booked.sent, output))
}

/// Drops a draft.
pub async fn cancel(app: &App, name: &str, release: bool, output: &Output) -> Result<Exit, Failure> {
    let periods = if release { Becomes::Released } else { Becomes::Waived };
    let cancelled = cancel::cancel(&app.ctx, &act(app, None).await?, name, periods).await?;
    if output.is_json() {
        output.document(&cancelled);
        return Ok(Exit::Done);
    }
    let periods = match (cancelled.by_hand, cancelled.released) {
        (true, _) => "it took no period",
        (false, true) => "its periods are due again",
        (false, false) => "its periods are never billed",
    };
    output.line(&format!("draft {} of {} is dropped; {periods}", cancelled.draft, cancelled.account_number));
    Ok(Exit::Done)
}

/// A payment made outside.
pub async fn mark_paid(
    app: &App,
    invoice: &str,
    part: &Part,
    despite_pending: bool,
    output: &Output,
) -> Result<Exit, Failure> {
    let pending = if despite_pending { Pending::Overrule } else { Pending::Refuse };
    let paid = Paid { invoice, amount: part.amount, pending };
    let act = act(app, part.on).await?;
    told(&mark_paid::mark_paid(&app.ctx, &act, &paid).await?, "is marked", output);
    Ok(Exit::Done)
}

/// What is given up.
pub async fn write_off(app: &App, invoice: &str, part: &Part, output: &Output) -> Result<Exit, Failure> {
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
    let booked = find_booked(app, name, "charged").await?;
    let gross = booked.invoice.draft.gross_minor();
    if gross <= 0 || booked.settlement.open_minor(gross) <= 0 {
        return Err(Failure::input("nothing_open", format!("nothing is open on {name}"))
            .hint(format!("`tallybook invoices show {name}` says what settled it")));
    }
    let on = day_or_today(app, as_of).await?;
    let id = booked.invoice.draft.id;
    let collected = collect::collect(&app.ctx, &[id], Occasion::ByHand, on, None).await?;
    let Some(tried) = collected.tried.first() else {
        return Err(Failure::input("no_method", format!("{name} has no online payment method")).hint(
            format!("load one with the book, or note a payment with `tallybook invoices markpaid {name}`"),
        ));
    };
    if output.is_json() {
        output.document(&payments::tried_json(tried));
    } else {
        let reason = tried.reason.as_ref().map(|r| format!(" ({r})")).unwrap_or_default();
        let next = tried.next_retry.map(|day| format!("; next retry {day}")).unwrap_or_default();
        output.line(&format!("{name}: {}{reason}{next}", payments::outcome(tried)));
    }
    Ok(if tried.outcome == TriedOutcome::Paid { Exit::Done } else { Exit::SetAside })
}

/// A credit note, rendered and mailed.
pub async fn credit(
    app: &App,
    name: &str,
    lines: &[(u32, Option<Decimal>)],
    rebill: bool,
    as_of: Option<NaiveDate>,
    output: &Output,
) -> Result<Exit, Failure> {
    let booked = find_booked(app, name, "credited").await?;
    let scope = scope(lines, booked.invoice.draft.currency)?;
    let asked = act(app, as_of).await?;
    let credit = Credit { scope, rebill };
    let credited =
        operations::invoices::credit::credit(&app.ctx, &booked.invoice, &credit, &asked).await?.map_err(
            |refused| refused.or(WayOut::from(refusal::Verb::ShowInvoice.on(name)).words(" has its lines")),
        )?;
    let again = if credited.reopened == 0 {
        String::new()
    } else {
        format!("; {} billed line(s) are due again from {}", credited.reopened, asked.on)
    };
    let Some(note) = credited.note else {
        answer(app, &booked, &format!("was credited before{again}"), output).await?;
        return Ok(Exit::Done);
    };
    let sent = send::send(&app.ctx, &[note.invoice.draft.id]).await?;
    answer(app, &note, &format!("credits {name}{again}"), output).await?;
    if note.settlement.open_minor(note.invoice.draft.gross_minor()) < 0 {
        output.say(&format!("hint: pay it back with `tallybook invoices refund {}`", note.invoice.number));
    }
    Ok(sent_exit(&sent, output))
}

/// What is credited: the whole invoice unless lines are named, each whole unless an amount is.
fn scope(lines: &[(u32, Option<Decimal>)], currency: Currency) -> Result<CreditScope, Refusal> {
    if lines.is_empty() {
        return Ok(CreditScope::Whole);
    }
    let line = |(number, amount): &(u32, Option<Decimal>)| {
        let amount_minor = match amount {
            Some(amount) if amount.is_sign_negative() => Some(-account::minor(-*amount, currency)?),
            Some(amount) => Some(account::minor(*amount, currency)?),
            None => None,
        };
        Ok(CreditLine { number: *number, amount_minor })
    };
    lines.iter().map(line).collect::<Result<_, Refusal>>().map(CreditScope::Lines)
}

/// Money back to the payer.
pub async fn refund(
    app: &App,
    invoice: &str,
    part: &Part,
    by_hand: bool,
    output: &Output,
) -> Result<Exit, Failure> {
    let by = if by_hand { RefundBy::Hand } else { RefundBy::Provider };
    let asked = Refund { invoice, amount: part.amount, by };
    let act = act(app, part.on).await?;
    told(&refund::refund(&app.ctx, &act, &asked).await?, "is refunded", output);
    Ok(Exit::Done)
}
