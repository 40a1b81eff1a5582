//! The verbs that change something: book, cancel, markpaid, recharge, write off, credit, refund.

use super::deliver::sent_exit;
use super::list::state_of;
use super::{Found, Part, create, find, find_booked, is_booked};
use crate::app::App;
use crate::cli::{operator, payments};
use crate::failure::{Exit, Failure};
use crate::output::{Output, amount};
use domain::billing::{CreditLine, CreditScope};
use domain::ids::InvoiceId;
use domain::invoice::{InvoiceWire, account};
use domain::money::Currency;
use domain::subscription::Refusal;
use domain::{Decimal, NaiveDate};
use operations::act::Asked;
use operations::delivery::send;
use operations::invoices::credit::Credit;
use operations::invoices::edit;
use operations::payments::collect;
use operations::payments::settle::{self, ByHand, GATEWAY_SILENT, Pending, RefundBy};
use operations::payments::tried::{Occasion, TriedOutcome};
use store::draft::{self, DraftState, Periods};
use store::invoice::{self, Booked};

pub(super) async fn day_or_today(app: &App, day: Option<NaiveDate>) -> Result<NaiveDate, Failure> {
    match day {
        Some(day) => Ok(day),
        None => app.today().await,
    }
}

async fn by_hand(app: &App, part: &Part) -> Result<ByHand, Failure> {
    Ok(ByHand { amount: part.amount, on: day_or_today(app, part.on).await?, actor: operator() })
}

/// The invoice as it stands now, and what happened in words.
async fn answer(app: &App, booked: &Booked, happened: &str, output: &Output) -> Result<(), Failure> {
    if output.is_json() {
        output.document(&InvoiceWire::booked(&booked.invoice, &booked.settlement));
        return Ok(());
    }
    let draft = &booked.invoice.draft;
    let open = booked.settlement.open_minor(draft.gross_minor());
    let money = |minor: i64| format!("{} {}", amount(i128::from(minor), draft.currency), draft.currency);
    let open = match open {
        0 => String::new(),
        owed if owed < 0 => format!(", {} owed to the payer", money(-owed)),
        open => format!(", {} open", money(open)),
    };
    let state = state_of(booked, app.today().await?);
    output.line(&format!("{} {happened}: {state}{open}", booked.invoice.number));
    Ok(())
}

async fn reload(app: &App, id: InvoiceId) -> Result<Booked, Failure> {
    let mut tx = app.store.read().await?;
    invoice::by_id(&mut tx, id).await?.ok_or_else(|| Failure::fault("gone", format!("invoice {id} is gone")))
}

/// Books a draft, renders and mails it, and makes the first attempt on an online method (rules Y3).
pub async fn book(app: &App, name: &str, as_of: Option<NaiveDate>, output: &Output) -> Result<Exit, Failure> {
    let key = match find(app, name).await? {
        Found::Draft(_, key) if key.state == DraftState::Open => key,
        Found::Draft(_, key) => {
            let reason = key.reason.unwrap_or_else(|| "it was dropped".to_owned());
            return Err(Failure::input("not_open", format!("draft {name} cannot be booked: {reason}"))
                .hint("bill the payer anew: `tallybook runs` shows the run, `tallybook runs rerun R --failed` repeats it"));
        }
        Found::Booked(booked) => {
            return Err(Failure::input("booked", format!("{name} is booked as {}", booked.invoice.number))
                .hint(format!("`tallybook invoices show {}`", booked.invoice.number)));
        }
    };
    let asked = Asked { on: day_or_today(app, as_of).await?, actor: operator() };
    let booked = operations::invoices::book::book(&app.ctx, &key, &asked).await?.map_err(|reason| {
        let hint = if key.run == draft::BY_HAND {
            format!("drop it with `tallybook invoices cancel {name}` and write it anew with `tallybook invoices create FILE`")
        } else {
            format!("drop it with `tallybook invoices cancel {name} --release` and let the next run bill the payer anew")
        };
        Failure::input("set_aside", format!("draft {name} cannot be booked: {reason}")).hint(hint)
    })?;
    let id = booked.invoice.draft.id;
    let mut sent = send::send(&app.ctx, &[id]).await?;
    collect::collect(&app.ctx, &[id], Occasion::Booking, asked.on, None).await?;
    sent.extend(send::send_declined(&app.ctx, &[id]).await?);
    answer(app, &reload(app, id).await?, "is booked", output).await?;
    Ok(sent_exit(&sent, output))
}

/// Drops a draft.
pub async fn cancel(app: &App, name: &str, release: bool, output: &Output) -> Result<Exit, Failure> {
    let key = match find(app, name).await? {
        Found::Draft(_, key) => key,
        Found::Booked(booked) => return Err(is_booked(&booked)),
    };
    let periods = if release { Periods::Released } else { Periods::Waived };
    edit::cancel(&app.ctx, &key, periods, &operator()).await?.map_err(create::refused)?;
    if output.is_json() {
        output.document(&serde_json::json!({"draft": key.id, "state": "cancelled", "released": release}));
    } else {
        let periods = if key.run == draft::BY_HAND {
            "it took no period"
        } else if release {
            "its periods are due again"
        } else {
            "its periods are never billed"
        };
        output.line(&format!("draft {} of {} is dropped; {periods}", key.id, key.account_number));
    }
    Ok(Exit::Done)
}

/// A payment made outside.
pub async fn mark_paid(
    app: &App,
    name: &str,
    part: &Part,
    despite_pending: bool,
    output: &Output,
) -> Result<Exit, Failure> {
    let booked = find_booked(app, name, "paid").await?;
    let pending = if despite_pending { Pending::Overrule } else { Pending::Refuse };
    let by_hand = by_hand(app, part).await?;
    let id = booked.invoice.draft.id;
    let booked = settle::mark_paid(&app.ctx, id, &by_hand, pending).await?.map_err(refused)?;
    answer(app, &booked, "is marked", output).await?;
    Ok(Exit::Done)
}

/// What is given up.
pub async fn write_off(app: &App, name: &str, part: &Part, output: &Output) -> Result<Exit, Failure> {
    let booked = find_booked(app, name, "written off").await?;
    let by_hand = by_hand(app, part).await?;
    let booked = settle::write_off(&app.ctx, booked.invoice.draft.id, &by_hand).await?.map_err(refused)?;
    answer(app, &booked, "is written off", output).await?;
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
    let scope = scope(lines, booked.invoice.draft.currency).map_err(refused)?;
    let asked = Asked { on: day_or_today(app, as_of).await?, actor: operator() };
    let credit = Credit { scope, rebill };
    let credited = operations::invoices::credit::credit(&app.ctx, &booked.invoice, &credit, &asked)
        .await?
        .map_err(|refusal| {
            let failure = Failure::input(refusal.code, refusal.message);
            match refusal.hint {
                Some(hint) => failure.hint(hint),
                None => failure.hint(format!("`tallybook invoices show {name}` has its lines")),
            }
        })?;
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
    name: &str,
    part: &Part,
    by_hand_flag: bool,
    output: &Output,
) -> Result<Exit, Failure> {
    let booked = find_booked(app, name, "refunded").await?;
    let by = if by_hand_flag { RefundBy::Hand } else { RefundBy::Provider };
    let by_hand = by_hand(app, part).await?;
    let booked = settle::refund(&app.ctx, booked.invoice.draft.id, &by_hand, by).await?.map_err(refused)?;
    answer(app, &booked, "is refunded", output).await?;
    Ok(Exit::Done)
}

/// A refusal of a settlement, with what to type instead. A provider that has not answered is a fault of ours.
fn refused(refusal: Refusal) -> Failure {
    let failure = match refusal.code {
        GATEWAY_SILENT => Failure::fault(refusal.code, refusal.message),
        _ => Failure::input(refusal.code, refusal.message),
    };
    match refusal.hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
