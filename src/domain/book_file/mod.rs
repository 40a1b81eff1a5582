//! The book file: one JSON document, or NDJSON with one object per line, that describes everything a run needs.
//!
//! [`read`] is all or nothing: it returns what is new or changed against what is [`StoredBook`], or every [`Fault`] at
//! once, each with its JSON pointer. What could only fail at a run is refused here, with the reason (rules P2, P8).
//!
//! Bytes go through `source` (framing), `json` (exact text of numbers, repeated keys), `fields` and `values` (one
//! object's fields) and one file per noun; `collect` gathers the objects, and `merge` settles who refers to whom.
//!
//! ```
//! use domain::book_file::{self, StoredBook};
//! let book = r#"{"tenant": {"fullname": "Nordlys Cloud ApS", "currencycode": "DKK", "timezone": "Europe/Copenhagen"},
//!                "customers": [{"accountnumber": "CU-0001", "fullname": "Kaffe & Co", "country": "DK"}]}"#;
//! let set = book_file::read_text("book.json", book, &StoredBook::default()).map_err(|faults| faults[0].to_string())?;
//! assert_eq!(set.customers[0].currency.code(), "DKK");
//! # Ok::<(), String>(())
//! ```

mod activated;
mod agreements;
mod ahead;
mod as_document;
mod charge_checks;
mod checks;
mod codes;
mod collect;
mod content;
mod custom_invoice;
mod customer;
mod directory;
mod discount;
mod draft_edit;
mod dunning;
mod fault;
mod fields;
mod json;
mod load;
mod merge;
mod nearest;
mod needs;
mod number_series;
mod owners;
mod paper;
mod plan;
mod pricing;
mod removal;
mod schema;
mod seller;
mod settle;
mod source;
mod subscription;
mod tables;
mod unit_accounts;
mod values;

pub use as_document::{Document, catalogue_documents, customer_document, subscription_document};
pub use collect::key_field;
pub use content::{ContentHash, NotAContentHash, ObjectKind};
pub use custom_invoice::{read_custom_invoice, read_draft_invoice};
pub use draft_edit::read_draft_edit;
pub use fault::Fault;
pub use json::{Node, read_body};
pub use load::{Batch, Changes, ConvertedBatch, Load};
pub use nearest::nearest;
pub use needs::Needs;
pub use removal::{has_no_status, in_use, moves_prices, named_by, remove, unknown, was_deleted};
pub use schema::{json_schema, reference};
pub use seller::{rate_key, tax_rule_key};
pub use tables::{Field, FieldDefault, Shape, Table};

use crate::catalogue::Catalogue;
use crate::customer::Customer;
use crate::ids::{PlanId, SubscriptionId};
use crate::refusal::{Code, Refusal};
use crate::subscription::Subscription;
use collect::Collector;
use fault::Place;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::sync::Arc;

/// What is in the store already: all of it, or what the files [need](Parsed::needs).
#[derive(Debug, Clone, Default)]
pub struct StoredBook {
    /// None before the first load.
    pub catalogue: Option<Arc<Catalogue>>,
    /// By account number.
    pub customers: BTreeMap<String, Customer>,
    /// By subscription number, with their acts.
    pub subscriptions: BTreeMap<String, Subscription>,
    /// Account numbers of some others, for hints.
    pub other_customers: Vec<String>,
    /// What is kept of the objects that the files name, by natural key (rules S6).
    pub objects: BTreeMap<ObjectKind, HashMap<String, Stored>>,
    /// Documents of customers who have a discount, by account number: whether a new one says something else of it.
    pub documents: BTreeMap<String, String>,
    /// Plan SKU and charge SKU of every charge that a booked line has (rules P9).
    pub billed_charges: BTreeSet<(String, String)>,
    /// Those of the subscriptions whose takeover the files change that were drafted or billed (rules S7).
    pub begun: BTreeSet<SubscriptionId>,
    /// Names of the series that have given numbers.
    pub series: BTreeSet<String>,
    /// Whether any invoice was booked: currency and zones are fixed then (rules T1).
    pub anything_billed: bool,
}

/// What is kept of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// As it was loaded last; none if it never was by a file, or what is asked has nothing to do with that.
    pub loaded: Option<ContentHash>,
    /// Of its document.
    pub content: ContentHash,
    /// It is in no list any more, and its name stays taken.
    pub is_deleted: bool,
}

impl StoredBook {
    /// What is kept of an object.
    pub fn object(&self, kind: ObjectKind, key: &str) -> Option<&Stored> {
        self.objects.get(&kind)?.get(key)
    }
}

/// An object that is new or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub kind: ObjectKind,
    pub key: String,
    /// Of what was written.
    pub loaded: ContentHash,
    /// What was written, with every field under its one name.
    pub document: String,
    /// Of the document.
    pub content: ContentHash,
    /// Something new may use it.
    pub is_active: bool,
    /// Nothing is kept of it yet, not even that it was deleted.
    pub is_new: bool,
}

/// Where objects of the files stand, by kind and natural key.
pub type Pointers = HashMap<(ObjectKind, String), String>;

/// What a load changes. Saving it and loading the same files again changes nothing.
#[derive(Debug, Clone)]
pub struct LoadSet {
    /// The whole catalogue, stored and loaded merged.
    pub catalogue: Catalogue,
    /// Whether anything of the catalogue is new or changed.
    pub catalogue_changed: bool,
    /// Whose bills the change of the catalogue may move.
    pub reach: Reach,
    /// Those created or updated, in the order of the files.
    pub customers: Vec<Customer>,
    /// Those created or updated, in the order of the files; an update keeps acts and state.
    pub subscriptions: Vec<Subscription>,
    /// Every object that is new or changed, as it was written.
    pub objects: Vec<Change>,
    /// Where each object of the files stands, changed or not; with the file's name if there are several.
    pub pointers: Pointers,
    pub report: LoadReport,
}

impl LoadSet {
    /// Everything is in the store as it is in the files.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}

/// Whose bills a change of the catalogue may move: their drafts are made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Of those who have, or have had, one of these plans; of nobody if there is none. Units of measure, families and
    /// dunning policies move no price, and what is new is used by nobody yet.
    Plans(BTreeSet<PlanId>),
    /// The tenant, a business unit, a tax rule, a rate or a discount changed.
    Everybody,
}

impl Reach {
    /// Whether there may be a bill that moves.
    pub fn is_nobody(&self) -> bool {
        matches!(self, Self::Plans(plans) if plans.is_empty())
    }
}

/// How many objects a load created, updated and left as they were; every kind that occurs is in all three.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LoadReport {
    pub created: BTreeMap<&'static str, u64>,
    pub updated: BTreeMap<&'static str, u64>,
    pub unchanged: BTreeMap<&'static str, u64>,
}

impl LoadReport {
    fn created(&mut self, kind: ObjectKind) {
        self.count(kind, [1, 0, 0]);
    }

    fn updated(&mut self, kind: ObjectKind) {
        self.count(kind, [0, 1, 0]);
    }

    fn unchanged(&mut self, kind: ObjectKind) {
        self.count(kind, [0, 0, 1]);
    }

    fn count(&mut self, kind: ObjectKind, by: [u64; 3]) {
        let maps = [&mut self.created, &mut self.updated, &mut self.unchanged];
        for (map, by) in maps.into_iter().zip(by) {
            *map.entry(kind.name()).or_default() += by;
        }
    }
}

/// Reads book files, given as name and content, against what is stored. Each file is one JSON document or NDJSON;
/// a byte order mark is tolerated. Objects may refer to one another across the files in any order.
///
/// # Errors
/// Every fault of every file; nothing is to be changed then.
pub fn read<R: Read>(files: Vec<(String, R)>, known: &StoredBook) -> Result<LoadSet, Vec<Fault>> {
    Parsed::read(files).merge(known)
}

/// Book files that are read, and not yet judged against the store: long work that needs no lock.
pub struct Parsed(Collector);

impl Parsed {
    /// Reads files, given as name and content. What is wrong with them is said by [`Self::merge`].
    pub fn read<R: Read>(files: Vec<(String, R)>) -> Self {
        let mut collector = Collector::default();
        for (name, source) in files {
            source::read(&name, source, &mut collector);
        }
        Self(collector)
    }

    /// One object on its own; pointers of its faults begin at the object.
    pub fn object(kind: ObjectKind, name: &str, text: &str) -> Self {
        let mut collector = Collector::default();
        let place = Place::new(collector.faults.file(name), "");
        match json::parse(text, 1, &place, &mut collector.faults) {
            Some(node) => collector.object(kind, &node, place, None),
            None => collector.is_cut_off = true,
        }
        Self(collector)
    }

    /// One object as a merge patch (RFC 7396) leaves its document.
    pub fn patched(kind: ObjectKind, name: &str, document: &str, patch: &str) -> Self {
        let mut collector = Collector::default();
        let place = Place::new(collector.faults.file(name), "");
        match settle::patched(kind, document, patch, &place, &mut collector.faults) {
            Some(node) => collector.object(kind, &node, place, None),
            None => collector.is_cut_off = true,
        }
        Self(collector)
    }

    /// Names do not change: what was read of this kind is the object of this key.
    ///
    /// # Errors
    /// `name_changes`.
    pub fn expect_key(&self, kind: ObjectKind, key: &str) -> Result<(), Refusal> {
        let written = self.0.seen.keys().find(|(seen, _)| *seen == kind).map(|(_, key)| key.as_str());
        let Some(other) = written.filter(|written| *written != key) else { return Ok(()) };
        let message = format!("the {} `{key}` cannot become `{other}`: names do not change", kind.singular());
        Err(Refusal::new(Code::NameChanges, message).hint("put it as a new object"))
    }

    /// What the load changes of what is stored.
    ///
    /// # Errors
    /// As [`read`].
    pub fn merge(self, known: &StoredBook) -> Result<LoadSet, Vec<Fault>> {
        load::whole(self, known)
    }
}

/// What a document becomes by a merge patch (RFC 7396), which may use any name of a field.
pub fn merged(kind: ObjectKind, stored: Node, patch: &Node) -> Node {
    settle::merged(kind, stored, patch)
}

/// Reads a book from its text; `name` stands in faults.
///
/// # Errors
/// As [`read`].
pub fn read_text(name: &str, text: &str, known: &StoredBook) -> Result<LoadSet, Vec<Fault>> {
    read(vec![(name.to_owned(), text.as_bytes())], known)
}

/// Reads a book that is part of a parsed document (a scenario); its faults are of the file `book`. A number with a
/// fraction and more than 15 digits is refused, because the parser may have rounded it: [`read_text`] has no such limit.
///
/// # Errors
/// As [`read`].
pub fn read_value(value: &serde_json::Value, known: &StoredBook) -> Result<LoadSet, Vec<Fault>> {
    let mut collector = Collector::default();
    let place = Place::new(collector.faults.file("book"), "");
    let node = json::from_value(value, &place, &mut collector.faults);
    collector.document(&node, &place, None);
    Parsed(collector).merge(known)
}

#[cfg(test)]
mod tests;
