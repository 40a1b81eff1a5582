//! What settles an invoice beside its own life in a run: payments, credits set off, payments by hand, refunds,
//! write-offs. Each is a part of the settlement with its source as key, and its ledger entry in the same transaction.
//!
//! Keys that make a repeat quiet: (invoice, kind, source) of a part; (document, kind, ordinal) of an entry.

use crate::context::Context;
use crate::payments::tried::attempt_id;
use anyhow::{Context as _, ensure};
use chrono::NaiveDate;
use domain::Decimal;
use domain::catalogue::Catalogue;
use domain::ids::{CustomerId, InvoiceId, RunId};
use domain::invoice::account::{self, Standing};
use domain::invoice::{Invoice, OpenDocument, Settlement, set_off};
use domain::journal::{Action, Object};
use domain::ledger::{self, Entry, EntryKind, Happening};
use domain::money::{Currency, Money};
use domain::payment::{Attempt, AttemptState};
use domain::subscription::Refusal;
use gateways::{GatewayError, RefundAnswer, RefundRequest};
use std::collections::{BTreeMap, BTreeSet};
use store::invoice::{self, Booked, Part};
use store::{Tx, payment};
use uuid::Uuid;

/// Gateway of what was paid outside.
pub const BY_HAND: &str = "manual";

/// Code of the refusal that is nobody's fault but the provider's: it has not answered.
pub const GATEWAY_SILENT: &str = "gateway";

/// The settlement after a paid attempt, with its payment and fee entries.
pub async fn payment(
    tx: &mut Tx,
    booked: &Booked,
    attempt: &Attempt,
    catalogue: &Catalogue,
    open_from: Option<NaiveDate>,
    run: Option<RunId>,
) -> anyhow::Result<Settlement> {
    let invoice = &booked.invoice;
    let settlement = booked.settlement.settled(invoice.draft.gross_minor(), attempt.amount_minor, attempt.on);
    let part = Part {
        invoice: invoice.draft.id,
        kind: "payment",
        source: attempt.id.0,
        document: None,
        amount_minor: attempt.amount_minor,
        on: attempt.on,
    };
    if !invoice::settle(tx, &part, &settlement).await? {
        return Ok(booked.settlement.clone());
    }
    let happening = |amount_minor| Happening { ordinal: attempt.ordinal, on: attempt.on, amount_minor };
    let mut entries =
        vec![ledger::payment_entry(invoice, catalogue, open_from, happening(attempt.amount_minor))?];
    if attempt.fee_minor != 0 {
        entries.push(ledger::fee_entry(invoice, catalogue, open_from, happening(attempt.fee_minor))?);
    }
    store::ledger::save_entries(tx, run, &entries).await?;
    if settlement.open_minor(invoice.draft.gross_minor()) < 0 {
        // What came beyond it is the payer's credit (rules Y5).
        set_off_of_payers(tx, &[invoice.draft.payer], attempt.on).await?;
    }
    Ok(settlement)
}

/// Sets open credits of these invoices' payers against their oldest open invoices of the same currency, in the
/// booking transaction and so before any collection (rules I8). Both stand on the receivable already: the ledger
/// needs no entry.
pub async fn set_off_credit_notes(tx: &mut Tx, invoices: &[Invoice]) -> anyhow::Result<()> {
    let payers: BTreeSet<CustomerId> = invoices.iter().map(|i| i.draft.payer).collect();
    let payers: Vec<CustomerId> = payers.into_iter().collect();
    let on = invoices.iter().map(|i| i.booked_on).max();
    match on {
        Some(on) => set_off_of_payers(tx, &payers, on).await,
        None => Ok(()),
    }
}

/// As [`set_off_credit_notes`], for payers whose credit has just grown.
pub(crate) async fn set_off_of_payers(
    tx: &mut Tx,
    payers: &[CustomerId],
    on: NaiveDate,
) -> anyhow::Result<()> {
    invoice::lock_open(tx, payers).await?;
    let mut groups: BTreeMap<(CustomerId, Currency), Vec<OpenDocument>> = BTreeMap::new();
    for (payer, currency, document) in invoice::open_with_credit(tx, payers).await? {
        groups.entry((payer, currency)).or_default().push(document);
    }
    for documents in groups.into_values() {
        for pair in set_off(&documents) {
            set_off_pair(tx, pair.credit, pair.invoice, pair.amount_minor, on).await?;
        }
    }
    Ok(())
}

/// Settles a credit and an invoice against each other. The key counts how often the two have met: an invoice that was
/// paid too much twice may meet the same open one again.
pub(crate) async fn set_off_pair(
    tx: &mut Tx,
    credit: InvoiceId,
    invoice: InvoiceId,
    amount_minor: i64,
    on: NaiveDate,
) -> anyhow::Result<()> {
    for (id, other, amount_minor) in [(invoice, credit, amount_minor), (credit, invoice, -amount_minor)] {
        let booked = invoice::by_id(tx, id).await?.context("an open document is gone")?;
        let settlement = booked.settlement.settled(booked.invoice.draft.gross_minor(), amount_minor, on);
        let met = invoice::parts(tx, id).await?.iter().filter(|p| p.document == Some(other)).count();
        let source =
            if met == 0 { other.0 } else { Uuid::new_v5(&other.0, format!("again {met}").as_bytes()) };
        let part = Part { invoice: id, kind: "set_off", source, document: Some(other), amount_minor, on };
        ensure!(invoice::settle(tx, &part, &settlement).await?, "{credit} and {invoice} met a moment ago");
    }
    Ok(())
}

/// What a person says about an invoice.
#[derive(Debug, Clone)]
pub struct ByHand {
    /// Part of what is open, major units; none = all of it.
    pub amount: Option<Decimal>,
    pub on: NaiveDate,
    /// Who says so.
    pub actor: String,
}

/// Whether the payment is known to be under way; a person who has asked the provider may overrule it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pending {
    Refuse,
    /// The attempt without an answer ends here, as technical.
    Overrule,
}

/// The invoice was paid outside: a bank transfer, cash. Dunning ends when nothing is open.
pub async fn mark_paid(
    ctx: &Context,
    id: InvoiceId,
    by_hand: &ByHand,
    pending: Pending,
) -> anyhow::Result<Result<Booked, Refusal>> {
    let mut tx = ctx.store.begin().await?;
    let booked = locked(&mut tx, id).await?;
    let number = booked.invoice.number.clone();
    let amount_minor = match account::payment(standing(&booked), by_hand.amount) {
        Ok(amount) => amount,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let attempts = payment::of_invoices(&mut tx, &[id]).await?;
    if let Some(under_way) = attempts.iter().find(|a| a.state == AttemptState::Pending) {
        if pending == Pending::Refuse {
            return Ok(Err(under_way_of(&number)));
        }
        let decline_code = Some("overruled_by_hand".to_owned());
        payment::answer(
            &mut tx,
            &Attempt { state: AttemptState::Technical, decline_code, ..under_way.clone() },
        )
        .await?;
    }
    let ordinal = attempts.iter().map(|a| a.ordinal).max().unwrap_or(0) + 1;
    let attempt = Attempt {
        id: attempt_id(id, ordinal),
        invoice: id,
        customer: booked.invoice.draft.payer,
        ordinal,
        amount_minor,
        currency: booked.invoice.draft.currency,
        method: BY_HAND.to_owned(),
        gateway: BY_HAND.to_owned(),
        on: by_hand.on,
        state: AttemptState::Paid,
        provider_reference: None,
        decline_code: None,
        fee_minor: 0,
    };
    ensure!(
        payment::begin(&mut tx, std::slice::from_ref(&attempt)).await? == 1,
        "attempt {ordinal} of {number} is taken"
    );
    let catalogue = store::catalogue::load(&mut tx).await?.context("the book is empty")?;
    let open_from = store::ledger::open_from(&mut tx).await?;
    payment(&mut tx, &booked, &attempt, &catalogue, open_from, None).await?;
    note(ctx, &mut tx, &booked, by_hand, Action::MarkPaid, amount_minor).await?;
    finish(tx, id).await.map(Ok)
}

/// Gives up what is open, gross: bad debt.
pub async fn write_off(
    ctx: &Context,
    id: InvoiceId,
    by_hand: &ByHand,
) -> anyhow::Result<Result<Booked, Refusal>> {
    let mut tx = ctx.store.begin().await?;
    let booked = locked(&mut tx, id).await?;
    let amount_minor = match account::write_off(standing(&booked), by_hand.amount) {
        Ok(amount) => amount,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let happened =
        Happened { kind: "write_off", entry: EntryKind::WriteOff, amount_minor, part_minor: amount_minor };
    if happen(&mut tx, &booked, by_hand.on, None, happened, ledger::write_off_entry).await? {
        note(ctx, &mut tx, &booked, by_hand, Action::WriteOff, amount_minor).await?;
    }
    finish(tx, id).await.map(Ok)
}

/// How money goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundBy {
    /// Through the provider that took it; by hand if it was not taken online.
    Provider,
    /// By bank transfer, outside.
    Hand,
}

/// Money back to the payer: the open balance of a credit note, or what was paid too much (rules I7). The
/// provider is asked before anything is written; its key follows from the document and what is settled so far, so
/// that after a crash the same refund is asked for again, and made once.
pub async fn refund(
    ctx: &Context,
    id: InvoiceId,
    by_hand: &ByHand,
    by: RefundBy,
) -> anyhow::Result<Result<Booked, Refusal>> {
    let mut tx = ctx.store.read().await?;
    let booked = invoice::by_id(&mut tx, id).await?.context("the invoice is gone")?;
    let received = received_minor(&mut tx, &booked).await?;
    let amount_minor = match account::refund(standing(&booked), received, by_hand.amount) {
        Ok(amount) => amount,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let key = refund_key(&booked, amount_minor);
    let charge = charge_to_refund(&mut tx, &booked, amount_minor).await?;
    drop(tx);
    let by_provider = match (by, charge) {
        (RefundBy::Provider, Some(charge)) => {
            if let Some(refusal) = ask_refund(ctx, &charge, key, amount_minor).await {
                return Ok(Err(refusal));
            }
            true
        }
        _ => false,
    };
    let mut tx = ctx.store.begin().await?;
    let booked = locked(&mut tx, id).await?;
    // What a provider has given back is written in any case; a person is told that somebody else came first.
    let received = received_minor(&mut tx, &booked).await?;
    let asked = Money::new(amount_minor, booked.invoice.draft.currency).decimal();
    if !by_provider && let Err(refusal) = account::refund(standing(&booked), received, Some(asked)) {
        return Ok(Err(refusal));
    }
    let happened =
        Happened { kind: "refund", entry: EntryKind::Refund, amount_minor, part_minor: -amount_minor };
    if happen(&mut tx, &booked, by_hand.on, Some(key), happened, ledger::refund_entry).await? {
        note(ctx, &mut tx, &booked, by_hand, Action::Refund, amount_minor).await?;
    }
    finish(tx, id).await.map(Ok)
}

fn standing(booked: &Booked) -> Standing<'_> {
    Standing { invoice: &booked.invoice, settlement: &booked.settlement }
}

/// The money that came for the invoices that a document concerns and has not gone back: payments, less refunds, and
/// what was set off between them and others (rules Y5). A write-off is none. None if it concerns no invoice.
async fn received_minor(tx: &mut Tx, booked: &Booked) -> anyhow::Result<Option<i64>> {
    let mut invoices = Vec::new();
    if booked.invoice.draft.is_credit_note {
        for number in &booked.invoice.draft.credits {
            invoices.extend(invoice::by_number(tx, number).await?.map(|b| b.invoice));
        }
        if invoices.is_empty() {
            return Ok(None);
        }
    } else {
        invoices.push(booked.invoice.clone());
    }
    let mut documents = BTreeSet::from([booked.invoice.draft.id]);
    let notes = invoice::credit_notes_of(tx, booked.invoice.draft.payer).await?;
    for invoice in &invoices {
        documents.insert(invoice.draft.id);
        let own = notes.iter().filter(|(_, credits)| credits.contains(&invoice.number));
        documents.extend(own.map(|(id, _)| *id));
    }
    let mut received = 0;
    for document in documents {
        let parts = invoice::parts(tx, document).await?;
        received += parts.iter().filter(|p| p.kind != "write_off").map(|p| p.amount_minor).sum::<i64>();
    }
    Ok(Some(received))
}

fn under_way_of(number: &str) -> Refusal {
    let message = format!("a payment of {number} is under way and has no answer yet");
    Refusal::new("payment_under_way", message).hint(format!(
        "ask for the answer with `tallybook payments retry`, or overrule it with `tallybook invoices markpaid {number} --despite-pending`"
    ))
}

fn refund_key(booked: &Booked, amount_minor: i64) -> Uuid {
    let natural = format!("refund\u{1f}{}\u{1f}{amount_minor}", booked.settlement.settled_minor);
    Uuid::new_v5(&booked.invoice.draft.id.0, natural.as_bytes())
}

/// The newest online payment that is large enough: of the document itself, or of the invoices that it credits.
async fn charge_to_refund(
    tx: &mut Tx,
    booked: &Booked,
    amount_minor: i64,
) -> anyhow::Result<Option<Attempt>> {
    let mut documents = vec![booked.invoice.draft.id];
    for number in &booked.invoice.draft.credits {
        documents.extend(invoice::by_number(tx, number).await?.map(|b| b.invoice.draft.id));
    }
    let attempts = payment::of_invoices(tx, &documents).await?;
    let fits = |a: &Attempt| {
        a.state == AttemptState::Paid && a.provider_reference.is_some() && a.amount_minor >= amount_minor
    };
    Ok(attempts.into_iter().filter(fits).max_by_key(|a| (a.on, a.ordinal)))
}

/// Asks the provider that took the money; `None` if it gives it back.
async fn ask_refund(ctx: &Context, charge: &Attempt, id: Uuid, amount_minor: i64) -> Option<Refusal> {
    let gateway = charge.gateway.clone();
    let refuses = |why: String| {
        Refusal::new("refund_refused", format!("{gateway} does not refund: {why}"))
            .hint("pay it back by bank transfer and note it with --by-hand")
    };
    let Some(provider) = ctx.gateways.get(&gateway) else {
        return Some(refuses("it is not set up".to_owned()));
    };
    let reference = charge.provider_reference.clone().unwrap_or_default();
    let request = RefundRequest { id, reference, amount_minor, currency: charge.currency };
    match provider.refund(&request).await {
        Ok(RefundAnswer::Refunded { .. }) => None,
        Ok(RefundAnswer::Declined { code }) => Some(refuses(code)),
        Err(GatewayError::Refused { why, .. }) => Some(refuses(why)),
        Err(GatewayError::Unknown { why, .. }) => {
            let message = format!("{gateway} has not answered: {why}");
            Some(
                Refusal::new(GATEWAY_SILENT, message)
                    .hint("run the same command again: the refund is made once"),
            )
        }
    }
}

/// Something that happens to one document.
struct Happened {
    kind: &'static str,
    entry: EntryKind,
    /// Of the ledger entry.
    amount_minor: i64,
    /// Of the settlement.
    part_minor: i64,
}

type EntryOf = fn(&Invoice, &Catalogue, Option<NaiveDate>, Happening) -> Result<Entry, ledger::PostingFault>;

/// Writes the part and its entry; false, and nothing written, if this source has happened before.
async fn happen(
    tx: &mut Tx,
    booked: &Booked,
    on: NaiveDate,
    source: Option<Uuid>,
    happened: Happened,
    entry_of: EntryOf,
) -> anyhow::Result<bool> {
    let invoice = &booked.invoice;
    let before = store::ledger::of_document(tx, invoice.draft.id).await?;
    let ordinal =
        before.iter().filter(|e| e.kind == happened.entry).map(|e| e.ordinal).max().unwrap_or(0) + 1;
    let natural = format!("{}\u{1f}{ordinal}", happened.kind);
    let source = source.unwrap_or_else(|| Uuid::new_v5(&invoice.draft.id.0, natural.as_bytes()));
    let settlement = booked.settlement.settled(invoice.draft.gross_minor(), happened.part_minor, on);
    let part = Part {
        invoice: invoice.draft.id,
        kind: happened.kind,
        source,
        document: None,
        amount_minor: happened.part_minor,
        on,
    };
    if !invoice::settle(tx, &part, &settlement).await? {
        return Ok(false);
    }
    let catalogue = store::catalogue::load(tx).await?.context("the book is empty")?;
    let open_from = store::ledger::open_from(tx).await?;
    let happening = Happening { ordinal, on, amount_minor: happened.amount_minor };
    let entry = entry_of(invoice, &catalogue, open_from, happening)?;
    store::ledger::save_entries(tx, None, &[entry]).await?;
    Ok(true)
}

async fn locked(tx: &mut Tx, id: InvoiceId) -> anyhow::Result<Booked> {
    invoice::lock_settlements(tx, &[id]).await?;
    invoice::by_id(tx, id).await?.context("the invoice is gone")
}

async fn finish(mut tx: Tx, id: InvoiceId) -> anyhow::Result<Booked> {
    let booked = invoice::by_id(&mut tx, id).await?.context("the invoice is gone")?;
    tx.commit().await?;
    Ok(booked)
}

async fn note(
    ctx: &Context,
    tx: &mut Tx,
    booked: &Booked,
    by_hand: &ByHand,
    action: Action,
    amount_minor: i64,
) -> anyhow::Result<()> {
    let detail = serde_json::json!({"amount_minor": amount_minor, "on": by_hand.on});
    ctx.note(tx, &by_hand.actor, action, Object::Invoice(&booked.invoice.number), detail).await
}
