//! Takes a run back: a credit note for every invoice that it booked and that is not wholly credited yet (rules I4, I7);
//! for a rebill, what it billed is due again.
//! What is booked stays; the notes and their entries stand against it. Some invoices at a time share a transaction.
//!
//! Key that makes a repeat quiet: what is left to credit of an invoice, and the list of the run's notes. A reversal that
//! was killed goes on where it stopped; the notes of all its parts are mailed, if that was asked for.

use crate::act::Act;
use crate::context::Context;
use crate::delivery::send;
use crate::invoices::credit;
use crate::ledger::seal;
use crate::refusal::Stop;
use crate::runs::review::Refusal;
use anyhow::Context as _;
use chrono::NaiveDate;
use domain::billing::CreditScope;
use domain::ids::InvoiceId;
use domain::invoice::Invoice;
use domain::journal::{Action, Object};
use domain::money::Currency;
use domain::refusal::Code;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use store::delivery::{self, DeliveryState};
use store::run::{self, Run, requests};
use store::{Tx, invoice};

/// Invoices in one transaction.
const BATCH: usize = 50;

/// Invoices weighed together.
const PAGE: usize = 500;

/// How a run is taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reversal {
    /// Date of the credit notes.
    pub on: NaiveDate,
    /// What the run billed is due again.
    pub rebill: bool,
    /// The credit notes go to the payers.
    pub mail: bool,
}

/// What a reversal did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reversed {
    /// Credit notes made now.
    pub notes: u64,
    /// Billed lines that are due again.
    pub reopened: u64,
    /// Invoices that were credited before.
    pub already: u64,
    /// Credit notes of the run itself, and zero invoices: there is nothing to credit.
    pub left_alone: u64,
    /// Credit notes mailed.
    pub mails: u64,
    /// Account and reason of mails that wait for a person.
    pub unmailed: Vec<String>,
    /// Number and reason of invoices that could not be credited.
    pub refused: Vec<(String, String)>,
}

/// What a reversal would do, and what it could not undo.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Weight {
    pub currencies: BTreeMap<Currency, CurrencyWeight>,
    /// Invoices that are on their way or at their payers: a credit note is all that can follow them.
    pub mailed: u64,
    /// Entries that an accountant has been given already.
    pub exported_entries: u64,
}

/// One currency of a [`Weight`], in minor units.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CurrencyWeight {
    /// Invoices that would be credited, and what of them is not credited yet.
    pub invoices: u64,
    pub gross_minor: i128,
    /// What was paid on them: owed to the payers afterwards.
    pub paid_minor: i128,
    /// Invoices credited already, wholly.
    pub already: u64,
}

/// Weighs a reversal in numbers; nothing is changed.
pub async fn weigh(ctx: &Context, of: &Run) -> anyhow::Result<Weight> {
    let mut tx = ctx.store.read().await?;
    let mut weight = Weight::default();
    for page in invoice::of_run(&mut tx, of.id).await?.chunks(PAGE) {
        let mails = delivery::of_invoices(&mut tx, page).await?;
        weight.mailed += mails.iter().filter(|d| d.state == DeliveryState::Sent).map(|_| 1u64).sum::<u64>();
        for booked in invoice::by_ids(&mut tx, page).await? {
            weigh_invoice(&mut tx, &booked.invoice, &mut weight).await?;
        }
    }
    weight.exported_entries = store::ledger::exported_of_run(&mut tx, of.id).await?;
    Ok(weight)
}

async fn weigh_invoice(tx: &mut Tx, of: &Invoice, weight: &mut Weight) -> anyhow::Result<()> {
    let gross = of.draft.gross_minor();
    if gross <= 0 {
        return Ok(());
    }
    let credited: i64 =
        crate::invoices::credit::notes_on(tx, of).await?.iter().map(|note| -note.draft.gross_minor()).sum();
    let part = weight.currencies.entry(of.draft.currency).or_default();
    if credited >= gross {
        part.already += 1;
        return Ok(());
    }
    part.invoices += 1;
    part.gross_minor += i128::from(gross - credited);
    let paid = invoice::parts(tx, of.draft.id).await?;
    let payments = paid.iter().filter(|part| part.kind == "payment");
    part.paid_minor += payments.map(|part| i128::from(part.amount_minor)).sum::<i128>();
    Ok(())
}

/// Credits every invoice of a closed run, and mails the notes if that is asked for. The run is reversed when nothing of
/// it is left to credit.
pub async fn reverse(
    ctx: &Context,
    of: &Run,
    reversal: &Reversal,
    asked: &Act,
) -> anyhow::Result<Result<Reversed, Refusal>> {
    if !of.state.is_finished() {
        let refusal = Refusal::WrongState { run: of.ordinal, state: of.state, verb: "reversed" };
        return Ok(Err(refusal));
    }
    let mut tx = ctx.store.read().await?;
    let ids = invoice::of_run(&mut tx, of.id).await?;
    drop(tx);
    let mut reversed = Reversed::default();
    for batch in ids.chunks(BATCH) {
        reverse_batch(ctx, of, batch, reversal, asked, &mut reversed).await?;
    }
    if reversed.refused.is_empty() {
        let mut tx = ctx.store.begin().await?;
        run::set_reversed(&mut tx, of.id).await?;
        tx.commit().await?;
    }
    seal::seal(ctx).await?;
    if reversal.mail {
        let mut tx = ctx.store.read().await?;
        let notes = requests::reversal_notes(&mut tx, of.id).await?;
        drop(tx);
        let sent = send::send(ctx, &notes).await?;
        reversed.mails = sent.sent;
        reversed.unmailed = sent.refused.into_iter().chain(sent.nobody).chain(sent.waiting).collect();
    }
    Ok(Ok(reversed))
}

async fn reverse_batch(
    ctx: &Context,
    of: &Run,
    batch: &[InvoiceId],
    reversal: &Reversal,
    asked: &Act,
    reversed: &mut Reversed,
) -> anyhow::Result<()> {
    let mut tx = ctx.store.begin().await?;
    let invoices: Vec<Invoice> =
        invoice::by_ids(&mut tx, batch).await?.into_iter().map(|booked| booked.invoice).collect();
    credit::lock(&mut tx, &invoices).await?;
    let catalogue = store::catalogue::load(&mut tx).await?.context("the book is empty")?;
    let mut made = 0;
    for booked in invoice::by_ids(&mut tx, batch).await? {
        if booked.invoice.draft.gross_minor() <= 0 {
            reversed.left_alone += 1;
            continue;
        }
        let what = (&CreditScope::Whole, reversal.rebill);
        match credit::credit_in(&mut tx, ctx, asked, &booked.invoice, what, &catalogue).await {
            Ok(credited) => {
                made += 1;
                reversed.reopened += u64::try_from(credited.reopened)?;
                match credited.note {
                    Some(note) => {
                        reversed.notes += 1;
                        requests::note_reversal(&mut tx, of.id, note.invoice.draft.id).await?;
                    }
                    None => reversed.already += 1,
                }
            }
            Err(Stop::Broke(error)) => return Err(error),
            Err(Stop::Refused(refusal))
                if matches!(refusal.code, Code::NothingLeft | Code::NothingToRebill) =>
            {
                reversed.already += 1;
            }
            Err(Stop::Refused(refusal)) => reversed.refused.push((booked.invoice.number, refusal.message)),
        }
    }
    if made == 0 {
        return Ok(());
    }
    let detail = serde_json::json!({"on": asked.on, "credited": made, "rebill": reversal.rebill});
    ctx.note(&mut tx, &asked.actor, Action::ReverseRun, Object::Run(of.ordinal), detail).await?;
    tx.commit().await
}
