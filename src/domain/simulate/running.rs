//! The `run` step: measure, bill, book in rank order, collect.

use super::run_options::Options;
use super::steps::StepAnswer;
use super::world::World;
use super::{collecting, runs, settling};
use crate::billing::{self, Billed, PayerBook, RunContext};
use crate::customer::Customer;
use crate::ids::{CustomerId, InvoiceId, Place, SubscriptionId};
use crate::invoice::verbs::{self, BookingFault, Books, Numbers};
use crate::ledger::{self, Entry, deferred_codes};
use crate::measure::{self, Measured, StoredEvent, Window};
use crate::money::Money;
use crate::refusal::Refusal;
use crate::report::MonthRange;
use crate::run;
use chrono::NaiveDate;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Charge dates per charge that one run may catch up (rules T6).
pub(super) const CATCH_UP_MAX: u32 = 36;

/// Runs everything that is due.
///
/// # Errors
/// If an option is wrong, or a run of the same scope waits for review.
pub(super) fn run(world: &mut World, options: &Value, on: NaiveDate) -> Result<StepAnswer, Refusal> {
    let options = Options::read(world, options, on)?;
    if !options.preview {
        runs::refuse_review(world, &options.scope())?;
        if options.collect {
            collecting::morning(world, options.as_of);
        }
    }
    let context = RunContext {
        ordinal: world.next_run(),
        place: Place::of(0),
        as_of: options.as_of,
        usage_mark: world.imports,
        catch_up_max: CATCH_UP_MAX,
    };
    let (billed, left_out) = bill(world, &options, context)?;
    let hash = billing::run_hash(
        billed
            .iter()
            .map(|b| (b.account.as_str(), b.billed.hash.as_str()))
            .filter(|(_, hash)| !hash.is_empty()),
    );
    let mut said = told(&billed, &hash, &options);
    if !left_out.is_empty() {
        said.insert("leftout".to_owned(), json!(left_out));
    }
    if options.preview {
        return Ok(said);
    }
    let (review, expected) = (options.review, options.expect.clone());
    let at = runs::open(world, options, context.usage_mark);
    if expected.is_some_and(|expected| expected != hash) {
        runs::give_up(world, at);
        return Err(run::unexpected_hash(&hash));
    }
    runs::keep(world, at, billed);
    if !review {
        runs::book(world, at, None)?;
    }
    Ok(said)
}

/// Recognises what is earned before this day, the first of a month, month after month (rules L1).
///
/// # Errors
/// If it cannot be posted.
pub(super) fn recognize(world: &mut World, until: NaiveDate) -> Result<(), Refusal> {
    let catalogue = world.catalogue()?.clone();
    let codes = deferred_codes(&catalogue.tenant.accounts, catalogue.business_units.values());
    loop {
        let rows = world.entries.iter().flat_map(|entry| &entry.postings);
        let deferred = rows.filter(|row| row.line.is_some() && codes.contains(&row.account));
        let Some(first) = deferred.filter_map(|row| Some(row.period?.start)).min() else { return Ok(()) };
        let known = world.calendar.recognized_until;
        let month = MonthRange::month_of(known.unwrap_or(first).max(first));
        if month.end > until {
            return Ok(());
        }
        let (mut earned, open_from) = (Vec::new(), world.calendar.open_from);
        for invoice in world.documents.iter().filter_map(|document| document.booked.as_ref()) {
            let own: Vec<Entry> =
                world.entries.iter().filter(|entry| entry.invoice == invoice.draft.id).cloned().collect();
            let entry = ledger::recognition_entry(invoice, &catalogue, open_from, month.end, &own);
            earned.extend(entry.map_err(BookingFault::from)?);
        }
        world.entries.extend(earned);
        world.calendar.recognized_until = Some(month.end);
    }
}

/// A payer with what it is billed.
pub(super) struct BilledPayer {
    pub payer: CustomerId,
    pub account: String,
    pub place: Place,
    pub billed: Billed,
}

/// Bills the payers of the scope, in account-number order, and names those for whom the as-of is too early.
fn bill(
    world: &World,
    options: &Options,
    context: RunContext,
) -> Result<(Vec<BilledPayer>, Vec<String>), Refusal> {
    let roots = world.payers();
    let mut members: BTreeMap<CustomerId, Vec<&Customer>> = BTreeMap::new();
    for customer in world.known.customers.values() {
        if let Some(root) = roots.get(&customer.id) {
            members.entry(*root).or_default().push(customer);
        }
    }
    let named: BTreeSet<CustomerId> = options
        .accounts
        .iter()
        .filter_map(|account| world.known.customers.get(account))
        .filter_map(|customer| roots.get(&customer.id).copied())
        .collect();
    let events = Events::of(world);
    let booked_later = runs::booked_later(world, options.as_of);
    let (mut all, mut left_out) = (Vec::new(), Vec::new());
    let mut places = (0..).map(Place::of);
    for payer in world.known.customers.values().filter(|customer| members.contains_key(&customer.id)) {
        let is_out = !named.is_empty() && !named.contains(&payer.id);
        let is_other = options.business_unit.is_some() && payer.business_unit != options.business_unit;
        if is_out || is_other {
            continue;
        }
        let place = places.next().unwrap_or(Place::OUTSIDE_RUN);
        if booked_later.contains(&payer.id) {
            left_out.push(payer.account_number.clone());
            continue;
        }
        let book = world.payer_book(payer.id, &members[&payer.id])?;
        all.push(bill_one(&book, &events, RunContext { place, ..context }));
    }
    Ok((all, left_out))
}

fn bill_one(book: &PayerBook, events: &Events<'_>, context: RunContext) -> BilledPayer {
    let measured = events.measure(book, context.as_of, context.usage_mark);
    let payer = book.payer;
    let account = book.customers.get(&payer).map(|payer| payer.account_number.clone()).unwrap_or_default();
    BilledPayer { payer, account, place: context.place, billed: billing::bill(book, &measured, context) }
}

/// Bills payers of a run once more, each at the place that it has in it.
pub(super) fn bill_again(
    world: &World,
    payers: &[(CustomerId, Place)],
    context: RunContext,
) -> Result<Vec<BilledPayer>, Refusal> {
    let events = Events::of(world);
    let billed = payers.iter().map(|(payer, place)| {
        let book = world.book_of(*payer)?;
        Ok(bill_one(&book, &events, RunContext { place: *place, ..context }))
    });
    billed.collect()
}

/// Events by subscription. A correction may name another subject than what it corrects, so all are looked at where
/// there are any.
struct Events<'w> {
    all: Vec<&'w StoredEvent>,
    by_subscription: BTreeMap<SubscriptionId, Vec<&'w StoredEvent>>,
}

impl<'w> Events<'w> {
    fn of(world: &'w World) -> Self {
        let mut by_subscription: BTreeMap<SubscriptionId, Vec<&StoredEvent>> = BTreeMap::new();
        for stored in &world.events {
            by_subscription.entry(stored.subscription).or_default().push(stored);
        }
        let has_corrections = !world.corrected.is_empty();
        let all = if has_corrections { world.events.iter().collect() } else { Vec::new() };
        Self { all, by_subscription }
    }

    fn measure(&self, book: &PayerBook, as_of: NaiveDate, usage_mark: i64) -> Measured {
        let due = billing::due(book, as_of);
        let mut measured = Measured::new();
        for window in due.windows {
            let window = Window { up_to_import: Some(usage_mark), ..window };
            let own = self.by_subscription.get(&window.subscription);
            let events = if self.all.is_empty() { own.map_or(&[][..], Vec::as_slice) } else { &self.all };
            measured.insert(window.key, measure::fold(&window, events));
        }
        measured
    }
}

/// Who is parked, and why.
pub(super) fn told_parked(billed: &[BilledPayer]) -> StepAnswer {
    let parked: Vec<Value> = billed
        .iter()
        .filter_map(|b| Some(json!({"account": b.account, "reason": b.billed.parked.as_ref()?})))
        .collect();
    if parked.is_empty() {
        StepAnswer::new()
    } else {
        StepAnswer::from_iter([("parked".to_owned(), Value::Array(parked))])
    }
}

/// What a preview answers; of a real run only what was set aside is told.
fn told(billed: &[BilledPayer], hash: &str, options: &Options) -> StepAnswer {
    let mut said = told_parked(billed);
    if !options.preview {
        return said;
    }
    let mut totals: BTreeMap<crate::money::Currency, (u64, i64, i64)> = BTreeMap::new();
    let mut invoices = Vec::new();
    for draft in billed.iter().flat_map(|b| &b.billed.drafts) {
        let total = totals.entry(draft.currency).or_default();
        *total = (total.0 + 1, total.1 + draft.net_minor, total.2 + draft.vat_minor);
        invoices.push(super::answer::value(&crate::invoice::InvoiceWire::draft(draft)));
    }
    let totals: Vec<Value> = totals
        .into_iter()
        .map(|(currency, (count, net, vat))| {
            let money = |minor| Money::new(minor, currency).decimal().to_string();
            json!({"currency": currency.code(), "invoices": count, "net": money(net), "vat": money(vat), "gross": money(net + vat)})
        })
        .collect();
    let preview = json!({"asof": options.as_of, "hash": hash, "totals": totals, "invoices": invoices});
    said.insert("preview".to_owned(), preview);
    said
}

/// Books drafts in the order given, each with the next number of its series.
///
/// # Errors
/// If a draft's sums do not agree, or it cannot be posted.
pub(super) fn book(world: &mut World, places: &[usize], on: NaiveDate) -> Result<(), Refusal> {
    let catalogue = world.catalogue()?.clone();
    let books = Books { catalogue: &catalogue, calendar: world.calendar };
    let mut sequences = world.sequences.clone();
    let mut numbers: BTreeMap<InvoiceId, (u64, String)> = BTreeMap::new();
    for at in places {
        let draft = &world.documents[*at].draft;
        let begins = || billing::first_sequence(&catalogue, draft) - 1;
        let next = sequences.entry(draft.series.clone()).or_insert_with(begins);
        *next += 1;
        let number = billing::format_number(&draft.number_pattern, *next, draft.invoice_date)
            .map_err(BookingFault::from)?;
        numbers.insert(draft.id, (*next, number));
    }
    world.sequences = sequences;
    for (id, (_, number)) in &numbers {
        world.name_billed(*id, number);
    }
    for at in places {
        let mut draft = world.documents[*at].draft.clone();
        let billed_of = |charge| world.billed.get(&charge).map_or(&[][..], Vec::as_slice);
        billing::name_amended(&mut draft, billed_of);
        let Some((sequence, _)) = numbers.get(&draft.id) else { continue };
        let reference = billing::takes_reference(&draft, &catalogue).then(|| {
            world.references += 1;
            world.references
        });
        let (invoice, effects) = verbs::book(draft, Numbers { sequence: *sequence, reference }, on, books)?;
        settling::keep_booked(world, *at, invoice, effects);
    }
    for at in places {
        settling::meet_write_offs(world, *at, on)?;
    }
    let payers: BTreeSet<CustomerId> = places.iter().map(|at| world.documents[*at].draft.payer).collect();
    for payer in payers {
        settling::set_off(world, payer, on);
    }
    Ok(())
}
