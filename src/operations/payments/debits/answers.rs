//! What a bank says of debits: money that came settles invoices, what was not carried out is a decline, and what went back opens
//! its invoice again, months later too (rules Y8). In the transaction of the import.
//!
//! Keys that make a repeat quiet: an attempt is answered once; a debit goes back once; the id of a bank's entry.

use crate::act::Actor;
use crate::context::Context;
use crate::delivery::plan;
use crate::payments::account::{account, policy_of};
use crate::payments::settle;
use crate::payments::tried::decimal;
use crate::refusal::Stop;
use anyhow::{Context as _, ensure};
use banking::BankFile;
use chrono::NaiveDate;
use domain::Uuid;
use domain::audit::{Action, Object};
use domain::bank::Received;
use domain::direct_debit::{DebitMark, FilePart, GivenBack, NO_CODE, health_key, words_of};
use domain::ids::{AttemptId, CustomerId, InvoiceId};
use domain::invoice::verbs::{self, Books, Effects, Returned};
use domain::money::{Currency, Money};
use domain::payment::{Attempt, AttemptState};
use domain::refusal::{Code, Refusal};
use serde::Serialize;
use std::collections::BTreeSet;
use store::bank::{self, EntryState, Unplaced};
use store::debit::{self, DebitRow, ReturnRow};
use store::invoice::{self, Booked};
use store::{Tx, payment};

/// A debit that was not carried out, or came back. The fields are a contract.
#[derive(Debug, Clone, Serialize)]
pub struct ReturnedView {
    pub invoice: String,
    #[serde(serialize_with = "decimal")]
    pub amount: Money,
    pub currency: Currency,
    /// What the bank keeps for it.
    #[serde(serialize_with = "decimal")]
    pub fee: Money,
    pub code: String,
    pub on: NaiveDate,
    /// `declined`: no money had come. `returned`: it went back.
    pub became: &'static str,
    #[serde(skip)]
    pub words: &'static str,
}

/// Who reads which file, and the books that it is read into.
pub(crate) struct Reading<'a> {
    pub ctx: &'a Context,
    pub actor: &'a Actor,
    pub books: Books<'a>,
    /// Of the bytes.
    pub hash: &'a str,
}

/// The debits that a statement is about, held until the transaction ends.
pub(crate) struct OfStatement<'a> {
    /// Entries that are for debits, and whether they name one alone.
    credits: Vec<(&'a Received, Vec<DebitRow>, bool)>,
    /// What went back; none where the debit is nobody's here.
    back: Vec<(&'a GivenBack, Option<DebitRow>)>,
}

/// What came of the entries that are for debits.
#[derive(Debug, Default)]
pub(crate) struct CarriedOut {
    /// Ids of entries that have settled debits.
    pub placed: BTreeSet<Uuid>,
    /// Ids of entries that tell again of money that came.
    pub known: BTreeSet<Uuid>,
    /// Ids of entries that come to another sum than their debits, or are for debits that wait for no money.
    pub differ: BTreeSet<Uuid>,
}

impl CarriedOut {
    /// Whether an entry is for debits, and nothing else need be done about it.
    pub fn is_done(&self, id: &Uuid) -> bool {
        self.placed.contains(id) || self.known.contains(id)
    }

    /// Whether an entry is for debits.
    pub fn has(&self, id: &Uuid) -> bool {
        self.is_done(id) || self.differ.contains(id)
    }
}

/// What came of the entries by which money went back.
#[derive(Debug, Default)]
pub(crate) struct WentBack {
    pub views: Vec<ReturnedView>,
    /// Told before.
    pub known: usize,
    /// Of debits that are nobody's here.
    pub foreign: usize,
}

impl Reading<'_> {
    /// Debits whose money has come, by entries of a file that is of this number.
    pub async fn carried_out(
        &self,
        tx: &mut Tx,
        file: i64,
        of: &OfStatement<'_>,
    ) -> anyhow::Result<CarriedOut> {
        let mut done = CarriedOut::default();
        for (entry, debits, is_one) in &of.credits {
            let attempts = attempts(tx, debits).await?;
            let pending: Vec<Attempt> =
                attempts.iter().filter(|attempt| attempt.state == AttemptState::Pending).cloned().collect();
            let owed: i64 = pending.iter().map(|attempt| attempt.amount_minor).sum();
            // Of one debit the bank may have kept its fee.
            let fee_minor = if *is_one { owed - entry.amount_minor } else { 0 };
            let is_whole =
                entry.currency == Currency::EUR && fee_minor >= 0 && owed - fee_minor == entry.amount_minor;
            if pending.is_empty() && is_told_again(tx, entry, &attempts).await? {
                done.known.insert(entry.id);
            } else if !pending.is_empty() && is_whole {
                bank::save(tx, file, &[*entry]).await?;
                for attempt in pending {
                    self.paid(tx, entry, Attempt { fee_minor, ..attempt }).await?;
                }
                let left = Unplaced { minor: 0, state: EntryState::Placed, why: None, proposed: None };
                bank::save_left(tx, entry.id, left).await?;
                done.placed.insert(entry.id);
            } else {
                done.differ.insert(entry.id);
            }
        }
        Ok(done)
    }

    async fn paid(&self, tx: &mut Tx, entry: &Received, attempt: Attempt) -> anyhow::Result<()> {
        let reference = entry.bank_reference.clone().unwrap_or_else(|| entry.id.to_string());
        let booked = self.booked(tx, attempt.invoice).await?;
        settle::debit(tx, &booked, attempt.clone(), (reference, entry.booked_on), self.books).await?;
        let amount_minor = attempt.amount_minor - attempt.fee_minor;
        let (at, who) = ((self.ctx.now)(), self.actor.to_string());
        if amount_minor > 0 {
            bank::place(tx, (entry.id, attempt.invoice), amount_minor, (at, &who)).await?;
        }
        let amount = Money::new(attempt.amount_minor, attempt.currency).decimal().to_string();
        let detail = serde_json::json!({"amount": amount, "entry": entry.id, "on": entry.booked_on, "debit": attempt.id});
        let number = &booked.invoice.number;
        self.ctx.note(tx, self.actor, Action::AllocatePayment, Object::Invoice(number), detail).await
    }

    /// Debits whose money went back.
    pub async fn given_back(&self, tx: &mut Tx, name: &str, of: &OfStatement<'_>) -> Result<WentBack, Stop> {
        let mut back = WentBack::default();
        for (told, debit) in &of.back {
            let Some(debit) = debit else {
                back.foreign += 1;
                continue;
            };
            if told.currency != Currency::EUR || told.amount_minor < debit.amount_minor {
                let (came, owed) = (
                    Money::new(told.amount_minor, told.currency),
                    Money::new(debit.amount_minor, Currency::EUR),
                );
                let message = format!(
                    "{name}: of the debit {}, {owed}, only {came} is said to have gone back",
                    told.end_to_end
                );
                return Err(Refusal::new(Code::FileDamaged, message)
                    .hint("ask the bank: nothing of the file was taken")
                    .into());
            }
            let code = told.code.as_deref().unwrap_or(NO_CODE);
            let fee_minor = told.amount_minor - debit.amount_minor;
            let returned = Returned { code, fee_minor, on: told.on };
            let attempt = attempt(tx, debit).await?;
            match self.came_back(tx, debit, attempt, returned).await? {
                Some(view) => back.views.push(view),
                None => back.known += 1,
            }
        }
        Ok(back)
    }

    /// What the bank has not carried out of our file, and how much of it was known.
    ///
    /// # Errors
    /// If the file is not ours.
    pub async fn not_carried_out(
        &self,
        tx: &mut Tx,
        name: &str,
        file: &BankFile,
    ) -> Result<(Vec<ReturnedView>, usize), Stop> {
        let (mut views, mut known) = (Vec::new(), 0);
        let message = file.message.as_deref().unwrap_or_default();
        let own: BTreeSet<AttemptId> =
            debit::of_message(tx, message).await?.into_iter().map(|debit| debit.attempt).collect();
        if own.is_empty() {
            let text = format!("{name} is about the file {message}, which was not made here");
            return Err(Refusal::new(Code::UnknownFile, text).hint("is it of another home?").into());
        }
        let mut all = Vec::with_capacity(file.not_carried_out.len());
        for told in &file.not_carried_out {
            let debits = match &told.what {
                FilePart::File(message) => debit::of_message(tx, message).await?,
                FilePart::Batch(batch) => debit::of_batch(tx, batch).await?,
                FilePart::Debit(end_to_end) => by_name(tx, end_to_end).await?,
            };
            if debits.is_empty() || debits.iter().any(|debit| !own.contains(&debit.attempt)) {
                let text = format!("{name} names what is not in the file {message}: {:?}", told.what);
                return Err(Refusal::new(Code::FileDamaged, text)
                    .hint("ask the bank: nothing of the file was taken")
                    .into());
            }
            all.push((told, debits));
        }
        hold(tx, all.iter().flat_map(|(_, debits)| debits)).await?;
        for (told, debits) in &all {
            let code = told.code.as_deref().unwrap_or(NO_CODE);
            for debit in debits {
                let returned = Returned { code, fee_minor: 0, on: told.on };
                let attempt = attempt(tx, debit).await?;
                let is_pending = attempt.state == AttemptState::Pending;
                match if is_pending { self.came_back(tx, debit, attempt, returned).await? } else { None } {
                    Some(view) => views.push(view),
                    None => known += 1,
                }
            }
        }
        Ok((views, known))
    }

    /// None if that was told before.
    async fn came_back(
        &self,
        tx: &mut Tx,
        debit: &DebitRow,
        attempt: Attempt,
        returned: Returned<'_>,
    ) -> anyhow::Result<Option<ReturnedView>> {
        let Returned { code, fee_minor, on } = returned;
        let row = ReturnRow { attempt: attempt.id, told_in: self.hash, code, on, fee_minor };
        let is_open = matches!(attempt.state, AttemptState::Pending | AttemptState::Paid);
        if !is_open || !debit::note_return(tx, &row).await? {
            return Ok(None);
        }
        let booked = self.booked(tx, attempt.invoice).await?;
        let attempts = payment::of_invoices(tx, &[attempt.invoice]).await?;
        let policy = policy_of(self.books.catalogue, &booked);
        let account = account(&booked, &attempts, None, &policy);
        let became = if attempt.state == AttemptState::Pending { "declined" } else { "returned" };
        let effects = match attempt.state {
            AttemptState::Pending => verbs::rejected(&account, attempt.clone(), returned, self.books)?,
            _ => verbs::given_back(&account, &attempt, returned, self.books)?,
        };
        let ordinal = effects.attempt.as_ref().map_or(attempt.ordinal, |attempt| attempt.ordinal);
        if effects.declined_for_good {
            let key = health_key(&attempt.method, &debit.mandate, &debit.debtor_iban);
            payment::mark_unhealthy(tx, attempt.customer, &key, on, code).await?;
        }
        self.keep(tx, &booked, effects).await?;
        let booked = self.booked(tx, attempt.invoice).await?;
        if booked.settlement.open_minor(booked.invoice.draft.gross_minor()) > 0 {
            plan::plan_declined(self.ctx, tx, self.books.catalogue, &booked, ordinal).await?;
        }
        let money = |minor| Money::new(minor, attempt.currency);
        let number = booked.invoice.number;
        let detail = serde_json::json!({"amount": money(attempt.amount_minor).decimal().to_string(), "code": code,
            "fee": money(fee_minor).decimal().to_string(), "on": on, "debit": attempt.id, "became": became});
        self.ctx.note(tx, self.actor, Action::ReturnDebit, Object::Invoice(&number), detail).await?;
        Ok(Some(ReturnedView {
            invoice: number,
            amount: money(attempt.amount_minor),
            currency: attempt.currency,
            fee: money(fee_minor),
            code: code.to_owned(),
            on,
            became,
            words: words_of(code),
        }))
    }

    /// An answer to an attempt that waits, or money that goes back as an attempt of its own.
    async fn keep(&self, tx: &mut Tx, booked: &Booked, effects: Effects) -> anyhow::Result<()> {
        let attempt = effects.attempt.clone().context("a debit without its attempt")?;
        if effects.parts.is_empty() {
            ensure!(payment::answer(tx, &attempt).await?, "debit {} was answered a moment ago", attempt.id);
            store::ledger::save_entries(tx, None, &effects.entries).await?;
            let after = effects.settlement.context("a declined debit without the marks after it")?;
            return invoice::save_settlements(tx, &[(booked.invoice.draft.id, after)]).await;
        }
        let begun = payment::begin(tx, std::slice::from_ref(&attempt)).await?;
        ensure!(begun == 1, "attempt {} of {} is taken", attempt.ordinal, booked.invoice.number);
        settle::keep_money(tx, booked, effects, None).await.map(drop)
    }

    async fn booked(&self, tx: &mut Tx, id: InvoiceId) -> anyhow::Result<Booked> {
        invoice::by_id(tx, id).await?.context("a debited invoice is gone")
    }
}

impl<'a> OfStatement<'a> {
    /// Finds what these entries, and what went back, are about.
    pub async fn hold(tx: &mut Tx, entries: &[&'a Received], file: &'a BankFile) -> anyhow::Result<Self> {
        let (mut credits, mut back) = (Vec::new(), Vec::with_capacity(file.given_back.len()));
        for entry in entries {
            let Some(mark) = file.marks.get(&entry.id) else { continue };
            let (debits, is_one) = marked(tx, mark).await?;
            if !debits.is_empty() {
                credits.push((*entry, debits, is_one));
            }
        }
        for told in &file.given_back {
            back.push((told, by_name(tx, &told.end_to_end).await?.pop()));
        }
        let credited = credits.iter().flat_map(|(_, debits, _)| debits);
        hold(tx, credited.chain(back.iter().filter_map(|(_, debit)| debit.as_ref()))).await?;
        Ok(Self { credits, back })
    }
}

/// Nobody else can answer these debits until the transaction ends. All that a file is about is held at once: of two files one
/// waits for the other.
async fn hold(tx: &mut Tx, debits: impl Iterator<Item = &DebitRow>) -> anyhow::Result<()> {
    let ids: BTreeSet<Uuid> = debits.map(|debit| debit.attempt.0).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let first = payment::by_ids(tx, &ids.into_iter().collect::<Vec<_>>()).await?;
    let payers: BTreeSet<CustomerId> = first.iter().map(|attempt| attempt.customer).collect();
    invoice::lock_open(tx, &payers.into_iter().collect::<Vec<_>>()).await?;
    let invoices: Vec<InvoiceId> = first.iter().map(|attempt| attempt.invoice).collect();
    invoice::lock_settlements(tx, &invoices).await
}

/// The attempts of these debits as they stand, under [`hold`].
async fn attempts(tx: &mut Tx, debits: &[DebitRow]) -> anyhow::Result<Vec<Attempt>> {
    let ids: Vec<Uuid> = debits.iter().map(|debit| debit.attempt.0).collect();
    let mut attempts = payment::by_ids(tx, &ids).await?;
    attempts.sort_by_key(|attempt| attempt.id.0);
    Ok(attempts)
}

async fn attempt(tx: &mut Tx, debit: &DebitRow) -> anyhow::Result<Attempt> {
    payment::by_id(tx, debit.attempt).await?.context("the attempt of a debit is gone")
}

/// Whether an entry tells once more what has paid these debits: it comes to what came for them, with the bank's fees or without,
/// and none of them had gone back by then. Money for a debit that was declined, or was given back before, is other money.
async fn is_told_again(tx: &mut Tx, entry: &Received, attempts: &[Attempt]) -> anyhow::Result<bool> {
    let paid: Vec<&Attempt> = attempts.iter().filter(|attempt| attempt.state == AttemptState::Paid).collect();
    let gross: i64 = paid.iter().map(|attempt| attempt.amount_minor).sum();
    let net: i64 = gross - paid.iter().map(|attempt| attempt.fee_minor).sum::<i64>();
    let is_same = entry.currency == Currency::EUR && (net..=gross).contains(&entry.amount_minor);
    if paid.is_empty() || !is_same {
        return Ok(false);
    }
    let ids: Vec<Uuid> = paid.iter().map(|attempt| attempt.id.0).collect();
    Ok(debit::returned_on(tx, &ids).await?.into_iter().all(|returned| returned >= entry.booked_on))
}

/// The debits that a credit is for, and whether it names one alone.
async fn marked(tx: &mut Tx, mark: &DebitMark) -> anyhow::Result<(Vec<DebitRow>, bool)> {
    if let Some(end_to_end) = &mark.end_to_end {
        let one = by_name(tx, end_to_end).await?;
        if !one.is_empty() {
            return Ok((one, true));
        }
    }
    let Some(name) = &mark.batch else { return Ok((Vec::new(), false)) };
    let of_batch = debit::of_batch(tx, name).await?;
    if !of_batch.is_empty() {
        return Ok((of_batch, false));
    }
    Ok((debit::of_message(tx, name).await?, false))
}

async fn by_name(tx: &mut Tx, end_to_end: &str) -> anyhow::Result<Vec<DebitRow>> {
    match Uuid::parse_str(end_to_end) {
        Ok(attempt) => debit::of_attempts(tx, &[attempt]).await,
        Err(_) => Ok(Vec::new()),
    }
}
