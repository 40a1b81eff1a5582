//! Who did what: the audit log, read back.

use crate::context::Context;
use crate::refusal::Stop;
use chrono::{DateTime, NaiveDate, Utc};
use domain::audit::Object;
use domain::book_file::nearest;
use domain::refusal::{Code, Refusal};
use domain::zone::start_of_day;
use serde::Serialize;
use serde_json::Value;
use store::audit;

/// Records read together.
const PAGE: u32 = 5_000;

/// Which records; every field narrows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// As the list names it: `run 18`, `invoice INV-0000007`.
    pub object: Option<String>,
    pub actor: Option<String>,
    /// From this day on, tenant-local.
    pub since: Option<NaiveDate>,
}

/// Something that was done.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    pub at: DateTime<Utc>,
    pub actor: String,
    pub action: String,
    pub object: String,
    pub detail: Value,
}

/// A record in its chain; one of a version that kept no chain has only its place.
#[derive(Debug, Clone, Serialize)]
pub struct Link {
    pub ordinal: u64,
    #[serde(flatten)]
    pub record: Option<Record>,
    pub hash: Option<String>,
}

/// The newest records first.
pub async fn newest(ctx: &Context, filter: &Filter, limit: u32) -> Result<Vec<Record>, Stop> {
    filter.object.as_deref().map_or(Ok(()), insist_on_kind)?;
    // Before there is a book there may be records, of keys; days are days of its zone.
    let since = match filter.since {
        Some(day) => Some(start_of_day(day, ctx.catalogue().await?.tenant.timezone)),
        None => None,
    };
    let wanted = audit::Filter { object: filter.object.clone(), actor: filter.actor.clone(), since };
    let mut tx = ctx.store.read().await?;
    let records = audit::newest(&mut tx, &wanted, limit).await?.into_iter();
    let views = records.map(|r| Record {
        at: r.at,
        actor: r.actor,
        action: r.action,
        object: r.object,
        detail: r.detail,
    });
    Ok(views.collect())
}

/// The audit log names objects by their kind first: `run 18`.
fn insist_on_kind(object: &str) -> Result<(), Refusal> {
    let kind = object.split(' ').next().unwrap_or_default();
    if Object::kinds().any(|known| known == kind) {
        return Ok(());
    }
    let refusal = Refusal::new(Code::UnknownKind, format!("the audit log names no object `{object}`"));
    Err(match nearest(kind, Object::kinds()) {
        Some(near) => refusal.hint(format!("did you mean `{}`?", object.replacen(kind, near, 1))),
        None => refusal.hint("an object is named as the list names it: `run 18`, `invoice INV-0000007`"),
    })
}

/// The next records after this one as they stand in the chain, oldest first; none = that was all.
pub async fn links(ctx: &Context, after: u64) -> Result<Vec<Link>, Stop> {
    let mut tx = ctx.store.read().await?;
    let page = audit::page(&mut tx, after, PAGE).await?;
    let links = page.into_iter().map(|(ordinal, record)| Link {
        ordinal,
        hash: record.as_ref().map(|r| r.hash.to_string()),
        record: record.map(|r| Record {
            at: r.at,
            actor: r.actor,
            action: r.action,
            object: r.object,
            detail: r.detail,
        }),
    });
    Ok(links.collect())
}
