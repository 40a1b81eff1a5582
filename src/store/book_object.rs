//! Objects of the book as they were written: documents, who wrote them and when, and whether they are still offered.

use crate::bulk::{Bulk, Cell};
use crate::tx::{PerDriver, Tx, by_keys, on};
use crate::value::Texts;
use crate::{book, catalogue, counter, customer_part, meta, outbox};
use anyhow::Context;
use chrono::{DateTime, Utc};
use domain::book_file::{self, Change, Document, ObjectKind, Stored};
use domain::ids::{CustomerId, book_id};
use domain::webhook::Event;
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// Objects turned into rows at once.
const BATCH: usize = 2_000;
/// The fact that documents of an earlier version are still to be written.
const TO_BE_WRITTEN: &str = "book_documents";

/// Whether an object may be used; the numbers are Upodi's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    Active = 1,
    /// By nothing new.
    Inactive = 7,
    /// In no list.
    Deleted = 1024,
}

impl Status {
    fn read(number: i64) -> anyhow::Result<Self> {
        Ok(match number {
            1 => Self::Active,
            7 => Self::Inactive,
            1024 => Self::Deleted,
            other => anyhow::bail!("book_object.status holds {other}"),
        })
    }
}

/// An object of the book.
#[derive(Debug, Clone, PartialEq)]
pub struct BookObject {
    pub kind: ObjectKind,
    pub key: String,
    pub id: Uuid,
    /// What was written, as JSON text.
    pub document: String,
    pub status: Status,
    /// None of objects that an earlier version has loaded.
    pub created: Option<ChangeStamp>,
    pub modified: Option<ChangeStamp>,
}

/// When something was done, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeStamp {
    pub at: DateTime<Utc>,
    pub by: String,
}

type Row = (
    String,
    String,
    Uuid,
    String,
    i64,
    Option<DateTime<Utc>>,
    Option<String>,
    Option<DateTime<Utc>>,
    Option<String>,
);

fn object(row: Row) -> anyhow::Result<BookObject> {
    let (kind, key, id, document, status, created_at, created_by, modified_at, modified_by) = row;
    let touch = |at: Option<DateTime<Utc>>, by: Option<String>| Some(ChangeStamp { at: at?, by: by? });
    Ok(BookObject {
        kind: ObjectKind::parse(&kind).with_context(|| format!("book_object.kind holds `{kind}`"))?,
        key,
        id,
        document,
        status: Status::read(status)?,
        created: touch(created_at, created_by),
        modified: touch(modified_at, modified_by),
    })
}

/// An object, deleted or not.
pub async fn get(tx: &mut Tx, kind: ObjectKind, key: &str) -> anyhow::Result<Option<BookObject>> {
    let row: Option<Row> = on!(tx, c => sqlx::query_as(
        "select kind, key, id, document, status, created_at, created_by, modified_at, modified_by
         from book_object
         where kind = $1 and key = $2")
        .bind(kind.name())
        .bind(key)
        .fetch_optional(c)
        .await?);
    row.map(object).transpose()
}

/// An object by its id, deleted or not.
pub async fn by_id(tx: &mut Tx, id: Uuid) -> anyhow::Result<Option<BookObject>> {
    // What customers and subscriptions that are used are called stands in their own tables, by their ids.
    let row: Option<Row> = on!(tx, c => sqlx::query_as(
        "select kind, key, id, document, status, created_at, created_by, modified_at, modified_by
         from book_object
         where id = $1 and (status <> 1 or kind not in ('customers', 'subscriptions'))
         union all
         select kind, key, id, document, status, created_at, created_by, modified_at, modified_by
         from book_object
         where kind = 'customers' and status = 1 and key = (select account_number from customer where id = $1)
         union all
         select kind, key, id, document, status, created_at, created_by, modified_at, modified_by
         from book_object
         where kind = 'subscriptions' and status = 1 and key = (select number from subscription where id = $1)
         limit 1")
        .bind(id)
        .fetch_optional(c)
        .await?);
    row.map(object).transpose()
}

/// Which objects to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// None lists what is active or inactive.
    pub status: Option<Status>,
    /// A part of the key or of the document, in any case.
    pub like: Option<String>,
    /// Only what comes after this key.
    pub after: Option<String>,
}

/// Objects of a kind by key; what is deleted only if that is asked for.
pub async fn list(
    tx: &mut Tx,
    kind: ObjectKind,
    filter: &Filter,
    limit: u32,
) -> anyhow::Result<Vec<BookObject>> {
    let like = filter.like.as_ref().map(|text| format!("%{}%", escaped(&text.to_lowercase())));
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        r"select kind, key, id, document, status, created_at, created_by, modified_at, modified_by
         from book_object
         where kind = $1
           and key > $2
           and (status = $3 or ($3 = 0 and status < 1024))
           and ($4 is null or lower(key) like $4 escape '\' or lower(document) like $4 escape '\')
         order by key
         limit $5")
        .bind(kind.name())
        .bind(filter.after.as_deref().unwrap_or(""))
        .bind(filter.status.map_or(0, |status| status as i64))
        .bind(like)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await?);
    rows.into_iter().map(object).collect()
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// Nobody else can write the book until the transaction ends.
pub async fn hold(tx: &mut Tx) -> anyhow::Result<()> {
    counter::take(tx, counter::LOAD, 0).await?;
    crate::request::held(tx).await
}

/// A row of an export.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ExportRow {
    /// Where rules and rates stand in their list; 0 of all others.
    place: i64,
    key: String,
    pub document: String,
}

/// What is not deleted of a kind, in the order in which it is to be read again: `limit` at most, after the last of another
/// page.
pub async fn export_page(
    tx: &mut Tx,
    kind: ObjectKind,
    after: Option<&ExportRow>,
    limit: u32,
) -> anyhow::Result<Vec<ExportRow>> {
    let part = match kind {
        ObjectKind::TaxRule => "tax_rule",
        ObjectKind::Rate => "rate",
        _ => return export_by_key(tx, kind, after.map_or("", |page| page.key.as_str()), limit).await,
    };
    Ok(on!(tx, c => sqlx::query_as(
        "select coalesce(p.position, 0) as place, o.key, o.document
         from book_object o
         left join catalogue_part p on p.kind = $2 and p.key = o.key
         where o.kind = $1
           and o.status < 1024
           and (coalesce(p.position, 0) > $3 or (coalesce(p.position, 0) = $3 and o.key > $4))
         order by coalesce(p.position, 0), o.key
         limit $5")
        .bind(kind.name())
        .bind(part)
        .bind(after.map_or(-1, |page| page.place))
        .bind(after.map_or("", |page| page.key.as_str()))
        .bind(i64::from(limit))
        .fetch_all(c)
        .await?))
}

async fn export_by_key(
    tx: &mut Tx,
    kind: ObjectKind,
    after: &str,
    limit: u32,
) -> anyhow::Result<Vec<ExportRow>> {
    let rows: Vec<(String, String)> = on!(tx, c => sqlx::query_as(
        "select key, document
         from book_object
         where kind = $1 and status < 1024 and key > $2
         order by key
         limit $3")
        .bind(kind.name())
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await?);
    Ok(rows.into_iter().map(|(key, document)| ExportRow { place: 0, key, document }).collect())
}

/// What is kept of these objects, as far as loads need it.
pub(crate) async fn stored(
    tx: &mut Tx,
    keys: &BTreeMap<ObjectKind, Vec<&str>>,
) -> anyhow::Result<BTreeMap<ObjectKind, HashMap<String, Stored>>> {
    const SQL: PerDriver =
        by_keys!("select key, loaded_hash, hash, status from book_object where kind = $2 and key", text, "");
    let mut all: BTreeMap<ObjectKind, HashMap<String, Stored>> = BTreeMap::new();
    for (kind, keys) in keys {
        let sql = tx.pick(&SQL);
        let texts = Texts(keys.iter().map(|key| (*key).to_owned()).collect());
        let rows: Vec<(String, Option<String>, String, i64)> =
            on!(tx, c => sqlx::query_as(sql).bind(texts).bind(kind.name()).fetch_all(c).await?);
        let of_kind = all.entry(*kind).or_default();
        for (key, loaded, hash, status) in rows {
            let told = || format!("the hash of {} `{key}`", kind.singular());
            let stored = Stored {
                loaded: loaded.map(|hash| hash.parse()).transpose().with_context(told)?,
                content: hash.parse().with_context(told)?,
                is_deleted: Status::read(status)? == Status::Deleted,
            };
            of_kind.insert(key, stored);
        }
    }
    Ok(all)
}

/// Documents of these objects.
pub(crate) async fn documents(
    tx: &mut Tx,
    kind: ObjectKind,
    keys: Vec<String>,
) -> anyhow::Result<BTreeMap<String, String>> {
    const SQL: PerDriver =
        by_keys!("select key, document from book_object where kind = $2 and key", text, "");
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let sql = tx.pick(&SQL);
    let rows: Vec<(String, String)> =
        on!(tx, c => sqlx::query_as(sql).bind(Texts(keys)).bind(kind.name()).fetch_all(c).await?);
    Ok(rows.into_iter().collect())
}

/// Where a change comes from: what was loaded last is only known of loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A book file was loaded.
    File,
    /// An object was put, patched or changed by a command.
    Request,
}

/// Who changes the book, when, and from where.
#[derive(Debug, Clone)]
pub struct Writer<'w> {
    pub at: DateTime<Utc>,
    pub by: &'w str,
    pub source: Source,
}

/// Writes objects that are new or changed.
pub(crate) async fn save(tx: &mut Tx, changes: &[Change], writer: &Writer<'_>) -> anyhow::Result<()> {
    const FILE: &str = "on conflict (kind, key) do update set
        document = excluded.document,
        hash = excluded.hash,
        loaded_hash = excluded.loaded_hash,
        status = excluded.status,
        modified_at = excluded.created_at,
        modified_by = excluded.created_by";
    const REQUEST: &str = "on conflict (kind, key) do update set
        document = excluded.document,
        hash = excluded.hash,
        status = excluded.status,
        modified_at = excluded.created_at,
        modified_by = excluded.created_by";
    const COLUMNS: &[&str] = &[
        "kind",
        "key",
        "id",
        "document",
        "hash",
        "loaded_hash",
        "status",
        "created_at",
        "created_by",
        "came",
    ];
    tell(tx, changes).await?;
    let first = counter::take(tx, counter::OBJECT, i64::try_from(changes.len())?).await?;
    let on_conflict = if writer.source == Source::File { FILE } else { REQUEST };
    let numbered = changes.iter().zip(first..).map(|(change, came)| (change, came, writer));
    // Apart, because a statement that may change rows costs SQLite much more than one that adds them.
    let (new, known): (Vec<_>, Vec<_>) = numbered.partition(|(change, ..)| change.is_new);
    Bulk::into("book_object", COLUMNS).insert_each(tx, &new, row_of).await?;
    Bulk::into("book_object", COLUMNS).on_conflict(on_conflict).insert_each(tx, &known, row_of).await
}

/// The row of an object with the number in which it came.
fn row_of<'a>((change, came, writer): &'a (&Change, i64, &Writer<'_>)) -> anyhow::Result<[Cell<'a>; 10]> {
    let loaded = (writer.source == Source::File).then(|| change.loaded.to_string());
    let status = if change.is_active { Status::Active } else { Status::Inactive };
    Ok([
        change.kind.name().into(),
        (&change.key).into(),
        book_id(change.kind, &change.key).into(),
        (&change.document).into(),
        change.content.to_string().into(),
        loaded.into(),
        (status as i64).into(),
        writer.at.into(),
        writer.by.into(),
        (*came).into(),
    ])
}

/// Says what is new and what is changed.
async fn tell(tx: &mut Tx, changes: &[Change]) -> anyhow::Result<()> {
    if !outbox::is_heard(tx).await? {
        return Ok(());
    }
    let events: Vec<Event> = changes
        .iter()
        .filter_map(|change| {
            let action = if change.is_new { "create" } else { "update" };
            event(change.kind, &change.key, action)
        })
        .collect();
    outbox::tell(tx, &events).await?;
    let customers: Vec<&Change> =
        changes.iter().filter(|change| change.kind == ObjectKind::Customer).collect();
    for batch in customers.chunks(BATCH) {
        let keys = batch.iter().filter(|change| !change.is_new).map(|change| change.key.clone()).collect();
        let before = of_keys(tx, ObjectKind::Customer, keys).await?;
        let parts = batch.iter().flat_map(|change| {
            let before = before.get(&change.key).map_or("", |object| object.document.as_str());
            customer_part::changes(CustomerId::of(&change.key), before, &change.document)
        });
        let parts: Vec<Event> = parts.collect();
        outbox::tell(tx, &parts).await?;
    }
    Ok(())
}

/// What endpoints are told of an object; none of kinds that they do not know.
fn event(kind: ObjectKind, key: &str, action: &'static str) -> Option<Event> {
    let name = match kind {
        ObjectKind::Customer => "Customer",
        ObjectKind::ProductPlan => "ProductPlan",
        ObjectKind::Subscription => "Subscription",
        ObjectKind::Discount => "Discount",
        ObjectKind::Uom => "UoM",
        ObjectKind::BusinessUnit => "BusinessUnit",
        _ => return None,
    };
    Some(Event { kind: name, action, object: book_id(kind, key) })
}

/// Takes an object out of every list; its name stays taken.
pub(crate) async fn mark_deleted(
    tx: &mut Tx,
    kind: ObjectKind,
    key: &str,
    writer: &Writer<'_>,
) -> anyhow::Result<()> {
    outbox::tell(tx, event(kind, key, "delete").as_slice()).await?;
    on!(tx, c => sqlx::query(
        "update book_object
         set status = 1024, modified_at = $3, modified_by = $4
         where kind = $1 and key = $2")
        .bind(kind.name())
        .bind(key)
        .bind(writer.at)
        .bind(writer.by)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Rewrites documents as if nothing had ever been loaded: of what was erased no word stays.
pub async fn replace(tx: &mut Tx, documents: &[(ObjectKind, String, Document)]) -> anyhow::Result<()> {
    for (kind, key, document) in documents {
        on!(tx, c => sqlx::query(
            "update book_object set document = $3, hash = $4, loaded_hash = null where kind = $1 and key = $2")
            .bind(kind.name())
            .bind(key)
            .bind(&document.text)
            .bind(document.hash.to_string())
            .execute(c)
            .await
            .map(drop))?;
    }
    Ok(())
}

/// Whether [`write_missing`] has something to do.
pub(crate) async fn is_to_be_written(tx: &mut Tx) -> anyhow::Result<bool> {
    Ok(meta::get(tx, TO_BE_WRITTEN).await?.is_some())
}

/// Writes the documents of books that an earlier version has kept, once.
pub(crate) async fn write_missing(tx: &mut Tx) -> anyhow::Result<()> {
    // Whoever opens the books at the same time waits here, and finds it done.
    counter::take(tx, counter::LOAD, 0).await?;
    if !is_to_be_written(tx).await? {
        return Ok(());
    }
    let catalogue = catalogue::load(tx).await?.context("the book has objects and no tenant")?;
    catalogue::name_anew(tx, &catalogue).await?;
    for (kind, key, document) in book_file::catalogue_documents(&catalogue) {
        write(tx, kind, [(key, document)].into()).await?;
    }
    let customers = book::all_customers(tx).await?;
    let accounts: HashMap<_, &str> = customers.iter().map(|c| (c.id, c.account_number.as_str())).collect();
    for batch in customers.chunks(BATCH) {
        let documents = batch.iter().map(|customer| {
            let parent = customer.parent.and_then(|id| accounts.get(&id)).copied();
            (customer.account_number.clone(), book_file::customer_document(customer, parent))
        });
        write(tx, ObjectKind::Customer, documents.collect()).await?;
    }
    for batch in book::subscriptions(tx, None).await?.chunks(BATCH) {
        let documents = batch.iter().map(|subscription| {
            let owner = accounts.get(&subscription.customer).copied().unwrap_or_default();
            let plan = catalogue.plans.get(&subscription.plan);
            (subscription.number.clone(), book_file::subscription_document(subscription, owner, plan))
        });
        write(tx, ObjectKind::Subscription, documents.collect()).await?;
    }
    // What has a hash and is not there any more was replaced under another key.
    on!(tx, c => sqlx::query("delete from book_object where document = ''").execute(c).await.map(drop))?;
    meta::remove(tx, TO_BE_WRITTEN).await
}

/// Gives rows their documents; what was loaded last stays known.
async fn write(tx: &mut Tx, kind: ObjectKind, documents: Vec<(String, Document)>) -> anyhow::Result<()> {
    const COLUMNS: &[&str] = &["kind", "key", "id", "document", "hash", "status", "came"];
    let numbers = counter::take(tx, counter::OBJECT, i64::try_from(documents.len())?).await?..;
    let mut rows = Bulk::into("book_object", COLUMNS).on_conflict(
        "on conflict (kind, key) do update set id = excluded.id, document = excluded.document, hash = excluded.hash",
    );
    for ((key, document), came) in documents.into_iter().zip(numbers) {
        rows.row([
            kind.name().into(),
            Cell::from(key.clone()),
            book_id(kind, &key).into(),
            document.text.into(),
            document.hash.to_string().into(),
            1i64.into(),
            came.into(),
        ]);
    }
    rows.insert(tx).await.map(drop)
}

/// Objects of these keys, deleted or not.
pub async fn of_keys(
    tx: &mut Tx,
    kind: ObjectKind,
    keys: Vec<String>,
) -> anyhow::Result<BTreeMap<String, BookObject>> {
    const SQL: PerDriver = by_keys!(
        "select kind, key, id, document, status, created_at, created_by, modified_at, modified_by
         from book_object
         where kind = $2 and key",
        text,
        ""
    );
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let sql = tx.pick(&SQL);
    let rows: Vec<Row> =
        on!(tx, c => sqlx::query_as(sql).bind(Texts(keys)).bind(kind.name()).fetch_all(c).await?);
    rows.into_iter().map(|row| object(row).map(|object| (object.key.clone(), object))).collect()
}

/// Everything of a kind, deleted or not, by key: for kinds of which there are few.
pub async fn all(tx: &mut Tx, kind: ObjectKind) -> anyhow::Result<Vec<BookObject>> {
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        "select kind, key, id, document, status, created_at, created_by, modified_at, modified_by
         from book_object
         where kind = $1
         order by key")
        .bind(kind.name())
        .fetch_all(c)
        .await?);
    rows.into_iter().map(object).collect()
}
