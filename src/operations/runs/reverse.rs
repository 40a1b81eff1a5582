//! Takes a run back: a credit note for every invoice that it booked and that is not wholly credited yet (rules I4, I7);
//! for a rebill, what it billed is due again.
//! What is booked stays; the notes and their entries stand against it. Some invoices at a time share a transaction.
//!
//! Idempotency key: what is left to credit of an invoice, and the list of the run's notes. A reversal that
//! was killed goes on where it stopped; the notes of all its parts are mailed, if that was asked for.

use crate::act::{Act, insist_near};
use crate::context::Context;
use crate::delivery::send;
use crate::invoices::credit;
use crate::ledger::seal;
use crate::refusal::Stop;
use crate::runs::find::find;
use anyhow::Context as _;
use chrono::NaiveDate;
use domain::audit::{Action, Object};
use domain::billing::CreditScope;
use domain::ids::InvoiceId;
use domain::invoice::Invoice;
use domain::money::{Currency, Total};
use domain::refusal::{Code, Refusal, Verb};
use domain::run::wrong_state;
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

/// What a reversal did, as whoever asked sees it.
#[derive(Debug, Clone, Serialize)]
pub struct ReversedView {
    pub run: u64,
    #[serde(rename = "creditnotes")]
    pub credit_notes: u64,
    pub already: u64,
    #[serde(rename = "leftalone")]
    pub left_alone: u64,
    pub reopened: u64,
    pub mails: u64,
    pub unmailed: Vec<String>,
    pub refused: Vec<NotCredited>,
}

/// An invoice that could not be credited.
#[derive(Debug, Clone, Serialize)]
pub struct NotCredited {
    pub invoice: String,
    pub reason: String,
}

impl ReversedView {
    /// What was done to the run of this number.
    pub fn of(run: u64, reversed: Reversed) -> Self {
        let refused = reversed.refused.into_iter();
        Self {
            run,
            credit_notes: reversed.notes,
            already: reversed.already,
            left_alone: reversed.left_alone,
            reopened: reversed.reopened,
            mails: reversed.mails,
            unmailed: reversed.unmailed,
            refused: refused.map(|(invoice, reason)| NotCredited { invoice, reason }).collect(),
        }
    }
}

/// What a reversal would do, and what it could not undo.
#[derive(Debug, Clone, Serialize)]
pub struct ReversalWeighed {
    pub run: u64,
    pub on: NaiveDate,
    pub rebill: bool,
    pub mail: bool,
    pub currencies: Vec<CurrencyWeight>,
    /// Invoices that are on their way or at their payers: a credit note is all that can follow them.
    pub mailed: u64,
    /// Entries that an accountant has been given already.
    #[serde(rename = "exportedentries")]
    pub exported_entries: u64,
    /// Day of the run.
    #[serde(skip)]
    pub as_of: NaiveDate,
}

/// One currency of a [`ReversalWeighed`].
#[derive(Debug, Clone, Serialize)]
pub struct CurrencyWeight {
    pub currency: Currency,
    /// Invoices that would be credited, and what of them is not credited yet.
    #[serde(rename = "creditnotes")]
    pub credit_notes: u64,
    pub gross: Total,
    /// What was paid on them: owed to the payers afterwards.
    pub paid: Total,
    /// Invoices credited already, wholly.
    pub already: u64,
}

/// Weighs a reversal in numbers; nothing is changed. What could not be reversed is refused here too.
pub async fn weigh(ctx: &Context, name: &str, how: &Reversal) -> Result<ReversalWeighed, Stop> {
    insist_near(ctx, how.on).await?;
    let mut tx = ctx.store.read().await?;
    let of = find(&mut tx, name).await?;
    refuse_unfinished(&of)?;
    let mut mailed = 0;
    let mut currencies = BTreeMap::new();
    for page in invoice::of_run(&mut tx, of.id).await?.chunks(PAGE) {
        let mails = delivery::of_invoices(&mut tx, page).await?;
        mailed += mails.iter().filter(|d| d.state == DeliveryState::Sent).map(|_| 1u64).sum::<u64>();
        for booked in invoice::by_ids(&mut tx, page).await? {
            weigh_invoice(&mut tx, &booked.invoice, &mut currencies).await?;
        }
    }
    Ok(ReversalWeighed {
        run: of.ordinal,
        on: how.on,
        rebill: how.rebill,
        mail: how.mail,
        currencies: currencies.into_values().collect(),
        mailed,
        exported_entries: store::ledger::exported_of_run(&mut tx, of.id).await?,
        as_of: of.as_of,
    })
}

async fn weigh_invoice(
    tx: &mut Tx,
    of: &Invoice,
    currencies: &mut BTreeMap<Currency, CurrencyWeight>,
) -> anyhow::Result<()> {
    let gross = of.draft.gross_minor();
    if gross <= 0 {
        return Ok(());
    }
    let credited: i64 =
        crate::invoices::credit::notes_on(tx, of).await?.iter().map(|note| -note.draft.gross_minor()).sum();
    let currency = of.draft.currency;
    let part = currencies.entry(currency).or_insert_with(|| CurrencyWeight {
        currency,
        credit_notes: 0,
        gross: Total::new(0, currency),
        paid: Total::new(0, currency),
        already: 0,
    });
    if credited >= gross {
        part.already += 1;
        return Ok(());
    }
    part.credit_notes += 1;
    part.gross.minor += i128::from(gross - credited);
    let paid = invoice::parts(tx, of.draft.id).await?;
    let payments = paid.iter().filter(|part| part.kind == "payment");
    part.paid.minor += payments.map(|part| i128::from(part.amount_minor)).sum::<i128>();
    Ok(())
}

/// Only what went to its end is taken back.
fn refuse_unfinished(of: &Run) -> Result<(), Stop> {
    if of.state.is_finished() {
        return Ok(());
    }
    let refusal = wrong_state(of.ordinal, of.state, "reversed");
    Err(Refusal { way_out: None, ..refusal }
        .hint("let it finish with ")
        .ask(Verb::Run.plain())
        .hint(", or drop it with ")
        .ask(Verb::CancelRun.on(of.ordinal))
        .into())
}

/// Credits every invoice of a closed run, and mails the notes if that is asked for. The run is reversed when nothing of
/// it is left to credit.
pub(crate) async fn reverse(
    ctx: &Context,
    act: &Act,
    of: &Run,
    reversal: &Reversal,
) -> Result<Reversed, Stop> {
    refuse_unfinished(of)?;
    let mut tx = ctx.store.read().await?;
    let ids = invoice::of_run(&mut tx, of.id).await?;
    drop(tx);
    let mut reversed = Reversed::default();
    for batch in ids.chunks(BATCH) {
        reverse_batch(ctx, act, of, batch, reversal, &mut reversed).await?;
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
    Ok(reversed)
}

async fn reverse_batch(
    ctx: &Context,
    act: &Act,
    of: &Run,
    batch: &[InvoiceId],
    reversal: &Reversal,
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
        match credit::credit_in(&mut tx, ctx, act, &booked.invoice, what, &catalogue).await {
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
    let detail = serde_json::json!({"on": act.on, "credited": made, "rebill": reversal.rebill});
    ctx.note(&mut tx, &act.actor, Action::ReverseRun, Object::Run(of.ordinal), detail).await?;
    tx.commit().await
}
