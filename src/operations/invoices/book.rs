//! Booking: drafts become invoices with numbers and ledger entries, in the transaction of the caller, or one draft by
//! a person.

use crate::act::{Act, note};
use crate::context::Context;
use crate::delivery::deliver::Sent;
use crate::delivery::{plan, send};
use crate::invoices::find::{self, DraftOrInvoice};
use crate::invoices::view::InvoiceView;
use crate::payments::tried::{Collected, Occasion};
use crate::payments::{collect, settle};
use crate::refusal::Stop;
use anyhow::Context as _;
use chrono::NaiveDate;
use domain::audit::Action;
use domain::billing::{self, BilledLine};
use domain::catalogue::Catalogue;
use domain::ids::{ChargeReference, CustomerId, InvoiceId, RunId};
use domain::invoice::verbs::{self, Books, Numbers};
use domain::invoice::{Draft, Invoice};
use domain::refusal::{Code, Refusal, Verb};
use domain::run::ItemState;
use std::collections::{BTreeMap, BTreeSet};
use store::draft::{self, DraftKey, DraftState};
use store::invoice::{self, Booked};
use store::{Tx, payer, payment, run};

/// Books drafts in the order given, on a day and for a run, or for a person; those whose payer changed since, or that a check refuses, are set aside.
/// Returns the invoices.
pub async fn book_drafts(
    tx: &mut Tx,
    run: Option<RunId>,
    booked_on: NaiveDate,
    catalogue: &Catalogue,
    drafts: Vec<Draft>,
) -> anyhow::Result<Vec<Invoice>> {
    let ids: Vec<CustomerId> = drafts.iter().map(|d| d.payer).collect();
    let revisions: BTreeMap<CustomerId, i64> =
        payer::locked_refs(tx, &ids).await?.into_iter().map(|p| (p.id, p.revision)).collect();
    store::invoice::lock_open(tx, &ids).await?;
    let mut aside: Vec<(Draft, String)> = Vec::new();
    let mut ready = Vec::new();
    for draft in drafts {
        if revisions.get(&draft.payer) != Some(&draft.revision) {
            aside.push((draft, "changed since draft".to_owned()));
        } else if let Err(error) = billing::check(&draft) {
            aside.push((draft, error.to_string()));
        } else {
            ready.push(draft);
        }
    }
    let mut per_series: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for draft in &ready {
        let begins = || (billing::first_sequence(catalogue, draft), 0);
        per_series.entry(draft.series.clone()).or_insert_with(begins).1 += 1;
    }
    let mut next: BTreeMap<String, u64> = BTreeMap::new();
    for (series, (begins, count)) in per_series {
        let first = store::invoice::take_numbers(tx, &series, begins, count).await?;
        next.insert(series, first);
    }
    let refers = ready.iter().filter(|draft| billing::takes_reference(draft, catalogue)).count();
    let mut references = store::invoice::take_references(tx, refers).await?;
    let mut numbered = Vec::with_capacity(ready.len());
    for draft in ready {
        let sequence = next.get_mut(&draft.series).context("a series without numbers")?;
        let refers = billing::takes_reference(&draft, catalogue);
        let reference = if refers { references.next() } else { None };
        numbered.push((draft, Numbers { sequence: *sequence, reference }));
        *sequence += 1;
    }
    name_amended(tx, &mut numbered).await?;
    let books = Books { catalogue, calendar: store::ledger::calendar(tx).await? };
    let (mut invoices, mut entries) =
        (Vec::with_capacity(numbered.len()), Vec::with_capacity(numbered.len()));
    for (draft, numbers) in numbered {
        let (invoice, effects) = verbs::book(draft, numbers, booked_on, books)?;
        invoices.push(invoice);
        entries.extend(effects.entries);
    }
    store::invoice::save_booked(tx, run, &invoices, &entries).await?;
    let booked: Vec<InvoiceId> = invoices.iter().map(|i| i.draft.id).collect();
    draft::mark(tx, &booked, DraftState::Booked, None).await?;
    settle::set_off_credit_notes(tx, &invoices).await?;
    count_items(tx, run, &invoices, &aside).await?;
    Ok(invoices)
}

/// Names the invoices that lines amend where both come of one run: when they were drafted there was no number yet. Most
/// runs have none.
async fn name_amended(tx: &mut Tx, numbered: &mut [(Draft, Numbers)]) -> anyhow::Result<()> {
    let payers: BTreeSet<CustomerId> = numbered
        .iter()
        .map(|(draft, _)| draft)
        .filter(|d| billing::lacks_amended(d))
        .map(|d| d.payer)
        .collect();
    if payers.is_empty() {
        return Ok(());
    }
    let mut numbers: BTreeMap<InvoiceId, String> = BTreeMap::new();
    for (draft, numbers_of) in numbered.iter() {
        let number = billing::format_number(&draft.number_pattern, numbers_of.sequence, draft.invoice_date)?;
        numbers.insert(draft.id, number);
    }
    let payers: Vec<CustomerId> = payers.into_iter().collect();
    let mut billed: BTreeMap<ChargeReference, Vec<BilledLine>> = BTreeMap::new();
    for (_, mut line, _) in payer::billed_lines(tx, &payers).await? {
        let number = line.invoice.and_then(|id| numbers.get(&id));
        line.invoice_number = line.invoice_number.or_else(|| number.cloned());
        billed.entry(line.key.charge).or_default().push(line);
    }
    for (draft, _) in numbered {
        billing::name_amended(draft, |charge| billed.get(&charge).map_or(&[][..], Vec::as_slice));
    }
    Ok(())
}

/// Writes per payer how many invoices were made, and the reason of what was set aside.
async fn count_items(
    tx: &mut Tx,
    run: Option<RunId>,
    invoices: &[Invoice],
    aside: &[(Draft, String)],
) -> anyhow::Result<()> {
    for (draft, reason) in aside {
        draft::mark(tx, &[draft.id], DraftState::SetAside, Some(reason)).await?;
    }
    let Some(run) = run else { return Ok(()) };
    let mut made: BTreeMap<CustomerId, u32> = BTreeMap::new();
    for invoice in invoices {
        *made.entry(invoice.draft.payer).or_default() += 1;
    }
    let mut payers: Vec<CustomerId> =
        made.keys().copied().chain(aside.iter().map(|(d, _)| d.payer)).collect();
    payers.sort_unstable();
    payers.dedup();
    let mut items = run::items_of(tx, run, &payers).await?;
    for item in &mut items {
        item.invoices += made.get(&item.payer).copied().unwrap_or(0);
        if let Some((_, reason)) = aside.iter().find(|(d, _)| d.payer == item.payer) {
            (item.state, item.reason) = (ItemState::Failed, Some(reason.clone()));
        }
    }
    run::save_items(tx, run, &items).await
}

/// An invoice that was booked, and what became of its mail.
#[derive(Debug)]
pub struct BookedNow {
    pub invoice: InvoiceView,
    pub sent: Sent,
}

/// Books the open draft of this name as its run would have done; a draft that a person wrote has none. Document, mail
/// and the first attempt on an online method follow (rules Y3). A draft that is booked is refused; if whoever booked it was
/// killed before its charge, that is made up for first.
pub async fn book(ctx: &Context, act: &Act, draft: &str) -> Result<BookedNow, Stop> {
    act.insist_near(ctx).await?;
    let id = match book_alone(ctx, act, draft).await? {
        Booking::Now(id) => id,
        Booking::Earlier(booked) => {
            let id = booked.invoice.draft.id;
            if payment::owes_first_charge(&mut ctx.store.read().await?, id).await? {
                charge_first(ctx, &[id], act.on).await?;
            }
            return Err(booked_already(draft, &booked.invoice.number).into());
        }
    };
    let mut sent = send::send(ctx, &[id]).await?;
    sent.extend(charge_first(ctx, &[id], act.on).await?.1);
    Ok(BookedNow { invoice: InvoiceView::now(ctx, id).await?, sent })
}

/// Whether a draft was booked by this call.
enum Booking {
    /// It was open, and is booked now.
    Now(InvoiceId),
    /// It was booked before.
    Earlier(Box<Booked>),
}

/// Takes the first charge of invoices that a person booked, and tells the payers whose was declined.
pub(crate) async fn charge_first(
    ctx: &Context,
    invoices: &[InvoiceId],
    on: NaiveDate,
) -> anyhow::Result<(Collected, Sent)> {
    let collected = collect::collect(ctx, invoices, Occasion::Booking, on, None).await?;
    let mut tx = ctx.store.begin().await?;
    payment::first_charges_decided(&mut tx, invoices).await?;
    tx.commit().await?;
    Ok((collected, send::send_declined(ctx, invoices).await?))
}

async fn book_alone(ctx: &Context, act: &Act, name: &str) -> Result<Booking, Stop> {
    let mut tx = ctx.store.begin().await?;
    let key = match find::find(&mut tx, name).await? {
        DraftOrInvoice::Draft(key) => *key,
        DraftOrInvoice::Booked(booked) => return Ok(Booking::Earlier(booked)),
    };
    // Locked before its state is read: somebody may be changing or dropping it.
    payer::lock(&mut tx, &[key.payer]).await?;
    let (state, reason) = draft::state(&mut tx, key.id).await?.unwrap_or((DraftState::Cancelled, None));
    if state != DraftState::Open {
        return Err(not_bookable(Code::NotOpen, name, &key, reason).into());
    }
    let run = (key.run != draft::NO_RUN).then_some(key.run);
    let catalogue = store::catalogue::load(&mut tx).await?.context("the book is empty")?;
    let drafts = draft::by_ids(&mut tx, &[key.id]).await?;
    if drafts.iter().any(|draft| draft.lines.is_empty()) {
        let message = format!("draft {name} has no lines yet");
        return Err(Refusal::new(Code::Empty, message).hint("add lines to it, or drop it").into());
    }
    let invoices = book_drafts(&mut tx, run, act.on, &catalogue, drafts).await?;
    let Some(invoice) = invoices.first() else {
        let reason = draft::state(&mut tx, key.id).await?.and_then(|(_, reason)| reason);
        return Err(not_bookable(Code::SetAside, name, &key, reason).into());
    };
    note(ctx, &mut tx, &invoice.number, Action::BookInvoice, act).await?;
    payment::owe_first_charge(&mut tx, key.id, act.on).await?;
    let booked = invoice::by_id(&mut tx, key.id).await?.context("the invoice was just booked")?;
    plan::plan_invoices(ctx, &mut tx, &catalogue, std::slice::from_ref(&booked), None).await?;
    tx.commit().await?;
    Ok(Booking::Now(key.id))
}

fn booked_already(name: &str, number: &str) -> Refusal {
    Refusal::new(Code::Booked, format!("{name} is booked as {number}")).ask(Verb::ShowInvoice.on(number))
}

fn not_bookable(code: Code, name: &str, key: &DraftKey, reason: Option<String>) -> Refusal {
    let reason = reason.unwrap_or_else(|| "it was dropped".to_owned());
    let refusal = Refusal::new(code, format!("draft {name} cannot be booked: {reason}"));
    match (code, key.run == draft::NO_RUN) {
        (Code::SetAside, true) => refusal
            .hint("drop it with ")
            .ask(Verb::CancelDraft.on(name))
            .hint(" and write it again with ")
            .ask(Verb::CreateInvoice.on("FILE")),
        (Code::SetAside, false) => refusal
            .hint("drop it with ")
            .ask(Verb::CancelDraft.on(name).switch("release"))
            .hint(" and let the next run bill the payer again"),
        _ => refusal
            .hint("bill the payer again: ")
            .ask(Verb::ListRuns.plain())
            .hint(" shows the run, ")
            .ask(Verb::RerunRun.on("R").switch("failed"))
            .hint(" repeats it"),
    }
}
