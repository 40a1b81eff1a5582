//! Credit notes: one transaction with number and entry; document and mail follow.
//!
//! Idempotency key: the note's id, a function of the invoice and of how many notes it has.

use crate::act::{Act, note};
use crate::context::Context;
use crate::delivery::deliver::Sent;
use crate::delivery::{plan, send};
use crate::invoices::find;
use crate::invoices::view::InvoiceView;
use crate::payments::account::{account, policy_of};
use crate::payments::settle::{keep, meet_write_offs, set_off_of_payers};
use crate::refusal::Stop;
use anyhow::{Context as _, ensure};
use domain::Decimal;
use domain::audit::{Action, Object};
use domain::billing::{self, BilledLine, CreditLine, CreditScope, EarlierCredits};
use domain::catalogue::Catalogue;
use domain::ids::{ChargeReference, CustomerId, InvoiceId};
use domain::invoice::account as amounts;
use domain::invoice::verbs::{self, Books, CreditDraft};
use domain::invoice::{Draft, Invoice};
use domain::money::Currency;
use domain::refusal::{Code, Refusal, Verb, WayOut};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use store::draft::DraftState;
use store::invoice::{self, Booked, InvoiceFilter, InvoiceState};
use store::{Tx, payer, payment, run};

/// What is credited of an invoice, and what becomes of its periods.
#[derive(Debug, Clone)]
pub struct Credit<'a> {
    /// Its number.
    pub invoice: &'a str,
    /// Lines by their numbers, each whole unless an amount in major units is given; none = the whole invoice.
    pub lines: &'a [(u32, Option<Decimal>)],
    /// The periods of the whole invoice are due again (rules I4).
    pub rebill: bool,
}

/// What came of it.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Credited {
    /// The note; the invoice itself if it was wholly credited before and is only billed again.
    pub document: InvoiceView,
    /// Whether `document` is a note.
    #[serde(skip)]
    pub is_note: bool,
    /// Billed lines that are due again.
    #[serde(skip)]
    pub reopened: usize,
    #[serde(skip)]
    pub sent: Sent,
}

/// As [`Credited`], within a transaction.
#[derive(Debug)]
pub(crate) struct Noted {
    pub note: Option<Booked>,
    pub reopened: usize,
}

/// Books a credit note on an invoice and sets it against what is open of it, then against the payer's oldest open
/// invoices (rules I7, I8), and mails it. What it leaves is owed to the payer: it is refunded, or set against the next
/// invoice.
pub async fn credit(ctx: &Context, act: &Act, asked: &Credit<'_>) -> Result<Credited, Stop> {
    act.insist_near(ctx).await?;
    let mut tx = ctx.store.begin().await?;
    let invoice = find::booked(&mut tx, asked.invoice, "credited").await?.invoice;
    let scope = scope(asked.lines, invoice.draft.currency)?;
    lock(&mut tx, std::slice::from_ref(&invoice)).await?;
    let catalogue = store::catalogue::load(&mut tx).await?.context("the book is empty")?;
    let what = (&scope, asked.rebill);
    let noted = credit_in(&mut tx, ctx, act, &invoice, what, &catalogue)
        .await
        .map_err(|stop| stop.or(WayOut::from(Verb::ShowInvoice.on(asked.invoice)).words(" has its lines")))?;
    plan::plan_invoices(ctx, &mut tx, &catalogue, noted.note.as_slice(), None).await?;
    tx.commit().await?;
    let id = noted.note.as_ref().map(|note| note.invoice.draft.id);
    let sent = match id {
        Some(id) => send::send(ctx, &[id]).await?,
        None => Sent::default(),
    };
    let document = InvoiceView::now(ctx, id.unwrap_or(invoice.draft.id)).await?;
    Ok(Credited { document, is_note: id.is_some(), reopened: noted.reopened, sent })
}

/// What is credited: the whole invoice unless lines are named, each whole unless an amount is.
fn scope(lines: &[(u32, Option<Decimal>)], currency: Currency) -> Result<CreditScope, Refusal> {
    if lines.is_empty() {
        return Ok(CreditScope::Whole);
    }
    let line = |(number, amount): &(u32, Option<Decimal>)| {
        let amount_minor = match amount {
            Some(amount) if amount.is_sign_negative() => Some(-amounts::minor(-*amount, currency)?),
            Some(amount) => Some(amounts::minor(*amount, currency)?),
            None => None,
        };
        Ok(CreditLine { number: *number, amount_minor })
    };
    lines.iter().map(line).collect::<Result<_, Refusal>>().map(CreditScope::Lines)
}

/// Locks what crediting these invoices changes: payers before settlements, as booking does. A run that drafts for one of
/// the payers meanwhile sees that something was credited.
pub(crate) async fn lock(tx: &mut Tx, invoices: &[Invoice]) -> anyhow::Result<()> {
    let payers = payers_of(tx, invoices).await?;
    payer::lock(tx, &payers).await?;
    invoice::lock_open(tx, &payers).await?;
    let ids: Vec<InvoiceId> = invoices.iter().map(|i| i.draft.id).collect();
    invoice::lock_settlements(tx, &ids).await
}

/// Those who were billed, and those who pay for the same owners today (rules B2), by id.
async fn payers_of(tx: &mut Tx, invoices: &[Invoice]) -> anyhow::Result<Vec<CustomerId>> {
    let mut payers: BTreeSet<CustomerId> = invoices.iter().map(|i| i.draft.payer).collect();
    let lines = invoices.iter().flat_map(|invoice| &invoice.draft.lines);
    let owners: BTreeSet<CustomerId> = lines.map(|line| line.owner).collect();
    for owner in owners {
        payers.insert(store::book::payer_of(tx, owner).await?);
    }
    Ok(payers.into_iter().collect())
}

/// As [`credit`], in a transaction that holds the [`lock`]: what of it is credited, and whether it is billed again.
pub(crate) async fn credit_in(
    tx: &mut Tx,
    ctx: &Context,
    act: &Act,
    invoice: &Invoice,
    what: (&CreditScope, bool),
    catalogue: &Catalogue,
) -> Result<Noted, Stop> {
    let CreditDraft { note: draft, reopens } = drafted(tx, act, invoice, what, catalogue).await?;
    let note = match draft {
        Some(draft) => Some(book_note(tx, ctx, act, invoice.draft.id, draft, catalogue).await?),
        None => None,
    };
    let (_, rebill) = what;
    if rebill {
        let payers = payers_of(tx, std::slice::from_ref(invoice)).await?;
        store::reopened::reopen(tx, &payers, &reopens, act.on).await?;
        self::note(ctx, tx, &invoice.number, Action::RebillInvoice, act).await?;
    }
    Ok(Noted { note, reopened: reopens.len() })
}

/// Makes a draft of a credit note, which can be looked at and changed; booking it numbers it and sets it off.
///
/// Idempotency key: the note's id, a function of the invoice and of how many notes it has.
pub async fn draft_note(ctx: &Context, act: &Act, asked: &Credit<'_>) -> Result<InvoiceId, Stop> {
    act.insist_near(ctx).await?;
    let mut tx = ctx.store.begin().await?;
    let invoice = find::booked(&mut tx, asked.invoice, "credited").await?.invoice;
    let scope = scope(asked.lines, invoice.draft.currency)?;
    lock(&mut tx, std::slice::from_ref(&invoice)).await?;
    let catalogue = store::catalogue::load(&mut tx).await?.context("the book is empty")?;
    let made = drafted(&mut tx, act, &invoice, (&scope, false), &catalogue).await?;
    let mut draft = made.note.context("what is not billed again has a note")?;
    let payer = payer::locked_refs(&mut tx, &[draft.payer]).await?.pop().context("the payer is gone")?;
    draft.revision = payer.revision;
    if store::draft::add_manual(&mut tx, &draft).await?.is_some() {
        let message = format!("there is a credit note on {} with this name already", invoice.number);
        return Err(Refusal::new(Code::Exists, message).hint("ask again").into());
    }
    store::request::made(&mut tx, draft.id.0).await?;
    let detail = serde_json::json!({"account": draft.account_number, "credits": invoice.number});
    ctx.note(&mut tx, &act.actor, Action::CreateDraft, Object::Draft(draft.id), detail).await?;
    tx.commit().await?;
    Ok(draft.id)
}

/// The note as it would be, and what is billed again with it.
async fn drafted(
    tx: &mut Tx,
    act: &Act,
    invoice: &Invoice,
    (scope, rebill): (&CreditScope, bool),
    catalogue: &Catalogue,
) -> Result<CreditDraft, Stop> {
    let payers = payers_of(tx, std::slice::from_ref(invoice)).await?;
    let notes = notes_on(tx, invoice).await?.len();
    let credits = store::line_credit::of_payers(tx, &payers).await?.into_values().flatten();
    let once: BTreeMap<_, _> = credits.map(|(by, credit)| ((by, credit.line), (by, credit))).collect();
    let credited = billing::Credited::of(&once.into_values().collect::<Vec<_>>());
    let billed = if rebill { standing_lines(tx, &payers).await? } else { BTreeMap::new() };
    let asked = verbs::Credit { scope, rebill, on: act.on, run_ordinal: run::newest_ordinal(tx).await? };
    let standing = EarlierCredits { credited: &credited, notes };
    let made = verbs::credit_draft(invoice, asked, standing, &billed, catalogue)?;
    // Both would have one id: what a person has drafted is not replaced behind their back.
    if let Some(draft) = &made.note
        && let Some((DraftState::Open, _)) = store::draft::state(tx, draft.id).await?
    {
        let message = format!("there is a draft of a credit note on {} already", invoice.number);
        return Err(Refusal::new(Code::Exists, message).hint("book it, or drop it first").into());
    }
    Ok(made)
}

/// What is billed of these payers and not due again, by charge.
async fn standing_lines(
    tx: &mut Tx,
    payers: &[CustomerId],
) -> anyhow::Result<BTreeMap<ChargeReference, Vec<BilledLine>>> {
    let mut billed: BTreeMap<ChargeReference, Vec<BilledLine>> = BTreeMap::new();
    for (_, line, reopened) in payer::billed_lines(tx, payers).await? {
        if reopened.is_none() {
            billed.entry(line.key.charge).or_default().push(line);
        }
    }
    Ok(billed)
}

/// Books a note with its number and its entry, and sets it against its invoice, then against the payer's oldest open ones
/// (rules I8).
async fn book_note(
    tx: &mut Tx,
    ctx: &Context,
    act: &Act,
    id: InvoiceId,
    draft: Draft,
    catalogue: &Catalogue,
) -> anyhow::Result<Booked> {
    let booked = invoice::by_id(tx, id).await?.context("the invoice is gone")?;
    let attempts = payment::of_invoices(tx, &[id]).await?;
    let policy = policy_of(catalogue, &booked);
    let account = account(&booked, &attempts, None, &policy);
    let books = Books { catalogue, calendar: store::ledger::calendar(tx).await? };
    let begins = billing::first_sequence(catalogue, &draft);
    let sequence = invoice::take_numbers(tx, &draft.series, begins, 1).await?;
    let verbs::Noted { note, booked: mut effects, credited } =
        verbs::credit(&account, draft, sequence, act.on, books)?;
    let entries = std::mem::take(&mut effects.entries);
    invoice::save_booked(tx, None, std::slice::from_ref(&note), &entries).await?;
    for effects in [Some(effects), credited].into_iter().flatten() {
        ensure!(keep(tx, &effects, None).await?, "{} was set off a moment ago", note.number);
    }
    meet_write_offs(tx, std::slice::from_ref(&note), act.on).await?;
    set_off_of_payers(tx, &[booked.invoice.draft.payer], act.on).await?;
    self::note(ctx, tx, &note.number, Action::CreditInvoice, act).await?;
    invoice::by_id(tx, note.draft.id).await?.context("the note was just booked")
}

/// Credit notes that mirror lines of this invoice, oldest first. Notes that a run has made name it too, but have
/// lines of their own.
pub(crate) async fn notes_on(tx: &mut Tx, invoice: &Invoice) -> anyhow::Result<Vec<Invoice>> {
    let filter = InvoiceFilter {
        payer: Some(invoice.draft.payer),
        state: Some(InvoiceState::CreditNote),
        ..InvoiceFilter::default()
    };
    let ids = invoice::ids(tx, &filter).await?;
    let notes: Vec<Invoice> = invoice::by_ids(tx, &ids).await?.into_iter().map(|b| b.invoice).collect();
    Ok(verbs::notes_on(invoice, &notes).cloned().collect())
}
