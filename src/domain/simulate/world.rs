//! The book in memory, and what has happened to it.

use super::received::Waiting;
use super::runs::Run;
use crate::billing::{BilledLine, CarriedDraft, Credited, LateHint, PayerBook, ReopenedLine, credits_of};
use crate::book_file::{Change, LoadSet, ObjectKind, Reach, Stored, StoredBook};
use crate::catalogue::Catalogue;
use crate::customer::Customer;
use crate::ids::{AttemptId, ChargeReference, CustomerId, DiscountId, InvoiceId, SubscriptionId};
use crate::invoice::verbs::SettlementPart;
use crate::invoice::{Draft, Invoice, InvoiceStatus, InvoiceWire, LineKey, Settlement};
use crate::ledger::{Calendar, Entry};
use crate::measure::{Instants, StoredEvent};
use crate::payment::Attempt;
use crate::refusal::{Code, Refusal};
use crate::run::{self, RunState};
use crate::subscription::{Subscription, Timeline, Verb};
use crate::usage::Reject;
use chrono::NaiveDate;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Ancestors looked at for a payer.
const ANCESTORS_MAX: usize = 100;

/// Everything a scenario knows.
#[derive(Debug, Default)]
pub(super) struct World {
    pub known: StoredBook,
    /// What was written of each object that is in the book.
    pub documents_of_book: BTreeMap<(ObjectKind, String), String>,
    pub catalogue: Option<Arc<Catalogue>>,
    /// Day of the last step.
    pub today: Option<NaiveDate>,
    pub events: Vec<StoredEvent>,
    /// (source, id) of accepted events → place in `events`.
    pub keys: HashMap<(String, String), usize>,
    /// Events that were corrected.
    pub corrected: BTreeSet<(String, String)>,
    pub rejects: Vec<Rejected>,
    /// Number of the newest import.
    pub imports: i64,
    pub runs: Vec<Run>,
    /// How often what a payer's bills depend on has changed.
    revisions: BTreeMap<CustomerId, i64>,
    /// Billed periods that a person has waived.
    pub waived: BTreeSet<LineKey>,
    pub billed: BTreeMap<ChargeReference, Vec<BilledLine>>,
    pub reopened: BTreeMap<ChargeReference, Vec<ReopenedLine>>,
    pub carried: BTreeMap<CustomerId, Vec<CarriedDraft>>,
    pub documents: Vec<Document>,
    pub sequences: BTreeMap<String, u64>,
    /// Numbers of which payment references were made.
    pub references: u64,
    pub transactions: Vec<Transaction>,
    /// Money that came to the bank, in order.
    pub received: Vec<Waiting>,
    /// Places of invoices that wait for the next file of direct debits.
    pub to_debit: Vec<usize>,
    /// Debits that went to the bank, in order.
    pub debits: Vec<DebitInFile>,
    pub entries: Vec<Entry>,
    /// Which months are closed, and up to when revenue is recognised.
    pub calendar: Calendar,
    /// Days whose daily dunning run has been.
    pub mornings: BTreeSet<NaiveDate>,
    /// (customer, health key) of methods that were declined for good.
    pub unhealthy: BTreeSet<(CustomerId, String)>,
}

/// A refused usage record.
#[derive(Debug)]
pub(super) struct Rejected {
    pub on: NaiveDate,
    pub id: Option<String>,
    pub reject: Reject,
}

/// An invoice or credit note, from draft on, at its place in the order in which they were made.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub draft: Draft,
    pub booked: Option<Invoice>,
    pub settlement: Settlement,
    /// What has settled it.
    pub parts: Vec<SettlementPart>,
    /// Place of the run that made it.
    pub run: Option<usize>,
    /// Why its run did not book it.
    pub set_aside: Option<String>,
}

/// A movement of money, or the attempt at one.
#[derive(Debug, Clone)]
pub(super) struct Transaction {
    pub attempt: Attempt,
    pub kind: TransactionKind,
}

/// A direct debit that went to the bank.
#[derive(Debug, Clone)]
pub(super) struct DebitInFile {
    pub attempt: AttemptId,
    /// Place of its invoice.
    pub document: usize,
    pub mandate: String,
    pub health_key: String,
    pub collect_on: NaiveDate,
    /// Day on which the bank did not carry it out, or took it back.
    pub went_back: Option<NaiveDate>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TransactionKind {
    Online,
    /// Paid elsewhere and marked as paid.
    Manual,
    Refund,
}

impl Document {
    pub fn draft(draft: Draft) -> Self {
        let settlement = Settlement::open(InvoiceStatus::Draft);
        Self { draft, booked: None, settlement, parts: Vec::new(), run: None, set_aside: None }
    }

    pub fn id(&self) -> InvoiceId {
        self.draft.id
    }

    pub fn is_draft(&self) -> bool {
        self.booked.is_none() && self.settlement.status == InvoiceStatus::Draft
    }

    /// As it stands on a day.
    pub fn wire(&self, as_of: NaiveDate) -> InvoiceWire {
        match &self.booked {
            Some(invoice) => InvoiceWire::booked(invoice, &self.settlement, as_of),
            None => InvoiceWire::unbooked(&self.draft, &self.settlement),
        }
    }
}

impl World {
    /// Takes what a load changes.
    ///
    /// # Errors
    /// `run_stands`: a price may move, and a run has drafts that are not booked.
    pub fn load(&mut self, set: LoadSet) -> Result<(), Refusal> {
        if !set.reach.is_nobody() {
            self.refuse_while_drafts_stand()?;
        }
        let touched = self.touched_by(&set);
        self.change_bills_of(&touched);
        let catalogue = Arc::new(set.catalogue);
        self.known.catalogue = Some(Arc::clone(&catalogue));
        self.catalogue = Some(catalogue);
        for customer in set.customers {
            self.known.customers.insert(customer.account_number.clone(), customer);
        }
        for subscription in set.subscriptions {
            self.known.subscriptions.insert(subscription.number.clone(), subscription);
        }
        for Change { kind, key, loaded, document, content, .. } in set.objects {
            if kind == ObjectKind::Customer {
                self.known.documents.insert(key.clone(), document.clone());
            }
            self.documents_of_book.insert((kind, key.clone()), document);
            let stored = Stored { loaded: Some(loaded), content, is_deleted: false };
            self.known.objects.entry(kind).or_default().insert(key, stored);
        }
        self.change_bills_of(&touched);
        Ok(())
    }

    /// Refuses what may move a price while a run stands between its drafts and their booking.
    ///
    /// # Errors
    /// `run_stands`.
    pub fn refuse_while_drafts_stand(&self) -> Result<(), Refusal> {
        match self.runs.iter().zip(1_u64..).find(|(run, _)| run.is_in_review()) {
            Some((run, ordinal)) => Err(run::stands(ordinal, RunState::Review, &run.scope())),
            None => Ok(()),
        }
    }

    /// The number of the first run that has looked at a payer.
    pub fn run_that_has(&self, payer: CustomerId) -> Option<u64> {
        self.runs.iter().zip(1_u64..).find(|(run, _)| run.has(payer)).map(|(_, ordinal)| ordinal)
    }

    /// Customers whose bills a load may move: those that it names, and those of what it changes in the catalogue.
    fn touched_by(&self, set: &LoadSet) -> BTreeSet<CustomerId> {
        let mut touched: BTreeSet<CustomerId> = set.customers.iter().map(|customer| customer.id).collect();
        for subscription in &set.subscriptions {
            let before = self.known.subscriptions.get(&subscription.number).map(|before| before.customer);
            touched.extend(before.into_iter().chain([subscription.customer]));
        }
        match &set.reach {
            Reach::Everybody => touched.extend(self.known.customers.values().map(|customer| customer.id)),
            Reach::Plans(plans) => {
                let subscriptions = self.known.subscriptions.values();
                let has_plan = |s: &&Subscription| !s.plans().is_disjoint(plans);
                touched.extend(subscriptions.filter(has_plan).map(|s| s.customer));
            }
        }
        touched
    }

    /// Something changed that the bills of those who pay for these customers depend on: what is drafted of them is old.
    pub fn change_bills_of(&mut self, customers: &BTreeSet<CustomerId>) {
        let roots = self.payers();
        let payers: BTreeSet<CustomerId> = customers.iter().filter_map(|id| roots.get(id).copied()).collect();
        for payer in payers {
            *self.revisions.entry(payer).or_default() += 1;
        }
    }

    /// The revision of a payer's book.
    pub fn revision(&self, payer: CustomerId) -> i64 {
        self.revisions.get(&payer).copied().unwrap_or_default()
    }

    /// The ordinal of the next run.
    pub fn next_run(&self) -> u64 {
        u64::try_from(self.runs.len()).unwrap_or(u64::MAX) + 1
    }

    /// The ordinal of the newest run; 1 before the first.
    pub fn newest_run(&self) -> u64 {
        (self.next_run() - 1).max(1)
    }

    /// The book of the payer of a customer.
    pub fn book_of(&self, customer: CustomerId) -> Result<PayerBook, Refusal> {
        let roots = self.payers();
        let gone = || Refusal::new(Code::UnknownCustomer, "the customer is gone");
        let payer = *roots.get(&customer).ok_or_else(gone)?;
        let members: Vec<&Customer> =
            self.known.customers.values().filter(|c| roots.get(&c.id) == Some(&payer)).collect();
        self.payer_book(payer, &members)
    }

    pub fn catalogue(&self) -> Result<&Arc<Catalogue>, Refusal> {
        self.catalogue.as_ref().ok_or_else(|| Refusal::new(Code::NoBook, "no book is loaded"))
    }

    pub fn customer(&self, id: CustomerId) -> Option<&Customer> {
        self.known.customers.values().find(|customer| customer.id == id)
    }

    /// The root payer of every customer (rules B2), in account-number order.
    pub fn payers(&self) -> BTreeMap<CustomerId, CustomerId> {
        let by_id: BTreeMap<CustomerId, &Customer> =
            self.known.customers.values().map(|customer| (customer.id, customer)).collect();
        let root = |customer: &Customer| {
            let mut at = customer;
            for _ in 0..ANCESTORS_MAX {
                let parent = at.parent.filter(|_| at.bill_to_parent).and_then(|id| by_id.get(&id));
                let Some(parent) = parent else { break };
                at = parent;
            }
            at.id
        };
        by_id.values().map(|customer| (customer.id, root(customer))).collect()
    }

    /// All that billing a payer needs.
    pub fn payer_book(&self, payer: CustomerId, members: &[&Customer]) -> Result<PayerBook, Refusal> {
        let customers: BTreeMap<CustomerId, Customer> =
            members.iter().map(|customer| (customer.id, (*customer).clone())).collect();
        let subscriptions: BTreeMap<SubscriptionId, Subscription> = self
            .known
            .subscriptions
            .values()
            .filter(|s| customers.contains_key(&s.customer))
            .map(|s| (s.id, s.clone()))
            .collect();
        let mut billed: BTreeMap<ChargeReference, Vec<BilledLine>> = BTreeMap::new();
        for (reference, lines) in &self.billed {
            if lines.iter().any(|line| subscriptions.contains_key(&line.subscription)) {
                billed.insert(*reference, lines.clone());
            }
        }
        let mut book = PayerBook {
            catalogue: Arc::clone(self.catalogue()?),
            payer,
            revision: self.revision(payer),
            customers,
            subscriptions,
            billed,
            reopened: self.reopened.clone(),
            credited: self.credited(),
            carried: members
                .iter()
                .filter_map(|member| self.carried.get(&member.id))
                .flatten()
                .cloned()
                .collect(),
            codes_redeemed: self.redeemed_discounts(),
            late: Vec::new(),
        };
        book.late = self.late_hints(&book);
        Ok(book)
    }

    /// What has been credited of any line, by what is booked, drafted and carried: a line of a customer who bills to another
    /// payer since is credited by that one (rules B2).
    pub fn credited(&self) -> Credited {
        let is_standing = |document: &&Document| document.settlement.status != InvoiceStatus::Cancelled;
        let drafts = self.documents.iter().filter(is_standing).map(|document| &document.draft);
        let carried = self.carried.values().flatten().map(|carried| &carried.draft);
        Credited::of(&credits_of(drafts.chain(carried).flat_map(|draft| &draft.lines)))
    }

    /// Where events came in since a subscription was last billed. A correction touches its own time and that of what
    /// it corrects.
    fn late_hints(&self, book: &PayerBook) -> Vec<LateHint> {
        let mut marks: BTreeMap<SubscriptionId, i64> = BTreeMap::new();
        for line in book.billed.values().flatten() {
            let mark = marks.entry(line.subscription).or_insert(line.usage_mark);
            *mark = line.usage_mark.min(*mark);
        }
        let mut ranges: BTreeMap<(SubscriptionId, String), Instants> = BTreeMap::new();
        let mut touch = |stored: &StoredEvent| {
            let time_us = stored.event.time_us;
            let range = Instants { from_us: time_us, to_us: time_us + 1 };
            let known = ranges.entry((stored.subscription, stored.event.meter.clone())).or_insert(range);
            known.from_us = known.from_us.min(time_us);
            known.to_us = known.to_us.max(time_us + 1);
        };
        for stored in &self.events {
            let is_late = marks.get(&stored.subscription).is_some_and(|mark| stored.import > *mark);
            if is_late {
                touch(stored);
            }
            let corrects = stored.event.corrects.as_ref().map(|id| (stored.event.source.clone(), id.clone()));
            let original = corrects.and_then(|key| self.keys.get(&key)).and_then(|at| self.events.get(*at));
            if let Some(original) = original
                && marks.get(&original.subscription).is_some_and(|mark| stored.import > *mark)
            {
                touch(original);
            }
        }
        ranges
            .into_iter()
            .map(|((subscription, meter), range)| LateHint { subscription, meter, range })
            .collect()
    }

    /// How often each code has been applied.
    pub fn redeemed(&self) -> BTreeMap<String, u32> {
        let mut redeemed: BTreeMap<String, u32> = BTreeMap::new();
        let mut count = |code: &str| *redeemed.entry(code.to_owned()).or_default() += 1;
        for customer in self.known.customers.values() {
            customer.discounts().for_each(|d| count(&d.code));
        }
        for subscription in self.known.subscriptions.values() {
            subscription.discount.iter().for_each(|d| count(&d.code));
            subscription.charges.iter().filter_map(|c| c.discount.as_ref()).for_each(|d| count(&d.code));
            for act in &subscription.acts {
                if let Verb::ApplyDiscount { discount, .. } = &act.verb {
                    count(&discount.code);
                }
            }
        }
        redeemed
    }

    fn redeemed_discounts(&self) -> BTreeMap<DiscountId, u32> {
        let Some(catalogue) = &self.catalogue else { return BTreeMap::new() };
        if catalogue.discounts.is_empty() {
            return BTreeMap::new();
        }
        let redeemed = self.redeemed();
        let of = |codes: &[crate::catalogue::DiscountCode]| {
            codes.iter().filter_map(|code| redeemed.get(&code.complete())).sum::<u32>()
        };
        catalogue.discounts.iter().map(|(id, discount)| (*id, of(&discount.codes))).collect()
    }

    /// Notes what can no longer be changed by a load (rules P9, S6).
    pub fn note_billed(&mut self, draft: &Draft) {
        let Some(catalogue) = self.catalogue.clone() else { return };
        self.known.anything_billed = true;
        for line in &draft.lines {
            let Some(subscription) =
                line.subscription_number.as_ref().and_then(|n| self.known.subscriptions.get(n))
            else {
                continue;
            };
            let day = line.period.start;
            self.known.begun.insert(subscription.id);
            let Ok(timeline) = Timeline::known(subscription, &catalogue, draft.charge_date, day) else {
                continue;
            };
            let life = line.key.as_ref().and_then(|key| timeline.charge(key.charge));
            if let Some(life) = life {
                let terms = life.terms_on(day);
                self.known.billed_charges.insert((terms.plan.sku.clone(), terms.charge.sku.clone()));
            }
        }
    }

    /// Zone of local times without offset: the tenant's.
    pub fn zone(&self) -> chrono_tz::Tz {
        self.catalogue.as_ref().map_or(chrono_tz::UTC, |catalogue| catalogue.tenant.timezone)
    }

    /// A document by its number, or by its place from 1 in the order in which they were made.
    pub fn document(&self, name: &str) -> Result<usize, Refusal> {
        let by_number = self
            .documents
            .iter()
            .position(|d| d.booked.as_ref().is_some_and(|invoice| invoice.number == name));
        let by_place = || {
            name.parse::<usize>().ok().and_then(|n| n.checked_sub(1)).filter(|n| *n < self.documents.len())
        };
        by_number.or_else(by_place).ok_or_else(|| {
            let message = format!("there is no invoice `{name}`");
            Refusal::new(Code::UnknownInvoice, message)
                .hint(format!("{} have been made: give a number, or a place from 1", self.documents.len()))
        })
    }

    /// Accounts for the billed lines of a draft that is booked now.
    pub fn name_billed(&mut self, invoice: InvoiceId, number: &str) {
        for line in self.billed.values_mut().flatten().filter(|line| line.invoice == Some(invoice)) {
            line.invoice_number = Some(number.to_owned());
        }
    }
}
