//! Objects of the book written as documents by programs: made with a name if they bring none, and changed by a function
//! of the document as it stands. Reader, checks and audit log are those of [`super::objects`].
//!
//! Key that makes a repeat quiet: the content of the object's document.

use crate::actor::Actor;
use crate::book::load;
use crate::context::Context;
use crate::refusal::Stop;
use domain::audit::{Action, Object};
use domain::book_file::{Node, ObjectKind, Parsed, Shape, Table, was_deleted};
use domain::refusal::{Code, Refusal, Verb};
use store::book_object::{self, BookObject, Source, Status};
use store::{Tx, name_counter};
use uuid::Uuid;

/// A document as it is to become.
pub struct Changed {
    pub document: Node,
    /// Pointer to the part that the asker wrote: faults are told from there on.
    pub part: String,
    /// A part that is taken away, as it was answered: its id goes on answering.
    pub deleted: Option<(Uuid, String)>,
}

impl Changed {
    /// What the asker wrote stands at this pointer.
    pub fn part(document: Node, part: String) -> Self {
        Self { document, part, deleted: None }
    }

    /// All of it is the asker's.
    pub fn whole(document: Node) -> Self {
        Self::part(document, String::new())
    }
}

/// Makes an object; one without a name gets the next free one. Its id.
pub async fn create(ctx: &Context, actor: &Actor, kind: ObjectKind, document: Node) -> Result<Uuid, Stop> {
    let mut tx = ctx.store.begin().await?;
    let id = create_in(ctx, &mut tx, actor, kind, document).await?;
    store::request::made(&mut tx, id).await?;
    tx.commit().await?;
    Ok(id)
}

/// The same within a transaction.
pub(crate) async fn create_in(
    ctx: &Context,
    tx: &mut Tx,
    actor: &Actor,
    kind: ObjectKind,
    document: Node,
) -> Result<Uuid, Stop> {
    book_object::hold(tx).await?;
    let mut document = document;
    let key = name(tx, kind, &mut document).await?;
    if book_object::get(tx, kind, &key).await?.is_some() {
        let message = format!("there is a {} `{key}` already", kind.singular());
        return Err(Refusal::new(Code::Exists, message)
            .hint("give it another name, or change that one")
            .into());
    }
    write(ctx, tx, kind, Changed::whole(document), actor).await?;
    ctx.note(tx, actor, Action::PutObject, Object::Part(kind, &key), serde_json::json!({})).await?;
    Ok(domain::ids::book_id(kind, &key))
}

/// Changes the object of this id by a function of its document; the same content changes nothing.
pub async fn change(
    ctx: &Context,
    actor: &Actor,
    kind: ObjectKind,
    id: Uuid,
    edit: impl FnOnce(&BookObject, Node) -> Result<Changed, Stop>,
) -> Result<(), Stop> {
    change_and_make(ctx, actor, kind, id, |object, node| Ok((edit(object, node)?, None))).await.map(drop)
}

/// The same where the change makes a part that has an id of its own.
pub async fn make_part(
    ctx: &Context,
    actor: &Actor,
    kind: ObjectKind,
    id: Uuid,
    edit: impl FnOnce(&BookObject, Node) -> Result<(Changed, Uuid), Stop>,
) -> Result<Uuid, Stop> {
    let edit = |object: &BookObject, node| edit(object, node).map(|(changed, made)| (changed, Some(made)));
    let made = change_and_make(ctx, actor, kind, id, edit).await?;
    Ok(made.unwrap_or_default())
}

async fn change_and_make(
    ctx: &Context,
    actor: &Actor,
    kind: ObjectKind,
    id: Uuid,
    edit: impl FnOnce(&BookObject, Node) -> Result<(Changed, Option<Uuid>), Stop>,
) -> Result<Option<Uuid>, Stop> {
    let mut tx = ctx.store.begin().await?;
    // Whoever else writes the book waits: what is changed is the document as it stands.
    book_object::hold(&mut tx).await?;
    let stored = living(&mut tx, kind, id).await?;
    let document = domain::book_file::read_body(&stored.document);
    let document = document.map_err(|_| anyhow::anyhow!("the document of {} is damaged", stored.key))?;
    let (mut changed, made) = edit(&stored, document)?;
    if let Some((part, answered)) = changed.deleted.take() {
        store::deleted_part::keep(&mut tx, part, id, &answered).await?;
    }
    if !write(ctx, &mut tx, kind, changed, actor).await? {
        return Ok(made);
    }
    if let Some(made) = made {
        store::request::made(&mut tx, made).await?;
    }
    let object = Object::Part(kind, &stored.key);
    ctx.note(&mut tx, actor, Action::PatchObject, object, serde_json::json!({})).await?;
    tx.commit().await?;
    Ok(made)
}

/// Names do not change: a document that names its object otherwise is refused.
pub fn insist_on_name(kind: ObjectKind, key: &str, document: &Node) -> Result<(), Stop> {
    match document.member(naming(kind)) {
        Some(Node::Text(name)) if name == key => Ok(()),
        Some(Node::Text(name)) => {
            let message =
                format!("the {} `{key}` cannot become `{name}`: names do not change", kind.singular());
            Err(Refusal::new(Code::NameChanges, message).hint("make a new one under that name").into())
        }
        _ => {
            let message = format!("the {} `{key}` keeps its {}", kind.singular(), naming(kind));
            Err(Refusal::new(Code::NameChanges, message).hint("leave the name as it is").into())
        }
    }
}

/// The key of the object of this id, which is not deleted.
pub async fn key_of(ctx: &Context, kind: ObjectKind, id: Uuid) -> Result<String, Stop> {
    Ok(living(&mut ctx.store.read().await?, kind, id).await?.key)
}

/// The object of this id, which is not deleted.
async fn living(tx: &mut Tx, kind: ObjectKind, id: Uuid) -> Result<BookObject, Stop> {
    let found = book_object::by_id(tx, id).await?.filter(|object| object.kind == kind);
    let Some(object) = found else {
        let message = format!("there is no {} {id}", kind.singular());
        return Err(Refusal::new(Code::UnknownObject, message)
            .ask(Verb::ListBook.on(kind.singular()))
            .hint(" lists what there is")
            .into());
    };
    if object.status == Status::Deleted {
        return Err(was_deleted(kind, &object.key).into());
    }
    Ok(object)
}

/// Whether anything is new.
async fn write(
    ctx: &Context,
    tx: &mut Tx,
    kind: ObjectKind,
    changed: Changed,
    actor: &Actor,
) -> Result<bool, Stop> {
    let Changed { mut document, part, .. } = changed;
    name_references(tx, kind.table(), &mut document).await?;
    let parsed = Parsed::object(kind, "document", &document.written());
    match load::write(ctx, tx, parsed, actor, Source::Request).await {
        Ok(done) => Ok(!done.is_nothing()),
        Err(Stop::Refused(mut refusal)) => {
            for fault in &mut refusal.faults {
                if let Some(own) = fault.pointer.strip_prefix(&part) {
                    fault.pointer = own.to_owned();
                }
            }
            Err(refusal.into())
        }
        Err(broke) => Err(broke),
    }
}

/// References by id become the names of what they mean; those that mean nothing stay, and are refused by the reader.
async fn name_references(tx: &mut Tx, table: &'static Table, document: &mut Node) -> anyhow::Result<()> {
    let mut parts: Vec<(&'static Table, &mut Node)> = vec![(table, document)];
    while let Some((table, node)) = parts.pop() {
        let Node::Object(members) = node else { continue };
        for (name, value) in members {
            match (table.field(name).map(|field| field.shape), value) {
                (Some(Shape::Reference(kind)), Node::Text(text)) => {
                    let Ok(id) = text.parse::<Uuid>() else { continue };
                    let meant = book_object::by_id(tx, id).await?.filter(|object| object.kind == kind);
                    if let Some(object) = meant {
                        *text = object.key;
                    }
                }
                (Some(Shape::Object(inner) | Shape::TextOr(inner)), node @ Node::Object(_)) => {
                    parts.push((inner, node));
                }
                (Some(Shape::List(inner)), Node::List(list)) => {
                    parts.extend(list.iter_mut().map(|node| (inner, node)));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// The member that names an object of the kind.
pub fn naming(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Customer => "accountnumber",
        ObjectKind::Subscription => "subscriptionnumber",
        ObjectKind::ProductPlan => "sku",
        _ => "refkey",
    }
}

/// The name that the document has or gets.
async fn name(tx: &mut Tx, kind: ObjectKind, document: &mut Node) -> Result<String, Stop> {
    let member = naming(kind);
    if let Some(Node::Text(name)) = document.member(member)
        && !name.trim().is_empty()
    {
        return Ok(name.clone());
    }
    let prefix = match kind {
        ObjectKind::Customer => "CU",
        ObjectKind::Subscription => "SUB",
        ObjectKind::ProductPlan => "PLAN",
        _ => "",
    };
    let mut tried = 0_u32;
    loop {
        let name = if prefix.is_empty() {
            tried += 1;
            let fullname = match document.member("fullname") {
                Some(Node::Text(text)) => text.trim(),
                _ => kind.singular(),
            };
            if tried == 1 { fullname.to_owned() } else { format!("{fullname}-{tried}") }
        } else {
            format!("{prefix}-{:07}", name_counter::next(tx, kind.singular()).await?)
        };
        if book_object::get(tx, kind, &name).await?.is_none() {
            document.set(member, Node::Text(name.clone()));
            return Ok(name);
        }
    }
}
