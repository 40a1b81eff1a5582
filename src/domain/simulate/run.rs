//! A billing run: every payer of the scope is billed; the drafts are ranked, booked, set off and collected
//! (rules.md T5, T6, I5, I8, Y3).

use super::answer;
use super::book::{Book, Booked, Document};
use super::charging::Occasion;
use crate::billing::{self, Billed, LateHint, PayerBook, RunContext};
use crate::catalogue::Catalogue;
use crate::customer::Customer;
use crate::ids::{CustomerId, InvoiceId, SubscriptionId};
use crate::invoice::{Draft, at_booking};
use crate::ledger::{PostingFault, book_entry};
use crate::measure::{Instants, Measured, StoredEvent, fold};
use crate::subscription::{Arguments, Refusal, Subscription};
use chrono::NaiveDate;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Charge dates per charge that one run may catch up (rules.md T6).
const CATCH_UP_MAX: u32 = 36;

/// Options of a run, as on the command line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Options {
    /// None: the step's day.
    pub as_of: Option<NaiveDate>,
    /// Nothing is changed; the drafts are answered.
    pub preview: bool,
    /// Nothing is booked: the drafts wait.
    pub review: bool,
    /// Account numbers of payers; empty = all.
    pub customers: Vec<String>,
    pub business_unit: Option<String>,
    pub skip_collect: bool,
    /// Run hash without which nothing is done.
    pub expect: Option<String>,
}

impl Options {
    pub fn read(value: &Value) -> Result<Self, Refusal> {
        let empty = Map::new();
        let members = match value {
            Value::Object(members) => members,
            Value::Null | Value::Bool(true) => &empty,
            _ => return Err(Refusal::new("bad_argument", "`run` is an object with the options of a run")),
        };
        let known = ["as_of", "asof", "as-of", "preview", "review", "customer", "customers", "business_unit",
            "businessunit", "business-unit", "skip", "expect"];
        if let Some(unknown) = members.keys().find(|key| !known.contains(&key.to_ascii_lowercase().as_str())) {
            let refusal = Refusal::new("bad_argument", format!("a run has no option `{unknown}`"));
            return Err(refusal.hint("as_of, preview, review, customer, business_unit, skip or expect"));
        }
        let read = Arguments(members);
        Ok(Self {
            as_of: read.date(&["as_of", "asof", "as-of"])?,
            preview: read.flag(&["preview"])?.unwrap_or(false),
            review: read.flag(&["review"])?.unwrap_or(false),
            customers: list(read.value(&["customer", "customers"])),
            business_unit: read.text(&["business_unit", "businessunit", "business-unit"]),
            skip_collect: list(read.value(&["skip"])).iter().any(|step| step == "collect"),
            expect: read.text(&["expect"]),
        })
    }
}

/// One text, a list of texts, or texts with commas between them.
fn list(value: Option<&Value>) -> Vec<String> {
    let texts: Vec<&str> = match value {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(text)) => text.split(',').collect(),
        _ => Vec::new(),
    };
    texts.into_iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
}

/// What billing a payer gave.
struct PayerBilled {
    account: String,
    payer: CustomerId,
    billed: Billed,
}

impl Book {
    /// Runs, and says what is not plain success: parked payers, what a preview would make.
    pub fn run(&mut self, options: &Options, on: NaiveDate) -> Result<Map<String, Value>, Refusal> {
        let catalogue = self.catalogue()?;
        let as_of = options.as_of.unwrap_or(on);
        if let Some(latest) = self.last_as_of.filter(|latest| *latest > as_of) {
            let message = format!("a run as of {latest} has been made, so {as_of} is too early");
            return Err(Refusal::new("before_last_run", message).hint(format!("run as of {latest} or later")));
        }
        let payers = self.scope(options, &catalogue)?;
        let run = RunContext {
            ordinal: self.runs + 1,
            as_of,
            usage_mark: self.imports,
            catch_up_max: CATCH_UP_MAX,
        };
        let billed = self.bill(payers, &catalogue, run);
        let hashes = billed.iter().map(|b| (b.account.as_str(), b.billed.hash.as_str()));
        let hash = billing::run_hash(hashes.filter(|(_, hash)| !hash.is_empty()));
        if let Some(expected) = options.expect.as_ref().filter(|expected| **expected != hash) {
            let message = format!("what is due has the hash {hash}, not {expected}; nothing was booked");
            return Err(Refusal::new("hash_differs", message).hint("look at a preview"));
        }
        let mut answer = parked(&billed);
        if options.preview {
            answer.insert("hash".to_owned(), json!(hash));
            answer.insert("preview".to_owned(), preview(billed));
            return Ok(answer);
        }
        self.runs += 1;
        self.last_as_of = Some(as_of);
        let drafts = self.keep(billed);
        let made = self.book_ranked(drafts, !options.review, as_of, &catalogue);
        answer.extend(made.aside);
        if !options.skip_collect {
            for id in made.booked {
                self.collect(id, Occasion::Booking, as_of)?;
            }
        }
        self.seal();
        self.subjects = None;
        Ok(answer)
    }

    /// The payers of the scope by account number, with the subscriptions that bill to them.
    fn scope(&self, options: &Options, catalogue: &Catalogue) -> Result<Vec<PayerTree<'_>>, Refusal> {
        if let Some(unit) = options.business_unit.as_ref().filter(|u| !catalogue.business_units.contains_key(*u)) {
            return Err(Refusal::new("unknown_unit", format!("there is no business unit {unit}")));
        }
        let root = self.payers();
        let mut trees: BTreeMap<CustomerId, PayerTree<'_>> = BTreeMap::new();
        for customer in self.known.customers.values() {
            let payer = root.get(&customer.id).copied().unwrap_or(customer.id);
            trees.entry(payer).or_default().customers.push(customer);
        }
        for subscription in self.known.subscriptions.values() {
            if let Some(tree) = root.get(&subscription.customer).and_then(|payer| trees.get_mut(payer)) {
                tree.subscriptions.push(subscription);
            }
        }
        for (id, tree) in &mut trees {
            tree.payer = tree.customers.iter().copied().find(|customer| customer.id == *id);
        }
        let is_payer = |account: &str| trees.values().filter_map(|t| t.payer).any(|p| p.account_number == account);
        if let Some(missing) = options.customers.iter().find(|account| !is_payer(account)) {
            return Err(Refusal::new("unknown_customer", format!("no payer has the account number {missing}")));
        }
        let mut trees: Vec<PayerTree<'_>> = trees.into_values().collect();
        trees.retain(|tree| {
            tree.payer.is_some_and(|payer| {
                let is_named = options.customers.is_empty() || options.customers.contains(&payer.account_number);
                is_named && options.business_unit.as_ref().is_none_or(|u| payer.business_unit.as_ref() == Some(u))
            })
        });
        trees.sort_by_key(|tree| tree.payer.map(|payer| &payer.account_number));
        Ok(trees)
    }

    fn bill(&self, payers: Vec<PayerTree<'_>>, catalogue: &Arc<Catalogue>, run: RunContext) -> Vec<PayerBilled> {
        let usage = Usage::of(&self.events);
        let mut all = Vec::with_capacity(payers.len());
        for tree in payers {
            let Some(payer) = tree.payer else { continue };
            let book = self.payer_book(&tree, payer, catalogue, &usage);
            let due = billing::due(&book, run.as_of);
            let mut measured = Measured::new();
            for window in &due.windows {
                measured.insert(window.key, fold(window, usage.of_subscription(window.subscription)));
            }
            let billed = billing::bill(&book, &measured, run);
            all.push(PayerBilled { account: payer.account_number.clone(), payer: payer.id, billed });
        }
        all
    }

    fn payer_book(
        &self,
        tree: &PayerTree<'_>,
        payer: &Customer,
        catalogue: &Arc<Catalogue>,
        usage: &Usage<'_>,
    ) -> PayerBook {
        let mut book = PayerBook {
            catalogue: Arc::clone(catalogue),
            payer: payer.id,
            revision: self.revision(payer.id),
            customers: tree.customers.iter().map(|c| (c.id, (*c).clone())).collect(),
            subscriptions: BTreeMap::new(),
            billed: BTreeMap::new(),
            carried: self.carried.get(&payer.id).cloned().unwrap_or_default(),
            codes_redeemed: BTreeMap::new(),
            late: Vec::new(),
        };
        for subscription in &tree.subscriptions {
            book.subscriptions.insert(subscription.id, (*subscription).clone());
            let Some(billed) = self.billed.get(&subscription.id) else { continue };
            book.billed.extend(billed.iter().map(|(reference, lines)| (*reference, lines.clone())));
            if let Some(mark) = billed.values().flatten().map(|line| line.usage_mark).min() {
                book.late.extend(usage.late_hints(subscription.id, mark));
            }
        }
        book
    }

    /// Notes the periods that were taken, and gives the drafts.
    fn keep(&mut self, billed: Vec<PayerBilled>) -> Vec<Draft> {
        let mut drafts = Vec::new();
        for PayerBilled { payer, billed, .. } in billed {
            if billed.parked.is_some() {
                continue;
            }
            for line in billed.lines {
                let of_subscription = self.billed.entry(line.subscription).or_default();
                of_subscription.entry(line.key.charge).or_default().push(line);
            }
            self.carried.insert(payer, billed.carried);
            drafts.extend(billed.drafts);
        }
        drafts.sort_by(|a, b| billing::rank(a).cmp(&billing::rank(b)));
        drafts
    }

    /// Books ranked drafts that book by themselves; the others wait for review.
    fn book_ranked(&mut self, drafts: Vec<Draft>, books: bool, as_of: NaiveDate, catalogue: &Catalogue) -> Made {
        let mut made = Made::default();
        let mut touched = BTreeSet::new();
        let mut aside = Vec::new();
        for draft in drafts {
            if !books || !draft.autobill {
                self.documents.push(Document::Draft(Box::new(draft)));
                continue;
            }
            let (id, payer, account) = (draft.id, draft.payer, draft.account_number.clone());
            match self.book_draft(draft, as_of, catalogue) {
                Ok(booked) => {
                    self.documents.push(Document::Booked(Box::new(booked)));
                    made.booked.push(id);
                    touched.insert(payer);
                }
                Err(fault) => {
                    let (draft, refusal) = *fault;
                    aside.push(json!({"account": account, "reason": refusal.message}));
                    self.documents.push(Document::Draft(Box::new(draft)));
                }
            }
        }
        for payer in touched {
            self.set_off(payer, as_of);
        }
        if !aside.is_empty() {
            made.aside.insert("setaside".to_owned(), Value::Array(aside));
        }
        made
    }

    /// Gives a draft its number and its entry.
    pub fn book_draft(
        &mut self,
        draft: Draft,
        on: NaiveDate,
        catalogue: &Catalogue,
    ) -> Result<Booked, Box<(Draft, Refusal)>> {
        let sequence = self.numbers.get(&draft.series).copied().unwrap_or(0) + 1;
        let series = draft.series.clone();
        let back = draft.clone();
        let booked = billing::book(draft, sequence, on, catalogue)
            .map_err(|fault| Refusal::new("set_aside", fault.to_string()))
            .and_then(|invoice| {
                let entry = book_entry(&invoice, catalogue, None).map_err(|fault| not_posted(&fault))?;
                Ok((invoice, entry))
            });
        let (invoice, entry) = booked.map_err(|refusal| Box::new((back, refusal)))?;
        self.numbers.insert(series, sequence);
        self.entries.extend((!entry.postings.is_empty()).then_some(entry));
        self.note_number(&invoice.draft, &invoice.number, catalogue);
        self.known.anything_billed = true;
        let settlement = at_booking(invoice.draft.gross_minor(), on);
        Ok(Booked { invoice, settlement })
    }

    /// Tells the periods on an invoice its number, and the book that their charges are billed.
    fn note_number(&mut self, draft: &Draft, number: &str, catalogue: &Catalogue) {
        let mut noted = 0;
        for line in &draft.lines {
            let (Some(subscription), Some(key)) = (line.subscription, &line.key) else { continue };
            let lines = self.billed.get_mut(&subscription).and_then(|billed| billed.get_mut(&key.charge));
            for billed in lines.into_iter().flatten().filter(|billed| billed.line == Some(line.id)) {
                billed.invoice = Some(draft.id);
                billed.invoice_number = Some(number.to_owned());
                noted += 1;
            }
        }
        if noted == 0 {
            return;
        }
        for plan in catalogue.plans.values() {
            for line in draft.lines.iter().filter(|line| plan.charge(&line.sku).is_some()) {
                self.known.billed_charges.insert((plan.sku.clone(), line.sku.clone()));
            }
        }
    }
}

/// What booking gave.
#[derive(Default)]
struct Made {
    booked: Vec<InvoiceId>,
    aside: Map<String, Value>,
}

pub(super) fn not_posted(fault: &PostingFault) -> Refusal {
    Refusal::new("not_posted", fault.to_string())
}

/// A payer and everybody who bills to it.
#[derive(Default)]
struct PayerTree<'a> {
    payer: Option<&'a Customer>,
    customers: Vec<&'a Customer>,
    subscriptions: Vec<&'a Subscription>,
}

/// Accepted events by subscription; each list also holds the corrections of its events.
struct Usage<'a> {
    by_subscription: BTreeMap<SubscriptionId, Vec<&'a StoredEvent>>,
}

impl<'a> Usage<'a> {
    fn of(events: &'a [StoredEvent]) -> Self {
        let mut by_subscription: BTreeMap<SubscriptionId, Vec<&StoredEvent>> = BTreeMap::new();
        let mut owner: BTreeMap<(&str, &str), SubscriptionId> = BTreeMap::new();
        for stored in events {
            by_subscription.entry(stored.subscription).or_default().push(stored);
            owner.insert((&stored.event.source, &stored.event.id), stored.subscription);
            let corrected = stored.event.corrects.as_deref().and_then(|id| owner.get(&(stored.event.source.as_str(), id)));
            if let Some(corrected) = corrected.copied().filter(|corrected| *corrected != stored.subscription) {
                by_subscription.entry(corrected).or_default().push(stored);
            }
        }
        Self { by_subscription }
    }

    fn of_subscription(&self, subscription: SubscriptionId) -> &[&'a StoredEvent] {
        self.by_subscription.get(&subscription).map_or(&[], Vec::as_slice)
    }

    /// What came in after an import, by meter; an event that was corrected counts at its own time too (rules.md Q5).
    fn late_hints(&self, subscription: SubscriptionId, after_import: i64) -> Vec<LateHint> {
        let events = self.of_subscription(subscription);
        let newer: Vec<&StoredEvent> = events.iter().copied().filter(|stored| stored.import > after_import).collect();
        let named: BTreeSet<(&str, &str)> = newer
            .iter()
            .filter_map(|stored| Some((stored.event.source.as_str(), stored.event.corrects.as_deref()?)))
            .collect();
        let is_corrected =
            |stored: &&&StoredEvent| named.contains(&(stored.event.source.as_str(), stored.event.id.as_str()));
        let corrected = events.iter().filter(is_corrected).copied();
        let mut ranges: BTreeMap<&str, Instants> = BTreeMap::new();
        for stored in newer.iter().copied().chain(corrected).filter(|stored| stored.subscription == subscription) {
            let time_us = stored.event.time_us;
            let range = ranges
                .entry(&stored.event.meter)
                .or_insert(Instants { from_us: time_us, to_us: time_us.saturating_add(1) });
            range.from_us = range.from_us.min(time_us);
            range.to_us = range.to_us.max(time_us.saturating_add(1));
        }
        ranges
            .into_iter()
            .map(|(meter, range)| LateHint { subscription, meter: meter.to_owned(), range })
            .collect()
    }
}

fn parked(billed: &[PayerBilled]) -> Map<String, Value> {
    let parked: Vec<Value> = billed
        .iter()
        .filter_map(|b| Some(json!({"account": b.account, "reason": b.billed.parked.as_ref()?})))
        .collect();
    let mut answer = Map::new();
    if !parked.is_empty() {
        answer.insert("parked".to_owned(), Value::Array(parked));
    }
    answer
}

fn preview(billed: Vec<PayerBilled>) -> Value {
    let mut drafts: Vec<Draft> = billed.into_iter().flat_map(|b| b.billed.drafts).collect();
    drafts.sort_by(|a, b| billing::rank(a).cmp(&billing::rank(b)));
    let drafts = drafts.into_iter().map(|draft| json!(answer::document(&Document::Draft(Box::new(draft)))));
    Value::Array(drafts.collect())
}
