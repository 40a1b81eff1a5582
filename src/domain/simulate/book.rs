//! The book in memory: what was loaded, ingested, billed and paid so far.

use super::answer::StepFault;
use super::subjects::Subjects;
use crate::billing::{BilledLine, CarriedDraft};
use crate::book_file::{self, Known, LoadSet};
use crate::catalogue::{AppliedDiscount, Catalogue};
use crate::customer::Customer;
use crate::ids::{ChargeReference, CustomerId, InvoiceId, SubscriptionId};
use crate::invoice::{Draft, Invoice, Settlement, TransactionWire};
use crate::ledger::{ChainState, Entry, Sealed, seal};
use crate::measure::StoredEvent;
use crate::payment::Attempt;
use crate::subscription::{Refusal, Subscription};
use chrono::NaiveDate;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Ancestors looked at from a customer to its payer; a cycle is refused at load.
const ANCESTORS_MAX: usize = 100;

/// What was billed of a subscription, by charge, oldest first.
pub(super) type BilledBySubscription = BTreeMap<ChargeReference, Vec<BilledLine>>;

#[derive(Debug, Default)]
pub(super) struct Book {
    pub known: Known,
    today: Option<NaiveDate>,
    /// Raised by any change to a payer's tree; drafts carry it.
    revisions: BTreeMap<CustomerId, i64>,
    /// Raised by any change to the catalogue.
    catalogue_revision: i64,
    pub billed: BTreeMap<SubscriptionId, BilledBySubscription>,
    pub carried: BTreeMap<CustomerId, Vec<CarriedDraft>>,
    /// How often each complete code was applied.
    pub redeemed: BTreeMap<String, u32>,
    /// Accepted events, in the order in which they came.
    pub events: Vec<StoredEvent>,
    /// Place of each accepted event, by source and id.
    pub event_places: BTreeMap<String, BTreeMap<String, usize>>,
    /// Events that another one corrects, by source and id.
    pub corrected: BTreeSet<(String, String)>,
    /// Number of the newest import.
    pub imports: i64,
    pub rejects: Vec<RejectRow>,
    /// Who usage may be for; made anew after a change.
    pub subjects: Option<Subjects>,
    /// Ordinal of the newest run.
    pub runs: u64,
    pub last_as_of: Option<NaiveDate>,
    /// In the order in which they were made.
    pub documents: Vec<Document>,
    /// Last number taken of each series.
    pub numbers: BTreeMap<String, u64>,
    pub attempts: Vec<Attempt>,
    /// (customer, refkey, token) of methods that were declined for good.
    pub unhealthy: BTreeSet<(CustomerId, String, String)>,
    pub transactions: Vec<TransactionWire>,
    /// Not sealed yet.
    pub entries: Vec<Entry>,
    pub sealed: Vec<Sealed>,
}

/// A refused usage record.
#[derive(Debug, Serialize)]
pub(super) struct RejectRow {
    pub on: NaiveDate,
    /// Place in its step, from 1.
    pub line: usize,
    pub id: Option<String>,
    pub code: &'static str,
    pub text: String,
}

/// A draft or booked invoice or credit note.
#[derive(Debug)]
pub(super) enum Document {
    Draft(Box<Draft>),
    Cancelled(Box<Draft>),
    Booked(Box<Booked>),
}

/// A booked document and its marks.
#[derive(Debug)]
pub(super) struct Booked {
    pub invoice: Invoice,
    pub settlement: Settlement,
}

impl Booked {
    pub fn open_minor(&self) -> i64 {
        self.settlement.open_minor(self.invoice.draft.gross_minor())
    }
}

impl Document {
    pub fn booked(&self) -> Option<&Booked> {
        match self {
            Self::Booked(booked) => Some(booked),
            Self::Draft(_) | Self::Cancelled(_) => None,
        }
    }
}

impl Book {
    /// Time goes on; it never goes back.
    pub fn advance(&mut self, on: NaiveDate) -> Result<(), Refusal> {
        if let Some(today) = self.today.filter(|today| *today > on) {
            let message = format!("{on} comes after a step on {today}");
            return Err(Refusal::new("out_of_order", message).hint("put the steps in the order of their days"));
        }
        self.today = Some(on);
        Ok(())
    }

    /// Loads a book file, all or nothing.
    pub fn load(&mut self, text: &str) -> Result<(), StepFault> {
        let set = book_file::read_text("book", text, &self.known).map_err(StepFault::Book)?;
        self.count_redemptions(&set);
        if set.catalogue_changed {
            self.catalogue_revision += 1;
        }
        self.known.catalogue = Some(Arc::new(set.catalogue));
        let mut touched: Vec<CustomerId> = set.customers.iter().map(|customer| customer.id).collect();
        touched.extend(set.subscriptions.iter().map(|subscription| subscription.customer));
        for customer in set.customers {
            self.known.customers.insert(customer.account_number.clone(), customer);
        }
        for subscription in set.subscriptions {
            self.known.subscriptions.insert(subscription.number.clone(), subscription);
        }
        for (kind, key, hash) in set.hashes {
            self.known.hashes.insert((kind, key), hash);
        }
        for customer in touched {
            self.changed(customer);
        }
        self.subjects = None;
        Ok(())
    }

    /// A code that the file applies is redeemed, once.
    fn count_redemptions(&mut self, set: &LoadSet) {
        let mut applied: Vec<&AppliedDiscount> = Vec::new();
        for customer in &set.customers {
            let before = self.known.customers.get(&customer.account_number).and_then(|c| c.discount.as_ref());
            applied.extend(customer.discount.as_ref().filter(|new| Some(*new) != before));
        }
        for subscription in &set.subscriptions {
            let before: Vec<&AppliedDiscount> =
                self.known.subscriptions.get(&subscription.number).map(applied_at_start).unwrap_or_default();
            applied.extend(applied_at_start(subscription).into_iter().filter(|new| !before.contains(new)));
        }
        for discount in applied {
            *self.redeemed.entry(discount.code.clone()).or_default() += 1;
        }
    }

    pub fn catalogue(&self) -> Result<Arc<Catalogue>, Refusal> {
        let empty = || {
            Refusal::new("empty_book", "the book is empty: there is nothing to bill").hint("load a book file first")
        };
        self.known.catalogue.clone().ok_or_else(empty)
    }

    /// The customer of an id.
    pub fn customer(&self, id: CustomerId) -> Option<&Customer> {
        self.known.customers.values().find(|customer| customer.id == id)
    }

    /// Who pays for each customer: the first ancestor that does not bill to its parent (rules.md B2).
    pub fn payers(&self) -> BTreeMap<CustomerId, CustomerId> {
        let by_id: BTreeMap<CustomerId, &Customer> = self.known.customers.values().map(|c| (c.id, c)).collect();
        by_id
            .values()
            .map(|customer| {
                let mut payer = *customer;
                for _ in 0..ANCESTORS_MAX {
                    let parent = payer.parent.filter(|_| payer.bill_to_parent);
                    let Some(parent) = parent.and_then(|parent| by_id.get(&parent)) else { break };
                    payer = parent;
                }
                (customer.id, payer.id)
            })
            .collect()
    }

    /// Something of a customer's tree has changed: drafts of its payer are out of date.
    pub fn changed(&mut self, customer: CustomerId) {
        let payer = self.payers().get(&customer).copied().unwrap_or(customer);
        *self.revisions.entry(payer).or_default() += 1;
    }

    pub fn revision(&self, payer: CustomerId) -> i64 {
        self.catalogue_revision + self.revisions.get(&payer).copied().unwrap_or(0)
    }

    /// Place of a booked document.
    pub fn place_of(&self, id: InvoiceId) -> Option<usize> {
        self.documents.iter().position(|document| document.booked().is_some_and(|b| b.invoice.draft.id == id))
    }

    pub fn booked_mut(&mut self, place: usize) -> Option<&mut Booked> {
        match self.documents.get_mut(place)? {
            Document::Booked(booked) => Some(booked),
            Document::Draft(_) | Document::Cancelled(_) => None,
        }
    }

    /// Gives the entries made so far their place in the chain (rules.md L2).
    pub fn seal(&mut self) {
        let end = self.sealed.last().map_or_else(ChainState::default, Sealed::state);
        let entries = std::mem::take(&mut self.entries);
        self.sealed.extend(seal(&end, entries));
    }
}

fn applied_at_start(subscription: &Subscription) -> Vec<&AppliedDiscount> {
    let charges = subscription.charges.iter().filter_map(|charge| charge.discount.as_ref());
    subscription.discount.iter().chain(charges).collect()
}
