//! Texts that programs keep with customers, plans and subscriptions. They move no bill.
//!
//! Key that makes a repeat quiet: (object, key), with the text.

use crate::actor::Actor;
use crate::context::Context;
use crate::refusal::Stop;
use domain::audit::{Action, Object};
use domain::book_file::ObjectKind;
use domain::ids::made_beside;
use domain::query::{Entity, Kind, Record, Value, property};
use domain::refusal::{Code, Refusal};
use store::book_object::{self, Status};
use store::metadata::{self, Metadata};
use uuid::Uuid;

pub use store::metadata::Filter;

/// Texts that one object may have.
const TEXTS_MAX: usize = 50;
/// Bytes of a key, and of a text.
const KEY_MAX: usize = 100;
const VALUE_MAX: usize = 4_000;

pub static METADATA: Entity = Entity {
    name: "Metadata",
    properties: &[
        property("ID", Kind::Guid),
        property("ObjectID", Kind::Guid),
        property("Key", Kind::Text),
        property("Value", Kind::Text),
        property("CreatedDate", Kind::Instant),
        property("CreatedBy", Kind::Text),
        property("ModifiedDate", Kind::Instant),
        property("ModifiedBy", Kind::Text),
    ],
    objects: &[],
    lists: &[],
};

/// Texts of objects of a kind, as records.
pub async fn list(ctx: &Context, kind: ObjectKind, filter: &Filter) -> Result<Vec<Record>, Stop> {
    let rows = metadata::list(&mut ctx.store.read().await?, kind, filter).await?;
    Ok(rows.iter().map(record).collect())
}

/// Ids of the objects that have a text under a key.
pub async fn objects(
    ctx: &Context,
    kind: ObjectKind,
    key: &str,
    value: Option<&str>,
) -> Result<Vec<Uuid>, Stop> {
    let filter = Filter { key: Some(key.to_owned()), value: value.map(str::to_owned), ..Filter::default() };
    let rows = metadata::list(&mut ctx.store.read().await?, kind, &filter).await?;
    Ok(rows.into_iter().map(|row| row.object).collect())
}

/// Keeps a text with an object; the record, and whether the key is new.
pub async fn set(
    ctx: &Context,
    actor: &Actor,
    kind: ObjectKind,
    object: Uuid,
    key: &str,
    value: &str,
) -> Result<(Record, bool), Stop> {
    check("Key", key, KEY_MAX)?;
    check("Value", value, VALUE_MAX)?;
    let mut tx = ctx.store.begin().await?;
    book_object::hold(&mut tx).await?;
    let owner = book_object::by_id(&mut tx, object).await?.filter(|owner| owner.kind == kind);
    let Some(owner) = owner.filter(|owner| owner.status != Status::Deleted) else {
        let message = format!("there is no {} {object}", kind.singular());
        return Err(Refusal::new(Code::UnknownObject, message).into());
    };
    let of_object = Filter { object: Some(object), ..Filter::default() };
    let known = metadata::list(&mut tx, kind, &of_object).await?;
    let old = known.iter().find(|row| row.key == key);
    if let Some(old) = old.filter(|old| old.value == value) {
        return Ok((record(old), false));
    }
    if old.is_none() && known.len() >= TEXTS_MAX {
        let message = format!("{} has {TEXTS_MAX} texts already", owner.key);
        return Err(Refusal::new(Code::TooMuch, message).hint("delete one first").into());
    }
    let (now, by) = ((ctx.now)(), actor.to_string());
    let row = Metadata {
        id: old.map_or_else(|| made_beside(object, "metadata", key), |old| old.id),
        object,
        key: key.to_owned(),
        value: value.to_owned(),
        created_at: old.map_or(now, |old| old.created_at),
        created_by: old.map_or_else(|| by.clone(), |old| old.created_by.clone()),
        modified_at: now,
        modified_by: by,
    };
    metadata::save(&mut tx, kind, &row).await?;
    store::request::made(&mut tx, row.id).await?;
    let detail = serde_json::json!({"key": key});
    ctx.note(&mut tx, actor, Action::SetMetadata, Object::Part(kind, &owner.key), detail).await?;
    tx.commit().await?;
    Ok((record(&row), old.is_none()))
}

/// Takes a text away; `false` if there is none.
pub async fn delete(ctx: &Context, actor: &Actor, kind: ObjectKind, id: Uuid) -> Result<bool, Stop> {
    let mut tx = ctx.store.begin().await?;
    let filter = Filter { id: Some(id), ..Filter::default() };
    let Some(row) = metadata::list(&mut tx, kind, &filter).await?.pop() else { return Ok(false) };
    metadata::delete(&mut tx, kind, id).await?;
    let owner = book_object::by_id(&mut tx, row.object).await?.map(|owner| owner.key).unwrap_or_default();
    let detail = serde_json::json!({"key": row.key});
    ctx.note(&mut tx, actor, Action::DeleteMetadata, Object::Part(kind, &owner), detail).await?;
    tx.commit().await?;
    Ok(true)
}

fn check(name: &str, text: &str, most: usize) -> Result<(), Refusal> {
    let fault = match text {
        "" if name == "Key" => format!("{name} is missing"),
        text if text.len() > most => format!("{name} is longer than {most} bytes"),
        text if text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t')) => {
            format!("{name} has a control character")
        }
        _ => return Ok(()),
    };
    Err(Refusal::new(Code::BadArgument, fault))
}

fn record(row: &Metadata) -> Record {
    let values = vec![
        Value::Guid(row.id),
        Value::Guid(row.object),
        row.key.as_str().into(),
        row.value.as_str().into(),
        Value::Instant(row.created_at),
        row.created_by.as_str().into(),
        Value::Instant(row.modified_at),
        row.modified_by.as_str().into(),
    ];
    Record { values, ..Record::default() }
}
