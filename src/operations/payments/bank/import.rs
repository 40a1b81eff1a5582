//! Bank files that somebody hands in, each by itself: a file that cannot be read is named, and nothing of it is taken. What is
//! new is placed or left to a person, in one transaction per file.
//!
//! Keys that make a repeat quiet: the hash of the bytes; the id of an entry, which follows from what the bank says of it.

use super::ReceivedView;
use super::put::{Placement, put};
use crate::act::Actor;
use crate::context::Context;
use crate::files::hash::sha256_hex;
use crate::payments::debits::answers::{CarriedOut, OfStatement, Reading, ReturnedView};
use crate::payments::events::{self, EventView};
use crate::refusal::Stop;
use anyhow::Context as _;
use banking::{BankFile, BankFileError, Format};
use domain::Uuid;
use domain::audit::{Action, Object};
use domain::bank::{
    Candidate, Candidates, Placing, Received, WhyNot, place, possible_numbers, possible_references,
};
use domain::catalogue::Catalogue;
use domain::ids::{CustomerId, InvoiceId};
use domain::invoice::verbs::Books;
use domain::refusal::{Code, Refusal, WayOut};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use store::bank::{self, BankFileRow, EntryFilter, EntryState, Unplaced};
use store::{Tx, debit, invoice};

/// What came of one file; each face words a refusal. The fields are a contract.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum FileView<R = Refusal> {
    Read(Imported),
    /// An event of a provider, as its webhook sends it.
    Event {
        file: String,
        event: EventView,
    },
    Refused {
        file: String,
        refused: R,
    },
}

/// What came of a file that was read.
#[derive(Debug, Clone, Serialize)]
pub struct Imported {
    pub file: String,
    /// Number of the file; none if its bytes were read before.
    pub import: Option<i64>,
    pub format: &'static str,
    /// Money that came: known + placed + likely + open.
    pub read: usize,
    /// Read before, in this file or another.
    pub known: usize,
    pub placed: usize,
    pub likely: usize,
    pub open: usize,
    /// Money that went out, what is not booked yet, and sums whose payments another file names.
    pub outgoing: usize,
    pub pending: usize,
    pub batches: usize,
    /// Direct debits that were not carried out, or whose money went back.
    pub returned: Vec<ReturnedView>,
    /// What is new.
    pub payments: Vec<ReceivedView>,
}

impl<R> FileView<R> {
    /// Its counts, unless it was refused.
    pub fn imported(&self) -> Option<&Imported> {
        match self {
            Self::Read(file) => Some(file),
            Self::Event { .. } | Self::Refused { .. } => None,
        }
    }

    /// With the refusal in a face's words.
    pub fn worded<S>(self, words: impl FnOnce(R) -> S) -> FileView<S> {
        match self {
            Self::Read(file) => FileView::Read(file),
            Self::Event { file, event } => FileView::Event { file, event },
            Self::Refused { file, refused } => FileView::Refused { file, refused: words(refused) },
        }
    }
}

/// Imports bank files, one after the other.
///
/// # Errors
/// A fault of ours; a file that cannot be read is an answer.
pub async fn import(ctx: &Context, actor: &Actor, paths: &[PathBuf]) -> Result<Vec<FileView>, Stop> {
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let file = path.display().to_string();
        let name = path.file_name().map_or_else(|| file.clone(), |name| name.to_string_lossy().into_owned());
        let done = match read_file(path) {
            Ok(bytes) => match event_of(&bytes) {
                Some((header, body)) => events::take(ctx, STRIPE, &header, body)
                    .await
                    .map(|event| FileView::Event { file: file.clone(), event }),
                None => one(ctx, actor, &name, &bytes)
                    .await
                    .map(|imported| FileView::Read(Imported { file: file.clone(), ..imported })),
            },
            Err(refusal) => Err(refusal.into()),
        };
        files.push(match done {
            Ok(done) => done,
            Err(Stop::Refused(refused)) if refused.code != Code::EmptyBook => {
                FileView::Refused { file, refused }
            }
            Err(stop) => return Err(stop),
        });
    }
    Ok(files)
}

/// The provider whose events are files too.
const STRIPE: &str = "stripe";

/// An event as it was received: the line `Stripe-Signature: …`, an empty line, and the body as it came.
fn event_of(bytes: &[u8]) -> Option<(String, &[u8])> {
    const NAME: &[u8] = b"stripe-signature:";
    let (head, body) = bytes.split_at_checked(bytes.iter().position(|b| *b == b'\n')? + 1)?;
    let is_event = head.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME));
    let body = body.strip_prefix(b"\r\n").or_else(|| body.strip_prefix(b"\n"))?;
    is_event.then(|| (String::from_utf8_lossy(&head[NAME.len()..]).trim().to_owned(), body))
}

fn read_file(path: &Path) -> Result<Vec<u8>, Refusal> {
    let shown = path.display();
    let unreadable = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => Refusal::new(Code::FileMissing, format!("there is no file {shown}")),
        std::io::ErrorKind::IsADirectory => {
            Refusal::new(Code::FileIsFolder, format!("{shown} is a folder")).hint("name its files")
        }
        _ => Refusal::new(Code::FileUnreadable, format!("cannot read {shown}: {e}")),
    };
    let most = u64::try_from(banking::BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    std::fs::File::open(path).and_then(|f| f.take(most).read_to_end(&mut bytes)).map_err(unreadable)?;
    Ok(bytes)
}

/// One file, by the name that people know it by.
///
/// # Errors
/// If it cannot be read; a fault of ours.
pub async fn one(ctx: &Context, actor: &Actor, name: &str, bytes: &[u8]) -> Result<Imported, Stop> {
    let file = banking::read(bytes, &ctx.settings.bank).map_err(|e| refusal(name, &e))?;
    let hash = sha256_hex(bytes);
    if file.format == Format::Pain002 {
        return report(ctx, actor, name, (&file, &hash)).await;
    }
    let mut tx = ctx.store.begin().await?;
    let catalogue = crate::context::catalogue(&mut tx).await?;
    let who = actor.to_string();
    let (entries, format) = (file.received.len(), file.format.name());
    let row = BankFileRow { hash: &hash, name, format, entries, at: (ctx.now)(), actor: &who };
    let Some(number) = bank::begin_file(&mut tx, &row).await? else {
        return Ok(Imported { known: entries, ..told(&file, None) });
    };
    let books = Books { catalogue: &catalogue, calendar: store::ledger::calendar(&mut tx).await? };
    let reading = Reading { ctx, actor, books, hash: &hash };
    let all: Vec<&Received> = file.received.iter().chain(&file.sums).collect();
    let ids: Vec<_> = all.iter().map(|entry| entry.id).collect();
    let known = bank::known(&mut tx, &ids).await?;
    let fresh: Vec<&Received> = all.into_iter().filter(|entry| !known.contains(&entry.id)).collect();
    let of = OfStatement::hold(&mut tx, &fresh, &file).await?;
    let debits = reading.carried_out(&mut tx, number, &of).await?;
    let given_back = reading.given_back(&mut tx, name, &of).await?;
    // A sum whose payments are not named is read if its batch is ours.
    let is_ours = |sum: &&Received| debits.has(&sum.id) || known.contains(&sum.id);
    let sums: BTreeSet<Uuid> = file.sums.iter().filter(|sum| !is_ours(sum)).map(|sum| sum.id).collect();
    let is_new = |entry: &&Received| !debits.is_done(&entry.id) && !sums.contains(&entry.id);
    let new: Vec<&Received> = fresh.into_iter().filter(is_new).collect();
    let placed = Placed::of(&mut tx, &new).await?;
    let lefts = placed.place(ctx, &mut tx, (actor, number), &catalogue, (&new, &debits)).await?;
    let count = |state| lefts.iter().filter(|left| left.state == state).count();
    let summed = file.sums.len() - sums.len();
    let told = told(&file, Some(number));
    let imported = Imported {
        read: told.read + summed + file.given_back.len() - given_back.foreign,
        known: known.len() + debits.known.len() + given_back.known,
        placed: count(EntryState::Placed) + debits.placed.len(),
        likely: count(EntryState::Likely),
        open: count(EntryState::Open),
        outgoing: told.outgoing + given_back.foreign,
        batches: told.batches - summed,
        returned: given_back.views,
        ..told
    };
    let detail = serde_json::json!({"file": name, "hash": hash, "read": imported.read, "known": imported.known,
                                    "placed": imported.placed, "likely": imported.likely, "open": imported.open});
    ctx.note(&mut tx, actor, Action::ImportPayments, Object::BankFile(number), detail).await?;
    let rows = bank::entries(&mut tx, EntryFilter { file: Some(number), ..EntryFilter::default() }).await?;
    tx.commit().await?;
    Ok(Imported { payments: rows.into_iter().map(ReceivedView::from).collect(), ..imported })
}

/// What a bank says of our file of debits.
async fn report(
    ctx: &Context,
    actor: &Actor,
    name: &str,
    (file, hash): (&BankFile, &str),
) -> Result<Imported, Stop> {
    let mut tx = ctx.store.begin().await?;
    let catalogue = crate::context::catalogue(&mut tx).await?;
    let is_new = debit::note_report(&mut tx, (hash, name), ((ctx.now)(), &actor.to_string())).await?;
    let books = Books { catalogue: &catalogue, calendar: store::ledger::calendar(&mut tx).await? };
    let reading = Reading { ctx, actor, books, hash };
    let (returned, known) = reading.not_carried_out(&mut tx, name, file).await?;
    let imported = Imported { read: returned.len() + known, known, returned, ..told(file, None) };
    if is_new {
        let detail = serde_json::json!({"file": name, "hash": hash, "declined": imported.returned.len(), "known": known});
        let message = file.message.as_deref().unwrap_or_default();
        ctx.note(&mut tx, actor, Action::ImportPayments, Object::DebitReport(message), detail).await?;
    }
    tx.commit().await?;
    Ok(imported)
}

fn told(file: &BankFile, import: Option<i64>) -> Imported {
    Imported {
        file: String::new(),
        import,
        format: file.format.name(),
        read: file.received.len(),
        known: 0,
        placed: 0,
        likely: 0,
        open: 0,
        outgoing: file.passed_by.outgoing,
        pending: file.passed_by.pending,
        batches: file.passed_by.batches,
        returned: Vec::new(),
        payments: Vec::new(),
    }
}

fn refusal(name: &str, error: &BankFileError) -> Refusal {
    let (code, hint) = match error {
        BankFileError::Empty => (Code::FileEmpty, "ask the bank for it again"),
        BankFileError::TooLarge | BankFileError::TooMany => {
            (Code::TooLarge, "ask the bank for shorter periods")
        }
        BankFileError::CutOff(_) => (Code::FileTruncated, "fetch it again: nothing of it was taken"),
        BankFileError::Damaged(_) => (Code::FileDamaged, "fetch it again: nothing of it was taken"),
        BankFileError::Unsupported(_) => {
            (Code::FileUnsupported, "camt.053, camt.054, pain.002 and CSV are read")
        }
        BankFileError::Unmapped(_) => {
            let out = WayOut::from("say what its columns are called with ").setting("bank.csv_date");
            let out = out.words(", ").setting("bank.csv_amount").words(" and the other settings of the bank");
            return Refusal::new(Code::Settings, format!("{name}: {error}")).or(out);
        }
    };
    Refusal::new(code, format!("{name}: {error}")).hint(hint)
}

/// Invoices that entries may be for, as they stand while the entries are placed one after the other.
#[derive(Default)]
struct Placed {
    all: BTreeMap<InvoiceId, Candidate>,
    by_reference: BTreeMap<String, InvoiceId>,
    by_number: BTreeMap<String, InvoiceId>,
}

impl Placed {
    /// Looks up what the entries name, and holds it and all that is open of its payers until the transaction ends.
    async fn of(tx: &mut Tx, new: &[&Received]) -> anyhow::Result<Self> {
        let first = Self::look_up(tx, new).await?;
        let ids: Vec<InvoiceId> = first.all.keys().copied().collect();
        let payers: BTreeSet<CustomerId> = first.all.values().map(|candidate| candidate.payer).collect();
        invoice::lock_open(tx, &payers.into_iter().collect::<Vec<_>>()).await?;
        invoice::lock_settlements(tx, &ids).await?;
        Self::look_up(tx, new).await
    }

    async fn look_up(tx: &mut Tx, new: &[&Received]) -> anyhow::Result<Self> {
        let references: BTreeSet<String> = new.iter().flat_map(|entry| possible_references(entry)).collect();
        let numbers: BTreeSet<String> = new.iter().flat_map(|entry| possible_numbers(entry)).collect();
        let mut found = Self::default();
        for (reference, candidate) in bank::by_references(tx, references).await? {
            found.by_reference.insert(reference, candidate.id);
            found.all.insert(candidate.id, candidate);
        }
        for candidate in bank::by_numbers(tx, numbers).await? {
            found.by_number.insert(candidate.number.clone(), candidate.id);
            found.all.insert(candidate.id, candidate);
        }
        Ok(found)
    }

    /// Places what is named first; then what is left is compared with what is still open. What is left of each, in order.
    async fn place(
        mut self,
        ctx: &Context,
        tx: &mut Tx,
        (actor, file): (&Actor, i64),
        catalogue: &Catalogue,
        (new, debits): (&[&Received], &CarriedOut),
    ) -> anyhow::Result<Vec<Unplaced>> {
        bank::save(tx, file, new).await?;
        let mut lefts = Vec::with_capacity(new.len());
        for entry in new {
            let found = match debits.differ.contains(&entry.id) {
                true => Some(Placing::Open(WhyNot::DebitsDiffer)),
                false => self.named(entry),
            };
            lefts.push(match found {
                Some(placing) => Some(self.carry_out(ctx, tx, actor, catalogue, entry, placing).await?),
                None => None,
            });
        }
        let rest =
            new.iter().zip(&lefts).filter(|(_, left)| left.is_none()).map(|(entry, _)| entry.amount_minor);
        let rest: BTreeSet<i64> = rest.collect();
        let first = bank::by_open(tx, rest.iter().copied()).await?;
        let ids: Vec<InvoiceId> = first.iter().map(|candidate| candidate.id).collect();
        invoice::lock_settlements(tx, &ids).await?;
        let same_amount = bank::by_open(tx, rest).await?;
        self.all = same_amount.into_iter().map(|candidate| (candidate.id, candidate)).collect();
        let mut all = Vec::with_capacity(new.len());
        for (entry, left) in new.iter().zip(lefts) {
            all.push(match left {
                Some(left) => left,
                None => {
                    let placing = self.of_amount(entry);
                    self.carry_out(ctx, tx, actor, catalogue, entry, placing).await?
                }
            });
        }
        Ok(all)
    }

    /// What becomes of an entry that names an invoice.
    fn named(&self, entry: &Received) -> Option<Placing> {
        let at = |id: &InvoiceId| self.all.get(id);
        let referred: Vec<&Candidate> = possible_references(entry)
            .iter()
            .filter_map(|reference| self.by_reference.get(reference).and_then(at))
            .collect();
        let mut named: Vec<&Candidate> = Vec::new();
        for number in possible_numbers(entry) {
            if let Some(candidate) = self.by_number.get(&number).and_then(at)
                && candidate.is_meant_by(entry)
                && !named.iter().any(|other| other.id == candidate.id)
            {
                named.push(candidate);
            }
        }
        let found = Candidates { referred, named, same_amount: Vec::new() };
        (!found.referred.is_empty() || !found.named.is_empty()).then(|| place(entry, &found))
    }

    fn of_amount(&self, entry: &Received) -> Placing {
        let is_same = |c: &&Candidate| {
            (c.open_minor, c.currency) == (entry.amount_minor, entry.currency) && !c.is_credit_note
        };
        let found =
            Candidates { same_amount: self.all.values().filter(is_same).collect(), ..Candidates::default() };
        place(entry, &found)
    }

    async fn carry_out(
        &mut self,
        ctx: &Context,
        tx: &mut Tx,
        actor: &Actor,
        catalogue: &Catalogue,
        entry: &Received,
        placing: Placing,
    ) -> anyhow::Result<Unplaced> {
        let minor = entry.amount_minor;
        let left = match placing {
            Placing::Open(why) => Unplaced { minor, state: EntryState::Open, why: Some(why), proposed: None },
            Placing::Likely(invoice, why) => {
                Unplaced { minor, state: EntryState::Likely, why: Some(why), proposed: Some(invoice) }
            }
            Placing::Sure(parts) => {
                for (invoice, amount_minor) in parts {
                    let part = Placement { entry: entry.id, invoice, amount_minor, on: entry.booked_on };
                    put(ctx, tx, actor, catalogue, &part).await?;
                    self.refresh(tx, invoice).await?;
                }
                Unplaced { minor: 0, state: EntryState::Placed, why: None, proposed: None }
            }
        };
        bank::save_left(tx, entry.id, left).await?;
        Ok(left)
    }

    /// What is open of the payer's invoices may have moved: too much on one is set against the others.
    async fn refresh(&mut self, tx: &mut Tx, paid: InvoiceId) -> anyhow::Result<()> {
        let payer = self.all.get(&paid).context("the invoice is gone")?.payer;
        let of_payer = self.all.values().filter(|candidate| candidate.payer == payer);
        let numbers: Vec<String> = of_payer.map(|candidate| candidate.number.clone()).collect();
        for candidate in bank::by_numbers(tx, numbers).await? {
            self.all.insert(candidate.id, candidate);
        }
        Ok(())
    }
}
