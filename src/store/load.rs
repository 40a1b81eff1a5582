//! Loading book files, and objects put one by one: what is known already of what they name, and saving what they change (rules
//! S6). All in one transaction, some customers and subscriptions at a time.

use crate::book_object::{self, Source, Writer};
use crate::run::{self, Run};
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::{Ids, Texts};
use crate::{book, catalogue, counter, payer};
use domain::book_file::{
    Change, Changes, ConvertedBatch, Fault, Load, LoadReport, Needs, ObjectKind, Parsed, Pointers, Reach,
    StoredBook,
};
use domain::catalogue::Catalogue;
use domain::customer::Customer;
use domain::ids::{CustomerId, PlanId, SubscriptionId};
use domain::subscription::Subscription;
use sqlx::types::Json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

/// Customers and subscriptions that are looked at together. A load of more keeps the whole book to itself.
const BATCH: usize = 2_000;
/// Pages that SQLite keeps in a large load, in KiB, below zero as it wants it: 64 MiB hold the indexes that are written.
const LARGE_CACHE: &str = "-65536";
/// Other account numbers that are read for hints.
const NAMES_MAX: i64 = 2_000;

/// What a load has come to; only the last is to be committed.
#[derive(Debug)]
pub enum Outcome {
    Faulty(Vec<Fault>),
    /// Prices would move, and the drafts of this run are made and not all booked.
    RunStands(Box<Run>),
    Loaded(Loaded),
}

/// What a load changes.
#[derive(Debug)]
pub struct Loaded {
    pub report: LoadReport,
    pub pointers: Pointers,
    /// Something of the catalogue is new or changed.
    pub catalogue_changed: bool,
    /// Customers that are new or changed, and owners of subscriptions that are.
    pub touched: BTreeSet<CustomerId>,
}

impl Loaded {
    /// Everything is in the store as it was written.
    pub fn is_nothing(&self) -> bool {
        !self.catalogue_changed && self.touched.is_empty()
    }
}

/// Brings files in, all or nothing. It stays as it is until the transaction ends: other loads, and acts on the payers that
/// the files touch, wait.
pub async fn load(tx: &mut Tx, parsed: Parsed, writer: &Writer<'_>) -> anyhow::Result<Outcome> {
    if parsed.owned() <= BATCH {
        return load_in(tx, parsed, writer, false).await;
    }
    tx.keep_pages(LARGE_CACHE).await?;
    let outcome = load_in(tx, parsed, writer, true).await?;
    tx.keep_pages(crate::open::WRITER_CACHE).await?;
    Ok(outcome)
}

async fn load_in(
    tx: &mut Tx,
    parsed: Parsed,
    writer: &Writer<'_>,
    is_large: bool,
) -> anyhow::Result<Outcome> {
    counter::take(tx, counter::LOAD, 0).await?;
    let mut known = of_catalogue(tx, &parsed, writer).await?;
    if is_large || parsed.changes_catalogue(&known) {
        // Only loads change the catalogue: what was read says rightly what is to be locked.
        catalogue::lock(tx).await?;
        known = of_catalogue(tx, &parsed, writer).await?;
    }
    let mut load = parsed.begin(&known);
    if !load.reach().is_nobody()
        && !load.has_faults()
        && let Some(run) = run::between_drafts_and_booking(tx).await?
    {
        return Ok(Outcome::RunStands(Box::new(run)));
    }
    let catalogue_changed = match load.catalogue() {
        Some((catalogue, changes)) => {
            save_catalogue(tx, &catalogue, changes, load.reach(), writer).await?;
            true
        }
        None => false,
    };
    known.subscriptions.clear();
    let mut saver = Saver { book: book::BookWriter::default(), touched: BTreeSet::new(), writer };
    let mut judged = Changes::default();
    while let Some(batch) = load.next(BATCH) {
        known.objects = objects(tx, &batch.keys(), writer).await?;
        // A batch is converted while the one before it is saved.
        let converting = tokio::task::spawn_blocking(move || {
            let part = load.convert(batch, &known);
            (load, known, part)
        });
        saver.save(tx, std::mem::take(&mut judged)).await?;
        let part;
        (load, known, part) = converting.await?;
        if part.is_empty() {
            continue;
        }
        let known = of_part(tx, &load, &part, &known, is_large).await?;
        let changes = load.merge(part, &known);
        // Of a large load what is faulty is written around, so that what comes later is judged too; nothing stays of it.
        if is_large || !load.has_faults() {
            judged = changes;
        }
    }
    saver.save(tx, judged).await?;
    let (report, pointers) = match load.finish() {
        Ok(done) => done,
        Err(faults) => return Ok(Outcome::Faulty(faults)),
    };
    saver.book.finish(tx).await?;
    Ok(Outcome::Loaded(Loaded { report, pointers, catalogue_changed, touched: saver.touched }))
}

/// Saves what batches change, one after the other.
struct Saver<'w> {
    book: book::BookWriter,
    /// Customers that are new or changed, and owners of subscriptions that are.
    touched: BTreeSet<CustomerId>,
    writer: &'w Writer<'w>,
}

impl Saver<'_> {
    async fn save(&mut self, tx: &mut Tx, changes: Changes) -> anyhow::Result<()> {
        self.book.customers(tx, &changes.customers).await?;
        self.book.subscriptions(tx, &changes.subscriptions).await?;
        book_object::save(tx, &changes.objects, self.writer).await?;
        self.touched.extend(changes.customers.iter().map(|customer| customer.id));
        self.touched.extend(changes.subscriptions.iter().map(|subscription| subscription.customer));
        Ok(())
    }
}

/// Saves what is new or changed of what is sold and how; raises the revision of everybody whose bills that may move.
async fn save_catalogue(
    tx: &mut Tx,
    catalogue: &Catalogue,
    changes: &[Change],
    reach: &Reach,
    writer: &Writer<'_>,
) -> anyhow::Result<()> {
    let names: Vec<(ObjectKind, &str)> =
        changes.iter().map(|change| (change.kind, change.key.as_str())).collect();
    catalogue::save(tx, catalogue, &names).await?;
    book_object::save(tx, changes, writer).await?;
    match reach {
        Reach::Everybody => catalogue::raise(tx).await,
        Reach::Plans(plans) => raise_with(tx, plans).await,
    }
}

/// What is kept of these objects. Outside a file an object is as it stands, whatever was loaded last.
async fn objects(
    tx: &mut Tx,
    keys: &BTreeMap<ObjectKind, Vec<&str>>,
    writer: &Writer<'_>,
) -> anyhow::Result<BTreeMap<ObjectKind, std::collections::HashMap<String, domain::book_file::Stored>>> {
    let mut objects = book_object::stored(tx, keys).await?;
    if writer.source == Source::Request {
        objects.values_mut().flat_map(|of_kind| of_kind.values_mut()).for_each(|stored| stored.loaded = None);
    }
    Ok(objects)
}

/// What is sold and how, and what its change is checked against.
async fn of_catalogue(tx: &mut Tx, parsed: &Parsed, writer: &Writer<'_>) -> anyhow::Result<StoredBook> {
    let keys = parsed.catalogue_keys();
    let objects = objects(tx, &keys, writer).await?;
    let catalogue = catalogue::load(tx).await?.map(Arc::new);
    let anything_billed: i64 = on!(tx, c => sqlx::query_scalar("select count(*) from (select 1 from invoice limit 1) one").fetch_one(c).await?);
    let series: Vec<String> =
        on!(tx, c => sqlx::query_scalar("select name from number_series").fetch_all(c).await?);
    let mut known = StoredBook {
        objects,
        anything_billed: anything_billed > 0,
        series: series.into_iter().collect(),
        ..StoredBook::default()
    };
    if let Some(catalogue) = &catalogue {
        if keys.contains_key(&ObjectKind::ProductPlan) {
            known.billed_charges = billed_charges(tx, catalogue).await?;
        }
        let plans = parsed.narrowed_plans(catalogue);
        let on_them = subscriptions_with(tx, &plans).await?;
        known.subscriptions = on_them.into_iter().map(|s| (s.number.clone(), s)).collect();
    }
    known.catalogue = catalogue;
    Ok(known)
}

/// What a part of the files is checked against, under the locks of the payers whom it touches; a large load has the book
/// to itself.
async fn of_part(
    tx: &mut Tx,
    load: &Load,
    part: &ConvertedBatch,
    known: &StoredBook,
    is_large: bool,
) -> anyhow::Result<StoredBook> {
    let first = known_of(tx, load, part, known).await?;
    if tx.is_sqlite() || is_large {
        return Ok(first);
    }
    // Only loads move customers: what is read here says rightly what is to be locked, and is read again under the lock.
    let touched: Vec<CustomerId> = load.touched(part, &first).into_iter().collect();
    let roots: Vec<CustomerId> = book::roots_of(tx, &touched).await?.into_iter().map(CustomerId).collect();
    payer::lock(tx, &roots).await?;
    let limited = load.limited_codes(part, &first);
    let is_limited = |discount: &domain::catalogue::Discount| {
        discount.codes.iter().any(|code| limited.contains(&code.complete()))
    };
    let discounts = first.catalogue.iter().flat_map(|catalogue| &catalogue.discounts);
    let locked: Vec<_> = discounts.filter(|(_, discount)| is_limited(discount)).map(|(id, _)| *id).collect();
    for id in locked {
        catalogue::lock_discount(tx, id).await?;
    }
    known_of(tx, load, part, known).await
}

async fn known_of(
    tx: &mut Tx,
    load: &Load,
    part: &ConvertedBatch,
    of_catalogue: &StoredBook,
) -> anyhow::Result<StoredBook> {
    let mut known = StoredBook {
        catalogue: of_catalogue.catalogue.clone(),
        objects: of_catalogue.objects.clone(),
        anything_billed: of_catalogue.anything_billed,
        ..StoredBook::default()
    };
    let needs = load.needs(part);
    add_named_customers(tx, load, part, &needs, &mut known).await?;
    add_subscriptions(tx, &needs, &mut known).await?;
    known.begun = begun(tx, &load.moved_takeovers(part, &known)).await?;
    add_holders(tx, &load.limited_codes(part, &known), &mut known).await?;
    add_of_inactive(tx, &load.inactive(part), &mut known).await?;
    add_ancestors(tx, &mut known).await?;
    add_documents(tx, &mut known).await?;
    add_deleted(tx, &needs, &mut known).await?;
    if !load.unknown_customers(part, &known).is_empty() {
        known.other_customers = on!(tx, c => sqlx::query_scalar(
            "select account_number from customer order by account_number limit $1")
            .bind(NAMES_MAX)
            .fetch_all(c)
            .await?);
    }
    Ok(known)
}

fn texts<'t>(names: impl IntoIterator<Item = &'t &'t str>) -> Texts {
    Texts(names.into_iter().map(|name| (*name).to_owned()).collect())
}

/// (plan SKU, charge SKU) of charges that a booked line has (rules P9).
async fn billed_charges(tx: &mut Tx, catalogue: &Catalogue) -> anyhow::Result<BTreeSet<(String, String)>> {
    let rows: Vec<(Uuid, String)> =
        on!(tx, c => sqlx::query_as("select plan, sku from billed_charge").fetch_all(c).await?);
    let named = rows.into_iter().filter_map(|(plan, sku)| {
        let plan = catalogue.plans.get(&PlanId(plan))?;
        plan.charge(&sku).map(|charge| (plan.sku.clone(), charge.sku.clone()))
    });
    Ok(named.collect())
}

/// By account number; what is none, by id; what is neither, by refkey.
async fn add_named_customers(
    tx: &mut Tx,
    load: &Load,
    part: &ConvertedBatch,
    needs: &Needs<'_>,
    known: &mut StoredBook,
) -> anyhow::Result<()> {
    const BY_NUMBER: PerDriver = by_keys!("select body from customer where account_number", text, "");
    const BY_REFKEY: PerDriver = by_keys!("select body from customer where body ->> 'refkey'", text, "");
    let sql = tx.pick(&BY_NUMBER);
    let rows: Vec<Json<Customer>> =
        on!(tx, c => sqlx::query_scalar(sql).bind(texts(&needs.customers)).fetch_all(c).await?);
    add(known, rows.into_iter().map(|j| j.0));
    let ids = needs.customers.iter().filter_map(|name| name.parse().ok().map(CustomerId)).collect();
    add_by_id(tx, known, ids).await?;
    let refkeys = load.unknown_customers(part, known);
    if !refkeys.is_empty() {
        let sql = tx.pick(&BY_REFKEY);
        let rows: Vec<Json<Customer>> =
            on!(tx, c => sqlx::query_scalar(sql).bind(Texts(refkeys)).fetch_all(c).await?);
        add(known, rows.into_iter().map(|j| j.0));
    }
    Ok(())
}

fn add(known: &mut StoredBook, customers: impl Iterator<Item = Customer>) {
    known.customers.extend(customers.map(|c| (c.account_number.clone(), c)));
}

async fn add_subscriptions(tx: &mut Tx, needs: &Needs<'_>, known: &mut StoredBook) -> anyhow::Result<()> {
    const SQL: PerDriver = by_keys!("select body from subscription where number", text, "");
    if needs.subscriptions.is_empty() {
        return Ok(());
    }
    let sql = tx.pick(&SQL);
    let rows: Vec<Json<Subscription>> =
        on!(tx, c => sqlx::query_scalar(sql).bind(texts(&needs.subscriptions)).fetch_all(c).await?);
    known.subscriptions.extend(rows.into_iter().map(|j| (j.0.number.clone(), j.0)));
    // A draft may be given to another customer: its owner of now is touched too.
    let ids: BTreeSet<CustomerId> = known.subscriptions.values().map(|s| s.customer).collect();
    add_by_id(tx, known, ids).await
}

/// Those of these subscriptions of which something was drafted or billed.
async fn begun(tx: &mut Tx, ids: &[SubscriptionId]) -> anyhow::Result<BTreeSet<SubscriptionId>> {
    const SQL: PerDriver =
        by_keys!("select distinct subscription from billed_line where subscription", uuid, "");
    if ids.is_empty() {
        return Ok(BTreeSet::new());
    }
    let sql = tx.pick(&SQL);
    let rows: Vec<Uuid> = on!(tx, c => sqlx::query_scalar(sql).bind(Ids::of(ids)).fetch_all(c).await?);
    Ok(rows.into_iter().map(SubscriptionId).collect())
}

async fn add_by_id(tx: &mut Tx, known: &mut StoredBook, mut ids: BTreeSet<CustomerId>) -> anyhow::Result<()> {
    for customer in known.customers.values() {
        ids.remove(&customer.id);
    }
    if !ids.is_empty() {
        let ids: Vec<CustomerId> = ids.into_iter().collect();
        add(known, book::customers(tx, &ids).await?.into_values());
    }
    Ok(())
}

/// Subscriptions that have, or have had, one of these plans.
pub(crate) async fn subscriptions_with(
    tx: &mut Tx,
    plans: &BTreeSet<PlanId>,
) -> anyhow::Result<Vec<Subscription>> {
    const SQL: PerDriver = PerDriver {
        sqlite: "select body from subscription where exists (
                     select 1 from json_each(plans) plan where plan.value in (select value from json_each($1)))",
        postgres: "select body from subscription where plans ?| $1",
    };
    if plans.is_empty() {
        return Ok(Vec::new());
    }
    let sql = tx.pick(&SQL);
    let plans = Texts(plans.iter().map(ToString::to_string).collect());
    let rows: Vec<Json<Subscription>> = on!(tx, c => sqlx::query_scalar(sql).bind(plans).fetch_all(c).await?);
    Ok(rows.into_iter().map(|j| j.0).collect())
}

/// Everybody who enjoys one of these codes, with their subscriptions.
async fn add_holders(tx: &mut Tx, codes: &BTreeSet<String>, known: &mut StoredBook) -> anyhow::Result<()> {
    const HOLDERS: PerDriver =
        by_keys!("select distinct customer from discount_redemption where code", text, "");
    const SUBSCRIPTIONS: PerDriver = by_keys!("select body from subscription where customer", uuid, "");
    if codes.is_empty() {
        return Ok(());
    }
    let sql = tx.pick(&HOLDERS);
    let holders: Vec<Uuid> = on!(tx, c => sqlx::query_scalar(sql).bind(Texts(codes.iter().cloned().collect())).fetch_all(c).await?);
    add_by_id(tx, known, holders.iter().map(|id| CustomerId(*id)).collect()).await?;
    let sql = tx.pick(&SUBSCRIPTIONS);
    let rows: Vec<Json<Subscription>> =
        on!(tx, c => sqlx::query_scalar(sql).bind(Ids(holders)).fetch_all(c).await?);
    known.subscriptions.extend(rows.into_iter().map(|j| (j.0.number.clone(), j.0)));
    Ok(())
}

/// Parents of everybody known, and theirs: who pays, and that nobody is their own ancestor.
async fn add_ancestors(tx: &mut Tx, known: &mut StoredBook) -> anyhow::Result<()> {
    loop {
        let before = known.customers.len();
        let parents = known.customers.values().filter_map(|c| c.parent).collect();
        add_by_id(tx, known, parents).await?;
        if known.customers.len() == before {
            return Ok(());
        }
    }
}

/// Subscriptions of customers who are to be used by nothing new, and customers below them.
async fn add_of_inactive(tx: &mut Tx, inactive: &[CustomerId], known: &mut StoredBook) -> anyhow::Result<()> {
    const SUBSCRIPTIONS: PerDriver = by_keys!("select body from subscription where customer", uuid, "");
    const BELOW: PerDriver = by_keys!("select body from customer where bill_to_parent and parent", uuid, "");
    if inactive.is_empty() {
        return Ok(());
    }
    let sql = tx.pick(&SUBSCRIPTIONS);
    let rows: Vec<Json<Subscription>> =
        on!(tx, c => sqlx::query_scalar(sql).bind(Ids::of(inactive)).fetch_all(c).await?);
    known.subscriptions.extend(rows.into_iter().map(|j| (j.0.number.clone(), j.0)));
    let sql = tx.pick(&BELOW);
    let rows: Vec<Json<Customer>> =
        on!(tx, c => sqlx::query_scalar(sql).bind(Ids::of(inactive)).fetch_all(c).await?);
    add(known, rows.into_iter().map(|j| j.0));
    Ok(())
}

/// What was written of the discounts that customers have.
async fn add_documents(tx: &mut Tx, known: &mut StoredBook) -> anyhow::Result<()> {
    let with_discount = known.customers.values().filter(|customer| customer.discount.is_some());
    let accounts = with_discount.map(|customer| customer.account_number.clone()).collect();
    known.documents = book_object::documents(tx, ObjectKind::Customer, accounts).await?;
    Ok(())
}

/// Customers that are named and were deleted.
async fn add_deleted(tx: &mut Tx, needs: &Needs<'_>, known: &mut StoredBook) -> anyhow::Result<()> {
    let unknown: Vec<&str> =
        needs.customers.iter().filter(|name| !known.customers.contains_key(**name)).copied().collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let kept = book_object::stored(tx, &BTreeMap::from([(ObjectKind::Customer, unknown)])).await?;
    for (kind, objects) in kept {
        known.objects.entry(kind).or_default().extend(objects.into_iter().filter(|(_, o)| o.is_deleted));
    }
    Ok(())
}

/// Raises the revision of the payers of everybody who has, or has had, one of these plans.
async fn raise_with(tx: &mut Tx, plans: &BTreeSet<PlanId>) -> anyhow::Result<()> {
    const SQL: PerDriver = PerDriver {
        sqlite: "update customer set revision = revision + 1 where id in (
                     select c.payer
                     from subscription s
                     join customer c on c.id = s.customer
                     where exists (
                         select 1 from json_each(s.plans) plan where plan.value in (select value from json_each($1))))",
        postgres: "update customer set revision = revision + 1 where id in (
                       select c.payer
                       from subscription s
                       join customer c on c.id = s.customer
                       where s.plans ?| $1)",
    };
    if plans.is_empty() {
        return Ok(());
    }
    let sql = tx.pick(&SQL);
    let plans = Texts(plans.iter().map(ToString::to_string).collect());
    on!(tx, c => sqlx::query(sql).bind(plans).execute(c).await.map(drop))?;
    Ok(())
}
