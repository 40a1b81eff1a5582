//! Credit notes: one transaction with number and entry; document and mail follow.
//!
//! Key that makes a repeat quiet: the note's id, a function of the invoice and of how many notes it has.

use crate::act::{Act, note};
use crate::context::Context;
use crate::delivery::deliver::Sent;
use crate::delivery::{plan, send};
use crate::invoices::find;
use crate::invoices::view::InvoiceView;
use crate::payments::settle::{meet_write_offs, set_off_of_payers, set_off_pair};
use crate::refusal::Stop;
use anyhow::Context as _;
use chrono::NaiveDate;
use domain::Decimal;
use domain::audit::{Action, Object};
use domain::billing::{self, BilledLine, CreditLine, CreditScope, Standing};
use domain::catalogue::Catalogue;
use domain::ids::{ChargeReference, CustomerId, InvoiceId};
use domain::invoice::{Draft, Invoice, LineKey, account};
use domain::money::Currency;
use domain::payment::AttemptState;
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
    /// The note; the invoice itself if it was wholly credited before and is only billed anew.
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
            Some(amount) if amount.is_sign_negative() => Some(-account::minor(-*amount, currency)?),
            Some(amount) => Some(account::minor(*amount, currency)?),
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

/// As [`credit`], in a transaction that holds the [`lock`]: what of it is credited, and whether it is billed anew.
pub(crate) async fn credit_in(
    tx: &mut Tx,
    ctx: &Context,
    act: &Act,
    invoice: &Invoice,
    (scope, rebill): (&CreditScope, bool),
    catalogue: &Catalogue,
) -> Result<Noted, Stop> {
    let reopens = if rebill { reopens(tx, invoice, scope).await? } else { Vec::new() };
    let note = match note_in(tx, ctx, act, invoice.draft.id, scope, catalogue).await {
        Ok(note) => Some(note),
        Err(stop) if stop.code() == Some(Code::NothingLeft) && rebill => None,
        Err(stop) => return Err(stop),
    };
    if rebill {
        let payers = payers_of(tx, std::slice::from_ref(invoice)).await?;
        store::reopened::reopen(tx, &payers, &reopens, act.on).await?;
        self::note(ctx, tx, &invoice.number, Action::RebillInvoice, act).await?;
    }
    Ok(Noted { note, reopened: reopens.len() })
}

/// The billed lines of an invoice that a rebill makes due again.
async fn reopens(tx: &mut Tx, invoice: &Invoice, scope: &CreditScope) -> Result<Vec<LineKey>, Stop> {
    if *scope != CreditScope::Whole {
        let message = "a whole invoice is billed anew, not a line of it";
        return Err(Refusal::new(Code::BadArgument, message).hint("leave out ").switch("line").into());
    }
    let mut billed: BTreeMap<ChargeReference, Vec<BilledLine>> = BTreeMap::new();
    let payers = payers_of(tx, std::slice::from_ref(invoice)).await?;
    for (_, line, reopened) in store::payer::billed_lines(tx, &payers).await? {
        if reopened.is_none() {
            billed.entry(line.key.charge).or_default().push(line);
        }
    }
    Ok(billing::reopens(invoice, &billed)?)
}

/// Makes a draft of a credit note, which can be looked at and changed; booking it numbers it and sets it off.
///
/// Key that makes a repeat quiet: the note's id, a function of the invoice and of how many notes it has.
pub async fn draft_note(ctx: &Context, act: &Act, asked: &Credit<'_>) -> Result<InvoiceId, Stop> {
    let mut tx = ctx.store.begin().await?;
    let invoice = find::booked(&mut tx, asked.invoice, "credited").await?.invoice;
    let scope = scope(asked.lines, invoice.draft.currency)?;
    lock(&mut tx, std::slice::from_ref(&invoice)).await?;
    let catalogue = store::catalogue::load(&mut tx).await?.context("the book is empty")?;
    let (_, mut draft) = drafted(&mut tx, act, invoice.draft.id, &scope, &catalogue).await?;
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

/// The note as it would be, and the invoice that it is on.
async fn drafted(
    tx: &mut Tx,
    act: &Act,
    id: InvoiceId,
    scope: &CreditScope,
    catalogue: &Catalogue,
) -> Result<(Booked, Draft), Stop> {
    let booked = invoice::by_id(tx, id).await?.context("the invoice is gone")?;
    let notes = notes_on(tx, &booked.invoice).await?;
    let payers = payers_of(tx, std::slice::from_ref(&booked.invoice)).await?;
    let credits = store::line_credit::of_payers(tx, &payers).await?.into_values().flatten();
    let once: BTreeMap<_, _> = credits.map(|(by, credit)| ((by, credit.line), (by, credit))).collect();
    let credited = billing::Credited::of(&once.into_values().collect::<Vec<_>>());
    let standing = Standing { credited: &credited, notes: notes.len() };
    let ordinal = run::newest_ordinal(tx).await?;
    let draft = billing::credit_note(&booked.invoice, standing, scope, act.on, ordinal, catalogue)?;
    if draft.gross_minor() > 0 {
        let message = format!("crediting this of {} would raise what is owed", booked.invoice.number);
        return Err(Refusal::new(Code::Raises, message).into());
    }
    // Both would have one id: what a person has drafted is not replaced behind their back.
    if let Some((DraftState::Open, _)) = store::draft::state(tx, draft.id).await? {
        let message = format!("there is a draft of a credit note on {} already", booked.invoice.number);
        return Err(Refusal::new(Code::Exists, message).hint("book it, or drop it first").into());
    }
    Ok((booked, draft))
}

async fn note_in(
    tx: &mut Tx,
    ctx: &Context,
    act: &Act,
    id: InvoiceId,
    scope: &CreditScope,
    catalogue: &Catalogue,
) -> Result<Booked, Stop> {
    let (booked, draft) = drafted(tx, act, id, scope, catalogue).await?;
    let note_booked = post(tx, draft, act.on, catalogue).await?;
    let pending = payment::of_invoices(tx, &[id]).await?.iter().any(|a| a.state == AttemptState::Pending);
    let open = booked.settlement.open_minor(booked.invoice.draft.gross_minor());
    let amount_minor = open.min(-note_booked.draft.gross_minor());
    if amount_minor > 0 && !pending {
        set_off_pair(tx, note_booked.draft.id, id, amount_minor, act.on).await?;
    }
    meet_write_offs(tx, std::slice::from_ref(&note_booked), act.on).await?;
    // What it leaves is set against the payer's oldest open invoices (rules I8).
    set_off_of_payers(tx, &[booked.invoice.draft.payer], act.on).await?;
    note(ctx, tx, &note_booked.number, Action::CreditInvoice, act).await?;
    Ok(invoice::by_id(tx, note_booked.draft.id).await?.context("the note was just booked")?)
}

/// Books the note, with its number and its entry.
async fn post(tx: &mut Tx, draft: Draft, on: NaiveDate, catalogue: &Catalogue) -> anyhow::Result<Invoice> {
    let begins = billing::first_sequence(catalogue, &draft);
    let sequence = invoice::take_numbers(tx, &draft.series, begins, 1).await?;
    let booked = billing::book(draft, sequence, on, catalogue)?;
    let calendar = store::ledger::calendar(tx).await?;
    let entry = domain::ledger::book_entry(&booked, catalogue, calendar)?;
    invoice::save_booked(tx, None, std::slice::from_ref(&booked), &[entry]).await?;
    Ok(booked)
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
    let notes = invoice::by_ids(tx, &ids).await?.into_iter().map(|b| b.invoice);
    Ok(notes.filter(|note| note.draft.credits.contains(&invoice.number) && mirrors(note, invoice)).collect())
}

fn mirrors(note: &Invoice, invoice: &Invoice) -> bool {
    note.draft.lines.iter().all(|line| {
        invoice
            .draft
            .lines
            .iter()
            .any(|own| own.number == line.number && own.key == line.key && own.sku == line.sku)
    })
}
