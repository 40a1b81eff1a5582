//! The `run` step: measure, bill, book in rank order, collect.

use super::collecting;
use super::steps::StepAnswer;
use super::world::{Document, World};
use crate::billing::{self, Billed, PayerBook, RunContext};
use crate::customer::Customer;
use crate::ids::{CustomerId, InvoiceId, Place, SubscriptionId};
use crate::invoice::at_booking;
use crate::ledger::{self, Entry, deferred_codes};
use crate::measure::{self, Measured, StoredEvent, Window};
use crate::money::Money;
use crate::refusal::{Code, Refusal};
use crate::report::MonthRange;
use crate::subscription::Arguments;
use chrono::NaiveDate;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Charge dates per charge that one run may catch up (rules T6).
const CATCH_UP_MAX: u32 = 36;

/// Options of the step, as on the command line.
struct Options {
    as_of: NaiveDate,
    preview: bool,
    /// Stops at drafts.
    review: bool,
    accounts: Vec<String>,
    business_unit: Option<String>,
    collect: bool,
}

/// Runs everything that is due.
///
/// # Errors
/// If an option is wrong.
pub(super) fn run(world: &mut World, options: &Value, on: NaiveDate) -> Result<StepAnswer, Refusal> {
    let options = Options::read(world, options, on)?;
    if options.collect && !options.preview {
        collecting::morning(world, options.as_of);
    }
    let ordinal = world.runs + 1;
    let context = RunContext {
        ordinal,
        place: Place::of(0),
        as_of: options.as_of,
        usage_mark: world.imports,
        catch_up_max: CATCH_UP_MAX,
    };
    let (billed, left_out) = bill(world, &options, context)?;
    let hash = billing::run_hash(
        billed.iter().filter(|(_, b)| !b.hash.is_empty()).map(|(a, b)| (a.as_str(), b.hash.as_str())),
    );
    let mut said = told(&billed, &hash, &options);
    if !left_out.is_empty() {
        said.insert("leftout".to_owned(), json!(left_out));
    }
    if options.preview {
        return Ok(said);
    }
    said.remove("preview");
    world.runs = ordinal;
    let mut drafts = Vec::new();
    for (account, billed) in billed {
        if billed.parked.is_some() {
            continue;
        }
        let payer = world.known.customers.get(&account).map(|payer| payer.id);
        if let Some(payer) = payer {
            let roots = world.payers();
            world.carried.retain(|of, _| roots.get(of) != Some(&payer)); // taken over with the rest (rules I8)
            world.carried.insert(payer, billed.carried);
        }
        for line in billed.lines {
            world.billed.entry(line.key.charge).or_default().push(line);
        }
        drafts.extend(billed.drafts);
    }
    let first = world.documents.len();
    drafts.sort_by(|a, b| billing::rank(a).cmp(&billing::rank(b)));
    for draft in drafts {
        world.note_billed(&draft);
        world.documents.push(Document::draft(draft));
    }
    if options.review {
        return Ok(said);
    }
    let ready =
        (first..world.documents.len()).filter(|at| world.documents[*at].draft.autobill).collect::<Vec<_>>();
    book(world, &ready, options.as_of)?;
    for at in &ready {
        let latest = world.billed_as_of.entry(world.documents[*at].draft.payer).or_insert(options.as_of);
        *latest = options.as_of.max(*latest);
    }
    if options.collect {
        collecting::at_booking(world, &ready, options.as_of);
    }
    recognize(world, MonthRange::month_of(options.as_of).start)?;
    Ok(said)
}

/// Recognises what is earned before this day, the first of a month, month after month (rules L1).
fn recognize(world: &mut World, until: NaiveDate) -> Result<(), Refusal> {
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
        let mut earned = Vec::new();
        for invoice in world.documents.iter().filter_map(|document| document.booked.as_ref()) {
            let own: Vec<Entry> =
                world.entries.iter().filter(|entry| entry.invoice == invoice.draft.id).cloned().collect();
            let entry = ledger::recognition_entry(invoice, &catalogue, None, month.end, &own);
            earned.extend(entry.map_err(cannot_post)?);
        }
        world.entries.extend(earned);
        world.calendar.recognized_until = Some(month.end);
    }
}

/// Options by their plain names; those of the command line that change nothing in memory are let be.
const OPTIONS: [&str; 10] =
    ["asof", "ahead", "preview", "review", "customer", "customers", "businessunit", "skip", "expect", "json"];

/// Steps of a run that may be left out.
const SKIPPED: [&str; 3] = ["render", "send", "collect"];

/// A text, several with commas between them, or a list of texts.
fn texts(option: &str, value: Option<&Value>) -> Result<Vec<String>, Refusal> {
    let split = |text: &str| text.split(',').map(|part| part.trim().to_owned()).collect::<Vec<_>>();
    let wrong = || Refusal::new(Code::BadArgument, format!("`{option}` is a text or a list of texts"));
    match value {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(split(text)),
        Some(Value::Array(list)) => {
            list.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

/// An option's name without case and marks: `as-of`, `as_of` and `asOf` are one.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

impl Options {
    fn read(world: &World, options: &Value, on: NaiveDate) -> Result<Self, Refusal> {
        let empty = Map::new();
        let map = match options {
            Value::Object(map) => map,
            Value::Null | Value::Bool(true) => &empty,
            _ => return Err(Refusal::new(Code::Malformed, "`run` is an object of options")),
        };
        if let Some(unknown) = map.keys().find(|name| !OPTIONS.contains(&plain(name).as_str())) {
            let message = format!("`{unknown}` is no option of a run");
            return Err(Refusal::new(Code::UnknownOption, message)
                .hint("as-of, preview, review, customer, business-unit, skip"));
        }
        let read = Arguments::of(map);
        let as_of = read.date(&["as-of", "asof", "as_of"])?.unwrap_or(on);
        let accounts = texts("customer", read.value(&["customer", "customers"]))?;
        if let Some(unknown) = accounts.iter().find(|account| !world.known.customers.contains_key(*account)) {
            return Err(Refusal::new(Code::UnknownCustomer, format!("there is no customer `{unknown}`")));
        }
        let business_unit = read.text(&["business-unit", "businessunit", "business_unit"]);
        let known =
            |unit: &String| world.catalogue.as_ref().is_some_and(|c| c.business_units.contains_key(unit));
        if let Some(unknown) = business_unit.as_ref().filter(|unit| !known(unit)) {
            return Err(Refusal::new(
                Code::UnknownBusinessUnit,
                format!("there is no business unit `{unknown}`"),
            ));
        }
        let skipped = texts("skip", read.value(&["skip"]))?;
        if let Some(unknown) = skipped.iter().find(|step| !SKIPPED.contains(&step.as_str())) {
            let message = format!("`{unknown}` is no step of a run to skip");
            return Err(Refusal::new(Code::UnknownOption, message).hint(SKIPPED.join(", ")));
        }
        Ok(Self {
            as_of,
            preview: read.flag(&["preview"])?.unwrap_or(false),
            review: read.flag(&["review"])?.unwrap_or(false),
            accounts,
            business_unit,
            collect: !skipped.iter().any(|step| step == "collect"),
        })
    }
}

/// Payers by account with what they are billed, and accounts that are left out.
type BilledOf = (Vec<(String, Billed)>, Vec<String>);

/// Bills the payers of the scope, in account-number order, and names those for whom the as-of is too early.
fn bill(world: &World, options: &Options, context: RunContext) -> Result<BilledOf, Refusal> {
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
    let (mut all, mut left_out) = (Vec::new(), Vec::new());
    let mut places = (0..).map(Place::of);
    for payer in world.known.customers.values().filter(|customer| members.contains_key(&customer.id)) {
        let is_out = !named.is_empty() && !named.contains(&payer.id);
        let is_other = options.business_unit.is_some() && payer.business_unit != options.business_unit;
        if is_out || is_other {
            continue;
        }
        let place = places.next().unwrap_or(Place::OUTSIDE_RUN);
        if world.billed_as_of.get(&payer.id).is_some_and(|latest| *latest > options.as_of) {
            left_out.push(payer.account_number.clone());
            continue;
        }
        let book = world.payer_book(payer.id, &members[&payer.id])?;
        let measured = events.measure(&book, options.as_of, context.usage_mark);
        all.push((
            payer.account_number.clone(),
            billing::bill(&book, &measured, RunContext { place, ..context }),
        ));
    }
    Ok((all, left_out))
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

/// What a preview answers; of a real run only what was set aside is told.
fn told(billed: &[(String, Billed)], hash: &str, options: &Options) -> StepAnswer {
    let mut said = StepAnswer::new();
    let parked: Vec<Value> = billed
        .iter()
        .filter_map(|(account, b)| Some(json!({"account": account, "reason": b.parked.as_ref()?})))
        .collect();
    if !parked.is_empty() {
        said.insert("parked".to_owned(), Value::Array(parked));
    }
    if !options.preview {
        return said;
    }
    let mut totals: BTreeMap<crate::money::Currency, (u64, i64, i64)> = BTreeMap::new();
    let mut invoices = Vec::new();
    for draft in billed.iter().flat_map(|(_, b)| &b.drafts) {
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
    book_only(world, places, on)?;
    for at in places {
        collecting::meet_write_offs(world, *at, on)?;
    }
    let payers: BTreeSet<CustomerId> = places.iter().map(|at| world.documents[*at].draft.payer).collect();
    for payer in payers {
        collecting::set_off(world, payer, on);
    }
    Ok(())
}

/// As [`book`], and sets nothing off.
pub(super) fn book_only(world: &mut World, places: &[usize], on: NaiveDate) -> Result<(), Refusal> {
    let catalogue = world.catalogue()?.clone();
    let mut sequences = world.sequences.clone();
    let mut numbers: BTreeMap<InvoiceId, (u64, String)> = BTreeMap::new();
    for at in places {
        let draft = &world.documents[*at].draft;
        let begins = || billing::first_sequence(&catalogue, draft) - 1;
        let next = sequences.entry(draft.series.clone()).or_insert_with(begins);
        *next += 1;
        let number =
            billing::format_number(&draft.number_pattern, *next, draft.invoice_date).map_err(cannot_book)?;
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
        let refers = billing::takes_reference(&draft, &catalogue);
        let mut invoice = billing::book(draft, *sequence, on, &catalogue).map_err(cannot_book)?;
        if refers {
            world.references += 1;
            billing::refer(&mut invoice, world.references, &catalogue);
        }
        let entry = ledger::book_entry(&invoice, &catalogue, world.calendar).map_err(cannot_post)?;
        if !entry.postings.is_empty() {
            world.entries.push(entry);
        }
        let document = &mut world.documents[*at];
        document.settlement = at_booking(invoice.draft.gross_minor(), on);
        document.draft = invoice.draft.clone();
        document.booked = Some(invoice);
    }
    Ok(())
}

fn cannot_book(error: billing::BookError) -> Refusal {
    Refusal::new(Code::CannotBook, error.to_string())
}

pub(super) fn cannot_post(error: ledger::PostingFault) -> Refusal {
    Refusal::new(Code::CannotPost, error.to_string())
}
