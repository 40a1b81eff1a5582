//! Runs after their drafts are made: approve, cancel, rerun, release, reverse (rules I4, I9). They do what `runs` does on the
//! command line; in memory nothing but these steps comes between drafting and booking.

use super::run_options::{Options, texts};
use super::running::{self, BilledPayer, CATCH_UP_MAX};
use super::steps::StepAnswer;
use super::world::{Document, World};
use super::{collecting, documents};
use crate::billing::{self, CarriedDraft, CreditScope, RunContext};
use crate::ids::{CustomerId, InvoiceId, Place};
use crate::invoice::{InvoiceStatus, LineKey};
use crate::refusal::{Code, Refusal};
use crate::report::MonthRange;
use crate::run::{self, ItemState, RunState, Scope};
use crate::subscription::Arguments;
use chrono::NaiveDate;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A run that was made.
#[derive(Debug)]
pub(super) struct Run {
    options: Options,
    usage_mark: i64,
    state: RunState,
    items: BTreeMap<CustomerId, Item>,
}

/// A payer of a run.
#[derive(Debug)]
struct Item {
    account: String,
    place: Place,
    state: ItemState,
    /// Periods that the run has taken.
    taken: Vec<LineKey>,
    /// What was carried before it.
    carried_before: BTreeMap<CustomerId, Vec<CarriedDraft>>,
}

impl Run {
    /// Whether it waits for a person.
    pub fn is_in_review(&self) -> bool {
        self.state == RunState::Review
    }

    pub fn scope(&self) -> Scope {
        self.options.scope()
    }

    /// Whether it has looked at a payer.
    pub fn has(&self, payer: CustomerId) -> bool {
        self.items.contains_key(&payer)
    }
}

/// Opens a run; its place.
pub(super) fn open(world: &mut World, options: Options, usage_mark: i64) -> usize {
    let state = if options.review { RunState::Review } else { RunState::Open };
    world.runs.push(Run { options, usage_mark, state, items: BTreeMap::new() });
    world.runs.len() - 1
}

/// A run that is to book nothing has ended.
pub(super) fn give_up(world: &mut World, at: usize) {
    world.runs[at].state = RunState::Cancelled;
}

/// Refuses a run while another of its scope waits for review.
///
/// # Errors
/// `in_review`.
pub(super) fn refuse_review(world: &World, scope: &Scope) -> Result<(), Refusal> {
    let waits = |run: &&Run| run.state == RunState::Review && run.options.scope() == *scope;
    match world.runs.iter().zip(1_u64..).find(|(run, _)| waits(run)) {
        Some((_, ordinal)) => Err(run::in_review(ordinal)),
        None => Ok(()),
    }
}

/// Keeps what payers of a run are billed: their drafts, and the periods that these take.
pub(super) fn keep(world: &mut World, at: usize, billed: Vec<BilledPayer>) {
    let (roots, mut drafts) = (world.payers(), Vec::new());
    for BilledPayer { payer, account, place, billed } in billed {
        // What others carried whom it pays for now is taken over with the rest (rules I8).
        let of_payer = |of: &CustomerId| roots.get(of) == Some(&payer);
        let carried = world.carried.iter().filter(|(of, _)| of_payer(of));
        let carried_before = carried.map(|(of, drafts)| (*of, drafts.clone())).collect();
        let taken = billed.lines.iter().map(|line| line.key.clone()).collect();
        let state = if billed.parked.is_some() { ItemState::Parked } else { ItemState::Done };
        world.runs[at].items.insert(payer, Item { account, place, state, taken, carried_before });
        if state == ItemState::Parked {
            continue;
        }
        world.carried.retain(|of, _| !of_payer(of));
        world.carried.insert(payer, billed.carried);
        for line in billed.lines {
            world.billed.entry(line.key.charge).or_default().push(line);
        }
        drafts.extend(billed.drafts);
    }
    drafts.sort_by(|a, b| billing::rank(a).cmp(&billing::rank(b)));
    let mut unbooked: BTreeMap<InvoiceId, usize> = BTreeMap::new();
    for (place, document) in world.documents.iter().enumerate().filter(|(_, other)| other.booked.is_none()) {
        unbooked.entry(document.id()).or_insert(place);
    }
    for draft in drafts {
        world.note_billed(&draft);
        let document = Document { run: Some(at), ..Document::draft(draft) };
        // A draft that is made again stands where the one that was dropped stood.
        match unbooked.get(&document.id()) {
            Some(place) => world.documents[*place] = document,
            None => world.documents.push(document),
        }
    }
}

/// Payers for whom an as-of is too early: those of whom a run as of a later day has booked something that is not reversed
/// (rules I9).
pub(super) fn booked_later(world: &World, as_of: NaiveDate) -> BTreeSet<CustomerId> {
    let is_later = |at: usize| {
        let run = &world.runs[at];
        run.state != RunState::Reversed && run.options.as_of > as_of
    };
    let booked = world.documents.iter().filter(|d| d.booked.is_some() && d.run.is_some_and(is_later));
    booked.map(|document| document.draft.payer).collect()
}

/// Books the drafts of a run: those that book by themselves, or those of these accounts alone. What changed since it was
/// drafted is set aside. A run of which only some were approved goes on waiting.
///
/// # Errors
/// If a draft cannot be posted.
pub(super) fn book(world: &mut World, at: usize, accounts: Option<&[String]>) -> Result<(), Refusal> {
    let as_of = world.runs[at].options.as_of;
    let mut ready = open_drafts(world, at);
    ready.retain(|place| {
        let draft = &world.documents[*place].draft;
        accounts.map_or(draft.autobill, |accounts| accounts.contains(&draft.account_number))
    });
    ready.sort_by(|a, b| {
        billing::rank(&world.documents[*a].draft).cmp(&billing::rank(&world.documents[*b].draft))
    });
    for place in &ready {
        if let Some(reason) = documents::unbookable(world, *place) {
            let document = &mut world.documents[*place];
            document.set_aside = Some(reason);
            let payer = document.draft.payer;
            if let Some(item) = world.runs[at].items.get_mut(&payer) {
                item.state = ItemState::Failed;
            }
        }
    }
    ready.retain(|place| world.documents[*place].set_aside.is_none());
    running::book(world, &ready, as_of)?;
    if world.runs[at].options.collect {
        collecting::at_booking(world, &ready, as_of);
    }
    running::recognize(world, MonthRange::month_of(as_of).start)?;
    let is_waiting = |place: &usize| world.documents[*place].draft.autobill;
    let waits = world.runs[at].options.review && open_drafts(world, at).iter().any(is_waiting);
    world.runs[at].state = if waits { RunState::Review } else { RunState::Closed };
    Ok(())
}

/// Drafts of a run that wait.
fn open_drafts(world: &World, at: usize) -> Vec<usize> {
    let is_open =
        |document: &Document| document.run == Some(at) && document.is_draft() && document.set_aside.is_none();
    (0..world.documents.len()).filter(|place| is_open(&world.documents[*place])).collect()
}

/// Does a verb on the run that the step names: 1 is the first one made.
///
/// # Errors
/// If there is no such run or verb, or it cannot be done.
pub(super) fn act(
    world: &mut World,
    verb: &str,
    step: &Map<String, Value>,
    on: NaiveDate,
) -> Result<StepAnswer, Refusal> {
    let arguments = Arguments::of(step);
    let name = arguments.required(&["runs"], arguments.text(&["runs"]))?;
    let at = name.parse::<usize>().ok().and_then(|n| n.checked_sub(1)).filter(|at| *at < world.runs.len());
    let at = at.ok_or_else(|| {
        Refusal::new(Code::UnknownRun, format!("there is no run `{name}`"))
            .hint(format!("{} have been made; 1 is the first one", world.runs.len()))
    })?;
    let verb = verb.to_ascii_lowercase();
    arguments.refuse_others(match verb.as_str() {
        "approve" | "release" => &["customer", "customers"],
        "rerun" => &["failed"],
        "reverse" => &["as-of", "asof", "as_of", "date", "rebill", "mail", "yes"],
        _ => &[],
    })?;
    let accounts = || texts("customer", arguments.value(&["customer", "customers"]));
    match verb.as_str() {
        "approve" => approve(world, at, &accounts()?),
        "cancel" => cancel(world, at),
        "rerun" => rerun(world, at),
        "release" => release(world, at, &arguments.required(&["customer"], some(accounts()?))?),
        "reverse" => {
            let day = arguments.date(&["as-of", "asof", "as_of", "date"])?.unwrap_or(on);
            reverse(world, at, arguments.flag(&["rebill"])?.unwrap_or(false), day)
        }
        other => {
            let message = format!("there is no verb `{other}` of runs");
            Err(Refusal::new(Code::UnknownVerb, message)
                .hint("one of approve, cancel, release, rerun, reverse"))
        }
    }
}

fn some(accounts: Vec<String>) -> Option<Vec<String>> {
    Some(accounts).filter(|accounts| !accounts.is_empty())
}

fn insist(world: &World, at: usize, states: &[RunState], verb: &str) -> Result<(), Refusal> {
    let state = world.runs[at].state;
    if states.contains(&state) { Ok(()) } else { Err(run::wrong_state(ordinal(at), state, verb)) }
}

fn ordinal(at: usize) -> u64 {
    u64::try_from(at + 1).unwrap_or(u64::MAX)
}

fn approve(world: &mut World, at: usize, accounts: &[String]) -> Result<StepAnswer, Refusal> {
    let open = open_drafts(world, at);
    let has_draft =
        |account: &String| open.iter().any(|place| world.documents[*place].draft.account_number == *account);
    if let Some(account) = accounts.iter().find(|account| !has_draft(account)) {
        return Err(run::no_draft(ordinal(at), account));
    }
    insist(world, at, &[RunState::Review], "approved")?;
    book(world, at, Some(accounts).filter(|accounts| !accounts.is_empty()))?;
    Ok(StepAnswer::new())
}

/// Drops what is not booked; its periods are due again.
fn cancel(world: &mut World, at: usize) -> Result<StepAnswer, Refusal> {
    insist(world, at, &[RunState::Review], "cancelled")?;
    let booked = booked_of(world, at).len();
    let payers: Vec<CustomerId> = world.runs[at].items.keys().copied().collect();
    let drafts = payers.into_iter().map(|payer| drop_drafts(world, at, payer)).sum::<usize>();
    world.runs[at].state = if booked > 0 { RunState::Closed } else { RunState::Cancelled };
    Ok(StepAnswer::from_iter([("drafts".to_owned(), json!(drafts)), ("booked".to_owned(), json!(booked))]))
}

/// Bills the payers that failed once more.
fn rerun(world: &mut World, at: usize) -> Result<StepAnswer, Refusal> {
    insist(world, at, &[RunState::Closed], "rerun")?;
    let failed = |item: &Item| matches!(item.state, ItemState::Failed | ItemState::Parked);
    let payers: Vec<CustomerId> =
        world.runs[at].items.iter().filter(|(_, item)| failed(item)).map(|(payer, _)| *payer).collect();
    if payers.is_empty() { Ok(StepAnswer::new()) } else { attempt(world, at, &payers, CATCH_UP_MAX) }
}

/// Lets parked payers through every bound, and bills them at once.
fn release(world: &mut World, at: usize, accounts: &[String]) -> Result<StepAnswer, Refusal> {
    let items = &world.runs[at].items;
    let parked = |account: &String| {
        let is_it = |item: &Item| item.account == *account && item.state == ItemState::Parked;
        let found = items.iter().find(|(_, item)| is_it(item)).map(|(payer, _)| *payer);
        found.ok_or_else(|| run::not_parked(ordinal(at), account))
    };
    let payers: Vec<CustomerId> = accounts.iter().map(parked).collect::<Result<_, Refusal>>()?;
    insist(world, at, &[RunState::Closed, RunState::Review], "billed from")?;
    attempt(world, at, &payers, u32::MAX)
}

/// Bills payers of a run again, as of its day, and books them unless it stops for review.
fn attempt(
    world: &mut World,
    at: usize,
    payers: &[CustomerId],
    catch_up_max: u32,
) -> Result<StepAnswer, Refusal> {
    for payer in payers {
        drop_drafts(world, at, *payer);
    }
    let run = &world.runs[at];
    let context = RunContext {
        ordinal: ordinal(at),
        place: Place::of(0),
        as_of: run.options.as_of,
        usage_mark: run.usage_mark,
        catch_up_max,
    };
    let places: Vec<(CustomerId, Place)> =
        payers.iter().filter_map(|payer| Some((*payer, run.items.get(payer)?.place))).collect();
    let billed = running::bill_again(world, &places, context)?;
    let said = running::told_parked(&billed);
    keep(world, at, billed);
    if world.runs[at].options.review {
        world.runs[at].state = RunState::Review;
    } else {
        book(world, at, None)?;
    }
    Ok(said)
}

/// Drops what a payer of a run has not booked: its drafts, and the periods that came with them. Of a payer that has booked
/// something in it only the drafts that are left go; what a person has waived stays waived. How many drafts those were.
fn drop_drafts(world: &mut World, at: usize, payer: CustomerId) -> usize {
    let has_booked = booked_of(world, at).iter().any(|place| world.documents[*place].draft.payer == payer);
    let is_left = |document: &Document| {
        document.run == Some(at) && document.draft.payer == payer && document.is_draft()
    };
    let left: BTreeSet<InvoiceId> =
        world.documents.iter().filter(|document| is_left(document)).map(Document::id).collect();
    let Some(item) = world.runs[at].items.get(&payer) else { return 0 };
    let taken: BTreeSet<&LineKey> = item.taken.iter().filter(|key| !world.waived.contains(key)).collect();
    for lines in world.billed.values_mut() {
        lines.retain(|line| {
            let is_left = line.invoice.is_some_and(|id| left.contains(&id));
            let goes = taken.contains(&line.key) && (is_left || (line.invoice.is_none() && !has_booked));
            !goes
        });
    }
    if !has_booked {
        world.carried.remove(&payer);
        world.carried.extend(item.carried_before.clone());
    }
    for document in world.documents.iter_mut().filter(|document| left.contains(&document.id())) {
        document.settlement.status = InvoiceStatus::Cancelled;
    }
    left.len()
}

/// Invoices and credit notes that a run has booked, by number.
fn booked_of(world: &World, at: usize) -> Vec<usize> {
    let is_booked = |document: &Document| document.run == Some(at) && document.booked.is_some();
    let mut places: Vec<usize> =
        (0..world.documents.len()).filter(|place| is_booked(&world.documents[*place])).collect();
    places.sort_by_key(|place| {
        let document = &world.documents[*place];
        (document.draft.series.clone(), document.booked.as_ref().map(|invoice| invoice.sequence))
    });
    places
}

/// A credit note for every invoice of the run that is not wholly credited; for a rebill, what it billed is due again.
fn reverse(world: &mut World, at: usize, rebill: bool, on: NaiveDate) -> Result<StepAnswer, Refusal> {
    insist(world, at, &[RunState::Closed, RunState::Reversed], "reversed")?;
    let (mut notes, mut already, mut refused) = (0_u64, 0_u64, Vec::new());
    for place in booked_of(world, at) {
        if world.documents[place].draft.gross_minor() <= 0 {
            continue;
        }
        match documents::credit(world, place, &CreditScope::Whole, rebill, on) {
            Ok(true) => notes += 1,
            Ok(false) => already += 1,
            Err(refusal) if matches!(refusal.code, Code::NothingLeft | Code::NothingToRebill) => already += 1,
            Err(refusal) => {
                let number = world.documents[place].booked.as_ref().map(|invoice| invoice.number.clone());
                refused.push(json!({"invoice": number, "reason": refusal.message}));
            }
        }
    }
    if refused.is_empty() {
        world.runs[at].state = RunState::Reversed;
    }
    let mut said = StepAnswer::from_iter([
        ("creditnotes".to_owned(), json!(notes)),
        ("already".to_owned(), json!(already)),
    ]);
    if !refused.is_empty() {
        said.insert("refused".to_owned(), Value::Array(refused));
    }
    Ok(said)
}
