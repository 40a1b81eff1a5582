//! `export_debits`: the next file for the bank. Attempts, debits and the record of the file are committed before a byte of it is
//! written, so that nobody is debited twice whenever the process dies; what was not written down is written by the next call, with
//! the same bytes.
//!
//! Keys that make a repeat quiet: the invoice that waits, which is in one file; the number of the file, from which its name
//! follows.

use crate::act::Act;
use crate::context::Context;
use crate::files::{hash, put};
use crate::payments::account::{account, policy_of};
use crate::payments::tried::decimal;
use crate::refusal::Stop;
use anyhow::{Context as _, ensure};
use banking::pain008::{self, Creditor, DebitFile, Version};
use chrono::{Days, NaiveDate, SubsecRound};
use domain::audit::{Action, Object};
use domain::catalogue::{Catalogue, Tenant};
use domain::customer::Customer;
use domain::direct_debit::{AHEAD_DAYS, Mandate, Sequence, next_target_day, no_creditor};
use domain::ids::{CustomerId, InvoiceId};
use domain::invoice::Settlement;
use domain::invoice::verbs::{self, Debiting, FileEntry, PayerHistory};
use domain::money::{Currency, Money};
use domain::payment::Attempt;
use domain::refusal::{Code, Refusal};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use store::debit::{self, DebitFileRow, DebitRow};
use store::invoice::{self, Booked};
use store::{Tx, payment};

/// Most debits of a file; banks take no larger ones gladly.
const DEBITS_MAX: usize = 20_000;

/// What is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct DebitsAsked {
    /// What is fetched up to this day; none = within a week.
    pub until: Option<NaiveDate>,
    /// A file that was made before, once more.
    pub again: Option<i64>,
    pub version: Version,
}

/// What was made. The fields are a contract.
#[derive(Debug, Serialize)]
pub struct Exported {
    pub files: Vec<DebitFileView>,
    /// Invoices that wait for a later file.
    pub waiting: usize,
    /// Invoice and reason of what cannot be fetched.
    pub aside: Vec<String>,
}

/// A file for the bank.
#[derive(Debug, Serialize)]
pub struct DebitFileView {
    pub file: i64,
    pub message: String,
    pub path: PathBuf,
    pub debits: i64,
    #[serde(serialize_with = "decimal")]
    pub sum: Money,
    pub currency: Currency,
    pub sha256: String,
    /// It was made before: the bank may have it.
    pub again: bool,
    pub batches: Vec<BatchView>,
}

/// What the bank books as one sum.
#[derive(Debug, Serialize)]
pub struct BatchView {
    pub batch: String,
    #[serde(rename = "collecton")]
    pub collect_on: NaiveDate,
    pub scheme: &'static str,
    pub sequence: &'static str,
    pub debits: usize,
    #[serde(serialize_with = "decimal")]
    pub sum: Money,
}

/// Writes what an earlier call could not, then makes the next file of what is due; or a named one again.
pub async fn export(ctx: &Context, act: &Act, asked: &DebitsAsked) -> Result<Exported, Stop> {
    act.insist_near(ctx).await?;
    if let Some(number) = asked.again {
        let mut tx = ctx.store.read().await?;
        let file = debit::file(&mut tx, number).await?.ok_or_else(|| {
            let message = format!("there is no file {number} for the bank");
            Refusal::new(Code::UnknownFile, message)
                .hint("files are numbered from 1, as `payments export` says")
        })?;
        drop(tx);
        let files = vec![write(ctx, &file, true).await?];
        return Ok(Exported { files, waiting: 0, aside: Vec::new() });
    }
    let mut exported = Exported { files: Vec::new(), waiting: 0, aside: Vec::new() };
    let mut tx = ctx.store.read().await?;
    let unwritten = debit::unwritten(&mut tx).await?;
    drop(tx);
    for file in unwritten {
        exported.files.push(write(ctx, &file, true).await?);
    }
    while let Some(file) = make(ctx, act, asked, &mut exported).await? {
        exported.files.push(write(ctx, &file, false).await?);
    }
    Ok(exported)
}

/// An invoice whose money is to be fetched.
struct Due {
    booked: Booked,
    attempt: Attempt,
    mandate: Mandate,
    sequence: Sequence,
    after: Settlement,
}

/// Commits the record of the next file; none if nothing is due.
async fn make(
    ctx: &Context,
    act: &Act,
    asked: &DebitsAsked,
    exported: &mut Exported,
) -> Result<Option<DebitFileRow>, Stop> {
    let mut tx = ctx.store.begin().await?;
    let catalogue = crate::context::catalogue(&mut tx).await?;
    let tenant = &catalogue.tenant;
    let Some(creditor) = creditor(tenant) else {
        return match debit::asked(&mut tx).await?.is_empty() {
            true => Ok(None),
            false => Err(no_creditor().into()),
        };
    };
    let waiting = debit::asked(&mut tx).await?;
    invoice::lock_settlements(&mut tx, &waiting).await?;
    // Somebody else may have made a file while we waited.
    let still: BTreeSet<InvoiceId> = debit::asked(&mut tx).await?.into_iter().collect();
    let waiting: Vec<InvoiceId> = waiting.into_iter().filter(|id| still.contains(id)).collect();
    let Sorted { due, done, mut marks, aside, later } =
        sort(&mut tx, &catalogue, &waiting, (act.on, asked.until)).await?;
    exported.waiting = later;
    exported.aside.extend(aside);
    let made =
        if due.is_empty() { None } else { Some(record(ctx, &mut tx, act, asked, &creditor, &due).await?) };
    marks.extend(due.into_iter().map(|due| (due.booked.invoice.draft.id, due.after)));
    invoice::save_settlements(&mut tx, &marks).await?;
    debit::settle_asked(&mut tx, &done).await?;
    tx.commit().await?;
    Ok(made)
}

fn creditor(tenant: &Tenant) -> Option<Creditor<'_>> {
    let (iban, id) = (tenant.iban.as_deref()?, tenant.creditor_id.as_deref()?);
    Some(Creditor { name: &tenant.fullname, iban, bic: tenant.bic.as_deref(), id })
}

/// What waits, by what becomes of it.
#[derive(Default)]
struct Sorted {
    due: Vec<Due>,
    /// They wait no more.
    done: Vec<InvoiceId>,
    /// Of those that cannot be fetched.
    marks: Vec<(InvoiceId, Settlement)>,
    aside: Vec<String>,
    later: usize,
}

async fn sort(
    tx: &mut Tx,
    catalogue: &Catalogue,
    waiting: &[InvoiceId],
    (today, until): (NaiveDate, Option<NaiveDate>),
) -> anyhow::Result<Sorted> {
    let until = until.or_else(|| today.checked_add_days(Days::new(AHEAD_DAYS))).unwrap_or(today);
    // The bank needs a day of its own before it fetches.
    let soonest = next_target_day(today);
    let all = invoice::by_ids(tx, waiting).await?;
    let payers: BTreeSet<CustomerId> = all.iter().map(|booked| booked.invoice.draft.payer).collect();
    let payers: Vec<CustomerId> = payers.into_iter().collect();
    let customers: BTreeMap<CustomerId, Customer> = store::book::customers(tx, &payers).await?;
    let attempts = payment::of_invoices(tx, waiting).await?;
    let known = PayerHistory {
        unhealthy: payment::unhealthy(tx, &payers).await?.into_iter().collect(),
        ..PayerHistory::default()
    };
    let methods = customers.values().flat_map(|customer| &customer.payment_methods);
    let mandates: BTreeSet<String> = methods.filter_map(|m| Some(m.mandate.as_ref()?.id.clone())).collect();
    let mut used = debit::last_used(tx, mandates).await?;
    let mut sorted = Sorted::default();
    for booked in all {
        let (id, number) = (booked.invoice.draft.id, booked.invoice.number.clone());
        let planned = catalogue.tenant.debited_on(booked.invoice.payable_by, booked.invoice.booked_on);
        let collect_on = planned.max(soonest);
        if collect_on > until || sorted.due.len() >= DEBITS_MAX {
            sorted.later += 1;
            continue;
        }
        let policy = policy_of(catalogue, &booked);
        let account = account(&booked, &attempts, customers.get(&booked.invoice.draft.payer), &policy);
        let decided = verbs::debit(&account, &known, &used, collect_on, today);
        sorted.done.push(id);
        match decided {
            Debiting::Nothing => {}
            Debiting::Unusable(why, after) => {
                sorted.aside.push(format!("{number}: {why}"));
                sorted.marks.push((id, after));
            }
            Debiting::Take(taken) => {
                let FileEntry { attempt, method, settlement: after } = *taken;
                let mandate = method.mandate.context("a debit without a mandate")?;
                let sequence = mandate.sequence(used.get(&mandate.id).copied());
                used.entry(mandate.id.clone())
                    .and_modify(|day| *day = (*day).max(collect_on))
                    .or_insert(collect_on);
                sorted.due.push(Due { booked, attempt, mandate, sequence, after });
            }
        }
    }
    Ok(sorted)
}

/// Keeps attempts, file and debits.
async fn record(
    ctx: &Context,
    tx: &mut Tx,
    act: &Act,
    asked: &DebitsAsked,
    creditor: &Creditor<'_>,
    due: &[Due],
) -> anyhow::Result<DebitFileRow> {
    let attempts: Vec<Attempt> = due.iter().map(|due| due.attempt.clone()).collect();
    let begun = payment::begin(tx, &attempts).await?;
    ensure!(begun == u64::try_from(due.len())?, "an attempt of these debits is taken");
    let number = debit::next_file(tx).await?;
    let first = due.first().context("a file without debits")?.attempt.id.0.simple().to_string();
    let message = format!("TB{number:06}-{}", first.get(..12).unwrap_or_default());
    let debits = rows(number, &message, due);
    let mut file = DebitFileRow {
        number,
        message,
        version: asked.version.name().to_owned(),
        created_at: (ctx.now)().trunc_subsecs(0),
        as_of: act.on,
        actor: act.actor.to_string(),
        creditor_name: creditor.name.to_owned(),
        creditor_iban: creditor.iban.to_owned(),
        creditor_bic: creditor.bic.map(str::to_owned),
        creditor_id: creditor.id.to_owned(),
        debits: i64::try_from(debits.len())?,
        sum_minor: debits.iter().map(|debit| debit.amount_minor).sum(),
        sha256: String::new(),
    };
    file.sha256 = hash::sha256_hex(&bytes(&file, &debits)?);
    debit::save_file(tx, &file, &debits).await?;
    let sum = Money::new(file.sum_minor, Currency::EUR).decimal().to_string();
    let detail = serde_json::json!({"message": file.message, "debits": file.debits, "sum": sum, "sha256": file.sha256});
    ctx.note(tx, &act.actor, Action::ExportDebits, Object::DebitFile(number), detail).await?;
    Ok(file)
}

/// The debits by batch: day, scheme, and which debit of its mandate each is.
fn rows(number: i64, message: &str, due: &[Due]) -> Vec<DebitRow> {
    let mut rows: Vec<DebitRow> = due
        .iter()
        .map(|due| DebitRow {
            attempt: due.attempt.id,
            file: number,
            batch: 0,
            batch_name: String::new(),
            place: 0,
            collect_on: due.attempt.on,
            scheme: due.mandate.scheme,
            sequence: due.sequence,
            mandate: due.mandate.id.clone(),
            signed_on: due.mandate.signed_on,
            debtor_name: due.booked.invoice.draft.buyer.name.clone(),
            debtor_iban: due.mandate.iban.clone(),
            debtor_bic: due.mandate.bic.clone(),
            words: due.booked.invoice.number.clone(),
            amount_minor: due.attempt.amount_minor,
        })
        .collect();
    rows.sort_by(|a, b| {
        (a.collect_on, a.scheme, a.sequence, &a.words).cmp(&(b.collect_on, b.scheme, b.sequence, &b.words))
    });
    let (mut batch, mut before) = (0, None);
    for (place, row) in (1..).zip(&mut rows) {
        let key = (row.collect_on, row.scheme, row.sequence);
        if before != Some(key) {
            batch += 1;
            before = Some(key);
        }
        (row.batch, row.place, row.batch_name) = (batch, place, format!("{message}-{batch}"));
    }
    rows
}

fn bytes(file: &DebitFileRow, debits: &[DebitRow]) -> anyhow::Result<Vec<u8>> {
    let names: Vec<String> = debits.iter().map(|debit| debit.attempt.0.simple().to_string()).collect();
    let creditor = Creditor {
        name: &file.creditor_name,
        iban: &file.creditor_iban,
        bic: file.creditor_bic.as_deref(),
        id: &file.creditor_id,
    };
    let version = Version::parse(&file.version);
    Ok(pain008::write(&DebitFile {
        version: version.with_context(|| format!("debit_file.version holds `{}`", file.version))?,
        message: &file.message,
        created_at: file.created_at,
        creditor,
        debits: debits
            .iter()
            .zip(&names)
            .map(|(debit, end_to_end)| pain008::Debit {
                batch: &debit.batch_name,
                collect_on: debit.collect_on,
                scheme: debit.scheme,
                sequence: debit.sequence,
                end_to_end,
                amount_minor: debit.amount_minor,
                mandate: &debit.mandate,
                signed_on: debit.signed_on,
                name: &debit.debtor_name,
                iban: &debit.debtor_iban,
                bic: debit.debtor_bic.as_deref(),
                words: &debit.words,
            })
            .collect(),
    }))
}

/// Writes the bytes of a file into the exports folder, and marks it.
async fn write(ctx: &Context, file: &DebitFileRow, again: bool) -> Result<DebitFileView, Stop> {
    let mut tx = ctx.store.read().await?;
    let debits = debit::of_file(&mut tx, file.number).await?;
    drop(tx);
    let content = bytes(file, &debits)?;
    if hash::sha256_hex(&content) != file.sha256 {
        let message =
            format!("file {} cannot be made again as it was: a payer in it was erased since", file.number);
        return Err(Refusal::new(Code::FileChanged, message)
            .hint("what was written then is in the exports folder")
            .into());
    }
    let name = format!("debits-{:06}.xml", file.number);
    put::put(&ctx.doors, &ctx.folders.exports, &name, &content).await?;
    ctx.files.publish(ctx.doors, [format!("exports/{name}")]).await?;
    let mut tx = ctx.store.begin().await?;
    debit::mark_written(&mut tx, file.number).await?;
    tx.commit().await?;
    let money = |minor| Money::new(minor, Currency::EUR);
    let batches = debits.chunk_by(|a, b| a.batch == b.batch).filter_map(|batch| {
        let first = batch.first()?;
        Some(BatchView {
            batch: first.batch_name.clone(),
            collect_on: first.collect_on,
            scheme: first.scheme.name(),
            sequence: first.sequence.code(),
            debits: batch.len(),
            sum: money(batch.iter().map(|debit| debit.amount_minor).sum()),
        })
    });
    Ok(DebitFileView {
        file: file.number,
        message: file.message.clone(),
        path: ctx.folders.exports.join(&name),
        debits: file.debits,
        sum: money(file.sum_minor),
        currency: Currency::EUR,
        sha256: file.sha256.clone(),
        again,
        batches: batches.collect(),
    })
}
