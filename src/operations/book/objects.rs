//! One object of the book: shown, put, patched, set aside, taken back, deleted. What is written goes through the same
//! reader and the same checks as a file, in one transaction with the audit log.
//!
//! Idempotency key: the content of the object's document.

use crate::act::Actor;
use crate::book::load;
use crate::context::Context;
use crate::refusal::Stop;
use chrono::{DateTime, Utc};
use domain::audit::{Action, Object};
use domain::book_file::{ObjectKind, Parsed, has_no_status, in_use, moves_prices, unknown, was_deleted};
use serde::Serialize;
use serde_json::value::RawValue;
use store::book_object::{self, BookObject, Source, Writer};
pub use store::book_object::{Filter, Status};
use store::book_removal;
use store::{Tx, run};

/// An object of the book.
#[derive(Debug, Clone, Serialize)]
pub struct ObjectView {
    pub kind: &'static str,
    pub key: String,
    pub id: uuid::Uuid,
    /// `active`, `inactive` or `deleted`.
    pub status: &'static str,
    /// Not known of objects that an earlier version has loaded.
    pub created: Option<Touched>,
    pub modified: Option<Touched>,
    /// As it was written, with numbers to the digit.
    pub document: Box<RawValue>,
}

/// When, and by whom.
#[derive(Debug, Clone, Serialize)]
pub struct Touched {
    pub at: DateTime<Utc>,
    pub by: String,
}

/// What became of an object.
#[derive(Debug, Clone, Serialize)]
pub struct Written {
    pub kind: &'static str,
    pub key: String,
    /// `created`, `updated`, `unchanged` or `deleted`.
    pub outcome: &'static str,
}

/// An object by its key or its id, whether it is still offered or not.
pub async fn get(ctx: &Context, kind: ObjectKind, key: &str) -> Result<ObjectView, Stop> {
    let mut tx = ctx.store.read().await?;
    // What is deleted is still answered by its id.
    let by_id = match key.parse() {
        Ok(id) => book_object::by_id(&mut tx, id).await?.filter(|object| object.kind == kind),
        Err(_) => None,
    };
    match by_id {
        Some(object) => view(object),
        None => view(find(&mut tx, kind, key).await?),
    }
}

/// Objects of a kind by key, `limit` at most; what is deleted only if that is asked for.
pub async fn list(
    ctx: &Context,
    kind: ObjectKind,
    filter: &Filter,
    limit: u32,
) -> Result<Vec<ObjectView>, Stop> {
    let mut tx = ctx.store.read().await?;
    book_object::list(&mut tx, kind, filter, limit).await?.into_iter().map(view).collect()
}

/// Writes an object whole: what the document does not say is what is assumed.
pub async fn put(
    ctx: &Context,
    actor: &Actor,
    kind: ObjectKind,
    key: &str,
    document: &str,
) -> Result<Written, Stop> {
    let parsed = Parsed::object(kind, "document", document);
    let writing = Writing { actor, action: Action::PutObject, kind, key, fields: Vec::new() };
    let mut tx = ctx.store.begin().await?;
    book_object::hold(&mut tx).await?;
    let outcome = save(ctx, &mut tx, &writing, parsed).await?;
    finish(ctx, tx, &writing, outcome).await
}

/// Changes what the patch says (RFC 7396) and nothing else.
pub async fn patch(
    ctx: &Context,
    actor: &Actor,
    kind: ObjectKind,
    key: &str,
    patch: &str,
) -> Result<Written, Stop> {
    let fields: Vec<String> = match serde_json::from_str(patch) {
        Ok(serde_json::Value::Object(members)) => members.into_iter().map(|(name, _)| name).collect(),
        _ => Vec::new(),
    };
    change(ctx, &Writing { actor, action: Action::PatchObject, kind, key, fields }, patch).await
}

/// Lets nothing new use an object; what uses it goes on.
pub async fn deactivate(ctx: &Context, actor: &Actor, kind: ObjectKind, key: &str) -> Result<Written, Stop> {
    if let Some(refusal) = has_no_status(kind, key) {
        return Err(refusal.into());
    }
    let writing = Writing { actor, action: Action::DeactivateObject, kind, key, fields: Vec::new() };
    change(ctx, &writing, r#"{"status": "inactive"}"#).await
}

/// Takes back what [`deactivate`] did.
pub async fn activate(ctx: &Context, actor: &Actor, kind: ObjectKind, key: &str) -> Result<Written, Stop> {
    if let Some(refusal) = has_no_status(kind, key) {
        return Err(refusal.into());
    }
    let writing = Writing { actor, action: Action::ActivateObject, kind, key, fields: Vec::new() };
    change(ctx, &writing, r#"{"status": null}"#).await
}

/// Takes an object that nothing uses out of every list; its name stays taken.
pub async fn delete(ctx: &Context, actor: &Actor, kind: ObjectKind, key: &str) -> Result<Written, Stop> {
    let mut tx = ctx.store.begin().await?;
    book_object::hold(&mut tx).await?;
    find(&mut tx, kind, key).await?;
    if let Some(used) = book_removal::in_use(&mut tx, kind, key).await? {
        return Err(in_use(kind, key, &used.by).into());
    }
    if moves_prices(kind)
        && let Some(run) = run::between_drafts_and_booking(&mut tx).await?
    {
        return Err(domain::run::stands(run.ordinal, run.state, &run.scope).into());
    }
    let by = actor.to_string();
    let writer = Writer { at: (ctx.now)(), by: &by, source: Source::Request };
    book_removal::remove(&mut tx, kind, key, &writer).await?;
    let writing = Writing { actor, action: Action::DeleteObject, kind, key, fields: Vec::new() };
    finish(ctx, tx, &writing, "deleted").await
}

/// What is written of one object, and by whom.
struct Writing<'a> {
    actor: &'a Actor,
    action: Action,
    kind: ObjectKind,
    key: &'a str,
    /// Names of what a patch changes, for the audit log: what they hold is nobody's business there.
    fields: Vec<String>,
}

async fn change(ctx: &Context, writing: &Writing<'_>, patch: &str) -> Result<Written, Stop> {
    let mut tx = ctx.store.begin().await?;
    // Whoever else writes the book waits: what is patched is the document as it stands.
    book_object::hold(&mut tx).await?;
    let stored = find(&mut tx, writing.kind, writing.key).await?;
    let parsed = Parsed::patched(writing.kind, "patch", &stored.document, patch);
    let outcome = save(ctx, &mut tx, writing, parsed).await?;
    finish(ctx, tx, writing, outcome).await
}

/// Saves the one object that was written.
async fn save(
    ctx: &Context,
    tx: &mut Tx,
    writing: &Writing<'_>,
    parsed: Parsed,
) -> Result<&'static str, Stop> {
    let Writing { actor, kind, key, .. } = *writing;
    parsed.expect_key(kind, key)?;
    let changed = load::write(ctx, tx, parsed, actor, Source::Request).await?;
    Ok(match (changed.report.created.values().sum::<u64>(), changed.report.updated.values().sum::<u64>()) {
        (0, 0) => "unchanged",
        (0, _) => "updated",
        _ => "created",
    })
}

/// Audit log and commit, if anything was done.
async fn finish(
    ctx: &Context,
    mut tx: Tx,
    writing: &Writing<'_>,
    outcome: &'static str,
) -> Result<Written, Stop> {
    let Writing { actor, action, kind, key, .. } = *writing;
    if outcome != "unchanged" {
        let detail = match writing.fields.as_slice() {
            [] => serde_json::json!({}),
            fields => serde_json::json!({"fields": fields}),
        };
        ctx.note(&mut tx, actor, action, Object::Part(kind, key), detail).await?;
        tx.commit().await?;
    }
    Ok(Written { kind: kind.singular(), key: key.to_owned(), outcome })
}

/// The kind of this name, in one or in many.
pub fn kind_of(name: &str) -> Result<ObjectKind, Stop> {
    Ok(ObjectKind::named(name)?)
}

async fn find(tx: &mut Tx, kind: ObjectKind, key: &str) -> Result<BookObject, Stop> {
    if let Some(object) = book_object::get(tx, kind, key).await? {
        return if object.status == Status::Deleted {
            Err(was_deleted(kind, key).into())
        } else {
            Ok(object)
        };
    }
    let near = book_object::list(tx, kind, &Filter::default(), NAMES_MAX).await?;
    Err(unknown(kind, key, near.iter().map(|object| object.key.as_str())).into())
}

/// Names read for a hint.
const NAMES_MAX: u32 = 2_000;

fn view(object: BookObject) -> Result<ObjectView, Stop> {
    let touched = |touch: book_object::ChangeStamp| Touched { at: touch.at, by: touch.by };
    Ok(ObjectView {
        kind: object.kind.singular(),
        key: object.key,
        id: object.id,
        status: match object.status {
            Status::Active => "active",
            Status::Inactive => "inactive",
            Status::Deleted => "deleted",
        },
        created: object.created.map(touched),
        modified: object.modified.map(touched),
        document: RawValue::from_string(object.document).map_err(anyhow::Error::from)?,
    })
}
